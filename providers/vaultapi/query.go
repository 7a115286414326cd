package vaultapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxQueryLength is what Vault takes as one statement, in characters.
	MaxQueryLength = 50_000
	// PageSize is the most rows of a page, and what is asked for by default.
	PageSize = 1000
	// SubPageSize is how many rows of a sub-select Vault gives with each row.
	SubPageSize = 250
)

// Row is one row of an answer, as JSON. It is good only until the next row.
type Row []byte

// Decode reads the row into v.
func (r Row) Decode(v any) error { return json.Unmarshal(r, v) }

// Sub is what a sub-select in a select list gives.
type Sub[T any] struct {
	Details Details `json:"responseDetails"`
	Data    []T     `json:"data"`
}

// Complete tells whether Data is all there is.
func (s Sub[T]) Complete() bool {
	return s.Details.NextPage == "" && len(s.Data) >= s.Details.Total
}

// Description is what Vault says of a query's columns.
type Description struct {
	Object Object        `json:"object"`
	Fields []ObjectField `json:"fields"`
}

// QueryOption asks for more than rows.
type QueryOption func(*queryOptions)

type queryOptions struct {
	details    *Details
	describe   *Description
	properties func(RecordProperties)
	which      string
	components bool
}

// WithDetails stores the first page's details, before the first row is given
// where Vault says them first, as it does for VQL.
func WithDetails(into *Details) QueryOption {
	return func(o *queryOptions) { o.details = into }
}

// WithDescription asks for the columns' description and stores it as
// WithDetails does.
func WithDescription(into *Description) QueryOption {
	return func(o *queryOptions) { o.describe = into }
}

// RecordProperties is what the user may do with a row and its fields.
type RecordProperties struct {
	ID          ID     `json:"id"`
	Permissions Grants `json:"permissions"`
	Fields      struct {
		Hidden   Names `json:"hidden"`
		Redacted Names `json:"redacted"`
		Edit     Names `json:"edit"`
	} `json:"field_properties"`
	Subqueries json.RawMessage `json:"subquery_properties"`
	Additional json.RawMessage `json:"field_additional_data"`
}

// WithRecordProperties asks for what the user may do with each row: which is
// all, hidden, redacted or weblink. each gets them after the rows of a page.
func WithRecordProperties(which string, each func(RecordProperties)) QueryOption {
	return func(o *queryOptions) { o.which, o.properties = which, each }
}

// OfComponents asks the targets vault_component__v and
// vault_package_component__v, with their definitions.
func OfComponents() QueryOption { return func(o *queryOptions) { o.components = true } }

