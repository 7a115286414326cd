package devvault

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"accord/providers/devvault/mdl"
)

// catalog is what a vault knows about its own shape: objects, document fields, types, lifecycles, picklists, and the components
// that are only text to it. It is never changed once it is in use; a change makes a new one (see vault.change).
type catalog struct {
	objects    map[string]*object
	aliases    map[string]string // other names of objects, as the sources of the platform disagree
	docFields  *fields
	doctypes   map[string]*doctype
	lifecycles map[string]*lifecycle
	picklists  map[string]*picklist
	relations  map[string]*relationType
	stateflows map[string]*stateflow    // lifecycles of objects
	components map[string]mdl.Component // by key, "Permissionset.clm_admin__c": components that are all text
	written    map[string]mdl.Component // by key: the others as they were written last, for what the catalog gives no meaning to
	granted    sync.Map                 // security profile → *grants, computed when first asked for
}

// Types of fields as describe and SHOW FIELDS print them.
const (
	typeID       = "id"
	typeString   = "String"
	typeLongText = "LongText"
	typeNumber   = "Number"
	typeBoolean  = "Boolean"
	typeDate     = "Date"
	typeDateTime = "DateTime"
	typePicklist = "Picklist"
	typeObject   = "ObjectReference"
	typeURL      = "URL"
	typeCurrency = "Currency"
	typeFile     = "Attachment"
)

// field is one field of an object or of documents.
type field struct {
	Name, Label, Type string
	Required, Unique  bool
	MultiValue        bool
	ReadOnly          bool // set by the vault, not by callers
	CreateOnly        bool // settable on create only
	System            bool // part of the standard content, cannot be dropped
	MaxLength         int
	Picklist          string
	Object            string // of a reference: the object it refers to
	Outbound          string // of a reference: the relationship from here to there, country__vr
	Inbound           string // of a reference: the relationship from there to here, crm_connection_countries__vr
	Section           string // of a document field: the section of its page
	Cascade           bool   // of a reference: the referring record is deleted with the one it refers to; else that one cannot be
	SetNull           bool   // of a reference: it becomes blank when the one it refers to is deleted
	Parent            bool   // of a reference: the referring record is a child of the one it refers to
	NoDeepCopy        bool   // of a parent reference: a deep copy of the parent leaves its children out
	Inactive          bool
	NoCopy, Encrypted bool
	ListColumn        bool
	Checkbox          bool
	Scale             int
	MinValue          *float64
	MaxValue          *float64
	Default           string
	Description, Help string
	Controlling       string // controlling_field: of a picklist, the picklist field that limits its values

	// Via and Source make a lookup: the value of the field Source of the record that the relationship Via leads to. It is never stored.
	Via, Source string

	// Column is the column of records or versions that holds the value. When it is empty, the value is in fields under Name,
	// unless Computed is set: then it is made from other columns (global_id__sys, version_id, version_link…).
	Column   string
	Computed bool
}

// multiple reports whether fields holds an array for it.
func (f *field) multiple() bool { return f.Type == typePicklist || f.MultiValue }

// fields is an ordered set of fields.
type fields struct {
	list   []*field
	byName map[string]*field
}

func newFields(list ...*field) *fields {
	f := &fields{byName: make(map[string]*field, len(list))}
	for _, x := range list {
		f.set(x)
	}
	return f
}

func (f *fields) get(name string) *field { return f.byName[name] }

func (f *fields) set(x *field) {
	if old, ok := f.byName[x.Name]; ok {
		f.list[slices.Index(f.list, old)] = x
	} else {
		f.list = append(f.list, x)
	}
	f.byName[x.Name] = x
}

func (f *fields) drop(name string) {
	if old, ok := f.byName[name]; ok {
		f.list = slices.DeleteFunc(f.list, func(x *field) bool { return x == old })
		delete(f.byName, name)
	}
}

func (f *fields) clone() *fields { return newFields(f.list...) }

