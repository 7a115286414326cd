package vaultapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// call is one request as it can be sent again and again.
type call struct {
	op     string
	method string
	path   string // from the base: "/api/v25.2/query"
	params url.Values
	header map[string]string
	body   payload

	write   bool          // may change the vault; decides what may be repeated
	query   bool          // takes one of the VQL slots
	login   bool          // needs no session; Vault counts these apart
	secret  Secret        // in the body, and not the password that is in use
	missing bool          // names one thing by its id, so that INVALID_DATA means NotFound
	within  time.Duration // how long the answer may take to begin; default times.answer
	atLeast time.Duration // the shortest wait before another attempt
	tries   int           // how often at most; default Retry.Tries
}

// payload is a request body. open, for what is too long to be held, gives a
// new reader for each attempt; size is then its length, -1 if not known.
type payload struct {
	contentType string
	data        []byte
	shown       bool // has no fields that could be secret: a trace may show it as it is
	open        func() (io.ReadCloser, error)
	size        int64
}

func form(values url.Values) payload {
	return payload{contentType: "application/x-www-form-urlencoded", data: []byte(values.Encode())}
}

// formOf is form for one value, which may be long and in parts: it is written once.
func formOf(name string, value ...string) payload {
	size := len(name) + len("=")
	for _, part := range value {
		for i := range len(part) {
			size += int(sizeInForm[part[i]])
		}
	}
	data := append(append(make([]byte, 0, size), name...), '=')
	for _, part := range value {
		written := 0
		for i := range len(part) {
			c := part[i]
			if sizeInForm[c] == 1 && c != ' ' {
				continue
			}
			data = append(data, part[written:i]...)
			written = i + 1
			if c == ' ' {
				data = append(data, '+')
			} else {
				data = append(data, '%', upperHex[c>>4], upperHex[c&15])
			}
		}
		data = append(data, part[written:]...)
	}
	return payload{contentType: "application/x-www-form-urlencoded", data: data}
}

const upperHex = "0123456789ABCDEF"

// sizeInForm is how long a byte is in a form.
var sizeInForm = func() (size [256]uint8) {
	for c := range size {
		size[c] = uint8(len(url.QueryEscape(string([]byte{byte(c)}))))
	}
	return size
}()

// times are how long is waited for the other side.
type times struct {
	answer time.Duration // for an answer to begin
	query  time.Duration // the same, of a query
	stall  time.Duration // between two pieces of one body
}

var usualTimes = times{
	answer: 10 * time.Minute,
	query:  31 * time.Minute, // Vault itself ends one after 30
	stall:  2 * time.Minute,
}

const loginWindow = time.Minute // for which Vault counts logins

// path is an endpoint with the API version; segments must be escaped.
func (c *conn) path(segments ...string) string {
	return "/api/" + c.cfg.APIVersion + "/" + strings.Join(segments, "/")
}

// seg escapes a name from outside for use in a path.
func seg[S ~string](name S) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(string(name), ".", "%2E")
	}
	return url.PathEscape(string(name))
}

func (c *conn) observe(e Event) {
	if c.cfg.Observe != nil {
		c.cfg.Observe(e)
	}
}

// succeeded begins nearly every answer: it need not be read twice.
var succeeded = []byte(`{"responseStatus":"SUCCESS"`)

// do sends k and decodes the answer into reply, which may be nil.
func (c *conn) do(ctx context.Context, k call, reply any) error {
	return c.send(ctx, k, func(resp *http.Response) error {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return k.broken(resp, err)
		}
		return c.decode(k, resp, body, reply)
	})
}

