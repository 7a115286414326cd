package vaultapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testVault    = 7001
	testUser     = "ada@example.com"
	testPassword = "canary-password-Zx81"
)

// server is a vault of few words: it logs in, knows its sessions, and leaves
// all else to the script of the test.
type server struct {
	*httptest.Server
	prefix string
	script http.HandlerFunc
	login  func(w http.ResponseWriter, r *http.Request) bool // answers instead; may be nil

	mu       sync.Mutex
	logins   int
	sessions map[string]bool
	requests []string // "POST /api/v25.2/query", logins not among them
}

func serve(t testing.TB, script http.HandlerFunc) *server {
	s := &server{prefix: "/crm-us", script: script, sessions: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.URL.Path = strings.TrimPrefix(r.URL.Path, s.prefix)
	w.Header().Set("X-VaultAPI-ExecutionId", "exec-1")
	w.Header().Set("X-VaultAPI-VaultId", fmt.Sprint(testVault))
	if r.URL.Path == "/api/v25.2/auth" {
		s.auth(w, r)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	known := s.sessions[r.Header.Get("Authorization")]
	s.mu.Unlock()
	if !known {
		failure(w, invalidSession, "Invalid or expired session ID.")
		return
	}
	if r.URL.Path == "/api/v25.2/session" {
		answer(w, `{"responseStatus":"SUCCESS"}`)
		return
	}
	s.script(w, r)
}

func (s *server) auth(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.logins++
	id := fmt.Sprintf("canary-session-%d", s.logins)
	s.mu.Unlock()
	if s.login != nil && s.login(w, r) {
		return
	}
	if r.FormValue("username") != testUser || r.FormValue("password") != testPassword {
		answer(w, `{"responseStatus":"FAILURE","errors":[{"type":"USERNAME_OR_PASSWORD_INCORRECT","message":"no"}],"errorType":"AUTHENTICATION_FAILED"}`)
		return
	}
	s.mu.Lock()
	s.sessions[id] = true
	s.mu.Unlock()
	s.loggedIn(w, id, testVault, "http://"+r.Host+s.prefix+"/api")
}

func (s *server) loggedIn(w http.ResponseWriter, session string, vault int, address string) {
	answer(w, fmt.Sprintf(`{"responseStatus":"SUCCESS","sessionId":%q,"userId":10001,"vaultIds":[{"id":%d,"name":"x","url":%q},{"id":1,"name":"y","url":"https://y.example.com/api"}],"vaultId":%d}`,
		session, vault, address, vault))
}

// expire ends all sessions.
func (s *server) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func (s *server) loginCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

func (s *server) config() Config {
	return Config{
		BaseURL: s.URL + s.prefix,
		Credentials: func(context.Context) (string, Secret, error) {
			return testUser, NewSecret(testPassword), nil
		},
		Expect: Expect{VaultID: testVault},
		Clock:  &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)},
	}
}

func (s *server) open(t testing.TB, change ...func(*Config)) *Client {
	t.Helper()
	cfg := s.config()
	for _, c := range change {
		c(&cfg)
	}
	client, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.c.http.CloseIdleConnections)
	return client
}

func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = w.Write([]byte(body))
}

func failure(w http.ResponseWriter, typ, message string) {
	body, _ := json.Marshal(map[string]any{"responseStatus": "FAILURE", "errors": []map[string]string{{"type": typ, "message": message}}})
	answer(w, string(body))
}

// cut ends the connection, after sending what was written so far.
func cut(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// testClock does not wait: who waits moves it forward.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	done := make(chan time.Time, 1)
	done <- c.now
	return done
}

// events collects what an observer is told.
type events struct {
	mu   sync.Mutex
	list []Event
}

func (e *events) observe(each Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, each)
}

func (e *events) waits(why Reason) []Waiting {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []Waiting
	for _, each := range e.list {
		if w, ok := each.(Waiting); ok && w.Reason == why {
			found = append(found, w)
		}
	}
	return found
}

func wantKind(t *testing.T, err error, want Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("error %v (kind %q), want kind %q", err, KindOf(err), want)
	}
	if !errors.Is(err, want) {
		t.Fatalf("errors.Is(%v, %q) is false", err, want)
	}
	return e
}
