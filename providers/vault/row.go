package vault

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/lang/schema"
	"accord/providers/vaultapi"
)

// row is one row of a query: its columns in the order in which they were
// answered. Rows are read by the hundred thousand, so that the page is one piece
// of text, and the cells of its rows are places in it: what is kept for longer
// than a page is cloned.
type row []vaultapi.Cell

// SetCells implements vaultapi.RowOfCells.
func (r *row) SetCells(cells []vaultapi.Cell) { *r = cells }

// raw is a column's value as it was answered; "" when it was not.
func (r row) raw(name string) string {
	value, _ := r.rawFrom(0, name)
	return value
}

// rawFrom is raw for whoever knows about where a column is, and the place behind
// it.
func (r row) rawFrom(at int, name string) (value string, next int) {
	for n := at; n < len(r); n++ {
		if r[n].Name == name {
			return r[n].Value, n + 1
		}
	}
	for n := range r[:min(at, len(r))] {
		if r[n].Name == name {
			return r[n].Value, n + 1
		}
	}
	return "", at
}

// plain is what stands between the quotes of a text that has no escapes.
func plain(raw string) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || strings.IndexByte(raw, '\\') >= 0 {
		return "", false
	}
	return raw[1 : len(raw)-1], true
}

func (r row) text(name string) string { return textOf(r.raw(name)) }

// textOf is a value as a text.
func textOf(raw string) string {
	if text, ok := plain(raw); ok {
		return text
	}
	var id vaultapi.ID
	_ = id.UnmarshalJSON([]byte(raw))
	return string(id)
}

// names are the elements of a list, or the one value.
func (r row) names(name string) []string { return namesOf(r.raw(name)) }

func namesOf(raw string) []string {
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

func (r row) int(name string) int64 { return intOf(r.raw(name)) }

func intOf(raw string) int64 {
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return n
	}
	var n vaultapi.Int
	if len(raw) > 0 {
		_ = n.UnmarshalJSON([]byte(raw))
	}
	return int64(n)
}

// time is the value of a date and time; zero where it has none.
func (r row) time(name string) time.Time {
	t, err := vaultapi.ParseTime(r.text(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

// flag is the value of a Yes/No field, and whether it has one.
func (r row) flag(name string) (value, set bool) { return flagOf(r.raw(name)) }

func flagOf(raw string) (value, set bool) {
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

// append appends the column's value, as it was answered, in the one form in
// which sources and targets are compared, canonical JSON: nothing when blank;
// lists sorted, for picklists and references always a list; times in
// milliseconds, UTC; references as they are known in another vault.
func (c *column) append(to []byte, raw string, known neutral) ([]byte, error) {
	if blank(raw) {
		return to, nil
	}
	switch c.typ {
	case "Picklist", "ObjectReference":
		list := namesOf(raw)
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
		b, _ := flagOf(raw)
		return strconv.AppendBool(to, b), nil
	case "Number":
		return appendNumber(to, raw)
	case "DateTime":
		if t, err := vaultapi.ParseTime(textOf(raw)); err == nil {
			return schema.AppendCanonical(to, vaultapi.FormatTime(t), nil)
		}
	}
	return schema.AppendString(to, textOf(raw)), nil
}

// appendNumber appends what is a number as one, and else as a text.
func appendNumber(to []byte, raw string) ([]byte, error) {
	var n json.Number
	if json.Unmarshal([]byte(raw), &n) == nil {
		return schema.AppendCanonical(to, n, nil)
	}
	return schema.AppendString(to, textOf(raw)), nil
}

// appendFields appends the canonical JSON object of the columns that have a
// value. Columns are in the order of their fields.
func appendFields(to []byte, columns []column, r row, known neutral) ([]byte, error) {
	to = append(to, '{')
	begin := len(to)
	at, raw := 0, ""
	for n := range columns {
		c := &columns[n]
		before := len(to)
		if before > begin {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), c.field...), `":`...)
		value := len(to)
		var err error
		raw, at = r.rawFrom(at, c.key) // they were asked for in this order
		if to, err = c.append(to, raw, known); err != nil {
			return nil, fmt.Errorf("read the field %s: %w", c.field, err)
		}
		if len(to) == value {
			to = to[:before]
		}
	}
	return append(to, '}'), nil
}
