package devvault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accord/providers/devvault/mdl"
)

// componentKind is a type of component that the server knows: how to print it, take one over, and drop it.
type componentKind struct {
	label   string
	names   func(*catalog) []string
	print   func(*catalog, string) (mdl.Component, bool)
	conform func(*catalog, mdl.Component) error // nil: read only
	drop    func(*catalog, string) error        // nil: cannot be dropped
}

// textKind is a component whose text is all there is to it.
func textKind(typ, label string) componentKind {
	return componentKind{label: label,
		names: func(c *catalog) []string {
			var list []string
			for _, k := range names(c.components) {
				if n, ok := strings.CutPrefix(k, typ+"."); ok {
					list = append(list, n)
				}
			}
			return list
		},
		print: func(c *catalog, name string) (mdl.Component, bool) {
			x, ok := c.components[typ+"."+name]
			return x, ok
		},
		conform: func(c *catalog, x mdl.Component) error {
			c.components[x.Key()] = x
			return nil
		},
		drop: func(c *catalog, name string) error {
			delete(c.components, typ+"."+name)
			return nil
		},
	}
}

var componentKinds map[string]componentKind

func init() {
	componentKinds = map[string]componentKind{
		"Permissionset":   textKind("Permissionset", "Permission Set"),
		"Securityprofile": textKind("Securityprofile", "Security Profile"),
		"Integrationrule": textKind("Integrationrule", "Integration Rule"),
		"Picklist":        {"Picklist", func(c *catalog) []string { return names(c.picklists) }, printPicklist, conformPicklist, dropPicklist},
		"Object":          {"Object", func(c *catalog) []string { return names(c.objects) }, printObject, conformObject, dropObject},
		"Objecttype":      {"Object Type", objecttypeNames, printObjecttype, nil, nil},
		"Docfield":        {"Document Field", docfieldNames, printDocfield, conformDocfield, dropDocfield},
		"Doctype":         {"Document Type", func(c *catalog) []string { return names(c.doctypes) }, printDoctype, conformDoctype, nil},
		"Doclifecycle":    {"Document Lifecycle", func(c *catalog) []string { return names(c.lifecycles) }, printDoclifecycle, nil, nil},
	}
}

// component prints one component; ok is false when there is none, or none of that type.
func (c *catalog) component(typ, name string) (x mdl.Component, ok bool) {
	k, known := componentKinds[typ]
	if !known {
		return x, false
	}
	return k.print(c, name)
}

// conform makes the catalog have the component as it is given.
func (c *catalog) conform(x mdl.Component) error {
	k, known := componentKinds[x.Type]
	if !known || k.conform == nil {
		return fail("OPERATION_NOT_ALLOWED", "Components of type [%s] cannot be changed here", x.Type)
	}
	x.Command = ""
	return k.conform(c, x)
}

func (c *catalog) drop(typ, name string) error {
	k, known := componentKinds[typ]
	if !known || k.drop == nil {
		return fail("OPERATION_NOT_ALLOWED", "Components of type [%s] cannot be dropped", typ)
	}
	return k.drop(c, name)
}

// Makers of attributes.

func attribute(name string, kind mdl.Kind, values ...string) mdl.Attribute {
	a := mdl.Attribute{Name: name}
	for _, v := range values {
		a.Values = append(a.Values, mdl.Value{Kind: kind, Text: v})
	}
	return a
}
func textAttr(name string, values ...string) mdl.Attribute {
	return attribute(name, mdl.Text, values...)
}
func boolAttr(name string, v bool) mdl.Attribute {
	return attribute(name, mdl.Bool, strconv.FormatBool(v))
}
func numberAttr(name string, n int) mdl.Attribute {
	return attribute(name, mdl.Number, strconv.Itoa(n))
}

