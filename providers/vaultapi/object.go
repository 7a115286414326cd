package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Labelled is a thing with a name and a label; Vault sometimes writes only the name.
type Labelled struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

func (l *Labelled) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] != '{' {
		name, err := scalar(data)
		*l = Labelled{Name: name}
		return err
	}
	type plain Labelled
	return json.Unmarshal(data, (*plain)(l))
}

// Object is an object's definition. Lists of objects leave out Fields and
// Relationships.
type Object struct {
	Name               string               `json:"name"`
	Label              string               `json:"label"`
	LabelPlural        string               `json:"label_plural"`
	Prefix             string               `json:"prefix"`
	DataStore          string               `json:"data_store"` // standard, raw
	Source             string               `json:"source"`     // standard, custom, system, application
	AllowTypes         Bool                 `json:"allow_types"`
	SystemManaged      Bool                 `json:"system_managed"`
	Status             Names                `json:"status"`
	ConfigurationState string               `json:"configuration_state"`
	Lifecycles         Names                `json:"available_lifecycles"`
	Fields             []ObjectField        `json:"fields"`
	Relationships      []ObjectRelationship `json:"relationships"`
}

// ObjectField is a field's definition, or a column's in a query's description.
type ObjectField struct {
	Name          string   `json:"name"`
	Label         string   `json:"label"`
	Type          string   `json:"type"` // String, Number, Boolean, Picklist, Object, DateTime, …
	Required      Bool     `json:"required"`
	Unique        Bool     `json:"unique"`
	Editable      Bool     `json:"editable"`
	MaxLength     Int      `json:"max_length"`
	Picklist      string   `json:"picklist"`
	MultiValue    Bool     `json:"multi_value"`
	Object        Labelled `json:"object"` // of a reference
	Relationship  string   `json:"relationship_outbound_name"`
	SystemManaged Bool     `json:"system_managed_name"`
	Source        string   `json:"source"`
	Status        Names    `json:"status"`
}

// ObjectRelationship ties an object to another.
type ObjectRelationship struct {
	Name   string   `json:"relationship_name"`
	Label  string   `json:"relationship_label"`
	Field  string   `json:"field"`
	Type   string   `json:"relationship_type"`
	Object Labelled `json:"object"`
}

// Field finds a field by API name.
func (o *Object) Field(name string) (ObjectField, error) {
	for _, f := range o.Fields {
		if f.Name == name {
			return f, nil
		}
	}
	return ObjectField{}, &Error{Op: "look for a field of " + o.Name, Kind: NotFound, Message: "no field is named " + name}
}

// FieldByLabel finds a field by what people read, for fields whose API names
// are not published. NotFound if there is none, Invalid if there are several.
func (o *Object) FieldByLabel(label string) (ObjectField, error) {
	return byLabel("look for a field of "+o.Name, "field", label, o.Fields, func(f ObjectField) (string, string) { return f.Name, f.Label })
}

// byLabel finds the one thing with a label; of several the standard ones win.
func byLabel[T any](op, what, label string, list []T, of func(T) (name, label string)) (T, error) {
	var found, standard []T
	var names []string
	for _, each := range list {
		name, its := of(each)
		if its != label {
			continue
		}
		found, names = append(found, each), append(names, name)
		if !strings.HasSuffix(name, "__c") {
			standard = append(standard, each)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(standard) == 1:
		return standard[0], nil
	}
	var none T
	if len(found) == 0 {
		return none, &Error{Op: op, Kind: NotFound, Message: fmt.Sprintf("no %s is labelled %q", what, label)}
	}
	return none, &Error{Op: op, Kind: Invalid, Message: fmt.Sprintf("%q labels several: %s", label, strings.Join(names, ", "))}
}

// Objects lists the vault's objects, without their fields.
func (r *Reader) Objects(ctx context.Context) ([]Object, error) {
	var reply struct {
		Objects []Object `json:"objects"`
	}
	err := r.c.do(ctx, call{op: "list objects", method: http.MethodGet, path: r.c.path("metadata", "vobjects")}, &reply)
	return reply.Objects, err
}

// Object reads an object's definition; NotFound if there is none of that name.
func (r *Reader) Object(ctx context.Context, name string) (*Object, error) {
	type reply struct {
		Object Object `json:"object"`
	}
	said, err := askAlike[reply](ctx, r.c, call{op: "read object " + name, method: http.MethodGet, path: r.c.path("metadata", "vobjects", seg(name)), missing: true})
	if err != nil {
		return nil, err
	}
	return &said.Object, nil
}

// ObjectByLabel finds an object by its label and reads its definition.
func (r *Reader) ObjectByLabel(ctx context.Context, label string) (*Object, error) {
	list, err := r.Objects(ctx)
	if err != nil {
		return nil, err
	}
	o, err := byLabel("look for an object", "object", label, list, func(o Object) (string, string) { return o.Name, o.Label })
	if err != nil {
		return nil, err
	}
	return r.Object(ctx, o.Name)
}

// ObjectType is a type of an object.
type ObjectType struct {
	Object string `json:"object"`
	Name   string `json:"name"`
	Label  string `json:"label"`
	Active Bool   `json:"active"`
}

// ObjectTypes lists an object's types; of all objects if object is "".
func (r *Reader) ObjectTypes(ctx context.Context, object string) ([]ObjectType, error) {
	var all []ObjectType
	if err := r.Configurations(ctx, "Objecttype", &all); err != nil {
		return nil, err
	}
	var list []ObjectType
	for _, t := range all {
		// Components are named "object.type".
		if owner, name, dotted := strings.Cut(strings.TrimPrefix(t.Name, "Objecttype."), "."); dotted {
			t.Object, t.Name = owner, name
		}
		if object == "" || t.Object == object {
			list = append(list, t)
		}
	}
	return list, nil
}
