package planner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// runStep runs a sync together with the others of its source that are ready.
// A run that came to its end with failed items is a failure only for what
// depends on it (CTRY-12); the report keeps its outcome either way.
func (a *applying) runStep(ctx context.Context, s *plan.Step) error {
	outcome, err := a.runs.join(ctx, s.Ref, a.runTogether)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.report.Outcomes = append(a.report.Outcomes, outcome)
	slices.SortFunc(a.report.Outcomes, func(x, y syncer.Outcome) int { return x.Addr.Compare(y.Addr) })
	a.mu.Unlock()
	switch outcome.Status {
	case syncer.Clean, syncer.Skipped:
		return nil
	case syncer.Faulty:
		return &ItemsFailed{outcome}
	}
	if outcome.Err == nil {
		return fmt.Errorf("the run of %s ended as %s", s.Ref.Addr, outcome.Status)
	}
	return outcome.Err
}

// ItemsFailed says that a run came to its end and some items failed.
type ItemsFailed struct{ Outcome syncer.Outcome }

func (e *ItemsFailed) Error() string {
	if why := e.Outcome.Impact.Withheld; why != "" && e.Outcome.Failed == 0 {
		return fmt.Sprintf("%s withdrew nothing, since %s", e.Outcome.Addr, why)
	}
	return fmt.Sprintf("%d items of %s failed", e.Outcome.Failed, e.Outcome.Addr)
}

// runTogether asks for the syncs again, as applied, and runs those that are
// still asked for.
func (a *applying) runTogether(ctx context.Context, refs []providers.Ref) map[providers.Ref]syncer.Outcome {
	outcomes := map[providers.Ref]syncer.Outcome{}
	failed := func(err error) map[providers.Ref]syncer.Outcome {
		for _, ref := range refs {
			outcomes[ref] = syncer.Outcome{Addr: ref.Addr, Status: syncer.Failed, Err: err}
		}
		return outcomes
	}
	tasks, err := a.tasksNow(ctx)
	if err != nil {
		return failed(err)
	}
	tables := map[addrs.Instance]bool{}
	for _, t := range tasks {
		if slices.Contains(refs, providers.Ref{Addr: t.Sync.Addr, Sync: true}) && t.Sync.Route.Table != nil {
			tables[*t.Sync.Route.Table] = true
		}
	}
	var run []syncer.Task
	for _, t := range tasks {
		ref := providers.Ref{Addr: t.Sync.Addr, Sync: true}
		step := a.steps[ref]
		if !slices.Contains(refs, ref) {
			// Others have steps of their own, later or before; here they are
			// at most what is routed by.
			if tables[t.Sync.Addr] {
				t.Decision = syncer.Decision{At: t.Decision.At}
				run = append(run, t)
			}
			continue
		}
		if !sameSync(step.Sync, &t.Sync) {
			outcomes[ref] = syncer.Outcome{Addr: ref.Addr, Status: syncer.Failed, Err: &providers.Error{
				Kind: providers.Invalid, Addr: ref.Addr, Op: "run", Message: "what this sync would do is no longer what was planned", Advice: "Plan again."}}
			continue
		}
		if !t.Decision.Step {
			outcomes[ref] = syncer.Outcome{Addr: ref.Addr, Status: syncer.Skipped, Decision: t.Decision}
			continue
		}
		t.Promise = step.Promise
		if t.Allow, err = Allowance(a.req.Plan.Allow, t.Sync.Addr); err != nil {
			return failed(err)
		}
		run = append(run, t)
	}
	for _, o := range a.Syncer.Run(ctx, run) {
		if ref := (providers.Ref{Addr: o.Addr, Sync: true}); slices.Contains(refs, ref) {
			outcomes[ref] = o
		}
	}
	for _, ref := range refs {
		if _, ok := outcomes[ref]; !ok {
			outcomes[ref] = syncer.Outcome{Addr: ref.Addr, Status: syncer.Skipped}
		}
	}
	return outcomes
}

// tasksNow reads the applied objects that syncs come from, and decides again
// with what the journal owes.
func (a *applying) tasksNow(ctx context.Context) ([]syncer.Task, error) {
	applied := a.req.Lock.State()
	a.mu.Lock()
	refs := make(providers.Refs, len(a.objects))
	for addr, o := range a.objects {
		refs[addr] = o
	}
	a.mu.Unlock()
	changes, err := a.recordedChanges(ctx, applied, refs)
	if err != nil {
		return nil, err
	}
	return a.tasks(ctx, slices.Values(changes), SettingsOf(a.req.Desired.Settings), syncer.Request{}, false)
}

// sameSync reports whether two definitions do the same, whatever the clock and
// the times of former runs.
func sameSync(planned, now *providers.Sync) bool {
	digest := func(s *providers.Sync) string {
		return fmt.Sprintf("%v|%s|%v|%s|%v|%s|%s|%v|%v", s.Source.Instance, s.Source.Stream, s.Target.Instance, s.Target.Stream,
			string(s.Source.Scope)+string(s.Target.Scope), s.Variant, canonical(s.Rules), canonical(s.Route), canonical(s.Inputs))
	}
	return digest(planned) == digest(now)
}

func canonical(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
