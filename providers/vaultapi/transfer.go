package vaultapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// What long answers have in common: files, lists in pages, and tables in CSV.

// sink keeps apart the trouble of who is written to from that of the answer.
type sink struct {
	w     io.Writer
	given int64
	err   error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.given += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	s.err = err
	return n, err
}

// download copies a file to w as it comes in. Once w got the first byte, the
// call is not repeated: what broke off then is the caller's to ask for again.
func (c *conn) download(ctx context.Context, k call, w io.Writer) (int64, error) {
	to := &sink{w: w}
	err := c.file(ctx, k, func(k call, resp *http.Response) error {
		_, err := io.Copy(to, resp.Body)
		switch {
		case err == nil:
			return nil
		case to.err != nil:
			e := k.answered(resp, Internal)
			e.Cause, e.final = fmt.Errorf("write what was read: %w", to.err), true
			return e
		}
		e := k.broken(resp, err)
		e.final = to.given > 0
		return e
	})
	return to.given, err
}

// file sends k, whose answer is a file or an error, and hands on the file.
func (c *conn) file(ctx context.Context, k call, read func(call, *http.Response) error) error {
	k.header = maps.Clone(k.header)
	if k.header == nil {
		k.header = map[string]string{}
	}
	k.header["Accept"] = "*/*" // the file is no JSON, its errors are
	return c.send(ctx, k, func(resp *http.Response) error {
		if isFile(resp) {
			return read(k, resp)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return k.broken(resp, err)
		}
		var env envelope
		if err := json.Unmarshal(body, &env); err != nil || !env.known() {
			return k.foreign(resp)
		}
		if err := c.failure(k, resp, env); err != nil {
			return err
		}
		return k.unreadable(resp, errors.New("it is not a file"))
	})
}

// isFile tells a file from Vault's words and from a proxy's page. A file may
// itself be JSON; it then has a name.
func isFile(resp *http.Response) bool {
	if resp.StatusCode != http.StatusOK {
		return false
	}
	if resp.Header.Get("Content-Disposition") != "" {
		return true
	}
	return resp.Header.Get(headerExecutionID) != "" && !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json")
}

// table streams the rows of a CSV answer, each as a map by column.
func (c *conn) table(ctx context.Context, k call) iter.Seq2[map[string]string, error] {
	return func(yield func(map[string]string, error) bool) {
		given := false
		err := c.file(ctx, k, func(k call, resp *http.Response) error {
			rows := csv.NewReader(resp.Body)
			rows.FieldsPerRecord, rows.ReuseRecord, rows.LazyQuotes = -1, true, true
			var head []string
			for {
				row, err := rows.Read()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					e := k.broken(resp, err)
					e.final = given
					return e
				}
				if head == nil {
					head = append(head, row...)
					continue
				}
				m := make(map[string]string, len(head))
				for i, name := range head {
					if i < len(row) {
						m[name] = row[i]
					}
				}
				given = true
				if !yield(m, nil) {
					return errStop
				}
			}
		})
		if err != nil && err != errStop {
			yield(nil, err)
		}
	}
}

// listing is how a list is paged.
type listing struct {
	rows   string // the key of the array
	offset string // the parameter that counts rows
	limit  int    // rows asked for at a time; 0: the list comes in one piece
}

// listed streams the rows of a list, page after page: by the next page's
// address where Vault gives one, else by counting.
func listed[T any](ctx context.Context, c *conn, k call, l listing) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		k := k
		k.params = maps.Clone(k.params)
		if k.params == nil {
			k.params = url.Values{}
		}
		if l.limit > 0 {
			k.params.Set("limit", strconv.Itoa(l.limit))
			k.params.Set(l.offset, "0")
		}
		seen, page := 0, 0
		err := c.pages(ctx, k, l.rows, nil, func(raw []byte) error {
			var v T
			if err := decodeRow(raw, &v); err != nil {
				return err
			}
			seen++
			page++
			if !yield(v, nil) {
				return errStop
			}
			return nil
		}, func(head pageHead) (call, bool, error) {
			rows, d := page, head.Details
			page = 0
			next := k
			if d.NextPage != "" {
				var err error
				if next.path, next.params, err = c.local(d.NextPage); err != nil {
					return call{}, false, &Error{Op: k.op, Kind: Internal, Cause: err}
				}
				return next, true, nil
			}
			if rows == 0 || l.limit == 0 || d.Total > 0 && seen >= d.Total || d.Total == 0 && rows < l.limit {
				return call{}, false, nil
			}
			next.params = maps.Clone(k.params)
			next.params.Set(l.offset, strconv.Itoa(seen))
			return next, true, nil
		})
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

// sendFile sends k with fields and a file as a multipart form, the file as a
// stream; without a file, as a simple form.
func (c *Client) sendFile(ctx context.Context, k call, fields Fields, file *File, reply any) error {
	k.write = true
	values, err := encodeForm(fields)
	if err == nil {
		if file == nil {
			k.body = form(values)
		} else {
			k.body, err = multipartBody(values, *file)
		}
	}
	if err != nil {
		return &Error{Op: k.op, Kind: Invalid, Cause: err}
	}
	return c.c.do(ctx, k, reply)
}

// oneOrMany decodes a thing, or an array of things.
type oneOrMany[T any] []T

func (o *oneOrMany[T]) UnmarshalJSON(data []byte) error {
	*o = nil
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]T)(o))
	}
	if string(data) == "null" {
		return nil
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*o = oneOrMany[T]{one}
	return nil
}

// one is the only one; NotFound where there is none.
func (o oneOrMany[T]) one(k call) (T, error) {
	if len(o) == 0 {
		var none T
		return none, &Error{Op: k.op, Kind: NotFound, Message: "the answer is empty"}
	}
	return o[0], nil
}
