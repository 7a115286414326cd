package watch

import (
	"context"
	"testing"
	"time"

	"accord/providers"
)

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
