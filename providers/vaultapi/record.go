package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// GetRecord reads one record into a struct or map. Picklists are arrays, also
// single ones: take Names.
func (r *Reader) GetRecord(ctx context.Context, object string, id ID, into any) error {
	var reply struct {
		Data json.RawMessage `json:"data"`
	}
	k := call{op: fmt.Sprintf("read record %s of %s", id, object), method: http.MethodGet, path: r.c.path("vobjects", seg(object), seg(id)), missing: true}
	if err := r.c.do(ctx, k, &reply); err != nil {
		return err
	}
	return k.decode(reply.Data, into)
}

// decode reads a part of an answer.
func (k call) decode(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return &Error{Op: k.op, Kind: Internal, Cause: fmt.Errorf("understand the answer: %w", err)}
	}
	return nil
}

// CreateRecords creates records of an object.
func (c *Client) CreateRecords(ctx context.Context, object string, rows []Fields, opts ...WriteOption) []Result {
	return c.records(ctx, "create records of", http.MethodPost, object, rows, opts)
}

// UpdateRecords updates records by "id", or by the field of KeyedBy. nil
// clears a field; fields that are not named stay.
func (c *Client) UpdateRecords(ctx context.Context, object string, rows []Fields, opts ...WriteOption) []Result {
	return c.records(ctx, "update records of", http.MethodPut, object, rows, opts)
}

// UpsertRecords creates or updates records by a unique field. Two rows with
// one key would fail their whole batch: they are refused here.
func (c *Client) UpsertRecords(ctx context.Context, object, key string, rows []Fields, opts ...WriteOption) []Result {
	op := "upsert records of"
	results := make([]Result, len(rows))
	first := make(map[string]int, len(rows))
	var good []Fields
	var at []int
	for i, row := range rows {
		value, err := textValue(row[key])
		if err == nil && value == "" {
			err = fmt.Errorf("the key %s is empty", key)
		}
		if other, doubled := first[value]; err == nil && doubled {
			err = fmt.Errorf("rows %d and %d have the same %s %q", other, i, key, value)
		}
		if err != nil {
			results[i].Err = &Error{Op: op + " " + object, Kind: Invalid, Cause: err}
			continue
		}
		first[value] = i
		good, at = append(good, row), append(at, i)
	}
	for i, result := range c.records(ctx, op, http.MethodPost, object, good, append([]WriteOption{KeyedBy(key)}, opts...)) {
		results[at[i]] = result
	}
	return results
}

// DeleteRecords deletes records by id.
func (c *Client) DeleteRecords(ctx context.Context, object string, ids []ID, opts ...WriteOption) []Result {
	rows := make([]Fields, len(ids))
	for i, id := range ids {
		rows[i] = Fields{"id": id}
	}
	return c.records(ctx, "delete records of", http.MethodDelete, object, rows, opts)
}

// DeleteRecordsBy deletes records by a unique field.
func (c *Client) DeleteRecordsBy(ctx context.Context, object, key string, values []string, opts ...WriteOption) []Result {
	rows := make([]Fields, len(values))
	for i, value := range values {
		rows[i] = Fields{key: value}
	}
	return c.records(ctx, "delete records of", http.MethodDelete, object, rows, append([]WriteOption{KeyedBy(key)}, opts...))
}

// ChangeRecordTypes changes object types; rows have "id" and "object_type__v".
func (c *Client) ChangeRecordTypes(ctx context.Context, object string, rows []Fields) []Result {
	return c.recordsAt(ctx, "change types of", http.MethodPost, object, c.c.path("vobjects", seg(object), "actions", "changetype"), rows, nil)
}

func (c *Client) records(ctx context.Context, verb, method, object string, rows []Fields, opts []WriteOption) []Result {
	return c.recordsAt(ctx, verb, method, object, c.c.path("vobjects", seg(object)), rows, opts)
}

func (c *Client) recordsAt(ctx context.Context, verb, method, object, path string, rows []Fields, opts []WriteOption) []Result {
	results := make([]Result, len(rows))
	b := batch{
		call:    call{op: verb + " " + object, method: method, path: path},
		maxRows: c.c.caps.records, maxBytes: c.c.caps.recordBytes, join: joinJSON, overhead: 2,
	}
	for _, opt := range opts {
		opt(&b.call)
	}
	encoded, index := encode(b, rows, results, encodeJSON)
	c.c.run(ctx, b, encoded, index, results)
	return results
}

