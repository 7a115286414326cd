package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// stage is a world of fakes: a clock that a test moves, a journal of one
// memory a point, and a runner that notes what it is given.
type stage struct {
	*Watch
	t  *testing.T
	mu *sync.Mutex

	clock    time.Time
	serial   uint64
	applied  Applied
	lookErr  error
	looks    int
	memories map[addrs.Instance]state.Memory
	changes  map[string][]uint64 // by source
	peeks    []string
	peekErr  error
	runs     [][]string // each call: the addresses that run
	tables   [][]string // and those that were merely routed by
	end      func(syncer.Task) syncer.Outcome
	hold     chan struct{}            // where set, runs wait for it
	slow     map[string]chan struct{} // points, and sources, that wait for one
	slowLook chan struct{}
	events   []Event
}

func newStage(t *testing.T, syncs ...providers.Sync) *stage {
	s := &stage{t: t, mu: &sync.Mutex{}, clock: noon, serial: 1, memories: map[addrs.Instance]state.Memory{}, changes: map[string][]uint64{}}
	s.applied = Applied{Serial: 1, Syncs: syncs}
	for _, x := range syncs {
		s.memories[x.Addr] = ranAt(noon.Add(-time.Minute))
	}
	s.Watch = New(Options{
		Look: func(context.Context) (Applied, error) {
			s.mu.Lock()
			s.looks++
			s.mu.Unlock()
			if s.slowLook != nil {
				<-s.slowLook
			}
			a := s.applied
			a.Serial = s.serial
			return a, s.lookErr
		},
		Serial: func(context.Context) (uint64, error) { return s.serial, nil },
		Memories: func(_ context.Context, syncs []addrs.Instance) (list []state.Memory, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, x := range syncs {
				list = append(list, s.memories[x])
			}
			return list, nil
		},
		Runner: s, Interval: 5 * time.Second, Patience: time.Second, Now: s.now,
		Sleep:  func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() },
		Events: func(e Event) { s.mu.Lock(); s.events = append(s.events, e); s.mu.Unlock() },
	})
	return s
}

func ranAt(t time.Time) state.Memory {
	return state.Memory{Horizon: t, LastStart: t, LastSuccess: t, Inputs: map[string]string{"syncer_routes": "*"}, Last: &state.Run{Started: t, Ended: t.Add(time.Second), Outcome: state.Clean}}
}

func (s *stage) now() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.clock }

