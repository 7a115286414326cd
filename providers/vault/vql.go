package vault

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"accord/lang/schema"
	"accord/providers/vaultapi"
)

// pageRows is how many rows are asked for at once, and how many keys go into
// one list of a query.
const (
	pageRows = vaultapi.PageSize
	listed   = 1000 // document ids: short
	markList = 700  // marks: a query has at most 50,000 characters
)

// row is one row of a query, by column.
type row map[string]json.RawMessage

func (r row) text(name string) string {
	var id vaultapi.ID
	_ = json.Unmarshal(r[name], &id)
	return string(id)
}

func (r row) names(name string) []string {
	var n vaultapi.Names
	if len(r[name]) > 0 {
		_ = json.Unmarshal(r[name], &n)
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
	if len(r[name]) > 0 {
		_ = json.Unmarshal(r[name], &n)
	}
	return int64(n)
}

// flag is the value of a Yes/No field, and whether it has one.
func (r row) flag(name string) (value, set bool) {
	if blank(r[name]) {
		return false, false
	}
	var b vaultapi.Bool
	_ = json.Unmarshal(r[name], &b)
	return bool(b), true
}

func blank(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null")) || bytes.Equal(raw, []byte(`""`)) || bytes.Equal(raw, []byte("[]"))
}

// caller counts the calls of one read, for Batch.Calls.
type caller struct {
	v     *vault
	calls atomic.Int64
}

func (v *vault) caller() *caller { return &caller{v: v} }

// took returns the calls made since it was asked last.
func (c *caller) took() int { return int(c.calls.Swap(0)) }

// page reads one page of a statement.
func (c *caller) page(ctx context.Context, q string) (vaultapi.Page[row], error) {
	c.calls.Add(1)
	return vaultapi.QueryPage[row](ctx, c.v.reader, q)
}

// all reads every row of a statement whose answer is known to be small.
func (c *caller) all(ctx context.Context, q string) ([]row, error) {
	var rows []row
	var details vaultapi.Details
	for r, err := range vaultapi.QueryInto[row](ctx, c.v.reader, q, vaultapi.WithDetails(&details)) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	c.calls.Add(int64(max(1, (len(rows)+pageRows-1)/pageRows)))
	return rows, nil
}

// lists reads a statement once for each part of a list of values, which it
// takes as the operand of CONTAINS. Order is kept within a part.
func (c *caller) lists(ctx context.Context, values []string, size int, statement func(list string) string, each func(row) error) error {
	for part := range slices.Chunk(values, size) {
		rows, err := c.all(ctx, statement(vaultapi.QuoteList(part...)))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan reads a statement in the order of a unique column, page by page with
// `column > last`, so that a page at the end costs no more than the first. It
// reads one page ahead.
type scan struct {
	caller *caller
	column string // as answered
	text   func(after string) string
	after  string

	rows []row
	last bool
	next chan scanned
}

type scanned struct {
	page vaultapi.Page[row]
	err  error
}

func newScan(c *caller, column, after string, text func(after string) string) *scan {
	return &scan{caller: c, column: column, after: after, text: text}
}

// peek returns the next row without taking it, nil at the end.
func (s *scan) peek(ctx context.Context) (row, error) {
	for len(s.rows) == 0 && !s.last {
		if s.next == nil {
			s.ahead(ctx)
		}
		got := <-s.next
		s.next = nil
		if got.err != nil {
			return nil, got.err
		}
		s.rows = got.page.Rows
		s.last = len(s.rows) < pageRows && got.page.Details.NextPage == "" || len(s.rows) == 0
		if len(s.rows) > 0 {
			s.after = s.rows[len(s.rows)-1].text(s.column)
		}
		if !s.last {
			s.ahead(ctx)
		}
	}
	if len(s.rows) == 0 {
		return nil, nil
	}
	return s.rows[0], nil
}

func (s *scan) take() { s.rows = s.rows[1:] }

func (s *scan) ahead(ctx context.Context) {
	next := make(chan scanned, 1) // the answer of a read that nobody waits for any more is dropped
	s.next = next
	q := s.text(s.after)
	go func() {
		p, err := s.caller.page(ctx, q)
		next <- scanned{p, err}
	}()
}

// limited bounds a statement to one page, so that the vault need not count
// what is behind it.
func limited(q string) string { return fmt.Sprintf("%s MAXROWS %d PAGESIZE %d", q, pageRows, pageRows) }

// column is one column of a select list of documents: a picklist is asked for
// by name, since document queries answer labels by default.
type column struct {
	field  string // as the rules name it
	typ    string // of the metadata
	object string // of an ObjectReference: what it refers to
}

func (c column) selected() string {
	switch c.typ {
	case "Picklist":
		return "TONAME(" + c.field + ") AS " + c.key()
	case "LongText":
		return "LONGTEXT(" + c.field + ") AS " + c.key()
	}
	return c.field
}

func (c column) key() string {
	switch c.typ {
	case "Picklist":
		return strings.ReplaceAll(c.field, "__", "_") + "_name"
	case "LongText":
		return strings.ReplaceAll(c.field, "__", "_") + "_whole"
	}
	return c.field
}

// neutralKey is where a row keeps the neutral form of a reference.
func (c column) neutralKey() string { return c.field + " neutral" }

// value is the column's value in the one form in which sources and targets
// are compared: absent when blank; lists sorted, for picklists and references
// always a list; times in milliseconds,
// UTC; references as neutralReferences made them.
func (c column) value(r row) (any, bool) {
	if neutral, ok := r[c.neutralKey()]; ok {
		return neutral, true
	}
	raw := r[c.key()]
	if blank(raw) {
		return nil, false
	}
	switch c.typ {
	case "Picklist", "ObjectReference":
		list := slices.Sorted(slices.Values(r.names(c.key())))
		return slices.Compact(list), len(list) > 0
	case "Boolean":
		b, set := r.flag(c.key())
		return b, set
	case "Number":
		var n json.Number
		if json.Unmarshal(raw, &n) != nil {
			return r.text(c.key()), true
		}
		return n, true
	case "DateTime":
		if t, err := vaultapi.ParseTime(r.text(c.key())); err == nil {
			return vaultapi.FormatTime(t), true
		}
	}
	return r.text(c.key()), true
}

// fields is the canonical JSON object of the columns that have a value.
func fieldsOf(columns []column, r row) (json.RawMessage, error) {
	m := make(map[string]any, len(columns))
	for _, c := range columns {
		v, ok := c.value(r)
		if !ok {
			continue
		}
		if list, isList := v.([]string); isList {
			anys := make([]any, len(list))
			for i, s := range list {
				anys[i] = s
			}
			v = anys
		}
		m[c.field] = v
	}
	return schema.AppendCanonical(nil, m, nil)
}

func selectList(columns []column, more ...string) string {
	list := slices.Clone(more)
	for _, c := range columns {
		if s := c.selected(); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, ", ")
}

// version orders the versions of one document.
type version struct{ major, minor int64 }

func versionOf(r row) version {
	return version{r.int("major_version_number__v"), r.int("minor_version_number__v")}
}

func (a version) compare(b version) int {
	return cmp.Or(cmp.Compare(a.major, b.major), cmp.Compare(a.minor, b.minor))
}
