package devvault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/providers/devvault/mdl"
)

// trail is one of the audit trails of a vault.
type trail int64

const (
	documentTrail trail = iota + 1
	objectTrail
	systemTrail
	domainTrail
	loginTrail
)

// trails are what the audit calls know of each: its name there, its label, and the columns of a line after those that all have.
var trails = map[trail]struct {
	name, label string
	columns     []string
}{
	documentTrail: {"document_audit_trail", "Document Audit Trail", []string{"action", "item", "field_label", "field_name", "old_value", "new_value", "doc_id", "version",
		"document_url", "workflow_name", "task_name", "signature_meaning", "event_description", "on_behalf_of"}},
	objectTrail: {"object_audit_trail", "Object Record Audit Trail", []string{"action", "item", "field_label", "field_name", "old_value", "new_value", "old_display_value",
		"new_display_value", "record_id", "object_label", "object_name", "workflow_name", "task_name", "verdict", "reason", "capacity", "event_description", "on_behalf_of",
		"grouping_id"}},
	systemTrail: {"system_audit_trail", "System Audit Trail", []string{"action", "item", "field_name", "old_value", "new_value", "event_description", "on_behalf_of"}},
	domainTrail: {"domain_audit_trail", "Domain Audit Trail", []string{"action", "item", "field_name", "old_value", "new_value", "event_description", "on_behalf_of"}},
	loginTrail:  {"login_audit_trail", "Login Audit Trail", []string{"source_ip", "type", "status", "browser", "platform"}},
}

// auditLine is a line of a trail that is to be written.
type auditLine struct {
	trailOf
	at, user int64
	target   string
	detail   []byte
}

// trailOf is a trail of one vault.
type trailOf struct {
	slot  int64
	trail trail
}

// audit notes what a write did. It is kept when the write is. What a content library brings is in no trail.
func (c *call) audit(t *tx, to trail, target string, detail ...any) {
	if c.route == nil {
		return
	}
	user := int64(0)
	if c.user != nil {
		user = c.user.ID
	}
	t.audit = append(t.audit, auditLine{trailOf{c.v.slot, to}, c.now.UnixMilli(), user, target, appendJSON(make([]byte, 0, 160), body(detail))})
}

// auditDocument notes what was done to a version.
func (c *call) auditDocument(t *tx, x *version, action, description string, more ...any) {
	c.audit(t, documentTrail, strconv.FormatInt(x.doc, 10), append([]any{"action", action, "item", x.number, "doc_id", x.doc,
		"version", strconv.FormatInt(x.major, 10) + "." + strconv.FormatInt(x.minor, 10), "event_description", description}, more...)...)
}

// auditRecord notes what was done to a record: a line, or one for each field that a change has changed.
func (c *call) auditRecord(t *tx, o *object, action string, r, old *record) {
	if c.route == nil {
		return
	}
	line := func(more ...any) {
		c.audit(t, objectTrail, r.id, append([]any{"action", action, "item", o.Label + " : " + r.name, "record_id", r.id, "object_label", o.Label, "object_name", o.Name}, more...)...)
	}
	if old == nil {
		line("event_description", o.Label+" "+r.name+" : "+action)
		return
	}
	for _, f := range o.fields.list {
		before, after := asText(c.v.get(o, old, f)), asText(c.v.get(o, r, f))
		if before == after || f.Name == "modified_date__v" || f.Name == "modified_by__v" {
			continue
		}
		line("field_label", f.Label, "field_name", f.Name, "old_value", before, "new_value", after, "old_display_value", before, "new_display_value", after)
	}
}

// auditComponent notes what a statement did to a component, and to each part of
// it that it names. Values are not told.
func (c *call) auditComponent(t *tx, s mdl.Statement) {
	action := map[mdl.Command]string{mdl.Create: "Create", mdl.Drop: "Delete"}[s.Command]
	if action == "" {
		action = "Edit"
	}
	line := func(what string) {
		c.audit(t, systemTrail, s.Key(), "action", action, "item", s.Type+" : "+s.Name, "event_description", what)
	}
	if len(s.Attributes) > 0 || len(s.Components) == 0 {
		names := []string{}
		for _, a := range s.Attributes {
			names = append(names, a.Name)
		}
		line(strings.TrimSpace(action + " " + s.Type + " " + s.Name + " " + strings.Join(names, ", ")))
	}
	for _, x := range s.Components {
		line(strings.TrimSpace(string(x.Command) + " " + x.Type + " " + x.Name))
	}
}

// auditGroups are the sizes in which lines are written together. As many as the first wait, for auditDelay at most, so that a write does not
// take longer for its line: what happened right before the process was killed may be in no trail.
var auditGroups = []int{64, 16, 4, 1}

const auditDelay = 50 * time.Millisecond

var auditInserts = func() map[int]string {
	m := map[int]string{}
	for _, n := range auditGroups {
		m[n] = `INSERT INTO audit (slot, trail, n, at, user, target, detail) VALUES (?, ?, ?, ?, ?, ?, ?)` + strings.Repeat(`, (?, ?, ?, ?, ?, ?, ?)`, n-1)
	}
	return m
}()

