package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/providers/devvault"
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
		s.eventually(t)
		slowest = max(slowest, time.Since(began))
		if n%2 == 1 { // one of them dies, at any moment, and another one comes
			k := moments.IntN(2)
			s.change()
			time.Sleep(time.Duration(moments.IntN(1500)) * time.Millisecond)
			_ = serves[k].cmd.Process.Kill()
			serves[k].end()
			s.eventually(t)
			serves[k] = s.begin("serve", "-listen=off")
		}
	}
	t.Logf("slowest of %d rounds: %s", rounds, slowest.Round(time.Millisecond))
	for i, p := range serves {
		s.until(p, fmt.Sprintf("serve %d watches", i), func() bool { return strings.Contains(p.out.String(), "watching") })
		_ = p.cmd.Process.Signal(os.Interrupt)
		if code := p.end(); code != exitOK {
			t.Errorf("serve %d ended with %d:\n%s", i, code, p.out.String())
		}
	}
	s.done("sync")
	after := s.look() // what is kept is as it was when it was last published, whenever that was
	for look, all := range before.items {
		for at, was := range all {
			if now := after.items[look][at]; now.ID != was.ID {
				t.Errorf("%s: %v was item %s and is %s", look, at, was.ID, now.ID)
			}
		}
	}
	after.dumps = before.dumps
	s.converged(after)
}

