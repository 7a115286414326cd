package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
	"accord/state"
)

// library is a small one: two books share a page, two pages a picture.
func library(w *world) {
	w.north().Put(
		providertest.Book("b1", "One", []string{"us"}, "p1", "p2"),
		providertest.Book("b2", "Two", []string{"ca"}, "p2", "p3"),
		providertest.Book("b3", "Three", []string{"gl"}, "p4"),
		providertest.Book("b4", "Blank", nil, "p5"),
		providertest.Page("p1", "First", "x1"), providertest.Page("p2", "Second", "x1", "x2"),
		providertest.Page("p3", "Third"), providertest.Page("p4", "Fourth"), providertest.Page("p5", "Fifth", "x3"),
		providertest.Picture("x1", "X"), providertest.Picture("x2", "Y"), providertest.Picture("x3", "Z"),
		providertest.Country("us", "United States", "us"), providertest.Country("ca", "Canada", "ca"),
		providertest.Country("mx", "Mexico", "mx"), providertest.Country("gl", "Global", "us", "ca", "mx"),
	)
}

// newLibrary is a world with that library.
func newLibrary(t *testing.T, crms ...string) *world {
	w := newWorld(t, t.TempDir(), crms...)
	library(w)
	return w
}

// syncedLibrary is one that was brought over an hour ago.
func syncedLibrary(t *testing.T, crms ...string) *world {
	w := newLibrary(t, crms...)
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	return w
}

