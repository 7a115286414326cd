package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// What can happen to a call, and what the client makes of it: one line for a
// read, one for a write. "executed" is how often the vault did what was asked.
func TestTrouble(t *testing.T) {
	t.Parallel()
	const success = `{"responseStatus":"SUCCESS","objects":[{"name":"x__c"}],"id":5}`
	// Each makes trouble the first time it is asked.
	troubles := map[string]struct {
		make        func(w http.ResponseWriter)
		read, write Kind // "": succeeded in the end
		executed    int  // writes executed by the vault, seen from it
	}{
		"cut before the answer": {
			make: cut, read: "", write: Ambiguous, executed: 1},
		"cut within the answer": {
			make: func(w http.ResponseWriter) {
				w.Header().Set("Content-Length", fmt.Sprint(len(success)))
				_, _ = io.WriteString(w, success[:20])
				cut(w)
			}, read: "", write: Ambiguous, executed: 1},
		"a proxy's page": {
			make: func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(http.StatusBadGateway)
				_, _ = io.WriteString(w, "<html>Bad Gateway</html>")
			}, read: "", write: Ambiguous, executed: 1},
		"a proxy's page with status 200": {
			make: func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, "<html>Please sign in</html>")
			}, read: "", write: Ambiguous, executed: 1},
		"a proxy's JSON": {
			make: func(w http.ResponseWriter) {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"error":"overloaded"}`)
			}, read: "", write: Ambiguous, executed: 1},
		"a redirect": {
			make: func(w http.ResponseWriter) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusFound)
			}, read: "", write: Ambiguous, executed: 1},
		"success with status 500": { // the body decides
			make: func(w http.ResponseWriter) {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, success)
			}, read: "", write: "", executed: 1},
		"EXCEPTION":             {make: says("EXCEPTION", "SOMETHING_NEW"), read: "", write: Ambiguous, executed: 1},
		"UNEXPECTED_ERROR":      {make: says("FAILURE", "UNEXPECTED_ERROR"), read: "", write: Ambiguous, executed: 1},
		"RACE_CONDITION":        {make: says("FAILURE", "RACE_CONDITION"), read: "", write: "", executed: 2},
		"OPERATION_IN_PROGRESS": {make: says("EXCEPTION", "OPERATION_IN_PROGRESS"), read: "", write: "", executed: 2},
		"API_LIMIT_EXCEEDED":    {make: says("FAILURE", "API_LIMIT_EXCEEDED"), read: "", write: "", executed: 2},
		"INVALID_SESSION_ID":    {make: says("FAILURE", "INVALID_SESSION_ID"), read: "", write: "", executed: 2},
		"INSUFFICIENT_ACCESS":   {make: says("FAILURE", "INSUFFICIENT_ACCESS"), read: Permission, write: Permission, executed: 1},
		"PARAMETER_REQUIRED":    {make: says("FAILURE", "PARAMETER_REQUIRED"), read: Invalid, write: Invalid, executed: 1},
		"MALFORMED_URL":         {make: says("FAILURE", "MALFORMED_URL"), read: NotFound, write: NotFound, executed: 1},
		"ITEM_NAME_EXISTS":      {make: says("FAILURE", "ITEM_NAME_EXISTS"), read: Exists, write: Exists, executed: 1},
		"an unknown type":       {make: says("FAILURE", "SOMETHING_NEW"), read: Invalid, write: Invalid, executed: 1},
		"maintenance": {
			make: func(w http.ResponseWriter) {
				w.Header().Set("X-VaultAPI-DowntimeExpectedDurationMinutes", "30")
				w.WriteHeader(http.StatusServiceUnavailable)
			}, read: "", write: "", executed: 2},
	}
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, write := range []bool{false, true} {
				var asked atomic.Int64
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/elsewhere" {
						t.Error("followed a redirect")
					}
					if asked.Add(1) == 1 {
						trouble.make(w)
						return
					}
					answer(w, success)
				})
				c := s.open(t)
				want, times := trouble.read, int64(2)
				var err error
				if write {
					want, times = trouble.write, int64(trouble.executed)
					_, err = c.CreateDocument(t.Context(), Fields{"name__v": "x"}, nil)
				} else {
					_, err = c.Objects(t.Context())
				}
				if want != "" && !write || name == "success with status 500" {
					times = 1
				}
				if got := KindOf(err); got != want {
					t.Errorf("write %v: error %v, kind %q, want %q", write, err, got, want)
				}
				if n := asked.Load(); n != times {
					t.Errorf("write %v: asked %d times, want %d", write, n, times)
				}
			}
		})
	}
}

func says(status, typ string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		answer(w, fmt.Sprintf(`{"responseStatus":%q,"errors":[{"type":%q,"message":"m"}]}`, status, typ))
	}
}

// A write that found nobody to talk to was not executed, and is tried again.
func TestWriteIsRetriedWhereNobodyListened(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, `{"responseStatus":"SUCCESS","id":5}`) })
	var dials atomic.Int64
	refuse := atomic.Bool{}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if refuse.Load() && dials.Add(1) <= 2 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	c := s.open(t, func(cfg *Config) { cfg.Transport = transport })
	refuse.Store(true)
	if _, err := c.CreateDocument(t.Context(), Fields{"name__v": "x"}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"POST /api/v25.2/objects/documents"}, s.seen()); diff != "" {
		t.Error(diff)
	}
}

// A write called off while the vault works on it may have happened.
func TestCanceledWrite(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // only then does the server notice that the caller left
		cancel()
		<-r.Context().Done()
	})
	c := s.open(t)
	_, err := c.CreateDocument(ctx, Fields{"name__v": "x"}, nil)
	wantKind(t, err, Ambiguous)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say that it was canceled", err)
	}
	// and before it was sent it did not
	_, err = c.CreateDocument(ctx, Fields{"name__v": "x"}, nil)
	wantKind(t, err, Transient)
	if !errors.Is(err, context.Canceled) || len(s.seen()) != 1 {
		t.Errorf("%v; sent %v", err, s.seen())
	}
}

// An outage does not multiply the load: all callers share one budget.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { says("EXCEPTION", "")(w) })
	c := s.open(t, func(cfg *Config) { cfg.Retry.Budget = 10 })
	together(20, func(int) {
		_, err := c.Objects(t.Context())
		wantKindAny(t, err, Transient)
	})
	if n := len(s.seen()); n != 30 {
		t.Errorf("%d requests, want 20 and a budget of 10", n)
	}
	if n := c.Stats().Retries; n != 10 {
		t.Errorf("%d retries", n)
	}
}

func TestRetryGivesUp(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { says("FAILURE", "API_LIMIT_EXCEEDED")(w) })
	var seen events
	c := s.open(t, func(cfg *Config) { cfg.Retry.Tries = 5; cfg.Observe = seen.observe })
	_, err := c.Objects(t.Context())
	e := wantKind(t, err, Throttled)
	if e.ExecutionID != "exec-1" || e.VaultID != "7001" || e.Type != "API_LIMIT_EXCEEDED" {
		t.Errorf("%+v", e)
	}
	waits := seen.waits(Backoff)
	if len(waits) != 4 {
		t.Fatalf("waited %d times, want 4", len(waits))
	}
	for i, w := range waits { // full jitter: up to 1s, 2s, 4s, 8s
		if ceiling := time.Second << i; w.For < 0 || w.For > ceiling {
			t.Errorf("wait %d is %s, want at most %s", i+1, w.For, ceiling)
		}
	}
}

// Announced maintenance is waited for, and does not use up tries.
func TestDowntime(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	end := clock.now.Add(45 * time.Minute)
	var after atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if clock.Now().Before(end) {
			w.Header().Set("X-VaultAPI-DowntimeExpectedDurationMinutes", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		after.Store(true)
		answer(w, `{"responseStatus":"SUCCESS","objects":[]}`)
	})
	var seen events
	c := s.open(t, func(cfg *Config) { cfg.Clock = clock; cfg.Observe = seen.observe })
	if _, err := c.Objects(t.Context()); err != nil {
		t.Fatal(err)
	}
	if late := clock.Now().Sub(end); !after.Load() || late < 0 || late > 2*time.Minute {
		t.Errorf("went on %s after the end", late)
	}
	if w := seen.waits(Downtime); len(w) == 0 || w[0].For != time.Hour {
		t.Errorf("told %v", w)
	}
	if n := c.Stats().Retries; n != 0 {
		t.Errorf("%d retries", n)
	}
}

// Maintenance announced beside an answer: the answer counts, the next call waits.
func TestDowntimeAnnounced(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-VaultAPI-DowntimeExpectedDurationMinutes", "30")
		answer(w, `{"responseStatus":"SUCCESS","objects":[]}`)
	})
	var seen events
	c := s.open(t, func(cfg *Config) { cfg.Observe = seen.observe })
	for range 2 {
		if _, err := c.Objects(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w := seen.waits(Downtime); len(w) != 1 || w[0].For != 30*time.Minute {
		t.Errorf("told %v", w)
	}
}

// Who does not wait for maintenance is told of it at once, by the first call, and
// goes on with what is answered beside an announcement.
func TestDowntimeImpatient(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-VaultAPI-DowntimeExpectedDurationMinutes", "30")
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answer(w, `{"responseStatus":"SUCCESS","objects":[]}`)
	})
	var seen events
	c := s.open(t, func(cfg *Config) { cfg.Retry.Downtime = -1; cfg.Observe = seen.observe })
	for range 2 {
		if _, err := c.Objects(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	down.Store(true)
	if _, err := c.Objects(t.Context()); KindOf(err) != Transient {
		t.Errorf("maintenance is %v", err)
	}
	if w := seen.waits(Downtime); len(w) > 0 {
		t.Errorf("it was waited for: %v", w)
	}
}

func TestDowntimeWithoutEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-VaultAPI-DowntimeExpectedDurationMinutes", "10")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := s.open(t, func(cfg *Config) { cfg.Retry.Downtime = time.Hour })
	_, err := c.Objects(t.Context())
	wantKind(t, err, Transient)
	if n := len(s.seen()); n < 55 || n > 65 {
		t.Errorf("looked %d times in an hour", n)
	}
}

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	var got http.Header
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		answer(w, `{"responseStatus":"SUCCESS","data":[]}`)
	})
	c := s.open(t, func(cfg *Config) { cfg.ClientID = "acme-crm-accord" })
	_ = c.CreateRecords(t.Context(), "x__c", []Fields{{"name__v": "x"}}, MigrationMode(), NoTriggers())
	for name, want := range map[string]string{
		"X-VaultAPI-ClientID": "acme-crm-accord", "Accept": "application/json", "Content-Type": "application/json",
		"X-VaultAPI-MigrationMode": "true", "X-VaultAPI-NoTriggers": "true", "Authorization": "canary-session-1",
		"Accept-Encoding": "identity", // no compression on this machine
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	_, err := Open(t.Context(), func() Config { cfg := s.config(); cfg.ClientID = "a b"; return cfg }())
	wantKind(t, err, Invalid)
}

// Names from outside cannot leave their place in a path.
func TestPathSegments(t *testing.T) {
	t.Parallel()
	var got []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.RequestURI)
		answer(w, `{"responseStatus":"SUCCESS"}`)
	})
	c := s.open(t)
	for _, name := range []string{"../../auth", "a/b?c#d", "..", "country__v"} {
		_, _ = c.Object(t.Context(), name)
	}
	want := []string{
		"/crm-us/api/v25.2/metadata/vobjects/..%2F..%2Fauth",
		"/crm-us/api/v25.2/metadata/vobjects/a%2Fb%3Fc%23d",
		"/crm-us/api/v25.2/metadata/vobjects/%2E%2E",
		"/crm-us/api/v25.2/metadata/vobjects/country__v",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A form is written as url.Values writes it.
func TestFormOf(t *testing.T) {
	t.Parallel()
	var all []byte
	for c := range 256 {
		all = append(all, byte(c))
	}
	for _, parts := range [][]string{{""}, {"a b"}, {string(all), " PAGESIZE 1000"}, {"ö'", "", "é"}} {
		want := url.Values{"q": {strings.Join(parts, "")}}.Encode()
		if got := formOf("q", parts...).data; string(got) != want || cap(got) > len(got)+len(got)/4 {
			t.Errorf("%q: %s, of %d bytes, want %s", parts, got, cap(got), want)
		}
	}
}
