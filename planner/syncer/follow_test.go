package syncer_test

import (
	"context"
	"errors"
	"fmt"
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

// followed is a world whose feed is the platform's engine's, and a syncer that
// follows it: each look is a chance for that engine to do something.
type followed struct {
	*world
	began  time.Time
	looked int
	ends   time.Time      // when a run began that ends later
	engine func(look int) // what the engine does before a look
	events []syncer.Following
}

func newFollowed(t *testing.T, engine func(w *followed, look int)) *followed {
	w := &followed{world: newWorld(t, t.TempDir(), "a")}
	w.feed(booksFeed("a"), map[string]any{"engine": "platform"})
	library(w.world)
	w.engine = func(look int) { engine(w, look) }
	w.began = w.now()
	return w
}

// run follows the feed's run, for half an hour at most.
func (w *followed) run(ctx context.Context, tasks []syncer.Task) syncer.Outcome {
	s, err := syncer.New(syncer.Options{
		Provider: w.provider, Journal: w.journal, WorkDir: w.dir, Now: w.now, FollowFor: 30 * time.Minute,
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.m.Pass(d)
			w.looked++
			w.engine(w.looked)
			return ctx.Err()
		},
		Events: func(e syncer.Event) {
			if e, ok := e.(syncer.Following); ok {
				w.events = append(w.events, e)
			}
		},
	})
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	defer s.Close()
	o := s.Run(ctx, tasks)[0]
	for _, method := range []string{"write", "finish"} {
		if n := w.m.Count(method); n != 0 {
			w.t.Fatalf("INT-7: %d calls of %s", n, method)
		}
	}
	return o
}

func (w *followed) memory() state.Memory {
	m, err := state.MemoryOf(context.Background(), w.journal, booksFeed("a"))
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return m
}

// ran is a run of the engine that began now.
func (w *followed) ran(clean bool) {
	body := map[string]any{"last_run_time": w.now()}
	if clean {
		body["last_successful_run_time"] = w.now()
	}
	w.feed(booksFeed("a"), body)
}

// CTRY-10: the platform's engine brings its route table up to date before it
// routes by it, asked or not. What is forecast of its run goes by what will be
// there, not by what is there still.
func TestForecastByTheTableToCome(t *testing.T) {
	t.Parallel()
	w := newLibrary(t, "a")
	w.table("a", "us")
	w.run(slices.DeleteFunc(w.tasks(syncer.Request{}), func(t syncer.Task) bool { return t.Sync.Addr != countryFeed("a") }))
	for _, feed := range []addrs.Instance{countryFeed("a"), booksFeed("a")} {
		w.feed(feed, map[string]any{"engine": "platform"})
	}
	w.north().Put(providertest.Country("ca", "Canada", "ca", "us"), providertest.Country("gl", "Global", "mx"))
	tasks := w.tasks(syncer.Request{})
	for n := range tasks {
		if t := &tasks[n]; t.Sync.Addr == booksFeed("a") { // the countries' run is not asked for
			t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{Full: true}, w.now())
		} else if t.Decision.Mode = syncer.None; !t.Sync.Active {
			w.t.Fatalf("%s is not active", t.Sync.Addr)
		}
	}
	added := w.preview(tasks)[booksFeed("a")].Names[syncer.Added]
	added = slices.DeleteFunc(added, func(n syncer.Item) bool { return n.Part != "book" })
	if len(added) != 2 || added[0].Key != "b1" || added[1].Key != "b2" {
		t.Errorf("forecast to be added: %+v", added)
	}
}

