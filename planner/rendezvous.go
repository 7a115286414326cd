package planner

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"accord/planner/graph"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// rendezvous brings runs of one source together, so that one read serves all
// their targets: the last that becomes ready starts them all. A run whose
// dependencies failed is no longer waited for.
type rendezvous struct {
	mu     sync.Mutex
	groups map[providers.Ref]*meeting
	closed bool
}

type meeting struct {
	expected map[providers.Ref]bool // not yet here
	present  []providers.Ref
	start    chan struct{} // closed when nobody is expected any more
	outcomes map[providers.Ref]syncer.Outcome
	over     chan struct{} // closed when the outcomes are there
	led      bool
}

func newRendezvous(steps map[providers.Ref]*plan.Step, g *graph.Graph[providers.Ref]) *rendezvous {
	r := &rendezvous{groups: map[providers.Ref]*meeting{}}
	byKey := map[string]*meeting{}
	for ref, s := range steps {
		if !ref.Sync {
			continue
		}
		// Runs that come after one another cannot meet: they differ in how
		// many runs of the same source come before.
		depth := 0
		for _, on := range g.TransitiveDependencies(ref) {
			if on.Sync && sourceOf(steps[on]) == sourceOf(s) {
				depth++
			}
		}
		key := fmt.Sprint(sourceOf(s), " ", depth)
		m := byKey[key]
		if m == nil {
			m = &meeting{expected: map[providers.Ref]bool{}, start: make(chan struct{}), over: make(chan struct{}), outcomes: map[providers.Ref]syncer.Outcome{}}
			byKey[key] = m
		}
		m.expected[ref] = true
		r.groups[ref] = m
	}
	return r
}

func sourceOf(s *plan.Step) string {
	return s.Sync.Source.Instance.String() + " " + s.Sync.Source.Stream + " " + string(s.Sync.Source.Scope)
}

// drop stops waiting for runs that will not come.
func (r *rendezvous) drop(refs ...providers.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		if m := r.groups[ref]; m != nil && m.expected[ref] {
			delete(m.expected, ref)
			m.begin()
		}
	}
}

func (r *rendezvous) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

func (m *meeting) begin() {
	if len(m.expected) == 0 {
		select {
		case <-m.start:
		default:
			close(m.start)
		}
	}
}

// join waits for the others, has one of them run all, and returns this one's
// outcome.
func (r *rendezvous) join(ctx context.Context, ref providers.Ref, run func(context.Context, []providers.Ref) map[providers.Ref]syncer.Outcome) (syncer.Outcome, error) {
	r.mu.Lock()
	m := r.groups[ref]
	delete(m.expected, ref)
	m.present = append(m.present, ref)
	m.begin()
	r.mu.Unlock()
	select {
	case <-m.start:
	case <-ctx.Done():
		return syncer.Outcome{}, ctx.Err()
	}
	r.mu.Lock()
	lead := !m.led
	m.led = true
	present := slices.SortedFunc(slices.Values(m.present), compareRefs)
	r.mu.Unlock()
	if lead {
		func() {
			defer close(m.over) // also when it panics: the others must not wait for ever
			m.outcomes = run(ctx, present)
		}()
	}
	<-m.over
	return m.outcomes[ref], nil
}
