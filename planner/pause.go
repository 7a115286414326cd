package planner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// Overtaken is who changed the state while an apply waited without its lock for
// the time of a run (CTRY-7).
type Overtaken struct {
	By     string // "accord apply by ana@host, begun at …"
	Serial uint64 // of the state, now
}

// later takes those steps out that wait for a moment before which a run may not
// begin, and all that comes after them. They are left where they are when nobody
// can take the lock again: then their runs wait by themselves.
func (a *applying) later() map[providers.Ref]*plan.Step {
	if a.req.Relock == nil {
		return nil
	}
	later := map[providers.Ref]*plan.Step{}
	for ref := range a.behind(a.early) {
		later[ref] = a.steps[ref]
		delete(a.steps, ref)
	}
	return later
}

// early reports whether a step is a run that may not begin yet.
func (a *applying) early(ref providers.Ref, s *plan.Step) bool {
	return ref.Sync && s.Decision.EarliestStart.After(a.Now())
}

// behind are the steps that something is true of, and all that come after one,
// each with that one.
func (a *applying) behind(is func(providers.Ref, *plan.Step) bool) map[providers.Ref]providers.Ref {
	found := map[providers.Ref]providers.Ref{}
	for ref, s := range a.steps {
		if is(ref, s) {
			found[ref] = ref
		}
	}
	for more := true; more; {
		more = false
		for ref, s := range a.steps {
			if _, there := found[ref]; there {
				continue
			}
			for _, after := range s.After {
				if first, there := found[after]; there {
					found[ref], more = first, true
				}
			}
		}
	}
	return found
}

// goOn makes the steps that were left for later the next to be done, but for
// those that come after one which was not done.
func (a *applying) goOn(later map[providers.Ref]*plan.Step) {
	a.steps = later
	bad := map[providers.Ref]string{}
	for _, f := range a.report.Failed {
		bad[f.Ref] = describe(f.Ref) + " failed"
	}
	for _, s := range a.report.Skipped {
		bad[s.Ref] = s.Because
	}
	for more := true; more; {
		more = false
		for _, ref := range slices.SortedFunc(maps.Keys(a.steps), compareRefs) {
			for _, after := range a.steps[ref].After {
				if because, is := bad[after]; is {
					bad[ref], more = because, true
					a.skip(ref, because)
					delete(a.steps, ref)
					break
				}
			}
		}
	}
}

// pause gives the lock up until the first of the runs may begin, and takes it
// again; whoever else needs the state has it meanwhile. All that was done is
// saved before, and the journal says what is owed. over: this apply is at its
// end, without the lock.
func (a *applying) pause(ctx context.Context) (over bool, err error) {
	until, runs := a.nextStart(ctx)
	if len(runs) == 0 {
		return false, nil
	}
	a.waiting = true
	err = a.finish(ctx)
	a.waiting = false
	if err != nil {
		return false, err
	}
	st := a.req.Lock.State()
	lineage, serial := st.Lineage, st.Serial
	if err := a.req.Lock.Unlock(); err != nil {
		return false, err
	}
	if err := a.Syncer.Await(ctx, runs, until); err != nil {
		a.report.Interrupted = true
		a.abandon("interrupted")
		return true, nil
	}
	lock, err := a.relock(ctx)
	if ctx.Err() != nil && lock == nil {
		a.report.Interrupted = true
		a.abandon("interrupted")
		return true, nil
	}
	if err != nil {
		a.abandon("the lock of the state was not to be had again")
		return true, err
	}
	if now := lock.State(); now.Lineage != lineage || now.Serial != serial {
		a.report.Overtaken = &Overtaken{By: "another command", Serial: now.Serial}
		if op := LastOperation(now); op != nil {
			a.report.Overtaken.By = fmt.Sprintf("accord %s by %s, begun at %s", op.Command, op.Who, op.Started.UTC().Format(time.RFC3339))
		}
		a.abandon("the state was changed meanwhile, by " + a.report.Overtaken.By)
		return true, errors.Join(a.metMeanwhile(ctx), lock.Unlock())
	}
	a.req.Lock = lock
	if a.req.Operation != nil {
		a.req.Operation.Standing, a.req.Operation.Ended = Begun, time.Time{}
	}
	return false, a.record(ctx)
}

// nextStart asks again when the runs may begin, since the edits that they wait
// for have been made by now, and returns the first moment with the runs that
// wait; none: something may begin now.
func (a *applying) nextStart(ctx context.Context) (until time.Time, waiting []addrs.Instance) {
	if tasks, err := a.tasksNow(ctx); err == nil { // else what was planned holds
		for _, t := range tasks {
			ref := providers.Ref{Addr: t.Sync.Addr, Sync: true}
			if s := a.steps[ref]; s != nil {
				step := *s
				step.Decision = &t.Decision
				a.steps[ref] = &step
			}
		}
	}
	for ref, s := range a.steps {
		if !ref.Sync || s.Decision.EarliestStart.IsZero() {
			continue
		}
		if start := s.Decision.EarliestStart; until.IsZero() || start.Before(until) {
			until = start
		}
		if !a.afterRun(ref) { // that one waits for both
			waiting = append(waiting, ref.Addr)
		}
	}
	if !until.After(a.Now()) {
		return until, nil
	}
	slices.SortFunc(waiting, addrs.Instance.Compare)
	return until, waiting
}

// afterRun reports whether a step comes after a run that is yet to be made.
func (a *applying) afterRun(ref providers.Ref) bool {
	return slices.ContainsFunc(a.steps[ref].After, func(after providers.Ref) bool {
		return a.steps[after] != nil && (after.Sync || a.afterRun(after))
	})
}

// relocking is how long the lock is asked for again while others hold it.
const relocking = time.Minute

func (a *applying) relock(ctx context.Context) (state.Lock, error) {
	for end := a.Now().Add(relocking); ; {
		lock, err := a.req.Relock(ctx)
		if !errors.As(err, new(*state.LockedError)) || a.Now().After(end) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// abandon says of the steps that are left why they are not done. The runs stay
// owed.
func (a *applying) abandon(because string) {
	for _, ref := range slices.SortedFunc(maps.Keys(a.steps), compareRefs) {
		if ref.Sync {
			a.report.Left = append(a.report.Left, Left{ref.Addr, *a.steps[ref].Decision})
		} else {
			a.skip(ref, because)
		}
	}
}

// metMeanwhile takes the runs off the list of those that are left which somebody
// else has made.
func (a *applying) metMeanwhile(ctx context.Context) error {
	if len(a.report.Left) == 0 {
		return nil
	}
	syncs := make([]addrs.Instance, len(a.report.Left))
	for n, l := range a.report.Left {
		syncs[n] = l.Addr
	}
	memories, err := a.Journal.Memories(ctx, syncs)
	if err != nil {
		return err
	}
	owed := a.report.Left[:0]
	for n, l := range a.report.Left {
		if len(memories[n].Owed) > 0 {
			owed = append(owed, l)
		}
	}
	a.report.Left = owed
	return nil
}
