package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
)

// point is what this process knows of one sync.
type point struct {
	agenda agenda
	busy   bool
	turn   turn // at the last beat
	task   syncer.Task
	last   *syncer.Outcome
	totals Totals
}

// start runs what is due: what belongs together in one call, so that one read
// serves all targets of a source, and a table runs before who routes by it.
func (w *Watch) start(ctx context.Context, began time.Time, tasks []syncer.Task, seen map[source]*syncer.Sight) {
	w.mu.Lock()
	run := w.turns(tasks, seen)
	for addr := range run {
		p := w.points[addr]
		p.busy = true
		p.agenda.begin(p.task.Memory.Last)
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
		t.Sight = seen[sourceOf(&t.Sync)]
		t.Decision, p.turn = p.agenda.due(t, w.pace, now)
		p.task = *t
		if p.busy {
			p.turn = turn{wait: "it runs"}
		}
		if p.turn.run {
			run[t.Sync.Addr] = true
		}
	}
	// Who routes by a table waits while that runs, or is about to run in full. While the
	// table itself waits for the delay after an edit, what changed goes on (CTRY-7).
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

// run is one call of the syncer and what is learned from it. A point may run again
// as soon as its own run has ended, and those of whoever routes by it: a slow vault
// holds up its own points alone.
func (w *Watch) run(ctx context.Context, round time.Time, tasks []syncer.Task, seen map[source]*syncer.Sight) {
	defer w.hurry()
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
	now := w.opts.Now()
	p.last = o
	p.agenda.ended(o, seen[sourceOf(&p.task.Sync)], w.pace, now, spread())
	p.totals.Runs[o.Status]++
	p.totals.Done = p.totals.Done.Plus(o.Done)
	p.totals.Took += now.Sub(began)
	p.totals.Calls += o.Calls
	switch o.Status {
	case syncer.Clean, syncer.Faulty:
		w.heard(p.task.Sync.Source.Instance, nil)
		w.heard(p.task.Sync.Target.Instance, nil)
	case syncer.Skipped, syncer.Locked, syncer.Interrupted, syncer.Refused:
	default:
		w.blame(&p.task.Sync, o.Err)
		w.survey.stale = true
	}
}

// elsewhere reports whether one of these was found to be run by someone else.
func (w *Watch) elsewhere(points []addrs.Instance) bool {
	return slices.ContainsFunc(points, func(a addrs.Instance) bool {
		p := w.points[a]
		return p != nil && p.last != nil && p.last.Status == syncer.Locked
	})
}
