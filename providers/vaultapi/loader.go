package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// LoadTask is a staged CSV file to be loaded.
type LoadTask struct {
	ObjectType        string `json:"object_type"`      // vobjects__v, documents__v, document_versions__v, …
	Object            string `json:"object,omitempty"` // for vobjects__v
	Action            string `json:"action"`           // create, update, upsert, delete, …
	File              string `json:"file"`             // on file staging
	Order             int    `json:"order"`
	IDParam           string `json:"idparam,omitempty"`
	RecordMigration   bool   `json:"recordmigrationmode,omitempty"`
	DocumentMigration bool   `json:"documentmigrationmode,omitempty"`
	NoTriggers        bool   `json:"notriggers,omitempty"`
}

// ExtractTask is an object or documents to be written to file staging.
type ExtractTask struct {
	ObjectType string   `json:"object_type"`
	Object     string   `json:"object,omitempty"`
	Fields     []string `json:"fields,omitempty"`
	Criteria   string   `json:"vql_criteria__v,omitempty"`
}

// LoadJob is a job of the loader.
type LoadJob struct {
	JobRef
	Tasks []LoadedTask
}

// LoadedTask is a task of such a job, in the order in which they were given.
type LoadedTask struct {
	ID         ID     `json:"task_id"`
	ObjectType string `json:"object_type"`
	Object     string `json:"object"`
	File       string `json:"file"`
}

// UnmarshalJSON reads the job's reference with its tasks.
func (j *LoadJob) UnmarshalJSON(data []byte) error {
	var reply struct {
		Tasks []LoadedTask `json:"tasks"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return err
	}
	j.Tasks = reply.Tasks
	return j.JobRef.UnmarshalJSON(data)
}

// mostTasks is how many tasks Vault takes in a job.
const mostTasks = 10

// Load loads staged files, as a job. Vault takes ten tasks.
func (c *Client) Load(ctx context.Context, tasks []LoadTask) (LoadJob, error) {
	return loader(ctx, c, "load", tasks)
}

// Extract writes data to file staging, as a job. Vault takes ten tasks.
func (c *Client) Extract(ctx context.Context, tasks []ExtractTask) (LoadJob, error) {
	return loader(ctx, c, "extract", tasks)
}

func loader[T any](ctx context.Context, c *Client, what string, tasks []T) (LoadJob, error) {
	op := what + " with the loader"
	if len(tasks) == 0 || len(tasks) > mostTasks {
		return LoadJob{}, &Error{Op: op, Kind: Invalid, Message: fmt.Sprintf("%d tasks: 1 to %d are allowed", len(tasks), mostTasks)}
	}
	body, err := json.Marshal(tasks)
	if err != nil {
		return LoadJob{}, &Error{Op: op, Kind: Invalid, Cause: err}
	}
	var job LoadJob
	err = c.c.do(ctx, call{op: op, method: http.MethodPost, path: c.c.path("services", "loader", what), body: payload{contentType: "application/json", data: body}, write: true}, &job)
	return job, err
}

// LoadLog writes what a task loaded, or failed to load, to w, as CSV.
func (r *Reader) LoadLog(ctx context.Context, job, task ID, failed bool, w io.Writer) (int64, error) {
	log := "successlog"
	if failed {
		log = "failurelog"
	}
	return r.loaded(ctx, job, task, w, log)
}

// ExtractResult writes what a task extracted to w, as CSV.
func (r *Reader) ExtractResult(ctx context.Context, job, task ID, w io.Writer) (int64, error) {
	return r.loaded(ctx, job, task, w, "results")
}

func (r *Reader) loaded(ctx context.Context, job, task ID, w io.Writer, what string) (int64, error) {
	k := call{op: fmt.Sprintf("read the %s of task %s of job %s", what, task, job), method: http.MethodGet, path: r.c.path("services", "loader", seg(job), "tasks", seg(task), what), missing: true}
	return r.c.download(ctx, k, w)
}
