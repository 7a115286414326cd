package vaultapi

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// AuditEvent is a line of an audit trail. Which fields are set differs by trail.
type AuditEvent struct {
	ID        ID     `json:"id"`
	Timestamp string `json:"timestamp"` // ParseTime reads it
	UserName  string `json:"user_name"`
	FullName  string `json:"full_name"`
	Action    string `json:"action"`
	Item      string `json:"item"`
	Field     string `json:"field_name"`
	Label     string `json:"field_label"`
	Old       string `json:"old_value"`
	New       string `json:"new_value"`
	Record    ID     `json:"record_id"`
	Object    string `json:"object_name"`
	Document  ID     `json:"doc_id"`
	Version   string `json:"version"`
	Event     string `json:"event_description"`
	OnBehalf  string `json:"on_behalf_of"`
	SourceIP  string `json:"source_ip"` // of logins, as the next four
	Type      string `json:"type"`
	Status    string `json:"status"`
	Browser   string `json:"browser"`
	Platform  string `json:"platform"`
}

// AuditQuery narrows an audit trail. Zero values leave it to Vault, which then
// begins with yesterday.
type AuditQuery struct {
	Since, Until time.Time
	Objects      []string // of the trail of objects
	Events       []string
}

// Audit trails.
const (
	DocumentTrail = "document_audit_trail"
	ObjectTrail   = "object_audit_trail"
	SystemTrail   = "system_audit_trail"
	DomainTrail   = "domain_audit_trail"
	LoginTrail    = "login_audit_trail"
)

const auditLimit = 1000

func (q AuditQuery) call(op, path string) call {
	k := call{op: op, method: http.MethodGet, path: path, params: period(q.Since, q.Until)}
	if len(q.Objects) > 0 {
		k.params.Set("objects", strings.Join(q.Objects, ","))
	}
	if len(q.Events) > 0 {
		k.params.Set("events", strings.Join(q.Events, ","))
	}
	return k
}

// Audit streams a trail.
func (r *Reader) Audit(ctx context.Context, trail string, q AuditQuery) iter.Seq2[AuditEvent, error] {
	return listed[AuditEvent](ctx, r.c, q.call("read the "+trail, r.c.path("audittrail", seg(trail))), listing{"data", "offset", auditLimit})
}

// History streams what was done to a document or a record.
func (r *Reader) History(ctx context.Context, h Holder, q AuditQuery) iter.Seq2[AuditEvent, error] {
	k := q.call("read the history of "+h.name, r.c.held(h, "audittrail"))
	k.missing = true
	return listed[AuditEvent](ctx, r.c, k, listing{"data", "offset", auditLimit})
}

// AuditTrails lists the trails there are.
func (r *Reader) AuditTrails(ctx context.Context) ([]Labelled, error) {
	var reply struct {
		Types []Labelled `json:"audit_trail_types"`
		Data  []Labelled `json:"data"`
	}
	err := r.c.do(ctx, call{op: "list audit trails", method: http.MethodGet, path: r.c.path("metadata", "audittrail")}, &reply)
	if reply.Types == nil {
		reply.Types = reply.Data
	}
	return reply.Types, err
}

// ExportAudit starts a job that writes a trail as CSV. It changes nothing in
// the vault, but Vault allows all of a trail only once in 24 hours.
func (c *Client) ExportAudit(ctx context.Context, trail string, q AuditQuery) (JobRef, error) {
	k := q.call("export the "+trail, c.c.path("audittrail", seg(trail)))
	k.params.Set("format_result", "csv")
	k.write = true // it starts a job: not to be repeated when in doubt
	if q.Since.IsZero() && q.Until.IsZero() {
		k.params.Set("all_dates", "true")
	}
	var job JobRef
	err := c.c.do(ctx, k, &job)
	return job, err
}

// APIUsage writes the log of a day's calls, a zip file, to w.
func (r *Reader) APIUsage(ctx context.Context, day time.Time, w io.Writer) (int64, error) {
	k := call{op: "read the log of API calls", method: http.MethodGet, path: r.c.path("logs", "api_usage"), params: url.Values{"date": {day.UTC().Format(time.DateOnly)}}}
	return r.c.download(ctx, k, w)
}
