package devvault

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	self := c.jobURL(id)
	links := []body{{"rel", "self", "href", self, "method", "GET", "accept", "application/json"},
		{"rel", "artifacts", "href", self + "/artifacts", "method", "GET", "accept", "application/json"}}
	file, err := c.jobFile(id)
	if err != nil {
		return reply{}, err
	}
	if file.content != nil {
		links = append(links, body{"rel", "content", "href", self + "/content", "method", "GET", "accept", file.media})
	}
	return ok("responseMessage", "OK", "data", body{"id", id, "status", status, "method", "POST", "title", title,
		"links", links,
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

func (c *call) jobURL(id int64) string { return fmt.Sprintf("/api/%s/services/jobs/%d", c.version, id) }

// startFileJob records a job whose result is a file; the link "content" of the job answers it. That path is ours.
func (c *call) startFileJob(t *tx, title, name, media string, content []byte) (int64, error) {
	id, err := c.startJob(t, title, []byte(`{}`))
	if err != nil {
		return 0, err
	}
	return id, t.exec(`INSERT INTO job_files VALUES (?, ?, ?, ?)`, id, name, media, content)
}

// handleJobContent answers the content link of a job.
func handleJobContent(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	r, err := c.jobFile(id)
	if err == nil && r.content == nil {
		err = fail("INVALID_DATA", "The job [%d] has no file", id)
	}
	return r, err
}

func (c *call) jobFile(id int64) (r reply, err error) {
	_, err = one(c.ctx(), c.s.store.read, []any{&r.name, &r.media, &r.content},
		`SELECT f.name, f.media, f.content FROM jobs j JOIN job_files f ON f.job = j.id WHERE j.slot = ? AND j.id = ?`, c.v.slot, id)
	return r, err
}

// handleJobTasks answers GET /api/{v}/services/jobs/{id}/tasks: each job is one task.
func handleJobTasks(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	if _, err := c.jobResult(id); err != nil {
		return reply{}, err
	}
	return ok("url", c.jobURL(id)+"/tasks", "responseDetails", body{"total", 1, "limit", 50, "offset", 0}, "job_id", id,
		"tasks", []body{{"id", fmt.Sprintf("%d:1", id), "state", "SUCCESS"}})
}

// handleJobHistories answers GET /api/{v}/services/jobs/histories: the jobs that are done, newest first.
func handleJobHistories(c *call) (reply, error) {
	return c.jobList("histories", []string{"SUCCESS", "ERRORS_ENCOUNTERED", "FAILED_TO_RUN", "MISSED_SCHEDULE", "CANCELLED", "TIMEOUT"})
}

// handleJobMonitors answers GET /api/{v}/services/jobs/monitors: the jobs that are not done.
func handleJobMonitors(c *call) (reply, error) {
	return c.jobList("monitors", []string{"SCHEDULED", "QUEUED", "RUNNING", "QUEUEING"})
}

func (c *call) jobList(what string, statuses []string) (reply, error) {
	limit := 50
	if text := c.form.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 200 {
			return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [limit]: 1 to 200", text)
		}
		limit = n
	}
	_, offset := c.page(limit, limit)
	from, to, err := c.span()
	if err != nil {
		return reply{}, err
	}
	if s := strings.ToUpper(c.form.Get("status")); s != "" {
		if !slices.Contains(statuses, s) {
			return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [status]", s)
		}
		statuses = []string{s}
	}
	values := make([]any, len(statuses))
	for i, s := range statuses {
		values[i] = s
	}
	where := ` FROM jobs WHERE slot = ? AND created BETWEEN ? AND ? AND status IN (SELECT value FROM json_each(?))`
	args := []any{c.v.slot, from, to, jsonList(values)}
	var total int
	if _, err := one(c.ctx(), c.s.store.read, []any{&total}, `SELECT count(*)`+where, args...); err != nil {
		return reply{}, err
	}
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT id, title, status, user, created, coalesce(finished, created)`+where+` ORDER BY id DESC LIMIT ? OFFSET ?`, append(args, limit, offset)...)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	list := []body{}
	for rows.Next() {
		var id, user, created, finished int64
		var title, status string
		if err := rows.Scan(&id, &title, &status, &user, &created, &finished); err != nil {
			return reply{}, err
		}
		list = append(list, body{"job_id", id, "title", title, "status", status, "created_by", user, "created_date", formatMillis(created), "modified_by", user,
			"modified_date", formatMillis(finished), "run_start_date", formatMillis(created), "run_end_date", formatMillis(finished)})
	}
	if err := rows.Err(); err != nil {
		return reply{}, err
	}
	url := "/api/" + c.version + "/services/jobs/" + what
	details := body{"total", total, "limit", limit, "offset", offset}
	if offset > 0 {
		details = append(details, "previous_page", fmt.Sprintf("%s?limit=%d&offset=%d", url, limit, max(0, offset-limit)))
	}
	if offset+len(list) < total {
		details = append(details, "next_page", fmt.Sprintf("%s?limit=%d&offset=%d", url, limit, offset+limit))
	}
	return ok("url", url, "responseDetails", details, "jobs", list)
}

// handleStartJob answers POST /api/{v}/services/jobs/start_now/{id}: only a job that is scheduled can be started.
func handleStartJob(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	var status string
	found, err := one(c.ctx(), c.s.store.read, []any{&status}, `SELECT status FROM jobs WHERE slot = ? AND id = ?`, c.v.slot, id)
	switch {
	case err != nil:
		return reply{}, err
	case !found:
		return reply{}, fail("INVALID_DATA", "The job [%d] does not exist", id)
	case status != "SCHEDULED":
		return reply{}, fail("OPERATION_NOT_ALLOWED", "The job [%d] is not scheduled: %s", id, status)
	}
	err = c.s.store.update(func(t *tx) error {
		return t.exec(`UPDATE jobs SET status = 'SUCCESS', finished = ? WHERE slot = ? AND id = ?`, c.now.UnixMilli(), c.v.slot, id)
	})
	return reply{body: body{"url", c.jobURL(id), "job_id", id}}, err
}
