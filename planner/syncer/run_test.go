package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
	"accord/state"
	"accord/state/local"
)

// CTRY-7: a run whose filter was edited under an active point waits for the
// delay, and says so.
func TestWaitsForTheDelay(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	tasks := w.tasks(syncer.Request{Full: true})
	tasks[0].Decision.EarliestStart = w.now().Add(5 * time.Minute)
	var slept time.Duration
	var waiting []syncer.Waiting
	s, err := syncer.New(syncer.Options{
		Provider: w.provider, Journal: w.journal, WorkDir: t.TempDir(), Now: w.now,
		Sleep: func(_ context.Context, d time.Duration) error {
			slept += d
			w.m.Pass(d)
			return nil
		},
		Events: func(e syncer.Event) {
			if e, ok := e.(syncer.Waiting); ok {
				waiting = append(waiting, e)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := s.Run(context.Background(), tasks)[0]
	if o.Status != syncer.Clean || slept != 5*time.Minute || len(waiting) != 1 || o.Started.Before(tasks[0].Decision.EarliestStart) {
		t.Errorf("%s, %v, slept %s, started %s, %+v", o.Status, o.Err, slept, o.Started, waiting)
	}
}

// What is brought over while a full run waits meets none of the reasons for it.
func TestFullRunIsStillDueAfterwards(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.table("a", "us")
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	w.feed(booksFeed("a"), map[string]any{"fields": map[string]string{"color": "colour"}})
	w.north().Put(providertest.Page("p1", "First, again"))
	due := func() (tasks []syncer.Task, books *syncer.Task) {
		tasks = w.tasks(syncer.Request{})
		for i := range tasks {
			if tasks[i].Sync.Addr == booksFeed("a") {
				return tasks, &tasks[i]
			}
		}
		t.Fatal("no task")
		return nil, nil
	}
	tasks, books := due()
	want := books.Decision
	if want.Mode != syncer.Full || !want.Has(syncer.RuleChanged) {
		t.Fatalf("%+v", want)
	}
	books.Decision = syncer.Decision{Mode: syncer.Incremental, Reasons: []syncer.Reason{syncer.Changes}, Since: books.Memory.Horizon, At: want.At}
	if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Clean || o.Done.Updated != 1 {
		t.Fatalf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}
	if _, books := due(); books.Decision.Mode != syncer.Full || !books.Decision.Has(syncer.RuleChanged) {
		t.Errorf("%+v", books.Decision)
	}
}

// After a death the next run waits until the dead one's last calls cannot land
// any more, before it looks what is there.
func TestWaitsForCallsOfTheDead(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} { // of the journal's clock
		w := newLibrary(t, "a")
		w.p.left = 4
		w.run(w.tasks(syncer.Request{}))
		w.mend()
		w.m.Pass(20 * time.Second)
		var slept time.Duration
		s, err := syncer.New(syncer.Options{
			Provider: w.provider, Journal: w.journal, WorkDir: t.TempDir(), Now: func() time.Time { return w.now().Add(ahead) }, Settle: time.Minute,
			Sleep: func(_ context.Context, d time.Duration) error { slept += d; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		o := s.Run(context.Background(), w.tasks(syncer.Request{}))[0]
		s.Close()
		if o.Status != syncer.Clean || slept != 40*time.Second {
			t.Errorf("%s ahead: %s, %v, slept %s", ahead, o.Status, o.Err, slept)
		}
	}
}

// A run whose reason another run has met meanwhile is skipped, and reported.
func TestSkipsWhatAnotherRunHasMet(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	tasks := w.tasks(syncer.Request{})
	w.m.Pass(time.Minute)
	w.mustRun(syncer.Request{})
	w.m.ResetCalls()
	if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Skipped || o.Err != nil || len(w.m.Calls()) != 0 {
		t.Errorf("%s, %v, %v", o.Status, o.Err, w.m.Calls())
	}
	w.mustRun(syncer.Request{Full: true})                                                                                     // the lease is free
	if err := w.journal.Owe(t.Context(), booksFeed("a"), []string{string(syncer.Requested)}, state.Allowance{}); err != nil { // by a run that died since
		t.Fatal(err)
	}
	if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Clean {
		t.Errorf("a full run is owed: %s, %v", o.Status, o.Err)
	}
}

// Which run was begun after which is no matter of clocks: whose is wrong neither makes a
// full run that another has made, nor leaves one out that somebody asks for.
func TestSkipsByNoClock(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{-time.Hour, time.Hour} {
		w := newLibrary(t, "a")
		tasks := w.tasks(syncer.Request{})
		tasks[0].Decision.At = tasks[0].Decision.At.Add(wrong)
		w.mustRun(syncer.Request{})
		if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Skipped {
			t.Errorf("%s: made once more: %s, %v", wrong, o.Status, o.Err)
		}
		tasks = w.tasks(syncer.Request{Full: true})
		tasks[0].Decision.At = tasks[0].Decision.At.Add(wrong)
		if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Clean {
			t.Errorf("%s: what somebody asks for: %s, %v", wrong, o.Status, o.Err)
		}
	}
}

// A run is not met by another that went by another definition: by a rule as it was
// before, say (RULE-5).
func TestAnotherDefinitionMeetsNothing(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.north().Put(with(providertest.Book("b1", "One", []string{"us"}, "p1", "p2"), "color", "red"))
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	before := w.feeds[booksFeed("a")]["fields"]
	w.feed(booksFeed("a"), map[string]any{"fields": map[string]string{"color": "colour"}})
	tasks := w.tasks(syncer.Request{})
	w.m.Pass(time.Minute)
	w.feed(booksFeed("a"), map[string]any{"fields": before})
	w.mustRun(syncer.Request{Full: true})
	if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Clean || o.Done != (syncer.Counts{Updated: 1}) {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}
}

// Who goes by a definition that was applied before begins no run where another has run
// by what was applied since: unless a plan promised it, which holds the state's lock.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	for _, promised := range []bool{false, true} {
		w := newLibrary(t, "a")
		w.mustRun(syncer.Request{})
		w.m.Pass(time.Hour)
		w.north().Put(providertest.Page("p1", "First, again"))
		before := w.tasks(syncer.Request{})
		if promised {
			before[0].Promise = &syncer.Promise{}
		}
		w.feed(booksFeed("a"), map[string]any{"fields": map[string]string{"color": "colour"}})
		w.mustRun(syncer.Request{})
		o := w.run(before)[booksFeed("a")]
		if !promised && (o.Status != syncer.Locked || o.Err == nil || o.Done.Written() != 0) || promised && o.Status == syncer.Locked {
			t.Errorf("promised %v: %s, %v, %+v", promised, o.Status, o.Err, o.Done)
		}
		if _, err := state.LeaseOf(t.Context(), w.journal, booksFeed("a"), "sync", time.Hour); err != nil {
			t.Errorf("its lease is not free: %v", err)
		}
	}
}

// A target that lets nobody in ends the run at once; one document's failure
// does not (ERR-3).
func TestGivesUpWhereNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.m.Fault(providertest.Fault{Method: "write", Kind: providers.Access})
	o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
	if o.Status != syncer.Failed || providers.KindOf(o.Err) != providers.Access || w.m.Count("write") != 1 || w.m.Count("finish") != 0 {
		t.Errorf("%s, %v, %d writes", o.Status, o.Err, w.m.Count("write"))
	}
}

// A member stays as long as a container holds it that could not be written.
func TestMemberOfFailedContainerStays(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	w.north().Put(providertest.Book("b1", "One", []string{"us"}, "p2"))
	w.m.Fault(providertest.Fault{Method: "write", Match: "b1", Kind: providers.Invalid, Times: 1})
	w.m.ResetCalls()
	o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
	if o.Status != syncer.Faulty || o.Failed != 2 || o.Done.Written() != 0 {
		t.Errorf("%s, %+v, %v", o.Status, o.Done, o.Failures)
	}
	for _, c := range w.m.Calls() {
		if c.Verb == "withdraw" {
			t.Errorf("it was tried: %s", c)
		}
	}
	w.m.Pass(time.Hour)
	if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Done.Updated != 1 || o.Done.Withdrawn != 1 {
		t.Errorf("%+v", o.Done)
	}
}

// A container that names a member which could not be brought up to date stays
// as it is, though the target would take it.
func TestContainerOfFailedMemberStays(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.mustRun(syncer.Request{})
	before := w.held("a", booksFeed("a"))
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Book("b3", "Three, again", []string{"gl"}, "p4"), providertest.Page("p4", "Fourth, again"))
	w.m.Fault(providertest.Fault{Method: "write", Match: "p4", Kind: providers.Invalid, Times: 1})
	o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
	if o.Status != syncer.Faulty || o.Failed != 2 || o.Done.Written() != 0 {
		t.Errorf("%s, %+v, %v", o.Status, o.Done, o.Failures)
	}
	if diff := cmp.Diff(before, w.held("a", booksFeed("a"))); diff != "" {
		t.Errorf("content (-before +after)\n%s", diff)
	}
	w.m.Pass(time.Hour)
	if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Done != (syncer.Counts{Updated: 2}) {
		t.Errorf("%+v", o.Done)
	}
}

// CLM-13: what was withdrawn and comes back is the same item as before.
func TestRestoresTheSameItem(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.mustRun(syncer.Request{})
	ids := func() (ids []string) {
		for _, c := range w.m.System("a").Held(feedName(booksFeed("a"))) {
			ids = append(ids, c.ID+" "+c.Standing)
		}
		return ids
	}
	before := ids()
	w.m.Pass(time.Hour)
	w.north().Put(standing(providertest.Book("b3", "Three", []string{"gl"}, "p4"), providertest.StandingUnpublished))
	if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Done != (syncer.Counts{Withdrawn: 2}) {
		t.Errorf("%+v", o.Done)
	}
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Book("b3", "Three", []string{"gl"}, "p4"))
	if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Done != (syncer.Counts{Restored: 2}) {
		t.Errorf("%+v", o.Done)
	}
	if diff := cmp.Diff(before, ids()); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

// CLM-1: what left the steady state without becoming obsolete is kept and
// reported; a setting makes it withdraw.
func TestUnapproved(t *testing.T) {
	t.Parallel()
	for meaning, want := range map[string]syncer.Counts{"keep": {Kept: 1, Unchanged: 1}, "withdraw": {Withdrawn: 2}} {
		w := newWorld(t, t.TempDir(), "a")
		w.feed(booksFeed("a"), map[string]any{"on_unapproved": meaning})
		w.north().Put(providertest.Book("b1", "One", nil, "p1"), providertest.Page("p1", "First"))
		w.mustRun(syncer.Request{})
		w.m.Pass(time.Hour)
		w.north().Put(standing(providertest.Book("b1", "One", nil, "p1"), providertest.StandingUnapproved))
		o := w.mustRun(syncer.Request{})[booksFeed("a")]
		if diff := cmp.Diff(want, o.Impact.Total); diff != "" {
			t.Errorf("%s (-want +got)\n%s", meaning, diff)
		}
		if items := o.Impact.Names[syncer.Kept]; meaning == "keep" && (len(items) != 1 || items[0].Reason != "unapproved") {
			t.Errorf("reported: %+v", items)
		}
	}
}

// CLM-4: an item that is at the target twice is reported, and none of the two is
// taken away; of two of which one was withdrawn nothing is said.
func TestThereTwice(t *testing.T) {
	t.Parallel()
	for standing, kept := range map[string]int{providers.Published: 1, providers.Withdrawn: 0} {
		w := syncedLibrary(t, "a")
		crm := w.m.System("a")
		double := *crm.Copies[slices.IndexFunc(crm.Copies, func(c *providertest.Copy) bool { return c.Key == "b3" })]
		double.ID, double.Standing = "by hand", standing
		crm.Copies = append(crm.Copies, &double)
		o := w.mustRun(syncer.Request{Full: true})[booksFeed("a")]
		if o.Impact.Total.Kept != kept || o.Done.Written() != 0 {
			t.Errorf("%s: %+v, %+v", standing, o.Impact.Total, o.Done)
		}
		if items := o.Impact.Names[syncer.Kept]; kept > 0 && (len(items) != 1 || items[0].Reason != "it is there twice") {
			t.Errorf("%s: reported: %+v", standing, items)
		}
	}
}

// CONN-3: without a table the routes are looked up in the source.
func TestRoutesByLookup(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.feed(booksFeed("a"), map[string]any{"lookup": []string{"us"}})
	w.mustRun(syncer.Request{})
	if got := published(w, "a"); got != "b1 b3 p1 p2 p4 x1 x2" {
		t.Errorf("content %q", got)
	}
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Country("ca", "Canada", "ca", "us"))
	o := w.mustRun(syncer.Request{})[booksFeed("a")]
	if o.Decision.Mode != syncer.Full || !o.Decision.Has(syncer.RouteTableChanged) {
		t.Errorf("%+v", o.Decision)
	}
	if got := published(w, "a"); got != "b1 b2 b3 p1 p2 p3 p4 x1 x2" {
		t.Errorf("content %q", got)
	}
}

// CTRY-2: a table that is kept for others as well routes by what is this sync's own of
// it, and what they add to it makes no run full, and takes nothing along.
func TestRoutesWithinATable(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.table("a", "us")
	w.mustRun(syncer.Request{})
	own := published(w, "a")
	w.m.Pass(time.Hour)
	w.table("a", "us", "ca", "mx")
	w.feed(booksFeed("a"), map[string]any{"lookup": []string{"us"}})
	impacts := w.preview(w.tasks(syncer.Request{Full: true}))
	if c := impacts[booksFeed("a")].Total; c.Added+c.Updated+c.Withdrawn != 0 {
		t.Errorf("the preview counts %+v", c)
	}
	w.mustRun(syncer.Request{Full: true})
	if got := published(w, "a"); got != own {
		t.Errorf("content %q, and it was %q", got, own)
	}
	w.m.Pass(time.Hour)
	w.table("a", "us")
	o := w.mustRun(syncer.Request{})[booksFeed("a")]
	if o.Decision.Has(syncer.RouteTableChanged) || published(w, "a") != own {
		t.Errorf("%+v, content %q", o.Decision, published(w, "a"))
	}
	w.feed(booksFeed("a"), map[string]any{"lookup": nil})
	w.table("a", "us", "ca", "mx")
	w.mustRun(syncer.Request{Full: true})
	if got := published(w, "a"); got == own {
		t.Errorf("content %q, though all of the table counts", got)
	}
}

// CLM-9: an incremental run asks for what changed, and reads neither the
// source nor the target as a whole.
func TestIncrementalReadsLittle(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.m.Pass(time.Hour)
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Page("p3", "Third, again"))
	w.m.ResetCalls()
	o := w.mustRun(syncer.Request{})[booksFeed("a")]
	if o.Decision.Mode != syncer.Incremental || o.Done != (syncer.Counts{Updated: 1}) || o.Impact.Exact {
		t.Errorf("%+v, %+v", o.Decision, o.Done)
	}
	if o.Impact.Owned != 12 {
		t.Errorf("it knows %d owned items from the run before, want 12", o.Impact.Owned)
	}
	var calls []string
	for _, c := range w.m.Calls() {
		if c.Method != "read" && c.Method != "syncs" {
			calls = append(calls, c.String())
		}
	}
	want := []string{
		"records books since",
		"records copies keys x1,x2,p2,p3,b2",
		"write copies update page p3", "finish copies",
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got)\n%s", diff)
	}
}

