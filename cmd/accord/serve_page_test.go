package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"accord/lang/addrs"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

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
		Sync:     providers.Sync{Title: hostile, Active: true, LRT: now.Add(-time.Minute), LSRT: now.Add(-time.Hour), Source: providers.End{Instance: addrs.New("vault", "promomats")}, Target: providers.End{Instance: crm}},
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
		v := viewException(e, point.Sync, "modules/vaults/main.hcl:79", now)
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

// Of webhooks that have one name, since they are of one host, the runs are counted
// together.
func TestServeCountsUntoldRuns(t *testing.T) {
	t.Parallel()
	s := &server{cli: &cli{}, log: (&cli{stderr: io.Discard}).serveLog()}
	s.tries(errNothing)
	for place, of := range map[string]untoldRuns{"webhook 1": {"hooks.example.com", 40}, "webhook 2": {"hooks.example.com", 2}, "webhook 3": {"webhook TEAM", 0}} {
		s.untold.Store(place, of)
	}
	r := httptest.NewRecorder()
	s.metrics(r, nil)
	want := "accord_untold_runs{webhook=\"hooks.example.com\"} 42\naccord_untold_runs{webhook=\"webhook TEAM\"} 0\n"
	if got := r.Body.String(); !strings.Contains(got, want) {
		t.Errorf("%s", got)
	}
}

// ERR-2, INT-3: the page offers no run and no reprocessing after which nothing happens.
func TestPageOffersWhatIsDone(t *testing.T) {
	t.Parallel()
	now := time.Now()
	addr := addrs.New("integration_point", "clm")
	for name, c := range map[string]struct {
		sync            providers.Sync
		item, run, full bool
	}{
		"active":         {providers.Sync{Active: true, Engine: providers.EngineAccord}, true, true, true},
		"inactive":       {providers.Sync{Engine: providers.EngineAccord, Idle: "the point is inactive"}, false, false, false},
		"the platform's": {providers.Sync{Active: true, Engine: providers.EnginePlatform}, false, false, true},
		"never read":     {},
	} {
		c.sync.Addr = addr
		v := viewPoint(watch.Point{Addr: addr, Sync: c.sync}, now)
		if v.Run != c.run || v.Full != c.full {
			t.Errorf("%s: run %v, in full %v", name, v.Run, v.Full)
		}
		for typ, want := range map[string]bool{ledger.Item: c.item, ledger.Kept: false, ledger.Message: true} {
			if got := viewException(&ledger.Entry{Type: typ, Point: addr}, c.sync, "", now).Can; got != want {
				t.Errorf("%s: an exception of type %s can be reprocessed: %v", name, typ, got)
			}
		}
	}
}

// lostJournal is one whose database is away.
type lostJournal struct{ state.NoJournal }

func (lostJournal) Runs(context.Context, addrs.Instance, int) ([]state.Run, error) {
	return nil, errors.New("the database is away")
}

// Where the journal cannot be read the page shows all else, and says so: not that
// nothing ran, or that nothing fails.
func TestServePageWithoutTheJournal(t *testing.T) {
	t.Parallel()
	s := &server{cli: &cli{}, log: (&cli{stderr: io.Discard}).serveLog()}
	s.now.Store(&session{server: s, workspace: &workspace{journal: lostJournal{}}, watch: watch.New(watch.Options{Now: time.Now})})
	web := httptest.NewServer(s.handler())
	defer web.Close()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get(web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	code, body := get("/")
	if code != 200 || strings.Count(body, "They cannot be read: the database is away") != 2 || !strings.Contains(body, "<h2>Drift</h2>") {
		t.Errorf("%d\n%s", code, body)
	}
	if code, body := get("/status.json"); code != 500 || !strings.Contains(body, "the database is away") {
		t.Errorf("for programs: %d %s", code, body)
	}
}

// hungJournal is one whose database does not answer.
type hungJournal struct{ state.NoJournal }

func (hungJournal) Runs(ctx context.Context, _ addrs.Instance, _ int) ([]state.Run, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Nor does the page wait for a journal for longer than a browser waits for the page.
func TestServePageBesideAHungJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{cli: &cli{}, log: (&cli{stderr: io.Discard}).serveLog()}
		s.now.Store(&session{server: s, workspace: &workspace{journal: hungJournal{}}, watch: watch.New(watch.Options{Now: time.Now})})
		began := time.Now()
		r := httptest.NewRecorder()
		s.page(r, httptest.NewRequest("GET", "/", nil))
		if took := time.Since(began); took != pagePatience || !strings.Contains(r.Body.String(), "They cannot be read") {
			t.Errorf("after %s: %s", took, r.Body)
		}
	})
}