func published(w *world, crm string) string {
	var keys []string
	for _, c := range w.m.System(crm).Held(feedName(booksFeed(crm))) {
		if c.Standing == providers.Published {
			keys = append(keys, c.Key)
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

// CTRY-4: which countries each vault receives, by the worked example, and
// CTRY-5: what goes there with them; before anything was written and after.
func TestCountriesRouteContent(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a", "b", "c")
	w.table("a", "us")
	w.table("b", "us", "ca")
	w.table("c", "mx", "ca")
	tasks := w.tasks(syncer.Request{})
	promised := w.preview(tasks)
	w.m.ResetCalls()
	done := w.mustRun(syncer.Request{})
	for crm, want := range map[string]struct{ countries, content string }{
		"a": {"gl us", "b1 b3 p1 p2 p4 x1 x2"},
		"b": {"ca gl us", "b1 b2 b3 p1 p2 p3 p4 x1 x2"},
		"c": {"ca gl mx", "b2 b3 p2 p3 p4 x1 x2"},
	} {
		var keys []string
		for _, c := range w.m.System(crm).Held(feedName(countryFeed(crm))) {
			keys = append(keys, c.Key)
		}
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != want.countries {
			t.Errorf("%s: countries %q, want %q", crm, got, want.countries)
		}
		if got := published(w, crm); got != want.content {
			t.Errorf("%s: content %q, want %q", crm, got, want.content)
		}
		a := booksFeed(crm)
		if diff := cmp.Diff(promised[a].Parts, done[a].Impact.Parts); diff != "" {
			t.Errorf("%s: promised and done (-promised +done)\n%s", crm, diff)
		}
		if promised[a].Blank != 1 {
			t.Errorf("%s: %d books without a country, want 1 (CTRY-5)", crm, promised[a].Blank)
		}
		if !promised[a].First {
			t.Errorf("%s: this is the first full run", crm)
		}
	}
	reads := 0
	for _, c := range w.m.Calls() {
		if c.Method == "records" && c.What == providertest.StreamBooks && c.Verb == "all" {
			reads++
		}
	}
	if reads != 1 {
		t.Errorf("the source was read %d times for three targets", reads)
	}

	w.m.Pass(time.Hour)
	w.m.ResetCalls()
	w.mustRun(syncer.Request{Full: true})
	if n := w.m.Count("write"); n != 0 {
		t.Errorf("a second full run writes %d batches", n)
	}
}

// CTRY-8: the plan names the country that a vault newly receives, and counts
// what it withdraws for one that it loses, by title.
func TestFilterEditShowsCountries(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.table("a", "us")
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	w.table("a", "us", "ca")
	impact := w.preview(w.tasks(syncer.Request{}))[booksFeed("a")]
	if impact.Decision.Mode != syncer.Full || !impact.Decision.Has(syncer.RouteTableChanged) {
		t.Errorf("decision %+v, want a full run since the route table changed", impact.Decision)
	}
	var newly []string
	for _, r := range impact.Newly {
		newly = append(newly, r.Title)
	}
	if diff := cmp.Diff([]string{"Canada"}, newly); diff != "" {
		t.Errorf("newly received (-want +got)\n%s", diff)
	}
	w.mustRun(syncer.Request{})

	w.m.Pass(time.Hour)
	w.table("a", "ca")
	impact = w.preview(w.tasks(syncer.Request{}))[booksFeed("a")]
	i := slices.IndexFunc(impact.Routes, func(r syncer.RouteImpact) bool { return r.Title == "United States" })
	if i < 0 || impact.Routes[i].Withdrawn != 1 || len(impact.Newly) != 0 {
		t.Errorf("routes %+v, want one withdrawn for United States, nothing new", impact.Routes)
	}
	w.mustRun(syncer.Request{})
	if got := published(w, "a"); got != "b2 b3 p2 p3 p4 x1 x2" {
		t.Errorf("content %q", got)
	}
}

// CLM-12: a book with a page that cannot be published is not published in
// part; the version before stays, an exception is recorded, and the run is
// not a success (CLM-8), though the others go on (ERR-3).
func TestIncompleteContainer(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.mustRun(syncer.Request{})
	before := w.held("a", booksFeed("a"))
	w.m.Pass(time.Hour)
	w.north().Put(standing(providertest.Picture("x2", "Y"), providertest.StandingObsolete), providertest.Book("b3", "Third book", []string{"gl"}, "p4"))
	o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
	if o.Status != syncer.Faulty || o.Failed != 2 || o.NewFailures != 2 || o.Err != nil {
		t.Fatalf("outcome %s, %d failed, %d new, %v", o.Status, o.Failed, o.NewFailures, o.Err)
	}
	if got, want := o.Failures[0].Message, "page Second (p2): picture Y (x2) is obsolete"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	after := w.held("a", booksFeed("a"))
	var changed []string
	for i := range after {
		if after[i] != before[i] {
			changed = append(changed, after[i])
		}
	}
	if diff := cmp.Diff([]string{`book b3 published {"title":"Third book"} [p4]`}, changed); diff != "" {
		t.Errorf("what changed (-want +got)\n%s", diff)
	}
	lsrt := w.tasks(syncer.Request{})
	if s := lsrt[0].Sync; !s.LRT.After(s.LSRT) {
		t.Errorf("LRT %s, LSRT %s: the run had errors", s.LRT, s.LSRT)
	}
	if d := lsrt[0].Decision; d.Mode != syncer.Incremental || !d.Has(syncer.Retry) || d.Step {
		t.Errorf("decision %+v, want a retry that is due", d)
	}

	// The document is mended; the next run, though incremental, brings it.
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Picture("x2", "New Y"))
	if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Done.Updated != 1 {
		t.Errorf("done %+v", o.Done)
	}
}

// CLM-14: after a full run with failures another one for the same reason
// waits; a request or a day later it does not. Failures are retried meanwhile.
func TestFullRunIsHeldBack(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.m.Fault(providertest.Fault{Method: "write", Match: "p1", Kind: providers.Invalid, Times: 1})
	o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
	if o.Status != syncer.Faulty || o.Failed != 2 { // the page, and its book
		t.Fatalf("%s, %d failed: %v", o.Status, o.Failed, o.Failures)
	}
	if !o.Decision.Has(syncer.NeverSucceeded) {
		t.Errorf("decision %+v", o.Decision)
	}
	w.m.Pass(23 * time.Hour)
	d := w.tasks(syncer.Request{})[0].Decision
	if d.Mode != syncer.Incremental || d.HeldBack == "" || d.Step {
		t.Errorf("after 23 hours: %+v", d)
	}
	if d := w.tasks(syncer.Request{Full: true})[0].Decision; d.Mode != syncer.Full {
		t.Errorf("requested: %+v", d)
	}
	w.m.Pass(time.Hour)
	if d := w.tasks(syncer.Request{})[0].Decision; d.Mode != syncer.Full {
		t.Errorf("after 24 hours: %+v", d)
	}
	w.m.Pass(-time.Hour)
	w.mustRun(syncer.Request{}) // ERR-2: incremental, and yet what failed is retried
	if got := published(w, "a"); got != "b1 b2 b3 b4 p1 p2 p3 p4 p5 x1 x2 x3" {
		t.Errorf("content %q", got)
	}
}

// CLM-14: one broken document over three days, with a sync every ten minutes:
// full runs are one a day, and not more; everything else goes on meanwhile, and
// the failure is tried by each run (ERR-2). When it is mended, it is over.
func TestBrokenDocumentMakesNoCircle(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]time.Duration{"never succeeded": 0, "succeeded long ago": 16 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLibrary(t, "a")
			if before > 0 {
				w.mustRun(syncer.Request{})
				w.m.Pass(before)
				w.north().Put(providertest.Page("p1", "Broken", "x1"))
			}
			w.m.Fault(providertest.Fault{Method: "write", Match: "p1", Kind: providers.Invalid, Times: 1 << 30})
			full, incremental := 0, 0
			for tick := range 3 * 24 * 6 {
				if tick%36 == 20 { // an author works on
					w.north().Put(providertest.Page("p3", fmt.Sprintf("Third, %d", tick)))
				}
				for a, o := range w.run(w.tasks(syncer.Request{})) {
					if a != booksFeed("a") {
						continue
					}
					if o.Decision.Mode == syncer.Full {
						full++
					} else {
						incremental++
					}
					if o.Status != syncer.Faulty || o.Failed == 0 {
						t.Fatalf("ERR-2: run %d was %s with %d failures: the broken document was not tried", tick, o.Status, o.Failed)
					}
					if tick%36 == 20 && o.Done.Updated != 1 {
						t.Errorf("ERR-3: run %d updated %d, want the page that changed", tick, o.Done.Updated)
					}
				}
				w.m.Pass(10 * time.Minute)
			}
			if full > 4 || full < 3 {
				t.Errorf("CLM-14: %d full runs in three days, want one at first and one a day", full)
			}
			if full+incremental != 3*24*6 {
				t.Errorf("%d runs", full+incremental)
			}
			t.Logf("%d full runs, %d incremental", full, incremental)
			w.m.ClearFaults()
			w.run(w.tasks(syncer.Request{}))
			w.mustRun(syncer.Request{})
			w.m.Pass(25 * time.Hour)
			if d := w.tasks(syncer.Request{})[0].Decision; d.Mode != syncer.Incremental || d.HeldBack != "" {
				t.Errorf("CLM-14: after it was mended: %+v", d)
			}
		})
	}
}