// INT-7: an engine that stops in the middle of a run is waited for until the
// time is up, and the run stays owed; when it is back, the next apply follows
// it to its end without asking again. (sync { platform_timeout })
func TestFollowsAnEngineThatStopped(t *testing.T) {
	t.Parallel()
	down := true
	w := newFollowed(t, func(w *followed, look int) {
		if !down {
			w.ran(true)
		}
	})
	o := w.run(t.Context(), w.tasks(syncer.Request{Full: true}))
	var e *providers.Error
	if o.Status != syncer.Failed || !errors.As(o.Err, &e) || e.Kind != providers.Transient || !strings.HasSuffix(e.Message, "within 30m0s") || o.Followed == nil || !o.Followed.After.LRT.IsZero() || !strings.Contains(e.Advice, "stays owed") {
		t.Errorf("%s, %v", o.Status, o.Err)
	}
	if passed := w.now().Sub(w.began); passed < 30*time.Minute || passed > 31*time.Minute {
		t.Errorf("it was waited for %s", passed)
	}
	if len(w.events) == 0 || !w.events[0].Until.Equal(w.began.Add(30*time.Minute)) || !w.events[0].State.LRT.IsZero() {
		t.Errorf("what was told: %+v", w.events)
	}
	if owed := w.memory().Owed; len(owed) == 0 {
		t.Errorf("nothing is owed")
	}
	down = false
	if o := w.run(t.Context(), w.tasks(syncer.Request{})); o.Status != syncer.Clean || o.Err != nil {
		t.Errorf("%s, %v", o.Status, o.Err)
	}
	if m := w.memory(); len(m.Owed) > 0 || !m.LastSuccess.Equal(w.now()) {
		t.Errorf("after it: %+v", m)
	}
}

// An engine that begins and never says how it went: Last Run Time has moved,
// Last Successful Run Time does not follow. It is not waited for for ever, and
// what it says failed is kept as what failed (ERR-2).
func TestFollowsARunWithErrors(t *testing.T) {
	t.Parallel()
	w := newFollowed(t, func(w *followed, look int) {
		if look == 3 {
			w.ran(false)
		}
	})
	o := w.run(t.Context(), w.tasks(syncer.Request{Full: true}))
	if o.Status != syncer.Faulty || o.Err != nil || o.Followed == nil || o.Followed.After.LRT.IsZero() || !o.Followed.After.LSRT.IsZero() {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Followed)
	}
	if passed := w.now().Sub(w.began); passed > 3*time.Minute {
		t.Errorf("it was waited for %s", passed)
	}
	// A second run that is clean ends it.
	w.engine = func(look int) { w.ran(true) }
	if o := w.run(t.Context(), w.tasks(syncer.Request{Full: true})); o.Status != syncer.Clean {
		t.Errorf("%s, %v", o.Status, o.Err)
	}
}

// CTRY-7: after an edit of the filter the engine runs by itself, five minutes
// later; it is asked for nothing, and a run that began before is not that run.
func TestFollowsTheEditOfAFilter(t *testing.T) {
	t.Parallel()
	w := newFollowed(t, func(w *followed, look int) {
		switch passed := w.now().Sub(w.began); {
		case passed >= 5*time.Minute:
			w.ran(true)
		case look == 2: // an incremental run of its own
			w.ran(true)
		}
	})
	w.ran(true)
	w.m.Pass(time.Hour)
	w.began = w.now()
	before := w.tasks(syncer.Request{})
	before[0].Sync.Was, before[0].Sync.Active = true, true
	before[0].Sync.Before = map[string]string{"filter": "old"}
	before[0].Sync.Inputs = map[string]string{"filter": "new"}
	before[0].Decision = syncer.Decide(before[0].Sync, before[0].Memory, syncer.Request{}, w.now())
	d := before[0].Decision
	if d.Asks || !d.Step || !d.Has(syncer.FilterEdited) || !d.EarliestStart.Equal(w.now().Add(5*time.Minute)) {
		t.Fatalf("decided: %+v", d)
	}
	w.m.ResetCalls()
	o := w.run(t.Context(), before)
	if o.Status != syncer.Clean || w.m.Count("ask") != 0 || o.Followed.After.LRT.Sub(w.began) < 5*time.Minute {
		t.Errorf("%s, %v, asked %d times, %+v", o.Status, o.Err, w.m.Count("ask"), o.Followed)
	}
}