// quietJournal is one in which nothing has happened.
type quietJournal struct{ state.NoJournal }

func (quietJournal) Runs(context.Context, addrs.Instance, int) ([]state.Run, error) { return nil, nil }

func (quietJournal) Exceptions(context.Context, addrs.Instance) iter.Seq2[state.Exception, error] {
	return func(func(state.Exception, error) bool) {}
}

// INT-7: however many vaults tell of exceptions, the page lists the first, and counts
// the others.
func TestServePageOfManyExceptions(t *testing.T) {
	t.Parallel()
	s := &server{cli: &cli{}, log: (&cli{stderr: io.Discard}).serveLog()}
	on := &session{server: s, workspace: &workspace{journal: quietJournal{}}, watch: watch.New(watch.Options{Now: time.Now})}
	told := toldExceptions{}
	for _, key := range []string{"a", "b", "c"} {
		for n := range pageFailures {
			told[addrs.NewKeyed("integration_point", "clm", key)] = append(told[addrs.NewKeyed("integration_point", "clm", key)], providers.Exception{ID: fmt.Sprint(n), Key: fmt.Sprint(n), Title: "Fails"})
		}
	}
	on.told.Store(&told)
	s.now.Store(on)
	d, err := s.pageData(t.Context(), time.Now())
	if err != nil || len(d.Failed) != pageFailures || d.More != 2*pageFailures {
		t.Errorf("%v: %d exceptions, and %d more", err, len(d.Failed), d.More)
	}
}

// manyItems is a journal of many items that fail, and of one general error that comes
// after all of them.
type manyItems struct{ quietJournal }

func (manyItems) Exceptions(context.Context, addrs.Instance) iter.Seq2[state.Exception, error] {
	return func(yield func(state.Exception, error) bool) {
		for n := range 3 * pageFailures {
			if !yield(state.Exception{Sync: addrs.NewKeyed("integration_point", "clm", "a"), Part: "slide", Key: fmt.Sprint(n), Kind: "invalid"}, nil) {
				return
			}
		}
		yield(state.Exception{Sync: addrs.NewKeyed("integration_point", "clm", "b"), Type: state.Message, Key: "permission", Kind: "permission"}, nil)
	}
}

// ERR-1: a general error is on the page however many items fail elsewhere.
func TestServePageShowsGeneralErrors(t *testing.T) {
	t.Parallel()
	s := &server{cli: &cli{}, log: (&cli{stderr: io.Discard}).serveLog()}
	on := &session{server: s, workspace: &workspace{journal: manyItems{}}, watch: watch.New(watch.Options{Now: time.Now})}
	nowhere := func(addrs.Instance) string { return "" }
	on.lines.Store(&nowhere)
	s.now.Store(on)
	d, err := s.pageData(t.Context(), time.Now())
	if err != nil || len(d.Failed) != pageFailures || !d.Failed[0].General || d.More != 2*pageFailures+1 {
		t.Errorf("%v: %d exceptions, and %d more; first %+v", err, len(d.Failed), d.More, d.Failed[0])
	}
}

// A page that is open says so when nobody keeps it up to date any more: when serve does
// not answer, when it cannot tell, and it logs in anew when it has to.
func TestOpenPageSaysThatItIsOld(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser, without -short only")
	}
	t.Parallel()
	browser := chromium(t)
	for want, later := range map[string]http.HandlerFunc{
		"accord serve cannot show how things stand": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"accord serve does not answer":              func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"Log in":                                    func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusSeeOther) },
	} {
		s := &server{cli: &cli{}, token: "s3cret", log: (&cli{stderr: io.Discard}).serveLog()}
		s.tries(errNothing)
		var shown atomic.Bool
		own := s.handler()
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" && shown.Swap(true) {
				later(w, r)
				return
			}
			own.ServeHTTP(w, r)
		}))
		dom, log := dump(t, browser, web.URL+"/", "--virtual-time-budget=8000")
		web.Close()
		title := regexp.MustCompile(`<title>([^<]*)</title>`).FindStringSubmatch(dom)
		if title == nil || !strings.HasPrefix(title[1], want) {
			t.Errorf("%s: the page is called %q\n%s", want, title, log)
		}
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
