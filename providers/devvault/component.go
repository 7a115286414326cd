package devvault

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

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

// componentKinds holds all kinds by name. It is made when it is needed, since
// this package is linked into processes that serve no vault.
var componentKinds = sync.OnceValue(func() map[string]componentKind {
	kinds := map[string]componentKind{
		"Permissionset":       textKind("Permissionset", "Permission Set"),
		"Securityprofile":     textKind("Securityprofile", "Security Profile"),
		"Integrationrule":     textKind("Integrationrule", "Integration Rule"),
		"Picklist":            {"Picklist", func(c *catalog) []string { return names(c.picklists) }, printPicklist, conformPicklist, dropPicklist},
		"Object":              {"Object", func(c *catalog) []string { return names(c.objects) }, printObject, conformObject, dropObject},
		"Objecttype":          {"Object Type", objecttypeNames, printObjecttype, conformObjecttype, dropObjecttype},
		"Objectlifecycle":     {"Object Lifecycle", func(c *catalog) []string { return names(c.stateflows) }, printObjectlifecycle, conformObjectlifecycle, dropObjectlifecycle},
		"Docfield":            {"Document Field", docfieldNames, printDocfield, conformDocfield, dropDocfield},
		"Doctype":             {"Document Type", func(c *catalog) []string { return names(c.doctypes) }, printDoctype, conformDoctype, dropDoctype},
		"Doclifecycle":        {"Document Lifecycle", func(c *catalog) []string { return names(c.lifecycles) }, printDoclifecycle, conformDoclifecycle, dropDoclifecycle},
		"Docrelationshiptype": {"Document Relationship Type", func(c *catalog) []string { return names(c.relations) }, printRelationType, conformRelationType, dropRelationType},
	}
	for _, n := range names(componentTypes()) { // the rest of those whose attributes are known is text
		if _, done := kinds[n]; !done && len(componentTypes()[n].attributes) > 0 {
			kinds[n] = textKind(n, n)
		}
	}
	return kinds
})

// component prints one component; ok is false when there is none, or none of that type. What the catalog gives no meaning to
// is there as it was written.
func (c *catalog) component(typ, name string) (x mdl.Component, ok bool) {
	k, known := componentKinds()[typ]
	if !known {
		return x, false
	}
	if x, ok = k.print(c, name); !ok {
		return x, false
	}
	if w, written := c.written[typ+"."+name]; written {
		keepWritten(&x, &w)
	}
	return x, true
}

// passive are the attributes that are printed as they were written, though the catalog could print them itself.
var passive = []string{"active", "in_menu", "data_store", "allow_types", "default_type", "order", "list_column"}

func keepWritten(x, w *mdl.Component) {
	for _, a := range w.Attributes {
		switch own := x.Attribute(a.Name); {
		case own == nil:
			x.Attributes = append(x.Attributes, mdl.Attribute{Name: a.Name, Values: slices.Clone(a.Values)})
		case slices.Contains(passive, a.Name) && x.Type != "Picklistentry":
			own.Values = slices.Clone(a.Values)
		}
	}
	printed := map[string]bool{}
	for i := range x.Components {
		s := &x.Components[i]
		printed[s.Type] = true
		if sub := w.Component(s.Type, s.Name); sub != nil {
			keepWritten(s, sub)
		}
	}
	for _, s := range w.Components {
		switch s.Type {
		case "Field", "Picklistentry", "Doclifecyclestate", "Objectlifecyclestate", "Objectlifecyclestateuseraction":
		default:
			if !printed[s.Type] {
				x.Components = append(x.Components, s.Clone())
			}
		}
	}
}

// conform makes the catalog have the component as it is given.
func (c *catalog) conform(x mdl.Component) error {
	k, known := componentKinds()[x.Type]
	if !known || k.conform == nil {
		return fail("OPERATION_NOT_ALLOWED", "Components of type [%s] cannot be changed here", x.Type)
	}
	x.Command = ""
	if err := k.conform(c, x); err != nil {
		return err
	}
	if _, isText := c.components[x.Key()]; !isText {
		c.written[x.Key()] = x.Clone()
	}
	return nil
}