// The first rule: a source that answers with nothing, in error, cut short or
// out of order withdraws nothing.
func TestAbsenceNeverRemoves(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(w *world){
		"nothing": func(w *world) {
			for _, r := range []string{"b1", "b2", "b3", "b4"} {
				w.north().Lose("book", r)
			}
			for _, r := range []string{"p1", "p2", "p3", "p4", "p5"} {
				w.north().Lose("page", r)
			}
			for _, r := range []string{"x1", "x2", "x3"} {
				w.north().Lose("picture", r)
			}
		},
		"an error": func(w *world) {
			w.m.Fault(providertest.Fault{Method: "records", Match: "books", Skip: 1, Kind: providers.Transient})
		},
		"cut short": func(w *world) { w.m.Fault(providertest.Fault{Method: "records", Match: "books", Short: true}) },
		"backwards": func(w *world) {
			w.m.Fault(providertest.Fault{Method: "records", Match: "books", Skip: 1, Backwards: true})
		},
		"a target that is cut short": func(w *world) {
			w.m.Fault(providertest.Fault{Method: "records", Match: "copies", Short: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, t.TempDir(), "a")
			w.m.BatchSize = 4
			library(w)
			w.mustRun(syncer.Request{})
			before := w.held("a", booksFeed("a"))
			w.m.Pass(time.Hour)
			broken(w)
			w.m.ResetCalls()
			o := w.run(w.tasks(syncer.Request{Full: true}))[booksFeed("a")]
			if name == "nothing" {
				if o.Status != syncer.Clean || o.Impact.Total.Kept != 4 {
					t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Impact.Total)
				}
			} else if o.Status != syncer.Failed || o.Err == nil || w.m.Count("finish") != 0 {
				t.Errorf("%s, %v", o.Status, o.Err)
			}
			if diff := cmp.Diff(before, w.held("a", booksFeed("a"))); diff != "" || w.written() != 0 {
				t.Errorf("%d writes (-before +after)\n%s", w.written(), diff)
			}
		})
	}
}