// object is a Vault object.
type object struct {
	Name, Label, Plural string
	Prefix              string // first three characters of its record ids
	Source              string // standard | system | custom
	Types               []objectType
	Lifecycle           string // object lifecycle, if it has one
	InMenu              bool
	Inactive            bool
	Description, Help   string
	Attachments         bool // allow_attachments
	Merges              bool // enable_merges
	DynamicSecurity     bool // dynamic_security: records have sharing roles
	Raw                 bool // data_store raw
	fields              *fields
}

type objectType struct {
	Name, Label, ID string
	Inactive        bool
}

// stateflow is an object lifecycle.
type stateflow struct {
	Name, Label string
	Starting    string
	States      []*recordState
}

// recordState is a state of an object lifecycle. Kinds are what base:object_lifecycle:… says of it: initial, complete, …
type recordState struct {
	Name, Label string
	Status      string // record_status: the status__v of a record that comes into the state; it stays as it is when empty
	Kinds       []string
	Actions     []action
}

func (l *stateflow) state(name string) *recordState {
	if l != nil {
		for _, s := range l.States {
			if s.Name == name {
				return s
			}
		}
	}
	return nil
}

// kind lists the names of the states of a kind.
func (l *stateflow) kind(kind string) []string {
	var list []string
	if l != nil {
		for _, s := range l.States {
			if slices.Contains(s.Kinds, kind) {
				list = append(list, s.Name)
			}
		}
	}
	return list
}

func (o *object) typeByName(name string) *objectType {
	for i := range o.Types {
		if o.Types[i].Name == name {
			return &o.Types[i]
		}
	}
	return nil
}

func (o *object) typeByID(id string) *objectType {
	for i := range o.Types {
		if o.Types[i].ID == id {
			return &o.Types[i]
		}
	}
	return nil
}

// defaultType is the type of a record that is created without one.
func (o *object) defaultType() string { return o.Types[0].Name }

type doctype struct {
	Name, Label string
	Lifecycles  []string
	Relations   []string
	Source      string
}

// lifecycle is a document lifecycle.
type lifecycle struct {
	Name, Label string
	States      []*state
}

// state is a state of a document lifecycle. Kind is what base:general:… says of it: starting, steady, superseded, obsolete, or "".
type state struct {
	Name, Label, Kind string
	Actions           []action
}

type action struct{ Name, Label, To string }

