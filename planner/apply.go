package planner

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
	"accord/state/failpoint"
)

// walkLimit is how many steps may wait for a place in a batch at once.
const walkLimit = 4096

// ApplyRequest is a plan to carry out, under the state's lock.
type ApplyRequest struct {
	Plan    *plan.Plan
	Desired *lang.Desired // of the sources that the plan was made from
	Lock    state.Lock
	NoSync  bool // runs that the plan promised are owed, and not done
	Detach  bool // so are those alone that may not begin yet (CTRY-7), with all that comes after them

	// Relock takes the lock again, which is given up while runs wait for the
	// time before which they may not begin; nil: it is kept.
	Relock func(context.Context) (state.Lock, error)

	// Operation is the record of this apply, kept in the state; nil keeps none.
	Operation *Operation
}

// Report is what really happened.
type Report struct {
	Done     map[providers.Action]int
	Renamed  int // in what is recorded
	Failed   []Failure
	Skipped  []Skip
	Outcomes []syncer.Outcome
	Left     []Left // owed, and not run
	Outputs  map[string]lang.Value
	Checks   hcl.Diagnostics // what does not hold of what is there now
	Took     time.Duration

	// Interrupted says that the context ended before everything was done.
	Interrupted bool

	// Overtaken says that somebody else changed the state while this apply
	// waited; what is left was left for that; nil: nobody did.
	Overtaken *Overtaken
}

// Unfinished reports whether something was planned and is not done. Items that
// failed are none of it: every later run tries them again (ERR-2).
func (r *Report) Unfinished() bool {
	return len(r.Skipped) > 0 || slices.ContainsFunc(r.Failed, func(f Failure) bool { return !errors.As(f.Err, new(*ItemsFailed)) })
}

// Failure is a step that ended badly.
type Failure struct {
	Ref providers.Ref
	Err error
}

// Left is a run that is owed, for whoever runs next: an apply, a sync, serve.
type Left struct {
	Addr     addrs.Instance  `json:"addr"`
	Decision syncer.Decision `json:"decision"`
}

// Skip is a step that was not begun, and why.
type Skip struct {
	Ref     providers.Ref
	Because string
}

// Apply walks the plan's steps and decides nothing again. What fails stops
// what depends on it, and nothing else. The state says at any moment what was
// begun and what came of it. The error is one of the state; what went wrong
// with steps is in the Report.
func (p *Planner) Apply(ctx context.Context, req ApplyRequest) (*Report, error) {
	started := p.Now()
	a := &applying{
		Planner: p, req: req, steps: map[providers.Ref]*plan.Step{},
		objects: providers.Refs{},
		report:  &Report{Done: map[providers.Action]int{}, Outputs: map[string]lang.Value{}},
		queues:  map[queueKey]*queue{},
	}
	for _, o := range req.Plan.Objects {
		a.objects[o.Addr] = o
	}
	if err := a.rename(ctx); err != nil {
		return a.report, err
	}
	if err := a.remember(ctx); err != nil {
		return a.report, err
	}
	if err := a.promise(ctx); err != nil {
		return a.report, err
	}
	if err := a.stop(ctx); err != nil {
		return a.report, err
	}
	engines := a.take()
	a.leave()
	if len(engines) > 0 {
		p.Syncer.Note(ctx, engines)
	}
	for {
		later := a.later()
		if err := a.walk(ctx); err != nil {
			return a.report, err
		}
		if a.goOn(later); len(a.steps) == 0 || ctx.Err() != nil {
			break
		}
		over, err := a.pause(ctx)
		if err != nil || over {
			a.report.Took = p.Now().Sub(started)
			return a.report, err
		}
	}
	a.abandon("interrupted") // none, but where it was
	a.report.Interrupted = ctx.Err() != nil

	// What was acknowledged is kept whatever happened; from here on an
	// interrupt must not keep the state from being saved.
	failpoint.Reach(failpoint.ApplyEnding)
	after := context.WithoutCancel(ctx)
	if err := a.finish(after); err != nil {
		return a.report, err
	}
	a.tellLeft(after)
	a.report.Took = p.Now().Sub(started)
	return a.report, nil
}