// CLM-9: what an incremental run is about is asked of all targets in one request.
// One that does not answer keeps no other from being brought up to date.
func TestTargetsAreAskedTogether(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a", "b", "c")
	w.north().Put(providertest.Page("p3", "Third, again"))
	requests, ends := 0, 0
	w.p.asked = func(req providers.RecordsRequest) {
		if req.End.Stream == providertest.StreamCopies {
			requests++
			ends += len(req.Ends())
		}
	}
	w.m.Fault(providertest.Fault{Method: "records", Match: providertest.StreamCopies, Kind: providers.Permission, Times: 1})
	ended := map[syncer.Status]int{}
	for _, o := range w.run(w.tasks(syncer.Request{})) {
		ended[o.Status]++
		if failed := o.Status == syncer.Failed; failed != (o.Err != nil) || !failed && o.Done != (syncer.Counts{Updated: 1}) {
			t.Errorf("%s: %s, %v, %+v", o.Addr, o.Status, o.Err, o.Done)
		}
	}
	if ended[syncer.Clean] != 2 || ended[syncer.Failed] != 1 || requests != 1 || ends != 3 {
		t.Errorf("%v; %d requests of %d ends", ended, requests, ends)
	}
	if w.m.Pass(time.Hour); w.mustRun(syncer.Request{}) == nil {
		t.Error("nothing ran")
	}
	for _, crm := range []string{"a", "b", "c"} {
		if held := strings.Join(w.held(crm, booksFeed(crm)), "\n"); !strings.Contains(held, "Third, again") {
			t.Errorf("%s holds\n%s", crm, held)
		}
	}
}