// Absence never removes, of members too: a container that would lose all of a
// part loses them when the source says so twice, and not upon one answer that
// left them out.
func TestMembersAreLostWhenSaidTwice(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{true, false} {
		for _, forgotten := range []bool{true, false} {
			w := newLibrary(t, "a")
			w.mustRun(syncer.Request{})
			before := published(w, "a")
			w.m.Pass(time.Hour)
			if forgotten {
				w.north().Put(providertest.Page("p5", "Fifth, again", "x3"))
				w.p.Provider = forgetful{w.p.Provider, "p5"}
			} else {
				w.north().Put(providertest.Page("p5", "Fifth, again"))
			}
			w.m.ResetCalls()
			o := w.run(w.tasks(syncer.Request{Full: full}))[booksFeed("a")]
			switch {
			case forgotten && (o.Status != syncer.Failed || providers.KindOf(o.Err) != providers.Transient || w.written() != 0 || published(w, "a") != before):
				t.Errorf("full %v: the source named x3, then did not, then did: %s, %v, %d writes", full, o.Status, o.Err, w.written())
			case !forgotten && (o.Status != syncer.Clean || strings.Contains(published(w, "a"), "x3")):
				t.Errorf("full %v: the source names x3 no more: %s, %v, %s", full, o.Status, o.Err, published(w, "a"))
			}
		}
	}
}

// forgetful leaves out what one record names, unless it is asked to be sure.
type forgetful struct {
	providers.Provider
	of string
}

