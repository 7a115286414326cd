package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// Canonical rewrites one JSON value so that equal values are equal bytes: keys
// sorted, null members left out, no insignificant space, numbers in their
// shortest decimal form, strings as encoding/json writes them (so that the
// bytes survive being embedded by it), and what body declares as a set sorted
// and without doubles. A nil body declares no sets; names that body does not
// know are kept. A null that is not a member of an object is an error.
//
// Canonical of its own answer is that answer.
func Canonical(raw []byte, body *Block) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("reading JSON: more than one value")
	}
	return AppendCanonical(make([]byte, 0, len(raw)), v, body)
}

// AppendCanonical appends the canonical form of a decoded value: map[string]any,
// []any, string, bool, json.Number, int64, float64, or canonical bytes as
// json.RawMessage, which are appended as they are.
func AppendCanonical(dst []byte, v any, body *Block) ([]byte, error) {
	if m, ok := v.(map[string]any); ok && body != nil {
		return appendBlock(dst, m, body)
	}
	return appendValue(dst, v, cty.DynamicPseudoType)
}

func appendBlock(dst []byte, m map[string]any, body *Block) ([]byte, error) {
	return appendMembers(dst, m, func(dst []byte, name string, v any) ([]byte, error) {
		if a := body.Attribute(name); a != nil {
			return appendValue(dst, v, a.Type)
		}
		if n := body.Nested(name); n != nil {
			return appendNested(dst, v, n)
		}
		return appendValue(dst, v, cty.DynamicPseudoType)
	})
}

func appendNested(dst []byte, v any, n *Nested) ([]byte, error) {
	switch v := v.(type) {
	case map[string]any:
		if n.Label == "" {
			return appendBlock(dst, v, &n.Body)
		}
		return appendMembers(dst, v, func(dst []byte, _ string, v any) ([]byte, error) {
			return AppendCanonical(dst, v, &n.Body)
		})
	case []any:
		return appendElements(dst, v, func(dst []byte, v any) ([]byte, error) {
			return AppendCanonical(dst, v, &n.Body)
		})
	}
	return appendValue(dst, v, cty.DynamicPseudoType)
}

func appendValue(dst []byte, v any, t cty.Type) ([]byte, error) {
	switch v := v.(type) {
	case map[string]any:
		return appendMembers(dst, v, func(dst []byte, name string, v any) ([]byte, error) {
			return appendValue(dst, v, memberType(t, name))
		})
	case []any:
		if t.IsSetType() {
			return appendSet(dst, v, t.ElementType())
		}
		n := -1
		return appendElements(dst, v, func(dst []byte, v any) ([]byte, error) {
			n++
			return appendValue(dst, v, elementType(t, n))
		})
	case string:
		return AppendString(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case json.Number:
		return append(dst, number(v.String())...), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		return append(dst, number(string(b))...), nil
	case json.RawMessage:
		return append(dst, v...), nil
	case nil:
		return nil, errors.New("null stands where a value must be")
	default:
		return nil, fmt.Errorf("a %T is not a JSON value", v)
	}
}

func appendMembers(dst []byte, m map[string]any, value func([]byte, string, any) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '{')
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] == nil {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), ':')
		var err error
		if dst, err = value(dst, name, m[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return append(dst, '}'), nil
}

func appendElements(dst []byte, list []any, value func([]byte, any) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '[')
	for n, v := range list {
		if n > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = value(dst, v); err != nil {
			return nil, fmt.Errorf("element %d: %w", n, err)
		}
	}
	return append(dst, ']'), nil
}

func appendSet(dst []byte, list []any, t cty.Type) ([]byte, error) {
	elements := make([][]byte, len(list))
	for n, v := range list {
		var err error
		if elements[n], err = appendValue(nil, v, t); err != nil {
			return nil, fmt.Errorf("element %d: %w", n, err)
		}
	}
	slices.SortFunc(elements, bytes.Compare)
	elements = slices.CompactFunc(elements, bytes.Equal)
	dst = append(dst, '[')
	dst = append(dst, bytes.Join(elements, []byte{','})...)
	return append(dst, ']'), nil
}

func memberType(t cty.Type, name string) cty.Type {
	switch {
	case t.IsObjectType() && t.HasAttribute(name):
		return t.AttributeType(name)
	case t.IsMapType():
		return t.ElementType()
	}
	return cty.DynamicPseudoType
}

func elementType(t cty.Type, n int) cty.Type {
	switch {
	case t.IsListType():
		return t.ElementType()
	case t.IsTupleType() && n < t.Length():
		return t.TupleElementType(n)
	}
	return cty.DynamicPseudoType
}

// AppendString appends a string in its canonical form.
func AppendString[S string | []byte](dst []byte, s S) []byte {
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return appendEscaped(dst, string(s))
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii {
		if text := string(s); !utf8.ValidString(text) || strings.Contains(text, "\u2028") || strings.Contains(text, "\u2029") {
			return appendEscaped(dst, text)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	b, _ := json.Marshal(strings.ToValidUTF8(s, "\ufffd")) // a string always has a form
	return append(dst, b...)
}

// number writes a JSON number in its shortest decimal form, exactly: 1.50e2 is
// 150. Numbers of more than 21 digits before or 6 zeros behind the point keep
// an exponent.
func number(s string) string {
	if len(s) < 16 && plainInteger(s) {
		return s
	}
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	exponent := 0
	if n := strings.IndexAny(s, "eE"); n >= 0 {
		var err error
		if exponent, err = strconv.Atoi(strings.TrimPrefix(s[n+1:], "+")); err != nil || exponent > 1e6 || exponent < -1e6 {
			return sign + s // beyond any use; as written
		}
		s = s[:n]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	point := len(digits) - len(fraction) + exponent // where the point stands among digits
	digits = strings.TrimRight(digits, "0")
	switch n := len(digits); {
	case n == 0:
		return "0"
	case point > 21 || point < -5:
		s = digits[:1]
		if n > 1 {
			s += "." + digits[1:]
		}
		return sign + s + "e" + strconv.Itoa(point-1)
	case point >= n:
		return sign + digits + strings.Repeat("0", point-n)
	case point > 0:
		return sign + digits[:point] + "." + digits[point:]
	default:
		return sign + "0." + strings.Repeat("0", -point) + digits
	}
}

func plainInteger(s string) bool {
	d := strings.TrimPrefix(s, "-")
	if d == "" || d[0] == '0' {
		return s == "0"
	}
	return strings.IndexFunc(d, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