// ERR-1, ERR-2: the page tells of general errors and of items, and has both
// reprocessed: who mended something need not wait.
func TestServeReprocesses(t *testing.T) {
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	s.env = append(s.env, serveToken+"=s3cret")
	serve := s.begin("serve", "-listen=127.0.0.1:0", "-interval=200ms")
	defer func() {
		_ = serve.cmd.Process.Signal(os.Interrupt)
		serve.end()
	}()
	address := s.pageOf(serve)
	exceptions := func() []pageItem {
		t.Helper()
		resp, err := http.Get(address + "/status.json")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var d pageData
		if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
			t.Fatal(err)
		}
		return d.Failed
	}
	// awaited is the first exception of a kind, once the page has one.
	awaited := func(what string, is func(pageItem) bool) (x pageItem) {
		t.Helper()
		s.until(serve, what, func() bool {
			list := exceptions()
			n := slices.IndexFunc(list, is)
			if n >= 0 {
				x = list[n]
			}
			return n >= 0
		})
		return x
	}
	gone := func(what string, x pageItem) {
		t.Helper()
		s.until(serve, what, func() bool {
			return !slices.ContainsFunc(exceptions(), func(y pageItem) bool { return y.ID == x.ID })
		})
	}
	reprocess := func(x pageItem) int {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, address+"/reprocess", strings.NewReader(url.Values{"point": {x.Point}, "id": {x.ID}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer s3cret")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	fault := func(f devvault.Fault) {
		t.Helper()
		f.Count = 1 << 20
		for _, c := range s.crms { // authors go on
			f.Vault = c.vault()
			if _, err := s.server.AddFault(f); err != nil {
				t.Fatal(err)
			}
		}
	}

	// Items: the CRM vaults take no update.
	fault(devvault.Fault{Method: "PUT", Route: "objects/documents*", Kind: "row_failure", Type: "INVALID_DATA", Message: "this row was made to fail"})
	s.rewrite(1)
	item := awaited("an item", func(x pageItem) bool { return !x.General && strings.Contains(x.Message, "made to fail") })
	if item.Class == "" || !item.Can || item.ID == "" {
		t.Errorf("the item: %+v", item)
	}
	s.server.ClearFaults()
	if code := reprocess(item); code != http.StatusAccepted {
		t.Errorf("reprocess an item: %d", code)
	}
	gone("the item is gone", item)
	if code := reprocess(item); code != http.StatusNotFound {
		t.Errorf("reprocess what is gone: %d", code)
	}

	// A message: the CRM vaults let no record be changed, so that no run ends well.
	general := func(x pageItem) bool { return x.General }
	records := devvault.Fault{Method: "PUT", Route: "vobjects/*", Kind: "failure", Type: "INSUFFICIENT_ACCESS"}
	fault(records)
	s.rewrite(2)
	message := awaited("a message", general)
	named := func(x pageItem) bool { // it names the line of the file in which its point's block begins
		_, at, _ := strings.Cut(x.Fix, "main.hcl:")
		file, err := os.ReadFile(s.dir + "/main.hcl")
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscan(at, &n); err != nil {
			return false
		}
		kind := strings.Split(x.Point, ".")[1]
		kind, _, _ = strings.Cut(kind, "[")
		return strings.HasPrefix(strings.Split(string(file), "\n")[n-1], fmt.Sprintf("integration_point %q {", kind))
	}
	if !message.Can || !named(message) {
		t.Errorf("the message: %+v", message)
	}
	s.server.ClearFaults()
	if code := reprocess(message); code != http.StatusAccepted {
		t.Errorf("reprocess a message: %d", code)
	}
	gone("the message is gone", message)

	// Somebody applies other files, in which the block stands elsewhere.
	s.block = strings.Repeat("\n", 7)
	s.crms[0].onUnapproved = "withdraw"
	s.done("apply", "-auto-approve")
	fault(records)
	s.rewrite(3)
	awaited("a message that names the line where the block stands now", func(x pageItem) bool { return general(x) && named(x) })
}

// /healthz and /metrics say when nothing can be brought over, and of each vault
// what was last heard of it; /livez says that a start anew would not help.
func TestServeHealth(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	serve := s.begin("serve", "-listen=127.0.0.1:0", "-interval=200ms")
	defer func() {
		_ = serve.cmd.Process.Signal(os.Interrupt)
		serve.end()
	}()
	address := s.pageOf(serve)
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get(address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	type health struct {
		Healthy bool
		Why     string
		Vaults  map[string]vaultHealth
	}
	asked := func() (h health) {
		t.Helper()
		code, body := get("/healthz")
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			t.Fatal(err)
		}
		if h.Healthy != (code == 200) {
			t.Errorf("%d: %s", code, body)
		}
		return h
	}
	all := func(state string) func() bool {
		return func() bool {
			h := asked()
			for _, v := range h.Vaults {
				if v.State != state {
					return false
				}
			}
			return h.Healthy && len(h.Vaults) == 4
		}
	}
	s.until(serve, "all is well", all("ok"))
	gone := func(vault string) {
		s.answer(func(to http.ResponseWriter, v, _, _, _ string) bool {
			if v == vault {
				to.WriteHeader(http.StatusServiceUnavailable)
			}
			return v == vault
		})
	}

	gone(source)
	began := time.Now()
	s.until(serve, "the content vault is missed", func() bool { return !asked().Healthy })
	t.Logf("missed after %s", time.Since(began).Round(time.Second))
	h := asked()
	if v := h.Vaults["vault.promomats"]; v.State != "silent" || !strings.Contains(h.Why, "no vault that content comes from has answered for ") {
		t.Errorf("without the content vault: %+v", h)
	}
	if code, body := get("/livez"); code != 200 {
		t.Errorf("a start anew would not help: %d %s", code, body)
	}
	_, metrics := get("/metrics")
	for _, want := range []string{"accord_up 1", "accord_healthy 0", `accord_vault_up{vault="vault.promomats"} 0`, `accord_vault_up{vault="vault.crm[\"a\"]"} 1`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
	s.answer(nil)
	s.until(serve, "it is there again", all("ok"))

	gone(s.crms[0].vault())
	began = time.Now()
	for n := 1; ; n++ {
		s.rewrite(n)
		s.eventually(t, s.crms[1:]...)
		if h = asked(); h.Vaults[`vault.crm["a"]`].State != "ok" {
			break
		}
		if time.Since(began) > 2*patience { // a run tries each call for a while, and tells the vault what is wrong
			t.Fatalf("nobody misses the CRM vault: %+v\n%s", h, tail(serve.out.String()))
		}
	}
	if !h.Healthy || h.Vaults[`vault.crm["a"]`].Why == "" || h.Vaults[`vault.crm["b"]`].State != "ok" {
		t.Errorf("without one CRM vault: %+v", h)
	}
}

var pageAddress = regexp.MustCompile(`page=(http://[^/]+)/`)

// pageOf waits until a process serves its page and watches, and returns where.
func (s *story) pageOf(serve *process) (address string) {
	s.t.Helper()
	s.until(serve, "the page", func() bool {
		return pageAddress.MatchString(serve.out.String()) && strings.Contains(serve.out.String(), "watching")
	})
	return pageAddress.FindStringSubmatch(serve.out.String())[1]
}

// until waits for something that a process does.
func (s *story) until(p *process, what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %s\n%s", what, patience, p.out.String())
		}
	}
}