// writeAudit writes lines.
func (t *tx) writeAudit(list []auditLine) error {
	var args []any
	for _, size := range auditGroups {
		for len(list) >= size {
			args = args[:0]
			for _, l := range list[:size] {
				n, known := t.w.audited[l.trailOf]
				if !known {
					if _, err := one(bg, t, []any{&n}, `SELECT coalesce(max(n), 0) FROM audit WHERE slot = ? AND trail = ?`, l.slot, int64(l.trail)); err != nil {
						return err
					}
				}
				t.w.audited[l.trailOf] = n + 1
				args = append(args, l.slot, int64(l.trail), n+1, l.at, l.user, l.target, string(l.detail))
			}
			if err := t.exec(auditInserts[size], args...); err != nil {
				return err
			}
			list = list[size:]
		}
	}
	return nil
}

func trailByName(name string) (trail, bool) {
	for t, x := range trails {
		if x.name == name {
			return t, true
		}
	}
	return 0, false
}

// handleAuditTypes answers GET /api/{v}/metadata/audittrail.
func handleAuditTypes(c *call) (reply, error) {
	list := []body{}
	for t := documentTrail; t <= loginTrail; t++ {
		list = append(list, body{"name", trails[t].name, "label", trails[t].label, "url", c.url("/api/" + c.version + "/metadata/audittrail/" + trails[t].name)})
	}
	return ok("audit_trail_types", list)
}

// handleAuditType answers GET /api/{v}/metadata/audittrail/{type}.
func handleAuditType(c *call) (reply, error) {
	t, found := trailByName(c.param("type"))
	if !found {
		return reply{}, fail("INVALID_DATA", "There is no audit trail [%s]", c.param("type"))
	}
	fields := []body{}
	for _, n := range append(auditCommon(t), trails[t].columns...) {
		typ := "String"
		if n == "timestamp" {
			typ = "DateTime"
		}
		fields = append(fields, body{"name", n, "label", title(n), "type", typ})
	}
	return ok("data", body{"name", trails[t].name, "label", trails[t].label, "fields", fields})
}

func title(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

func auditCommon(t trail) []string { return []string{"id", "timestamp", "user_name", "full_name"} }

// handleAuditTrail answers GET /api/{v}/audittrail/{type}.
func handleAuditTrail(c *call) (reply, error) {
	t, found := trailByName(c.param("type"))
	if !found {
		return reply{}, fail("INVALID_DATA", "There is no audit trail [%s]", c.param("type"))
	}
	if !c.user.admin {
		return reply{}, fail("INSUFFICIENT_ACCESS", "Only an administrator may read the audit trails")
	}
	return c.auditReply(t, "", "")
}

// handleDocumentAudit answers GET /api/{v}/objects/documents/{id}/audittrail.
func handleDocumentAudit(c *call) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	return c.auditReply(documentTrail, strconv.FormatInt(x.doc, 10), "")
}

// handleRecordAudit answers GET /api/{v}/vobjects/{object}/{id}/audittrail.
func handleRecordAudit(c *call) (reply, error) {
	o, err := c.object("read")
	if err != nil {
		return reply{}, err
	}
	r, err := c.v.record(c.ctx(), c.s.store.read, o.Name, c.param("id"))
	if err != nil {
		return reply{}, err
	}
	if r == nil {
		return reply{}, fail("INVALID_DATA", "The resource [%s] does not exist", c.param("id"))
	}
	return c.auditReply(objectTrail, r.id, o.Name)
}

// auditSpan reads start_date and end_date: since the beginning of yesterday when nothing is said, never more than 30 days at once.
func (c *call) auditSpan() (from, to time.Time, err error) {
	day := c.now.UTC().Truncate(24 * time.Hour)
	from, to = day.Add(-24*time.Hour), c.now
	for _, p := range []struct {
		name string
		to   *time.Time
	}{{"start_date", &from}, {"end_date", &to}} {
		text := c.form.Get(p.name)
		if text == "" {
			continue
		}
		parsed := false
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil {
				*p.to, parsed = t, true
				break
			}
		}
		if !parsed {
			return from, to, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [%s]", text, p.name)
		}
	}
	if c.now.Sub(from) > keepDeletions+24*time.Hour {
		return from, to, fail("INVALID_DATA", "The start date lies more than 30 days back")
	}
	return from, to, nil
}

