package devvault

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is trouble that calls can be made to meet. Empty Vault, Method and Route match everything; Route is compared with the pattern of the
// route ("objects/documents/{id}") and with the call's own path ("objects/documents/7"), and may hold * for any part of it.
//
// A fault strikes by Script, one word a matching call, when there is one; else by Rate with Seed; else always, after the first Skip
// calls, and Count times at most when Count is set.
type Fault struct {
	ID     int    `json:"id"`
	Vault  string `json:"vault,omitempty"`
	Method string `json:"method,omitempty"`
	Route  string `json:"route,omitempty"`

	Kind    string   `json:"kind,omitempty"`   // one of the words below
	Script  []string `json:"script,omitempty"` // words below, or "ok"; used up in order
	Rate    float64  `json:"rate,omitempty"`
	Seed    uint64   `json:"seed,omitempty"`
	Skip    int      `json:"skip,omitempty"`
	Count   int      `json:"count,omitempty"`
	DelayMS int      `json:"delay_ms,omitempty"` // of delay and throttle
	Status  int      `json:"status,omitempty"`   // of http and http_after; 503 when zero
	Type    string   `json:"type,omitempty"`     // of failure, failure_after and row_failure; OPERATION_NOT_ALLOWED when empty
	Message string   `json:"message,omitempty"`
	Minutes int      `json:"minutes,omitempty"` // of downtime

	// Match limits row_failure to the rows in which every named field has the value. Without it, each row of the call fails.
	Match map[string]string `json:"match,omitempty"`

	Met   int `json:"met"`   // calls that matched
	Times int `json:"times"` // calls it struck
}

// Kinds of faults. Those that end in _after do the call first, so that it is done but reported as failed.
const (
	faultDelay        = "delay"
	faultThrottle     = "throttle"      // a delay that is announced in the header of throttled answers
	faultHTTP         = "http"          // an HTML page of a proxy with Status; nothing is done
	faultHTTPAfter    = "http_after"    // the same, but all is done
	faultCut          = "cut"           // the connection ends without an answer; nothing is done
	faultCutAfter     = "cut_after"     // the same, but all is done
	faultFailure      = "failure"       // FAILURE with Type; nothing is done
	faultFailureAfter = "failure_after" // the same, but all is done
	faultException    = "exception"     // EXCEPTION with UNEXPECTED_ERROR; nothing is done
	faultExpired      = "expired"       // the session is gone
	faultRows         = "row_failure"   // rows of a batch fail with Type, and the others are done
	faultDowntime     = "downtime"      // the header of an announced maintenance; the call goes on
)

var faultKinds = []string{faultDelay, faultThrottle, faultHTTP, faultHTTPAfter, faultCut, faultCutAfter, faultFailure, faultFailureAfter,
	faultException, faultExpired, faultRows, faultDowntime, "ok"}

// fault is a Fault that a call has met.
type fault struct {
	Fault
	kind string
}

type faults struct {
	mu     sync.Mutex
	last   int
	list   []*Fault
	random map[int]*rand.Rand
}

// AddFault sets a fault and returns its number.
func (s *Server) AddFault(f Fault) (int, error) {
	for _, k := range append([]string{f.Kind}, f.Script...) {
		if k == "" && len(f.Script) > 0 {
			continue
		}
		known := false
		for _, x := range faultKinds {
			known = known || x == k
		}
		if !known {
			return 0, fmt.Errorf("there is no kind of fault %q; there are %s", k, strings.Join(faultKinds, ", "))
		}
	}
	l := &s.faults
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.random == nil {
		l.random = map[int]*rand.Rand{}
	}
	l.last++
	f.ID = l.last
	l.list = append(l.list, &f)
	l.random[f.ID] = rand.New(rand.NewPCG(f.Seed, 1))
	return f.ID, nil
}

// ClearFaults takes all faults away.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// Faults returns the faults with how often they were met.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	list := make([]Fault, len(s.faults.list))
	for i, f := range s.faults.list {
		list[i] = *f
	}
	return list
}