// promise records the runs that are owed from here on: those that the plan leaves to
// whoever runs next, and its own.
func (a *applying) promise(ctx context.Context) error {
	for _, line := range a.req.Plan.Syncs {
		if len(line.Owes) > 0 {
			if err := syncer.Owe(ctx, a.Journal, line.Addr, line.Owes, state.Allowance{}); err != nil {
				return err
			}
		}
	}
	failpoint.Reach(failpoint.ApplyRemembered)
	for i := range a.req.Plan.Steps {
		s := &a.req.Plan.Steps[i]
		if !s.Ref.Sync {
			continue
		}
		allow, err := Allowance(a.req.Plan.Allow, s.Ref.Addr)
		if err == nil {
			err = syncer.Owe(ctx, a.Journal, s.Ref.Addr, s.Decision.Reasons, allow)
		}
		if err != nil {
			return err
		}
		failpoint.Reach(failpoint.RunOwed)
	}
	return nil
}

// stop ends the runs that are under way, whoever makes them, of what the plan
// deactivates or takes away: they write no further batch (INT-4).
func (a *applying) stop(ctx context.Context) error {
	var stops []addrs.Instance
	for _, line := range a.req.Plan.Syncs {
		if line.Stops {
			stops = append(stops, line.Addr)
		}
	}
	for i := range a.req.Plan.Steps {
		if s := &a.req.Plan.Steps[i]; s.Item != nil && s.Item.Action == providers.Remove {
			stops = append(stops, s.Ref.Addr)
		}
	}
	return a.Journal.Revoke(ctx, stops)
}

// take makes the plan's steps those of this apply, and returns the syncs among them
// that the platform's own engine runs.
func (a *applying) take() (engines []providers.Sync) {
	var before []*object
	for i := range a.req.Plan.Steps {
		s := &a.req.Plan.Steps[i]
		a.steps[s.Ref] = s
		if s.Ref.Sync && s.Decision.Engine == providers.EnginePlatform {
			engines = append(engines, *s.Sync)
		}
		if s.Item != nil {
			before = append(before, &object{addr: s.Ref.Addr, live: s.Item.Recorded}, &object{addr: s.Ref.Addr, live: s.Item.Live})
		}
	}
	a.around = a.neighbourhoods(a.objects, before...)
	return engines
}

// walk does the steps that are there, each after those that it comes after.
func (a *applying) walk(ctx context.Context) error {
	g := graph.New[providers.Ref]()
	for ref, s := range a.steps {
		g.Add(ref)
		for _, after := range s.After {
			if a.steps[after] != nil {
				g.Add(ref, after)
			}
		}
	}
	a.graph = g
	a.runs = newRendezvous(a.steps, g)
	result, err := g.Walk(ctx, walkLimit, a.step)
	a.runs.close()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	a.summarise(result)
	return nil
}

// leave takes the steps out that this apply does not do: the runs that it was
// told to leave, and what comes after one that is waited for by nobody.
func (a *applying) leave() {
	var left map[providers.Ref]providers.Ref // and the run that it waits for
	switch {
	case a.req.NoSync:
		left = map[providers.Ref]providers.Ref{}
		for ref := range a.steps {
			if ref.Sync {
				left[ref] = ref
			}
		}
	case a.req.Detach:
		left = a.behind(a.early)
	}
	for ref, run := range left {
		if ref.Sync {
			a.report.Left = append(a.report.Left, Left{ref.Addr, *a.steps[ref].Decision})
		} else {
			a.skip(ref, describe(run)+" comes first, and was left to begin later")
		}
		delete(a.steps, ref)
	}
	slices.SortFunc(a.report.Left, func(x, y Left) int { return x.Addr.Compare(y.Addr) })
	slices.SortFunc(a.report.Skipped, func(x, y Skip) int { return compareRefs(x.Ref, y.Ref) })
}

