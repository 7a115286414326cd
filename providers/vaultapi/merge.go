package vaultapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Merge is a record that goes into another: what refers to Duplicate refers to
// Main afterwards, and Duplicate is deleted.
type Merge struct {
	Duplicate ID `json:"duplicate_record_id"`
	Main      ID `json:"main_record_id"`
}

// MergeJob is a started batch of merges.
type MergeJob struct {
	ID   ID
	Sets []Merge
}

// mergeCap is how many sets Vault takes at once.
const mergeCap = 10

// MergeRecords starts merges, ten to a job. An error is about the sets from
// the first that is in none of the jobs: Vault starts a batch as a whole.
func (c *Client) MergeRecords(ctx context.Context, object string, sets []Merge) ([]MergeJob, error) {
	var jobs []MergeJob
	for from := 0; from < len(sets); from += mergeCap {
		part := sets[from:min(from+mergeCap, len(sets))]
		rows := make([][]byte, len(part))
		for i, m := range part {
			row, err := encodeJSON(Fields{"duplicate_record_id": m.Duplicate, "main_record_id": m.Main})
			if err != nil {
				return jobs, &Error{Op: "merge records of " + object, Kind: Invalid, Cause: err}
			}
			rows[i] = row
		}
		var job JobRef
		if err := c.c.do(ctx, call{op: "merge records of " + object, method: http.MethodPost, path: c.c.path("vobjects", seg(object), "actions", "merge"), body: joinJSON(rows), write: true}, &job); err != nil {
			return jobs, err
		}
		jobs = append(jobs, MergeJob{job.ID, part})
	}
	return jobs, nil
}

// MergeStatus tells how a job of merges stands: IN_PROGRESS, SUCCESS, FAILURE.
func (r *Reader) MergeStatus(ctx context.Context, job ID) (string, error) {
	op := fmt.Sprintf("look at merge %s", job)
	if err := r.turn(ctx, op, job); err != nil {
		return "", err
	}
	var reply struct {
		Data struct {
			Status string `json:"status"`
		} `json:"data"`
	}
	err := r.c.do(ctx, call{op: op, method: http.MethodGet, path: r.c.path("vobjects", "merges", seg(job), "status"), atLeast: pollTime, missing: true}, &reply)
	r.c.jobs.answered(job, r.c.cfg.Clock.Now())
	return reply.Data.Status, err
}

// WaitMerge looks at a job of merges until it is done, and returns its status.
func (r *Reader) WaitMerge(ctx context.Context, job ID) (string, error) {
	for {
		status, err := r.MergeStatus(ctx, job)
		if err != nil || (&Job{Status: status}).Done() {
			return status, err
		}
	}
}

// MergeResult is what became of a set.
type MergeResult struct {
	Merge
	Status string `json:"status"`
	Err    error  `json:"-"` // nil, or an *Error
}

// MergeResults reads what became of the sets of a job.
func (r *Reader) MergeResults(ctx context.Context, job ID) ([]MergeResult, error) {
	var reply struct {
		Data struct {
			Sets []struct {
				MergeResult
				Error *problem `json:"error"`
			} `json:"merge_sets"`
		} `json:"data"`
	}
	op := fmt.Sprintf("read the results of merge %s", job)
	if err := r.c.do(ctx, call{op: op, method: http.MethodGet, path: r.c.path("vobjects", "merges", seg(job), "results"), missing: true}, &reply); err != nil {
		return nil, err
	}
	list := make([]MergeResult, len(reply.Data.Sets))
	for i, set := range reply.Data.Sets {
		list[i] = set.MergeResult
		if set.Error != nil {
			list[i].Err = &Error{Op: fmt.Sprintf("merge %s into %s", set.Duplicate, set.Main), Kind: kindOfFailure(statusFailure, set.Error.Type, true), Type: set.Error.Type, Message: set.Error.Message}
		} else if set.Status == statusFailure {
			list[i].Err = &Error{Op: fmt.Sprintf("merge %s into %s", set.Duplicate, set.Main), Kind: Invalid, Message: "it failed"}
		}
	}
	return list, nil
}

// MergeLog writes a job's log, a zip file, to w.
func (r *Reader) MergeLog(ctx context.Context, job ID, w io.Writer) (int64, error) {
	return r.c.download(ctx, call{op: fmt.Sprintf("read the log of merge %s", job), method: http.MethodGet, path: r.c.path("vobjects", "merges", seg(job), "log"), missing: true}, w)
}
