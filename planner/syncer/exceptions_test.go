package syncer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
	"accord/state"
)

// told are the exceptions of a feed at its target, a line each.
func (w *world) told(crm string) []string {
	w.t.Helper()
	var lines []string
	for _, c := range w.m.System(crm).Told(feedName(booksFeed(crm))) {
		var x providers.Exception
		if err := json.Unmarshal(c.Fields, &x); err != nil {
			w.t.Fatalf("%s: %v", c.Fields, err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", c.Part, c.Key, c.Standing, x.Message))
	}
	return lines
}

func (w *world) wantTold(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.told("a")); diff != "" {
		w.t.Fatalf("%s: told (-want +got)\n%s", what, diff)
	}
}

// ERR-2, ERR-4: what fails is a record at the target, one for each document,
// the same one as long as it fails, and deactivated when its cause is gone.
func TestItemsAreTold(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.mustRun(syncer.Request{})
	w.wantTold("nothing fails")
	w.m.Pass(time.Hour)
	w.north().Put(standing(providertest.Picture("x2", "Y"), providertest.StandingObsolete))
	w.run(w.tasks(syncer.Request{}))
	w.wantTold("after the run",
		"item book/b1 published: page Second (p2): picture Y (x2) is obsolete",
		"item book/b2 published: page Second (p2): picture Y (x2) is obsolete",
		"message items published: Items that cannot be synced: 2")
	first := w.told("a")
	records := len(w.m.System("a").Told(feedName(booksFeed("a"))))

	// Again the same: nothing is written, and nothing is doubled.
	w.m.Pass(time.Hour)
	w.m.ResetCalls()
	w.run(w.tasks(syncer.Request{}))
	if diff := cmp.Diff(first, w.told("a")); diff != "" || w.m.Count("write") != 0 {
		t.Errorf("%d writes, (-before +after)\n%s", w.m.Count("write"), diff)
	}

	w.m.Pass(time.Hour)
	w.north().Put(providertest.Picture("x2", "New Y"))
	w.mustRun(syncer.Request{})
	for _, line := range w.told("a") {
		if !strings.Contains(line, " withdrawn: ") {
			t.Errorf("it is mended, and open: %s", line)
		}
	}
	if n := len(w.m.System("a").Told(feedName(booksFeed("a")))); n != records {
		t.Errorf("%d records, before %d", n, records)
	}

	// Once all is well, telling costs no call.
	w.m.Pass(time.Hour)
	w.m.ResetCalls()
	w.mustRun(syncer.Request{})
	for _, c := range w.m.Calls() {
		if c.What == providertest.StreamExceptions {
			t.Errorf("it was asked for: %s", c)
		}
	}
}

// ERR-1, ERR-4: what keeps a run from its end is a message at the target and in
// the journal; the next run tries again, and clears it.
func TestGeneralErrorsAreTold(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	general := func() (list []state.Exception) {
		for f, err := range w.journal.Exceptions(context.Background(), booksFeed("a")) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Type == state.Message {
				list = append(list, f)
			}
		}
		return list
	}
	w.m.Fault(providertest.Fault{Method: "records", Match: providertest.StreamBooks, Kind: providers.Permission, Times: 1})
	o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
	if o.Status != syncer.Failed {
		t.Fatalf("%s, %v", o.Status, o.Err)
	}
	want := "message permission published: reading books of shelf.north: the shelf was told to fail"
	w.wantTold("after the failed run", want)
	if list := general(); len(list) != 1 || list[0].Kind != "permission" || list[0].Part != "" {
		t.Errorf("in the journal: %+v", list)
	}
	w.mustRun(syncer.Request{})
	w.wantTold("after the next run", strings.Replace(want, "published", "withdrawn", 1))
	if list := general(); len(list) != 0 {
		t.Errorf("in the journal: %+v", list)
	}
}

// ERR-1: reprocess deactivates a message at once: no run, no full sync, and LRT
// and LSRT stay as they are.
func TestDismiss(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	w.m.Fault(providertest.Fault{Method: "records", Match: providertest.StreamBooks, Kind: providers.Permission, Times: 1})
	w.run(w.tasks(syncer.Request{}))
	before := w.syncs()[0]
	s := w.syncer()
	defer s.Close()
	var messages []syncer.Message
	if err := s.Exceptions(t.Context(), before, func(x providers.Exception) error {
		messages = append(messages, syncer.Message{ID: x.ID, Key: syncer.ExceptionKey(x), Title: x.Title})
		return nil
	}); err != nil || len(messages) != 1 {
		t.Fatalf("%v, %v", messages, err)
	}
	w.m.ResetCalls()
	if err := s.Dismiss(t.Context(), before, messages); err != nil {
		t.Fatal(err)
	}
	if calls := w.m.Calls(); len(calls) != 1 || calls[0].What != providertest.StreamExceptions {
		t.Errorf("calls: %v", calls)
	}
	for range w.journal.Exceptions(t.Context(), booksFeed("a")) {
		t.Error("the journal still has it")
	}
	for _, line := range w.told("a") {
		if strings.Contains(line, "published") {
			t.Errorf("still open: %s", line)
		}
	}
	after := w.syncs()[0]
	if !after.LSRT.Equal(before.LSRT) || !after.LRT.Equal(before.LRT) || after.LSRT.IsZero() {
		t.Errorf("LRT %s → %s, LSRT %s → %s", before.LRT, after.LRT, before.LSRT, after.LSRT)
	}
	if d := w.tasks(syncer.Request{})[0].Decision; d.Mode != syncer.Incremental {
		t.Errorf("it leads to a run: %+v", d)
	}
}