// RecordAction is something a user can do with a record.
type RecordAction struct {
	Name  string `json:"name"` // as ExecuteRecordAction takes it
	Label string `json:"label"`
	Type  string `json:"type"` // workflow, state_change, object_action
}

// RecordActions lists what the user may do with a record now. A record that
// does not exist gives Permission, as Vault cannot tell the two apart here.
func (r *Reader) RecordActions(ctx context.Context, object string, id ID) ([]RecordAction, error) {
	var reply struct {
		Data []RecordAction `json:"data"`
	}
	err := r.c.do(ctx, call{op: fmt.Sprintf("list actions of %s %s", object, id), method: http.MethodGet, path: r.c.path("vobjects", seg(object), seg(id), "actions")}, &reply)
	return reply.Data, err
}

// ExecuteRecordAction runs one of RecordActions.
func (c *Client) ExecuteRecordAction(ctx context.Context, object string, id ID, action string, fields Fields) error {
	op := fmt.Sprintf("run %s on %s %s", action, object, id)
	return c.postForm(ctx, http.MethodPost, op, c.c.path("vobjects", seg(object), seg(id), "actions", seg(action)), fields, nil)
}

// ExecuteRecordsAction runs an action on many records.
func (c *Client) ExecuteRecordsAction(ctx context.Context, object, action string, ids []ID) []Result {
	results := make([]Result, len(ids))
	b := batch{
		call:    call{op: fmt.Sprintf("run %s on records of %s", action, object), method: http.MethodPost, path: c.c.path("vobjects", seg(object), "actions", seg(action))},
		maxRows: c.c.caps.actions, maxBytes: c.c.caps.recordBytes,
		join: func(ids [][]byte) payload {
			return form(url.Values{"ids": {string(concat("", ",", "", ids))}})
		},
	}
	encoded, index := encode(b, ids, results, encodeID)
	c.c.run(ctx, b, encoded, index, results)
	return results
}

func encodeID(id ID) ([]byte, error) {
	if id == "" || strings.ContainsAny(string(id), ", ") {
		return nil, fmt.Errorf("%q is no id", string(id))
	}
	return []byte(id), nil
}

// postForm sends fields as a form.
func (c *Client) postForm(ctx context.Context, method, op, path string, fields Fields, reply any) error {
	values, err := encodeForm(fields)
	if err != nil {
		return &Error{Op: op, Kind: Invalid, Cause: err}
	}
	return c.c.do(ctx, call{op: op, method: method, path: path, body: form(values), write: true}, reply)
}

// Deletion says that a record, a document or a document version is gone.
type Deletion struct {
	ID       ID     `json:"id"`
	GlobalID ID     `json:"global_id__sys"`
	External string `json:"external_id__v"`          // of documents, as it was
	Major    ID     `json:"major_version_number__v"` // "" where the whole document is gone
	Minor    ID     `json:"minor_version_number__v"`
	Date     string `json:"date_deleted"`  // ParseTime reads it
	Type     string `json:"deletion_type"` // document__sys, document_version__sys, version_change__sys; "" for records
}

// DeletedRecords streams the records of an object deleted from since to until;
// a zero time leaves that end to Vault, which knows 30 days.
func (r *Reader) DeletedRecords(ctx context.Context, object string, since, until time.Time) iter.Seq2[Deletion, error] {
	return r.deletions(ctx, "list deleted records of "+object, r.c.path("objects", "deletions", "vobjects", seg(object)), since, until)
}

// DeletedDocuments streams the documents and versions deleted from since to
// until, as DeletedRecords does.
func (r *Reader) DeletedDocuments(ctx context.Context, since, until time.Time) iter.Seq2[Deletion, error] {
	return r.deletions(ctx, "list deleted documents", r.c.path("objects", "deletions", "documents"), since, until)
}

func (r *Reader) deletions(ctx context.Context, op, path string, since, until time.Time) iter.Seq2[Deletion, error] {
	k := call{op: op, method: http.MethodGet, path: path, params: period(since, until)}
	return listed[Deletion](ctx, r.c, k, listing{"data", "offset", 1000})
}

// period are the parameters for a time from since to until; a zero time is
// left out.
func period(since, until time.Time) url.Values {
	params := url.Values{}
	for name, t := range map[string]time.Time{"start_date": since, "end_date": until} {
		if !t.IsZero() {
			params.Set(name, t.UTC().Format("2006-01-02T15:04:05Z"))
		}
	}
	return params
}