// patience is how long something is waited for that may take its time on a
// machine that is busy with other things, and is a defect after that.
const patience = 3 * time.Minute

// Why a run was a full one is said in words, and a short run took some time too.
func TestRunOfThePage(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := viewRun(state.Run{Mode: state.Full, Reasons: []string{"activated", "never_succeeded"}, Started: now.Add(-26 * time.Millisecond), Ended: now, Outcome: state.Clean}, now)
	if v.Mode != "full" || v.Why != "activated, never succeeded" || v.Took != "26ms" {
		t.Errorf("%+v", v)
	}
}

// The page is readable on a phone, and nothing of a title does anything there.
func TestServePageOnAPhone(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser, without -short only")
	}
	t.Parallel()
	browser := chromium(t)
	now := time.Now()
	hostile := "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">" + strings.Repeat("W", 120)
	crm := addrs.NewKeyed("vault", "crm", "united-states-of-america")
	point := watch.Point{
		Addr:     addrs.NewKeyed("integration_point", "clm_presentation", "united-states-of-america"),
		Sync:     providers.Sync{Title: hostile, LRT: now.Add(-time.Minute), LSRT: now.Add(-time.Hour), Source: providers.End{Instance: addrs.New("vault", "promomats")}, Target: providers.End{Instance: crm}},
		Decision: syncer.Decision{Mode: syncer.Incremental, FullAt: now.Add(14 * 24 * time.Hour)}, Memory: state.Memory{Failures: 3},
	}
	var runs []pageRun
	for n := range pageRuns {
		runs = append(runs, viewRun(state.Run{Sync: point.Addr, Mode: state.Incremental, Started: now.Add(-time.Duration(n) * time.Minute), Ended: now, Outcome: state.Faulty, Failures: n % 3,
			Message: hostile, Counts: map[string]int64{syncer.Added: int64(n), syncer.Updated: 3, syncer.Withdrawn: 1}}, now))
	}
	l := ledger.New(now, []providers.Sync{point.Sync})
	l.Journal(state.Exception{Sync: point.Addr, Key: "permission", Type: state.Message, Kind: "permission", Message: hostile, FirstSeen: now, LastSeen: now, Attempts: 2})
	l.Journal(state.Exception{Sync: point.Addr, Part: "slide", Key: "000000000004", Title: hostile, Kind: "exception", Message: hostile, FirstSeen: now, LastSeen: now, Attempts: 2, Ack: &state.Ack{Owner: hostile}})
	d := &pageData{Verdict: "2 items cannot be synced", At: when{now, now}, Serial: 7, May: true, Points: []pagePoint{viewPoint(point, now)}, Runs: runs, Chart: chartOf(runs),
		Drift: []pageDrift{{Addr: point.Addr.String(), What: []string{"status: active → " + hostile}}}, Looked: when{now, now}, Vaults: viewVaults(watch.Status{Points: []watch.Point{point}}, []pagePoint{viewPoint(point, now)}, now)}
	for _, e := range l.Entries() {
		v := viewException(e, "modules/vaults/main.hcl:79", now)
		v.Can = true
		d.Failed = append(d.Failed, v)
	}
	s := &server{cli: &cli{}, log: (&cli{stderr: io.Discard}).serveLog()}
	nonce := regexp.MustCompile(`<script nonce="([^"]+)"`)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := httptest.NewRecorder()
		s.render(out, "page", d)
		for name, values := range out.Header() {
			w.Header()[name] = values
		}
		page := out.Body.String()
		ruler := `<script nonce="` + nonce.FindStringSubmatch(page)[1] + `">
			const at = id => { const r = document.querySelector(id).getBoundingClientRect(); return Math.ceil(r.right); };
			document.documentElement.style.width = "390px"; // a window without a screen is at least 500 wide
			document.documentElement.dataset.ruler = [innerWidth, document.documentElement.scrollWidth, at("#points"), at("#exceptions"), at("#drift"), at("svg"), document.querySelectorAll("#exceptions button").length].join(" ");
		</script></body>`
		_, _ = io.WriteString(w, strings.Replace(page, "</body>", ruler, 1))
	}))
	defer web.Close()
	dom, log := dump(t, browser, web.URL+"/", "--window-size=390,844", "--force-device-scale-factor=1")
	found := regexp.MustCompile(`data-ruler="([^"]*)"`).FindStringSubmatch(dom)
	if found == nil {
		t.Fatalf("the page was not measured\n%s\n%.3000s", log, dom)
	}
	t.Logf("inner width, scroll width, right edges of points, exceptions, drift, chart; buttons: %s", found[1])
	var inner, scroll, points, exceptions, drift, chart, buttons int
	if _, err := fmt.Sscan(found[1], &inner, &scroll, &points, &exceptions, &drift, &chart, &buttons); err != nil {
		t.Fatal(err)
	}
	if inner > 500 {
		t.Errorf("that is no phone: %d wide", inner)
	}
	if scroll > inner {
		t.Errorf("the page is %d wide, the window %d", scroll, inner)
	}
	for what, right := range map[string]int{"the points": points, "the exceptions": exceptions, "drift": drift, "the chart": chart} {
		if right > 390 || right < 300 {
			t.Errorf("%s ends at %d, the screen at 390", what, right)
		}
	}
	if buttons != 2 {
		t.Errorf("%d of 2 exceptions can be reprocessed", buttons)
	}
	if !strings.Contains(dom, "<title>2 items cannot be synced · accord</title>") || strings.Contains(dom, "<img") {
		t.Errorf("a title did something:\n%.2000s", dom)
	}
	// Times are told where the browser is; it ran our script.
	for _, want := range []string{"Last run", "Next full run", "<rect", "Full run", "General error", "modules/vaults/main.hcl:79", ` UTC">`} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(log, "Content Security Policy") || strings.Contains(log, "Refused to") {
		t.Errorf("the policy stopped something:\n%s", log)
	}
}

