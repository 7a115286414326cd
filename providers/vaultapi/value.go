package vaultapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Vault writes one thing in several ways: ids as numbers or strings, a single
// picklist as a string or as an array, flags as booleans or strings. The types
// of this file decode all of them.

// ID names a record ("00P000000000101"), a document ("22") or a node.
type ID string

// Int is the id as a number, as document and vault ids are.
func (id ID) Int() (int64, bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	return n, err == nil
}

// IntID is the ID of a document or a vault.
func IntID(n int64) ID { return ID(strconv.FormatInt(n, 10)) }

func (id *ID) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	if err != nil {
		return err
	}
	*id = ID(text)
	return nil
}

// Names is a list of names or labels; nil where Vault says null.
type Names []string

// One is the only name, or the first; "" when there is none.
func (n Names) One() string {
	if len(n) == 0 {
		return ""
	}
	return n[0]
}

// Has tells whether name is among them.
func (n Names) Has(name string) bool {
	for _, have := range n {
		if have == name {
			return true
		}
	}
	return false
}

func (n *Names) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '[' {
		text, err := scalar(data)
		if err != nil {
			return err
		}
		*n = nil
		if text != "" {
			*n = Names{text}
		}
		return nil
	}
	list, ok := plainList(data)
	if !ok {
		var ids []ID
		if err := json.Unmarshal(data, &ids); err != nil {
			return err
		}
		list = make(Names, len(ids))
		for i, id := range ids {
			list[i] = string(id)
		}
	}
	*n = list
	return nil
}

// plainList reads an array of strings without escapes, which nearly all are:
// rows have several, and encoding/json would take most of their time for them.
func plainList(data []byte) (Names, bool) {
	if bytes.IndexByte(data, '\\') >= 0 {
		return nil, false
	}
	list := make(Names, 0, 1+bytes.Count(data, []byte{','}))
	for rest := data[1:]; ; {
		switch {
		case len(rest) == 0:
			return nil, false
		case rest[0] == ']':
			return list, true
		case rest[0] == '"':
			end := bytes.IndexByte(rest[1:], '"')
			if end < 0 {
				return nil, false
			}
			list = append(list, string(rest[1:1+end]))
			rest = rest[end+2:]
		case rest[0] == ',' || rest[0] == ' ':
			rest = rest[1:]
		default:
			return nil, false
		}
	}
}

// Bool is a flag; null is false.
type Bool bool

func (b *Bool) UnmarshalJSON(data []byte) error {
	var list []Bool
	if len(data) > 0 && data[0] == '[' { // some picklist-like flags come as a list of one
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		*b = len(list) > 0 && list[0]
		return nil
	}
	text, err := scalar(data)
	if err != nil {
		return err
	}
	switch strings.ToLower(text) {
	case "true":
		*b = true
	case "false", "":
		*b = false
	default:
		return fmt.Errorf("%q is not a flag", text)
	}
	return nil
}

// Int is a whole number; null and "" are 0.
type Int int64

func (i *Int) UnmarshalJSON(data []byte) error {
	text, err := scalar(data)
	if err != nil {
		return err
	}
	if text == "" {
		*i = 0
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		// Vault prints numbers with their configured decimals.
		whole, fraction, found := strings.Cut(text, ".")
		if !found || strings.Trim(fraction, "0") != "" {
			return fmt.Errorf("%q is not a whole number", text)
		}
		if n, err = strconv.ParseInt(whole, 10, 64); err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
	}
	*i = Int(n)
	return nil
}

// scalar is the text of a JSON string, number, boolean or null ("").
func scalar(data []byte) (string, error) {
	switch {
	case len(data) == 0 || bytes.Equal(data, []byte("null")):
		return "", nil
	case data[0] == '"':
		if !bytes.ContainsRune(data, '\\') && len(data) >= 2 {
			return string(data[1 : len(data)-1]), nil
		}
		var text string
		err := json.Unmarshal(data, &text)
		return text, err
	case data[0] == '{' || data[0] == '[':
		return "", fmt.Errorf("expected one value, not %.20s", data)
	}
	return string(data), nil
}

// Fields are the values to be written, by API name. Allowed are string, bool,
// whole numbers, float64, json.Number, ID, time.Time (UTC), lists of strings
// (Names, []string, []ID, []any), and nil, which clears the field.
type Fields map[string]any

const timeLayout = "2006-01-02T15:04:05.000Z"

// FormatTime writes a point in time as Vault does on records.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// ParseTime reads what Vault writes: with and without fraction, or a date.
func ParseTime(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a point in time", text)
}

// jsonValue brings a field's value into the form that goes into a JSON body.
func jsonValue(v any) (any, error) {
	switch v := v.(type) {
	case nil, string, bool, int, int32, int64, float64, json.Number, ID, Bool, Int, Names, []string, []ID:
		return v, nil
	case time.Time:
		return FormatTime(v), nil
	case []any:
		list := make([]any, len(v))
		for i, each := range v {
			value, err := jsonValue(each)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	}
	return nil, fmt.Errorf("a %T cannot be sent", v)
}

// textValue is a field's value in a form or a CSV cell: lists are joined by
// commas, nil is empty.
func textValue(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case ID:
		return string(v), nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case Bool:
		return strconv.FormatBool(bool(v)), nil
	case int:
		return strconv.Itoa(v), nil
	case int32:
		return strconv.FormatInt(int64(v), 10), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case Int:
		return strconv.FormatInt(int64(v), 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case time.Time:
		return FormatTime(v), nil
	case Names:
		return joinList(v)
	case []string:
		return joinList(v)
	case []ID:
		list := make([]string, len(v))
		for i, id := range v {
			list[i] = string(id)
		}
		return joinList(list)
	case []any:
		list := make([]string, len(v))
		for i, each := range v {
			text, err := textValue(each)
			if err != nil {
				return "", err
			}
			list[i] = text
		}
		return joinList(list)
	}
	return "", fmt.Errorf("a %T cannot be sent", v)
}

// joinList refuses a name with a comma rather than sending two.
func joinList(list []string) (string, error) {
	for _, each := range list {
		if strings.Contains(each, ",") {
			return "", fmt.Errorf("%q has a comma, which parts the values of a list", each)
		}
	}
	return strings.Join(list, ","), nil
}
