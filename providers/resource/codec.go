package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// codec turns bodies into values of a struct type and back.
type codec struct {
	body   schema.Block
	append appender
	size   atomic.Int64 // of the last body: the next one will be about as large
}

func newCodec(t reflect.Type) *codec {
	return &codec{body: block(t), append: appenderOf(t)}
}

// encode writes v, a struct of the codec's type or a pointer to one, as a
// canonical body.
func (c *codec) encode(v any) (json.RawMessage, error) {
	body, err := c.append(make([]byte, 0, 64+c.size.Load()), reflect.Indirect(reflect.ValueOf(v)))
	c.size.Store(int64(len(body)))
	return body, err
}

// member is an attribute or block of a name with a value, of any type that has
// the same form: a slice may stand for a set.
func (c *codec) member(name string, v reflect.Value) ([]schema.Member, error) {
	written, err := appenderOf(v.Type())(nil, v)
	if err != nil {
		return nil, err
	}
	body, err := schema.Canonical(schema.AppendObject(nil, []schema.Member{{Name: []byte(name), Value: written}}), &c.body)
	if err != nil {
		return nil, err
	}
	return schema.Members(nil, body)
}

// appender appends the canonical form of a value.
type appender func(dst []byte, v reflect.Value) ([]byte, error)

// appenderOf makes the appender of a type, once for all its values.
func appenderOf(t reflect.Type) appender {
	switch t {
	case addressType:
		return func(dst []byte, v reflect.Value) ([]byte, error) {
			if v.CanAddr() {
				return schema.AppendCanonical(dst, v.Addr().Interface().(*addrs.Instance).String(), nil)
			}
			return schema.AppendCanonical(dst, v.Interface().(addrs.Instance).String(), nil)
		}
	case timeType:
		return func(dst []byte, v reflect.Value) ([]byte, error) {
			return schema.AppendCanonical(dst, v.Interface().(time.Time).UTC().Format(time.RFC3339Nano), nil)
		}
	case rawType:
		return func(dst []byte, v reflect.Value) ([]byte, error) {
			raw, err := schema.Canonical(v.Bytes(), nil)
			return append(dst, raw...), err
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		element := appenderOf(t.Elem())
		return func(dst []byte, v reflect.Value) ([]byte, error) { return element(dst, v.Elem()) }
	case reflect.String:
		return func(dst []byte, v reflect.Value) ([]byte, error) { return schema.AppendString(dst, v.String()), nil }
	case reflect.Bool:
		return func(dst []byte, v reflect.Value) ([]byte, error) { return strconv.AppendBool(dst, v.Bool()), nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(dst []byte, v reflect.Value) ([]byte, error) { return strconv.AppendInt(dst, v.Int(), 10), nil }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return func(dst []byte, v reflect.Value) ([]byte, error) { return strconv.AppendUint(dst, v.Uint(), 10), nil }
	case reflect.Float32, reflect.Float64:
		return func(dst []byte, v reflect.Value) ([]byte, error) { return schema.AppendCanonical(dst, v.Float(), nil) }
	case reflect.Slice:
		return appendSlice(appenderOf(t.Elem()), t.Implements(setType))
	case reflect.Map:
		return appendMap(appenderOf(t.Elem()))
	case reflect.Struct:
		return appendStruct(t)
	}
	return func([]byte, reflect.Value) ([]byte, error) { return nil, fmt.Errorf("a %v has no form in a body", t) }
}

func appendSlice(element appender, set bool) appender {
	return func(dst []byte, v reflect.Value) ([]byte, error) {
		if set && v.Len() > 1 {
			return appendSet(dst, v, element)
		}
		dst = append(dst, '[')
		for n := range v.Len() {
			if n > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = element(dst, v.Index(n)); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	}
}

func appendSet(dst []byte, v reflect.Value, element appender) ([]byte, error) {
	var all []byte
	ends := make([]int, v.Len())
	for n := range ends {
		var err error
		if all, err = element(all, v.Index(n)); err != nil {
			return nil, err
		}
		ends[n] = len(all)
	}
	elements := make([][]byte, len(ends))
	for n, from := 0, 0; n < len(ends); n++ {
		elements[n], from = all[from:ends[n]], ends[n]
	}
	slices.SortFunc(elements, bytes.Compare)
	dst = append(dst, '[')
	for n, e := range slices.CompactFunc(elements, bytes.Equal) {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e...)
	}
	return append(dst, ']'), nil
}

func appendMap(element appender) appender {
	return func(dst []byte, v reflect.Value) ([]byte, error) {
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		dst = append(dst, '{')
		for n, key := range keys {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = append(schema.AppendString(dst, key.String()), ':')
			var err error
			if dst, err = element(dst, v.MapIndex(key)); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
}

func appendStruct(t reflect.Type) appender {
	type member struct {
		name    []byte // quoted, with a colon
		index   []int
		append  appender
		leftOut bool // where it is zero
	}
	all := fields(t)
	slices.SortFunc(all, func(a, b field) int { return strings.Compare(a.name, b.name) })
	members := make([]member, len(all))
	for n := range all {
		f := &all[n]
		members[n] = member{append(schema.AppendString(nil, f.name), ':'), f.Index, appenderOf(f.Type), f.leftOut()}
	}
	return func(dst []byte, v reflect.Value) ([]byte, error) {
		dst = append(dst, '{')
		first := true
		for n := range members {
			m := &members[n]
			value := v.FieldByIndex(m.index)
			if m.leftOut && value.IsZero() {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			var err error
			if dst, err = m.append(append(dst, m.name...), value); err != nil {
				return nil, fmt.Errorf("%s: %w", bytes.Trim(m.name, `":`), err)
			}
		}
		return append(dst, '}'), nil
	}
}

// leftOut says that a zero value is left out.
func (f *field) leftOut() bool {
	return nilable(f.Type) || f.Type == addressType || f.Type == timeType || f.flags["readonly"] || f.flags["volatile"]
}

// decode reads a body into a new value of T.
func decode[T any](o *providers.Object) (*T, error) {
	if o == nil {
		return nil, nil
	}
	v := new(T)
	if d := decoderFor(reflect.TypeFor[T]()); d != nil {
		if end, ok := d(o.Body, 0, reflect.ValueOf(v).Elem()); ok && end == len(o.Body) {
			return v, nil
		}
		*v = *new(T)
	}
	if err := o.Decode(v); err != nil {
		return nil, providers.Errorf(providers.Invalid, "reading the body of a %s: %v", o.Type, err)
	}
	return v, nil
}
