package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers/devvault"
	"accord/state"
)

// What is changed while a run goes on, between any two of its calls, is found by the
// next one: it leaves what the rules say (CLM-7, CLM-8). So it does after a run that
// was stopped at any call, whose writes met trouble (ERR-2, ERR-3), that was of some
// points or some items only (ERR-2), or that withdrew all (INT-4). Over the random
// libraries, filters, rules and changes of TestContent.
func TestMeanwhile(t *testing.T) {
	t.Parallel()
	cases, first := seeds(t, howMany(1, 3, 1000))
	var total tally
	var disturbed, stopped atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for n := range cases {
			seed := first + uint64(n)
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
				t.Parallel()
				s := newStory(t, seed, &total, 1)
				total.cases.Add(1)
				ctx := context.Background()
				s.applied(ctx, true)
				for range 6 + s.r.IntN(5) {
					s.pass()
					for range s.r.IntN(4) {
						s.change()
					}
					s.pass()
					switch s.r.IntN(10) {
					case 0, 1, 2, 3:
						disturbed.Add(1)
						if s.disturbed() {
							stopped.Add(1)
						}
					case 4, 5:
						s.some()
					case 6:
						s.again()
					case 7:
						s.withdrawn()
					case 8, 9:
						s.tamper()
						s.synced(ctx, true)
					}
					if s.r.IntN(3) > 0 {
						continue
					}
					s.pass()
					for range s.r.IntN(3) {
						s.change()
					}
					s.settled = false
					s.synced(ctx, false)
					if s.settled && s.r.IntN(2) == 0 {
						s.nothingMore(ctx)
					}
				}
				s.pass()
				s.synced(ctx, false)
				s.nothingMore(ctx)
			})
		}
	})
	t.Logf("%d libraries, %d changes, %d runs with changes meanwhile, %d of them stopped", total.cases.Load(), total.changes.Load(), disturbed.Load(), stopped.Load())
	if !t.Failed() && !testing.Short() && first == 1 && cases > 1 && (disturbed.Load() == 0 || stopped.Load() == 0) { // other samples are smaller
		t.Error("nothing happened meanwhile: the sample proves nothing")
	}
}

// tasks are the syncs as they were applied, with the tool that may run them.
func (s *story) tasks() (*tool, []syncer.Task) {
	s.t.Helper()
	x := s.start(context.Background(), "sync")
	st, err := x.store.Read(context.Background())
	s.must(nil, err)
	found, err := x.configure(x.workspace.planner.AppliedInstances(st))
	s.must(nil, err)
	tasks, err := x.workspace.planner.AppliedTasks(context.Background(), st, found, syncer.Request{})
	s.must(nil, err)
	return x, tasks
}

// disturbed runs what is due, or everything, while things change, and may be stopped.
func (s *story) disturbed() (stopped bool) {
	s.t.Helper()
	full := s.r.IntN(4) == 0
	s.note("--- disturbed, full=%v", full)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	changes, last := map[int]bool{}, 0
	for range 1 + s.r.IntN(5) {
		changes[1+s.r.IntN(90)] = true
	}
	if s.r.IntN(3) == 0 {
		last = 20 + s.r.IntN(100)
	}
	var mu sync.Mutex
	s.meet(func(call int) {
		mu.Lock()
		defer mu.Unlock()
		if changes[call] {
			s.note("at call %d", call)
			s.change()
			if s.r.IntN(2) == 0 {
				s.clock.pass(time.Second)
			}
		}
		if call == last {
			s.note("stopped at call %d", call)
			stopped = true
			stop()
		}
	})
	if s.r.IntN(3) == 0 {
		fault := devvault.Fault{Vault: oneOf(s.r, s.crms...).vault(), Method: oneOf(s.r, "POST", "PUT"), Route: "objects/*",
			Kind: oneOf(s.r, append([]string{"row_failure"}, troubles...)...), Rate: 0.3, Seed: s.r.Uint64(), DelayMS: 1}
		s.note("trouble: %+v", fault)
		s.must(s.server.AddFault(fault))
	}
	_, outcomes, err := s.runs(ctx, full, false)
	s.meet(nil)
	s.server.ClearFaults()
	s.note("%v", err)
	s.noted(outcomes)
	s.ledBy()
	s.settled = false
	return stopped
}

// noted notes how runs ended, of which some may have failed.
func (s *story) noted(outcomes []syncer.Outcome) {
	for _, o := range outcomes {
		s.note("%s %s %s %v: %+v %v", o.Addr, o.Decision.Mode, o.Status, o.Decision.Reasons, o.Done, o.Err)
	}
}

// ledBy reads by what the last full run of each point routed.
func (s *story) ledBy() {
	s.t.Helper()
	x, _ := s.tasks()
	defer x.Close()
	if s.led == nil {
		s.led = map[string]*routedBy{}
	}
	for _, c := range s.crms {
		for _, m := range c.models() {
			memory, err := state.MemoryOf(context.Background(), x.journal, m.content())
			s.must(nil, err)
			var by routedBy
			switch text := memory.Inputs["syncer_routes"]; text {
			case "":
				continue
			case "*":
				by.all = true
			default:
				s.must(nil, json.Unmarshal([]byte(text), &by.table))
			}
			s.led[m.look()] = &by
		}
	}
}

