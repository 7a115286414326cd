package http

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/state"
	"accord/state/remote"
	"accord/state/statetest"
)

// server speaks the protocol as GitLab describes it: a write needs the id of
// the lock, and each has a serial of its own. It is ours: it proves the client
// against the protocol as we read it, not against GitLab.
type server struct {
	*testing.T
	mu      sync.Mutex
	lock    []byte // the body of who holds it
	doc     []byte
	serials map[float64]bool
	down    int // status of all answers; 0: none
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "someone" || password != "canary" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.down != 0 {
		w.WriteHeader(s.down)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.Error(err)
	}
	var holding, asking lockInfo
	_ = json.Unmarshal(s.lock, &holding)
	_ = json.Unmarshal(body, &asking)
	switch r.Method {
	case "LOCK":
		if s.lock != nil {
			w.WriteHeader(http.StatusLocked)
			w.Write(s.lock)
			return
		}
		s.lock = body
	case "UNLOCK":
		if s.lock == nil || asking.ID != holding.ID {
			w.WriteHeader(http.StatusConflict)
			return
		}
		s.lock = nil
	case http.MethodGet:
		if s.doc == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Write(s.doc)
	case http.MethodPost:
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			s.Error(err)
		}
		serial, _ := doc["serial"].(float64)
		switch {
		case s.lock == nil || r.URL.Query().Get("ID") != holding.ID:
			w.WriteHeader(http.StatusConflict)
		case serial == 0 || s.serials[serial]:
			s.Errorf("serial %v was written before", doc["serial"])
			w.WriteHeader(http.StatusBadRequest)
		default:
			s.doc, s.serials[serial] = body, true
		}
	default:
		s.Errorf("%s %s", r.Method, r.URL)
	}
}

func serve(t *testing.T) (*server, Config) {
	s := &server{T: t, serials: map[float64]bool{}}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, Config{Address: h.URL + "/terraform/state/accord", Username: "someone", Password: "canary"}
}

func open(t *testing.T, config Config, now func() time.Time) *remote.Store {
	t.Helper()
	s, err := Open(config, remote.Options{Tool: "accord test", Who: "someone@here", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSuite(t *testing.T) {
	statetest.State(t, func(t *testing.T) statetest.Place {
		_, config := serve(t)
		return func(t *testing.T, now func() time.Time) state.Store { return open(t, config, now) }
	})
}

// There is no journal here, and it is said.
func TestNoJournal(t *testing.T) {
	_, config := serve(t)
	if _, err := open(t, config, nil).Journal(t.Context()); !errors.Is(err, state.ErrNoJournal) {
		t.Errorf("%v", err)
	}
}

// A server that fails loses nothing that was acknowledged, and what it refused
// is kept by the next save.
func TestServerDown(t *testing.T) {
	t.Parallel()
	s, config := serve(t)
	store := open(t, config, nil)
	lock, err := store.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	done := func(key string) error {
		o := statetest.Object(key, `{}`)
		return lock.Done(t.Context(), []state.Outcome{{Addr: o.Addr, Object: o}})
	}
	down := func(status int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down = status
	}
	if err := done("a"); err != nil {
		t.Fatal(err)
	}
	down(http.StatusServiceUnavailable)
	if err := done("b"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a server that is down: %v", err)
	}
	if err := lock.Save(t.Context()); err == nil {
		t.Error("it was saved on a server that is down")
	}
	down(0)
	if st, err := store.Read(t.Context()); err != nil || len(st.Objects) != 1 {
		t.Errorf("%v, %v", st, err)
	}
	if err := errors.Join(done("c"), lock.Save(t.Context()), lock.Unlock()); err != nil {
		t.Fatal(err)
	}
	if st, err := store.Read(t.Context()); err != nil || len(st.Objects) != 3 {
		t.Errorf("%v, %v", st, err)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	_, config := serve(t)
	config.Password = "wrong-canary"
	_, err := open(t, config, nil).Read(t.Context())
	if err == nil || !strings.Contains(err.Error(), "refuses the user or the password") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	for _, address := range []string{"https://someone:canary@host/x", "ftp://host", "/x", ""} {
		if _, err := Open(Config{Address: address}, remote.Options{}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// A document of something else is left alone.
func TestForeign(t *testing.T) {
	t.Parallel()
	s, config := serve(t)
	s.doc = []byte(`{"version": 4, "terraform_version": "1.5"}`)
	store := open(t, config, nil)
	if _, err := store.Read(t.Context()); !errors.As(err, new(*state.DamagedError)) {
		t.Errorf("%v", err)
	}
	if _, err := store.Lock(t.Context(), "apply"); err == nil || s.lock != nil {
		t.Errorf("%v; lock %s", err, s.lock)
	}
}