func (c *catalog) drop(typ, name string) error {
	k, known := componentKinds()[typ]
	if !known || k.drop == nil {
		return fail("OPERATION_NOT_ALLOWED", "Components of type [%s] cannot be dropped", typ)
	}
	delete(c.written, typ+"."+name)
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

func printObject(c *catalog, name string) (mdl.Component, bool) {
	o := c.objects[name]
	if o == nil {
		return mdl.Component{}, false
	}
	store := "standard"
	if o.Raw {
		store = "raw"
	}
	x := mdl.Component{Type: "Object", Name: name, Attributes: []mdl.Attribute{textAttr("label", o.Label), textAttr("label_plural", o.Plural),
		boolAttr("active", !o.Inactive), boolAttr("in_menu", o.InMenu), boolAttr("allow_types", len(o.Types) > 1), textAttr("data_store", store)}}
	if o.Lifecycle != "" {
		x.Attributes = append(x.Attributes, textAttr("available_lifecycles", "Objectlifecycle."+o.Lifecycle))
	}
	for i, f := range o.fields.list {
		if f.Computed && f.Source != "" { // comes with its currency field
			continue
		}
		s := mdl.Component{Type: "Field", Name: f.Name, Attributes: []mdl.Attribute{textAttr("label", f.Label), textAttr("type", f.mdlType()), boolAttr("active", !f.Inactive),
			boolAttr("required", f.Required), boolAttr("unique", f.Unique), boolAttr("list_column", f.ListColumn), numberAttr("order", i)}}
		if f.MaxLength > 0 {
			s.Attributes = append(s.Attributes, numberAttr("max_length", f.MaxLength))
		}
		if f.Picklist != "" {
			s.Attributes = append(s.Attributes, textAttr("picklist", "Picklist."+f.Picklist), boolAttr("multi_value", f.MultiValue))
		}
		if f.Object != "" {
			kind := "reference"
			if f.Parent {
				kind = "parent"
			}
			s.Attributes = append(s.Attributes, textAttr("object", "Object."+f.Object), textAttr("relationship_type", kind),
				textAttr("relationship_outbound_name", f.Outbound), textAttr("relationship_inbound_name", f.Inbound), textAttr("relationship_deletion", f.deletion()))
		}
		if f.Via != "" {
			s.Attributes = append(s.Attributes, textAttr("lookup_relationship_name", f.Via), textAttr("lookup_source_field", f.Source))
		}
		x.Components = append(x.Components, s)
	}
	return x, true
}

// mdlType is the type of a field as MDL has it.
func (f *field) mdlType() string {
	switch {
	case f.Via != "":
		return "Lookup"
	case f.Type == typeObject && f.Parent:
		return "ObjectParent"
	case f.Type == typeObject:
		return "Object"
	case f.Type == typeID:
		return "ID"
	case f.Type == typeCurrency:
		return "Number"
	}
	return f.Type
}

// conformObject takes an object over. Fields of the standard content stay whatever the text says; others come and go with it.
func conformObject(c *catalog, x mdl.Component) error {
	old := c.objects[x.Name]
	if old == nil {
		if !strings.HasSuffix(x.Name, "__c") && !strings.HasSuffix(x.Name, "__v") {
			return fail("INVALID_DATA", "The name [%s] of an object must end in __c", x.Name)
		}
		if x.Text("label") == "" || x.Text("label_plural") == "" {
			return fail("PARAMETER_REQUIRED", "Missing required attribute [label] or [label_plural]")
		}
		old = newObject(x.Name, x.Text("label"), x.Text("label_plural"), c.customPrefix(x.Name))
	}
	o := *old
	o.fields = newFields()
	set := func(text *string, name string) {
		if l := x.Text(name); l != "" {
			*text = l
		}
	}
	set(&o.Label, "label")
	set(&o.Plural, "label_plural")
	set(&o.Description, "description")
	set(&o.Help, "help_content")
	flag := func(b *bool, name string) {
		if x.Attribute(name) != nil {
			*b = x.True(name)
		}
	}
	flag(&o.InMenu, "in_menu")
	flag(&o.Attachments, "allow_attachments")
	flag(&o.Merges, "enable_merges")
	flag(&o.DynamicSecurity, "dynamic_security")
	if x.Attribute("active") != nil {
		o.Inactive = !x.True("active")
	}
	o.Raw = o.Raw || x.Text("data_store") == "raw"
	for _, f := range old.fields.list {
		if f.System {
			o.fields.set(f)
		}
	}
	if l := strings.TrimPrefix(x.Text("available_lifecycles"), "Objectlifecycle."); l != "" && l != o.Lifecycle {
		if c.stateflows[l] == nil {
			return fail("INVALID_DATA", "The object lifecycle [%s] does not exist", l)
		}
		o.withLifecycle(l)
	}
	c.objects[x.Name] = &o // fields may refer to the object itself
	for i := range x.Components {
		s := &x.Components[i]
		switch s.Type {
		case "Field":
		case "Index":
			continue
		default:
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
		if f.Via != "" {
			ref := o.fields.outbound(f.Via)
			if ref == nil || c.object(ref.Object) == nil || c.object(ref.Object).fields.get(f.Source) == nil {
				return fail("INVALID_DATA", "The lookup [%s] leads to no field", f.Name)
			}
			source := c.object(ref.Object).fields.get(f.Source)
			f.Type, f.Picklist, f.Object, f.MultiValue, f.MaxLength = source.Type, source.Picklist, "", source.MultiValue, source.MaxLength
		}
		o.fields.set(f)
		if f.Type == typeCurrency && f.Via == "" {
			o.fields.set(&field{Name: corporate(f.Name), Label: f.Label + " (Corporate)", Type: typeCurrency, ReadOnly: true, Scale: f.Scale, Source: f.Name, Computed: true})
		}
	}
	for i := range x.Components {
		s := &x.Components[i]
		if s.Type != "Index" {
			continue
		}
		for _, n := range s.List("fields") {
			if n = strings.TrimPrefix(n, "Field."); o.fields.get(n[strings.LastIndexByte(n, '.')+1:]) == nil {
				return fail("INVALID_DATA", "The field [%s] of index [%s] does not exist", n, s.Name)
			}
		}
	}
	return nil
}

// corporate is the name of the field that has a currency field's value in the corporate currency.
func corporate(name string) string {
	stem, _, _ := strings.Cut(name, "__")
	return stem + "_corp__sys"
}

// customPrefix is the id prefix of an object that is not standard: the same for a name at all times, and none of a standard object.
func (c *catalog) customPrefix(name string) string {
	n := int64(0)
	for _, b := range []byte(name) {
		n = (n*31 + int64(b)) % 1296
	}
	for ; ; n = (n + 1) % 1296 {
		digits := strings.ToUpper(strconv.FormatInt(n, 36))
		prefix := "V" + strings.Repeat("0", 2-len(digits)) + digits
		taken := false
		for _, o := range c.objects {
			taken = taken || o.Prefix == prefix && !strings.HasSuffix(o.Name, "__c")
		}
		if !taken {
			return prefix
		}
	}
}

// fieldOf reads a Field of an Object, or a Docfield.
func (c *catalog) fieldOf(s *mdl.Component, doc bool) (*field, error) {
	f := &field{Name: s.Name, Label: s.Text("label"), Type: s.Text("type"), Required: s.True("required"), Unique: s.True("unique"), MultiValue: s.True("multi_value"),
		Picklist: strings.TrimPrefix(s.Text("picklist"), "Picklist."), Object: strings.TrimPrefix(s.Text("object"), "Object."),
		Outbound: s.Text("relationship_outbound_name"), Inbound: s.Text("relationship_inbound_name"), Cascade: s.Text("relationship_deletion") == "cascade",
		Section: s.Text("display_section"), SetNull: s.Text("relationship_deletion") == "setnull",
		Parent:   s.Text("type") == "ObjectParent" || s.Text("relationship_type") == "parent",
		Inactive: s.Attribute("active") != nil && !s.True("active"), NoCopy: s.True("no_copy"), Encrypted: s.True("encrypted"), ListColumn: s.True("list_column"),
		Checkbox: s.True("checkbox"), Default: s.Text("default_value"), Description: s.Text("description"), Help: s.Text("help_content"),
		Controlling: strings.TrimPrefix(s.Text("controlling_field"), "Field."),
		NoDeepCopy:  s.Attribute("relationship_deep_copy") != nil && !s.True("relationship_deep_copy"),
		Via:         s.Text("lookup_relationship_name"), Source: s.Text("lookup_source_field")}
	f.MaxLength, _ = strconv.Atoi(s.Text("max_length"))
	f.Scale, _ = strconv.Atoi(s.Text("scale"))
	bound := func(name string) *float64 {
		if n, err := strconv.ParseFloat(s.Text(name), 64); err == nil {
			return &n
		}
		return nil
	}
	f.MinValue, f.MaxValue = bound("min_value"), bound("max_value")
	if f.Via != "" || f.Type == "Lookup" { // what it looks up is for the object to say
		if f.Via == "" || f.Source == "" {
			return nil, fail("PARAMETER_REQUIRED", "Missing required attribute [lookup_relationship_name] or [lookup_source_field] of field [%s]", s.Name)
		}
		f.ReadOnly, f.Object = true, ""
		return f, nil
	}
	if f.Type == typeNumber && s.Text("subtype") == "Currency" {
		f.Type = typeCurrency
	}
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
	case "Binary":
		f.Type = typeFile
	case typeString, typeLongText, typeNumber, typeBoolean, typeDate, typeDateTime, typeURL, typeCurrency, typeFile:
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

func conformObjecttype(c *catalog, x mdl.Component) error {
	object, typ, _ := strings.Cut(x.Name, ".")
	old := c.objects[object]
	if old == nil || typ == "" {
		return fail("INVALID_DATA", "The object of the object type [%s] does not exist", x.Name)
	}
	for _, s := range x.Components {
		if s.Type == "Typefield" && old.fields.get(s.Name) == nil {
			return fail("INVALID_DATA", "The field [%s] does not exist on object [%s]", s.Name, object)
		}
	}
	o := *old
	o.Types = slices.Clone(old.Types)
	t := o.typeByName(typ)
	if t == nil {
		o.Types = append(o.Types, objectType{Name: typ, ID: objectTypeID(object, typ)})
		t = &o.Types[len(o.Types)-1]
	}
	t.Label = x.Text("label")
	t.Inactive = x.Attribute("active") != nil && !x.True("active")
	if x.True("default_type") {
		i := slices.IndexFunc(o.Types, func(t objectType) bool { return t.Name == typ })
		first := o.Types[i]
		o.Types = slices.Insert(slices.Delete(o.Types, i, i+1), 0, first)
	}
	c.objects[object] = &o
	return nil
}

func dropObjecttype(c *catalog, name string) error {
	object, typ, _ := strings.Cut(name, ".")
	old := c.objects[object]
	if len(old.Types) == 1 || !strings.HasSuffix(typ, "__c") {
		return fail("OPERATION_NOT_ALLOWED", "The object type [%s] is a standard one, or the only one", name)
	}
	o := *old
	o.Types = slices.DeleteFunc(slices.Clone(old.Types), func(t objectType) bool { return t.Name == typ })
	c.objects[object] = &o
	return nil
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

// printObjectlifecycle pairs state_labels, base:object_lifecycle:…, with labeled_states; actions are sub-components of their state, and the
// XML of their rule is ours.
func printObjectlifecycle(c *catalog, name string) (mdl.Component, bool) {
	l := c.stateflows[name]
	if l == nil {
		return mdl.Component{}, false
	}
	x := mdl.Component{Type: "Objectlifecycle", Name: name, Attributes: []mdl.Attribute{textAttr("label", l.Label), boolAttr("active", true),
		textAttr("starting_state", "Objectlifecyclestate."+l.Starting)}}
	var labels, labeled []string
	for _, s := range l.States {
		for _, k := range s.Kinds {
			labels = append(labels, "base:object_lifecycle:"+k)
			labeled = append(labeled, "Objectlifecyclestate."+s.Name)
		}
		sub := mdl.Component{Type: "Objectlifecyclestate", Name: s.Name, Attributes: []mdl.Attribute{textAttr("label", s.Label), boolAttr("active", true)}}
		if s.Status != "" {
			sub.Attributes = append(sub.Attributes, textAttr("record_status", s.Status))
		}
		for i, a := range s.Actions {
			sub.Components = append(sub.Components, mdl.Component{Type: "Objectlifecyclestateuseraction", Name: a.Name, Attributes: []mdl.Attribute{
				textAttr("label", a.Label), attribute("rule", mdl.XML, fmt.Sprintf(`<useraction type="changeState" state="%s"/>`, a.To)), numberAttr("order", i)}})
		}
		x.Components = append(x.Components, sub)
	}
	x.Attributes = append(x.Attributes, textAttr("state_labels", labels...), textAttr("labeled_states", labeled...))
	return x, true
}

func conformObjectlifecycle(c *catalog, x mdl.Component) error {
	l := &stateflow{Name: x.Name, Label: x.Text("label"), Starting: strings.TrimPrefix(x.Text("starting_state"), "Objectlifecyclestate.")}
	for i := range x.Components {
		s := &x.Components[i]
		if s.Type != "Objectlifecyclestate" {
			continue
		}
		st := &recordState{Name: s.Name, Label: s.Text("label"), Status: s.Text("record_status")}
		for j := range s.Components {
			a := &s.Components[j]
			if a.Type != "Objectlifecyclestateuseraction" {
				continue
			}
			var rule struct {
				State string `xml:"state,attr"`
			}
			if err := xml.Unmarshal([]byte(a.Text("rule")), &rule); err != nil {
				return fail("INVALID_DATA", "The rule of the action [%s] cannot be read: %v", a.Name, err)
			}
			if x.Component("Objectlifecyclestate", rule.State) == nil {
				return fail("INVALID_DATA", "The action [%s] leads to the state [%s], which does not exist", a.Name, rule.State)
			}
			st.Actions = append(st.Actions, action{a.Name, a.Text("label"), rule.State})
		}
		l.States = append(l.States, st)
	}
	if l.Starting == "" && len(l.States) > 0 {
		l.Starting = l.States[0].Name
	}
	if l.state(l.Starting) == nil {
		return fail("INVALID_DATA", "The lifecycle [%s] has no starting state", x.Name)
	}
	labels, labeled := x.List("state_labels"), x.List("labeled_states")
	if len(labels) != len(labeled) {
		return fail("INVALID_DATA", "[state_labels] has %d values and [labeled_states] %d", len(labels), len(labeled))
	}
	for i, label := range labels {
		kind, known := strings.CutPrefix(label, "base:object_lifecycle:")
		s := l.state(strings.TrimPrefix(labeled[i], "Objectlifecyclestate."))
		if !known || s == nil {
			return fail("INVALID_DATA", "The state label [%s] for [%s] is not known", label, labeled[i])
		}
		s.Kinds = append(s.Kinds, kind)
	}
	c.stateflows[x.Name] = l
	return nil
}

func dropObjectlifecycle(c *catalog, name string) error {
	for _, n := range names(c.objects) {
		if c.objects[n].Lifecycle == name {
			return fail("OPERATION_NOT_ALLOWED", "The lifecycle [%s] is used by the object [%s]", name, n)
		}
	}
	delete(c.stateflows, name)
	return nil
}
