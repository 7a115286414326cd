package vaultapi

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// sent is a call on its way, of which is told once it is over.
type sent struct {
	*conn
	call   call
	used   Secret
	url    *url.URL
	at     time.Time
	n      int // of its attempts
	answer *http.Response
	body   *recorder // of the answer; nil: nobody listens, or there is none
}

// sending counts a call.
func (c *conn) sending(k call, attempt int, used Secret, to *url.URL) *sent {
	c.calls.Add(1)
	if k.write {
		c.writes.Add(1)
	}
	return &sent{conn: c, call: k, used: used, url: to, at: c.cfg.Clock.Now(), n: attempt}
}

// answered notes the answer, whose body is recorded where somebody listens.
func (s *sent) answered(resp *http.Response) {
	if s.cfg.Trace != nil {
		s.body = &recorder{ReadCloser: resp.Body}
		s.answer, resp.Body = resp, s.body
	}
}

// over tells how the call went. A caller that has read enough is no error.
func (s *sent) over(err error) {
	if errors.Is(err, errStop) {
		err = nil
	}
	k, took := &s.call, s.cfg.Clock.Now().Sub(s.at)
	s.observe(Called{Op: k.op, Method: k.method, Path: k.path, Write: k.write, Attempt: s.n, Duration: took, Err: err})
	if s.cfg.Trace == nil {
		return
	}
	t := Trace{At: s.at, Op: k.op, Method: k.method, Attempt: s.n, Path: shownPath(s.url), Duration: took, Err: err}
	beginning := k.body.data[:min(len(k.body.data), traceLimit)]
	t.Request = string(beginning)
	if !k.body.shown {
		t.Request = redact(k.body.contentType, beginning)
	}
	if h := s.answer; h != nil {
		t.HTTPStatus, t.Status, t.ExecutionID = h.StatusCode, h.Header.Get(headerStatus), h.Header.Get(headerExecutionID)
		t.Response = redact(h.Header.Get("Content-Type"), s.body.beginning())
	}
	t.Request, t.Response = s.clean(t.Request), s.clean(t.Response)
	s.cfg.Trace(t)
}

// clean takes what is secret out of a text.
func (s *sent) clean(text string) string { return s.session.clean(scrub(text, s.used, s.call.secret)) }
