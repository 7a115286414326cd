package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/planner"
	"accord/planner/syncer"
	"accord/providers/devvault"
	"accord/state"
)

// process is a real accord, with its provider in a process of its own.
type process struct {
	cmd  *exec.Cmd
	out  transcript
	code int             // once over says so
	over <-chan *process // of those that are waited for elsewhere
}

// transcript is what a process prints, to be read at any time.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// configure writes the configuration, where it is not there as it is: another
// tool may be reading it.
func (w *world) configure() {
	w.t.Helper()
	file := w.dir + "/main.hcl"
	if have, err := os.ReadFile(file); err == nil && string(have) == w.hcl() {
		return
	}
	if err := os.WriteFile(file, []byte(w.hcl()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) begin(args ...string) *process {
	w.t.Helper()
	w.configure()
	path, err := exec.LookPath("accord") // the test binary, see TestMain
	if err != nil {
		w.t.Fatal(err)
	}
	p := &process{cmd: exec.Command(path, append([]string{"-chdir=" + w.dir}, args...)...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.Env = append(append(os.Environ(), "NO_COLOR=1", "FAILPOINT="+w.failAt), w.env...)
	p.cmd.WaitDelay = 5 * time.Second // a provider that outlives its tool holds the pipes
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// end waits, and returns the exit code; -1: it was killed.
func (p *process) end() int {
	_ = p.cmd.Wait() // what is wrong with it beyond its code is that a provider outlives it
	return p.cmd.ProcessState.ExitCode()
}

// done runs it until nothing is left to do, and returns how often that took.
func (s *story) done(args ...string) int {
	s.t.Helper()
	for n := 1; n <= 5; n++ {
		p := s.begin(args...)
		switch code := p.end(); code {
		case exitOK, exitRecords:
			return n
		default:
			s.t.Logf("%d calls", s.count)
			s.note("%v ended with %d:\n%s", args, code, p.out.String())
		}
	}
	s.fail("%v does not come to an end", args)
	return 0
}

// killed runs it and kills it at a call. It reports whether there were so many.
func (s *story) killed(at int, answered bool, args ...string) bool {
	s.t.Helper()
	started := make(chan *process, 1)
	struck := make(chan struct{})
	s.meet(func(call int) {
		if call != at {
			return
		}
		p := <-started
		close(struck)
		_ = p.cmd.Process.Kill() // SIGKILL
		if !answered {
			panic(http.ErrAbortHandler) // the server never saw the call
		}
	})
	p := s.begin(args...)
	started <- p
	code := p.end()
	s.meet(nil)
	select {
	case <-struck:
		s.note("%v was killed at call %d (answered %v)", args, at, answered)
		return true
	default:
		if code != exitOK && code != exitRecords {
			s.fail("%v ended with %d:\n%s", args, code, p.out.String())
		}
		return false
	}
}

// Killed at any call, in apply or in sync, and run again, the tool converges:
// what is published is what the rules say, nothing is doubled, nothing is
// lost, and the state can be read.
func TestKilled(t *testing.T) {
	t.Parallel()
	cases, first := seeds(t, howMany(1, 2, 60))
	rounds := 2
	if long() {
		rounds = 10
	}
	var total tally
	for n := range cases {
		seed := first + uint64(n)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			s := newStory(t, seed, &total, 4)
			s.clock.run()
			moments := rand.New(rand.NewPCG(seed, 11))
			for n := range rounds {
				args := []string{"apply", "-auto-approve"}
				if n > 0 {
					for range 4 {
						s.change()
					}
					if moments.IntN(2) == 0 {
						args = []string{"sync"}
					} else {
						for _, c := range s.crms {
							c.countries = someOf(s.r, labels, 1+s.r.IntN(3))
							c.clm = true
						}
					}
				}
				s.settle()
				before := s.look()
				// Half of the moments are among the writes, at the end.
				at := 1 + moments.IntN(60)
				if n == 0 || moments.IntN(2) == 0 {
					at = 60 + moments.IntN(200)
				}
				for s.killed(at, moments.IntN(2) == 0, args...) {
					total.runs.Add(1)
					at = 30 + moments.IntN(300)
					if moments.IntN(2) == 0 {
						break
					}
				}
				s.done(args...)
				if args[0] == "apply" {
					s.done("sync") // what had changed beside what was applied
				}
				s.converged(before)
			}
		})
	}
	t.Cleanup(func() { t.Logf("%d kills", total.runs.Load()) })
}

// sourceVersion is what a CRM vault itself notes of a CrossLink: which version
// its source has by now.
var sourceVersion = regexp.MustCompile(`"latest_source_(major|minor)_version__v":\d+,?`)

// converged checks that the vaults hold what they should, and that nothing is
// left begun.
func (s *story) converged(b before) {
	s.t.Helper()
	library := s.library()
	for _, c := range s.crms {
		if c.country {
			if diff := cmp.Diff(library.connected(c), s.countries(c)); diff != "" {
				s.fail("CTRY-2 %s: Connection Country records (-want +got)\n%s", c.key, diff)
			}
		}
		for _, m := range c.models() {
			now := s.published(m)
			if diff := cmp.Diff(text(library.expected(s.world, m, b.items[m.look()])), text(now)); diff != "" {
				s.fail("%s: its content (-the rules +the vault)\n%s", m.look(), diff)
			}
			for at, was := range b.items[m.look()] {
				if now[at].ID != was.ID {
					s.fail("%s: %v was item %s and is %s", m.look(), at, was.ID, now[at].ID)
				}
			}
		}
		foreign := func(list []string) (others []string) {
			for _, line := range list {
				if strings.HasPrefix(line, `{"version"`) && !strings.Contains(line, "accord:promomats") {
					others = append(others, sourceVersion.ReplaceAllString(line, ""))
				}
			}
			return others
		}
		if diff := cmp.Diff(foreign(b.dumps[c.key]), foreign(lines(s.documentsDump(c.vault())))); diff != "" {
			s.fail("%s: what is not ours was touched (-before +after)\n%s", c.key, diff)
		}
	}
	x := s.start(context.Background(), "look")
	defer x.Close()
	st, err := x.store.Read(context.Background())
	if err != nil {
		s.fail("the state cannot be read: %v", err)
	}
	if len(st.Open) > 0 {
		s.fail("begun and not ended: %+v", st.Open)
	}
	for _, c := range s.crms {
		for _, point := range []string{"clm_country", "clm_presentation"} {
			open, err := x.journal.Open(context.Background(), c.point(point))
			if err != nil || len(open) > 0 {
				s.fail("%s: batches begun and not ended: %+v %v", c.point(point), open, err)
			}
			memory, err := state.MemoryOf(context.Background(), x.journal, c.point(point))
			if err != nil || len(memory.Owed) > 0 {
				s.fail("%s: owed: %v %v", c.point(point), memory.Owed, err)
			}
		}
	}
}

// troubles are what can befall a write: late, refused for haste, cut off,
// without a session, or done but reported as failed.
var troubles = []string{"delay", "throttle", "cut", "expired", "http_after", "cut_after", "failure_after"}

// Whatever befalls the writes of a run, one in five or one in twenty: the next
// runs leave what the rules say, the same content as without, nothing doubled.
func TestFaults(t *testing.T) {
	t.Parallel()
	kinds := []string{"all"}
	switch {
	case long():
		kinds = append(kinds, troubles...)
	case !testing.Short():
		kinds = append(kinds, "http_after", "cut_after", "failure_after")
	}
	each, first := seeds(t, howMany(1, 1, 30))
	var met, cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases, %d writes met a fault", cases.Load(), met.Load()) })
	for _, rate := range []float64{0.05, 0.2} {
		for _, kind := range kinds {
			for n := range each {
				seed := first + uint64(n)
				t.Run(fmt.Sprintf("%s, %v, seed=%d", kind, rate, seed), func(t *testing.T) {
					t.Parallel()
					s := newStory(t, seed, new(tally), 2)
					s.settle()
					before := s.look()
					// trouble begins or ends, and says how many calls it met.
					trouble := func(begin bool) (struck int) {
						for _, f := range s.server.Faults() {
							struck += f.Times
						}
						s.server.ClearFaults()
						befall := []string{kind}
						if kind == "all" {
							befall = troubles
						}
						fault := func(vault, method, route string) {
							for _, kind := range befall {
								if _, err := s.server.AddFault(devvault.Fault{Vault: vault, Method: method, Route: route, Kind: kind,
									Rate: rate / float64(len(befall)), Seed: seed + uint64(len(s.server.Faults())), DelayMS: 5}); err != nil {
									t.Fatal(err)
								}
							}
						}
						if !begin {
							return struck
						}
						for _, c := range s.crms {
							for _, route := range []string{"objects/documents", "objects/binders", "objects/documents/*", "objects/binders/*", "vobjects/{object}"} {
								for _, method := range []string{"POST", "PUT", "DELETE"} {
									fault(c.vault(), method, route)
								}
							}
						}
						fault(source, "POST", "vobjects/{object}") // Connection Country records
						fault(source, "DELETE", "vobjects/{object}")
						return struck
					}
					trouble(true)
					for range 3 {
						_, report, err := s.world.apply(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						s.note("apply: %v failed, %d skipped", report.Failed, len(report.Skipped))
						s.clock.pass(time.Minute)
					}
					struck := trouble(false)
					s.applyToEnd()
					s.clock.pass(time.Minute)
					s.syncToEnd()
					s.converged(before)

					for range 12 {
						s.change()
					}
					s.pass()
					before = s.look()
					trouble(true)
					for range 3 {
						s.clock.pass(time.Minute)
						_, outcomes, err := s.runs(t.Context(), false, false)
						if err != nil {
							t.Fatal(err)
						}
						for _, o := range outcomes {
							s.note("%s %s %s %+v failed %d %v", o.Addr, o.Decision.Mode, o.Status, o.Done, o.Failed, o.Err)
						}
					}
					struck += trouble(false)
					s.clock.pass(time.Minute)
					s.syncToEnd()
					s.converged(before)
					cases.Add(1)
					met.Add(int64(struck))
					if struck == 0 && rate > 0.1 {
						t.Error("no call met a fault: the case proves nothing")
					}
				})
			}
		}
	}
}

// ERR-4: whatever befalls the writes of exceptions alone, one in five or one in
// twenty: the content is what the rules say, and once the trouble is over each
// item that fails is told of once, and none that does not.
func TestFaultsOfExceptions(t *testing.T) {
	t.Parallel()
	cases := howMany(1, 4, 60)
	var met, told atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for n := range cases {
			seed, rate := uint64(n+1), []float64{0.2, 0.05}[n%2]
			t.Run(fmt.Sprintf("%v, seed=%d", rate, seed), func(t *testing.T) {
				t.Parallel()
				s := newStory(t, seed, new(tally), 2)
				s.settle()
				struck, times := 0, 0
				trouble := func(begin bool) {
					for _, f := range s.server.Faults() {
						struck += f.Times
					}
					s.server.ClearFaults()
					if !begin {
						return
					}
					times++
					for _, c := range s.crms {
						if _, err := s.server.AddFault(devvault.Fault{Vault: c.vault(), Method: "POST", Route: "vobjects/*exception_*", Kind: troubles[times%len(troubles)], Count: 1, DelayMS: 5}); err != nil { // the first in any case
							t.Fatal(err)
						}
						for _, object := range []string{"*exception_message__*", "*exception_item__*"} {
							for _, method := range []string{"POST", "PUT"} {
								for _, kind := range troubles {
									if _, err := s.server.AddFault(devvault.Fault{Vault: c.vault(), Method: method, Route: "vobjects/" + object, Kind: kind,
										Rate: rate / float64(len(troubles)), Seed: seed + uint64(len(s.server.Faults())), DelayMS: 5}); err != nil {
										t.Fatal(err)
									}
								}
							}
						}
					}
				}
				before := s.look()
				trouble(true)
				for range 2 {
					if _, _, err := s.world.apply(t.Context()); err != nil {
						t.Fatal(err)
					}
					s.clock.pass(time.Minute)
				}
				trouble(false)
				s.applyToEnd()
				s.converged(before)
				for range 4 {
					for range 4 {
						s.change()
					}
					s.clock.pass(time.Minute)
					before = s.look()
					trouble(true)
					for range 2 {
						_, outcomes, err := s.runs(t.Context(), false, false)
						if err != nil {
							t.Fatal(err)
						}
						for _, o := range outcomes {
							s.note("%s %s %s failed %d %v", o.Addr, o.Decision.Mode, o.Status, o.Failed, o.Err)
						}
						s.clock.pass(time.Minute)
					}
					trouble(false)
					s.syncToEnd()
					s.converged(before)
					told.Add(int64(s.toldOnce()))
				}
				met.Add(int64(struck))
			})
		}
	})
	t.Logf("%d cases, %d writes of exceptions met a fault, %d items told of", cases, met.Load(), told.Load())
	if (met.Load() == 0 || told.Load() == 0) && !t.Failed() {
		t.Error("it proves nothing")
	}
}

// toldOnce holds the open items in the CRM vaults against what fails by the
// journal, and returns how many there are.
func (s *story) toldOnce() (items int) {
	s.t.Helper()
	x := s.start(context.Background(), "look")
	defer x.Close()
	for _, c := range s.crms {
		told := map[string]int{}
		for _, r := range s.query(c.vault(), "SELECT item__sys, exception_message__sysr.message_processor__sys FROM exception_item__sys WHERE status__v = 'active__v' AND exception_message__sysr.status__v = 'active__v'") {
			told[fmt.Sprint(r["exception_message__sysr.message_processor__sys"], " ", r["item__sys"])]++
		}
		fails := map[string]int{}
		for _, m := range c.models() {
			for f, err := range x.journal.Exceptions(context.Background(), m.content()) {
				if err != nil {
					s.fail("%v", err)
				}
				if f.Type == state.Kept {
					continue // it does not fail
				}
				point := map[bool]string{false: "promomats_crm_clm_presentation__v", true: "promomats_crm_clm_object_model__v"}[m.asObjects]
				fails[fmt.Sprintf("accord:%s:%d:items %s", point, s.world.ids[source], strings.TrimLeft(f.Key, "0"))]++
				items++
			}
		}
		if diff := cmp.Diff(fails, told); diff != "" {
			s.fail("%s: exception items (-the journal +the vault)\n%s", c.key, diff)
		}
	}
	return items
}

// syncToEnd runs what is due, and wants it to come to its end.
func (s *story) syncToEnd() {
	s.t.Helper()
	_, outcomes, err := s.runs(s.t.Context(), false, false)
	if err != nil {
		s.fail("%v", err)
	}
	for _, o := range outcomes {
		if o.Err != nil || o.Status != syncer.Clean && o.Status != syncer.Faulty {
			s.fail("%s: %s %v", o.Addr, o.Status, o.Err)
		}
	}
}

// applyToEnd applies, and wants every step done.
func (s *story) applyToEnd() {
	s.t.Helper()
	p, report, err := s.world.apply(s.t.Context())
	if err != nil || len(p.Refusals)+len(report.Skipped) > 0 {
		s.fail("apply: %v, refused %v, skipped %v", err, p.Refusals, report.Skipped)
	}
	for _, f := range report.Failed {
		var items *planner.ItemsFailed
		if !errors.As(f.Err, &items) {
			s.fail("%v: %v", f.Ref, f.Err)
		}
	}
}
