package planner

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"accord/providers/providertest"
	"accord/state/local"
)

// boxes are the blocks of n boxes on a shelf.
func boxes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "box \"i%05d\" {\n  shelf = shelf.north\n  name  = \"i%05d\"\n  size  = %d\n}\n", i, i, i%10+1)
	}
	return b.String()
}

// What is begun and what came of it is durable before and after each call, a
// batch at a time: an apply of a thousand makes some tens of fsyncs.
func TestFsyncsOfAnApply(t *testing.T) {
	w := newWorld(t)
	fsyncs := func(source string) int64 {
		store := w.store.(*local.Store)
		before := store.Fsyncs()
		w.clean(w.apply(source))
		return store.Fsyncs() - before
	}
	one := fsyncs(boxes(1))
	many := fsyncs(boxes(1001))
	t.Logf("%d fsyncs for an apply of one, %d for an apply of a thousand", one, many)
	if many > one+2*4 { // at most four batches more, each an intent and an outcome
		t.Errorf("%d fsyncs for an apply of a thousand, and %d for one", many, one)
	}
}

func benchWorld(b *testing.B) *world {
	w := &world{t: b, dir: b.TempDir(), memory: providertest.NewMemory()}
	store, err := local.Open(filepath.Join(w.dir, "accord.state.json"), local.Options{Tool: "test"})
	if err != nil {
		b.Fatal(err)
	}
	w.store = store
	b.Cleanup(func() { _ = store.Close() })
	return w
}

// BenchmarkPlan plans boxes that are as they were applied, in process.
// Allocations of a box must not grow with their number.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := benchWorld(b)
			source := boxes(n)
			w.apply(source)
			s := w.session(source)
			st, err := w.store.Read(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				p, diags := s.Plan(context.Background(), Request{Desired: s.desired, State: st, Instances: s.instances})
				if diags.HasErrors() || !p.Empty() {
					b.Fatal(diags, actions(p))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/object")
		})
	}
}

// BenchmarkApply makes a thousand boxes, each step durable.
func BenchmarkApply(b *testing.B) {
	source := boxes(1000)
	b.ReportAllocs()
	for b.Loop() {
		w := benchWorld(b)
		if report := w.apply(source); len(report.Failed) > 0 {
			b.Fatal(report.Failed[0].Err)
		}
	}
}