func (f forgetful) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		for b, err := range f.Provider.Records(ctx, req) {
			b.Records = slices.Clone(b.Records)
			for i := range b.Records {
				if r := &b.Records[i]; r.Key == f.of && !req.Confirm && req.End.Stream == providertest.StreamBooks {
					r.Members = nil
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// A route table whose run had errors lets content in, and none out; once it
// is repaired, a full run catches up.
func TestTableWithErrorsWithdrawsNothing(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.table("a", "us", "ca")
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	w.table("a", "us", "mx")
	w.m.Fault(providertest.Fault{Method: "write", Match: "mx", Kind: providers.Invalid, Times: 1})
	outcomes := w.run(w.tasks(syncer.Request{}))
	if o := outcomes[countryFeed("a")]; o.Status != syncer.Faulty {
		t.Fatalf("countries: %s, %v", o.Status, o.Err)
	}
	o := outcomes[booksFeed("a")]
	if o.Status != syncer.Faulty || o.Done.Withdrawn != 0 || o.Impact.Withheld == "" {
		t.Errorf("books: %s, %+v, withheld %q", o.Status, o.Done, o.Impact.Withheld)
	}
	w.m.Pass(time.Hour)
	o = w.mustRun(syncer.Request{})[booksFeed("a")]
	if o.Decision.Mode != syncer.Full || o.Done.Withdrawn != 2 {
		t.Errorf("caught up: %+v, %+v", o.Decision, o.Done)
	}

	// CTRY-12: where the table's run gives up, no call is made for content.
	w.m.Pass(time.Hour)
	w.table("a", "us")
	w.m.Fault(providertest.Fault{Method: "records", Match: "countries", Kind: providers.Transient})
	w.m.ResetCalls()
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status != syncer.Blocked {
		t.Errorf("books: %s, %v", o.Status, o.Err)
	}
	for _, c := range w.m.Calls() {
		if c.What == "books" || c.What == "copies" {
			t.Errorf("a call was made: %s", c)
		}
	}
}

// What is routed by a table that did not run now, and whose last run had errors
// or that has never run, is not withdrawn; once the table is well again all of
// it is, also by what was incremental meanwhile.
func TestTableThatIsNotWell(t *testing.T) {
	t.Parallel()
	for name, memory := range map[string]state.Memory{
		"its last run had errors": {Last: &state.Run{Outcome: state.Faulty}}, "it has never run": {},
		"it fails, and its last run was of something else": {Last: &state.Run{Outcome: state.Clean}, Failures: 1},
	} {
		for _, full := range []bool{false, true} {
			w := newLibrary(t, "a")
			w.table("a", "us", "ca")
			w.mustRun(syncer.Request{})
			w.m.Pass(time.Hour)
			w.north().Put(standing(providertest.Book("b2", "Two", []string{"ca"}, "p2", "p3"), providertest.StandingObsolete))
			run := func(well bool) syncer.Outcome {
				w.m.Pass(time.Hour)
				tasks := w.tasks(syncer.Request{Full: full && !well})
				for i := range tasks {
					if tasks[i].Sync.Addr == countryFeed("a") {
						if tasks[i].Decision = (syncer.Decision{}); !well {
							tasks[i].Memory.Last, tasks[i].Memory.Failures = memory.Last, memory.Failures
						}
					}
				}
				return w.run(tasks)[booksFeed("a")]
			}
			if o := run(false); o.Status != syncer.Faulty || o.Done.Withdrawn != 0 || o.Impact.Withheld == "" {
				t.Errorf("%s, full=%v: %s, %v, %+v, withheld %q", name, full, o.Status, o.Err, o.Done, o.Impact.Withheld)
			}
			if o := run(true); o.Status != syncer.Clean || o.Done.Withdrawn != 2 {
				t.Errorf("%s, full=%v: once it is well: %+v, %s, %v, %+v", name, full, o.Decision, o.Status, o.Err, o.Done)
			}
		}
	}
}

// INT-7: a table that the platform's engine keeps is well where its run times say so,
// whether or not accord has ever followed a run of it (CLM-8).
func TestTableOfThePlatform(t *testing.T) {
	t.Parallel()
	ran := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		lrt, lsrt time.Time
		withheld  bool
	}{
		"it ran well":              {ran, ran, false},
		"its last run had errors":  {ran.Add(time.Hour), ran, true},
		"it has never run":         {withheld: true},
		"it has never run through": {lrt: ran, withheld: true},
	} {
		w := newLibrary(t, "a")
		w.table("a", "us", "ca")
		w.mustRun(syncer.Request{})
		w.m.Pass(time.Hour)
		w.north().Put(standing(providertest.Book("b2", "Two", []string{"ca"}, "p2", "p3"), providertest.StandingObsolete))
		w.m.Pass(time.Hour)
		tasks := w.tasks(syncer.Request{})
		for i := range tasks {
			if table := &tasks[i]; table.Sync.Addr == countryFeed("a") {
				table.Decision, table.Memory.Last = syncer.Decision{}, nil
				table.Sync.Engine, table.Sync.LRT, table.Sync.LSRT = providers.EnginePlatform, test.lrt, test.lsrt
			}
		}
		if o := w.run(tasks)[booksFeed("a")]; (o.Impact.Withheld != "") != test.withheld || (o.Status == syncer.Clean) == test.withheld {
			t.Errorf("%s: %s, %v, %+v, withheld %q", name, o.Status, o.Err, o.Done, o.Impact.Withheld)
		}
	}
}

// A run beyond its limits writes nothing, and says what to change; the first
// one into an empty target may publish as much as it likes, also when it was
// cut short; -allow lifts a limit once.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.limits = syncer.Limits{
		MaxWithdrawn: syncer.Limit{Set: true, Share: 0.2, Place: `accord.hcl:20: max_withdrawn = "20%"`},
		MaxPublished: syncer.Limit{Set: true, Share: 0.5}, IgnoreBelow: 3,
	}
	w.p.left = 3
	w.run(w.tasks(syncer.Request{}))
	w.p.left = -1
	w.journal.reborn()
	w.mustRun(syncer.Request{})
	for _, b := range []string{"b1", "b2"} {
		w.north().Delete("book", b)
	}
	w.m.Pass(time.Hour)
	meanwhile := w.tasks(syncer.Request{})
	if d := meanwhile[0].Decision; d.Mode != syncer.Incremental {
		t.Fatalf("%+v", d)
	}
	tasks := w.tasks(syncer.Request{Full: true})
	impact := w.preview(tasks)[booksFeed("a")]
	if len(impact.Verdicts) != 1 || impact.Verdicts[0].Limit != "max_withdrawn" || impact.Verdicts[0].Count != 7 || impact.Verdicts[0].Owned != 12 {
		t.Fatalf("verdicts %+v", impact.Verdicts)
	}
	w.m.ResetCalls()
	o := w.run(tasks)[booksFeed("a")]
	if o.Status != syncer.Refused || providers.KindOf(o.Err) != providers.Refused || w.m.Count("write") != 0 {
		t.Errorf("%s: %v", o.Status, o.Err)
	}
	var e *providers.Error
	if !errors.As(o.Err, &e) || !strings.Contains(e.Advice, "accord.hcl:20") || !strings.Contains(e.Advice, `-allow='withdraw:feed.books["a"]=7'`) {
		t.Errorf("advice %q", e.Advice)
	}
	// What a run that waits may do is for that run, and not for those meanwhile.
	if err := w.journal.Owe(t.Context(), booksFeed("a"), []string{string(syncer.Requested)}, state.Allowance{Withdraw: 7}); err != nil {
		t.Fatal(err)
	}
	meanwhile[0].Memory = w.tasks(syncer.Request{})[0].Memory
	if o := w.run(meanwhile)[booksFeed("a")]; o.Status != syncer.Refused {
		t.Errorf("meanwhile: %s, %v", o.Status, o.Err)
	}
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status != syncer.Clean || o.Done.Withdrawn != 7 {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}
}

