package planner

import (
	"context"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// A run that waits for another one, which is never begun since what comes before
// it panics, ends too.
func TestPanicBeforeARunIsMet(t *testing.T) {
	steps := map[providers.Ref]*plan.Step{}
	g := graph.New[providers.Ref]()
	ref := func(key string, sync bool) providers.Ref {
		return providers.Ref{Addr: addrs.NewKeyed("feed", "books", key), Sync: sync}
	}
	for _, key := range []string{"a", "b"} {
		steps[ref(key, true)] = &plan.Step{Ref: ref(key, true), Sync: &providers.Sync{}}
		g.Add(ref(key, true), ref(key, false))
	}
	r := newRendezvous(steps, g)
	met := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.groups[ref("b", true)].present) > 0
	}
	defer func() {
		if recover() == nil {
			t.Error("the panic was lost")
		}
	}()
	_, _ = g.Walk(t.Context(), 0, func(ctx context.Context, step providers.Ref) error {
		switch step {
		case ref("a", false):
			for !met() {
				time.Sleep(time.Millisecond)
			}
			panic("a bug")
		case ref("b", false):
			return nil
		}
		_, err := r.join(ctx, step, func(context.Context, []providers.Ref) map[providers.Ref]syncer.Outcome { return nil })
		return err
	})
}
