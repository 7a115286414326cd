package vaultapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Result is what became of one row of a batch. There is one for each row, in
// the order of the rows, whatever happened.
type Result struct {
	ID        ID
	Event     string // "created__sys" or "updated__sys", where Vault says it
	Key       string // the value of the row's key, where Vault repeats it
	Unchanged bool   // the row already had these values
	Err       error  // nil, or an *Error: any kind but Ambiguous means that the row was not written
}

// FirstError is the first row's error, with the number of rows that failed.
func FirstError(results []Result) error {
	var first error
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
			if first == nil {
				first = r.Err
			}
		}
	}
	if failed > 1 {
		return fmt.Errorf("%d of %d rows: %w", failed, len(results), first)
	}
	return first
}

// caps are Vault's limits of a batch.
type caps struct {
	records, documents, updates, relationships, actions int // rows
	recordBytes, csvBytes                               int
}

var vaultCaps = caps{
	records: 500, documents: 500, updates: 1000, relationships: 1000, actions: 500,
	recordBytes: 50_000_000,
	csvBytes:    50_000_000, // Vault takes 1 GB, but a request is held in memory
}

// batch is a call for many rows at a time.
type batch struct {
	call     call // without body
	maxRows  int
	maxBytes int
	join     func(rows [][]byte) payload // of encoded rows
	overhead int                         // bytes that join adds to them, once
}

// rowReply is one row of the answer: nested for records, flat for documents
// and actions.
type rowReply struct {
	envelope
	ID       ID `json:"id"`
	External ID `json:"external_id__v"`
	Data     struct {
		ID    ID     `json:"id"`
		Event string `json:"event"`
		Key   ID     `json:"id_param_value"`
	} `json:"data"`
}

// run sends the rows of which index says where their results belong; nil rows
// have one already. Rows that Vault turned away for the moment, which were
// certainly not executed, are sent again a while later.
func (c *conn) run(ctx context.Context, b batch, rows [][]byte, index []int, results []Result) {
	waits := c.cfg.Retry.newBackoff()
	for tries := 1; len(rows) > 0; tries++ {
		stopped := c.round(ctx, b, rows, index, results)

		var laterRows [][]byte
		var later []int
		var why error
		for i, at := range index {
			e, ours := results[at].Err.(*Error)
			if ours && e.Kind.retryable() && !e.final {
				laterRows, later, why = append(laterRows, rows[i]), append(later, at), e
			}
		}
		if stopped || len(later) == 0 || tries >= c.cfg.Retry.Tries || !c.budget.spend() {
			return
		}
		wait := waits.NextBackOff()
		c.retries.Add(1)
		c.observe(Waiting{Op: b.call.op, Reason: Backoff, For: wait, Err: why})
		if sleep(ctx, c.cfg.Clock, wait) != nil {
			return
		}
		rows, index = laterRows, later
	}
}

// round sends all rows once, in chunks. It stops early where the next chunk
// could not fare better, and gives the rest the same error.
func (c *conn) round(ctx context.Context, b batch, rows [][]byte, index []int, results []Result) (stopped bool) {
	for from, to := range split(rows, b.maxRows, b.maxBytes-b.overhead) {
		err := c.chunk(ctx, b, rows[from:to], index[from:to], results)
		if err == nil {
			continue
		}
		switch KindOf(err) {
		case Transient, Throttled, Auth, WrongVault, Permission:
			for _, at := range index[to:] {
				results[at] = Result{Err: err}
			}
			return true
		}
		if ctx.Err() != nil {
			unsent := &Error{Op: b.call.op, Kind: Transient, Cause: context.Cause(ctx)}
			for _, at := range index[to:] {
				results[at] = Result{Err: unsent}
			}
			return true
		}
	}
	return false
}

// chunk sends one batch; the error, if any, is also that of each row that has
// no outcome of its own.
func (c *conn) chunk(ctx context.Context, b batch, rows [][]byte, index []int, results []Result) error {
	k := b.call
	k.write = true
	k.body = b.join(rows)
	answered := 0
	err := c.send(ctx, k, func(resp *http.Response) error {
		answered = 0
		var head pageHead
		err := c.readRows(k, resp, "data", &head, func(raw []byte) error {
			if answered == len(index) {
				return fmt.Errorf("%d rows sent, more answered", len(index))
			}
			var row rowReply
			if err := decodeRow(raw, &row); err != nil {
				return err
			}
			result := row.result(k, resp)
			if e, ours := result.Err.(*Error); ours {
				e.Message = c.session.clean(e.Message)
			}
			results[index[answered]] = result
			answered++
			return nil
		})
		if err == nil && answered < len(index) {
			err = k.unreadable(resp, fmt.Errorf("%d rows sent, %d answered", len(index), answered))
		}
		return err
	})
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind != Ambiguous {
		answered = 0 // Vault refused the batch as a whole
	}
	for _, at := range index[answered:] {
		results[at] = Result{Err: err}
	}
	return err
}

func (r rowReply) result(k call, resp *http.Response) Result {
	out := Result{ID: r.ID, Event: r.Data.Event, Key: string(r.Data.Key), Unchanged: r.unchanged()}
	if out.ID == "" {
		out.ID = r.Data.ID
	}
	if out.Key == "" {
		out.Key = string(r.External)
	}
	if !r.known() {
		out.Err = k.unreadable(resp, errors.New("a row has no status"))
		return out
	}
	if e := r.failure(k.op, true); e != nil {
		at := k.answered(resp, e.Kind)
		e.ExecutionID, e.VaultID = at.ExecutionID, at.VaultID
		out.Err = e
	}
	return out
}