// ERR-2: a few items are tried again by a run that looks at nothing else: what
// changed and what else fails is left to the next run, and so is LSRT.
func TestReprocess(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	w.north().Put(
		providertest.Book("b8", "Eight", []string{"gl"}, "p8"), providertest.Page("p8", "P8"),
		providertest.Book("b9", "Nine", []string{"gl"}, "p9"), providertest.Page("p9", "P9"))
	w.m.Fault(providertest.Fault{Method: "write", Match: "b8", Kind: providers.Invalid, Times: 1})
	w.m.Fault(providertest.Fault{Method: "write", Match: "b9", Kind: providers.Invalid, Times: 2})
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status != syncer.Faulty || o.Failed != 2 {
		t.Fatalf("%s, %v", o.Status, o.Failures)
	}
	before, _ := state.MemoryOf(t.Context(), w.journal, booksFeed("a"))
	lsrt := w.syncs()[0].LSRT

	w.m.Pass(time.Hour)
	w.north().Put(providertest.Book("b3", "Three, changed", []string{"gl"}, "p4"))
	only := syncer.Request{Only: []state.Item{{Part: "book", Key: "b8"}}}
	tasks := w.tasks(only)
	if d := tasks[0].Decision; d.Mode != syncer.Incremental || !d.Has(syncer.Reprocess) || d.Step {
		t.Fatalf("decision %+v", d)
	}
	o := w.run(tasks)[booksFeed("a")]
	if o.Status != syncer.Clean || o.Done != (syncer.Counts{Added: 1}) {
		t.Errorf("%s, %+v, %v, %v", o.Status, o.Done, o.Failures, o.Err)
	}
	w.wantTold("after one of two",
		"item book/b8 withdrawn: writing book b8: the shelf was told to fail",
		"item book/b9 published: writing book b9: the shelf was told to fail",
		"message items published: Items that cannot be synced: 1")
	after, _ := state.MemoryOf(t.Context(), w.journal, booksFeed("a"))
	if after.Failures != 1 || !after.Horizon.Equal(before.Horizon) || !w.syncs()[0].LSRT.Equal(lsrt) || !after.LastStart.After(before.LastStart) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}

	// One that fails again stays, with another attempt.
	if o := w.run(w.tasks(syncer.Request{Only: []state.Item{{Part: "book", Key: "b9"}}}))[booksFeed("a")]; o.Status != syncer.Faulty || o.Failed != 1 || o.NewFailures != 0 {
		t.Errorf("%s, %v", o.Status, o.Failures)
	}
	w.m.Pass(time.Hour)
	if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Done != (syncer.Counts{Added: 1, Updated: 1}) {
		t.Errorf("the next run: %+v", o.Done)
	}
	if m, _ := state.MemoryOf(t.Context(), w.journal, booksFeed("a")); m.Failures != 0 {
		t.Errorf("%d failures", m.Failures)
	}
}

// ERR-2: what is tried again, and needs nothing any more, fails no more.
func TestReprocessOfWhatIsWell(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	w.north().Put(providertest.Book("b3", "Three, again", []string{"gl"}, "p4"))
	w.m.Fault(providertest.Fault{Method: "write", Match: "b3", Kind: providers.Invalid, Times: 1})
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status != syncer.Faulty || o.Failed != 1 {
		t.Fatalf("%s, %v", o.Status, o.Failures)
	}
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Book("b3", "Three", []string{"gl"}, "p4"))
	o := w.run(w.tasks(syncer.Request{Only: []state.Item{{Part: "book", Key: "b3"}}}))[booksFeed("a")]
	if o.Status != syncer.Clean || o.Done.Written() != 0 {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}
	if m, _ := state.MemoryOf(t.Context(), w.journal, booksFeed("a")); m.Failures != 0 {
		t.Errorf("%d failures", m.Failures)
	}
}