func printPicklist(c *catalog, name string) (mdl.Component, bool) {
	p := c.picklists[name]
	if p == nil {
		return mdl.Component{}, false
	}
	x := mdl.Component{Type: "Picklist", Name: name, Attributes: []mdl.Attribute{textAttr("label", p.Label), boolAttr("active", true), boolAttr("system_managed", p.System)}}
	for i, e := range p.Entries {
		x.Components = append(x.Components, mdl.Component{Type: "Picklistentry", Name: e.Name, Attributes: []mdl.Attribute{
			textAttr("value", e.Label), numberAttr("order", i), boolAttr("active", e.Active)}})
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
		entries = append(entries, entry{s.Name, s.Text("value"), s.Attribute("active") == nil || s.True("active")})
	}
	c.picklists[x.Name] = newPicklist(x.Name, x.Text("label"), false, entries...)
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

func printObject(c *catalog, name string) (mdl.Component, bool) {
	o := c.objects[name]
	if o == nil {
		return mdl.Component{}, false
	}
	x := mdl.Component{Type: "Object", Name: name, Attributes: []mdl.Attribute{textAttr("label", o.Label), textAttr("label_plural", o.Plural),
		boolAttr("active", true), boolAttr("in_menu", o.InMenu), boolAttr("allow_types", len(o.Types) > 1), textAttr("data_store", "standard")}}
	for i, f := range o.fields.list {
		typ := f.Type
		switch typ {
		case typeObject:
			typ = "Object"
		case typeID:
			typ = "ID"
		}
		s := mdl.Component{Type: "Field", Name: f.Name, Attributes: []mdl.Attribute{textAttr("label", f.Label), textAttr("type", typ), boolAttr("active", true),
			boolAttr("required", f.Required), boolAttr("unique", f.Unique), numberAttr("order", i)}}
		if f.MaxLength > 0 {
			s.Attributes = append(s.Attributes, numberAttr("max_length", f.MaxLength))
		}
		if f.Picklist != "" {
			s.Attributes = append(s.Attributes, textAttr("picklist", "Picklist."+f.Picklist), boolAttr("multi_value", f.MultiValue))
		}
		if f.Object != "" {
			s.Attributes = append(s.Attributes, textAttr("object", "Object."+f.Object), textAttr("relationship_type", "reference"),
				textAttr("relationship_outbound_name", f.Outbound), textAttr("relationship_inbound_name", f.Inbound), textAttr("relationship_deletion", f.deletion()))
		}
		x.Components = append(x.Components, s)
	}
	return x, true
}

// conformObject takes an object over. Fields of the standard content stay whatever the text says; others come and go with it.
func conformObject(c *catalog, x mdl.Component) error {
	old := c.objects[x.Name]
	if old == nil {
		if !strings.HasSuffix(x.Name, "__c") && !strings.HasSuffix(x.Name, "__v") {
			return fail("INVALID_DATA", "The name [%s] of an object must end in __c", x.Name)
		}
		labels := x.Text("label_plural")
		if x.Text("label") == "" || labels == "" {
			return fail("PARAMETER_REQUIRED", "Missing required attribute [label] or [label_plural]")
		}
		old = newObject(x.Name, x.Text("label"), labels, customPrefix(x.Name))
	}
	o := *old
	o.fields = newFields()
	if l := x.Text("label"); l != "" {
		o.Label = l
	}
	if l := x.Text("label_plural"); l != "" {
		o.Plural = l
	}
	for _, f := range old.fields.list {
		if f.System {
			o.fields.set(f)
		}
	}
	for i := range x.Components {
		s := &x.Components[i]
		if s.Type != "Field" {
			return fail("INVALID_DATA", "An Object has no [%s]", s.Type)
		}
		if f := o.fields.get(s.Name); f != nil {
			continue
		}
		f, err := c.fieldOf(s, false)
		if err != nil {
			return err
		}
		if f.Object != "" && f.Inbound == "" {
			f.Inbound = plural(x.Name)
		}
		o.fields.set(f)
	}
	c.objects[x.Name] = &o
	return nil
}

// customPrefix is the id prefix of an object that is not standard.
func customPrefix(name string) string {
	n := int64(0)
	for _, b := range []byte(name) {
		n = (n*31 + int64(b)) % 1296
	}
	return "V" + strings.ToUpper(fmt.Sprintf("%02s", strconv.FormatInt(n, 36)))
}

// fieldOf reads a Field of an Object, or a Docfield.
func (c *catalog) fieldOf(s *mdl.Component, doc bool) (*field, error) {
	f := &field{Name: s.Name, Label: s.Text("label"), Type: s.Text("type"), Required: s.True("required"), Unique: s.True("unique"), MultiValue: s.True("multi_value"),
		Picklist: strings.TrimPrefix(s.Text("picklist"), "Picklist."), Object: strings.TrimPrefix(s.Text("object"), "Object."),
		Outbound: s.Text("relationship_outbound_name"), Inbound: s.Text("relationship_inbound_name"), Cascade: s.Text("relationship_deletion") == "cascade",
		Section: s.Text("display_section")}
	f.MaxLength, _ = strconv.Atoi(s.Text("max_length"))
	if f.Label == "" {
		return nil, fail("PARAMETER_REQUIRED", "Missing required attribute [label] of field [%s]", s.Name)
	}
	switch f.Type {
	case "Object", "ObjectReference", "ObjectParent":
		f.Type = typeObject
		if c.object(f.Object) == nil && f.Object != "" {
			if _, declared := c.objects[f.Object]; !declared {
				return nil, fail("INVALID_DATA", "The object [%s] of field [%s] does not exist", f.Object, s.Name)
			}
		}
		if f.Object == "" {
			return nil, fail("PARAMETER_REQUIRED", "Missing required attribute [object] of field [%s]", s.Name)
		}
		if f.Outbound == "" {
			f.Outbound = relationshipName(f.Name)
		}
		if doc {
			f.docRelation()
		}
	case "RichText":
		f.Type = typeLongText
	case typePicklist:
		if c.picklists[f.Picklist] == nil {
			return nil, fail("INVALID_DATA", "The picklist [%s] of field [%s] does not exist", f.Picklist, s.Name)
		}
	case typeString, typeLongText, typeNumber, typeBoolean, typeDate, typeDateTime, typeURL:
	default:
		return nil, fail("INVALID_DATA", "The type [%s] of field [%s] is not supported", f.Type, s.Name)
	}
	if f.MaxLength == 0 && f.Type == typeString {
		f.MaxLength = 1500
	}
	return f, nil
}

func dropObject(c *catalog, name string) error {
	if o := c.objects[name]; o != nil && o.Source != "custom" {
		return fail("OPERATION_NOT_ALLOWED", "The object [%s] is a standard one", name)
	}
	if in := c.inbound(name); len(in) > 0 {
		return fail("OPERATION_NOT_ALLOWED", "The object [%s] is referred to by [%s.%s]", name, in[0].Object.Name, in[0].Field.Name)
	}
	delete(c.objects, name)
	return nil
}

func objecttypeNames(c *catalog) []string {
	var list []string
	for _, n := range names(c.objects) {
		for _, t := range c.objects[n].Types {
			list = append(list, n+"."+t.Name)
		}
	}
	return list
}

func printObjecttype(c *catalog, name string) (mdl.Component, bool) {
	object, typ, _ := strings.Cut(name, ".")
	o := c.objects[object]
	if o == nil || o.typeByName(typ) == nil {
		return mdl.Component{}, false
	}
	t := o.typeByName(typ)
	return mdl.Component{Type: "Objecttype", Name: name, Attributes: []mdl.Attribute{textAttr("label", t.Label), textAttr("label_plural", t.Label),
		boolAttr("active", true), boolAttr("default_type", typ == o.defaultType())}}, true
}

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
