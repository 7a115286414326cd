package vaultapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOpenRefusesAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "vault.example.com", "http://vault.example.com", "ftp://127.0.0.1", "https://user:canary@vault.example.com",
		"https://vault.example.com/api", "https://vault.example.com?x=1", "https://vault.example.com#x", "://canary",
	} {
		_, err := Open(t.Context(), Config{BaseURL: address, Credentials: func(context.Context) (string, Secret, error) {
			t.Errorf("%q: asked for credentials", address)
			return "", Secret{}, nil
		}})
		wantKind(t, err, Invalid)
	}
}

// Login lands in another vault: nothing else is ever sent.
func TestWrongVault(t *testing.T) {
	t.Parallel()
	cases := map[string]func(s *server, w http.ResponseWriter, r *http.Request){
		"another id": func(s *server, w http.ResponseWriter, r *http.Request) {
			s.loggedIn(w, "canary-session-1", 7002, "http://"+r.Host+s.prefix+"/api")
		},
		"another host": func(s *server, w http.ResponseWriter, r *http.Request) {
			s.loggedIn(w, "canary-session-1", testVault, "https://other.example.com/api")
		},
		"another prefix": func(s *server, w http.ResponseWriter, r *http.Request) {
			s.loggedIn(w, "canary-session-1", testVault, "http://"+r.Host+"/crm-de/api")
		},
		"no address": func(s *server, w http.ResponseWriter, r *http.Request) {
			answer(w, fmt.Sprintf(`{"responseStatus":"SUCCESS","sessionId":"canary-session-1","userId":1,"vaultIds":[],"vaultId":%d}`, testVault))
		},
	}
	for name, login := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(http.ResponseWriter, *http.Request) {})
			s.login = func(w http.ResponseWriter, r *http.Request) bool { login(s, w, r); return true }
			_, err := Open(t.Context(), s.config())
			wantKind(t, err, WrongVault)
			if diff := cmp.Diff([]string(nil), s.seen()); diff != "" {
				t.Errorf("sent after the login:\n%s", diff)
			}
			if n := s.loginCount(); n != 1 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// The session ends, and the next login lands elsewhere.
func TestWrongVaultAfterRelogin(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, `{"responseStatus":"SUCCESS","data":{}}`) })
	c := s.open(t)
	s.login = func(w http.ResponseWriter, r *http.Request) bool {
		s.loggedIn(w, "canary-session-x", 7002, "http://"+r.Host+s.prefix+"/api")
		return true
	}
	s.expire()
	for range 3 {
		wantKind(t, FirstError(c.UpdateRecords(t.Context(), "country__v", []Fields{{"id": "1"}})), WrongVault)
	}
	if n := s.loginCount(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	if diff := cmp.Diff([]string{"PUT /api/v25.2/vobjects/country__v"}, s.seen()); diff != "" {
		t.Errorf("sent:\n%s", diff)
	}
}

// An answer says that it is another vault's.
func TestAnswerOfWrongVault(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-VaultAPI-VaultId", "7002")
		answer(w, `{"responseStatus":"SUCCESS","users":[{"user":{"id":1}}]}`)
	})
	c := s.open(t)
	_, err := c.Me(t.Context())
	wantKind(t, err, WrongVault)
	_, err = c.Objects(t.Context())
	wantKind(t, err, WrongVault)
	if n := len(s.seen()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// Also a call that was already waiting for its turn is not sent any more.
func TestNothingIsSentAfterWrongVault(t *testing.T) {
	t.Parallel()
	arrived, goOn, waiting := make(chan bool), make(chan string), make(chan bool, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		w.Header().Set("X-VaultAPI-VaultId", <-goOn)
		answer(w, `{"responseStatus":"SUCCESS","objects":[]}`)
	})
	c := s.open(t, func(cfg *Config) {
		cfg.Observe = func(e Event) {
			if w, ok := e.(Waiting); ok && w.Reason == Pacing {
				waiting <- true
			}
		}
	})
	var first sync.WaitGroup
	for range probes { // as many as go out while the limit is not known
		first.Go(func() { _, _ = c.Objects(t.Context()) })
		<-arrived
	}
	last := make(chan error)
	go func() {
		_, err := c.Objects(t.Context())
		last <- err
	}()
	<-waiting
	goOn <- "7002"
	if err := <-last; KindOf(err) != WrongVault {
		t.Error(err)
	}
	for range probes - 1 {
		goOn <- fmt.Sprint(testVault)
	}
	first.Wait()
	if n := len(s.seen()); n != probes {
		t.Errorf("%d requests, want %d", n, probes)
	}
}

