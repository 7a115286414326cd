package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/state"
)

// point is what this process knows of one sync.
type point struct {
	busy    bool
	asked   bool          // someone wants a run
	wanted  bool          // and its last one began for that
	only    []state.Item  // ERR-2: someone wants these to be tried again
	met     *syncer.Sight // what its last run, which came to its end, was told of
	failed  int           // runs in a row
	backoff time.Time
	locked  time.Time // when it was found to be run by someone else, who may be at it still; zero: it was not
	turn    turn
	task    syncer.Task
	last    *syncer.Outcome
	totals  Totals
}

// start runs what is due: what belongs together in one call, so that one read
// serves all targets of a source, and a table runs before who routes by it.
func (w *Watch) start(ctx context.Context, began time.Time, tasks []syncer.Task, seen map[source]*syncer.Sight) {
	w.mu.Lock()
	run := w.turns(tasks, seen)
	for addr := range run {
		p := w.points[addr]
		p.busy, p.asked, p.only, p.wanted = true, false, nil, p.asked
	}
	w.mu.Unlock()
	for _, g := range together(tasks, run) {
		w.spawn(func() { w.run(ctx, began, g, seen) })
	}
}

// anything reports whether a point would run now.
func (w *Watch) anything(tasks []syncer.Task, seen map[source]*syncer.Sight) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.turns(tasks, seen)) > 0
}

// turns gives each point its turn, and returns those that run now.
func (w *Watch) turns(tasks []syncer.Task, seen map[source]*syncer.Sight) map[addrs.Instance]bool {
	now := w.opts.Now()
	run := map[addrs.Instance]bool{}
	for i := range tasks {
		t := &tasks[i]
		p := w.points[t.Sync.Addr]
		if p == nil {
			continue
		}
		sight := seen[sourceOf(&t.Sync)]
		t.Sight = sight
		changed := p.asked || sight != nil && sight.New(p.met) && !sight.Known(t.Memory.Seen)
		p.turn = due(t.Decision, t.Memory, changed, p.backoff, w.pace, now)
		if !p.locked.IsZero() && p.turn.till.Equal(p.backoff) {
			p.turn.wait = "another process runs it; it is tried again"
		}
		if len(p.only) > 0 && !p.turn.run && !now.Before(p.backoff) {
			if d := syncer.Decide(t.Sync, t.Memory, syncer.Request{Only: p.only}, now); d.Has(syncer.Reprocess) {
				t.Decision, p.turn = d, turn{run: true}
			}
		}
		p.task = *t
		if p.busy {
			p.turn = turn{wait: "it runs"}
		}
		if p.turn.run {
			run[t.Sync.Addr] = true
		}
	}
	// Who routes by a table that is about to run in full, or runs, waits for it;
	// not with what changed for the delay that the table itself waits for (CTRY-7).
	for changed := true; changed; {
		changed = false
		for _, t := range tasks {
			for _, before := range beforeOf(&t.Sync) {
				b := w.points[before]
				if b == nil || !run[t.Sync.Addr] {
					continue
				}
				delayed := t.Decision.Mode == syncer.Incremental && now.Before(b.task.Decision.EarliestStart)
				if b.busy || b.task.Decision.Mode == syncer.Full && !run[before] && b.turn.till.After(now) && !delayed {
					delete(run, t.Sync.Addr)
					w.points[t.Sync.Addr].turn = turn{wait: fmt.Sprintf("%s comes first", before)}
					changed = true
				}
			}
		}
	}
	return run
}

// run is one call of the syncer and what is learned from it. A point may run
// again once it has ended itself, and whoever routes by it: those of a vault that
// is slow do not keep the others.
func (w *Watch) run(ctx context.Context, round time.Time, tasks []syncer.Task, seen map[source]*syncer.Sight) {
	defer w.Wake()
	began := w.opts.Now()
	uses := map[addrs.Instance][]addrs.Instance{} // by who runs: itself, and what it routes by
	left := map[addrs.Instance]int{}              // uses that have not ended
	for _, t := range tasks {
		if t.Decision.Mode == syncer.None { // routed by, not run
			continue
		}
		uses[t.Sync.Addr] = append(beforeOf(&t.Sync), t.Sync.Addr)
		for _, a := range uses[t.Sync.Addr] {
			left[a]++
		}
	}
	free := func(a addrs.Instance) {
		if p := w.points[a]; p != nil && uses[a] != nil {
			p.busy = false
		}
		delete(left, a)
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for a := range left {
			free(a)
		}
	}()
	w.opts.Runner.RunEach(ctx, tasks, func(o syncer.Outcome) {
		w.mu.Lock()
		w.learn(&o, began, seen)
		took := w.opts.Now().Sub(round)
		for _, a := range uses[o.Addr] {
			if left[a]--; left[a] == 0 {
				free(a)
			}
		}
		w.mu.Unlock()
		w.emit(Ran{Outcome: o, Round: took})
	})
}

// learn notes how a run ended.
func (w *Watch) learn(o *syncer.Outcome, began time.Time, seen map[source]*syncer.Sight) {
	p := w.points[o.Addr]
	if p == nil {
		return
	}
	if o.Status == syncer.Blocked && w.elsewhere(beforeOf(&p.task.Sync)) {
		o.Status = syncer.Locked // it has not failed: it waits as they do
	}
	p.last, p.locked = o, time.Time{}
	p.totals.Runs[o.Status]++
	p.totals.Done = p.totals.Done.Plus(o.Done)
	p.totals.Took += w.opts.Now().Sub(began)
	p.totals.Calls += o.Calls
	switch o.Status {
	case syncer.Clean, syncer.Faulty, syncer.Skipped:
		if o.Status != syncer.Skipped {
			w.heard(p.task.Sync.Source.Instance, nil)
			w.heard(p.task.Sync.Target.Instance, nil)
		}
		p.failed, p.backoff = 0, time.Time{}
		if sight := seen[sourceOf(&p.task.Sync)]; sight != nil && len(o.Decision.Only) == 0 {
			p.met = sight
		}
	case syncer.Locked: // it may take long; what was asked for of this process stays asked for
		p.locked = w.opts.Now()
		p.backoff = p.locked.Add(w.pace.locked(o.Decision.Mode))
		p.asked, p.only = p.asked || p.wanted, append(p.only, o.Decision.Only...)
	case syncer.Interrupted:
	case syncer.Refused:
		// Nothing changes by itself: a limit is lifted by an apply.
		p.failed++
		p.backoff = w.opts.Now().Add(mostBackoff)
	default:
		w.blame(&p.task.Sync, o.Err)
		p.failed++
		p.backoff = w.opts.Now().Add(backoff(p.failed, spread()))
		w.stale = true
	}
}

// elsewhere reports whether one of these was found to be run by someone else.
func (w *Watch) elsewhere(points []addrs.Instance) bool {
	return slices.ContainsFunc(points, func(a addrs.Instance) bool {
		p := w.points[a]
		return p != nil && p.last != nil && p.last.Status == syncer.Locked
	})
}
