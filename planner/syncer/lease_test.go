package syncer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"accord/planner/syncer"
	"accord/providers/providertest"
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
		w := newLibrary(t, "a")
		held, err := state.LeaseOf(context.Background(), w.journal, booksFeed("a"), c.holder, time.Hour)
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

// A process that stood still for longer than its lease lasted writes nothing more, once
// somebody else has the sync: not either where its clock, and that of the place which
// keeps the lease, tell other times.
func TestLeaseByAnotherClock(t *testing.T) {
	t.Parallel()
	for _, behind := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} {
		w := newLibrary(t, "a")
		stands := sync.OnceFunc(func() {
			w.m.Pass(3 * time.Minute)
			w.journal.expire()
			if _, err := state.LeaseOf(t.Context(), w.journal, booksFeed("a"), "serve", time.Hour); err != nil {
				t.Error(err)
			}
		})
		s, err := syncer.New(syncer.Options{
			Provider: w.provider, Journal: w.journal, WorkDir: t.TempDir(), Now: func() time.Time { return w.now().Add(-behind) },
			Events: func(e syncer.Event) {
				if _, wrote := e.(syncer.Wrote); wrote {
					stands()
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		o := s.Run(t.Context(), w.tasks(syncer.Request{}))[0]
		s.Close()
		if !errors.Is(o.Err, state.ErrFenced) || w.m.Count("write") != 1 {
			t.Errorf("%s behind: %s, %v, and %d writes", behind, o.Status, o.Err, w.m.Count("write"))
		}
	}
}

// A batch that took longer than the lease lasts is the last of its run, where
// somebody else has taken the lease meanwhile; where nobody has, it is renewed
// before the next.
func TestLeaseOutlivesABatch(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{false, true} {
		w := newLibrary(t, "a")
		hold, held := make(chan struct{}), make(chan struct{})
		w.m.Fault(providertest.Fault{Method: "write", Match: "x2", Times: 1, Hold: hold, Held: held})
		go func() {
			defer close(hold)
			<-held
			w.m.Pass(3 * time.Minute)
			if !taken {
				return
			}
			w.journal.expire()
			if _, err := state.LeaseOf(context.Background(), w.journal, booksFeed("a"), "sync", time.Hour); err != nil {
				t.Error(err)
			}
		}()
		o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
		switch {
		case !taken && (o.Status != syncer.Clean || o.Done.Added != 12 || w.journal.renewed == 0):
			t.Errorf("nobody else has the lease: %s, %v, %+v, renewed %d times", o.Status, o.Err, o.Done, w.journal.renewed)
		case taken && (!errors.Is(o.Err, state.ErrFenced) || o.Done.Added != 3):
			t.Errorf("somebody else has the lease: %s, %v, %+v", o.Status, o.Err, o.Done)
		}
	}
}
