package devvault

import (
	"database/sql"
	"fmt"
	"time"
)

type jobPoll struct{ slot, id int64 }

// startJob records a job that is done at once; its result is what the artifacts link answers.
func (c *call) startJob(t *tx, title string, result []byte) (int64, error) {
	now := c.now.UnixMilli()
	res, err := t.execResult(`INSERT INTO jobs (slot, title, status, user, created, finished, result) VALUES (?, ?, 'SUCCESS', ?, ?, ?, ?)`,
		c.v.slot, title, c.user.ID, now, now, string(result))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// handleJob answers GET /api/{v}/services/jobs/{id}: at most once in ten seconds for one job.
func handleJob(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	key := jobPoll{c.v.slot, id}
	if last, seen := c.s.jobPolls.Load(key); seen && c.now.Sub(last.(time.Time)) < c.s.settings.Load().JobPollPeriod {
		return reply{}, fail("API_LIMIT_EXCEEDED", "The status of job [%d] may be asked for once in %v", id, c.s.settings.Load().JobPollPeriod)
	}
	var status, title string
	var user, created int64
	var finished sql.NullInt64
	found, err := one(c.ctx(), c.s.store.read, []any{&status, &title, &user, &created, &finished},
		`SELECT status, title, user, created, finished FROM jobs WHERE slot = ? AND id = ?`, c.v.slot, id)
	if err != nil {
		return reply{}, err
	}
	if !found {
		return reply{}, fail("INVALID_DATA", "The job [%d] does not exist", id)
	}
	c.s.jobPolls.Store(key, c.now)
	self := fmt.Sprintf("/api/%s/services/jobs/%d", c.version, id)
	return ok("responseMessage", "OK", "data", body{"id", id, "status", status, "method", "POST", "title", title,
		"links", []body{{"rel", "self", "href", self, "method", "GET", "accept", "application/json"},
			{"rel", "artifacts", "href", self + "/artifacts", "method", "GET", "accept", "application/json"}},
		"created_by", user, "created_date", formatMillis(created), "run_start_date", formatMillis(created), "run_end_date", formatMillis(finished.Int64)})
}

// handleJobArtifacts answers the artifacts link of a job.
func handleJobArtifacts(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	result, err := c.jobResult(id)
	if err != nil {
		return reply{}, err
	}
	return ok("data", raw(result))
}

func (c *call) jobResult(id int64) ([]byte, error) {
	var result []byte
	found, err := one(c.ctx(), c.s.store.read, []any{&result}, `SELECT result FROM jobs WHERE slot = ? AND id = ?`, c.v.slot, id)
	if err == nil && !found {
		err = fail("INVALID_DATA", "The job [%d] does not exist", id)
	}
	return result, err
}