// eventually waits until CRM vaults, or all of them, hold what they should.
func (s *story) eventually(t *testing.T, crms ...*crmConfig) {
	t.Helper()
	if len(crms) == 0 {
		crms = s.crms
	}
	deadline := time.Now().Add(patience)
	for {
		library, diff := s.library(), ""
		for _, c := range crms {
			now := s.published(c)
			diff += cmp.Diff(text(library.expected(s.world, c, now)), text(now))
		}
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			s.fail("not there after %s (-the rules +the vault)\n%s", patience, diff)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// served is a page with a status of its own making.
func served(t *testing.T, token string, open bool) *httptest.Server {
	t.Helper()
	s := &server{cli: &cli{stdout: io.Discard, stderr: io.Discard}, token: token, open: open, started: time.Now(), log: (&cli{stderr: io.Discard}).serveLog()}
	s.tries(errNothing)
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
		Decision: syncer.Decision{Mode: syncer.Incremental}, Trouble: hostile, Failing: 1, Totals: watch.Totals{Runs: map[syncer.Status]int{syncer.Failed: 2}},
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

// What is broken stands first on the page, and what is well is folded away.
func TestServePageBrokenFirst(t *testing.T) {
	t.Parallel()
	now := time.Now()
	st := watch.Status{Known: true, Beat: now, Interval: time.Second}
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		crm := addrs.NewKeyed("vault", "crm", key)
		p := watch.Point{Addr: addrs.NewKeyed("integration_point", "clm", key), Decision: syncer.Decision{Mode: syncer.Incremental},
			Sync: providers.Sync{Source: providers.End{Instance: addrs.New("vault", "promomats")}, Target: providers.End{Instance: crm}}}
		v := watch.Vault{Addr: crm, Answered: now}
		switch key {
		case "b":
			p.Waits, p.Until = syncer.AfterEdit, now.Add(4*time.Minute)
		case "d":
			p.Memory.Failures = 2
		case "e":
			p.Failing, p.Trouble = 3, "it does not answer"
			v.Err, v.Silent = fmt.Errorf("connection refused"), true
		case "f":
			p.Running = true
		}
		st.Points, st.Vaults = append(st.Points, p), append(st.Vaults, v)
	}
	d := viewStatus(st, now)
	if d.Verdict != "1 of 6 points cannot run" || !d.Bad {
		t.Errorf("the verdict: %q", d.Verdict)
	}
	order := func(list []pagePoint) (keys string) {
		for _, p := range list {
			keys += strings.Split(p.Addr, `"`)[1]
		}
		return keys
	}
	if busy, calm := order(d.Busy()), order(d.Calm()); busy != "edbf" || calm != "ac" {
		t.Errorf("in need of somebody %q, well %q", busy, calm)
	}
	if missed := d.Missed(); len(missed) != 1 || missed[0].To != `vault.crm["e"]` || missed[0].State != "silent" || missed[0].Why != "connection refused" {
		t.Errorf("the vaults that do not answer: %+v", missed)
	}
	if !strings.Contains(d.Points[1].Words, "2 items") {
		t.Errorf("a point with exceptions says %q", d.Points[1].Words)
	}
}

// What waits for the first apply, or for its state to be reached, comes round: a start
// anew would not help, and it is said what is waited for.
func TestServeWaitsAlive(t *testing.T) {
	t.Parallel()
	s := &server{started: time.Now().Add(-time.Hour)}
	s.tries(errNothing)
	st := s.status()
	if why := st.Alive(time.Now()); why != "" {
		t.Errorf("it is not alive: %s", why)
	}
	if why := st.Healthy(time.Now()); why != errNothing.Error() {
		t.Errorf("it is unhealthy, since %q", why)
	}
	if st.Alive(time.Now().Add(time.Hour)) == "" {
		t.Error("it is alive, and has tried nothing for an hour")
	}
	web := served(t, "", false)
	resp, err := http.Get(web.URL + "/status.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); strings.Contains(string(body), "null") {
		t.Errorf("a list of nothing is none: %s", body)
	}
}

// CTRY-7: who waits for the delay after an edited filter is not up to date, whether
// or not what changes meanwhile is brought over.
func TestDelayOnThePage(t *testing.T) {
	t.Parallel()
	now := time.Now()
	table := addrs.New("integration_point", "country")
	start := now.Add(3 * time.Minute)
	full := syncer.Decision{Mode: syncer.Full, Reasons: []syncer.Reason{syncer.FilterEdited}, EarliestStart: start}
	routed := providers.Sync{Route: providers.Route{Table: &table}}
	meanwhile, ok := syncer.Meanwhile(routed, state.Memory{}, full, now)
	d := viewStatus(watch.Status{Known: true, Beat: now, Interval: time.Second, Points: []watch.Point{
		{Addr: table, Decision: full, Waits: syncer.AfterEdit, Until: start},
		{Addr: addrs.New("integration_point", "clm"), Sync: routed, Decision: meanwhile},
	}}, now)
	if !ok || d.Verdict != "2 points wait" {
		t.Errorf("the verdict: %q", d.Verdict)
	}
	for _, p := range d.Points {
		if p.State != "waiting" || p.Words != syncer.AfterEdit+", in 3 min" {
			t.Errorf("%s is %s: %q", p.Addr, p.State, p.Words)
		}
	}
}

// A point that cannot be read cannot run.
func TestUnreadPointFails(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clm := addrs.New("integration_point", "clm")
	why := errors.New("connection refused")
	d := viewStatus(watch.Status{Known: true, Beat: now, Interval: time.Second, Unread: []watch.Unread{{Addr: clm, Err: why}},
		Points: []watch.Point{{Addr: clm, Decision: syncer.Decision{Mode: syncer.Incremental}, Waits: "it cannot be read: connection refused"}}}, now)
	if d.Verdict != "1 of 1 point cannot run" || !d.Bad || d.Points[0].State != "failing" {
		t.Errorf("%q, %+v", d.Verdict, d.Points)
	}
}

// A point that is off is not said to be up to date.
func TestVerdictOfWhatIsOff(t *testing.T) {
	t.Parallel()
	now := time.Now()
	off := watch.Point{Addr: addrs.New("integration_point", "clm"), Waits: "the point is inactive"}
	on := watch.Point{Addr: addrs.New("integration_point", "country"), Decision: syncer.Decision{Mode: syncer.Incremental}}
	for want, points := range map[string][]watch.Point{"No point is active": {off}, "All active points are up to date": {off, on}, "All points are up to date": {on}} {
		if d := viewStatus(watch.Status{Known: true, Beat: now, Interval: time.Second, Points: points}, now); d.Verdict != want {
			t.Errorf("the verdict is %q, want %q", d.Verdict, want)
		}
	}
}

// Guessing the token takes time, however many guess at once.
func TestServeTokenIsNotGuessed(t *testing.T) {
	t.Parallel()
	web := served(t, "s3cret", true)
	began := time.Now()
	var guesses sync.WaitGroup
	var told sync.Map
	for n := range 64 {
		guesses.Go(func() {
			path, header := "/status.json", "Bearer "+fmt.Sprint(n)
			var resp *http.Response
			var err error
			if n%2 == 0 {
				r, _ := http.NewRequest("GET", web.URL+path, nil)
				r.Header.Set("Authorization", header)
				resp, err = http.DefaultClient.Do(r)
			} else {
				resp, err = http.PostForm(web.URL+"/login", url.Values{"token": {fmt.Sprint(n)}})
			}
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			told.Store(n, resp.StatusCode)
		})
	}
	guesses.Wait()
	heard := 0
	told.Range(func(_, status any) bool {
		if status == http.StatusUnauthorized {
			heard++
		} else if status != http.StatusTooManyRequests {
			t.Errorf("a guess is answered with %v", status)
		}
		return true
	})
	if most := guessesNow * (1 + int(time.Since(began)/guessTime)); heard == 0 || heard > most {
		t.Errorf("%d of 64 guesses were judged in %s, want at most %d", heard, time.Since(began), most)
	}
}

func TestServeRefusesToBeOpenWithoutAToken(t *testing.T) {
	s := &server{cli: &cli{}, opts: serveOptions{listen: "0.0.0.0:0"}, log: (&cli{stderr: io.Discard}).serveLog()}
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), serveToken) {
		t.Errorf("open to all: %v", err)
	}
	s.token = "s3cret"
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("open to all, with a short token: %v", err)
	}
	s.token = ""
	// A port that is taken is said so.
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	s.opts.listen = strings.TrimPrefix(taken.URL, "http://")
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
}