func (s *stage) Peek(_ context.Context, tasks []syncer.Task, _ time.Time) (*syncer.Sight, error) {
	from := tasks[0].Sync.Source.Instance.String()
	if slow := s.slow[from]; slow != nil {
		<-slow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peeks = append(s.peeks, fmt.Sprintf("%s for %d", from, len(tasks)))
	if s.peekErr != nil {
		return nil, s.peekErr
	}
	seen := &syncer.Sight{Records: map[uint64]struct{}{}, Calls: 3}
	for _, h := range s.changes[from] {
		seen.Records[h] = struct{}{}
	}
	return seen, nil
}

func (s *stage) RunEach(_ context.Context, tasks []syncer.Task, ended func(syncer.Outcome)) {
	if s.hold != nil {
		<-s.hold
	}
	var outcomes []syncer.Outcome
	defer func() {
		var late []syncer.Outcome
		for _, o := range outcomes {
			if s.slow[o.Addr.Key] != nil {
				late = append(late, o)
				continue
			}
			ended(o)
		}
		for _, o := range late {
			<-s.slow[o.Addr.Key]
			ended(o)
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	var runs, tables []string
	for _, t := range tasks {
		if t.Decision.Mode == syncer.None {
			tables = append(tables, t.Sync.Addr.Key)
			continue
		}
		runs = append(runs, t.Sync.Addr.Key+" "+string(t.Decision.Mode))
		o := syncer.Outcome{Addr: t.Sync.Addr, Status: syncer.Clean, Decision: t.Decision, Started: s.clock, Ended: s.clock}
		if s.end != nil {
			o = s.end(t)
			o.Addr = t.Sync.Addr
		}
		if o.Status == syncer.Clean || o.Status == syncer.Faulty {
			m := ranAt(s.clock)
			if o.Status == syncer.Faulty {
				m.LastSuccess, m.Failures = t.Sync.LSRT, 1
			}
			m.Seen = t.Sight.Digest()
			s.memories[t.Sync.Addr] = m
		}
		outcomes = append(outcomes, o)
	}
	slices.Sort(runs)
	s.runs, s.tables = append(s.runs, runs), append(s.tables, tables)
}

// after moves the clock, has one beat and waits for the runs of it.
func (s *stage) after(d time.Duration) {
	s.t.Helper()
	s.mu.Lock()
	s.clock = s.clock.Add(d)
	s.mu.Unlock()
	s.once(context.Background())
	_ = s.Watch.runs.Wait()
}

// ran returns what has run since it was last asked.
func (s *stage) ran() string {
	out := fmt.Sprint(s.runs)
	s.runs, s.tables = nil, nil
	return out
}

func feed(key, from string) providers.Sync {
	return providers.Sync{
		Addr: addrs.NewKeyed("point", "clm", key), Active: true, Was: true, Engine: providers.EngineAccord,
		Source: providers.End{Instance: addrs.New("vault", from), Stream: "clm"}, Target: providers.End{Instance: addrs.NewKeyed("vault", "crm", key)},
		Route: providers.Route{All: true}, LRT: noon.Add(-time.Minute), LSRT: noon.Add(-time.Minute), Policy: providers.Policy{FullAfter: 15 * 24 * time.Hour},
	}
}

// CLM-9: one look for all targets of a source; what it has not seen before runs
// once, in all of them together, and what a run has read runs no more.
func TestOneLookServesAllTargets(t *testing.T) {
	var syncs []providers.Sync
	for n := range 30 {
		syncs = append(syncs, feed(fmt.Sprintf("%02d", n), "promomats"))
	}
	s := newStage(t, syncs...)
	s.after(0)
	if s.ran() != "[]" || len(s.peeks) != 1 || s.peeks[0] != "vault.promomats for 30" {
		t.Fatalf("with nothing new: ran %v, looked %v", s.runs, s.peeks)
	}
	s.changes["vault.promomats"] = []uint64{7}
	s.after(5 * time.Second)
	if len(s.runs) != 1 || len(s.runs[0]) != 30 {
		t.Fatalf("a change was not brought to all targets in one call: %v", s.runs)
	}
	s.ran()
	s.after(5 * time.Second) // still within the margin: the same record is seen again
	if got := s.ran(); got != "[]" {
		t.Fatalf("what a run has read ran again: %v", got)
	}
	s.changes["vault.promomats"] = []uint64{7, 8}
	s.after(5 * time.Second)
	if len(s.runs) != 1 {
		t.Fatalf("a second change did not run: %v", s.runs)
	}
	if len(s.peeks) != 4 {
		t.Errorf("%d looks in 4 beats", len(s.peeks))
	}
}

// Two processes share the work: what one has brought over, the other does not run
// again, and neither does one that begins anew.
func TestTwoShareTheWork(t *testing.T) {
	one := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	two := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	two.memories, two.changes, two.mu = one.memories, one.changes, one.mu // one journal, one source
	for hash := range uint64(5) {
		one.changes["vault.promomats"] = append(one.changes["vault.promomats"], hash)
		first, second := one, two
		if hash%2 == 1 {
			first, second = two, one
		}
		first.after(5 * time.Second)
		second.after(5 * time.Second)
		if got := first.ran() + second.ran(); got != "[[a incremental b incremental]][]" {
			t.Fatalf("change %d: %s", hash, got)
		}
	}
	// What ran while one looked is known as well: it is asked after the look.
	one.changes["vault.promomats"] = append(one.changes["vault.promomats"], 9)
	one.slow = map[string]chan struct{}{"vault.promomats": make(chan struct{})}
	looked := make(chan struct{})
	go func() {
		one.after(5 * time.Second)
		close(looked)
	}()
	for looking := false; !looking; time.Sleep(time.Millisecond) {
		one.Watch.mu.Lock()
		looking = one.sights[sourceOf(&one.applied.Syncs[0])].looking
		one.Watch.mu.Unlock()
	}
	two.after(5 * time.Second)
	close(one.slow["vault.promomats"])
	<-looked
	if got := one.ran() + two.ran(); got != "[][[a incremental b incremental]]" {
		t.Errorf("while one looked: %s", got)
	}
	anew := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	anew.memories, anew.changes, anew.clock = one.memories, one.changes, one.clock
	anew.after(0)
	if got := anew.ran(); got != "[]" {
		t.Errorf("begun anew: %s", got)
	}
}

// CLM-8: LRT and LSRT move although nothing does, and what failed is retried (ERR-2).
func TestQuietAndRetry(t *testing.T) {
	s := newStage(t, feed("a", "promomats"))
	s.after(0)
	s.after(5 * time.Minute)
	if got := s.ran(); got != "[[a incremental]]" {
		t.Fatalf("after five quiet minutes: %s", got)
	}
	s.end = func(t syncer.Task) syncer.Outcome { return syncer.Outcome{Status: syncer.Faulty, Failed: 1} }
	s.changes["vault.promomats"] = []uint64{1}
	s.after(5 * time.Second)
	s.ran()
	s.after(5 * time.Second)
	if got := s.ran(); got != "[]" {
		t.Fatalf("a failing item was retried at once: %s", got)
	}
	s.after(time.Minute)
	if got := s.ran(); got != "[[a incremental]]" {
		t.Fatalf("a failing item was not retried within a minute: %s", got)
	}
}

// A vault that suffers is left alone for longer and longer; the others go on.
func TestBackOff(t *testing.T) {
	s := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	s.end = func(t syncer.Task) syncer.Outcome {
		if t.Sync.Addr.Key == "a" {
			return syncer.Outcome{Status: syncer.Failed, Err: providers.Errorf(providers.Transient, "the vault is ill")}
		}
		return syncer.Outcome{Status: syncer.Clean}
	}
	hash := uint64(0)
	attempts, others := 0, 0
	for range 120 { // ten minutes
		hash++
		s.changes["vault.promomats"] = []uint64{hash}
		s.after(5 * time.Second)
		for _, call := range s.runs {
			for _, r := range call {
				if r == "a incremental" {
					attempts++
				} else {
					others++
				}
			}
		}
		s.ran()
	}
	if attempts < 4 || attempts > 14 {
		t.Errorf("a vault that suffers was tried %d times in ten minutes", attempts)
	}
	if others < 115 {
		t.Errorf("the other target ran %d of 120 times", others)
	}
	st := s.Status()
	if st.Points[0].Trouble == "" || st.Points[0].Failing == 0 || st.Points[1].Trouble != "" {
		t.Errorf("status: %+v", st.Points)
	}
	s.Request(st.Points[0].Addr) // someone cannot wait
	s.after(0)
	if got := s.ran(); got != "[[a incremental]]" {
		t.Errorf("a run that was asked for: %s", got)
	}
}

// A source that was away is found within half a minute, and then all its points
// run at once, however long they were to wait.
func TestSourceIsBack(t *testing.T) {
	s := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	away := true
	s.end = func(syncer.Task) syncer.Outcome {
		if away {
			return syncer.Outcome{Status: syncer.Failed, Err: providers.Errorf(providers.Transient, "connection refused")}
		}
		return syncer.Outcome{Status: syncer.Clean}
	}
	hash := uint64(0)
	for n := range 120 { // ten minutes
		hash++
		s.changes["vault.promomats"] = []uint64{hash}
		if s.peekErr = nil; n > 60 {
			s.peekErr = providers.Errorf(providers.Transient, "connection refused")
		}
		s.after(5 * time.Second)
	}
	looks := len(s.peeks)
	if runs := len(s.runs); runs > 20 || looks > 60 {
		t.Errorf("in ten minutes %d runs, %d looks", runs, looks)
	}
	s.ran()
	s.after(0)
	looks = len(s.peeks)
	s.Request(addrs.NewKeyed("point", "clm", "a")) // someone cannot wait
	s.after(0)
	if len(s.peeks) != looks+1 {
		t.Errorf("asked for a run, it looked %d times", len(s.peeks)-looks)
	}
	s.ran()
	away, s.peekErr = false, nil
	for range 7 {
		s.after(5 * time.Second)
	}
	for _, want := range []string{"a incremental", "b incremental"} { // one whose time it was may have run before
		if !slices.Contains(slices.Concat(s.runs...), want) {
			t.Errorf("when it is back: %v", s.runs)
		}
	}
}

// What changed while a vault suffered reaches it when it is well again, also
// where the change was brought to the others long ago.
func TestWhatAnIllVaultMissed(t *testing.T) {
	s := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	ill := true
	s.end = func(t syncer.Task) syncer.Outcome {
		if ill && t.Sync.Addr.Key == "a" {
			return syncer.Outcome{Status: syncer.Failed, Err: providers.Errorf(providers.Transient, "the vault is ill")}
		}
		return syncer.Outcome{Status: syncer.Clean}
	}
	s.changes["vault.promomats"] = []uint64{1}
	s.after(5 * time.Second) // a fails
	s.changes["vault.promomats"] = []uint64{1, 2}
	s.after(time.Second) // b alone has the second change
	s.ran()
	ill = false
	s.after(10 * time.Second)
	if got := s.ran(); got != "[[a incremental]]" {
		t.Errorf("after the vault was well again: %s", got)
	}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[]" {
		t.Errorf("when nothing is new: %s", got)
	}
}

// A target, a source, and a look at what was applied may take their time: what
// else there is to do is done meanwhile, and what they say late is not lost.
func TestWhoLagsHoldsUpNobody(t *testing.T) {
	a, b, c := feed("a", "promomats"), feed("b", "promomats"), feed("c", "medcomms")
	s := newStage(t, a, b, c)
	s.opts.Patience = 20 * time.Millisecond
	s.after(0)
	beat := func(h uint64) {
		s.t.Helper()
		s.mu.Lock()
		s.clock = s.clock.Add(5 * time.Second)
		s.changes["vault.promomats"], s.changes["vault.medcomms"] = []uint64{h}, []uint64{h}
		s.mu.Unlock()
		s.once(context.Background())
	}
	ran := func(want string) {
		s.t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			busy := 0
			for _, p := range s.Status().Points {
				if p.Running && s.slow[p.Addr.Key] == nil {
					busy++
				}
			}
			s.mu.Lock()
			got := slices.Sorted(slices.Values(slices.Concat(s.runs...)))
			s.mu.Unlock()
			if fmt.Sprint(got) == want && busy == 0 {
				s.mu.Lock()
				s.runs = nil
				s.mu.Unlock()
				return
			}
			if time.Now().After(deadline) {
				s.t.Fatalf("ran %v, want %s", got, want)
			}
		}
	}

	s.slow = map[string]chan struct{}{"a": make(chan struct{})}
	beat(1)
	ran("[a incremental b incremental c incremental]")
	beat(2) // a has not ended
	ran("[b incremental c incremental]")
	close(s.slow["a"])
	_ = s.Watch.runs.Wait()
	s.slow = nil
	beat(2)
	ran("[a incremental]")

	s.slow = map[string]chan struct{}{"vault.medcomms": make(chan struct{})}
	beat(3)
	ran("[a incremental b incremental]")
	beat(4)
	ran("[a incremental b incremental]")
	close(s.slow["vault.medcomms"])
	_ = s.Watch.runs.Wait()
	s.slow = nil
	looked := len(s.peeks)
	beat(4)
	ran("[c incremental]")
	if again := s.peeks[looked:]; slices.Contains(again, "vault.medcomms for 1") {
		t.Errorf("what was seen late is looked for again: %v", again)
	}

	s.slowLook = make(chan struct{})
	s.mu.Lock()
	s.clock = s.clock.Add(2 * time.Minute)
	s.mu.Unlock()
	looks := s.looks
	beat(5)
	ran("[a incremental b incremental c incremental]")
	beat(6)
	ran("[a incremental b incremental c incremental]")
	s.mu.Lock()
	if s.looks != looks+1 {
		t.Errorf("looked %d times at once", s.looks-looks)
	}
	s.mu.Unlock()
	s.serial = 2 // what runs is what was applied: not what was applied before
	beat(7)
	ran("[]")
	close(s.slowLook)
	_ = s.Watch.runs.Wait()
	beat(7)
	ran("[a incremental b incremental c incremental]")
}

// A run that a limit refused is left alone for five minutes, however much changes:
// an apply lifts a limit, and neither the source nor its coming back does.
func TestRefusedIsLeftAlone(t *testing.T) {
	a, b := feed("a", "promomats"), feed("b", "promomats")
	s := newStage(t, a, b)
	s.end = func(t syncer.Task) syncer.Outcome {
		return syncer.Outcome{Status: map[string]syncer.Status{"a": syncer.Refused, "b": syncer.Clean}[t.Sync.Addr.Key], Decision: t.Decision}
	}
	refused := 0
	for n := range 61 { // five minutes
		s.changes["vault.promomats"] = []uint64{uint64(n)}
		if s.peekErr = nil; n == 20 {
			s.peekErr = providers.Errorf(providers.Transient, "connection refused")
		}
		s.after(5 * time.Second)
		for _, call := range s.runs {
			if slices.Contains(call, "a incremental") {
				refused++
			}
		}
		s.ran()
		if n == 59 && refused != 1 {
			t.Errorf("tried %d times in five minutes", refused)
		}
	}
	if refused != 2 {
		t.Errorf("tried %d times, the last after five minutes", refused)
	}
	s.Request(a.Addr)
	s.after(time.Second)
	if got := s.ran(); got != "[[a incremental]]" {
		t.Errorf("asked for: %s", got)
	}
}

// INT-6: a Last Successful Run Time that someone emptied is seen with the next
// look, though the journal knows of a success; and the run that follows from it
// is one, though the look was before it.
func TestEmptiedLSRT(t *testing.T) {
	s := newStage(t, feed("a", "promomats"))
	s.after(0)
	s.ran()
	s.applied.Syncs[0].LSRT = time.Time{}
	s.after(time.Minute)
	if d, got := s.Status().Points[0].Decision, s.ran(); got != "[[a full]]" || !d.Has(syncer.Requested) {
		t.Errorf("INT-6: ran %s, %+v", got, d)
	}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[]" {
		t.Errorf("INT-6: once more: %s", got)
	}
}

