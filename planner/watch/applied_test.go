package watch

import (
	"context"
	"errors"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

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

// What an apply has run by another definition already is not run by the one from
// before, though the state moves only once that apply has come to its end. All else is.
func TestOvertaken(t *testing.T) {
	of := func(rules string) []providers.Sync {
		a, b := feed("a", "promomats"), feed("b", "promomats")
		a.Inputs = map[string]string{"rules": rules}
		return []providers.Sync{a, b}
	}
	s := newStage(t, of("old")...)
	a := s.applied.Syncs[0].Addr
	ran := func(rules string) {
		m := ranAt(s.clock)
		m.Inputs = map[string]string{"rules": rules, "syncer_routes": "*"}
		s.memories[a] = m
	}
	ran("old")
	s.after(0)
	s.applied.Syncs = of("new") // the apply goes on
	ran("new")
	s.changes["vault.promomats"] = []uint64{1}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[b incremental]]" {
		t.Errorf("ran by what was applied before: %s", got)
	}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[a incremental]]" || s.looks != 2 {
		t.Errorf("ran %s after %d looks", got, s.looks)
	}
	// Another definition that nobody has run yet is a reason to run, as ever.
	s.applied.Syncs, s.serial = of("newer"), 2
	ran("new")
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[a full]]" {
		t.Errorf("a new rule: ran %s", got)
	}
}

// INT-3: what an apply has deactivated runs no more, though the state has not moved yet;
// the others do.
func TestMoved(t *testing.T) {
	a, b := feed("a", "promomats"), feed("b", "promomats")
	s := newStage(t, a, b)
	moved := map[addrs.Instance]bool{}
	s.opts.Moved = func(context.Context, *Applied) (map[addrs.Instance]bool, error) { return moved, nil }
	s.after(0)
	moved[a.Addr] = true
	off := a
	off.Active = false
	s.applied.Syncs = []providers.Sync{off, b}
	s.changes["vault.promomats"] = []uint64{1}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[b incremental]]" || s.looks != 1 {
		t.Errorf("ran %s, %d looks", got, s.looks)
	}
	clear(moved)
	s.changes["vault.promomats"] = []uint64{2}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[b incremental]]" || s.looks != 2 {
		t.Errorf("when it was looked at again: ran %s, %d looks", got, s.looks)
	}
}

// INT-3, ERR-2: what somebody wants to be tried again is not tried by a definition from
// before an apply either, but by the first that is looked at after it.
func TestMovedIsNotTriedAgain(t *testing.T) {
	a := feed("a", "promomats")
	s := newStage(t, a)
	moved := map[addrs.Instance]bool{}
	s.opts.Moved = func(context.Context, *Applied) (map[addrs.Instance]bool, error) { return moved, nil }
	s.after(0)
	moved[a.Addr] = true
	s.Reprocess(a.Addr, []state.Item{{Key: "7"}})
	s.after(5 * time.Second)
	if got := s.ran(); got != "[]" {
		t.Errorf("tried by what was applied before: %s", got)
	}
	clear(moved)
	s.after(5 * time.Second)
	if d := s.Status().Points[0].Decision; !d.Has(syncer.Reprocess) || s.ran() != "[[a incremental]]" || s.looks != 2 {
		t.Errorf("after %d looks: %+v", s.looks, d)
	}
}

// CTRY-10: what routes by a table that was run by another definition meanwhile is left
// with it, and does not have that table run in full by the one from before.
func TestOvertakenTable(t *testing.T) {
	table, clm := routedFeed()
	table.Inputs = map[string]string{"filter": "old"}
	s := newStage(t, table, clm)
	ran := func(filter string, at time.Time) {
		m := ranAt(at)
		m.Inputs = map[string]string{"filter": filter, "syncer_routes": "*"}
		s.memories[table.Addr] = m
	}
	ran("old", noon)
	s.after(0)
	s.ran()
	ran("new", noon)
	m := s.memories[clm.Addr]
	m.Owed = []string{string(syncer.Requested)}
	s.memories[clm.Addr] = m
	table.Inputs = map[string]string{"filter": "new"}
	s.applied.Syncs = []providers.Sync{table, clm}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[]" {
		t.Errorf("ran by what was there before: %s", got)
	}
	s.after(5 * time.Second)
	if got := s.ran(); got != "[[a full countries full]]" || s.looks != 2 {
		t.Errorf("ran %s after %d looks", got, s.looks)
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
	// Nor is there another where one was made by a process whose clock is wrong.
	for _, wrong := range []time.Duration{-time.Hour, time.Hour} {
		a := s.applied.Syncs[0].Addr
		s.end = func(syncer.Task) syncer.Outcome { return syncer.Outcome{Status: syncer.Locked} }
		s.after(time.Minute)
		s.ran()
		s.end = nil
		s.memories[a] = ranAt(s.clock.Add(wrong))
		s.after(40 * time.Second)
		if d := s.Status().Points[0].Decision; d.Has(syncer.Requested) {
			t.Errorf("INT-6: once more, by a clock that is wrong by %s: ran %s", wrong, s.ran())
		}
	}
}
