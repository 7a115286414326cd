package planner

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
)

// panicking panics at one call of one method.
type panicking struct {
	providers.Provider
	method string
	at     int64
	calls  atomic.Int64
}

func (p *panicking) meet(method string) {
	if method == p.method && p.calls.Add(1) == p.at {
		panic("a bug in a provider")
	}
}

func (p *panicking) Read(ctx context.Context, req providers.ReadRequest) []providers.Result {
	p.meet("read")
	return p.Provider.Read(ctx, req)
}

func (p *panicking) Plan(ctx context.Context, req providers.PlanRequest) []providers.PlanResponse {
	p.meet("plan")
	return p.Provider.Plan(ctx, req)
}

func (p *panicking) Apply(ctx context.Context, req providers.ApplyRequest) []providers.Result {
	r := p.Provider.Apply(ctx, req)
	p.meet("apply") // it is done, and nobody is told
	return r
}

func (p *panicking) Syncs(ctx context.Context, changes []providers.Change) ([]providers.Sync, error) {
	p.meet("syncs")
	return p.Provider.Syncs(ctx, changes)
}

func (p *panicking) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	p.meet("records")
	return p.Provider.Records(ctx, req)
}

func (p *panicking) Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	r := p.Provider.Write(ctx, req)
	p.meet("write")
	return r
}

func (p *panicking) Finish(ctx context.Context, run providers.Run) error {
	p.meet("finish")
	return p.Provider.Finish(ctx, run)
}

// A panic anywhere reaches the caller, who exits 11, and never ends the process
// from some goroutine. What was acknowledged is in the state, the lock can be
// given up, and the next apply brings all to its end, with nothing doubled.
func TestPanics(t *testing.T) {
	source := twoShelves + feeds
	for _, c := range []struct {
		method string
		at     int64
	}{
		{"read", 1}, {"plan", 1}, {"plan", 3}, {"syncs", 1}, {"apply", 1}, {"apply", 2}, {"apply", 3}, {"records", 1}, {"records", 5}, {"syncs", 2}, {"write", 1}, {"write", 2}, {"finish", 1},
		{"event", 1}, {"event", 3}, {"event", 6},
	} {
		t.Run(c.method, func(t *testing.T) {
			w := newWorld(t)
			library(w)
			lock, err := w.store.Lock(context.Background(), "apply")
			if err != nil {
				t.Fatal(err)
			}
			s := w.session(source)
			p := &panicking{method: c.method, at: c.at}
			for name, provider := range s.Providers {
				p.Provider = provider
				s.Providers[name] = p
			}
			s.Syncer = w.syncerOf(s.Planner, p)
			s.Events = func(Event) { p.meet("event") }
			crashed := func() (crashed bool) {
				defer func() { crashed = recover() != nil }()
				made, diags := s.Plan(context.Background(), Request{Desired: s.desired, State: lock.State(), Instances: s.instances})
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				op := NewOperation("apply", s.Now())
				_, err := s.Apply(context.Background(), ApplyRequest{Plan: made, Desired: s.desired, Lock: lock, Operation: op})
				if err != nil {
					t.Fatal(err)
				}
				return false
			}()
			if !crashed {
				t.Fatalf("%s %d did not panic", c.method, c.at)
			}
			if err := lock.Unlock(); err != nil {
				t.Fatal(err)
			}
			w.open() // as another process
			if op := LastOperation(w.state()); op != nil && op.Standing != Begun {
				t.Errorf("the operation stands as %s", op.Standing)
			}
			w.apply(source)
			w.apply(source)
			w.nothing(source)
			if n := len(w.system("north").Boxes) + len(w.system("south").Boxes); n != 2 {
				t.Errorf("%d boxes", n)
			}
			held := 0
			for _, copy := range w.system("south").Held("books") {
				if copy.Standing == providers.Published {
					held++
				}
			}
			if held != 16 {
				t.Errorf("%d items arrived, want 16", held)
			}
			if st := w.state(); st.Objects[addrs.New("box", "a")] == nil || len(st.Open) > 0 {
				t.Errorf("the state has %d objects, and %d open intents", len(st.Objects), len(st.Open))
			}
		})
	}
}
