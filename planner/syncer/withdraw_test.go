package syncer_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
	"accord/state"
)

// INT-4, CLM-11: everything that a sync published is withdrawn, whether or not it
// is active, and nothing else; however often its process dies at a write, what is
// left is withdrawn by the next. It is no run of the point's own: where an
// incremental one goes on from stays, and of an active point a full run is owed.
func TestWithdrawEverything(t *testing.T) {
	t.Parallel()
	for _, active := range []bool{true, false} {
		deaths := 0
		for left := range 12 {
			w := newLibrary(t, "a", "b")
			w.mustRun(syncer.Request{})
			w.m.System("a").PutForeign(providertest.StreamCopies, providertest.Book("b1", "Not ours", nil))
			other, foreign := published(w, "b"), w.m.System("a").Held("")
			before, err := state.MemoryOf(t.Context(), w.journal, booksFeed("a"))
			if err != nil {
				t.Fatal(err)
			}
			if !active {
				w.feed(booksFeed("a"), map[string]any{"status": "inactive"})
			}
			withdraw := func() syncer.Outcome {
				tasks := w.tasks(syncer.Request{Withdraw: true})
				for i := range tasks {
					if tasks[i].Sync.Addr != booksFeed("a") {
						tasks[i].Decision = syncer.Decision{}
					}
				}
				return w.run(tasks)[booksFeed("a")]
			}
			w.p.left = left
			if o := withdraw(); o.Status != syncer.Clean {
				deaths++
				w.mend()
				o = withdraw()
				if o.Status != syncer.Clean || o.Decision.Mode != syncer.Withdrawal {
					t.Fatalf("after a death at write %d: %s, %v", left, o.Status, o.Err)
				}
			}
			w.p.left = -1
			if got := published(w, "a"); got != "" {
				t.Errorf("left: %s", got)
			}
			if got := published(w, "b"); got != other {
				t.Errorf("the other target has %s, and had %s", got, other)
			}
			if diff := cmp.Diff(foreign, w.m.System("a").Held("")); diff != "" {
				t.Errorf("what is not ours (-before +after)\n%s", diff)
			}
			after, err := state.MemoryOf(t.Context(), w.journal, booksFeed("a"))
			if err != nil {
				t.Fatal(err)
			}
			if owed := slices.Contains(after.Owed, string(syncer.Requested)); owed != active || !after.Horizon.Equal(before.Horizon) || !after.LastSuccess.Equal(before.LastSuccess) {
				t.Errorf("active %v: owed %v, horizon %s, was %s", active, after.Owed, after.Horizon, before.Horizon)
			}
			if after.Last.Mode != state.Withdrawal || after.LastFull.Mode != state.Full {
				t.Errorf("the last run is a %s", after.Last.Mode)
			}
			w.feed(booksFeed("a"), map[string]any{"status": "active"})
			w.mustRun(syncer.Request{Full: !active})
			if got := published(w, "a"); got != other {
				t.Errorf("it comes back as %s, want %s", got, other)
			}
		}
		if deaths == 0 {
			t.Error("nothing died")
		}
	}
}

// The limits hold of a withdrawal like of any other run.
func TestWithdrawEverythingWithinLimits(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.mustRun(syncer.Request{})
	w.limits = syncer.Limits{MaxWithdrawn: syncer.Limit{Set: true, Share: 0.2, Place: "main.hcl:3"}, IgnoreBelow: 2}
	tasks := w.tasks(syncer.Request{Withdraw: true})
	impact := w.preview(tasks)[booksFeed("a")]
	if impact.Total.Withdrawn != impact.Owned || impact.Owned == 0 || len(impact.Verdicts) != 1 {
		t.Fatalf("%d of %d withdrawn, %v", impact.Total.Withdrawn, impact.Owned, impact.Verdicts)
	}
	if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Refused || o.Done.Written() > 0 {
		t.Errorf("%s, %+v", o.Status, o.Done)
	}
	for i := range tasks {
		tasks[i].Allow.Withdraw = impact.Owned
	}
	if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Clean || o.Done.Withdrawn != impact.Owned {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}

	// What the platform's engine published is not ours to withdraw.
	sync := tasks[0].Sync
	sync.Engine = providers.EnginePlatform
	if d := syncer.Decide(sync, state.Memory{}, syncer.Request{Withdraw: true}, w.now()); d.Mode != syncer.None || d.Idle == "" {
		t.Errorf("of the platform's engine: %+v", d)
	}
}

// ERR-3: what could not be withdrawn stays with what it holds, and is told; the
// rest goes, and the next withdrawal finds no more than what is left.
func TestWithdrawEverythingButOne(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.mustRun(syncer.Request{})
	w.m.Fault(providertest.Fault{Method: "write", Match: "b3", Kind: providers.Invalid, Times: 1})
	o := w.run(w.tasks(syncer.Request{Withdraw: true}))[booksFeed("a")]
	if o.Status != syncer.Faulty || o.Failed != 2 || o.Done.Withdrawn != 10 || published(w, "a") != "b3 p4" {
		t.Errorf("%s, %d failed, %+v, %s", o.Status, o.Failed, o.Done, published(w, "a"))
	}
	if m, err := state.MemoryOf(t.Context(), w.journal, booksFeed("a")); err != nil || m.Failures != 2 || m.Last.Outcome != state.Faulty || m.Last.Counts["owned"] != 2 {
		t.Errorf("%v, %+v, %+v", err, m, m.Last)
	}
	o = w.run(w.tasks(syncer.Request{Withdraw: true}))[booksFeed("a")]
	if o.Status != syncer.Clean || o.Impact.Owned != 2 || o.Done.Withdrawn != 2 || published(w, "a") != "" {
		t.Errorf("then %s, %v, %+v, %s", o.Status, o.Err, o.Done, published(w, "a"))
	}
}