// What was applied is looked at less and less often where that fails.
func TestLooksInVain(t *testing.T) {
	s := newStage(t, feed("a", "promomats"))
	s.lookErr = errors.New("no answer")
	for range 120 { // ten minutes
		s.after(5 * time.Second)
	}
	if s.looks < 4 || s.looks > 14 {
		t.Errorf("looked %d times in ten minutes", s.looks)
	}
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	for failed, most := range map[int]time.Duration{0: 0, 1: 5 * time.Second, 2: 10 * time.Second, 4: 40 * time.Second, 7: 5 * time.Minute, 100: 5 * time.Minute} {
		if got := backoff(failed, 1); got != most {
			t.Errorf("after %d failures at most %s, not %s", failed, got, most)
		}
		if got := backoff(failed, 0); got != most/2 {
			t.Errorf("after %d failures at least %s, not %s", failed, got, most/2)
		}
	}
}

// Someone else runs it: nothing is counted as a failure, and nobody waits.
func TestLockedElsewhere(t *testing.T) {
	s := newStage(t, feed("a", "promomats"))
	s.end = func(syncer.Task) syncer.Outcome {
		return syncer.Outcome{Status: syncer.Locked, Err: &state.LeasedError{}}
	}
	s.changes["vault.promomats"] = []uint64{1}
	s.after(5 * time.Second)
	if p := s.Status().Points[0]; p.Failing != 0 || p.Runs[syncer.Locked] != 1 {
		t.Errorf("a point that someone else runs: %+v", p)
	}
	// That one was cut short: the change is still new to us.
	s.end = nil
	s.ran()
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[a incremental]]" {
		t.Errorf("after the other one let go: %s", got)
	}
}

