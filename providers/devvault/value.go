package devvault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// values are the fields of a record or a version that have no column, by name. A value is a string, a json.Number, a bool or a []string;
// a field without a value is absent.
type values map[string]any

// stored are values as the JSON that is stored, in order of name.
func (v values) stored() string {
	b := []byte{'{'}
	for i, n := range names(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, n)
		b = append(b, ':')
		b = appendJSON(b, v[n])
	}
	return string(append(b, '}'))
}

// parseValues reads what stored wrote.
func parseValues(text []byte) (values, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v values
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read stored fields: %w", err)
	}
	for k, x := range v {
		if list, isList := x.([]any); isList {
			v[k] = toStrings(list)
		}
	}
	return v, nil
}

func toStrings(list []any) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = asText(x)
	}
	return out
}

// asText is how a value of a request reads as text.
func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return strings.Join(toStrings(v), ",")
	case []string:
		return strings.Join(v, ",")
	}
	return fmt.Sprint(v)
}

// equal compares two stored values.
func equal(a, b any) bool {
	switch x := a.(type) {
	case []string:
		y, isList := b.([]string)
		return isList && slices.Equal(x, y)
	case nil:
		return b == nil
	}
	if _, isList := b.([]string); isList {
		return false
	}
	return a == b
}

// convert turns a value of a request into the value to store, nil when it is blank. Picklists take names and labels; multi-value fields take
// arrays and comma lists.
func (f *field) convert(c *catalog, in any) (any, error) {
	if in == nil || in == "" {
		return nil, nil
	}
	if f.multiple() {
		return f.convertMany(c, in)
	}
	if list, isList := in.([]any); isList {
		switch len(list) {
		case 0:
			return nil, nil
		case 1:
			in = list[0]
		default:
			return nil, fail("INVALID_DATA", "The field [%s] takes one value only", f.Name)
		}
	}
	text := asText(in)
	bad := func(what string) (any, error) {
		return nil, fail("INVALID_DATA", "Invalid value [%s] specified for field [%s]: %s", text, f.Name, what)
	}
	switch f.Type {
	case typeBoolean:
		switch strings.ToLower(text) {
		case "true", "yes":
			return true, nil
		case "false", "no":
			return false, nil
		}
		return bad("not true or false")
	case typeNumber, typeCurrency:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return bad("not a number")
		}
		if f.MinValue != nil && n < *f.MinValue || f.MaxValue != nil && n > *f.MaxValue {
			return bad("out of range")
		}
		return json.Number(strconv.FormatFloat(n, 'f', -1, 64)), nil
	case typeDate:
		if len(text) > 10 {
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
				return t.UTC().Format(time.DateOnly), nil
			}
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return bad("not a date of the form YYYY-MM-DD")
		}
		return text, nil
	case typeDateTime:
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return bad("not a time of the form YYYY-MM-DDThh:mm:ss.SSSZ")
		}
		return t.UTC().Format(timeLayout), nil
	}
	if f.MaxLength > 0 && len(text) > f.MaxLength && len([]rune(text)) > f.MaxLength {
		return bad(fmt.Sprintf("longer than %d characters", f.MaxLength))
	}
	return text, nil
}

func (f *field) convertMany(c *catalog, in any) (any, error) {
	var list []string
	switch v := in.(type) {
	case []any:
		list = toStrings(v)
	case []string:
		list = v
	default:
		for _, s := range strings.Split(asText(in), ",") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	if !f.MultiValue && len(list) > 1 {
		return nil, fail("INVALID_DATA", "The field [%s] takes one value only", f.Name)
	}
	out := make([]string, 0, len(list))
	for _, s := range list {
		if f.Picklist != "" {
			p := c.picklists[f.Picklist]
			if p == nil {
				return nil, fail("INVALID_DATA", "The picklist [%s] of field [%s] does not exist", f.Picklist, f.Name)
			}
			e := p.entry(s)
			if e == nil || !e.Active {
				return nil, fail("INVALID_DATA", "Invalid value [%s] specified for picklist field [%s]", s, f.Name)
			}
			s = e.Name
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}