// tellLeft says of the runs that were left when they may begin: the edits that
// they wait for have been made by now. Where that cannot be asked, what was
// planned is told.
func (a *applying) tellLeft(ctx context.Context) {
	if !slices.ContainsFunc(a.report.Left, func(l Left) bool { return !l.Decision.EarliestStart.IsZero() }) {
		return
	}
	tasks, err := a.tasksNow(ctx)
	if err != nil {
		return
	}
	for i := range a.report.Left {
		l := &a.report.Left[i]
		for _, t := range tasks {
			if t.Sync.Addr == l.Addr && t.Decision.Step {
				l.Decision = t.Decision
			}
		}
	}
}

// applying is one plan being carried out.
type applying struct {
	*Planner
	req   ApplyRequest
	steps map[providers.Ref]*plan.Step
	graph *graph.Graph[providers.Ref]
	runs  *rendezvous

	waiting bool // for the time of a run, in a moment

	mu      sync.Mutex
	objects providers.Refs  // as planned, then as applied
	around  *neighbourhoods // of objects
	queues  map[queueKey]*queue
	report  *Report
}

// remember keeps the instances and settings that this apply goes by, for syncs,
// and that it was begun.
func (a *applying) remember(ctx context.Context) error {
	have := a.req.Lock.State()
	var outcomes []state.Outcome
	keep := func(e *state.Object) {
		if !have.Objects[e.Addr].Equal(e) {
			outcomes = append(outcomes, state.Outcome{Addr: e.Addr, Object: e})
		}
	}
	if !a.req.Plan.Destroy {
		for _, inst := range a.req.Desired.Instances {
			if _, planned := a.objects[inst.Addr]; !planned {
				continue // left out of a partial plan, with all that leads to it
			}
			keep(&state.Object{Addr: inst.Addr, Provider: inst.Provider, Type: inst.Type.Name, SchemaVersion: inst.Type.Version, Body: plan.Redact(inst.Body, inst.Sensitive), Sensitive: inst.Sensitive})
		}
		keep(SettingsOf(a.req.Desired.Settings).entry())
	}
	return a.record(ctx, outcomes...)
}

// step carries out one step and returns when it is done.
func (a *applying) step(ctx context.Context, ref providers.Ref) error {
	s := a.steps[ref]
	var err error
	switch {
	case ref.Sync:
		err = a.runStep(ctx, s)
	case s.Record:
		err = a.recordStep(ctx, s)
	default:
		err = a.resourceStep(ctx, s)
	}
	if err != nil {
		a.mu.Lock()
		a.report.Failed = append(a.report.Failed, Failure{ref, err})
		a.mu.Unlock()
		a.runs.drop(a.graph.TransitiveDependents(ref)...)
		if !ref.Sync {
			a.emit(StepFailed{ref, err})
		}
	}
	return err
}

// recordStep changes only what the state says.
func (a *applying) recordStep(ctx context.Context, s *plan.Step) error {
	outcome := state.Outcome{Addr: s.Ref.Addr, Forget: true}
	if s.Item.Planned != nil {
		outcome = state.Outcome{Addr: s.Ref.Addr, Object: a.entry(s, s.Item.Planned)}
	}
	if err := a.req.Lock.Done(ctx, []state.Outcome{outcome}); err != nil {
		return err
	}
	if s.Item.Action != providers.NoAction {
		a.count(s.Item.Action)
		a.emit(StepStarted{Ref: s.Ref, Action: s.Item.Action})
		a.emit(StepDone{Ref: s.Ref})
	}
	return nil
}