// What changed is read while the runs still go on that keep the route tables: once,
// unless these took so long that it has to be looked again.
func TestChangesAreReadAheadOfTables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes time.Duration
		reads int
	}{
		"soon":       {takes: time.Second, reads: 1},
		"much later": {takes: time.Minute, reads: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLibrary(t, "a", "b")
			w.table("a", "us")
			w.table("b", "us", "de")
			w.mustRun(syncer.Request{})
			w.m.Pass(time.Hour)
			w.north().Put(providertest.Page("p1", "First, again"))
			var reads atomic.Int32
			read, hold := make(chan struct{}), make(chan struct{})
			w.p.asked = func(req providers.RecordsRequest) {
				if req.End.Stream == providertest.StreamBooks && !req.Since.IsZero() && reads.Add(1) == 1 {
					close(read)
				}
			}
			w.m.Fault(providertest.Fault{Method: "finish", Match: feedName(countryFeed("a")), Times: 1, Hold: hold})
			go func() {
				defer close(hold)
				select {
				case <-read:
				case <-time.After(30 * time.Second):
					t.Error("nothing is read before the tables are there")
				}
				w.m.Pass(c.takes)
			}()
			tasks := w.tasks(syncer.Request{})
			for i := range tasks {
				if tasks[i].Decision.Mode == syncer.None {
					tasks[i].Decision = syncer.Decision{Mode: syncer.Incremental, Since: tasks[i].Memory.Horizon, At: w.now()}
				}
			}
			for addr, o := range w.run(tasks) {
				if o.Status != syncer.Clean || o.Decision.Mode != syncer.Incremental {
					t.Errorf("%s: %s, %v, %s", addr, o.Status, o.Err, o.Decision.Mode)
				}
			}
			if int(reads.Load()) != c.reads {
				t.Errorf("the source was read %d times, want %d", reads.Load(), c.reads)
			}
			if held := strings.Join(w.held("b", booksFeed("b")), "\n"); !strings.Contains(held, "First, again") {
				t.Errorf("b holds\n%s", held)
			}
		})
	}
}