func (l *lifecycle) state(name string) *state {
	for _, s := range l.States {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// kind returns the first state of a kind, or nil.
func (l *lifecycle) kind(kind string) *state {
	for _, s := range l.States {
		if s.Kind == kind {
			return s
		}
	}
	return nil
}

func (s *state) action(name string) *action {
	for i := range s.Actions {
		if s.Actions[i].Name == name {
			return &s.Actions[i]
		}
	}
	return nil
}

type picklist struct {
	Name, Label string
	System      bool
	Controlling string // the picklist whose value says which of these may be chosen
	Entries     []entry
	byName      map[string]int
	byLabel     map[string]int
}

type entry struct {
	Name, Label string
	Active      bool
	Controlled  []string // the values of the controlling picklist under which it may be chosen; any when empty
}

func newPicklist(name, label string, system bool, entries ...entry) *picklist {
	p := &picklist{Name: name, Label: label, System: system, Entries: entries,
		byName: make(map[string]int, len(entries)), byLabel: make(map[string]int, len(entries))}
	for i, e := range entries {
		p.byName[e.Name] = i
		p.byLabel[e.Label] = i
	}
	return p
}

// entry finds a value by its name, or by its label when no name is like that; nil when neither is there.
func (p *picklist) entry(nameOrLabel string) *entry {
	if i, ok := p.byName[nameOrLabel]; ok {
		return &p.Entries[i]
	}
	if i, ok := p.byLabel[nameOrLabel]; ok {
		return &p.Entries[i]
	}
	return nil
}

// label is the label of a value, or its name where the picklist does not have it.
func (p *picklist) label(name string) string {
	if p != nil {
		if i, ok := p.byName[name]; ok {
			return p.Entries[i].Label
		}
	}
	return name
}

type relationType struct {
	Name, Label                    string
	SourceSpecific, TargetSpecific bool
	System                         bool
	Targets                        []string
}

// object finds an object by its name or by another name it is known by; nil when there is none.
func (c *catalog) object(name string) *object {
	if o, ok := c.objects[name]; ok {
		return o
	}
	if n, ok := c.aliases[name]; ok {
		return c.objects[n]
	}
	return nil
}

// names returns the keys of a part of the catalog in order.
func names[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// inbound is a reference seen from the object that is referred to: Object's Field refers here, by the relationship Name.
type inbound struct {
	Name   string
	Object *object
	Field  *field
}

// inbound returns the relationships that lead from object to the records that refer to it, in order of name.
func (c *catalog) inbound(name string) []inbound {
	var list []inbound
	for _, n := range names(c.objects) {
		o := c.objects[n]
		for _, f := range o.fields.list {
			if f.Object == name && f.Inbound != "" {
				list = append(list, inbound{Name: f.Inbound, Object: o, Field: f})
			}
		}
	}
	slices.SortFunc(list, func(a, b inbound) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// outbound returns the reference field whose relationship is called name, or nil.
func (f *fields) outbound(name string) *field {
	for _, x := range f.list {
		if x.Outbound == name {
			return x
		}
	}
	return nil
}

// stateKind says what base:general kind a document's state is of, or "".
func (c *catalog) stateKind(lifecycle, status string) string {
	if l := c.lifecycles[lifecycle]; l != nil {
		if s := l.state(status); s != nil {
			return s.Kind
		}
	}
	return ""
}

// statesOf lists (lifecycle, state) of a kind: what STEADYSTATE(), OBSOLETESTATE() and SUPERSEDEDSTATE() stand for.
func (c *catalog) statesOf(kind string) [][2]string {
	var list [][2]string
	for _, n := range names(c.lifecycles) {
		for _, s := range c.lifecycles[n].States {
			if s.Kind == kind {
				list = append(list, [2]string{n, s.Name})
			}
		}
	}
	return list
}

// clone returns a catalog whose parts may be replaced; the parts themselves are shared and must not be changed in place.
func (c *catalog) clone() *catalog {
	return &catalog{
		objects: cloneMap(c.objects), aliases: c.aliases, docFields: c.docFields.clone(), doctypes: cloneMap(c.doctypes),
		lifecycles: cloneMap(c.lifecycles), picklists: cloneMap(c.picklists), relations: cloneMap(c.relations),
		stateflows: cloneMap(c.stateflows), components: cloneMap(c.components), written: cloneMap(c.written),
	}
}

func cloneMap[V any](m map[string]V) map[string]V {
	n := make(map[string]V, len(m))
	for k, v := range m {
		n[k] = v
	}
	return n
}

// relationshipName is the platform's name of the relationship that a reference field makes: x__v → x__vr, x__c → x__cr, x__sys → x__sysr.
func relationshipName(field string) string {
	for _, suffix := range []string{"__sys", "__v", "__c"} {
		if strings.HasSuffix(field, suffix) {
			return field + "r"
		}
	}
	return field + "__vr"
}

// plural is the inbound relationship's name for an object whose field refers elsewhere: exception_item__sys → exception_items__sysr.
func plural(object string) string {
	i := strings.LastIndex(object, "__")
	if i < 0 {
		return object + "s__vr"
	}
	stem, suffix := object[:i], object[i:]
	switch {
	case strings.HasSuffix(stem, "s"), strings.HasSuffix(stem, "x"), strings.HasSuffix(stem, "ch"):
		stem += "es"
	case strings.HasSuffix(stem, "y") && !strings.HasSuffix(stem, "ay") && !strings.HasSuffix(stem, "ey"):
		stem = stem[:len(stem)-1] + "ies"
	default:
		stem += "s"
	}
	return fmt.Sprintf("%s%sr", stem, suffix)
}