// resourceStep fills what was unknown, and hands the item to the queue of its
// kind. It returns when the provider has answered.
func (a *applying) resourceStep(ctx context.Context, s *plan.Step) error {
	item := *s.Item
	if item.Planned != nil && len(item.Planned.Unknown) > 0 {
		filled, err := a.fill(item.Planned)
		if err != nil {
			return err
		}
		item.Planned = filled
	}
	if item.Action != providers.Remove {
		if err := a.conditions(s.Ref.Addr, lang.Precondition); err != nil {
			return err
		}
	}
	started := a.Now()
	a.emit(StepStarted{Ref: s.Ref, Action: item.Action, Word: string(item.Removal)})
	if err := a.queue(s).do(ctx, &job{step: s, item: item}); err != nil {
		return err
	}
	a.count(item.Action)
	if item.Action != providers.Remove {
		if err := a.conditions(s.Ref.Addr, lang.Postcondition); err != nil {
			return err
		}
	}
	a.emit(StepDone{Ref: s.Ref, Took: a.took(started)})
	return nil
}

// fill evaluates again what the configuration could not know when planned.
func (a *applying) fill(planned *providers.Object) (*providers.Object, error) {
	r := a.req.Desired.Find(planned.Addr)
	if r == nil {
		return planned, nil
	}
	a.mu.Lock()
	known := make(map[addrs.Instance]lang.Object, len(r.DependsOn))
	for _, addr := range r.DependsOn {
		if o, ok := a.objects[addr]; ok {
			known[addr] = lang.Object{Body: o.Body, Unknown: o.Unknown, Sensitive: o.Sensitive}
		}
	}
	a.mu.Unlock()
	want, diags := r.Resolve(known)
	if diags.HasErrors() {
		return nil, diags
	}
	filled := *planned
	filled.Sensitive = want.Sensitive
	filled.Unknown = nil
	for _, at := range planned.Unknown {
		if at.MeetsAny(want.Unknown) {
			filled.Unknown = append(filled.Unknown, at)
			continue
		}
		filled.Body = plan.With(filled.Body, merged(filled.Body, want.Body, at.Root()), at.Root())
	}
	return &filled, nil
}

// merged is want where it has the attribute, else what is planned.
func merged(planned, want []byte, name string) []byte {
	if string(plan.Without(want, name)) == string(want) {
		return planned
	}
	return want
}

func (a *applying) entry(s *plan.Step, result *providers.Object) *state.Object {
	provider, typ, _ := a.typeOf(result.Type)
	o := object{addr: s.Ref.Addr, provider: provider, typ: typ}
	e := o.entry(result)
	e.DependsOn, e.Protect = s.DependsOn, s.Protect
	return e
}

func (a *applying) count(action providers.Action) {
	a.mu.Lock()
	a.report.Done[action]++
	a.mu.Unlock()
}

// summarise lists what the walk left out.
func (a *applying) summarise(result graph.Result[providers.Ref]) {
	slices.SortFunc(a.report.Failed, func(x, y Failure) int { return compareRefs(x.Ref, y.Ref) })
	for _, ref := range slices.SortedFunc(maps.Keys(result.Skipped), compareRefs) {
		because := "something it depends on was not done"
		if causes := result.Skipped[ref]; len(causes) > 0 {
			because = describe(slices.MinFunc(causes, compareRefs)) + " failed"
		}
		a.skip(ref, because)
	}
	for _, ref := range slices.SortedFunc(slices.Values(result.Left), compareRefs) {
		a.skip(ref, "interrupted")
	}
}

func (a *applying) skip(ref providers.Ref, because string) {
	a.report.Skipped = append(a.report.Skipped, Skip{ref, because})
	a.emit(StepSkipped{ref, because})
}

func describe(ref providers.Ref) string {
	if ref.Sync {
		return "the run of " + ref.Addr.String()
	}
	return ref.Addr.String()
}