// Query streams all rows of a VQL statement, page after page. An error ends
// it. Rows may be missed or doubled if the vault changes between two pages;
// who needs better pages by key, with QueryPage.
func (r *Reader) Query(ctx context.Context, q string, opts ...QueryOption) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		err := r.c.query(ctx, q, opts, func(row []byte) error {
			if !json.Valid(row) {
				return errPage
			}
			if !yield(Row(row), nil) {
				return errStop
			}
			return nil
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// QueryInto is Query with each row decoded into a T of its own.
func QueryInto[T any](ctx context.Context, r *Reader, q string, opts ...QueryOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := r.c.query(ctx, q, opts, func(row []byte) error {
			var v T
			if err := decodeRow(row, &v); err != nil {
				return err
			}
			if !yield(v, nil) {
				return errStop
			}
			return nil
		})
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

// Page is one page of a query.
type Page[T any] struct {
	Details     Details
	Description *Description // nil unless asked for
	Rows        []T
}

// QueryPage reads only the first page of a statement, whole or not at all: the
// way to page by key ("id > 'last' ORDER BY id"), where a page that was cut
// off is simply read again.
func QueryPage[T any](ctx context.Context, r *Reader, q string, opts ...QueryOption) (Page[T], error) {
	k, o, err := r.c.queryCall(q, opts)
	if err != nil {
		return Page[T]{}, err
	}
	var page Page[T]
	var properties []RecordProperties
	err = r.c.send(ctx, k, func(resp *http.Response) error {
		page = Page[T]{}
		var head pageHead
		var err error
		if _, ok := any(new(T)).(RowOfCells); ok {
			var rows [][]Cell
			rows, err = r.c.readCells(k, resp, "data", &head)
			page.Rows = make([]T, len(rows))
			for n := range rows {
				any(&page.Rows[n]).(RowOfCells).SetCells(rows[n])
			}
		} else {
			err = r.c.readRows(k, resp, "data", &head, func(row []byte) error {
				if page.Rows == nil {
					page.Rows = make([]T, 0, min(max(head.Details.Size, 1), PageSize))
				}
				page.Rows = append(page.Rows, *new(T))
				return decodeRow(row, &page.Rows[len(page.Rows)-1])
			})
		}
		page.Details, page.Description, properties = head.Details, head.Describe, head.Properties
		return err
	})
	if err != nil {
		return Page[T]{}, err
	}
	o.fill(page.Details, page.Description)
	o.tell(properties)
	return page, nil
}

// RowOfCells is a row that is made of its cells.
type RowOfCells interface{ SetCells([]Cell) }

// decodeRow tells a row that is no JSON (errPage: the page was damaged on its
// way, try again) from one that is not what the caller expects.
func decodeRow(row []byte, v any) error {
	if r, ok := v.(RowOfCells); ok {
		atMost := min(1+bytes.Count(row, []byte{','}), 64)
		cells, err := Cells(make([]Cell, 0, atMost), string(row))
		r.SetCells(cells)
		return err
	}
	err := json.Unmarshal(row, v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return errPage
	}
	return err
}

// tell hands on the properties of a page's rows.
func (o *queryOptions) tell(list []RecordProperties) {
	for _, p := range list {
		if o.properties != nil {
			o.properties(p)
		}
	}
}

func (o *queryOptions) fill(d Details, describe *Description) {
	if o.details != nil {
		*o.details = d
	}
	if o.describe != nil && describe != nil {
		*o.describe = *describe
	}
}

func (c *conn) queryCall(q string, opts []QueryOption) (call, *queryOptions, error) {
	o := &queryOptions{}
	for _, opt := range opts {
		opt(o)
	}
	words := topWords(q)
	size := pageSize(words)
	if len(q)+len(size) > MaxQueryLength {
		if n := utf8.RuneCountInString(q) + len(size); n > MaxQueryLength {
			return call{}, nil, &Error{Op: "query", Kind: Invalid, Message: fmt.Sprintf("the statement has %d characters, %d are allowed", n, MaxQueryLength)}
		}
	}
	k := call{
		op: "query " + target(words), method: http.MethodPost, path: c.path("query"),
		body: formOf("q", q, size), query: true, within: c.times.query,
	}
	k.header = map[string]string{}
	if o.describe != nil {
		k.header["X-VaultAPI-DescribeQuery"] = "true"
	}
	if o.properties != nil {
		k.header["X-VaultAPI-RecordProperties"] = o.which
	}
	if o.components {
		k.path = c.path("query", "components")
	}
	return k, o, nil
}

// query streams the rows of all pages. A page that was cut off is asked for
// again; the rows already given are passed over if they come again exactly the
// same, and the stream ends with an error if they do not.
func (c *conn) query(ctx context.Context, q string, opts []QueryOption, row func([]byte) error) error {
	k, o, err := c.queryCall(q, opts)
	if err != nil {
		return err
	}
	return c.pages(ctx, k, "data", o.fill, row, func(head pageHead) (call, bool, error) {
		o.tell(head.Properties)
		if head.Details.NextPage == "" {
			return call{}, false, nil
		}
		next := k
		next.body = payload{}
		next.path, next.params, err = c.local(head.Details.NextPage)
		if err != nil {
			return call{}, false, &Error{Op: k.op, Kind: Internal, Cause: err}
		}
		return next, true, nil
	})
}

// pages reads page after page: first is told of the first page's head, row of
// each row, next says how to ask for the page after the one that it is told of.
func (c *conn) pages(ctx context.Context, k call, rows string, first func(Details, *Description), row func([]byte) error, next func(pageHead) (call, bool, error)) error {
	seed := maphash.MakeSeed()
	for page := 0; ; page++ {
		var given int
		var sum uint64
		var head pageHead
		told := page > 0
		tell := func() {
			if !told && first != nil {
				first(head.Details, head.Describe)
			}
			told = true
		}
		err := c.send(ctx, k, func(resp *http.Response) error {
			head = pageHead{}
			var n int
			var h uint64
			err := c.readRows(k, resp, rows, &head, func(raw []byte) error {
				tell()
				n++
				h = chain(seed, h, raw)
				if n < given {
					return nil
				}
				if n == given {
					if h != sum {
						return errMoved
					}
					return nil
				}
				err := row(raw)
				if err != errPage { // a damaged row was not given
					given, sum = n, h
				}
				return err
			})
			if err == nil && n < given {
				err = errMoved
			}
			if err == errMoved {
				e := k.answered(resp, Transient)
				e.Message, e.final = "the answer broke off, and was another one when asked for again", true
				return e
			}
			return err
		})
		if err == errStop {
			return nil
		}
		if err != nil {
			return err
		}
		tell()
		var more bool
		if k, more, err = next(head); err != nil || !more {
			return err
		}
	}
}

var errMoved = errors.New("the rows are not those of before")

// chain sums up rows in their order.
func chain(seed maphash.Seed, sum uint64, row []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var before [8]byte
	for i := range before {
		before[i] = byte(sum >> (8 * i))
	}
	_, _ = h.Write(before[:])
	_, _ = h.Write(row)
	return h.Sum64()
}

// readRows reads a page and sorts out what can be wrong with it.
func (c *conn) readRows(k call, resp *http.Response, rows string, head *pageHead, row func([]byte) error) error {
	var refused error // what row said, to tell it from the page's own trouble
	given := 0
	err := readPage(resp.Body, rows, head, func(raw []byte) error {
		given++
		if head.known() && !head.ok() {
			return nil // rows of a failed call; the error is still to come
		}
		refused = row(raw)
		return refused
	})
	return c.judge(k, resp, head, given, refused, err)
}

// readCells is readRows for rows that are made of their cells.
func (c *conn) readCells(k call, resp *http.Response, rows string, head *pageHead) ([][]Cell, error) {
	list, err := readWhole(resp.Body, rows, head)
	var refused error
	if err == errRow {
		refused = err
	}
	return list, c.judge(k, resp, head, len(list), refused, err)
}

// judge sorts out what can be wrong with a page of so many rows. One that lacks
// rows of those it counts is as good as cut off: absence never removes.
func (c *conn) judge(k call, resp *http.Response, head *pageHead, given int, refused, err error) error {
	switch {
	case refused != nil && refused != errPage:
		if refused == errStop || refused == errMoved {
			return refused
		}
		if _, ours := refused.(*Error); ours {
			return refused
		}
		return k.unreadable(resp, refused)
	case err != nil && !head.known() && (errors.Is(err, errPage) || downtime(resp) > 0):
		return k.foreign(resp)
	case err != nil:
		return k.broken(resp, err)
	case !head.known():
		return k.foreign(resp)
	case head.ok() && given < head.Details.Size:
		return k.broken(resp, fmt.Errorf("it has %d rows, and counts %d", given, head.Details.Size))
	}
	return c.failure(k, resp, head.envelope)
}

// local turns an address that Vault gave into a path and parameters of this
// vault. It may be absolute, or begin with "/api/" even where the vault is
// served under a prefix. Another host's is refused: it would get the session.
func (c *conn) local(address string) (path string, params url.Values, err error) {
	at, err := url.Parse(address)
	if err != nil {
		return "", nil, fmt.Errorf("address %q: %w", address, err)
	}
	if at.IsAbs() || at.Host != "" {
		if !strings.EqualFold(at.Scheme, c.base.Scheme) || !strings.EqualFold(at.Hostname(), c.base.Hostname()) || port(at) != port(c.base) {
			return "", nil, fmt.Errorf("address %q is not this vault's", address)
		}
	}
	path = at.EscapedPath()
	if prefix := c.base.EscapedPath(); prefix != "" {
		path = strings.TrimPrefix(path, prefix)
	}
	if !strings.HasPrefix(path, "/api/") || strings.Contains(path, "/../") {
		return "", nil, fmt.Errorf("address %q is not one of the API", address)
	}
	return path, at.Query(), nil
}

// pageSize asks for the largest pages where a statement with these top words does
// not say. Vault's default differs by target.
func pageSize(words []string) string {
	if len(words) == 0 || !strings.EqualFold(words[0], "SELECT") || slices.ContainsFunc(words, func(word string) bool {
		return strings.EqualFold(word, "PAGESIZE") || strings.EqualFold(word, "PAGEOFFSET")
	}) {
		return ""
	}
	return " PAGESIZE " + strconv.Itoa(PageSize)
}

// topWords are the words of a statement as they are written, without those in
// quotes and in parentheses.
func topWords(q string) []string {
	words := make([]string, 0, 24)
	depth, start := 0, -1
	flush := func(end int) {
		if start >= 0 && depth == 0 {
			words = append(words, q[start:end])
		}
		start = -1
	}
	for i := 0; i < len(q); i++ {
		switch b := q[i]; {
		case b == '\'':
			flush(i)
			i = quoteEnd(q, i+1)
		case b == '(':
			flush(i)
			depth++
		case b == ')':
			start = -1
			depth--
		case b == ' ' || b == ',' || b == '\n' || b == '\t' || b == '\r':
			flush(i)
		case start < 0:
			start = i
		}
	}
	flush(len(q))
	return words
}

// quoteEnd is where the quote ends whose inside begins at i.
func quoteEnd(q string, i int) int {
	for i < len(q) {
		end := strings.IndexByte(q[i:], '\'')
		if end < 0 {
			break
		}
		if escape := strings.IndexByte(q[i:i+end], '\\'); escape >= 0 {
			i += escape + 2
			continue
		}
		return i + end
	}
	return len(q)
}

// target is what a statement with these top words reads, for the name of the call.
func target(words []string) string {
	for i, word := range words {
		if strings.EqualFold(word, "FROM") && i+1 < len(words) {
			if strings.EqualFold(words[i+1], "ALLVERSIONS") && i+2 < len(words) {
				i++
			}
			return strings.ToLower(words[i+1])
		}
	}
	return strings.ToLower(strings.Join(words, " "))
}

var quoted = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// Quote writes a value as VQL takes it, quotes included. LIKE's % and FIND's *
// keep their meaning.
func Quote[S ~string](value S) string { return "'" + quoted.Replace(string(value)) + "'" }

// QuoteList writes the operand of CONTAINS: ('a','b').
func QuoteList[S ~string](values ...S) string {
	size := len("()")
	for _, v := range values {
		size += len("'',") + len(v)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte('(')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\'')
		b.WriteString(quoted.Replace(string(v)))
		b.WriteByte('\'')
	}
	b.WriteByte(')')
	return b.String()
}

// QuoteTime writes a point in time as VQL takes it, quotes included.
func QuoteTime(t time.Time) string { return "'" + FormatTime(t) + "'" }
