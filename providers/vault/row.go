package vault

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord/lang/schema"
	"accord/providers/vaultapi"
)

// row is one row of a query: its columns in the order in which they were
// answered. Rows are read by the hundred thousand, so that a row is one piece
// of text, and its cells are places in it.
type row []cell

// cell is one column of a row.
type cell struct {
	schema.Member
	neutral json.RawMessage // of a reference: what another vault knows of the records
}

// DecodeRow implements vaultapi.RowDecoder.
func (r *row) DecodeRow(data []byte) error {
	var buffer [32]schema.Member
	members, ok := schema.Written(buffer[:0], bytes.Clone(data))
	if !ok {
		var err error
		if members, err = schema.Members(nil, data); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
	}
	*r = make(row, len(members))
	for n := range members {
		(*r)[n].Member = members[n]
	}
	return nil
}

// at is the place of a column, -1 when it was not answered.
func (r row) at(name string) int {
	for n := range r {
		if string(r[n].Name) == name {
			return n
		}
	}
	return -1
}

// raw is a column's value as it was answered.
func (r row) raw(name string) json.RawMessage {
	if n := r.at(name); n >= 0 {
		return r[n].Value
	}
	return nil
}

func (r row) text(name string) string {
	var id vaultapi.ID
	_ = id.UnmarshalJSON(r.raw(name))
	return string(id)
}

func (r row) names(name string) []string {
	var n vaultapi.Names
	if raw := r.raw(name); !blank(raw) {
		_ = n.UnmarshalJSON(raw)
	}
	return n
}

func (r row) one(name string) string {
	if n := r.names(name); len(n) > 0 {
		return n[0]
	}
	return ""
}

func (r row) int(name string) int64 {
	var n vaultapi.Int
	if raw := r.raw(name); len(raw) > 0 {
		_ = n.UnmarshalJSON(raw)
	}
	return int64(n)
}

// flag is the value of a Yes/No field, and whether it has one.
func (r row) flag(name string) (value, set bool) {
	raw := r.raw(name)
	if blank(raw) {
		return false, false
	}
	var b vaultapi.Bool
	_ = b.UnmarshalJSON(raw)
	return bool(b), true
}

func blank(raw json.RawMessage) bool {
	switch string(raw) {
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
// references as neutralReferences made them.
func (c column) append(to []byte, r row) ([]byte, error) {
	at := r.at(c.key)
	switch {
	case at < 0:
		return to, nil
	case r[at].neutral != nil:
		return append(to, r[at].neutral...), nil
	case blank(r[at].Value):
		return to, nil
	}
	raw := r[at].Value
	switch c.typ {
	case "Picklist", "ObjectReference":
		list := r.names(c.key)
		if len(list) == 0 {
			return to, nil
		}
		slices.Sort(list)
		var elements []any
		for _, name := range slices.Compact(list) {
			elements = append(elements, name)
		}
		return schema.AppendCanonical(to, elements, nil)
	case "Boolean":
		b, _ := r.flag(c.key)
		return schema.AppendCanonical(to, b, nil)
	case "Number":
		var n json.Number
		if json.Unmarshal(raw, &n) == nil {
			return schema.AppendCanonical(to, n, nil)
		}
	case "DateTime":
		if t, err := vaultapi.ParseTime(r.text(c.key)); err == nil {
			return schema.AppendCanonical(to, vaultapi.FormatTime(t), nil)
		}
	}
	if raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return schema.AppendString(to, []byte(raw[1:len(raw)-1])), nil
	}
	return schema.AppendString(to, r.text(c.key)), nil
}

// fieldsOf is the canonical JSON object of the columns that have a value.
// Columns are in the order of their fields.
func fieldsOf(columns []column, r row) (json.RawMessage, error) {
	out := append(make([]byte, 0, 512), '{')
	for _, c := range columns {
		before := len(out)
		if before > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), c.field...), `":`...)
		value := len(out)
		var err error
		if out, err = c.append(out, r); err != nil {
			return nil, fmt.Errorf("read the field %s: %w", c.field, err)
		}
		if len(out) == value {
			out = out[:before]
		}
	}
	return bytes.Clone(append(out, '}')), nil
}
