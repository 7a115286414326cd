package resource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// codec turns bodies into values of a struct type and back.
type codec struct {
	body   schema.Block
	fields map[reflect.Type][]field
}

func newCodec(t reflect.Type) *codec {
	c := &codec{body: block(t), fields: map[reflect.Type][]field{}}
	c.remember(t)
	return c
}

func (c *codec) remember(t reflect.Type) {
	switch t {
	case addressType, timeType, rawType:
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		c.remember(t.Elem())
	case reflect.Struct:
		if c.fields[t] == nil {
			c.fields[t] = fields(t)
			for _, f := range c.fields[t] {
				c.remember(f.Type)
			}
		}
	}
}

// encode writes v, a struct of the codec's type, as a canonical body.
func (c *codec) encode(v any) (json.RawMessage, error) {
	tree, err := c.tree(reflect.ValueOf(v))
	if err != nil {
		return nil, err
	}
	return schema.AppendCanonical(nil, tree, &c.body)
}

// tree is v as decoded JSON.
func (c *codec) tree(v reflect.Value) (any, error) {
	switch v.Type() {
	case addressType:
		return v.Interface().(addrs.Instance).String(), nil
	case timeType:
		return v.Interface().(time.Time).UTC().Format(time.RFC3339Nano), nil
	case rawType:
		raw, err := schema.Canonical(v.Bytes(), nil)
		return json.RawMessage(raw), err
	}
	switch v.Kind() {
	case reflect.Pointer:
		return c.tree(v.Elem())
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.Slice:
		list := make([]any, v.Len())
		for n := range list {
			var err error
			if list[n], err = c.tree(v.Index(n)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case reflect.Map:
		m := make(map[string]any, v.Len())
		for _, key := range v.MapKeys() {
			var err error
			if m[key.String()], err = c.tree(v.MapIndex(key)); err != nil {
				return nil, err
			}
		}
		return m, nil
	case reflect.Struct:
		m := make(map[string]any, v.NumField())
		for _, f := range c.fields[v.Type()] {
			value := v.FieldByIndex(f.Index)
			if leftOut(&f, value) {
				continue
			}
			var err error
			if m[f.name], err = c.tree(value); err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
		}
		return m, nil
	}
	return nil, fmt.Errorf("a %v has no form in a body", v.Type())
}

func leftOut(f *field, v reflect.Value) bool {
	if !v.IsZero() {
		return false
	}
	return nilable(f.Type) || f.Type == addressType || f.Type == timeType || f.flags["readonly"] || f.flags["volatile"]
}

// decode reads a body into a new value of T.
func decode[T any](o *providers.Object) (*T, error) {
	v := new(T)
	if o == nil {
		return nil, nil
	}
	if err := o.Decode(v); err != nil {
		return nil, providers.Errorf(providers.Invalid, "reading the body of a %s: %v", o.Type, err)
	}
	return v, nil
}