// A wrong password is tried once, however many ask: more would lock the user out.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	cfg := s.config()
	cfg.Credentials = func(context.Context) (string, Secret, error) { return testUser, NewSecret("canary-wrong"), nil }
	_, err := Open(t.Context(), cfg)
	e := wantKind(t, err, Auth)
	if e.Type != "USERNAME_OR_PASSWORD_INCORRECT" {
		t.Errorf("type %s", e.Type)
	}

	s = serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, `{"responseStatus":"SUCCESS"}`) })
	password := NewSecret(testPassword)
	c := s.open(t, func(cfg *Config) {
		cfg.Credentials = func(context.Context) (string, Secret, error) { return testUser, password, nil }
	})
	password = NewSecret("canary-changed")
	s.expire()
	together(20, func(int) {
		_, err := c.Objects(t.Context())
		wantKindAny(t, err, Auth)
	})
	if n := s.loginCount(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
}

// Who stays tries a password that was refused again, rarely, and never so often
// that the user is locked out; and another one at once.
func TestReloginAfterARefusal(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, `{"responseStatus":"SUCCESS","objects":[]}`) })
	password := NewSecret(testPassword)
	c := s.open(t, func(cfg *Config) {
		cfg.Clock = clock
		cfg.Refusals = NewRefusals(time.Minute, 10*time.Minute)
		cfg.Credentials = func(context.Context) (string, Secret, error) { return testUser, password, nil }
	})
	good := password
	lost := func(after time.Duration, logins int) {
		t.Helper()
		for range 10 {
			<-clock.After(after / 10)
			if _, err := c.Objects(t.Context()); KindOf(err) != Auth {
				t.Errorf("after %s: %v", after, err)
			}
		}
		if n := s.loginCount(); n != logins {
			t.Errorf("after %s: %d logins, want %d", after, n, logins)
		}
	}
	found := func(after time.Duration) {
		t.Helper()
		<-clock.After(after)
		if _, err := c.Objects(t.Context()); err != nil {
			t.Errorf("after %s: %v", after, err)
		}
	}
	password = NewSecret("canary-changed")
	s.expire()
	lost(50*time.Second, 2)
	password = good // changed for a minute only: it was refused, and is good again
	found(time.Minute)

	password = NewSecret("canary-changed")
	s.expire()
	lost(24*time.Hour, 6)
	password = good
	found(time.Minute) // another one than was refused
	if n := s.loginCount(); n != 7 {
		t.Errorf("%d logins", n)
	}
}

// Opening anew is no way around a refusal, for who remembers it.
func TestRefusalOutlivesTheClient(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	s := serve(t, nil)
	password := NewSecret("canary-wrong")
	cfg := s.config()
	cfg.Clock, cfg.Refusals = clock, NewRefusals(time.Minute, 10*time.Minute)
	cfg.Credentials = func(context.Context) (string, Secret, error) { return testUser, password, nil }
	for range 24 * 60 {
		_, err := Open(t.Context(), cfg)
		wantKind(t, err, Auth)
		<-clock.After(time.Minute)
	}
	if n := s.loginCount(); n != 3 {
		t.Errorf("%d logins in a day, want 3", n)
	}
	password = NewSecret(testPassword)
	if _, err := Open(t.Context(), cfg); err != nil {
		t.Errorf("another password: %v", err)
	}
}

func wantKindAny(t *testing.T, err error, want Kind) {
	t.Helper()
	if KindOf(err) != want {
		t.Errorf("error %v (kind %q), want kind %q", err, KindOf(err), want)
	}
}

func together(n int, do func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

// Twenty callers find the session ended: one logs in, and all get their
// answer; the writes among them are executed once each.
func TestReloginSingleFlight(t *testing.T) {
	t.Parallel()
	var executed atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			executed.Add(1)
			answer(w, `{"responseStatus":"SUCCESS","data":[{"responseStatus":"SUCCESS","data":{"id":"00P1","event":"created__sys"}}]}`)
			return
		}
		answer(w, `{"responseStatus":"SUCCESS","objects":[]}`)
	})
	c := s.open(t)
	for round := range 3 {
		s.expire()
		together(20, func(i int) {
			if i%2 == 0 {
				if _, err := c.Objects(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			if err := FirstError(c.CreateRecords(t.Context(), "x__c", []Fields{{"name__v": "x"}})); err != nil {
				t.Error(err)
			}
		})
		if want, got := round+2, s.loginCount(); got != want {
			t.Fatalf("%d logins, want %d", got, want)
		}
	}
	if n := executed.Load(); n != 30 {
		t.Errorf("%d writes executed, want 30", n)
	}
}

// One re-login a call: a vault that refuses every session is not logged in to
// again and again.
func TestReloginOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { failure(w, invalidSession, "no") })
	c := s.open(t)
	_, err := c.Objects(t.Context())
	wantKind(t, err, Auth)
	if n := s.loginCount(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
}

