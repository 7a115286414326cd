package syncer_test

import (
	"context"
	"fmt"
	"testing"

	"accord/planner/syncer"
	"accord/providers/providertest"
	"accord/state"
)

// What a small run is about to write is on record before its first write, said
// once, and nothing of it is open in the end.
func TestAnnounces(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	w.north().Put(providertest.Book("b1", "One, again", []string{"us"}, "p1", "p6"), providertest.Page("p1", "First, again", "x1"), providertest.Page("p6", "Sixth"))
	before := w.journal.intents
	w.mustRun(syncer.Request{})
	if got := w.journal.intents - before; got != 1 {
		t.Errorf("what was about to be written was said %d times, not once", got)
	}
	if len(w.journal.open) > 0 {
		t.Errorf("open in the end: %+v", w.journal.open)
	}
}

// A run that dies leaves on record what it had not begun yet, and the next run
// looks at all of it; one that is stopped takes back what it did not begin.
func TestTakesBack(t *testing.T) {
	t.Parallel()
	start := func() *world {
		w := syncedLibrary(t, "a")
		w.north().Put(providertest.Book("b6", "Six", []string{"us"}, "p6"), providertest.Page("p6", "Sixth", "x6"), providertest.Picture("x6", "W"))
		return w
	}
	open := func(w *world) (parts []string) {
		for _, b := range w.journal.open {
			if b.Verb != state.Await {
				parts = append(parts, b.Part)
			}
		}
		return parts
	}

	w := start()
	w.p.left = 1 // the picture, which is recorded
	w.run(w.tasks(syncer.Request{}))
	if got := fmt.Sprint(open(w)); got != "[page book]" {
		t.Errorf("after a death %s are open", got)
	}
	w.mend()
	w.mustRun(syncer.Request{})
	if len(w.journal.open) > 0 {
		t.Errorf("open in the end: %+v", w.journal.open)
	}

	w = start()
	ctx, stop := context.WithCancel(t.Context())
	w.p.wrote = func() { stop() }
	w.runContext(ctx, w.tasks(syncer.Request{}))
	if got := open(w); got != nil {
		t.Errorf("after a stop %s are open", got)
	}
	w.p.wrote = nil
	w.mustRun(syncer.Request{})
	if i := w.preview(w.tasks(syncer.Request{Full: true}))[booksFeed("a")]; !i.Unaffected() {
		t.Errorf("a full run would still do %+v", i.Total)
	}
}