// What runs is what was applied: when the state moves and cannot be read,
// nothing runs by what was applied before.
func TestTheStateMoves(t *testing.T) {
	s := newStage(t, feed("a", "promomats"))
	s.after(0)
	s.after(5 * time.Second)
	if s.looks != 1 {
		t.Fatalf("looked %d times", s.looks)
	}
	s.changes["vault.promomats"] = []uint64{1}
	s.serial, s.lookErr = 2, errors.New("no answer")
	s.after(5 * time.Second)
	if got := s.ran(); got != "[]" {
		t.Fatalf("ran by what was applied before: %s", got)
	}
	s.lookErr = nil
	s.applied.Syncs = append(s.applied.Syncs, feed("b", "promomats"))
	s.memories[s.applied.Syncs[1].Addr] = ranAt(noon)
	s.after(10 * time.Second)
	if got := s.ran(); got != "[[a incremental b incremental]]" {
		t.Fatalf("after the state moved: %s", got)
	}
	// Without a move it is read again in a minute, and a failure then stops nothing.
	s.changes["vault.promomats"], s.lookErr = []uint64{2}, errors.New("no answer")
	s.after(2 * time.Minute)
	if got := s.ran(); got != "[[a incremental b incremental]]" {
		t.Fatalf("while the definitions could not be read again: %s", got)
	}
	if s.Status().Err == nil {
		t.Error("nobody is told that the definitions could not be read")
	}
}

