package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

// CLM-9: what changes in the content vault is in the CRM vaults within 10 s, at
// the default interval; two processes share the work, and when one is killed
// the other carries on; both end when they are told to.
func TestServe(t *testing.T) {
	t.Parallel()
	rounds := 4
	if long() {
		rounds = howMany(4, 4, 60)
	}
	s := newStory(t, 3, new(tally), 4)
	s.clock.run()
	s.settle()
	if n := s.done("apply", "-auto-approve"); n == 0 {
		t.Fatal("not applied")
	}
	before := s.look()
	moments := rand.New(rand.NewPCG(3, 12))
	serves := []*process{s.begin("serve", "-listen=off"), s.begin("serve", "-listen=off", "-interval=500ms")}
	var slowest time.Duration
	for n := range rounds {
		for range 3 {
			s.change()
		}
		began := time.Now()
		s.eventually(t, 30*time.Second)
		slowest = max(slowest, time.Since(began))
		if n%2 == 1 { // one of them dies, at any moment, and another one comes
			k := moments.IntN(2)
			s.change()
			time.Sleep(time.Duration(moments.IntN(1500)) * time.Millisecond)
			_ = serves[k].cmd.Process.Kill()
			serves[k].end()
			s.eventually(t, 3*time.Minute) // a lease of the dead lasts two minutes where nobody can know
			serves[k] = s.begin("serve", "-listen=off")
		}
	}
	t.Logf("slowest of %d rounds: %s", rounds, slowest.Round(time.Millisecond))
	for i, p := range serves {
		for n := 0; n < 600 && !strings.Contains(p.out.String(), "watching"); n++ {
			time.Sleep(50 * time.Millisecond)
		}
		_ = p.cmd.Process.Signal(os.Interrupt)
		if code := p.end(); code != exitOK {
			t.Errorf("serve %d ended with %d:\n%s", i, code, p.out.String())
		}
	}
	s.done("sync")
	s.converged(before)
}

