package devvault

import (
	"database/sql"
	"strconv"
	"time"
)

// keepDeletions is how long the API tells of what was deleted.
const keepDeletions = 30 * 24 * time.Hour

// secondsOf writes a time as the deletions calls do: whole seconds.
func secondsOf(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z") }

// span reads start_date and end_date as milliseconds. Nothing older than 30 days is told; an end of whole seconds includes its second.
func (c *call) span() (from, to int64, err error) {
	from, to = c.now.Add(-keepDeletions).UnixMilli(), c.now.UnixMilli()
	parse := func(name string) (int64, error) {
		text := c.form.Get(name)
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.UnixMilli(), nil
			}
		}
		return 0, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [%s]", text, name)
	}
	if c.form.Get("start_date") != "" {
		n, err := parse("start_date")
		if err != nil {
			return 0, 0, err
		}
		from = max(from, n)
	}
	if c.form.Get("end_date") != "" {
		n, err := parse("end_date")
		if err != nil {
			return 0, 0, err
		}
		if n%1000 == 0 {
			n += 999
		}
		to = min(to, n)
	}
	return from, to, nil
}

// handleDocumentDeletions answers GET /api/{v}/objects/deletions/documents.
func handleDocumentDeletions(c *call) (reply, error) {
	from, to, err := c.span()
	if err != nil {
		return reply{}, err
	}
	limit, offset := c.page(1000, 5000)
	const where = ` FROM deletions WHERE slot = ? AND kind IN ('document__sys', 'document_version__sys') AND at BETWEEN ? AND ?`
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT kind, at, id, major, minor, global_id, external_id`+where+` ORDER BY at, CAST(id AS INTEGER) LIMIT ? OFFSET ?`,
		c.v.slot, from, to, limit, offset)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	data := []body{}
	for rows.Next() {
		var kind, id, global string
		var at int64
		var major, minor sql.NullInt64
		var external sql.NullString
		if err := rows.Scan(&kind, &at, &id, &major, &minor, &global, &external); err != nil {
			return reply{}, err
		}
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return reply{}, err
		}
		var ma, mi any = "", ""
		if major.Valid {
			ma, mi = major.Int64, minor.Int64
		}
		data = append(data, body{"id", n, "global_id__sys", global, "major_version_number__v", ma, "minor_version_number__v", mi, "external_id__v", null(external.String),
			"date_deleted", secondsOf(at), "deletion_type", kind})
	}
	if err := rows.Err(); err != nil {
		return reply{}, err
	}
	var total int
	if _, err := one(c.ctx(), c.s.store.read, []any{&total}, `SELECT count(*)`+where, c.v.slot, from, to); err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "OK", "responseDetails", body{"total", total, "size", len(data), "limit", limit, "offset", offset}, "data", data)
}
