package vaultapi

import (
	"context"
	"fmt"
	"iter"
	"net/http"
)

// Calls on a record and all that hangs on it, as jobs.

// CascadeDelete deletes a record with its children, as a job.
func (c *Client) CascadeDelete(ctx context.Context, object string, id ID) (JobRef, error) {
	return c.tree(ctx, "delete with its children", "cascadedelete", object, id, nil)
}

// DeepCopy copies a record with its children, as a job; fields are those of
// the copy that differ.
func (c *Client) DeepCopy(ctx context.Context, object string, id ID, fields Fields) (JobRef, error) {
	if fields == nil {
		fields = Fields{}
	}
	return c.tree(ctx, "copy with its children", "deepcopy", object, id, fields)
}

func (c *Client) tree(ctx context.Context, verb, action, object string, id ID, fields Fields) (JobRef, error) {
	k := call{op: fmt.Sprintf("%s: %s %s", verb, object, id), method: http.MethodPost, path: c.c.path("vobjects", seg(object), seg(id), "actions", action), write: true}
	if fields != nil {
		row, err := encodeJSON(fields)
		if err != nil {
			return JobRef{}, &Error{Op: k.op, Kind: Invalid, Cause: err}
		}
		k.body = payload{contentType: "application/json", data: row}
	}
	var job JobRef
	err := c.c.do(ctx, k, &job)
	return job, err
}

// TreeRecord is a line of what became of a tree: Vault's columns, by name.
type TreeRecord = map[string]string

// CascadeResults streams which records a cascading deletion deleted, or which
// it failed to delete.
func (r *Reader) CascadeResults(ctx context.Context, object string, job ID, failed bool) iter.Seq2[TreeRecord, error] {
	return r.treeResults(ctx, "cascadedelete", object, job, failed)
}

// DeepCopyResults streams which records a deep copy copied, or failed to.
func (r *Reader) DeepCopyResults(ctx context.Context, object string, job ID, failed bool) iter.Seq2[TreeRecord, error] {
	return r.treeResults(ctx, "deepcopy", object, job, failed)
}

func (r *Reader) treeResults(ctx context.Context, what, object string, job ID, failed bool) iter.Seq2[TreeRecord, error] {
	status := "success"
	if failed {
		status = "failure"
	}
	return r.c.table(ctx, call{op: fmt.Sprintf("read the results of job %s", job), method: http.MethodGet, path: r.c.path("vobjects", what, "results", seg(object), status, seg(job)), missing: true})
}

// RecalculateRollups starts calculating an object's roll-up fields anew.
func (c *Client) RecalculateRollups(ctx context.Context, object string) (JobRef, error) {
	var job JobRef
	err := c.c.do(ctx, call{op: "recalculate the roll-ups of " + object, method: http.MethodPost, path: c.c.path("vobjects", seg(object), "actions", "recalculaterollups"), write: true}, &job)
	return job, err
}

// RollupStatus tells whether that is going on: RUNNING, NOT_RUNNING.
func (r *Reader) RollupStatus(ctx context.Context, object string) (string, error) {
	var reply struct {
		Data struct {
			Status string `json:"status"`
		} `json:"data"`
	}
	err := r.c.do(ctx, call{op: "look at the roll-ups of " + object, method: http.MethodGet, path: r.c.path("vobjects", seg(object), "actions", "recalculaterollups")}, &reply)
	return reply.Data.Status, err
}

// UpdateCorporateCurrency calculates the corporate amounts of records anew; of
// all where id is "".
func (c *Client) UpdateCorporateCurrency(ctx context.Context, object string, id ID) (JobRef, error) {
	fields := Fields{}
	if id != "" {
		fields["id"] = id
	}
	var job JobRef
	err := c.postForm(ctx, http.MethodPut, "update the corporate currency of "+object, c.c.path("vobjects", seg(object), "actions", "updatecorporatecurrency"), fields, &job)
	return job, err
}