// routedFeed is a sync that routes by what another keeps, and that other.
func routedFeed() (table, clm providers.Sync) {
	table = feed("countries", "crm")
	table.Source.Stream = "country"
	clm = feed("a", "promomats")
	clm.Route = providers.Route{Table: &table.Addr}
	return table, clm
}

// CTRY-10, CLM-6: a full run goes with the run of its route table, which comes
// first; an incremental one routes by it and does not run it.
func TestTablesGoAlong(t *testing.T) {
	table, clm := routedFeed()
	s := newStage(t, table, clm)
	byTable := func() {
		m := s.memories[clm.Addr]
		m.Inputs = map[string]string{"syncer_routes": `["us"]`}
		s.memories[clm.Addr] = m
	}
	byTable()
	s.changes["vault.promomats"] = []uint64{1}
	s.after(0)
	if fmt.Sprint(s.runs, s.tables) != "[[a incremental]] [[countries]]" {
		t.Fatalf("an incremental run: %v by %v", s.runs, s.tables)
	}
	s.ran()
	byTable()
	s.mu.Lock()
	m := s.memories[clm.Addr]
	m.Owed = []string{string(syncer.Requested)}
	s.memories[clm.Addr] = m
	s.end = func(t syncer.Task) syncer.Outcome { return syncer.Outcome{Status: syncer.Clean} }
	s.mu.Unlock()
	s.after(5 * time.Second)
	if fmt.Sprint(s.runs) != "[[a full countries full]]" {
		t.Fatalf("a full run: %v", s.runs)
	}
}

// CLM-14, CTRY-10: while a full run waits, since a limit refused it, or since another
// process is about it, its table does not run again and again for it.
func TestTableRunsForNobodyWhoWaits(t *testing.T) {
	for status, most := range map[syncer.Status]int{syncer.Refused: 1, syncer.Failed: 5, syncer.Locked: 4} {
		table, clm := routedFeed()
		s := newStage(t, table, clm)
		m := s.memories[clm.Addr]
		m.Inputs, m.Owed = map[string]string{"syncer_routes": `["us"]`}, []string{string(syncer.FilterEdited)}
		s.memories[clm.Addr] = m
		s.end = func(t syncer.Task) syncer.Outcome {
			if t.Sync.Addr == clm.Addr {
				return syncer.Outcome{Status: status, Decision: t.Decision, Err: errors.New("not now")}
			}
			return syncer.Outcome{Status: syncer.Clean, Decision: t.Decision}
		}
		for range 20 { // 100 s; each run begins a beat of its own
			s.after(5 * time.Second)
			for len(s.wake) > 0 {
				<-s.wake
				s.after(0)
			}
		}
		if n := strings.Count(s.ran(), "countries full"); n < 1 || n > most {
			t.Errorf("%s: its table ran %d times in full", status, n)
		}
	}
}

// Whose table another process runs has not failed: it waits as the table does.
func TestTableRunsElsewhere(t *testing.T) {
	table, clm := routedFeed()
	s := newStage(t, table, clm)
	s.end = func(t syncer.Task) syncer.Outcome {
		if t.Sync.Addr == table.Addr {
			return syncer.Outcome{Status: syncer.Locked, Decision: t.Decision, Err: errors.New("held")}
		}
		return syncer.Outcome{Status: syncer.Blocked, Decision: t.Decision, Err: errors.New("held by the table")}
	}
	s.Request(table.Addr)
	s.changes["crm"], s.changes["vault.promomats"] = []uint64{1}, []uint64{1}
	m := s.memories[clm.Addr]
	m.Owed = []string{string(syncer.Requested)}
	s.memories[clm.Addr] = m
	s.after(0)
	if got := s.ran(); got != "[[a full countries full]]" {
		t.Fatal(got)
	}
	for _, p := range s.Status().Points {
		if p.Failing > 0 || p.Trouble != "" {
			t.Errorf("%s is said to fail: %q", p.Addr, p.Trouble)
		}
	}
}

// A vault that was away for a moment is looked for again within seconds, and later
// each time; one that stays away costs a look a minute.
func TestAwayForAMoment(t *testing.T) {
	a := feed("a", "promomats")
	s := newStage(t, a)
	s.after(0)
	s.applied.Syncs, s.applied.Unread = nil, []Unread{{a.Addr, providers.Errorf(providers.Transient, "connection refused")}}
	s.after(time.Minute)
	looks := s.looks
	for range 2 {
		s.after(5 * time.Second)
	}
	if n := s.looks - looks; n < 1 {
		t.Errorf("in ten seconds it is looked for %d times", n)
	}
	s.after(10 * time.Minute)
	looks = s.looks
	for range 60 {
		s.after(5 * time.Second)
	}
	if n := s.looks - looks; n < 4 || n > 12 {
		t.Errorf("in five minutes it is looked for %d times", n)
	}
	s.applied.Syncs, s.applied.Unread = []providers.Sync{a}, nil
	s.after(time.Minute)
	looks = s.looks
	for range 11 {
		s.after(5 * time.Second)
	}
	if n := s.looks - looks; n > 0 {
		t.Errorf("what answers is looked at %d times in a minute", n)
	}
}