// What cannot be asked or looked at: an error that passes is sat out, one that
// does not ends it, and a point that is deactivated meanwhile is said to be so.
func TestFollowsThroughTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  *providertest.Fault
		engine func(w *followed, look int)
		cancel int // the look after which it is cancelled
		status syncer.Status
		says   string
	}{
		"it may not be asked": {fault: &providertest.Fault{Method: "ask", Kind: providers.Refused}, status: syncer.Refused},
		"looks that fail": {fault: &providertest.Fault{Method: "follow", Skip: 1, Times: 5, Kind: providers.Transient}, status: syncer.Clean,
			engine: func(w *followed, look int) { w.ran(true) }},
		"looks that go on failing": {fault: &providertest.Fault{Method: "follow", Skip: 1, Kind: providers.Throttled}, status: syncer.Failed},
		"nobody is let in":         {fault: &providertest.Fault{Method: "follow", Skip: 1, Kind: providers.Access}, status: syncer.Failed},
		"deactivated": {status: syncer.Failed, says: "was deactivated in the vault",
			engine: func(w *followed, look int) { w.feed(booksFeed("a"), map[string]any{"status": "inactive"}) }},
		"cancelled": {cancel: 2, status: syncer.Interrupted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := newFollowed(t, func(w *followed, look int) {
				if look == c.cancel {
					cancel()
				}
				if c.engine != nil {
					c.engine(w, look)
				}
			})
			if c.fault != nil {
				w.m.Fault(*c.fault)
			}
			o := w.run(ctx, w.tasks(syncer.Request{Full: true}))
			if o.Status != c.status || !strings.Contains(fmt.Sprint(o.Err), c.says) {
				t.Errorf("%s, %v", o.Status, o.Err)
			}
			if passed := w.now().Sub(w.began); passed > 5*time.Minute {
				t.Errorf("it was waited for %s", passed)
			}
			if owed := w.memory().Owed; (len(owed) == 0) != (c.status == syncer.Clean) {
				t.Errorf("owed: %v", owed)
			}
		})
	}
}