// split cuts rows into chunks of at most maxRows and maxBytes, one byte
// between two rows included. A row that is too large by itself is a chunk by
// itself: who encodes rows refuses it.
func split(rows [][]byte, maxRows, maxBytes int) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		from, size := 0, 0
		for i, row := range rows {
			if i > from && (i-from == maxRows || size+len(row)+1 > maxBytes) {
				if !yield(from, i) {
					return
				}
				from, size = i, 0
			}
			size += len(row) + 1
		}
		if from < len(rows) {
			yield(from, len(rows))
		}
	}
}

// encode applies enc to each row; those that cannot be encoded, or are too
// large, get their result at once and are left out.
func encode[T any](b batch, rows []T, results []Result, enc func(T) ([]byte, error)) (encoded [][]byte, index []int) {
	for i, row := range rows {
		data, err := enc(row)
		if err == nil && len(data)+1 > b.maxBytes-b.overhead {
			err = fmt.Errorf("the row has %d bytes, a batch may have %d", len(data), b.maxBytes)
		}
		if err != nil {
			results[i].Err = &Error{Op: b.call.op, Kind: Invalid, Cause: err}
			continue
		}
		encoded, index = append(encoded, data), append(index, i)
	}
	return encoded, index
}

func joinJSON(rows [][]byte) payload {
	return payload{contentType: "application/json", data: concat("[", ",", "]", rows)}
}

func concat(head, sep, tail string, rows [][]byte) []byte {
	size := len(head) + len(tail)
	for _, row := range rows {
		size += len(row) + len(sep)
	}
	out := append(make([]byte, 0, size), head...)
	for i, row := range rows {
		if i > 0 {
			out = append(out, sep...)
		}
		out = append(out, row...)
	}
	return append(out, tail...)
}

// encodeJSON writes a row as an object, its keys in order.
func encodeJSON(row Fields) ([]byte, error) {
	values := make(map[string]any, len(row))
	for name, v := range row {
		value, err := jsonValue(v)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		values[name] = value
	}
	return json.Marshal(values)
}

// runCSV sends rows as CSV. Vault takes an empty cell for "clear this field",
// so only rows with the same columns share a batch.
func (c *conn) runCSV(ctx context.Context, b batch, rows []Fields, results []Result) {
	var order []string
	groups := map[string][]int{}
	for i, row := range rows {
		columns := strings.Join(columnsOf(row), ",")
		if groups[columns] == nil {
			order = append(order, columns)
		}
		groups[columns] = append(groups[columns], i)
	}
	for _, columns := range order {
		names := strings.Split(columns, ",")
		b.overhead = len(columns) + 1
		b.join = func(rows [][]byte) payload {
			return payload{contentType: "text/csv", data: concat(columns+"\n", "\n", "\n", rows)}
		}
		members := groups[columns]
		part := make([]Result, len(members))
		encoded, index := encode(b, members, part, func(i int) ([]byte, error) { return encodeCSV(names, rows[i]) })
		c.run(ctx, b, encoded, index, part)
		for i, at := range members {
			results[at] = part[i]
		}
	}
}

// columnsOf are the names of a row's fields, the id first.
func columnsOf(row Fields) []string {
	names := make([]string, 0, len(row))
	for name := range row {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == "id":
			return -1
		case b == "id":
			return 1
		}
		return strings.Compare(a, b)
	})
	return names
}

// encodeCSV writes a line in Vault's dialect: RFC 4180 with doubled
// backslashes and without bare carriage returns.
func encodeCSV(names []string, row Fields) ([]byte, error) {
	var line []byte
	for i, name := range names {
		if i > 0 {
			line = append(line, ',')
		}
		text, err := textValue(row[name])
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") {
			return nil, fmt.Errorf("field %s: a carriage return without line feed cannot be sent", name)
		}
		text = strings.ReplaceAll(text, `\`, `\\`)
		if strings.ContainsAny(text, ",\"\r\n") || strings.TrimSpace(text) != text || len(names) == 1 {
			text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
		}
		line = append(line, text...)
	}
	return line, nil
}

// encodeForm writes fields as a form.
func encodeForm(fields Fields) (url.Values, error) {
	values := make(url.Values, len(fields))
	for name, v := range fields {
		text, err := textValue(v)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		values.Set(name, text)
	}
	return values, nil
}

// WriteOption changes how Vault treats a write.
type WriteOption func(*call)

// MigrationMode writes as a migration does: any state, no entry rules.
func MigrationMode() WriteOption { return withHeader("X-VaultAPI-MigrationMode", "true") }

// NoTriggers skips triggers; Vault heeds it only with MigrationMode.
func NoTriggers() WriteOption { return withHeader("X-VaultAPI-NoTriggers", "true") }

// KeyedBy finds rows by a unique field instead of by id.
func KeyedBy(field string) WriteOption {
	return func(k *call) { k.params = url.Values{"idParam": {field}} }
}

func withHeader(name, value string) WriteOption {
	return func(k *call) {
		if k.header == nil {
			k.header = map[string]string{}
		}
		k.header[name] = value
	}
}