// Where nothing of the first full run succeeded the target is as empty as before: what
// is tried again (ERR-2) is no more under the limit than that run was.
func TestLimitsAfterAllFailed(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.limits = syncer.Limits{MaxPublished: syncer.Limit{Set: true, Share: 0.5}, IgnoreBelow: 3}
	for n := range 10 {
		for _, part := range []string{"b", "p", "x"} {
			w.m.Fault(providertest.Fault{Method: "write", Match: fmt.Sprint(part, n), Kind: providers.Invalid})
		}
	}
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status != syncer.Faulty || o.Done.Written() != 0 {
		t.Fatalf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}
	w.m.ClearFaults()
	w.m.Pass(time.Hour)
	tasks := w.tasks(syncer.Request{})
	if d := tasks[0].Decision; d.Mode != syncer.Incremental {
		t.Fatalf("%+v", d)
	}
	if o := w.run(tasks)[booksFeed("a")]; o.Status != syncer.Clean || o.Done.Published() != 12 {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}
	w.m.Pass(time.Hour)
	w.books(20)
	if o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]; o.Status != syncer.Refused {
		t.Errorf("and then: %s, %v, %+v", o.Status, o.Err, o.Done)
	}
}

// INT-7: where the platform's engine has published, a target in which accord has
// nothing yet is not empty.
func TestLimitsAfterAnotherEngine(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.limits = syncer.Limits{MaxPublished: syncer.Limit{Set: true, Share: 0.5}}
	tasks := w.tasks(syncer.Request{})
	tasks[0].Memory.Last = &state.Run{Mode: state.Full, Outcome: state.Clean, Counts: map[string]int64{"found": 20}}
	impact := w.preview(tasks)[booksFeed("a")]
	if impact.First || impact.Inherited != 20 || len(impact.Verdicts) != 1 || impact.Verdicts[0].Bound != 10 {
		t.Errorf("first %v, inherited %d, %+v", impact.First, impact.Inherited, impact.Verdicts)
	}
}

// Limits hold where content is there and the journal has lost what it knew of it,
// also after a full run that failed before it published anything: that is not the
// first one, cut short.
func TestLimitsAfterAFailedRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), "a")
	library(w)
	w.mustRun(syncer.Request{})
	w.journal = newJournal(w.now)
	w.p.journal = w.journal
	w.m.Pass(time.Hour)
	w.books(20)
	w.m.Fault(providertest.Fault{Method: "records", Match: providertest.StreamBooks, Kind: providers.Transient, Times: 1})
	if o := w.run(w.tasks(syncer.Request{Full: true}))[booksFeed("a")]; o.Status != syncer.Failed {
		t.Fatalf("%s, %v", o.Status, o.Err)
	}
	w.limits = syncer.Limits{MaxPublished: syncer.Limit{Set: true, Share: 0.5}, IgnoreBelow: 2}
	if o := w.run(w.tasks(syncer.Request{Full: true}))[booksFeed("a")]; o.Status != syncer.Refused || o.Done.Written() != 0 {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Done)
	}
}

// What a plan promised holds: a country that it did not name is refused, and
// so are many more withdrawals.
func TestPromise(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.table("a", "us")
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	tasks := w.tasks(syncer.Request{Full: true})
	promises := map[string]*syncer.Promise{}
	for a, i := range w.preview(tasks) {
		promises[a.String()] = i.Promise()
	}
	w.north().Put(providertest.Country("ca", "Canada", "us"))
	tasks = w.tasks(syncer.Request{Full: true})
	for i := range tasks {
		if tasks[i].Sync.Addr == booksFeed("a") { // that of the table would refuse first
			tasks[i].Promise = promises[tasks[i].Sync.Addr.String()]
		}
	}
	o := w.run(tasks)[booksFeed("a")]
	if o.Status != syncer.Refused || !strings.Contains(o.Err.Error(), "newly receive Canada") {
		t.Errorf("%s: %v", o.Status, o.Err)
	}
}