// eventually waits until every CRM vault holds what it should.
func (s *story) eventually(t *testing.T, most time.Duration) {
	t.Helper()
	deadline := time.Now().Add(most)
	for {
		library, diff := s.library(), ""
		for _, c := range s.crms {
			now := s.published(c)
			diff += cmp.Diff(text(library.expected(s.world, c, now)), text(now))
		}
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			s.fail("not there after %s (-the rules +the vault)\n%s", most, diff)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// served is a page with a status of its own making.
func served(t *testing.T, token string, open bool) *httptest.Server {
	t.Helper()
	s := &server{cli: &cli{stdout: io.Discard, stderr: io.Discard}, token: token, open: open, started: time.Now(), log: (&cli{stderr: io.Discard}).serveLog()}
	err := fmt.Errorf("nothing has been applied yet")
	s.last.Store(&err)
	web := httptest.NewServer(s.handler())
	t.Cleanup(web.Close)
	return web
}

func TestServePageIsGuarded(t *testing.T) {
	t.Parallel()
	noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(web *httptest.Server, method, path string, change func(*http.Request)) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequest(method, web.URL+path, strings.NewReader("point=x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if change != nil {
			change(r)
		}
		resp, err := noRedirect.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}

	local, none, open := served(t, "s3cret", false), served(t, "", false), served(t, "s3cret", true)
	for _, c := range []struct {
		what         string
		web          *httptest.Server
		method, path string
		change       func(*http.Request)
		want         int
	}{
		{"reading on this machine", local, "GET", "/", nil, 200},
		{"reading without a token set", none, "GET", "/", nil, 200},
		{"another host's name", local, "GET", "/", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"writing without the token", local, "POST", "/run", nil, 401},
		{"writing where none is set", none, "POST", "/run", bearer(""), 401},
		{"writing with another token", local, "POST", "/run", bearer("guess"), 401},
		{"writing with the token", local, "POST", "/run", bearer("s3cret"), 503},
		{"a form of another site", local, "POST", "/run", func(r *http.Request) {
			bearer("s3cret")(r)
			r.Header.Set("Origin", "http://evil.example")
		}, 403},
		{"a form of another site, as browsers say today", local, "POST", "/run", func(r *http.Request) {
			bearer("s3cret")(r)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, 403},
		{"writing by GET", local, "GET", "/run", bearer("s3cret"), 405},
		{"reading from elsewhere", open, "GET", "/", nil, 401},
		{"reading from elsewhere, in a browser", open, "GET", "/", func(r *http.Request) { r.Header.Set("Accept", "text/html") }, 303},
		{"metrics from elsewhere", open, "GET", "/metrics", nil, 401},
		{"metrics with the token", open, "GET", "/metrics", bearer("s3cret"), 200},
		{"health from elsewhere", open, "GET", "/healthz", nil, 503},
		{"no such page", local, "GET", "/x", nil, 404},
	} {
		if got, body, _ := ask(c.web, c.method, c.path, c.change); got != c.want {
			t.Errorf("%s: %d, want %d: %s", c.what, got, c.want, body)
		}
	}
	if _, body, _ := ask(open, "GET", "/healthz", nil); strings.Contains(body, "applied") {
		t.Errorf("a stranger learns what is wrong: %s", body)
	}
	_, _, header := ask(local, "GET", "/", nil)
	if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("content security policy: %s", csp)
	}

	// Logging in with a form gives a cookie that is not the token.
	resp, err := noRedirect.PostForm(open.URL+"/login", url.Values{"token": {"s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != 303 || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || strings.Contains(cookies[0].Value, "s3cret") {
		t.Fatalf("login: %d %v", resp.StatusCode, cookies)
	}
	if got, _, _ := ask(open, "GET", "/", func(r *http.Request) { r.AddCookie(cookies[0]) }); got != 200 {
		t.Errorf("with the cookie: %d", got)
	}
	if resp, err := noRedirect.PostForm(open.URL+"/login", url.Values{"token": {"guess"}}); err != nil || resp.StatusCode != 401 {
		t.Errorf("a wrong token: %v %v", resp.StatusCode, err)
	}
}

// What comes from a vault is inert on the page, and valid in the metrics.
func TestServeShowsHostileText(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hostile := "</script><script>alert(1)</script>\x1b[31m\n\"'&"
	p := watch.Point{
		Addr: addrs.NewKeyed("integration_point", "x", `a"b`), Sync: providers.Sync{Title: hostile, LRT: now, LSRT: now},
		Decision: syncer.Decision{Mode: syncer.Incremental}, Trouble: hostile, Failing: 1, Runs: map[syncer.Status]int{syncer.Failed: 2},
	}
	s := &server{cli: &cli{}, log: (&cli{stderr: io.Discard}).serveLog()}
	d := &pageData{Verdict: hostile, Points: []pagePoint{viewPoint(p, now)}, Failed: []pageItem{{Title: hostile, Message: hostile}},
		Runs: []pageRun{viewRun(state.Run{Sync: p.Addr, Message: hostile, Counts: map[string]int64{"added": 3}}, now)}, May: true}
	d.Chart = chartOf(d.Runs)
	r := httptest.NewRecorder()
	s.render(r, "page", d)
	if body := r.Body.String(); strings.Contains(body, "<script>alert") || !strings.Contains(body, "&lt;/script&gt;") || !strings.Contains(body, "<rect") {
		t.Error("a title is not inert on the page")
	}
	var e exposition
	e.status(watch.Status{Known: true, Beat: now, Interval: time.Second, Points: []watch.Point{p}}, now)
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="([^"\\\n]|\\.)*"(,[a-z_]+="([^"\\\n]|\\.)*")*\})? [-+0-9.eE]+)$`)
	for _, l := range strings.Split(strings.TrimSuffix(e.out.String(), "\n"), "\n") {
		if !line.MatchString(l) {
			t.Errorf("not a line of metrics: %q", l)
		}
	}
}

func TestServeRefusesToBeOpenWithoutAToken(t *testing.T) {
	s := &server{cli: &cli{}, opts: serveOptions{listen: "0.0.0.0:0"}, log: (&cli{stderr: io.Discard}).serveLog()}
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), serveToken) {
		t.Errorf("open to all: %v", err)
	}
	// A port that is taken is said so.
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	s.opts.listen = strings.TrimPrefix(taken.URL, "http://")
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
}
