package vault

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accord/lang/schema"
	"accord/providers/vaultapi"
)

// row is one row of a query: its columns in the order in which they were
// answered. Rows are read by the hundred thousand, so that a row is one piece
// of text, and its cells are places in it.
type row []vaultapi.Cell

// DecodeRow implements vaultapi.RowDecoder.
func (r *row) DecodeRow(text string) error {
	atMost := min(1+strings.Count(text, ","), 64)
	cells, err := vaultapi.Cells(make([]vaultapi.Cell, 0, atMost), text)
	*r = cells
	return err
}

// raw is a column's value as it was answered; "" when it was not.
func (r row) raw(name string) string {
	for n := range r {
		if r[n].Name == name {
			return r[n].Value
		}
	}
	return ""
}

// plain is what stands between the quotes of a text that has no escapes.
func plain(raw string) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || strings.IndexByte(raw, '\\') >= 0 {
		return "", false
	}
	return raw[1 : len(raw)-1], true
}

func (r row) text(name string) string {
	raw := r.raw(name)
	if text, ok := plain(raw); ok {
		return text
	}
	var id vaultapi.ID
	_ = id.UnmarshalJSON([]byte(raw))
	return string(id)
}

// names are the elements of a list, or the one value.
func (r row) names(name string) []string {
	raw := r.raw(name)
	if blank(raw) {
		return nil
	}
	if text, ok := plain(raw); ok {
		return []string{text}
	}
	list := make([]string, 0, 1+strings.Count(raw, ","))
	for element := range vaultapi.Elements(raw) {
		text, ok := plain(element)
		if !ok {
			list = nil
			break
		}
		list = append(list, text)
	}
	if len(list) > 0 {
		return list
	}
	var n vaultapi.Names
	_ = n.UnmarshalJSON([]byte(raw))
	return n
}

func (r row) one(name string) string {
	if n := r.names(name); len(n) > 0 {
		return n[0]
	}
	return ""
}

func (r row) int(name string) int64 {
	raw := r.raw(name)
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return n
	}
	var n vaultapi.Int
	if len(raw) > 0 {
		_ = n.UnmarshalJSON([]byte(raw))
	}
	return int64(n)
}

// flag is the value of a Yes/No field, and whether it has one.
func (r row) flag(name string) (value, set bool) {
	raw := r.raw(name)
	switch {
	case raw == "true", raw == "false":
		return raw == "true", true
	case blank(raw):
		return false, false
	}
	var b vaultapi.Bool
	_ = b.UnmarshalJSON([]byte(raw))
	return bool(b), true
}

func blank(raw string) bool {
	switch raw {
	case "", "null", `""`, "[]":
		return true
	}
	return false
}

// version orders the versions of one document.
type version struct{ major, minor int64 }

func versionOf(r row) version {
	return version{r.int("major_version_number__v"), r.int("minor_version_number__v")}
}

func (a version) compare(b version) int {
	return cmp.Or(cmp.Compare(a.major, b.major), cmp.Compare(a.minor, b.minor))
}

// column is one column of a select list of documents: a picklist is asked for
// by name, since document queries answer labels by default.
type column struct {
	field  string // as the rules name it
	typ    string // of the metadata
	object string // of an ObjectReference: what it refers to
	key    string // as it is answered
}

func newColumn(field, typ, object string) column {
	c := column{field: field, typ: typ, object: object, key: field}
	switch c.typ {
	case "Picklist":
		c.key = strings.ReplaceAll(field, "__", "_") + "_name"
	case "LongText":
		c.key = strings.ReplaceAll(field, "__", "_") + "_whole"
	}
	return c
}

// newRecordColumn is a column of an object's records, whose queries answer names
// and whole texts by themselves.
func newRecordColumn(field, typ, object string) column {
	return column{field: field, typ: typ, object: object, key: field}
}

func (c column) selected() string {
	if c.key == c.field {
		return c.field
	}
	switch c.typ {
	case "Picklist":
		return "TONAME(" + c.field + ") AS " + c.key
	case "LongText":
		return "LONGTEXT(" + c.field + ") AS " + c.key
	}
	return c.field
}

// append appends the column's value in the one form in which sources and
// targets are compared, canonical JSON: nothing when blank; lists sorted, for
// picklists and references always a list; times in milliseconds, UTC;
// references as they are known in another vault.
func (c *column) append(to []byte, r row, known neutral) ([]byte, error) {
	raw := r.raw(c.key)
	if blank(raw) {
		return to, nil
	}
	switch c.typ {
	case "Picklist", "ObjectReference":
		list := r.names(c.key)
		if len(list) == 0 {
			return to, nil
		}
		if c.typ == "ObjectReference" && known != nil {
			return known.append(to, c.field, list), nil
		}
		slices.Sort(list)
		for n, name := range slices.Compact(list) {
			to = schema.AppendString(append(to, "[,"[min(n, 1)]), name)
		}
		return append(to, ']'), nil
	case "Boolean":
		b, _ := r.flag(c.key)
		return strconv.AppendBool(to, b), nil
	case "Number":
		return appendNumber(to, raw)
	case "DateTime":
		if t, err := vaultapi.ParseTime(r.text(c.key)); err == nil {
			return schema.AppendCanonical(to, vaultapi.FormatTime(t), nil)
		}
	}
	return schema.AppendString(to, r.text(c.key)), nil
}

// appendNumber appends what is a number as one, and else as a text.
func appendNumber(to []byte, raw string) ([]byte, error) {
	var n json.Number
	if json.Unmarshal([]byte(raw), &n) == nil {
		return schema.AppendCanonical(to, n, nil)
	}
	return schema.AppendString(to, row{{Value: raw}}.text("")), nil
}

// appendFields appends the canonical JSON object of the columns that have a
// value. Columns are in the order of their fields.
func appendFields(to []byte, columns []column, r row, known neutral) ([]byte, error) {
	to = append(to, '{')
	begin := len(to)
	for n := range columns {
		c := &columns[n]
		before := len(to)
		if before > begin {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), c.field...), `":`...)
		value := len(to)
		var err error
		if to, err = c.append(to, r, known); err != nil {
			return nil, fmt.Errorf("read the field %s: %w", c.field, err)
		}
		if len(to) == value {
			to = to[:before]
		}
	}
	return append(to, '}'), nil
}
