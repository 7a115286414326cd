package watch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
)

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
	moved := map[addrs.Instance]bool{a.Addr: true}
	s.opts.Moved = func(context.Context, *Applied) (map[addrs.Instance]bool, error) { return moved, nil }
	beat(7)
	ran("[b incremental c incremental]")
	close(s.slowLook)
	_ = s.Watch.runs.Wait()
	moved = nil
	beat(7)
	ran("[a incremental]")
}
