package syncer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"accord/planner/syncer"
	"accord/state"
)

// Whoever serves holds a point often and briefly: an apply waits for its turn.
// Everyone else who holds it is told at once, and so is whoever serves.
func TestWaitsForWhoServes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, holder, operation string
		holds                   time.Duration
		want                    syncer.Status
		slept                   time.Duration
	}{
		{"serve lets go", "serve", "apply", time.Second, syncer.Clean, time.Second},
		{"serve is in a long run", "serve", "apply", time.Hour, syncer.Locked, 30 * time.Second},
		{"an apply holds it", "apply", "sync", time.Second, syncer.Locked, 0},
		{"another serve holds it", "serve", "serve", time.Second, syncer.Locked, 0},
	} {
		w := newWorld(t, t.TempDir(), "a")
		library(w)
		held, err := w.journal.Acquire(context.Background(), booksFeed("a"), c.holder, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		var slept time.Duration
		said := 0
		s, err := syncer.New(syncer.Options{
			Provider: w.provider, Journal: w.journal, WorkDir: t.TempDir(), Now: w.now, Operation: c.operation,
			Sleep: func(ctx context.Context, d time.Duration) error {
				slept += d
				w.m.Pass(d)
				if slept >= c.holds {
					return w.journal.Release(ctx, held)
				}
				return nil
			},
			Events: func(e syncer.Event) {
				if _, ok := e.(syncer.Waiting); ok {
					said++
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		o := s.Run(context.Background(), w.tasks(syncer.Request{}))[0]
		s.Close()
		var leased *state.LeasedError
		if o.Status != c.want || slept != c.slept || said > 1 || c.want == syncer.Locked && !errors.As(o.Err, &leased) {
			t.Errorf("%s: %s, %v, slept %s, said %d times", c.what, o.Status, o.Err, slept, said)
		}
	}
}
