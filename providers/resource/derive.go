package resource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"

	"github.com/zclconf/go-cty/cty"
)

// Set is a slice whose order means nothing. A nil Set is left out, an empty
// one is wanted empty.
type Set[E any] []E

func (Set[E]) isSet() {}

// block derives the body of a block from a struct. Each exported field is an
// attribute or a nested block under the name of its json tag, with
//
//	doc:"…"         its paragraph of the reference page
//	schema:"…"      flags: required, computed, readonly, volatile, local, sensitive, replace, block
//	refers:"a b"    on addrs.Instance: the block types it may refer to
//	oneof:"a b"     the allowed strings
//	default:"…"     JSON, or a bare word for a string
//	nonempty:"…"    an empty value is an error, and this says what to write
//	deprecated:"…"  a warning with this advice
//	label:"…"       on a map of structs: a labelled block, and what its label is
//
// A field with schema:"block" is a nested block: a struct or a pointer to one
// is single, a map of structs is labelled, a slice of structs a list.
//
// Left out and empty differ, so an attribute that may be left out is a pointer,
// slice or map, of which nil is left out; plain fields are for what is
// required, has a default or is read-only (there, zero is left out). A zero
// address or time is always left out. Anything else panics: it is a mistake of
// the provider's author.
func block(t reflect.Type) schema.Block {
	var b schema.Block
	for _, f := range fields(t) {
		if f.flags["block"] {
			b.Blocks = append(b.Blocks, f.nested())
		} else {
			b.Attributes = append(b.Attributes, f.attribute())
		}
	}
	return b
}

// field is one field of a struct with its tags read.
type field struct {
	reflect.StructField
	owner reflect.Type
	name  string
	flags map[string]bool
}

var knownFlags = map[string]bool{
	"required": true, "computed": true, "readonly": true, "volatile": true,
	"local": true, "sensitive": true, "replace": true, "block": true,
}

func fields(t reflect.Type) []field {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("%v is not a struct", t))
	}
	var all []field
	for n := range t.NumField() {
		f := field{StructField: t.Field(n), owner: t, flags: map[string]bool{}}
		if !f.IsExported() {
			continue
		}
		f.name, _, _ = strings.Cut(f.Tag.Get("json"), ",")
		if f.name == "" || f.name == "-" {
			f.panic("has no name in a json tag")
		}
		for _, flag := range strings.FieldsFunc(f.Tag.Get("schema"), func(r rune) bool { return r == ',' || r == ' ' }) {
			if !knownFlags[flag] {
				f.panic("has the unknown schema flag " + flag)
			}
			f.flags[flag] = true
		}
		all = append(all, f)
	}
	return all
}

func (f *field) panic(problem string) {
	panic(fmt.Sprintf("resource: field %s of %v %s", f.Name, f.owner, problem))
}

func (f *field) attribute() schema.Attribute {
	a := schema.Attribute{
		Name:       f.name,
		Doc:        f.Tag.Get("doc"),
		Required:   f.flags["required"],
		Computed:   f.flags["computed"] || f.flags["readonly"] || f.flags["volatile"],
		ReadOnly:   f.flags["readonly"] || f.flags["volatile"],
		Volatile:   f.flags["volatile"],
		Local:      f.flags["local"],
		Sensitive:  f.flags["sensitive"],
		Replace:    f.flags["replace"],
		Refers:     strings.Fields(f.Tag.Get("refers")),
		OneOf:      strings.Fields(f.Tag.Get("oneof")),
		NonEmpty:   f.Tag.Get("nonempty"),
		Deprecated: f.Tag.Get("deprecated"),
	}
	var err error
	if a.Type, err = ctyType(f.Type); err != nil {
		f.panic(err.Error())
	}
	if text, ok := f.Tag.Lookup("default"); ok {
		a.Default = f.defaultValue(text, a.Type)
	}
	isAddress := f.Type == addressType || f.Type == reflect.PointerTo(addressType)
	if isAddress != (len(a.Refers) > 0) {
		f.panic("must be an addrs.Instance with a refers tag, or neither")
	}
	if !f.written() && !a.ReadOnly && !nilable(f.Type) && !isAddress && f.Type != timeType {
		f.panic("may be left out, so it must be a pointer, slice or map")
	}
	return a
}

// written says that a field is written even when it is zero.
func (f *field) written() bool {
	_, def := f.Tag.Lookup("default")
	return f.flags["required"] || def
}

func (f *field) defaultValue(text string, t cty.Type) json.RawMessage {
	raw := []byte(text)
	if t == cty.String && !json.Valid(raw) {
		raw, _ = json.Marshal(text)
	}
	probe := schema.Block{Attributes: []schema.Attribute{{Name: "v", Type: t}}}
	canonical, err := schema.Canonical([]byte(`{"v":`+string(raw)+`}`), &probe)
	if err != nil {
		f.panic("has a default that is not JSON: " + err.Error())
	}
	return json.RawMessage(canonical[len(`{"v":`) : len(canonical)-1])
}

func (f *field) nested() schema.Nested {
	n := schema.Nested{Name: f.name, Doc: f.Tag.Get("doc"), Label: f.Tag.Get("label"), Required: f.flags["required"]}
	var element reflect.Type
	switch f.Type.Kind() {
	case reflect.Map:
		if n.Label == "" || f.Type.Key().Kind() != reflect.String {
			f.panic("is a map block, so it needs string keys and a label tag")
		}
		element = f.Type.Elem()
	case reflect.Slice:
		element = f.Type.Elem()
	case reflect.Pointer:
		n.Single, element = true, f.Type.Elem()
	default:
		f.panic("is a block, so it must be a pointer to a struct, or a map or slice of structs")
	}
	n.Body = block(element)
	return n
}

var (
	addressType = reflect.TypeFor[addrs.Instance]()
	timeType    = reflect.TypeFor[time.Time]()
	rawType     = reflect.TypeFor[json.RawMessage]()
	setType     = reflect.TypeFor[interface{ isSet() }]()
)

func nilable(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map
}

func ctyType(t reflect.Type) (cty.Type, error) {
	switch t {
	case addressType, timeType:
		return cty.String, nil
	case rawType:
		return cty.DynamicPseudoType, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return ctyType(t.Elem())
	case reflect.String:
		return cty.String, nil
	case reflect.Bool:
		return cty.Bool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Float32, reflect.Float64:
		return cty.Number, nil
	case reflect.Slice:
		element, err := ctyType(t.Elem())
		switch {
		case err != nil:
			return cty.NilType, err
		case t.Implements(setType):
			return cty.Set(element), nil
		default:
			return cty.List(element), nil
		}
	case reflect.Map:
		element, err := ctyType(t.Elem())
		if err != nil || t.Key().Kind() != reflect.String {
			return cty.NilType, fmt.Errorf("has the type %v, which has no form in HCL", t)
		}
		return cty.Map(element), nil
	case reflect.Struct:
		members := map[string]cty.Type{}
		var optional []string
		for _, f := range fields(t) {
			member, err := ctyType(f.Type)
			if err != nil {
				return cty.NilType, err
			}
			members[f.name] = member
			if nilable(f.Type) && !f.flags["required"] {
				optional = append(optional, f.name)
			}
		}
		return cty.ObjectWithOptionalAttrs(members, optional), nil
	}
	return cty.NilType, fmt.Errorf("has the type %v, which has no form in HCL", t)
}