// Who waits for somebody else's login is not called off with it, but logs in
// itself; any other outcome is shared.
func TestLoginOfCanceledCaller(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[error]string{context.Canceled: "canary-session-1", errors.New("no network"): ""} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{Server: &httptest.Server{URL: "http://127.0.0.1"}, prefix: "/crm-us", sessions: map[string]bool{}}
			cfg := s.config()
			cfg.Transport = inMemory{s}
			c, err := newConn(cfg)
			if err != nil {
				t.Fatal(err)
			}
			other := &login{done: make(chan struct{})}
			c.session.flight = other
			got := make(chan Secret, 1)
			go func() {
				id, _ := c.session.get(t.Context(), Secret{})
				got <- id
			}()
			synctest.Wait() // until it waits for the other one

			c.session.mu.Lock()
			c.session.flight = nil
			other.err = &Error{Op: "log in", Kind: Transient, Cause: outcome}
			c.session.mu.Unlock()
			close(other.done)
			if id := <-got; id.Reveal() != want {
				t.Errorf("after %v: session %q, want %q", outcome, id.Reveal(), want)
			}
		})
	}
}

// inMemory answers without a network.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	s := serve(t, nil)
	cfg := s.config()
	cfg.BaseURL = address
	var seen events
	cfg.Observe = seen.observe
	_, err = Open(t.Context(), cfg)
	wantKind(t, err, Transient)
	if n := len(seen.waits(Backoff)); n != 2 {
		t.Errorf("waited %d times, want 2", n)
	}
}

// Too many logins in this minute: the next one is waited for.
func TestLoginThrottled(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	end := clock.now.Add(time.Minute)
	s := serve(t, nil)
	s.login = func(w http.ResponseWriter, r *http.Request) bool {
		if clock.Now().Before(end) {
			failure(w, "API_LIMIT_EXCEEDED", "m")
			return true
		}
		return false
	}
	s.open(t, func(cfg *Config) { cfg.Clock = clock })
	if n := s.loginCount(); n != 3 {
		t.Errorf("%d logins", n)
	}
}

// A host that cannot prove who it is gets nothing, and is not asked again.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	s.Config.ErrorLog = discardLog()
	s.StartTLS()
	defer s.Close()
	cfg := serve(t, nil).config()
	cfg.BaseURL = s.URL
	var seen events
	cfg.Observe = seen.observe
	_, err := Open(t.Context(), cfg)
	wantKind(t, err, Auth)
	if n := asked.Load(); n != 0 || len(seen.waits(Backoff)) != 0 {
		t.Errorf("asked %d times, waited %v", n, seen.waits(Backoff))
	}
}

// A read-only client sends no write, and OpenReader has none to offer.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, `{"responseStatus":"SUCCESS","data":[],"objects":[]}`)
	})
	c := s.open(t, func(cfg *Config) { cfg.ReadOnly = true })
	ctx := t.Context()
	one := []Fields{{"id": "1", "name__v": "x"}}
	order := 1
	errs := map[string]error{
		"CreateRecords":           FirstError(c.CreateRecords(ctx, "x__c", one)),
		"UpdateRecords":           FirstError(c.UpdateRecords(ctx, "x__c", one)),
		"UpsertRecords":           FirstError(c.UpsertRecords(ctx, "x__c", "name__v", one)),
		"DeleteRecords":           FirstError(c.DeleteRecords(ctx, "x__c", []ID{"1"})),
		"DeleteRecordsBy":         FirstError(c.DeleteRecordsBy(ctx, "x__c", "name__v", []string{"1"})),
		"ChangeRecordTypes":       FirstError(c.ChangeRecordTypes(ctx, "x__c", one)),
		"ExecuteRecordAction":     c.ExecuteRecordAction(ctx, "x__c", "1", "a", nil),
		"ExecuteRecordsAction":    FirstError(c.ExecuteRecordsAction(ctx, "x__c", "a", []ID{"1"})),
		"CreateDocument":          second(c.CreateDocument(ctx, one[0], nil)),
		"CreateDocument file":     second(c.CreateDocument(ctx, one[0], &File{Name: "a", Size: -1})),
		"CreateDocuments":         FirstError(c.CreateDocuments(ctx, one)),
		"CreateCrossLink":         second(c.CreateCrossLink(ctx, CrossLink{})),
		"UpdateDocument":          c.UpdateDocument(ctx, Documents, "1", one[0]),
		"UpdateVersion":           c.UpdateVersion(ctx, Binders, Version{ID: "1"}, one[0]),
		"UpdateDocuments":         FirstError(c.UpdateDocuments(ctx, one)),
		"DeleteDocument":          c.DeleteDocument(ctx, Documents, "1"),
		"DeleteDocuments":         FirstError(c.DeleteDocuments(ctx, []ID{"1"})),
		"NewDraft":                second(c.NewDraft(ctx, Documents, "1", nil)),
		"ExecuteLifecycleAction":  c.ExecuteLifecycleAction(ctx, Documents, Version{ID: "1"}, "a", nil),
		"ExecuteLifecycleActions": FirstError(c.ExecuteLifecycleActions(ctx, Documents, "a", "l", "s", []Version{{ID: "1"}})),
		"CreateRelationships":     FirstError(c.CreateRelationships(ctx, []Relationship{{}})),
		"DeleteRelationships":     FirstError(c.DeleteRelationships(ctx, []ID{"1"})),
		"CreateBinder":            second(c.CreateBinder(ctx, one[0])),
		"AddNode":                 second(c.AddNode(ctx, "1", NewNode{Order: &order})),
		"AddSection":              second(c.AddSection(ctx, "1", "x", "", nil)),
		"MoveNode":                second(c.MoveNode(ctx, "1", "2", "", nil)),
		"RemoveNode":              c.RemoveNode(ctx, "1", "2"),
		"RemoveSection":           c.RemoveSection(ctx, "1", "2"),
		"SetBindingRule":          c.SetBindingRule(ctx, "1", SteadyNode, true),
		"SetNodeRule":             c.SetNodeRule(ctx, "1", "2", SteadyNode, 0, 0),
		"AddPicklistValues":       c.AddPicklistValues(ctx, "x__c", "A"),
		"ExecuteMDL":              second(c.ExecuteMDL(ctx, "RECREATE Picklist x__c ();")),
	}
	for call, err := range errs {
		if KindOf(err) != Permission || !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if diff := cmp.Diff([]string(nil), s.seen()); diff != "" {
		t.Errorf("sent:\n%s", diff)
	}
	if _, err := c.Objects(ctx); err != nil {
		t.Errorf("a read: %v", err)
	}
	for _, err := range c.Query(ctx, "SELECT id FROM x__c") {
		t.Errorf("a query: %v", err)
	}
	if got := c.Stats(); got != (Stats{Calls: 3, Logins: 1}) {
		t.Errorf("%+v", got)
	}
}