// CTRY-8: what a plan showed bounds what is done: no country and no direction
// that it did not show, and at most 1 % or 10 more withdrawals.
func TestKeeps(t *testing.T) {
	t.Parallel()
	us := syncer.RouteImpact{Key: "us", Title: "United States", Counts: syncer.Counts{Added: 5, Unchanged: 90}}
	ca := syncer.RouteImpact{Key: "ca", Title: "Canada", Counts: syncer.Counts{Updated: 1}}
	shown := &syncer.Impact{Total: syncer.Counts{Added: 5, Withdrawn: 3}, Routes: []syncer.RouteImpact{us}}
	many := &syncer.Impact{Total: syncer.Counts{Added: 5, Withdrawn: 2000}, Routes: []syncer.RouteImpact{us}}
	for name, c := range map[string]struct {
		promise *syncer.Promise
		now     syncer.Impact
		want    string
	}{
		"the same":                {shown.Promise(), *shown, ""},
		"nothing any more":        {shown.Promise(), syncer.Impact{}, ""},
		"nothing was promised":    {nil, syncer.Impact{Total: syncer.Counts{Withdrawn: 99}}, ""},
		"10 more withdrawals":     {shown.Promise(), syncer.Impact{Total: syncer.Counts{Withdrawn: 13}}, ""},
		"11 more":                 {shown.Promise(), syncer.Impact{Total: syncer.Counts{Withdrawn: 14}}, "14 items would be withdrawn"},
		"1 % more":                {many.Promise(), syncer.Impact{Total: syncer.Counts{Withdrawn: 2020}}, ""},
		"more than 1 %":           {many.Promise(), syncer.Impact{Total: syncer.Counts{Withdrawn: 2021}}, "2021 items would be withdrawn"},
		"a withdrawal, not shown": {(&syncer.Impact{Total: syncer.Counts{Added: 5}}).Promise(), syncer.Impact{Total: syncer.Counts{Withdrawn: 1}}, "the plan showed none"},
		"a publish, not shown":    {(&syncer.Impact{Total: syncer.Counts{Withdrawn: 5}}).Promise(), syncer.Impact{Total: syncer.Counts{Restored: 1}}, "newly published"},
		"a country, not shown":    {shown.Promise(), syncer.Impact{Total: syncer.Counts{Updated: 1}, Routes: []syncer.RouteImpact{us, ca}}, "items of Canada would change"},
		"a country, newly":        {shown.Promise(), syncer.Impact{Newly: []syncer.RouteImpact{ca}, Routes: []syncer.RouteImpact{us, ca}}, "would newly receive Canada"},
	} {
		var got []string
		for _, v := range c.promise.Keeps(&c.now) {
			got = append(got, v.Message)
		}
		if (c.want == "") != (len(got) == 0) || len(got) > 1 || !strings.Contains(strings.Join(got, ""), c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A lease that someone else holds is respected, and its holder named.
func TestLeaseOfSomeoneElse(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	tasks := w.tasks(syncer.Request{})
	if _, err := state.LeaseOf(context.Background(), w.journal, booksFeed("a"), "apply", time.Hour); err != nil {
		t.Fatal(err)
	}
	o := w.run(tasks)[booksFeed("a")]
	var held *state.LeasedError
	if o.Status != syncer.Locked || !errors.As(o.Err, &held) || held.Lease.Holder.Who != "someone@here" || w.m.Count("records") != 0 {
		t.Errorf("%s, %v", o.Status, o.Err)
	}
}

// A cancelled run ends between two batches, and says so; its lease is free.
func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	ctx, cancel := context.WithCancel(context.Background())
	hold, held := make(chan struct{}), make(chan struct{})
	w.m.Fault(providertest.Fault{Method: "write", Match: "x2", Times: 1, Hold: hold, Held: held})
	go func() {
		<-held
		cancel()
		close(hold)
	}()
	o := w.runContext(ctx, w.tasks(syncer.Request{}))[booksFeed("a")]
	if o.Status != syncer.Interrupted || o.Done.Added != 3 {
		t.Errorf("%s, %v, %+v: the batch that was begun is finished, the next is not begun", o.Status, o.Err, o.Done)
	}
	w.mustRun(syncer.Request{})
	if got := published(w, "a"); got != "b1 b2 b3 b4 p1 p2 p3 p4 p5 x1 x2 x3" {
		t.Errorf("content %q", got)
	}
}

// ERR-1: so is one whose vault answers no read: that it was stopped is no general error,
// and nothing more is asked of that vault.
func TestCancelledWhileReading(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{false, true} {
		w := newLibrary(t, "a")
		w.mustRun(syncer.Request{})
		w.m.Pass(time.Hour)
		w.north().Put(providertest.Picture("x2", "New Y"))
		ctx, cancel := context.WithCancel(context.Background())
		calm := w.p.Provider
		w.p.Provider = stopped{calm, shelf("a"), cancel}
		w.m.ResetCalls()
		o := w.runContext(ctx, w.tasks(syncer.Request{Full: full}))[booksFeed("a")]
		if o.Status != syncer.Interrupted || w.m.Count("write") != 0 {
			t.Errorf("full %v: %s, %v, %d writes", full, o.Status, o.Err, w.m.Count("write"))
		}
		for f := range w.journal.Exceptions(context.Background(), booksFeed("a")) {
			t.Errorf("full %v: somebody is told: %s", full, f.Message)
		}
		w.p.Provider = calm
		w.mustRun(syncer.Request{})
	}
}

// stopped has the run stopped that reads one of its instances, and says so as a plugin
// does, from which no error of this process comes back as itself.
type stopped struct {
	providers.Provider
	of   addrs.Instance
	stop func()
}

func (p stopped) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	if req.End.Instance != p.of || ctx.Err() != nil || ctx.Done() == nil {
		return p.Provider.Records(ctx, req)
	}
	return func(yield func(providers.Batch, error) bool) {
		p.stop()
		yield(providers.Batch{}, providers.Errorf(providers.Transient, "%v", ctx.Err()))
	}
}

// A write with an ambiguous answer is read before it is tried again: done or
// half done, it ends as it shall, once.
func TestAmbiguousWrites(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]providertest.Fault{
		"done":     {Kind: providers.Ambiguous, Done: true},
		"not done": {Kind: providers.Ambiguous},
		"half":     {Kind: providers.Ambiguous, Done: true, Half: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLibrary(t, "a")
			f.Method, f.Times = "write", 5
			w.m.Fault(f)
			w.mustRun(syncer.Request{})
			if n := len(w.m.System("a").Held(feedName(booksFeed("a")))); n != 12 {
				t.Errorf("%d items, want 12", n)
			}
			if got := published(w, "a"); got != "b1 b2 b3 b4 p1 p2 p3 p4 p5 x1 x2 x3" {
				t.Errorf("content %q", got)
			}
		})
	}
}

