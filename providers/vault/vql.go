package vault

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"accord/providers"
	"accord/providers/vaultapi"
)

// pageRows is how many rows are asked for at once, and how many keys go into
// one list of a query.
const (
	pageRows = vaultapi.PageSize
	listed   = 1000 // document ids: short
	markList = 700  // marks: a query has at most 50,000 characters
)

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
	for part := range listParts(values, size) {
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

// mostListed is how many characters a list has at most: a query has 50,000.
const mostListed = 45_000

// listParts yields values in their order, as many at a time as a list of a query has:
// size, and fewer where they are long, as External IDs may be.
func listParts(values []string, size int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for len(values) > 0 {
			n, length := 0, 0
			for _, v := range values[:min(size, len(values))] {
				if length += len(v) + strings.Count(v, "'") + len("'',"); n > 0 && length > mostListed {
					break
				}
				n++
			}
			if !yield(values[:n]) {
				return
			}
			values = values[n:]
		}
	}
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

	panic *providers.Panic
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
		if got.panic != nil {
			panic(got.panic)
		}
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

// page takes the next rows, as many as a page has; none at the end.
func (s *scan) page(ctx context.Context) ([]row, error) {
	var page []row
	for len(page) < pageRows {
		r, err := s.peek(ctx)
		if err != nil || r == nil {
			return page, err
		}
		page = append(page, r)
		s.take()
	}
	return page, nil
}

func (s *scan) ahead(ctx context.Context) {
	next := make(chan scanned, 1) // the answer of a read that nobody waits for any more is dropped
	s.next = next
	q := s.text(s.after)
	go func() {
		var got scanned
		defer func() {
			if v := recover(); v != nil { // of whoever waits, not of the whole process
				got.panic = &providers.Panic{Value: v, Stack: debug.Stack()}
			}
			next <- got
		}()
		got.page, got.err = s.caller.page(ctx, q)
	}()
}

// limited bounds a statement to one page, so that the vault need not count
// what is behind it.
func limited(q string) string { return fmt.Sprintf("%s MAXROWS %d PAGESIZE %d", q, pageRows, pageRows) }

// selectList is what a query selects: more, one column each, and the columns that
// are not among them.
func selectList(columns []column, more ...string) string {
	list := slices.Clone(more)
	for _, c := range columns {
		if s := c.selected(); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, ", ")
}
