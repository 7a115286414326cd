package resource

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"sync"
	"unicode/utf8"

	"accord/lang/addrs"
)

// decoder reads a value that begins at a place of a canonical body, and answers
// with where it ends. ok is false for all that is written in any other way, be
// it right or wrong: encoding/json reads that, and says what is the matter.
type decoder func(data []byte, at int, v reflect.Value) (end int, ok bool)

// decoders are those that were made, by type.
var decoders sync.Map

func decoderFor(t reflect.Type) decoder {
	if d, ok := decoders.Load(t); ok {
		return d.(decoder)
	}
	d := decoderOf(t)
	decoders.Store(t, d)
	return d
}

// decoderOf makes the decoder of a type, once for all its values; nil where
// encoding/json has to read them.
func decoderOf(t reflect.Type) decoder {
	switch t {
	case addressType:
		return decodeAddress
	case rawType:
		return decodeRaw
	}
	if p := reflect.PointerTo(t); p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return decodePointer(t.Elem())
	case reflect.String:
		return decodeString
	case reflect.Bool:
		return decodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return decodeInt
	case reflect.Slice:
		return decodeSlice(t.Elem())
	case reflect.Map:
		return decodeMap(t)
	case reflect.Struct:
		return decodeStruct(t)
	}
	return nil
}

// text is a string without escapes.
func text(data []byte, at int) (text []byte, end int, ok bool) {
	if at >= len(data) || data[at] != '"' {
		return nil, 0, false
	}
	n := bytes.IndexByte(data[at+1:], '"')
	if n < 0 {
		return nil, 0, false
	}
	text = data[at+1 : at+1+n]
	plain := true // ASCII
	for _, c := range text {
		if c == '\\' || c < ' ' {
			return nil, 0, false
		}
		plain = plain && c < utf8.RuneSelf
	}
	return text, at + n + 2, plain || utf8.Valid(text)
}

func decodeString(data []byte, at int, v reflect.Value) (int, bool) {
	s, end, ok := text(data, at)
	if ok {
		v.SetString(string(s))
	}
	return end, ok
}

func decodeAddress(data []byte, at int, v reflect.Value) (int, bool) {
	s, end, ok := text(data, at)
	if !ok || len(s) == 0 {
		return 0, false
	}
	addr, err := addrs.ParseInstance(string(s))
	if err != nil {
		return 0, false
	}
	*v.Addr().Interface().(*addrs.Instance) = addr
	return end, true
}

func decodeBool(data []byte, at int, v reflect.Value) (int, bool) {
	switch {
	case bytes.HasPrefix(data[at:], []byte("true")):
		v.SetBool(true)
		return at + 4, true
	case bytes.HasPrefix(data[at:], []byte("false")):
		v.SetBool(false)
		return at + 5, true
	}
	return 0, false
}

func decodeInt(data []byte, at int, v reflect.Value) (int, bool) {
	end := at
	for end < len(data) && (data[end] == '-' || data[end] >= '0' && data[end] <= '9') {
		end++
	}
	digits := bytes.TrimPrefix(data[at:end], []byte("-"))
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 || end < len(data) && (data[end] == '.' || data[end] == 'e' || data[end] == 'E') {
		return 0, false
	}
	n, err := strconv.ParseInt(string(data[at:end]), 10, 64)
	if err != nil || v.OverflowInt(n) {
		return 0, false
	}
	v.SetInt(n)
	return end, true
}

// decodeRaw is any value, which is not looked into. What follows must be one.
func decodeRaw(data []byte, at int, v reflect.Value) (int, bool) {
	d := json.NewDecoder(bytes.NewReader(data[at:]))
	var raw json.RawMessage
	if d.Decode(&raw) != nil || string(raw) == "null" {
		return 0, false
	}
	v.SetBytes(raw)
	return at + int(d.InputOffset()), true
}

func decodePointer(t reflect.Type) decoder {
	element := decoderOf(t)
	if element == nil {
		return nil
	}
	return func(data []byte, at int, v reflect.Value) (int, bool) {
		p := reflect.New(t)
		end, ok := element(data, at, p.Elem())
		if ok {
			v.Set(p)
		}
		return end, ok
	}
}

// listed goes through what is listed between two brackets.
func listed(data []byte, at int, first, last byte, element func(at int) (int, bool)) (end int, ok bool) {
	if at >= len(data) || data[at] != first {
		return 0, false
	}
	if at++; at < len(data) && data[at] == last {
		return at + 1, true
	}
	for {
		if at, ok = element(at); !ok || at >= len(data) {
			return 0, false
		}
		switch data[at] {
		case ',':
			at++
		case last:
			return at + 1, true
		default:
			return 0, false
		}
	}
}

func decodeSlice(t reflect.Type) decoder {
	element := decoderOf(t)
	if element == nil || t.Kind() == reflect.Uint8 {
		return nil
	}
	return func(data []byte, at int, v reflect.Value) (int, bool) {
		v.Set(reflect.MakeSlice(v.Type(), 0, 2))
		return listed(data, at, '[', ']', func(at int) (int, bool) {
			n := v.Len()
			v.Grow(1)
			v.SetLen(n + 1)
			return element(data, at, v.Index(n))
		})
	}
}

func decodeMap(t reflect.Type) decoder {
	element := decoderOf(t.Elem())
	if element == nil || t.Key() != reflect.TypeFor[string]() {
		return nil
	}
	return func(data []byte, at int, v reflect.Value) (int, bool) {
		m := reflect.MakeMap(t)
		end, ok := listed(data, at, '{', '}', func(at int) (int, bool) {
			key, at, ok := text(data, at)
			if !ok || at >= len(data) || data[at] != ':' {
				return 0, false
			}
			value := reflect.New(t.Elem()).Elem()
			if at, ok = element(data, at+1, value); ok {
				m.SetMapIndex(reflect.ValueOf(string(key)), value)
			}
			return at, ok
		})
		if ok {
			v.Set(m)
		}
		return end, ok
	}
}

func decodeStruct(t reflect.Type) decoder {
	type member struct {
		index  []int
		decode decoder
	}
	members := map[string]member{}
	for _, f := range fields(t) {
		d := decoderOf(f.Type)
		if d == nil {
			return nil
		}
		members[f.name] = member{f.Index, d}
	}
	return func(data []byte, at int, v reflect.Value) (int, bool) {
		var last []byte
		return listed(data, at, '{', '}', func(at int) (int, bool) {
			key, at, ok := text(data, at)
			if !ok || at >= len(data) || data[at] != ':' || bytes.Compare(last, key) >= 0 {
				return 0, false
			}
			m, known := members[string(key)]
			if !known {
				return 0, false
			}
			last = key
			return m.decode(data, at+1, v.FieldByIndex(m.index))
		})
	}
}
