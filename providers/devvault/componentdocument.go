package devvault

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"accord/providers/devvault/mdl"
)

func docfieldNames(c *catalog) []string {
	list := names(c.docFields.byName)
	return list
}

func printDocfield(c *catalog, name string) (mdl.Component, bool) {
	f := c.docFields.get(name)
	if f == nil {
		return mdl.Component{}, false
	}
	x := mdl.Component{Type: "Docfield", Name: name, Attributes: []mdl.Attribute{textAttr("label", f.Label), boolAttr("active", true), boolAttr("required", f.Required),
		boolAttr("shared", true), textAttr("type", f.Type), textAttr("display_section", f.Section), boolAttr("multi_value", f.MultiValue)}}
	if f.MaxLength > 0 {
		x.Attributes = append(x.Attributes, numberAttr("max_length", f.MaxLength))
	}
	if f.Picklist != "" {
		x.Attributes = append(x.Attributes, textAttr("picklist", "Picklist."+f.Picklist))
	}
	if f.Object != "" {
		x.Attributes = append(x.Attributes, textAttr("object", "Object."+f.Object))
	}
	return x, true
}

func conformDocfield(c *catalog, x mdl.Component) error {
	if old := c.docFields.get(x.Name); old != nil && old.System {
		return fail("OPERATION_NOT_ALLOWED", "The document field [%s] is a standard one", x.Name)
	}
	f, err := c.fieldOf(&x, true)
	if err != nil {
		return err
	}
	c.docFields.set(f)
	return nil
}

func dropDocfield(c *catalog, name string) error {
	if old := c.docFields.get(name); old != nil && old.System {
		return fail("OPERATION_NOT_ALLOWED", "The document field [%s] is a standard one", name)
	}
	c.docFields.drop(name)
	return nil
}

func printDoctype(c *catalog, name string) (mdl.Component, bool) {
	t := c.doctypes[name]
	if t == nil {
		return mdl.Component{}, false
	}
	x := mdl.Component{Type: "Doctype", Name: name, Attributes: []mdl.Attribute{textAttr("label", t.Label), boolAttr("active", true)}}
	list := func(attr, prefix string, of []string) {
		if len(of) == 0 {
			return
		}
		values := make([]string, len(of))
		for i, n := range of {
			values[i] = prefix + n
		}
		x.Attributes = append(x.Attributes, textAttr(attr, values...))
	}
	list("available_lifecycles", "Doclifecycle.", t.Lifecycles)
	list("relationship_types", "Docrelationshiptype.", t.Relations)
	return x, true
}

func conformDoctype(c *catalog, x mdl.Component) error {
	t := doctype{Name: x.Name, Source: "custom"}
	if old := c.doctypes[x.Name]; old != nil {
		t = *old
		t.Lifecycles, t.Relations = nil, nil
	}
	t.Label = x.Text("label")
	for _, l := range x.List("available_lifecycles") {
		l = strings.TrimPrefix(l, "Doclifecycle.")
		if c.lifecycles[l] == nil {
			return fail("INVALID_DATA", "The lifecycle [%s] does not exist", l)
		}
		t.Lifecycles = append(t.Lifecycles, l)
	}
	for _, r := range x.List("relationship_types") {
		t.Relations = append(t.Relations, strings.TrimPrefix(r, "Docrelationshiptype."))
	}
	if t.Label == "" || len(t.Lifecycles) == 0 {
		return fail("PARAMETER_REQUIRED", "Missing required attribute [label] or [available_lifecycles]")
	}
	c.doctypes[x.Name] = &t
	return nil
}

func dropDoctype(c *catalog, name string) error {
	if t := c.doctypes[name]; t != nil && t.Source != "custom" {
		return fail("OPERATION_NOT_ALLOWED", "The document type [%s] is a standard one", name)
	}
	delete(c.doctypes, name)
	return nil
}

func printRelationType(c *catalog, name string) (mdl.Component, bool) {
	r := c.relations[name]
	if r == nil {
		return mdl.Component{}, false
	}
	x := mdl.Component{Type: "Docrelationshiptype", Name: name, Attributes: []mdl.Attribute{textAttr("label", r.Label), boolAttr("active", true),
		boolAttr("source_version_specific", r.SourceSpecific), boolAttr("target_version_specific", r.TargetSpecific)}}
	for _, t := range r.Targets {
		x.Attributes = append(x.Attributes, textAttr("target_doctype", "Doctype."+t))
	}
	return x, true
}

func conformRelationType(c *catalog, x mdl.Component) error {
	if old := c.relations[x.Name]; old != nil && old.System {
		return fail("OPERATION_NOT_ALLOWED", "The relationship type [%s] is managed by the system", x.Name)
	}
	r := &relationType{Name: x.Name, Label: x.Text("label"), SourceSpecific: x.True("source_version_specific"), TargetSpecific: x.True("target_version_specific")}
	for _, t := range x.List("target_doctype") {
		t = strings.TrimPrefix(t, "Doctype.")
		if c.doctypes[t] == nil {
			return fail("INVALID_DATA", "The document type [%s] does not exist", t)
		}
		r.Targets = append(r.Targets, t)
	}
	c.relations[x.Name] = r
	return nil
}

