package devvault

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accord/providers/devvault/mdl"
)

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
