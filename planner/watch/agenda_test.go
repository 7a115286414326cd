package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

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
		a.begin(nil)
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
	unmatched := ranAt(noon) // RULE-2
	unmatched.Unmatched = 1
	for after, run := range map[time.Duration]bool{time.Minute - 1: false, time.Minute: true} {
		if got := new(agenda).turn(inc, unmatched, false, p, noon.Add(after)); got.run != run {
			t.Errorf("with references that have no match, after %s: %+v", after, got)
		}
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

// What failed here and came to its end in another process since has not failed any more:
// it is neither left alone nor told of.
func TestAnotherSucceeds(t *testing.T) {
	a := feed("a", "promomats")
	for _, status := range []syncer.Status{syncer.Failed, syncer.Refused} {
		s := newStage(t, a)
		s.end = func(t syncer.Task) syncer.Outcome {
			return syncer.Outcome{Status: status, Decision: t.Decision, Err: state.ErrFenced}
		}
		s.changes["vault.promomats"] = []uint64{1}
		s.after(0)
		m := s.memories[a.Addr]
		m.Last = &state.Run{Seq: m.Last.Seq + 1, Started: s.clock, Ended: s.clock, Outcome: state.Failed} // ours
		s.memories[a.Addr] = m
		s.after(time.Second)
		if p := s.Status().Points[0]; p.Failing != 1 || p.Trouble == "" {
			t.Fatalf("%s: %+v", status, p)
		}
		seq := m.Last.Seq + 1
		m = ranAt(s.clock)
		m.Last.Seq, m.Seen = seq, (&syncer.Sight{Records: map[uint64]struct{}{1: {}}}).Digest()
		s.memories[a.Addr] = m
		s.after(time.Second)
		if p := s.Status().Points[0]; p.Failing != 0 || p.Trouble != "" {
			t.Errorf("%s: another process has run it since: %+v", status, p)
		}
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