func second[T any](_ T, err error) error { return err }

// No secret in any error, print, event or trace, also where the server
// repeats it.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		session := r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/api/v25.2/metadata/vobjects":
			failure(w, "INVALID_DATA", "you sent "+session+" of "+testPassword)
		case "/api/v25.2/objects/documents/batch":
			answer(w, `{"responseStatus":"SUCCESS","data":[{"responseStatus":"FAILURE","errors":[{"type":"INVALID_DATA","message":"`+session+` of `+testPassword+`"}]}]}`)
		case "/api/v25.2/objects/users/me":
			answer(w, `{"responseStatus":"SUCCESS","sessionId":"`+session+`","users":[{"user":{"id":1,"password":"`+testPassword+`"}}]}`)
		default:
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintf(w, "<html>%s</html>", session)
		}
	})
	var mu sync.Mutex
	var out strings.Builder
	note := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&out, "%v\n%+v\n%#v\n", v, v, v)
		text, _ := json.Marshal(v)
		out.Write(text)
	}
	c := s.open(t, func(cfg *Config) {
		cfg.Trace = func(trace Trace) { note(trace) }
		cfg.Observe = func(e Event) { note(e) }
		cfg.Retry.Tries = 2
	})
	_, err := c.Objects(t.Context())
	note(err)
	_, err = c.Me(t.Context())
	note(err)
	_, err = c.Picklists(t.Context())
	note(err)
	note(c.UpdateDocument(t.Context(), Documents, "1", Fields{"password": testPassword, "name__v": "x"}))
	for _, r := range c.UpdateDocuments(t.Context(), []Fields{{"id": "1"}}) {
		if r.Err == nil {
			t.Error("a row that fails is no error")
		}
		note(r.Err)
	}
	note(c)
	note(NewSecret(testPassword))
	note(c.c.cfg)

	s.login = func(w http.ResponseWriter, r *http.Request) bool {
		failure(w, "USER_LOCKED_OUT", "the password "+r.FormValue("password")+" is wrong")
		return true
	}
	s.expire()
	_, err = c.Objects(t.Context())
	note(err)

	text := out.String()
	if !strings.Contains(text, "username=ada") || !strings.Contains(text, "password="+redacted) || !strings.Contains(text, `\"sessionId\":\"(redacted)\"`) {
		t.Errorf("the traces are not there:\n%s", text)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "canary") {
			t.Errorf("a secret got out: %s", line)
		}
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.open(t)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"DELETE /api/v25.2/session"}, s.seen()); diff != "" {
		t.Error(diff)
	}
	_, err := c.Objects(t.Context())
	wantKind(t, err, Internal)
}