// decode reads an answer into reply, which may be nil.
func (c *conn) decode(k call, resp *http.Response, body []byte, reply any) error {
	if reply != nil && bytes.HasPrefix(body, succeeded) && json.Unmarshal(body, reply) == nil {
		return nil
	}
	var env envelope
	if err := json.Unmarshal(body, &env); err != nil || !env.known() {
		return k.foreign(resp)
	}
	if err := c.failure(k, resp, env); err != nil {
		return err
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(body, reply); err != nil {
		return k.unreadable(resp, err)
	}
	return nil
}

// send is the life of a call: attempts, and what comes between them. read gets
// each answer; what it returns and is no *Error ends the call as it is.
func (c *conn) send(ctx context.Context, k call, read func(*http.Response) error) error {
	if k.write && c.cfg.ReadOnly {
		return &Error{Op: k.op, Kind: Permission, Cause: ErrReadOnly}
	}
	start := c.cfg.Clock.Now()
	waits := c.cfg.Retry.newBackoff()
	var stale Secret
	for attempt, tries := 1, 1; ; attempt++ {
		used, err := c.attempt(ctx, k, attempt, stale, read)
		if err == nil {
			c.budget.earn()
			return nil
		}
		e, ours := err.(*Error)
		if !ours || ctx.Err() != nil {
			return err
		}
		switch c.cfg.Retry.judge(e, k, tries, c.cfg.Clock.Now().Sub(start), !stale.Empty()) {
		case giveUp:
			return e
		case relogin:
			stale = used
		case outwait: // the pace holds it back
		case again:
			tries++
			if !c.budget.spend() {
				e.Message = strings.TrimPrefix(e.Message+"; ", "; ") + "the budget of retries is used up"
				return e
			}
			wait := max(waits.NextBackOff(), k.atLeast)
			if k.login && e.Kind == Throttled {
				wait = max(wait, loginWindow/2) // three tries outlast it
			}
			c.retries.Add(1)
			c.observe(Waiting{Op: k.op, Reason: Backoff, For: wait, Err: e})
			if sleep(ctx, c.cfg.Clock, wait) != nil {
				return e
			}
		}
	}
}

// slot takes one of the VQL slots; release may be called more than once.
func (c *conn) slot(ctx context.Context, k call) (release func(), err error) {
	var given atomic.Bool
	release = func() {
		if given.CompareAndSwap(false, true) {
			<-c.slots
		}
	}
	select {
	case c.slots <- struct{}{}:
		return release, nil
	default:
	}
	c.observe(Waiting{Op: k.op, Reason: Queue})
	select {
	case c.slots <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, &Error{Op: k.op, Kind: Transient, Cause: context.Cause(ctx)}
	}
}

// attempt sends k once and returns the session that it used.
func (c *conn) attempt(ctx context.Context, k call, attempt int, stale Secret, read func(*http.Response) error) (used Secret, err error) {
	if !k.login {
		if used, err = c.session.get(ctx, stale); err != nil {
			return used, noSession(k.op, err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, body, err := c.request(traced, k, used)
	if err != nil {
		return used, &Error{Op: k.op, Kind: Internal, Cause: err}
	}

	release := func() {}
	if k.query && c.slots != nil {
		if release, err = c.slot(ctx, k); err != nil {
			_ = body.Close()
			return used, err
		}
		defer func() { release() }()
	}
	var t ticket
	if !k.login { // Vault counts logins in a window of their own
		t, err = c.pace.enter(ctx, func(why Reason, d time.Duration) {
			c.observe(Waiting{Op: k.op, Reason: why, For: d})
		})
		if err != nil {
			_ = body.Close()
			return used, &Error{Op: k.op, Kind: Transient, Cause: err}
		}
	}

	if dead := c.session.death(); dead != nil && !k.login { // it may have died while this call waited
		_ = body.Close()
		c.pace.leave(t, nil)
		return used, noSession(k.op, dead)
	}

	// Nothing below returns before the outcome is observed.
	s := c.sending(k, attempt, used, req.URL)
	defer func() { s.over(err) }()

	within := cmp.Or(k.within, c.times.answer)
	if most := c.cfg.Answer; most > 0 && !k.write && !isPatient(ctx) {
		within = min(within, most)
	}
	watch := newWatch(within, c.times.stall, cancel)
	counted(ctx)
	resp, err := c.http.Do(req)
	watch.timer.Stop()
	var wrong error
	if !k.login {
		var h http.Header
		if resp != nil {
			h = resp.Header
			wrong = c.sameVault(k, resp) // before the next call may go out
		}
		c.pace.leave(t, h)
		if resp != nil {
			if d := downtime(resp); d > 0 && c.cfg.Retry.Downtime > 0 {
				c.pace.pause(d)
			}
		}
	}
	if err != nil {
		return used, k.cut(ctx, err, connected.Load() || !neverSent(err))
	}
	resp.Body = watch.begin(resp.Body)
	s.answered(resp)
	defer drain(resp.Body)

	if wrong != nil {
		return used, wrong
	}
	// Vault's work is done once the answer begins; and a caller that queries
	// between two rows must not wait for itself.
	release()
	err = read(resp)
	if e, ours := err.(*Error); ours {
		e.Message = s.clean(e.Message)
		if cause := context.Cause(ctx); cause != nil && e.Cause != nil {
			e.Cause = cause // rather than "context canceled"
		}
	}
	return used, err
}

// noSession tells the caller what could not be done for want of a session. It
// is final: login has tries of its own.
func noSession(op string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Op: op, Kind: Internal, Cause: err, final: true}
	}
	kind := e.Kind
	if kind == Ambiguous {
		kind = Transient // whether there is another session now matters to nobody
	}
	return &Error{Op: op, Kind: kind, Type: e.Type, Cause: e, final: true}
}

func (c *conn) request(ctx context.Context, k call, session Secret) (*http.Request, io.Closer, error) {
	// From a bytes.Reader net/http knows how to send a body again over a
	// connection on which nothing was written yet.
	req, err := http.NewRequestWithContext(ctx, k.method, "", bytes.NewReader(k.body.data))
	if err != nil {
		return nil, nil, err
	}
	address := *c.base
	address.RawPath = c.base.EscapedPath() + k.path
	if address.Path, err = url.PathUnescape(address.RawPath); err != nil {
		return nil, nil, err
	}
	address.RawQuery = k.params.Encode()
	req.URL, req.Host = &address, address.Host
	if k.body.open != nil {
		if req.Body, err = k.body.open(); err != nil {
			return nil, nil, err
		}
		req.ContentLength, req.GetBody = k.body.size, nil
	}
	req.Header.Set("Accept", "application/json")
	if c.near {
		req.Header.Set("Accept-Encoding", "identity")
	}
	req.Header.Set(headerClientID, c.cfg.ClientID)
	req.Header.Set("User-Agent", c.cfg.ClientID)
	if k.body.contentType != "" {
		req.Header.Set("Content-Type", k.body.contentType)
	}
	for name, value := range k.header {
		req.Header.Set(name, value)
	}
	if !session.Empty() {
		req.Header.Set("Authorization", session.Reveal())
	}
	return req, req.Body, nil
}

// sameVault stops everything when an answer says that it is another vault's.
func (c *conn) sameVault(k call, resp *http.Response) error {
	said, err := strconv.ParseInt(resp.Header.Get(headerVaultID), 10, 64)
	ours := c.session.vault.Load()
	if err != nil || said == ours {
		return nil
	}
	e := k.answered(resp, WrongVault)
	e.Message = fmt.Sprintf("vault %d answered, the session is for vault %d", said, ours)
	c.session.kill(e)
	return e
}

// failure is what Vault itself says went wrong.
func (c *conn) failure(k call, resp *http.Response, env envelope) error {
	e := env.failure(k.op, k.write)
	if e == nil {
		return nil
	}
	if k.missing && e.Type == "INVALID_DATA" {
		e.Kind = NotFound
	}
	if k.login && e.Kind == Invalid && env.ErrorType == "AUTHENTICATION_FAILED" {
		e.Kind = Auth
	}
	at := k.answered(resp, e.Kind)
	e.ExecutionID, e.VaultID = at.ExecutionID, at.VaultID
	if e.Kind.retryable() || e.Kind == Ambiguous {
		e.down = downtime(resp)
	}
	if e.down > 0 && e.Kind == Ambiguous && e.Type != "UNEXPECTED_ERROR" {
		e.Kind = Transient // in maintenance Vault processes nothing, and says so
	}
	return e
}

// answered begins an error about an answer.
func (k call) answered(resp *http.Response, kind Kind) *Error {
	return &Error{
		Op: k.op, Kind: kind,
		ExecutionID: resp.Header.Get(headerExecutionID),
		VaultID:     resp.Header.Get(headerVaultID),
	}
}

// inDoubt is the kind of what broke after it was sent.
func (k call) inDoubt() Kind {
	if k.write {
		return Ambiguous
	}
	return Transient
}

// foreign is about an answer that is not Vault's: a proxy's page, or half a
// body. Vault's own maintenance page is known by its header.
func (k call) foreign(resp *http.Response) *Error {
	e := k.answered(resp, k.inDoubt())
	e.Message = fmt.Sprintf("the answer is not Vault's: HTTP %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	if e.down = downtime(resp); e.down > 0 && resp.StatusCode == http.StatusServiceUnavailable {
		e.Kind = Transient
		e.Message = "the vault is in maintenance"
	}
	return e
}

// broken is about an answer that ended too early.
func (k call) broken(resp *http.Response, err error) *Error {
	e := k.answered(resp, k.inDoubt())
	e.Cause = fmt.Errorf("read the answer: %w", err)
	return e
}

// unreadable is about an answer of Vault in a form that this client does not know.
func (k call) unreadable(resp *http.Response, err error) *Error {
	e := k.answered(resp, Internal)
	if k.write {
		e.Kind = Ambiguous
	}
	e.Cause = fmt.Errorf("understand the answer: %w", err)
	return e
}

// cut is about a call without an answer.
func (k call) cut(ctx context.Context, err error, sent bool) *Error {
	var redundant *url.Error
	if errors.As(err, &redundant) {
		err = redundant.Err // its text repeats the address
	}
	kind := Transient
	switch {
	case untrusted(err):
		kind = Auth
	case sent:
		kind = k.inDoubt()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return &Error{Op: k.op, Kind: kind, Cause: err}
}

// neverSent tells whether err is from before there was a connection.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || untrusted(err) ||
		errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// untrusted tells whether the other side could not prove who it is.
func untrusted(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

func downtime(resp *http.Response) time.Duration {
	minutes, err := strconv.ParseFloat(resp.Header.Get(headerDowntime), 64)
	if err != nil || !(minutes >= 0) || minutes > 7*24*60 {
		return 0
	}
	return max(time.Duration(minutes*float64(time.Minute)), time.Second)
}

// scrub is the last resort against a server that repeats a secret in a text.
func scrub(text string, secrets ...Secret) string {
	for _, s := range secrets {
		if !s.Empty() {
			text = strings.ReplaceAll(text, s.Reveal(), redacted)
		}
	}
	return text
}

// drain lets the connection be used again if little is left to read.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 16<<10)
	_ = body.Close()
}

// watch calls a request off when its answer does not begin, or stops coming. The
// time that its reader takes between two reads does not count.
type watch struct {
	timer *time.Timer
	stall time.Duration
	begun atomic.Bool
	body  io.ReadCloser
	ended error // of the body
}

func newWatch(within, stall time.Duration, cancel context.CancelCauseFunc) *watch {
	w := &watch{stall: stall}
	w.timer = time.AfterFunc(within, func() {
		if w.begun.Load() {
			cancel(fmt.Errorf("the answer stalled for %s", stall))
		} else {
			cancel(fmt.Errorf("no answer within %s", within))
		}
	})
	return w
}

// begin is told of the answer's body, and is its reader from then on.
func (w *watch) begin(body io.ReadCloser) *watch {
	w.begun.Store(true)
	w.body = body
	return w
}

func (w *watch) Read(p []byte) (n int, err error) {
	if w.ended != nil {
		return 0, w.ended
	}
	w.timer.Reset(w.stall)
	n, w.ended = w.body.Read(p)
	w.timer.Stop()
	return n, w.ended
}

func (w *watch) Close() error { return w.body.Close() }