// meet decides which fault, if any, a call meets: the first that matches and strikes.
func (l *faults) meet(vault, method, pattern, path string) *fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.list {
		if f.Vault != "" && f.Vault != vault || f.Method != "" && f.Method != method || f.Route != "" && !matchRoute(f.Route, pattern) && !matchRoute(f.Route, path) {
			continue
		}
		f.Met++
		kind := f.strike(l.random[f.ID])
		if kind == "" {
			continue
		}
		if f.Kind == faultRows && f.Rate > 0 && len(f.Script) == 0 { // the rate is of rows, not of calls
			kind = faultRows
		}
		f.Times++
		return &fault{*f, kind}
	}
	return nil
}

func (f *Fault) strike(random *rand.Rand) string {
	if len(f.Script) > 0 {
		if f.Met > len(f.Script) || f.Script[f.Met-1] == "ok" {
			return ""
		}
		return f.Script[f.Met-1]
	}
	if f.Met <= f.Skip || f.Count > 0 && f.Times >= f.Count {
		return ""
	}
	if f.Rate > 0 && f.Kind != faultRows && random.Float64() >= f.Rate {
		return ""
	}
	return f.Kind
}

// matchRoute compares a pattern of a fault, in which * stands for anything, with the pattern of a route.
func matchRoute(glob, pattern string) bool {
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == pattern
	}
	if !strings.HasPrefix(pattern, parts[0]) {
		return false
	}
	rest := pattern[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// failure is what a fault reports.
func (f *fault) failure() *apiError {
	e := fail("OPERATION_NOT_ALLOWED", "this call was made to fail")
	if f.Type != "" {
		e.Type = f.Type
	}
	if f.Message != "" {
		e.Message = f.Message
	}
	return e
}

// row returns the failure of one row of a batch, or nil. get returns a field of the row as text; n is the row's place in the batch.
func (f *fault) row(n int, get func(string) string) *apiError {
	if f == nil || f.kind != faultRows {
		return nil
	}
	for field, want := range f.Match {
		if get(field) != want {
			return nil
		}
	}
	if f.Rate > 0 && rand.New(rand.NewPCG(f.Seed, uint64(f.Met)<<20|uint64(n))).Float64() >= f.Rate {
		return nil
	}
	return f.failure()
}

// withFault answers the call in the way of the fault that it has met, if it has.
func (s *Server) withFault(c *call, w http.ResponseWriter, do func() (reply, error)) {
	kind := ""
	if c.fault != nil {
		kind = c.fault.kind
	}
	switch kind {
	case faultDelay:
		c.sleep(time.Duration(c.fault.DelayMS) * time.Millisecond)
	case faultThrottle:
		c.delay(time.Duration(c.fault.DelayMS) * time.Millisecond)
	case faultCut:
		panic(http.ErrAbortHandler)
	case faultHTTP:
		c.fault.page(w)
		return
	case faultFailure:
		c.write(w, reply{}, c.fault.failure())
		return
	case faultException:
		e := c.fault.failure()
		if c.fault.Type == "" {
			e.Type = "UNEXPECTED_ERROR"
		}
		e.exception = true
		c.write(w, reply{}, e)
		return
	case faultExpired:
		s.sessions.Delete(strings.TrimPrefix(c.r.Header.Get("Authorization"), "Bearer "))
	case faultDowntime:
		setHeader(c.header, "X-VaultAPI-DowntimeExpectedDurationMinutes", strconv.Itoa(max(1, c.fault.Minutes)))
	}
	r, err := do()
	switch kind {
	case faultCutAfter:
		panic(http.ErrAbortHandler)
	case faultHTTPAfter:
		c.fault.page(w)
		return
	case faultFailureAfter:
		r, err = reply{}, c.fault.failure()
	}
	c.write(w, r, err)
}

// page is what a proxy in front of a vault answers when the vault does not.
func (f *fault) page(w http.ResponseWriter) {
	status := f.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html><head><title>%d %s</title></head><body><center><h1>%[1]d %[2]s</h1></center></body></html>\n", status, http.StatusText(status))
}