// finish evaluates the outputs and gives the state its new version.
func (a *applying) finish(ctx context.Context) error {
	if err := a.forgetInstances(ctx); err != nil {
		return err
	}
	if err := a.stand(ctx); err != nil {
		return err
	}
	known := map[addrs.Instance]lang.Object{}
	for addr, o := range a.readBack(ctx) {
		known[addr] = lang.Object{Body: o.Body, Unknown: o.Unknown, Sensitive: o.Sensitive}
	}
	outputs := map[string]state.Output{}
	a.report.Checks = nil
	if !a.req.Plan.Destroy {
		for _, c := range a.req.Desired.Conditions() {
			_, diags := c.Check(known)
			a.report.Checks = append(a.report.Checks, diags...)
		}
		for _, out := range a.req.Desired.Outputs {
			v, diags := out.Value(known)
			a.report.Checks = append(a.report.Checks, diags...)
			if before, ok := a.req.Lock.State().Outputs[out.Name]; ok && v.Unknown && a.req.Plan.Partial() {
				outputs[out.Name] = before // it follows from what was left out
			}
			if diags.HasErrors() || v.Unknown {
				continue
			}
			a.report.Outputs[out.Name] = v
			outputs[out.Name] = state.Output{Value: v.JSON, Sensitive: v.Sensitive}
		}
	}
	if err := a.req.Lock.SetOutputs(ctx, outputs); err != nil {
		return err
	}
	failpoint.Reach(failpoint.ApplyEnded)
	return a.req.Lock.Save(ctx)
}

// forgetInstances forgets instances that the configuration has no more once
// nothing that is remembered leads to them, and the settings with the last.
func (a *applying) forgetInstances(ctx context.Context) error {
	st := a.req.Lock.State()
	needed, managed := map[addrs.Instance]bool{}, false
	for _, o := range st.Objects {
		if _, _, instance := a.typeOf(o.Type); !instance && o.Type != ownType {
			managed = true
			for _, on := range o.DependsOn {
				needed[on] = true
			}
		}
	}
	var outcomes []state.Outcome
	for addr, o := range st.Objects {
		_, _, instance := a.typeOf(o.Type)
		wanted := !a.req.Plan.Destroy && a.req.Desired.Find(addr) != nil
		if instance && !needed[addr] && !wanted || addr == settingsAddr && a.req.Plan.Destroy && !managed {
			outcomes = append(outcomes, state.Outcome{Addr: addr, Forget: true})
		}
	}
	if len(outcomes) == 0 {
		return nil
	}
	return a.req.Lock.Done(ctx, outcomes)
}

// readBack returns the objects as they are now. Those with volatile attributes
// that an output or a check refers to are read again: a run has moved them.
func (a *applying) readBack(ctx context.Context) providers.Refs {
	a.mu.Lock()
	objects := maps.Clone(a.objects)
	a.mu.Unlock()
	wanted := map[addrs.Instance]bool{}
	for _, out := range a.req.Desired.Outputs {
		for _, addr := range out.DependsOn {
			wanted[addr] = true
		}
	}
	for _, c := range a.req.Desired.Conditions() {
		for _, addr := range c.DependsOn {
			wanted[addr] = true
		}
	}
	var again []*object
	for addr := range wanted {
		o, ok := objects[addr]
		if !ok || a.req.Plan.Destroy {
			continue
		}
		provider, typ, instance := a.typeOf(o.Type)
		if typ == nil || instance || len(flagged(typ, isVolatile)) == 0 {
			continue
		}
		rec := a.req.Lock.State().Objects[addr]
		again = append(again, &object{addr: addr, provider: provider, typ: typ, recorded: rec})
	}
	again = slices.DeleteFunc(again, func(o *object) bool { return o.recorded == nil })
	a.read(ctx, again, a.neighbourhoods(objects, again...), nil)
	for _, o := range again {
		now := objects[o.addr]
		if o.live != nil {
			now = *o.live
			now.Body = plan.With(now.Body, o.recorded.Body, flagged(o.typ, isLocal)...)
		} else { // what moves by itself is not remembered
			now.Unknown = slices.Clone(now.Unknown)
			for _, name := range flagged(o.typ, isVolatile) {
				now.Unknown = append(now.Unknown, addrs.Path("").Child(name))
			}
		}
		objects[o.addr] = now
	}
	return objects
}