// auditReply answers a trail, of all or of one document or record.
//
// The page is limit (1 to 1000, 200) and offset, lines are newest first. all_dates=true gives the whole trail as a CSV, once in 24 hours for each trail.
func (c *call) auditReply(t trail, target, object string) (reply, error) {
	from, to, err := c.auditSpan()
	if err != nil {
		return reply{}, err
	}
	if target != "" && c.form.Get("start_date") == "" { // of one thing, all that is known is told
		from = time.UnixMilli(0)
	}
	limit := 200
	if text := c.form.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 1000 {
			return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [limit]: 1 to 1000", text)
		}
	}
	_, offset := c.page(limit, limit)
	all := c.form.Get("all_dates") == "true"
	if all {
		if c.form.Get("start_date") != "" || c.form.Get("end_date") != "" {
			return reply{}, fail("INVALID_DATA", "The parameter [all_dates] goes with no dates")
		}
		from, to = time.UnixMilli(0), c.now
	}
	where := ` FROM audit WHERE slot = ? AND trail = ? AND at BETWEEN ? AND ?`
	args := []any{c.v.slot, int64(t), from.UnixMilli(), to.UnixMilli()}
	if target != "" {
		where += ` AND target = ?`
		args = append(args, target)
	}
	if object != "" {
		where += ` AND detail ->> '$.object_name' = ?`
		args = append(args, object)
	}
	for _, p := range []struct{ name, column string }{{"objects", "object_name"}, {"events", "action"}} {
		if list := c.form.Get(p.name); list != "" {
			values := []any{}
			for _, s := range strings.Split(list, ",") {
				values = append(values, strings.TrimSpace(s))
			}
			where += ` AND detail ->> '$.` + p.column + `' IN (SELECT value FROM json_each(?))`
			args = append(args, jsonList(values))
		}
	}
	if err := c.s.store.update(func(w *tx) error { w.flush = true; return nil }); err != nil {
		return reply{}, err
	}
	if all || c.form.Get("format_result") == "csv" {
		return c.auditCSV(t, where, args, all)
	}
	var total int
	if _, err := one(c.ctx(), c.s.store.read, []any{&total}, `SELECT count(*)`+where, args...); err != nil {
		return reply{}, err
	}
	lines, err := c.auditLines(t, where+` ORDER BY n DESC LIMIT ? OFFSET ?`, append(args, limit, offset))
	if err != nil {
		return reply{}, err
	}
	columns := append(auditCommon(t), trails[t].columns...)
	data := make([]body, len(lines))
	for i, l := range lines {
		for j, n := range columns {
			data[i] = append(data[i], n, l[j])
		}
	}
	details := body{"offset", offset, "limit", limit, "size", len(data), "total", total,
		"object", body{"name", trails[t].name, "label", trails[t].label, "url", "/api/" + c.version + "/metadata/audittrail/" + trails[t].name}}
	page := func(offset int) string {
		q := c.r.URL.Query()
		q.Set("limit", strconv.Itoa(limit))
		q.Set("offset", strconv.Itoa(offset))
		return "/api/" + c.version + "/" + strings.SplitN(c.r.URL.Path, "/"+c.version+"/", 2)[1] + "?" + q.Encode()
	}
	if offset > 0 {
		details = append(details, "previous_page", page(max(0, offset-limit)))
	}
	if offset+len(data) < total {
		details = append(details, "next_page", page(offset+limit))
	}
	return ok("responseDetails", details, "data", data)
}

// auditLines reads lines as texts in the order of the trail's columns.
func (c *call) auditLines(t trail, where string, args []any) ([][]string, error) {
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT n, at, user, detail`+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list [][]string
	for rows.Next() {
		var n, at, user int64
		var detail []byte
		if err := rows.Scan(&n, &at, &user, &detail); err != nil {
			return nil, err
		}
		var values map[string]any
		d := json.NewDecoder(strings.NewReader(string(detail)))
		d.UseNumber()
		if err := d.Decode(&values); err != nil {
			return nil, fmt.Errorf("read audit line %d: %w", n, err)
		}
		name, full := "System", "System"
		if text, isText := values["user_name"].(string); isText { // a login that nobody's was
			name, full = text, text
		}
		if u := c.s.userByID(user); u != nil {
			name, full = u.Name, u.fullName()
		}
		line := []string{strconv.FormatInt(n, 10), secondsOf(at), name, full}
		for _, column := range trails[t].columns {
			line = append(line, asText(values[column]))
		}
		list = append(list, line)
	}
	return list, rows.Err()
}

// auditCSV makes a trail a job whose result is a CSV.
func (c *call) auditCSV(t trail, where string, args []any, all bool) (reply, error) {
	name := trails[t].name
	lines, err := c.auditLines(t, where+` ORDER BY n DESC`, args)
	if err != nil {
		return reply{}, err
	}
	rows := slices.Concat([][]string{append(auditCommon(t), trails[t].columns...)}, lines)
	var id int64
	err = c.s.store.update(func(w *tx) error {
		title := "Audit Trail Export: " + name
		if all {
			title += " (all dates)"
			var n int
			if _, err := one(bg, w, []any{&n}, `SELECT count(*) FROM jobs WHERE slot = ? AND title = ? AND created > ?`, c.v.slot, title, c.now.Add(-24*time.Hour).UnixMilli()); err != nil {
				return err
			}
			if n > 0 {
				return fail("API_LIMIT_EXCEEDED", "The whole [%s] can be exported once in 24 hours", name)
			}
		}
		id, err = c.startFileJob(w, title, name+".csv", "text/csv", csvText(rows))
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("jobId", id, "url", c.jobURL(id))
}
