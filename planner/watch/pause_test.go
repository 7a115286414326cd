package watch

import (
	"errors"
	"slices"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
)

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