// Events tell a run in order: it starts, reads, says what it will do, writes,
// and ends; the waiting for a delay is told too (CTRY-7).
func TestEvents(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.mustRun(syncer.Request{})
	var kinds []string
	for _, e := range w.events {
		switch e := e.(type) {
		case syncer.Started:
			kinds = append(kinds, "started")
		case syncer.Reading:
			if e.Done {
				kinds = append(kinds, "read "+e.Stream)
			}
		case syncer.Previewed:
			kinds = append(kinds, "previewed")
		case syncer.Wrote:
			kinds = append(kinds, "wrote "+e.Part)
		case syncer.Finished:
			kinds = append(kinds, "finished "+string(e.Outcome.Status))
		}
	}
	i := slices.Index(kinds, "previewed")
	slices.Sort(kinds[1:i]) // source and target are read at once
	want := []string{"started", "read books", "read copies", "previewed", "wrote picture", "wrote page", "wrote book", "read exceptions", "finished clean"}
	kinds = slices.Compact(kinds)
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

// A table whose source is small is read once by an incremental run, whole on both
// ends, and those that route by it take it as that run has left it (CTRY-2).
func TestSmallTables(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a", "b", "c")
	for _, crm := range []string{"a", "b", "c"} {
		w.table(crm, "us", "ca")
	}
	w.mustRun(syncer.Request{})
	w.m.Pass(time.Hour)
	w.north().Put(providertest.Page("p1", "First, again", "x1"))
	w.m.ResetCalls()
	outcomes := w.mustRun(syncer.Request{})
	for _, crm := range []string{"a", "b", "c"} {
		for _, a := range []addrs.Instance{countryFeed(crm), booksFeed(crm)} {
			if o := outcomes[a]; o.Decision.Mode != syncer.Incremental {
				t.Errorf("%s ran in mode %s", a, o.Decision.Mode)
			}
		}
		if i := outcomes[countryFeed(crm)].Impact; !i.Exact || i.Owned != 3 {
			t.Errorf("%s: exact %t, %d owned", crm, i.Exact, i.Owned)
		}
		if o := outcomes[booksFeed(crm)]; o.Done.Updated != 1 {
			t.Errorf("%s: done %+v", crm, o.Done)
		}
	}
	reads := map[string]int{}
	for _, c := range w.m.Calls() {
		if c.Method == "records" {
			reads[c.What+" "+c.Verb]++
		}
	}
	want := map[string]int{"countries all": 1, "country_table all": 3, "books since": 1, "copies keys": 3}
	if diff := cmp.Diff(want, reads); diff != "" {
		t.Errorf("reads (-want +got)\n%s", diff)
	}
}