// Two syncs of which one is the platform's: each goes its own way (CLM-8), and
// a preview asks nobody.
func TestFollowsBesideARunOfOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), "a", "b")
	w.feed(booksFeed("a"), map[string]any{"engine": "platform"})
	library(w)
	w.preview(w.tasks(syncer.Request{Full: true}))
	if n := w.m.Count("ask") + w.m.Count("follow") + w.m.Changes(); n > 4 { // the feeds themselves were made
		t.Errorf("a preview made %d calls that are a run's: %v", n, w.m.Calls())
	}
	s, err := syncer.New(syncer.Options{
		Provider: w.provider, Journal: w.journal, WorkDir: w.dir, Now: w.now,
		Sleep: func(_ context.Context, d time.Duration) error {
			w.m.Pass(d)
			w.feed(booksFeed("a"), map[string]any{"last_run_time": w.now(), "last_successful_run_time": w.now()})
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := map[string]string{}
	for _, o := range s.Run(t.Context(), w.tasks(syncer.Request{Full: true})) {
		got[o.Addr.Key] = fmt.Sprintf("%s %t %d", o.Status, o.Followed != nil, o.Done.Added)
	}
	if diff := cmp.Diff(map[string]string{"a": "clean true 0", "b": "clean false 12"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if published(w, "a") != "" || published(w, "b") == "" {
		t.Errorf("a holds %q, b %q", published(w, "a"), published(w, "b"))
	}
}

// INT-6, INT-7: a run that was asked for is asked for once, whoever follows it: it
// may have begun, or even ended, while nobody looked. Somebody who asks anew wants
// another one.
func TestFollowsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		away   func(w *followed) // what happens while nobody looks
		again  syncer.Request
		asks   int
		status syncer.Status
	}{
		"it ended":          {away: func(w *followed) { w.m.Pass(time.Minute); w.ran(true) }, asks: 1, status: syncer.Clean},
		"it ended badly":    {away: func(w *followed) { w.m.Pass(time.Minute); w.ran(false) }, asks: 1, status: syncer.Faulty},
		"it began":          {away: func(w *followed) { w.m.Pass(time.Minute); w.ends = w.now() }, asks: 1, status: syncer.Clean},
		"nothing":           {asks: 1, status: syncer.Failed},
		"another is wanted": {away: func(w *followed) { w.m.Pass(time.Minute); w.ran(true) }, again: syncer.Request{Full: true}, asks: 2, status: syncer.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := newFollowed(t, func(*followed, int) { cancel() })
			w.ran(true)
			w.m.Pass(time.Hour)
			w.m.ResetCalls()
			if o := w.run(ctx, w.tasks(syncer.Request{Full: true})); o.Status != syncer.Interrupted || w.memory().Asked == nil {
				t.Fatalf("%s, %v, %+v", o.Status, o.Err, w.memory())
			}
			if c.away != nil {
				c.away(w)
			}
			w.engine = func(int) {
				if !w.ends.IsZero() { // the run that began while nobody looked ends
					w.feed(booksFeed("a"), map[string]any{"last_run_time": w.ends, "last_successful_run_time": w.ends})
				}
			}
			o := w.run(t.Context(), w.tasks(c.again))
			if n := w.m.Count("ask"); o.Status != c.status || n != c.asks {
				t.Errorf("%s, %v, asked %d times, want %s and %d", o.Status, o.Err, n, c.status, c.asks)
			}
			if asked := w.memory().Asked; (asked == nil) != (c.status != syncer.Failed) {
				t.Errorf("on record: %+v", asked)
			}
		})
	}
}

// INT-6: a run that had begun before another one was asked for fills, as it ends,
// what was cleared to ask for that one. It is asked for again. So it is where both
// were in one second, in which nobody knows what came first.
func TestFollowsARunThatOverwritesWhatWasAsked(t *testing.T) {
	t.Parallel()
	for _, before := range []time.Duration{time.Minute, 0} {
		w := newFollowed(t, func(w *followed, look int) {
			switch begun := w.began.Add(-before); {
			case look == 3:
				w.feed(booksFeed("a"), map[string]any{"last_run_time": begun, "last_successful_run_time": begun})
			case w.m.Count("ask") == 2:
				w.ran(true)
			}
		})
		w.ran(true)
		w.m.Pass(time.Hour)
		w.began = w.now()
		w.m.ResetCalls()
		if o := w.run(t.Context(), w.tasks(syncer.Request{Full: true})); o.Status != syncer.Clean || w.m.Count("ask") != 2 || !o.Followed.After.LSRT.After(w.began) {
			t.Errorf("begun %s before: %s, %v, asked %d times: %+v", before, o.Status, o.Err, w.m.Count("ask"), o.Followed)
		}
	}
}

// CLM-8: the vault's clock was put back since its last run. The run that was asked for
// is known by the moment at which it was asked for, and by that Last Run Time moved.
func TestFollowsAVaultWhoseClockWasPutBack(t *testing.T) {
	t.Parallel()
	w := newFollowed(t, func(w *followed, _ int) { w.ran(true) })
	w.feed(booksFeed("a"), map[string]any{"last_run_time": w.now().Add(20 * time.Minute), "last_successful_run_time": w.now().Add(20 * time.Minute)})
	if o := w.run(t.Context(), w.tasks(syncer.Request{Full: true})); o.Status != syncer.Clean || !o.Followed.After.LRT.Equal(w.now()) {
		t.Errorf("%s, %v, %+v", o.Status, o.Err, o.Followed)
	}
}