// CLM-9: a CRM vault that takes half a minute for every answer holds up no other:
// what an author changes is with these within 10 s at the default interval, also
// while what was applied is looked at again, and with the slow one in the end.
func TestServeBesideASlowVault(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	const answer = 30 * time.Second
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	serve := s.begin("serve", "-listen=off")
	s.until(serve, "it watches", func() bool { return strings.Contains(serve.out.String(), "watching") })

	slow, well := s.crms[0], make(chan struct{})
	heal := sync.OnceFunc(func() { close(well) })
	defer heal()
	s.answer(func(_ http.ResponseWriter, vault, _, _, _ string) bool {
		if vault == slow.vault() {
			select {
			case <-time.After(answer):
			case <-well:
			}
		}
		return false
	})
	var slowest time.Duration
	rounds := 0
	for begun := time.Now(); time.Since(begun) < 75*time.Second; rounds++ { // what was applied is looked at each minute
		s.rewrite(rounds + 1)
		began := time.Now()
		s.eventually(t, s.crms[1:]...)
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("slowest of %d rounds beside a slow vault: %s", rounds, slowest.Round(time.Millisecond))
	if slowest >= answer-5*time.Second { // 10 s on a machine that does nothing else
		t.Errorf("it waited for the slow vault: %s\n%s", slowest, serve.out.String())
	}
	_ = serve.cmd.Process.Kill() // and another one begins beside it
	serve.end()
	serve = s.begin("serve", "-listen=off")
	s.rewrite(rounds + 1)
	began := time.Now()
	s.eventually(t, s.crms[1:]...)
	t.Logf("the first round of another serve: %s", time.Since(began).Round(time.Millisecond))
	if time.Since(began) >= answer-5*time.Second {
		t.Errorf("it began with the slow vault:\n%s", serve.out.String())
	}
	heal()
	s.eventually(t)
	_ = serve.cmd.Process.Signal(os.Interrupt)
	if code := serve.end(); code != exitOK {
		t.Errorf("serve ended with %d:\n%s", code, serve.out.String())
	}
}

// INT-7, ERR-4: of a point that the platform's engine runs the page lists what its
// vault tells, and nothing that is settled there.
func TestServeListsWhatThePlatformTells(t *testing.T) {
	t.Parallel()
	theirs, ours := addrs.NewKeyed("integration_point", "clm", "us"), addrs.NewKeyed("integration_point", "clm", "ca")
	now := time.Now()
	l := ledger.New(now, []providers.Sync{{Addr: theirs, Engine: providers.EnginePlatform}, {Addr: ours, Engine: providers.EngineAccord}})
	for _, at := range []addrs.Instance{theirs, ours} {
		l.Journal(state.Exception{Sync: at, Key: "7", Title: "Met by a run", Kind: "exception"})
	}
	toldExceptions{theirs: {{ID: "V1T1", Key: "8", Title: "Told by the vault"}}}.add(l)
	var got []string
	for _, e := range l.Entries() {
		got = append(got, e.Point.Key+" "+e.Title)
	}
	if diff := cmp.Diff([]string{"ca Met by a run", "us Told by the vault"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// talker is a provider whose vaults tell of exceptions, but for one that never answers.
type talker struct {
	providers.Provider
	silent addrs.Instance
}

func (p talker) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		if req.End.Instance == p.silent {
			<-ctx.Done()
			yield(providers.Batch{}, ctx.Err())
			return
		}
		records := make([]providers.Record, pageFailures+1)
		for n := range records {
			records[n] = providers.Record{Part: providers.ExceptionItem, Key: fmt.Sprint(n), Fields: json.RawMessage(`{"title": "Fails"}`)}
		}
		yield(providers.Batch{Records: records, End: true}, nil)
	}
}

// INT-7, ERR-3: vaults are asked for what the platform tells side by side, for no more
// than the page shows; of one that does not answer what it told last is still known,
// and nobody waits for it longer than for other slow vaults.
func TestTellingsBesideASilentVault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		vault := func(key string) addrs.Instance { return addrs.NewKeyed("vault", "crm", key) }
		declared := &schema.Provider{Name: "talker", Streams: []schema.Stream{{Name: "exceptions"}}}
		engine, err := syncer.New(syncer.Options{WorkDir: dir, Provider: func(addrs.Instance) (providers.Provider, *schema.Provider) {
			return talker{silent: vault("b")}, declared
		}})
		if err != nil {
			t.Fatal(err)
		}
		s := &session{workspace: &workspace{planner: &planner.Planner{Syncer: engine}}}
		var syncs []providers.Sync
		for _, key := range []string{"a", "b", "c"} {
			syncs = append(syncs, providers.Sync{Addr: addrs.NewKeyed("integration_point", "clm", key), Engine: providers.EnginePlatform,
				Exceptions: &providers.End{Instance: vault(key), Stream: "exceptions"}})
		}
		syncs = append(syncs, providers.Sync{Addr: addrs.New("integration_point", "ours"), Engine: providers.EngineAccord})
		s.told.Store(&toldExceptions{syncs[1].Addr: {{Title: "Told before"}}})
		began := time.Now()
		told := *s.tellings(t.Context(), syncs)
		if took := time.Since(began); took != servePatience {
			t.Errorf("it took %s", took)
		}
		var got []string
		for _, of := range syncs {
			if list, ok := told[of.Addr]; ok {
				got = append(got, fmt.Sprintf("%s: %d, %s", of.Addr.Key, len(list), list[0].Title))
			}
		}
		all := fmt.Sprint(pageFailures)
		if diff := cmp.Diff([]string{"a: " + all + ", Fails", "b: 1, Told before", "c: " + all + ", Fails"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