// ERR-2: a run of a few items, and one of what changed, read one source beside
// each other, each for its own; and what is told of the others goes with the run
// in which they fail no more, though the one before was clean.
func TestReprocessBesideOthers(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a", "b")
	w.north().Put(
		providertest.Book("b8", "Eight", []string{"gl"}, "p8"), providertest.Page("p8", "P8"),
		providertest.Book("b9", "Nine", []string{"gl"}, "p9"), providertest.Page("p9", "P9"))
	w.m.Fault(providertest.Fault{Method: "write", Match: "b8", Kind: providers.Invalid, Times: 2})
	w.m.Fault(providertest.Fault{Method: "write", Match: "b9", Kind: providers.Invalid, Times: 2})
	w.run(w.tasks(syncer.Request{}))
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Book("b3", "Three, changed", []string{"gl"}, "p4"))
	few, tasks := w.tasks(syncer.Request{Only: []state.Item{{Part: "book", Key: "b8"}}}), w.tasks(syncer.Request{})
	for i := range tasks {
		if tasks[i].Sync.Addr == booksFeed("a") {
			tasks[i] = few[i]
		}
	}
	outcomes := w.run(tasks)
	for feed, want := range map[string]syncer.Counts{"a": {Added: 1}, "b": {Added: 2, Updated: 1}} {
		if o := outcomes[booksFeed(feed)]; o.Status != syncer.Clean || o.Done != want {
			t.Errorf("%s: %s, %v, %+v, want %+v", feed, o.Status, o.Err, o.Done, want)
		}
	}
	w.m.Pass(time.Hour)
	w.mustRun(syncer.Request{})
	w.wantTold("once nothing fails any more",
		"item book/b8 withdrawn: writing book b8: the shelf was told to fail",
		"item book/b9 withdrawn: writing book b9: the shelf was told to fail",
		"message items withdrawn: Items that cannot be synced: 1")
}

// ERR-2: a few items are all that is tried again, also where the route table has
// changed since: that is the next run's.
func TestReprocessWithAnotherTable(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.table("a", "us")
	w.m.Fault(providertest.Fault{Method: "write", Match: "b1", Kind: providers.Invalid, Times: 1})
	w.run(w.tasks(syncer.Request{}))
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Country("ca", "Canada", "ca", "us"))
	tasks := w.tasks(syncer.Request{Only: []state.Item{{Part: "book", Key: "b1"}}})
	for i := range tasks {
		if tasks[i].Sync.Addr == countryFeed("a") {
			tasks[i].Decision = syncer.Decide(tasks[i].Sync, tasks[i].Memory, syncer.Request{}, w.now())
		}
	}
	if o := w.run(tasks)[booksFeed("a")]; o.Decision.Mode != syncer.Incremental || o.Status != syncer.Clean || o.Done != (syncer.Counts{Added: 1}) {
		t.Errorf("%+v, %s, %v, %+v", o.Decision, o.Status, o.Err, o.Done)
	}
	if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Decision.Mode != syncer.Full || !strings.Contains(published(w, "a"), "b2") {
		t.Errorf("the next run: %+v, %s", o.Decision, published(w, "a"))
	}
}

// INT-7: of a sync of the platform's engine accord writes no exception.
func TestPlatformIsToldNothing(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.feed(booksFeed("a"), map[string]any{"engine": "platform"})
	w.m.Fault(providertest.Fault{Method: "follow", Kind: providers.Permission})
	if o := w.run(w.tasks(syncer.Request{Full: true}))[booksFeed("a")]; o.Status != syncer.Failed {
		t.Fatalf("%s, %v", o.Status, o.Err)
	}
	w.wantTold("a run of the platform's")
	if w.m.Count("write") != 0 {
		t.Error("it was written to")
	}
}

// ERR-4: a run that is killed has told of what failed until then; the next one
// takes back what was mended meanwhile, and doubles nothing.
func TestKilledRunHasTold(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	w.north().Put(standing(providertest.Picture("x2", "Y"), providertest.StandingObsolete), providertest.Page("p1", "Newer", "x1"))
	w.p.left = 3 // a message and two items, before any content is written
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status == syncer.Clean || o.Done.Written() != 0 {
		t.Fatalf("it was not killed: %s, %+v", o.Status, o.Done)
	}
	want := []string{
		"item book/b1 published: page Second (p2): picture Y (x2) is obsolete",
		"item book/b2 published: page Second (p2): picture Y (x2) is obsolete",
		"message items published: Items that cannot be synced: 2",
	}
	w.wantTold("after the kill", want...)
	w.mend()
	w.m.Pass(time.Minute)
	w.run(w.tasks(syncer.Request{}))
	w.wantTold("after the next run", want...)
	w.north().Put(providertest.Picture("x2", "New Y"))
	w.m.Pass(time.Minute)
	w.mustRun(syncer.Request{})
	for n := range want {
		want[n] = strings.Replace(want[n], " published: ", " withdrawn: ", 1)
	}
	w.wantTold("mended", want...)
}
