package devvault

import (
	"slices"
	"strconv"
	"strings"

	"accord/providers/devvault/mdl"
)

func printPicklist(c *catalog, name string) (mdl.Component, bool) {
	p := c.picklists[name]
	if p == nil {
		return mdl.Component{}, false
	}
	x := mdl.Component{Type: "Picklist", Name: name, Attributes: []mdl.Attribute{textAttr("label", p.Label), boolAttr("active", true), boolAttr("system_managed", p.System)}}
	if p.Controlling != "" {
		x.Attributes = append(x.Attributes, textAttr("controlling_picklist", "Picklist."+p.Controlling))
	}
	for i, e := range p.Entries {
		s := mdl.Component{Type: "Picklistentry", Name: e.Name, Attributes: []mdl.Attribute{
			textAttr("value", e.Label), numberAttr("order", i), boolAttr("active", e.Active)}}
		if len(e.Controlled) > 0 {
			s.Attributes = append(s.Attributes, textAttr("controlling_entries", e.Controlled...))
		}
		x.Components = append(x.Components, s)
	}
	return x, true
}

func conformPicklist(c *catalog, x mdl.Component) error {
	if old := c.picklists[x.Name]; old != nil && old.System {
		return fail("OPERATION_NOT_ALLOWED", "The picklist [%s] is managed by the system", x.Name)
	}
	if x.Text("label") == "" {
		return fail("PARAMETER_REQUIRED", "Missing required attribute [label]")
	}
	var entries []entry
	subs := slices.Clone(x.Components)
	order := func(s mdl.Component) int { n, _ := strconv.Atoi(s.Text("order")); return n }
	slices.SortStableFunc(subs, func(a, b mdl.Component) int { return order(a) - order(b) })
	for _, s := range subs {
		if s.Type != "Picklistentry" {
			return fail("INVALID_DATA", "A Picklist has no [%s]", s.Type)
		}
		controlled := s.List("controlling_entries")
		for i, n := range controlled {
			controlled[i] = n[strings.LastIndexByte(n, '.')+1:]
		}
		entries = append(entries, entry{s.Name, s.Text("value"), s.Attribute("active") == nil || s.True("active"), controlled})
	}
	p := newPicklist(x.Name, x.Text("label"), false, entries...)
	p.Controlling = strings.TrimPrefix(x.Text("controlling_picklist"), "Picklist.")
	if p.Controlling != "" && c.picklists[p.Controlling] == nil {
		return fail("INVALID_DATA", "The controlling picklist [%s] does not exist", p.Controlling)
	}
	c.picklists[x.Name] = p
	return nil
}

func dropPicklist(c *catalog, name string) error {
	if p := c.picklists[name]; p != nil && (p.System || !strings.HasSuffix(name, "__c")) {
		return fail("OPERATION_NOT_ALLOWED", "The picklist [%s] is a standard one", name)
	}
	for _, n := range names(c.objects) {
		for _, f := range c.objects[n].fields.list {
			if f.Picklist == name {
				return fail("OPERATION_NOT_ALLOWED", "The picklist [%s] is used by [%s.%s]", name, n, f.Name)
			}
		}
	}
	delete(c.picklists, name)
	return nil
}