// A run that is cut short between a member and its container, which then
// vanishes, leaves nothing behind, though an incremental run would not see it;
// also of a member that was there before.
func TestNothingIsLeftOfAVanishedContainer(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		w := newLibrary(t, "a")
		page := providertest.Page("p9", "Ninth")
		if before {
			w.north().Put(providertest.Book("b8", "Eight", []string{"us"}, "p9"), page)
			w.mustRun(syncer.Request{})
			w.m.Pass(time.Hour)
			w.north().Put(providertest.Book("b8", "Eight", []string{"us"}, "p1"))
		}
		w.mustRun(syncer.Request{})
		w.m.Pass(time.Hour)
		w.north().Put(providertest.Book("b9", "Nine", []string{"us"}, "p9"), page)
		w.p.left = 1 // the page, not the book
		w.run(w.tasks(syncer.Request{}))
		w.mend()
		if got := published(w, "a"); !strings.Contains(got, "p9") || strings.Contains(got, "b9") {
			t.Fatalf("it was not cut short as it should: %s", got)
		}
		w.north().Delete("book", "b9")
		w.m.Pass(time.Hour)
		o := w.mustRun(syncer.Request{})[booksFeed("a")]
		if o.Decision.Mode != syncer.Incremental || strings.Contains(published(w, "a"), "p9") {
			t.Errorf("there before %v: %+v, %s", before, o.Decision, published(w, "a"))
		}
	}
}

