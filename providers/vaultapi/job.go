package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"
)

// JobRef is how Vault names a job it started. It decodes all the ways in
// which Vault writes that.
type JobRef struct {
	ID  ID
	URL string
}

func (j *JobRef) UnmarshalJSON(data []byte) error {
	type spellings struct {
		Job1 ID     `json:"job_id"`
		Job2 ID     `json:"jobId"`
		URL  string `json:"url"` // encoding/json takes "URL" for it, too
	}
	var reply struct {
		spellings
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return err
	}
	found := reply.spellings
	if found.Job1 == "" && found.Job2 == "" && len(reply.Data) > 0 && reply.Data[0] == '{' {
		if err := json.Unmarshal(reply.Data, &found); err != nil {
			return err
		}
	}
	j.ID, j.URL = found.Job1, found.URL
	if j.ID == "" {
		j.ID = found.Job2
	}
	return nil
}

// Job is a job as it stands.
type Job struct {
	ID     ID        `json:"id"`
	Status string    `json:"status"`
	Method string    `json:"method"`
	Links  []JobLink `json:"links"`
}

// JobLink says where something about the job is.
type JobLink struct {
	Rel    string `json:"rel"` // self, content, artifacts
	Href   string `json:"href"`
	Method string `json:"method"`
	Accept string `json:"accept"`
}

// Done tells whether the job will not change any more.
func (j *Job) Done() bool {
	switch j.Status {
	case "SCHEDULED", "QUEUED", "RUNNING", "QUEUEING", "IN_PROGRESS":
		return false
	}
	return true
}

// Succeeded tells whether it did all it was to do.
func (j *Job) Succeeded() bool { return j.Status == "SUCCESS" }

// pollTime is Vault's: one look at a job in ten seconds, refused otherwise.
const pollTime = 10 * time.Second

// jobClock remembers when each job may be looked at again.
type jobClock struct {
	mu   sync.Mutex
	next map[ID]time.Time
}

// claim reserves the next look at a job and says how long it is until then.
func (j *jobClock) claim(id ID, now time.Time) time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.next == nil {
		j.next = map[ID]time.Time{}
	}
	at := j.next[id]
	if at.Before(now) {
		at = now
	}
	j.next[id] = at.Add(pollTime)
	return at.Sub(now)
}

// answered moves the next look to ten seconds after the answer: the call may
// have been under way for a while.
func (j *jobClock) answered(id ID, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at := now.Add(pollTime); at.After(j.next[id]) {
		j.next[id] = at
	}
}

// Job looks at a job, after as long a wait as Vault asks for between two looks.
func (r *Reader) Job(ctx context.Context, id ID) (*Job, error) {
	op := fmt.Sprintf("look at job %s", id)
	if err := r.turn(ctx, op, id); err != nil {
		return nil, err
	}
	var reply struct {
		Data Job `json:"data"`
	}
	err := r.c.do(ctx, call{op: op, method: http.MethodGet, path: r.c.path("services", "jobs", seg(id)), atLeast: pollTime, missing: true}, &reply)
	r.c.jobs.answered(id, r.c.cfg.Clock.Now())
	if err != nil {
		return nil, err
	}
	return &reply.Data, nil
}

// turn waits until a job may be looked at.
func (r *Reader) turn(ctx context.Context, op string, job ID) error {
	clock := r.c.cfg.Clock
	wait := r.c.jobs.claim(job, clock.Now())
	if wait <= 0 {
		return nil
	}
	r.c.observe(Waiting{Op: op, Reason: Polling, For: wait})
	if err := sleep(ctx, clock, wait); err != nil {
		return &Error{Op: op, Kind: Transient, Cause: err}
	}
	return nil
}

// WaitJob looks at a job until it is done. That it is done is no error; look
// at Succeeded.
func (r *Reader) WaitJob(ctx context.Context, id ID) (*Job, error) {
	for {
		job, err := r.Job(ctx, id)
		if err != nil || job.Done() {
			return job, err
		}
	}
}

// JobTask is a part of a job.
type JobTask struct {
	ID    ID     `json:"id"`
	State string `json:"state"`
}

// JobTasks streams the parts of a job.
func (r *Reader) JobTasks(ctx context.Context, id ID) iter.Seq2[JobTask, error] {
	k := call{op: fmt.Sprintf("list the tasks of job %s", id), method: http.MethodGet, path: r.c.path("services", "jobs", seg(id), "tasks"), missing: true}
	return listed[JobTask](ctx, r.c, k, listing{"tasks", "offset", jobLimit})
}

// JobRun is a job as the lists of jobs show it.
type JobRun struct {
	ID       ID     `json:"job_id"`
	Title    string `json:"title"`
	Status   string `json:"status"`
	By       ID     `json:"created_by"`
	Created  string `json:"created_date"`
	Started  string `json:"run_start_date"`
	Ended    string `json:"run_end_date"`
	Modified string `json:"modified_date"`
}

// JobQuery narrows a list of jobs.
type JobQuery struct {
	Since, Until time.Time
	Status       string // "" for all
}

const jobLimit = 200

// JobHistories streams the jobs that are done.
func (r *Reader) JobHistories(ctx context.Context, q JobQuery) iter.Seq2[JobRun, error] {
	return r.jobRuns(ctx, "histories", q)
}

// JobMonitors streams the jobs that are not done.
func (r *Reader) JobMonitors(ctx context.Context, q JobQuery) iter.Seq2[JobRun, error] {
	return r.jobRuns(ctx, "monitors", q)
}

func (r *Reader) jobRuns(ctx context.Context, what string, q JobQuery) iter.Seq2[JobRun, error] {
	k := call{op: "list jobs", method: http.MethodGet, path: r.c.path("services", "jobs", what), params: period(q.Since, q.Until)}
	if q.Status != "" {
		k.params.Set("status", q.Status)
	}
	return listed[JobRun](ctx, r.c, k, listing{"jobs", "offset", jobLimit})
}

// StartJob starts a scheduled job now.
func (c *Client) StartJob(ctx context.Context, id ID) (JobRef, error) {
	var job JobRef
	err := c.c.do(ctx, call{op: fmt.Sprintf("start job %s", id), method: http.MethodPost, path: c.c.path("services", "jobs", "start_now", seg(id)), write: true, missing: true}, &job)
	return job, err
}

// Follow reads what a job's link points to, such as its artifacts.
func (r *Reader) Follow(ctx context.Context, link JobLink, into any) error {
	k := call{op: "read the " + link.Rel + " of a job", method: http.MethodGet}
	var err error
	if k.path, k.params, err = r.c.local(link.Href); err != nil {
		return &Error{Op: k.op, Kind: Internal, Cause: err}
	}
	return r.c.do(ctx, k, into)
}