// Once the run of the other process has ended, a point has its turn, however long it
// was to be left alone; until then it is not said to have failed.
func TestReleased(t *testing.T) {
	a := feed("a", "promomats")
	s := newStage(t, a)
	m := s.memories[a.Addr]
	m.Owed = []string{string(syncer.Requested)}
	s.memories[a.Addr] = m
	s.end = func(t syncer.Task) syncer.Outcome { return syncer.Outcome{Status: syncer.Locked, Decision: t.Decision} }
	s.after(0)
	s.after(time.Second)
	if got, p := s.ran(), s.Status().Points[0]; got != "[[a full]]" || p.Waits != "another process runs it; it is tried again" || p.Trouble != "" {
		t.Errorf("%s; it waits, since %q; %q", got, p.Waits, p.Trouble)
	}
	s.memories[a.Addr] = ranAt(s.clock.Add(time.Second)) // it takes a second
	s.end = nil
	s.changes["vault.promomats"] = []uint64{1}
	s.after(3 * time.Second)
	if got := s.ran(); got != "[[a incremental]]" {
		t.Errorf("released: %s", got)
	}
}

// What somebody asked for while another process had the point is done when that one
// is done.
func TestAskedWhileLocked(t *testing.T) {
	a := feed("a", "promomats")
	s := newStage(t, a)
	s.after(0)
	locked := true
	s.end = func(t syncer.Task) syncer.Outcome {
		if locked {
			return syncer.Outcome{Status: syncer.Locked, Decision: t.Decision}
		}
		return syncer.Outcome{Status: syncer.Clean, Decision: t.Decision}
	}
	item := state.Item{Part: "slide", Key: "1"}
	for what, ask := range map[string]func(){"a run": func() { s.Request(a.Addr) }, "an item": func() { s.Reprocess(a.Addr, []state.Item{item}) }} {
		locked = true
		ask()
		s.after(time.Second)
		if got := s.ran(); got != "[[a incremental]]" {
			t.Fatalf("%s, locked: %s", what, got)
		}
		s.after(0)
		if got := s.ran(); got != "[]" {
			t.Errorf("%s: at once again: %s", what, got)
		}
		locked = false
		s.after(5 * time.Second)
		if got := s.ran(); got != "[[a incremental]]" {
			t.Errorf("%s, free: %s", what, got)
		}
		s.after(5 * time.Second)
		if got := s.ran(); got != "[]" {
			t.Errorf("%s, done: %s", what, got)
		}
	}
}

// ERR-2: what somebody wants to be tried again is, at once and alone; where a run
// is due anyway, that one does it.
func TestReprocess(t *testing.T) {
	a := feed("a", "promomats")
	s := newStage(t, a)
	s.after(0)
	s.ran()
	item := state.Item{Part: "slide", Key: "1"}
	s.Reprocess(a.Addr, []state.Item{item})
	s.after(time.Second)
	d := s.Status().Points[0].Decision
	if got := s.ran(); got != "[[a incremental]]" || !d.Has(syncer.Reprocess) || len(d.Only) != 1 || d.Only[0] != item {
		t.Errorf("ran %s, %+v", got, d)
	}
	s.after(time.Second)
	if got := s.ran(); got != "[]" {
		t.Errorf("again: %s", got)
	}
	s.changes["vault.promomats"] = []uint64{7}
	s.Reprocess(a.Addr, []state.Item{item})
	s.after(time.Second)
	if d, got := s.Status().Points[0].Decision, s.ran(); got != "[[a incremental]]" || d.Has(syncer.Reprocess) {
		t.Errorf("with a change: %s, %+v", got, d)
	}
}