// A member that was made for a container which the target then refused goes,
// once that container has vanished.
func TestNothingIsLeftOfARefusedContainer(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a")
	w.north().Put(providertest.Book("b9", "Nine", []string{"us"}, "p9"), providertest.Page("p9", "Ninth"))
	w.m.Fault(providertest.Fault{Method: "write", Match: "b9", Kind: providers.Invalid, Times: 1})
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status != syncer.Faulty || !strings.Contains(published(w, "a"), "p9") {
		t.Fatalf("%s, %v, %s", o.Status, o.Err, published(w, "a"))
	}
	w.north().Delete("book", "b9")
	w.m.Pass(time.Hour)
	o := w.mustRun(syncer.Request{})[booksFeed("a")]
	if o.Decision.Mode != syncer.Incremental || strings.Contains(published(w, "a"), "p9") {
		t.Errorf("%+v, %s", o.Decision, published(w, "a"))
	}
}

// What a container held goes, also where a run died that had written the
// container, and had not come to the rest.
func TestNothingIsLeftOfWhatAContainerHeld(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.north().Put(providertest.Book("b9", "Nine", []string{"us"}, "p8", "p9"), providertest.Page("p8", "Eighth"), providertest.Page("p9", "Ninth"))
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Book("b9", "Nine", []string{"us"}, "p9"))
	w.p.left, w.p.unheard = 1, true // the book, not the page
	w.run(w.tasks(syncer.Request{}))
	w.mend()
	if got := published(w, "a"); !strings.Contains(got, "p8") {
		t.Fatalf("it was not cut short as it should: %s", got)
	}
	o := w.mustRun(syncer.Request{})[booksFeed("a")]
	if o.Decision.Mode != syncer.Incremental || o.Done.Updated > 0 || strings.Contains(published(w, "a"), "p8") {
		t.Errorf("%+v, %+v, %s", o.Decision, o.Done, published(w, "a"))
	}
}