func dropRelationType(c *catalog, name string) error {
	if r := c.relations[name]; r != nil && (r.System || !strings.HasSuffix(name, "__c")) {
		return fail("OPERATION_NOT_ALLOWED", "The relationship type [%s] is a standard one", name)
	}
	for _, n := range names(c.doctypes) {
		if slices.Contains(c.doctypes[n].Relations, name) {
			return fail("OPERATION_NOT_ALLOWED", "The relationship type [%s] is used by the document type [%s]", name, n)
		}
	}
	delete(c.relations, name)
	return nil
}

// printDoclifecycle pairs state_labels with labeled_states, position by position: that is where a client reads which states are steady,
// obsolete, superseded, starting. The XML inside user_action is ours.
func printDoclifecycle(c *catalog, name string) (mdl.Component, bool) {
	l := c.lifecycles[name]
	if l == nil {
		return mdl.Component{}, false
	}
	var labels, labeled []string
	x := mdl.Component{Type: "Doclifecycle", Name: name}
	for i, s := range l.States {
		if s.Kind != "" {
			labels = append(labels, "base:general:"+s.Kind)
			labeled = append(labeled, "Doclifecyclestate."+s.Name)
		}
		sub := mdl.Component{Type: "Doclifecyclestate", Name: s.Name, Attributes: []mdl.Attribute{textAttr("label", s.Label), boolAttr("active", true), numberAttr("order", i)}}
		if len(s.Actions) > 0 {
			var b strings.Builder
			b.WriteString("<useractions>")
			for _, a := range s.Actions {
				fmt.Fprintf(&b, `<useraction name="%s" label="%s" type="changeState" state="%s"/>`, a.Name, a.Label, a.To)
			}
			b.WriteString("</useractions>")
			sub.Attributes = append(sub.Attributes, attribute("user_action", mdl.XML, b.String()))
		}
		x.Components = append(x.Components, sub)
	}
	x.Attributes = []mdl.Attribute{textAttr("label", l.Label), boolAttr("active", true), textAttr("state_labels", labels...), textAttr("labeled_states", labeled...)}
	return x, true
}

// actionsXML is how the user actions of a state are written; the XML is ours.
type actionsXML struct {
	Actions []struct {
		Name  string `xml:"name,attr"`
		Label string `xml:"label,attr"`
		State string `xml:"state,attr"`
	} `xml:"useraction"`
}

// conformDoclifecycle reads states, what base:general says of them, and the actions that the XML of printDoclifecycle names.
func conformDoclifecycle(c *catalog, x mdl.Component) error {
	l := &lifecycle{Name: x.Name, Label: x.Text("label")}
	for i := range x.Components {
		s := &x.Components[i]
		if s.Type != "Doclifecyclestate" {
			continue
		}
		st := &state{Name: s.Name, Label: s.Text("label")}
		if text := s.Text("user_action"); text != "" {
			var actions actionsXML
			if err := xml.Unmarshal([]byte(text), &actions); err != nil {
				return fail("INVALID_DATA", "The user_action of state [%s] cannot be read: %v", s.Name, err)
			}
			for _, a := range actions.Actions {
				if x.Component("Doclifecyclestate", a.State) == nil {
					return fail("INVALID_DATA", "The action [%s] leads to the state [%s], which does not exist", a.Name, a.State)
				}
				st.Actions = append(st.Actions, action{a.Name, a.Label, a.State})
			}
		}
		l.States = append(l.States, st)
	}
	labels, labeled := x.List("state_labels"), x.List("labeled_states")
	if len(labels) != len(labeled) {
		return fail("INVALID_DATA", "[state_labels] has %d values and [labeled_states] %d", len(labels), len(labeled))
	}
	for i, label := range labels {
		kind, known := strings.CutPrefix(label, "base:general:")
		s := l.state(strings.TrimPrefix(labeled[i], "Doclifecyclestate."))
		if !known || s == nil {
			return fail("INVALID_DATA", "The state label [%s] for [%s] is not known", label, labeled[i])
		}
		s.Kind = kind
	}
	if l.kind("starting") == nil {
		return fail("INVALID_DATA", "The lifecycle [%s] has no starting state", x.Name)
	}
	c.lifecycles[x.Name] = l
	return nil
}

func dropDoclifecycle(c *catalog, name string) error {
	for _, n := range names(c.doctypes) {
		if slices.Contains(c.doctypes[n].Lifecycles, name) {
			return fail("OPERATION_NOT_ALLOWED", "The lifecycle [%s] is used by the document type [%s]", name, n)
		}
	}
	if !strings.HasSuffix(name, "__c") {
		return fail("OPERATION_NOT_ALLOWED", "The lifecycle [%s] is a standard one", name)
	}
	delete(c.lifecycles, name)
	return nil
}
