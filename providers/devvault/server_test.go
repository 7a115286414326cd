package devvault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("DEVVAULT_SERVE"); dir != "" {
		fmt.Fprintln(os.Stderr, serveForKill(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// bench is a server with the vaults a test asks for, and a client that logs in by itself.
type bench struct {
	*testing.T
	*Server
	http *httptest.Server
	now  *testClock
	ids  map[string]string // vault → session of its admin
}

// testClock stands still unless it is told otherwise.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newBench opens a server with vaults "name:kind", in domain dev, sandboxes.
func newBench(t *testing.T, vaults ...string) *bench {
	t.Helper()
	return openBench(t, t.TempDir(), vaults...)
}

func openBench(t *testing.T, dir string, vaults ...string) *bench {
	t.Helper()
	clock := &testClock{t: start}
	s, err := Open(Options{Dir: dir, Password: "secret", Clock: clock.Now, Lax: true, Settings: Settings{AuthDelay: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vaults {
		name, kind, _ := strings.Cut(v, ":")
		if err := s.AddVault(VaultSpec{Name: name, Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{T: t, Server: s, http: httptest.NewServer(s.Handler()), now: clock, ids: map[string]string{}}
	t.Cleanup(func() {
		b.http.CloseClientConnections()
		b.http.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// wait lets time pass, and logs in anew after it.
func (b *bench) wait(d time.Duration) {
	b.now.add(d)
	clear(b.ids)
}

type response map[string]any

func (a response) status() string { s, _ := a["responseStatus"].(string); return s }

// errorType is the type of the first error, of the call or else of its first row.
func (a response) errorType() string {
	if list, _ := a["errors"].([]any); len(list) > 0 {
		return list[0].(map[string]any)["type"].(string)
	}
	return ""
}

func (a response) list(key string) []response {
	list, _ := a[key].([]any)
	out := make([]response, len(list))
	for i, x := range list {
		out[i] = x.(map[string]any)
	}
	return out
}

func (a response) get(path ...string) any {
	var v any = map[string]any(a)
	for _, p := range path {
		m, _ := v.(map[string]any)
		if m == nil {
			return nil
		}
		v = m[p]
	}
	return v
}

// raw sends a request as it is and returns what came back.
func (b *bench) raw(method, path, media string, body []byte, header http.Header) (*http.Response, []byte) {
	b.Helper()
	res, out, err := b.exchange(method, path, media, body, header)
	if err != nil {
		b.Fatal(err)
	}
	return res, out
}

// exchange is raw for an exchange that may go wrong.
func (b *bench) exchange(method, path, media string, body []byte, header http.Header) (*http.Response, []byte, error) {
	b.Helper()
	req, err := http.NewRequest(method, b.http.URL+path, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.GetBody = nil // so that nothing is sent twice behind our back
	for k, v := range header {
		req.Header[k] = v
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	res, err := b.http.Client().Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	return res, out, err
}

// as calls the API with a session. body is a url.Values (form), a string (CSV when it does not begin with [ or {), or anything else as JSON.
func (b *bench) as(session, method, vault, path string, body any, more ...string) response {
	b.Helper()
	header := http.Header{"Authorization": {session}}
	for i := 0; i+1 < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	var media string
	var content []byte
	switch x := body.(type) {
	case nil:
	case url.Values:
		media, content = "application/x-www-form-urlencoded", []byte(x.Encode())
	case string:
		media, content = "text/csv", []byte(x)
	default:
		media = "application/json"
		content, _ = json.Marshal(x)
	}
	if !strings.HasPrefix(path, "/") {
		path = "/api/v26.2/" + path
	}
	res, out := b.raw(method, "/"+vault+path, media, content, header)
	if res.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: HTTP %d: %s", method, path, res.StatusCode, out)
	}
	var a response
	if err := json.Unmarshal(out, &a); err != nil {
		b.Fatalf("%s %s: %v in %s", method, path, err, out)
	}
	return a
}

// do calls the API as the vault's admin.
func (b *bench) do(method, vault, path string, body any, more ...string) response {
	b.Helper()
	return b.as(b.session(vault), method, vault, path, body, more...)
}

// session is that of the vault's admin.
func (b *bench) session(vault string) string {
	b.Helper()
	if b.ids[vault] == "" {
		b.ids[vault] = b.login(vault, "admin@"+vault+".dev", "secret")
	}
	return b.ids[vault]
}

// must is do for a call that has to succeed.
func (b *bench) must(method, vault, path string, body any, more ...string) response {
	b.Helper()
	a := b.do(method, vault, path, body, more...)
	if a.status() != "SUCCESS" {
		b.Fatalf("%s %s: %v", method, path, a)
	}
	return a
}

func (b *bench) login(vault, user, password string) string {
	b.Helper()
	a := b.as("", "POST", vault, "auth", url.Values{"username": {user}, "password": {password}})
	id, _ := a["sessionId"].(string)
	if id == "" {
		b.Fatalf("login of %s: %v", user, a)
	}
	return id
}

func (b *bench) dev(method, path string, body any) response {
	b.Helper()
	content, _ := json.Marshal(body)
	_, out := b.raw(method, "/_dev/"+path, "application/json", content, http.Header{"X-Dev-Token": {"secret"}})
	var a response
	if err := json.Unmarshal(out, &a); err != nil {
		b.Fatalf("%s %s: %v in %s", method, path, err, out)
	}
	return a
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestRouting(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	want(t, "unknown path", b.do("GET", "promo", "nothing/here", nil).errorType(), "MALFORMED_URL")
	want(t, "unknown vault", b.do("GET", "promo", "objects/users/me", nil).status(), "SUCCESS")
	want(t, "unknown version", b.do("GET", "promo", "/api/v99.9/objects/users/me", nil).errorType(), "MALFORMED_URL")
	want(t, "wrong verb", b.do("DELETE", "promo", "objects/users/me", nil).errorType(), "METHOD_NOT_SUPPORTED")
	want(t, "no session", b.as("", "GET", "promo", "objects/users/me", nil).errorType(), "INVALID_SESSION_ID")
	want(t, "bearer", b.as("Bearer "+b.ids["promo"], "GET", "promo", "objects/users/me", nil).status(), "SUCCESS")
	versions := b.do("GET", "promo", "/api/", nil)
	want(t, "version URL", versions.get("values", "v24.3"), any(b.http.URL+"/promo/api/v24.3"))
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.login("promo", "admin@promo.dev", "secret")
	res, _ := b.raw("GET", "/promo/api/v26.2/objects/users/me", "", nil, http.Header{"Authorization": {id}, "X-Vaultapi-Referenceid": {"ref-1"}})
	for name, value := range map[string]string{
		"X-VaultAPI-VaultId": "1001", "X-VaultAPI-UserId": "10001", "X-VaultAPI-TruncatedSessionId": id[:16], "X-VaultAPI-ReferenceId": "ref-1",
		"X-VaultAPI-Status": "SUCCESS", "X-VaultAPI-BurstLimit": "2000", "X-VaultAPI-BurstLimitRemaining": "1999",
	} {
		want(t, name, res.Header.Get(name), value)
	}
	res, _ = b.raw("GET", "/promo/api/v26.2/objects/users/me", "", nil, http.Header{"Authorization": {"expired"}})
	want(t, "limit on a failure", res.Header.Get("X-VaultAPI-BurstLimitRemaining"), "1998")
	want(t, "status of a failure", res.Header.Get("X-VaultAPI-Status"), "FAILURE")
	if res.Header.Get("X-VaultAPI-ExecutionId") == "" {
		t.Error("no X-VaultAPI-ExecutionId")
	}
}

func TestLandsInAnotherVault(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "us:crm", "eu:crm")
	if err := b.AddUser(UserSpec{Name: "kim@dev", Password: "pw", Vaults: map[string]string{"us": "system_admin__v", "eu": "system_admin__v"}}); err != nil {
		t.Fatal(err)
	}
	login := func(vault string) response {
		b.now.add(time.Second)
		return b.as("", "POST", vault, "auth", form("username", "kim@dev", "password", "pw"))
	}
	want(t, "first login elsewhere lands in the oldest vault", login("promo")["vaultId"], any(1002.0))
	want(t, "asked for", login("eu")["vaultId"], any(1003.0))
	want(t, "next login elsewhere lands in the last one", login("promo")["vaultId"], any(1003.0))
	want(t, "an address that is no vault", login("nowhere")["vaultId"], any(1003.0))
	a := login("us")
	want(t, "vaults", len(a.list("vaultIds")), 2)
	want(t, "url", a.list("vaultIds")[0]["url"], any(b.http.URL+"/us/api"))
	want(t, "the session is good in the other vault", b.as(a["sessionId"].(string), "GET", "eu", "objects/users/me", nil).status(), "SUCCESS")
	want(t, "but not where the user is no member", b.as(a["sessionId"].(string), "GET", "promo", "objects/users/me", nil).errorType(), "INVALID_SESSION_ID")
}

func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	if err := b.AddUser(UserSpec{Name: "gone@dev", Password: "pw", Inactive: true, Vaults: map[string]string{"promo": "system_admin__v"}}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ user, password, want string }{
		{"admin@promo.dev", "", "NO_PASSWORD_PROVIDED"},
		{"admin@promo.dev", "wrong", "USERNAME_OR_PASSWORD_INCORRECT"},
		{"nobody@dev", "secret", "USERNAME_OR_PASSWORD_INCORRECT"},
		{"gone@dev", "pw", "INACTIVE_USER"},
	} {
		a := b.as("", "POST", "promo", "auth", form("username", test.user, "password", test.password))
		want(t, test.user, a.errorType(), test.want)
		want(t, test.user, a["errorType"], any("AUTHENTICATION_FAILED"))
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	me := func(id string) string { return b.as(id, "GET", "promo", "objects/users/me", nil).errorType() }
	idle := b.login("promo", "admin@promo.dev", "secret")
	b.now.add(20 * time.Minute)
	want(t, "20 minutes idle", me(idle), "")
	b.now.add(20*time.Minute + time.Second)
	want(t, "idle for longer", me(idle), "INVALID_SESSION_ID")

	kept := b.login("promo", "admin@promo.dev", "secret")
	for range 48 * 60 / 15 {
		b.now.add(15 * time.Minute)
		want(t, "kept alive", b.as(kept, "POST", "promo", "keep-alive", nil).status(), "SUCCESS")
	}
	b.now.add(time.Second)
	want(t, "after 48 hours", me(kept), "INVALID_SESSION_ID")

	ended := b.login("promo", "admin@promo.dev", "secret")
	want(t, "end", b.as(ended, "DELETE", "promo", "session", nil).status(), "SUCCESS")
	want(t, "ended", me(ended), "INVALID_SESSION_ID")
}

func TestBurstDelaysAndAuthBurstRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	b.Set(Settings{Burst: 3, BurstDelay: time.Millisecond})
	id := b.login("promo", "admin@promo.dev", "secret")
	for i := range 5 {
		res, _ := b.raw("GET", "/promo/api/v26.2/objects/users/me", "", nil, http.Header{"Authorization": {id}})
		want(t, "remaining", res.Header.Get("X-VaultAPI-BurstLimitRemaining"), fmt.Sprint(max(0, 2-i)))
		want(t, "delayed", res.Header.Get("X-VaultAPI-ResponseDelay") != "", i >= 3)
		want(t, "answered", res.Header.Get("X-VaultAPI-Status"), "SUCCESS")
	}
	b.now.add(5 * time.Minute)
	res, _ := b.raw("GET", "/promo/api/v26.2/objects/users/me", "", nil, http.Header{"Authorization": {id}})
	want(t, "in the next window", res.Header.Get("X-VaultAPI-BurstLimitRemaining"), "2")

	var last response
	for range 21 {
		last = b.as("", "POST", "promo", "auth", form("username", "admin@promo.dev", "password", "secret"))
	}
	want(t, "21st login in a minute", last.errorType(), "API_LIMIT_EXCEEDED")
}

// close ends a bench before its test does, so that its folder can be opened again.
func (b *bench) close() {
	b.Helper()
	b.http.Close()
	if err := b.Server.Close(); err != nil {
		b.Fatal(err)
	}
}

// query runs a query as the vault's admin.
func (b *bench) query(vault, q string) response {
	b.Helper()
	return b.do("POST", vault, "query", url.Values{"q": {q}})
}

func decoded(t *testing.T, out []byte) response {
	t.Helper()
	var a response
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return a
}