// An edge of a large library: more changes than a batch holds, with several
// batches in flight, on the journal that people use.
func TestManyBatchesOnTheLocalJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), "a")
	var records []providers.Record
	for i := range 1200 {
		page := fmt.Sprintf("p%04d", i)
		records = append(records, providertest.Book(fmt.Sprintf("b%04d", i), "Book", nil, page), providertest.Page(page, "Page"))
	}
	w.north().Put(records...)
	store, err := local.Open(t.TempDir()+"/accord.state.json", local.Options{Tool: "test", Who: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	journal, err := store.Journal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s, err := syncer.New(syncer.Options{Provider: w.provider, Journal: journal, WorkDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := booksFeed("a")
	task := func() []syncer.Task {
		memory, err := state.MemoryOf(context.Background(), journal, a)
		if err != nil {
			t.Fatal(err)
		}
		sync := w.syncs()[0]
		return []syncer.Task{{Sync: sync, Memory: memory, Decision: syncer.Decide(sync, memory, syncer.Request{}, time.Now())}}
	}
	w.m.SetNow(time.Now())
	w.m.Fault(providertest.Fault{Method: "write", Match: "p0700", Kind: providers.Invalid, Times: 1})
	o := s.Run(context.Background(), task())[0]
	if o.Status != syncer.Faulty || o.Done.Added != 2398 || o.Failed != 2 || o.NewFailures != 2 {
		t.Fatalf("%s, %v, %+v, %d failed, %d new", o.Status, o.Err, o.Done, o.Failed, o.NewFailures)
	}
	verbs := map[string]int{}
	for _, c := range w.m.Calls() {
		if c.Method == "write" {
			verbs[c.Part+" "+c.Verb]++
		}
	}
	// The two are told of as they fail, and their number in the end.
	if diff := cmp.Diff(map[string]int{"page create": 3, "book create": 3, "message create": 1, "item create": 2, "message update": 1}, verbs); diff != "" {
		t.Errorf("batches (-want +got)\n%s", diff)
	}
	o = s.Run(context.Background(), task())[0]
	if o.Decision.HeldBack == "" || o.Status != syncer.Clean || o.Done.Added != 2 || o.Impact.Owned != 2398 {
		t.Errorf("%+v, %s, %v, %+v, owned %d", o.Decision, o.Status, o.Err, o.Done, o.Impact.Owned)
	}
	runs, err := journal.Runs(context.Background(), a, 5)
	if err != nil || len(runs) != 2 || runs[1].Counts["added"] != 2398 || runs[0].Counts["owned"] != 2400 {
		t.Errorf("%+v, %v", runs, err)
	}
	if d := task()[0].Decision; d.Mode != syncer.Incremental || slices.Contains(d.Reasons, syncer.Retry) {
		t.Errorf("%+v", d)
	}
}

func (w *world) provider(addrs.Instance) (providers.Provider, *schema.Provider) {
	sch, err := w.p.Schema(context.Background())
	if err != nil {
		w.t.Fatalf("schema: %v", err)
	}
	return w.p, sch
}