// A point never runs twice at once, and a stop waits for what is under way.
func TestNeverTwiceAtOnce(t *testing.T) {
	s := newStage(t, feed("a", "promomats"))
	s.hold = make(chan struct{})
	s.changes["vault.promomats"] = []uint64{1}
	s.once(context.Background())
	for n := range 3 {
		s.changes["vault.promomats"] = []uint64{uint64(n + 2)}
		s.once(context.Background())
	}
	if p := s.Status().Points[0]; !p.Running {
		t.Errorf("a point that runs: %+v", p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Watch.Run(ctx) }()
	cancel()
	select {
	case <-over:
		t.Error("it stopped before what was under way had ended")
	case <-time.After(20 * time.Millisecond):
	}
	close(s.hold)
	if err := <-over; err != nil {
		t.Error(err)
	}
	if got := s.ran(); got != "[[a incremental]]" {
		t.Errorf("ran %s", got)
	}
}

// Nor does a point that was taken out while it ran, and is back before that run
// has ended.
func TestNeverTwiceThoughItWasAway(t *testing.T) {
	a := feed("a", "promomats")
	s := newStage(t, a)
	s.hold = make(chan struct{})
	s.changes["vault.promomats"] = []uint64{1}
	s.once(context.Background())
	for n, syncs := range [][]providers.Sync{nil, {a}} {
		s.serial, s.applied.Syncs = uint64(n+2), syncs
		s.changes["vault.promomats"] = []uint64{uint64(n + 2)}
		s.once(context.Background())
	}
	close(s.hold)
	_ = s.Watch.runs.Wait()
	if got := s.ran(); got != "[[a incremental]]" {
		t.Errorf("ran %s", got)
	}
}

// A vault that does not answer takes its own points out, not the others.
func TestUnread(t *testing.T) {
	a, b := feed("a", "promomats"), feed("b", "promomats")
	s := newStage(t, a, b)
	s.after(0)
	s.applied.Syncs = []providers.Sync{b}
	s.applied.Unread = []Unread{{a.Addr, errors.New("crm a does not answer")}}
	s.changes["vault.promomats"] = []uint64{1}
	s.after(2 * time.Minute)
	if got := s.ran(); got != "[[b incremental]]" {
		t.Errorf("ran %s", got)
	}
	st := s.Status()
	if len(st.Points) != 2 || st.Points[0].Waits == "" || len(st.Unread) != 1 {
		t.Errorf("a point that cannot be read: %+v", st)
	}
}

// ERR-2: what somebody asked for is done by the run that takes it up, and by no
// other; where another process turns out to have the point, it stays asked for, even
// if that run was due anyway and is not about these items alone.
func TestAskedFor(t *testing.T) {
	items := []state.Item{{Part: "slide", Key: "1"}, {Part: "slide", Key: "2"}}
	for status, want := range map[syncer.Status]wish{
		syncer.Clean: {}, syncer.Faulty: {}, syncer.Failed: {}, syncer.Refused: {},
		syncer.Locked: {run: true, items: items},
	} {
		var a agenda
		a.ask(wish{run: true})
		a.ask(wish{items: items[:1]})
		a.begin()
		if a.asked.run || a.asked.items != nil {
			t.Errorf("%s: asked of the next run as well: %+v", status, a.asked)
		}
		if status == syncer.Locked {
			a.ask(wish{items: items[1:]})
		}
		a.ended(&syncer.Outcome{Status: status, Decision: syncer.Decision{Mode: syncer.Incremental}}, nil, pace{beat: time.Second}, noon, 1)
		if a.asked.run != want.run || !slices.Equal(a.asked.items, want.items) {
			t.Errorf("%s: asked for %+v, not %+v", status, a.asked, want)
		}
	}
}

func TestTurn(t *testing.T) {
	p := pace{retry: time.Minute, quiet: 5 * time.Minute}
	inc := syncer.Decision{Mode: syncer.Incremental, Reasons: []syncer.Reason{syncer.Changes}}
	retry := syncer.Decision{Mode: syncer.Incremental, Reasons: []syncer.Reason{syncer.Changes, syncer.Retry}}
	full := syncer.Decision{Mode: syncer.Full, Step: true, Reasons: []syncer.Reason{syncer.FilterEdited}, EarliestStart: noon.Add(time.Minute)}
	for _, c := range []struct {
		what    string
		d       syncer.Decision
		last    time.Time
		changed bool
		pause   time.Time
		at      time.Time
		run     bool
	}{
		{"inactive", syncer.Decision{Idle: "off"}, noon, true, time.Time{}, noon, false},
		{"a change", inc, noon, true, time.Time{}, noon, true},
		{"no change", inc, noon, false, time.Time{}, noon.Add(time.Second), false},
		{"a change in a pause", inc, noon, true, noon.Add(time.Second), noon, false},
		{"quiet, just before", inc, noon, false, time.Time{}, noon.Add(5*time.Minute - 1), false},
		{"quiet, exactly", inc, noon, false, time.Time{}, noon.Add(5 * time.Minute), true},
		{"retry, just before", retry, noon, false, time.Time{}, noon.Add(time.Minute - 1), false},
		{"retry, exactly", retry, noon, false, time.Time{}, noon.Add(time.Minute), true},
		{"CTRY-7: inside the delay", full, noon, true, time.Time{}, noon.Add(time.Minute - 1), false},
		{"CTRY-7: after the delay", full, noon, false, time.Time{}, noon.Add(time.Minute), true},
		{"never ran", inc, time.Time{}, false, time.Time{}, noon, true},
	} {
		a := agenda{pause: pause{till: c.pause}}
		if got := a.turn(c.d, ranAt(c.last), c.changed, p, c.at); got.run != c.run {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
	hasty := pace{retry: time.Minute, quiet: 30 * time.Second}
	if got := new(agenda).turn(retry, ranAt(noon), false, hasty, noon.Add(30*time.Second)); !got.run {
		t.Errorf("what failed waits for longer than what did not: %+v", got)
	}
}

// CTRY-7, CLM-9: for as long as an edited filter waits, what changed goes on by
// the table as it was, and the table stays so; then both run in full, the table first.
func TestChangesDuringTheDelay(t *testing.T) {
	table := feed("country", "promomats")
	table.Source.Stream = "country"
	routed := feed("us", "promomats")
	routed.Route = providers.Route{Table: &table.Addr}
	for _, x := range []*providers.Sync{&table, &routed} {
		x.Inputs = map[string]string{"filter": "new"}
		x.Policy.DelayedInputs, x.Policy.Delay = []string{"filter"}, time.Minute
		x.Edited, x.Now = noon, noon
	}
	s := newStage(t, table, routed)
	for addr, m := range s.memories {
		m.Inputs = map[string]string{"filter": "old"}
		s.memories[addr] = m
	}
	s.end = func(task syncer.Task) syncer.Outcome {
		m := ranAt(s.clock)
		m.Inputs = s.memories[task.Sync.Addr].Inputs
		if task.Decision.Mode == syncer.Full {
			m.Inputs = task.Sync.Inputs
		}
		s.memories[task.Sync.Addr] = m
		return syncer.Outcome{Status: syncer.Skipped, Decision: task.Decision}
	}
	s.after(0)
	if got := s.ran(); got != "[]" {
		t.Errorf("CTRY-7: without a change: %s", got)
	}
	s.changes["vault.promomats"] = []uint64{7}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[us incremental]]" {
		t.Errorf("CTRY-7, CLM-9: a change during the delay: %s", got)
	}
	for n := range s.applied.Syncs {
		s.applied.Syncs[n].Now = noon.Add(time.Minute + 5*time.Second) // the vault's clock goes on
	}
	s.after(time.Minute)
	if got := fmt.Sprint(s.runs, s.tables); got != "[[country full us full]] [[]]" {
		t.Errorf("CTRY-7: after the delay: %s", got)
	}
}

func TestHealth(t *testing.T) {
	s := Status{Started: noon, Interval: 5 * time.Second}
	if s.Healthy(noon) == "" {
		t.Error("healthy before it knows anything")
	}
	s.Known, s.Beat = true, noon
	if why := s.Healthy(noon.Add(30 * time.Second)); why != "" {
		t.Error(why)
	}
	if s.Healthy(noon.Add(3*time.Minute)) == "" {
		t.Error("a loop that stands still is healthy")
	}
}

// A table is kept where content comes from, and its runs are told of where it goes
// to: that these fail is no fault of the source, and hides none of the target.
func TestBlameOfTables(t *testing.T) {
	table := feed("a", "promomats")
	table.Addr, table.Target.Instance = addrs.NewKeyed("point", "country", "a"), table.Source.Instance
	content := feed("a", "promomats")
	s := newStage(t, table, content)
	s.after(0)
	s.end = func(syncer.Task) syncer.Outcome {
		return syncer.Outcome{Status: syncer.Failed, Err: providers.Errorf(providers.Ambiguous, "recording the run times")}
	}
	s.changes["vault.promomats"] = []uint64{1}
	s.applied.Syncs, s.applied.Unread = []providers.Sync{table}, []Unread{{content.Addr, providers.Errorf(providers.Transient, "connection refused")}}
	for range 4 {
		s.after(2 * time.Minute)
	}
	for _, v := range s.Status().Vaults {
		if target := v.Addr == content.Target.Instance; target != (v.Err != nil) {
			t.Errorf("%s: %v", v.Addr, v.Err)
		}
	}
	if n := len(s.Status().Vaults); n != 2 {
		t.Errorf("%d vaults are known", n)
	}
}

// Where content comes from, and where it goes to, has to answer: without all of
// either nothing can be brought over. One of several is its own points' trouble.
func TestHealthOfVaults(t *testing.T) {
	s := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	s.after(0)
	healthy := func(want string) {
		t.Helper()
		st := s.Status()
		why := st.Healthy(s.now())
		if want == "" && why != "" || !strings.Contains(why, want) {
			t.Errorf("healthy: %q, want %q", why, want)
		}
		if why := st.Alive(s.now()); why != "" {
			t.Errorf("alive: %s", why)
		}
	}
	state := func(addr addrs.Instance) Vault {
		t.Helper()
		for _, v := range s.Status().Vaults {
			if v.Addr == addr {
				return v
			}
		}
		t.Fatalf("nothing is known of %s", addr)
		return Vault{}
	}
	healthy("")
	promomats, crm := addrs.New("vault", "promomats"), addrs.NewKeyed("vault", "crm", "a")
	s.peekErr = providers.Errorf(providers.Transient, "connection refused")
	s.after(5 * time.Second)
	healthy("")
	if v := state(promomats); v.Err == nil || v.Silent || !v.Source {
		t.Errorf("after one look in vain: %+v", v)
	}
	s.after(20 * time.Second)
	healthy("no vault that content comes from has answered for 25s: connection refused")
	if v := state(promomats); !v.Silent || state(crm).Silent {
		t.Errorf("after several: %+v", v)
	}
	s.peekErr = nil
	s.after(20 * time.Second)
	healthy("")

	all := s.applied.Syncs
	unread := func(n int) {
		s.applied.Syncs, s.applied.Unread = all[n:], nil
		for _, x := range all[:n] {
			s.applied.Unread = append(s.applied.Unread, Unread{x.Addr, providers.Errorf(providers.Transient, "connection refused")})
		}
	}
	unread(1)
	s.after(2 * time.Minute)
	s.after(2 * time.Minute)
	healthy("")
	if v := state(crm); v.Err == nil || !v.Silent || v.Answered.IsZero() {
		t.Errorf("a target that does not answer: %+v", v)
	}
	unread(2)
	s.after(2 * time.Minute)
	s.after(2 * time.Minute)
	healthy("no vault that content goes to has answered for ")
	unread(0)
	s.after(2 * time.Minute)
	healthy("")
}
