package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/providers/devvault"
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
		if code := p.stop(); code != exitOK {
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

// CTRY-8, RULE-5: what an apply has brought over by new filters and rules stays so while
// it is still about other vaults, though accord serve began with those from before.
func TestServeBesideAnApply(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	a, b := s.crms[0], s.crms[1]
	a.team, b.team = "plain", "plain"
	_, err := s.call("PUT", source, "objects/documents/"+s.world.document("one"), url.Values{"team__c": {"red"}})
	s.must(nil, err)
	s.done("apply", "-auto-approve")
	serve := s.serving("-listen=off", "-interval=200ms")
	defer serve.stop()

	for _, c := range s.crms[:2] {
		c.team, c.types = "values", []string{"slide__v"}
	}
	a.countries = []string{"Mexico"}
	writes := s.stall(b)
	defer writes.release()
	apply := s.begin("apply", "-auto-approve")
	now := func() string {
		team := s.query(a.vault(), "SELECT team__c FROM documents WHERE name__v = 'one'")
		return fmt.Sprintf("%v %v", s.presentationsOf(a), team[0]["team__c"])
	}
	const want = "[For Mexico] Red team"
	s.until(apply, "the apply has come to the first vault", func() bool { return now() == want })
	for until := time.Now().Add(40 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if got := now(); got != want {
			t.Fatalf("%s, and then %s\n%s", want, got, serve.out.String())
		}
	}
	writes.release()
	// Where serve came to the second vault first, the apply leaves that to it.
	if code := apply.end(); code != exitOK && code != exitLocked {
		t.Errorf("apply ended with %d:\n%s", code, apply.out.String())
	}
	s.eventually(t)
}

// INT-3, INT-4: a point that an apply has deactivated publishes nothing more, though that
// apply is still about another vault and the state has not moved yet.
func TestServeStopsWhatIsDeactivated(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	a, b := s.crms[0], s.crms[1]
	_, err := s.call("PUT", source, "objects/documents/"+s.world.document("one"), url.Values{"team__c": {"red"}})
	s.must(nil, err)
	s.done("apply", "-auto-approve")
	serve := s.serving("-listen=off", "-interval=200ms")
	defer serve.stop()
	a.clm, b.team = false, "plain"
	writes := s.stall(b)
	defer writes.release()
	apply := s.begin("apply", "-auto-approve")
	apply.comes(t, writes.came) // of the other vault: the first has been deactivated
	s.rewrite(1)
	before := s.documentsDump(a.vault())
	s.eventually(t, s.crms[2])
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if now := s.documentsDump(a.vault()); now != before {
			t.Fatalf("it was published to (-before +after)\n%s\n%s", cmp.Diff(lines(before), lines(now)), serve.out.String())
		}
	}
	writes.release()
	if code := apply.end(); code != exitOK {
		t.Errorf("apply ended with %d:\n%s", code, apply.out.String())
	}
	s.eventually(t, s.crms[1:]...)
}

// INT-4: whoever runs a point that an apply deactivates writes no further batch to it.
func TestApplyStopsTheRun(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	s.rewrite(1)
	a := s.crms[0]
	writes := s.stall(a)
	defer writes.release()
	run := s.begin("sync")
	run.comes(t, writes.came)
	a.clm = false
	s.done("apply", "-auto-approve")
	before := writes.begun.Load()
	writes.release()
	code := run.end()
	if text := run.out.String(); code == exitOK || !strings.Contains(text, "another process has taken the sync over, or stopped it") {
		t.Errorf("the run ended with %d:\n%s", code, text)
	}
	if after := writes.begun.Load(); after != before {
		t.Errorf("%d writes had begun before its point was deactivated, %d in all:\n%s", before, after, run.out.String())
	}
	a.clm = true
	s.done("apply", "-auto-approve")
	s.eventually(t)
}

// Files that somebody is editing, and that are wrong at the moment, keep serve from
// beginning anew, and do not end it.
func TestServeBesideWrongFiles(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	serve := s.serving("-listen=off", "-interval=200ms")
	s.must(nil, os.WriteFile(s.dir+"/main.hcl", []byte(`vault "promomats" {`), 0o600))
	for _, child := range childrenOf()[serve.cmd.Process.Pid] {
		p, err := os.FindProcess(child)
		s.must(nil, err)
		s.must(nil, p.Kill())
	}
	ended := make(chan *process, 1)
	go func() {
		serve.code = serve.end()
		ended <- serve
	}()
	s.until(serve, "it cannot begin anew", func() bool {
		_, after, told := strings.Cut(serve.out.String(), "main.hcl line 1")
		return told && (strings.Contains(after, "cannot run at the moment") || len(ended) > 0)
	})
	if len(ended) > 0 {
		t.Fatalf("serve ended with %d:\n%s", serve.code, serve.out.String())
	}
	s.configure()
	s.rewrite(1)
	s.eventually(t)
	_ = serve.cmd.Process.Signal(os.Interrupt)
	if <-ended; serve.code != exitOK {
		t.Errorf("serve ended with %d:\n%s", serve.code, serve.out.String())
	}
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
	defer serve.stop()
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

var pageAddress = regexp.MustCompile(`page=(http://[^/]+)/`)

// pageOf waits until a process serves its page and watches, and returns where.
func (s *story) pageOf(serve *process) (address string) {
	s.t.Helper()
	s.until(serve, "the page", func() bool {
		return pageAddress.MatchString(serve.out.String()) && strings.Contains(serve.out.String(), "watching")
	})
	return pageAddress.FindStringSubmatch(serve.out.String())[1]
}

// serving begins accord serve, and returns once it watches.
func (s *story) serving(args ...string) *process {
	s.t.Helper()
	p := s.begin(append([]string{"serve"}, args...)...)
	s.until(p, "it watches", func() bool { return strings.Contains(p.out.String(), "watching") })
	return p
}

// stop interrupts a process, and returns with which code it ended.
func (p *process) stop() int {
	_ = p.cmd.Process.Signal(os.Interrupt)
	return p.end()
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