// some runs the points of one CRM vault.
func (s *story) some() {
	s.t.Helper()
	c := oneOf(s.r, s.crms...)
	full := s.r.IntN(4) == 0
	s.note("--- some, of %s, full=%v", c.key, full)
	b := s.look()
	targets := []addrs.Instance{c.content()}
	if s.countryAllowed(c) {
		targets = append(targets, c.point("clm_country"))
	}
	if c.both {
		targets = append(targets, c.point("clm_object_model"))
	}
	x, tasks := s.tasks()
	s.must(nil, x.choose(tasks, targets, syncOptions{full: full}))
	impacts, err := x.workspace.planner.Syncer.Preview(x.ctx, tasks)
	s.must(nil, err)
	x.Close()
	x, tasks = s.tasks()
	defer x.Close()
	s.must(nil, x.choose(tasks, targets, syncOptions{full: full}))
	outcomes := x.workspace.planner.Syncer.Run(x.ctx, tasks)
	s.check(b, impacts, outcomes)
	s.settled = false
}

// again has a few items tried again, and nothing else.
func (s *story) again() {
	s.t.Helper()
	x, tasks := s.tasks()
	defer x.Close()
	l := s.library()
	for i := range tasks {
		t := &tasks[i]
		t.Decision = syncer.Decision{At: t.Decision.At}
		if !betweenVaults(t.Sync) || !t.Sync.Active {
			continue
		}
		var items []state.Item
		for _, doc := range someOf(s.r, slices.Sorted(maps.Keys(l.versions)), 3) {
			part := l.latest(doc).part()
			if part == "" {
				part = oneOf(s.r, presentations, slides, shareds)
			}
			items = append(items, state.Item{Part: part, Key: fmt.Sprintf("%012d", doc)})
		}
		t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{Only: items}, s.clock.Now())
		s.note("--- again, of %s: %v", t.Sync.Addr, items)
	}
	s.noted(x.workspace.planner.Syncer.Run(x.ctx, tasks))
	s.settled = false
}

// withdrawn withdraws all that a point published.
func (s *story) withdrawn() {
	s.t.Helper()
	c := oneOf(s.r, oneOf(s.r, s.crms...).models()...)
	s.note("--- withdraw all of %s", c.look())
	before := s.published(c)
	x, tasks := s.tasks()
	defer x.Close()
	s.must(nil, x.choose(tasks, []addrs.Instance{c.content()}, syncOptions{withdrawAll: true}))
	outcomes := x.workspace.planner.Syncer.Run(x.ctx, tasks)
	s.noted(outcomes)
	now := s.published(c)
	s.gone(c, before, now)
	for at, y := range now {
		if y.Standing != "obsolete__v" {
			s.fail("%v is %s after everything was withdrawn, and was %s", at, y.Standing, before[at].Standing)
		}
	}
	s.settled = false
}

// tamper does by hand to some of what accord made what an admin of the CRM vault can do.
func (s *story) tamper() {
	s.t.Helper()
	c := oneOf(s.r, s.crms...)
	items := s.published(c)
	for range 1 + s.r.IntN(4) {
		if len(items) == 0 {
			return
		}
		at := oneOf(s.r, items.inOrder()...)
		base := "objects/documents/" + items[at].ID
		if at.part == presentations {
			base = "objects/binders/" + items[at].ID
		}
		r := s.query(c.vault(), "SELECT id, major_version_number__v, minor_version_number__v FROM documents WHERE id = "+items[at].ID)[0]
		version := fmt.Sprintf("%s/versions/%v/%v", base, r["major_version_number__v"], r["minor_version_number__v"])
		do := func(method, path string, form url.Values) {
			_, err := s.call(method, c.vault(), path, form)
			s.note("by hand, %v of %s: %s %s %v: %v", at, c.key, method, path, form, err)
		}
		switch s.r.IntN(7) {
		case 0:
			do("PUT", version+"/lifecycle_actions/make_obsolete__v", nil)
		case 1:
			do("PUT", version+"/lifecycle_actions/reinstate__v", nil)
		case 2:
			do("PUT", base, url.Values{"title__v": {"By hand"}, "description__v": {"By hand"}})
		case 3:
			do("POST", base, url.Values{"createDraft": {"latestContent"}})
		case 4:
			do("PUT", version+"/lifecycle_actions/approve__v", nil)
		case 5, 6:
			for _, line := range lines(s.dump(c.vault(), "node") + s.dump(c.vault(), "relationship")) {
				var x struct {
					Node, Relationship, Source int64
					ID                         any
				}
				s.decode(line, &x)
				switch {
				case at.part == presentations && fmt.Sprint(x.Node) == items[at].ID:
					do("DELETE", base+"/documents/"+fmt.Sprint(x.ID), nil)
				case at.part == slides && fmt.Sprint(x.Source) == items[at].ID:
					do("DELETE", fmt.Sprintf("%s/relationships/%d", version, x.Relationship), nil)
				default:
					continue
				}
				break // one of them
			}
		}
	}
}
