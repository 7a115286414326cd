package devvault

import (
	"slices"
	"strings"
	"unicode"

	"accord/providers/devvault/mdl"
)

// handlePicklists answers GET /api/{v}/objects/picklists.
func handlePicklists(c *call) (reply, error) {
	cat := c.v.catalog()
	used := map[string][]body{}
	for _, n := range names(cat.objects) {
		for _, f := range cat.objects[n].fields.list {
			if f.Picklist != "" {
				used[f.Picklist] = append(used[f.Picklist], body{"objectName", n, "propertyName", f.Name})
			}
		}
	}
	for _, f := range cat.docFields.list {
		if f.Picklist != "" {
			used[f.Picklist] = append(used[f.Picklist], body{"documentTypeName", "base_document__v", "propertyName", f.Name})
		}
	}
	list := []body{}
	for _, n := range names(cat.picklists) {
		p := cat.picklists[n]
		b := body{"name", n, "label", p.Label, "kind", "global", "systemManaged", p.System}
		if u := used[n]; u != nil {
			b = append(b, "usedIn", u)
		}
		list = append(list, b)
	}
	return ok("picklists", list)
}

// handlePicklist answers GET /api/{v}/objects/picklists/{picklist}.
func handlePicklist(c *call) (reply, error) {
	p := c.v.catalog().picklists[c.param("picklist")]
	if p == nil {
		return reply{}, fail("INVALID_DATA", "The picklist [%s] does not exist", c.param("picklist"))
	}
	values := []body{}
	for _, e := range p.Entries {
		if e.Active {
			values = append(values, body{"name", e.Name, "label", e.Label})
		}
	}
	return ok("picklistValues", values)
}

// changePicklist replaces the entries of the picklist of the route.
func (c *call) changePicklist(change func(*picklist, []entry) ([]entry, error)) error {
	if !c.user.action("configure_vault__v") {
		return fail("INSUFFICIENT_ACCESS", "User [%s] may not change picklists", c.user.Name)
	}
	c.v.schema.Lock()
	defer c.v.schema.Unlock()
	cat := c.v.catalog().clone()
	p := cat.picklists[c.param("picklist")]
	if p == nil {
		return fail("INVALID_DATA", "The picklist [%s] does not exist", c.param("picklist"))
	}
	if p.System {
		return fail("OPERATION_NOT_ALLOWED", "The picklist [%s] is managed by the system", p.Name)
	}
	entries, err := change(p, slices.Clone(p.Entries))
	if err != nil {
		return err
	}
	cat.picklists[p.Name] = newPicklist(p.Name, p.Label, false, entries...)
	x, _ := cat.component("Picklist", p.Name)
	return c.v.saveComponents(cat, map[string]string{x.Key(): mdl.Format(x)}, func(*tx) error { return nil })
}

// valueName makes a value's name of its label: small letters with underscores, and __c.
func valueName(label string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(label) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.Trim(b.String(), "_") + "__c"
}

// handleAddPicklistValues answers POST /api/{v}/objects/picklists/{picklist} with value_1=Label, value_2=….
func handleAddPicklistValues(c *call) (reply, error) {
	added := []body{}
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		for _, k := range names(c.form) {
			if !strings.HasPrefix(k, "value_") {
				continue
			}
			e := entry{Name: valueName(c.form.Get(k)), Label: c.form.Get(k), Active: true}
			if _, taken := p.byName[e.Name]; taken {
				return nil, fail("ITEM_NAME_EXISTS", "The picklist value [%s] exists already", e.Name)
			}
			entries = append(entries, e)
			added = append(added, body{"name", e.Name, "label", e.Label})
		}
		if len(added) == 0 {
			return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [value_1]")
		}
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Created picklist value(s).", "picklistValues", added)
}

// handleRelabelPicklistValues answers PUT /api/{v}/objects/picklists/{picklist} with {value}=New label.
func handleRelabelPicklistValues(c *call) (reply, error) {
	changed := []body{}
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		for _, k := range names(c.formRow()) {
			i, found := p.byName[k]
			if !found {
				return nil, fail("INVALID_DATA", "The picklist value [%s] does not exist", k)
			}
			entries[i].Label = c.form.Get(k)
			changed = append(changed, body{"name", k, "label", entries[i].Label})
		}
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Updated picklist value(s).", "picklistValues", changed)
}

// handleChangePicklistValue answers PUT /api/{v}/objects/picklists/{picklist}/{value} with name and status.
func handleChangePicklistValue(c *call) (reply, error) {
	var now entry
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		i, found := p.byName[c.param("value")]
		if !found {
			return nil, fail("INVALID_DATA", "The picklist value [%s] does not exist", c.param("value"))
		}
		if n := c.form.Get("name"); n != "" {
			entries[i].Name = n + "__c"
		}
		switch c.form.Get("status") {
		case "active":
			entries[i].Active = true
		case "inactive":
			entries[i].Active = false
		case "":
		default:
			return nil, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [status]", c.form.Get("status"))
		}
		now = entries[i]
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Updated picklist value.", "name", now.Name)
}

// handleDropPicklistValue answers DELETE /api/{v}/objects/picklists/{picklist}/{value}: the value becomes inactive.
func handleDropPicklistValue(c *call) (reply, error) {
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		i, found := p.byName[c.param("value")]
		if !found {
			return nil, fail("INVALID_DATA", "The picklist value [%s] does not exist", c.param("value"))
		}
		entries[i].Active = false
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("name", c.param("value"))
}
