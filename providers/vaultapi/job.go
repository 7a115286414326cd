package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
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
	clock := r.c.cfg.Clock
	if wait := r.c.jobs.claim(id, clock.Now()); wait > 0 {
		r.c.observe(Waiting{Op: op, Reason: Polling, For: wait})
		if err := sleep(ctx, clock, wait); err != nil {
			return nil, &Error{Op: op, Kind: Transient, Cause: err}
		}
	}
	var reply struct {
		Data Job `json:"data"`
	}
	err := r.c.do(ctx, call{op: op, method: http.MethodGet, path: r.c.path("services", "jobs", seg(id)), atLeast: pollTime, missing: true}, &reply)
	r.c.jobs.answered(id, clock.Now())
	if err != nil {
		return nil, err
	}
	return &reply.Data, nil
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
