package planner

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"

	"github.com/hashicorp/hcl/v2"
)

// syncs asks which runs the planned objects ask for, previews what these do to
// the content, and adds them to the steps.
func (m *making) syncs(ctx context.Context) {
	settings := SettingsOf(m.req.Desired.Settings)
	changes := func(yield func(providers.Change) bool) {
		for _, o := range m.sorted {
			if !o.unreachable && !yield(o.change()) {
				return
			}
		}
	}
	tasks, err := m.tasks(ctx, changes, settings, syncer.Request{}, m.req.Assume)
	if err != nil {
		m.diags = append(m.diags, m.problem(err, m.owner(err)))
		return
	}
	due := map[addrs.Instance]bool{} // in full, were nothing left out
	for _, t := range tasks {
		due[t.Sync.Addr] = t.Decision.Step
	}
	owes := m.leaveRuns(ctx, tasks)
	m.resumeRuns(tasks)
	for i := range tasks {
		t := &tasks[i]
		if o := m.object(t.Sync.Addr); o == nil || !o.left || due[t.Sync.Addr] {
			m.plan.Syncs = append(m.plan.Syncs, plan.SyncLine{Addr: t.Sync.Addr, Title: t.Sync.Title, Vault: t.Sync.Target.Instance, Decision: t.Decision, Owes: owes[t.Sync.Addr], Stops: t.Sync.Was && !t.Sync.Active})
		}
		t.Decision = t.Decision.StepOnly()
		if t.Allow, err = Allowance(m.req.Allow, t.Sync.Addr); err != nil {
			m.diags = append(m.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "An -allow flag cannot be read", Detail: err.Error()})
			return
		}
	}
	if err := CheckAllowFor(m.req.Allow, tasks); err != nil {
		m.diags = append(m.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "An -allow flag names nothing", Detail: err.Error()})
		return
	}
	if m.req.Unread {
		m.prune()
		return
	}
	impacts, err := m.Syncer.Preview(ctx, tasks)
	if err != nil {
		m.diags = append(m.diags, m.problem(fmt.Errorf("preview what happens to the content: %w", err), m.owner(err)))
		return
	}
	for i := range impacts {
		m.run(tasks, &impacts[i])
	}
	m.prune()
}

// leaveRuns keeps the runs out of a partial plan that it would begin without
// all that they follow from. It returns what is owed for it.
func (m *making) leaveRuns(ctx context.Context, tasks []syncer.Task) map[addrs.Instance][]syncer.Reason {
	if !m.req.Partial() {
		return nil
	}
	owes := map[addrs.Instance][]syncer.Reason{}
	needs, err := m.wholeNeeds(ctx)
	left := map[*object][]string{} // runs that follow from what this plan changes
	idles := make(map[addrs.Instance]string, len(tasks))
	for _, t := range tasks {
		if err != nil {
			idles[t.Sync.Addr] = "what it follows from beside this partial plan could not be found out: " + err.Error()
		} else {
			idles[t.Sync.Addr] = m.idle(needs, t.Sync.Addr)
		}
	}
	leaveFollowers(tasks, idles)
	for i := range tasks {
		t := &tasks[i]
		idle := idles[t.Sync.Addr]
		if idle != "" && t.Decision.Mode != syncer.None {
			owes[t.Sync.Addr] = untold(t)
			if t.Decision.Step {
				m.follows(t, left)
				idle = t.Decision.Why() + ", but " + idle + "; a whole plan runs it in full, and says what that does"
			}
			t.Decision = syncer.Decision{At: t.Decision.At, Idle: idle}
		}
	}
	for _, o := range m.sorted {
		if runs := left[o]; len(runs) > 0 {
			m.report(o, providers.Diagnostic{
				Severity: providers.SeverityWarning, Code: "PARTIAL", Addr: o.addr,
				Summary: fmt.Sprintf("What %s does to the content is not part of this plan", o.addr),
				Detail: fmt.Sprintf("%s. The run that brings it is left out, and so is not counted: %s. The next sync runs it, whatever this plan says; to see it first, plan the whole.",
					capital(strings.Join(o.response.Consequences, "; ")), strings.Join(runs, ", ")),
			})
		}
	}
	return owes
}

// untold are the reasons of a run that nothing tells of later, where it is left out:
// that its point was activated (INT-5), and that somebody asked for it (INT-6). The
// platform's own engine knows of an activation by itself.
func untold(t *syncer.Task) (why []syncer.Reason) {
	if t.Decision.Has(syncer.Activated) && t.Sync.Engine != providers.EnginePlatform {
		why = append(why, syncer.Activated)
	}
	if t.Decision.Has(syncer.Requested) {
		why = append(why, syncer.Requested)
	}
	return why
}

// leaveFollowers keeps the runs out that come after one which is kept out though it is
// due: what is routed by a table that is yet to follow its filter would go where it did
// before (CTRY-10, CTRY-12). A table that is due only since they are is as it should be.
func leaveFollowers(tasks []syncer.Task, idles map[addrs.Instance]string) {
	own := func(r syncer.Reason) bool { return r != syncer.RoutesFullRun }
	kept := map[addrs.Instance]bool{}
	for more := true; more; {
		more = false
		for _, t := range tasks {
			addr, first := t.Sync.Addr, t.Sync.After
			if t.Sync.Route.Table != nil {
				first = append(slices.Clone(first), *t.Sync.Route.Table)
			}
			if at := slices.IndexFunc(first, func(on addrs.Instance) bool { return kept[on] }); at >= 0 && idles[addr] == "" {
				idles[addr] = fmt.Sprintf("the run of %s comes first, and is left out of this partial plan", first[at])
			}
			if !kept[addr] && idles[addr] != "" && t.Decision.Step && slices.ContainsFunc(t.Decision.Reasons, own) {
				kept[addr], more = true, true
			}
		}
	}
}

// follows notes a run that is left out at the changes that it follows from and
// that have consequences.
func (m *making) follows(t *syncer.Task, left map[*object][]string) {
	from := slices.Clone(t.Sync.Needs)
	if t.Sync.Route.Table != nil {
		from = append(from, *t.Sync.Route.Table)
	}
	for _, addr := range from {
		o := m.object(addr)
		if o == nil || o.left || o.action == providers.NoAction || len(o.response.Consequences) == 0 || slices.Contains(left[o], t.Sync.Addr.String()) {
			continue
		}
		left[o] = append(left[o], t.Sync.Addr.String())
	}
}

// resumeRuns keeps out what was not approved of what is resumed.
func (m *making) resumeRuns(tasks []syncer.Task) {
	for i := range tasks {
		t := &tasks[i]
		if m.req.Resume && t.Decision.Step && m.req.Approved.Step(providers.Ref{Addr: t.Sync.Addr, Sync: true}) == nil {
			t.Decision = syncer.Decision{At: t.Decision.At, Idle: "it is not part of what is resumed"}
		}
	}
}

// before is the object as it counts before the plan: as read, with accord's
// own settings as recorded.
func (o *object) before() *providers.Object {
	if o.live == nil {
		return nil
	}
	before := *o.live
	before.Body = o.comparable()
	return &before
}

// tasks asks the providers for their syncs, and decides about each.
// With assumed, nothing was read of when they last ran: what the journal
// remembers holds.
func (p *Planner) tasks(ctx context.Context, changes iter.Seq[providers.Change], settings Settings, request syncer.Request, assumed bool) ([]syncer.Task, error) {
	var tasks []syncer.Task
	for name, provider := range p.Providers {
		if len(p.Schemas[name].Streams) == 0 {
			continue // nothing that a sync could read or write
		}
		var mine []providers.Change
		for c := range changes {
			if owner, _, _ := p.typeOf(typeOfChange(c)); owner == name {
				mine = append(mine, c)
			}
		}
		syncs, err := provider.Syncs(ctx, mine)
		if err != nil {
			return nil, fmt.Errorf("find out which syncs there are: %w", err)
		}
		if len(syncs) == 0 {
			continue // the place may keep no journal
		}
		memories, err := p.Journal.Memories(ctx, addrsOf(syncs))
		if err != nil {
			return nil, err
		}
		for n, s := range syncs {
			memory := memories[n]
			if len(s.Policy.DelayedInputs) > 0 {
				s.Policy.Delay = settings.FilterDelay
			}
			s.Policy.RetryAfter = settings.FullRetryAfter
			if assumed && s.LRT.IsZero() && s.LSRT.IsZero() {
				s.LRT, s.LSRT = memory.LastStart, memory.LastSuccess
			}
			tasks = append(tasks, syncer.Task{Sync: s, Memory: memory, Decision: syncer.Decide(s, memory, request, p.Now())})
		}
	}
	slices.SortFunc(tasks, func(a, b syncer.Task) int { return a.Sync.Addr.Compare(b.Sync.Addr) })
	syncer.TablesFirst(tasks)
	return tasks, nil
}

func addrsOf(syncs []providers.Sync) []addrs.Instance {
	list := make([]addrs.Instance, len(syncs))
	for n := range syncs {
		list[n] = syncs[n].Addr
	}
	return list
}

func typeOfChange(c providers.Change) string {
	for _, o := range []*providers.Object{c.After, c.Before, c.Live} {
		if o != nil {
			return o.Type
		}
	}
	return ""
}

// run adds what one sync's run does to the content, and its step.
func (m *making) run(tasks []syncer.Task, impact *syncer.Impact) {
	i := slices.IndexFunc(tasks, func(t syncer.Task) bool { return t.Sync.Addr == impact.Addr })
	if i < 0 {
		return
	}
	sync := tasks[i].Sync
	m.plan.Content = append(m.plan.Content, plan.Content{Addr: impact.Addr, Vault: impact.Target, Title: sync.Title, Impact: *impact})
	m.plan.Reads.Calls += impact.Calls - impact.Shared
	if read := fmt.Sprintf("%s %s %s %s", impact.Decision.Mode, sync.Source.Instance, sync.Source.Stream, sync.Source.Scope); !m.sources[read] { // once for all vaults
		m.sources[read] = true
		m.plan.Reads.Calls += impact.Shared
		m.plan.Reads.Records += impact.Records
	}
	for j := range m.plan.Syncs {
		if m.plan.Syncs[j].Addr == impact.Addr {
			m.plan.Syncs[j].Decision = impact.Decision
			m.plan.Syncs[j].Calls = plan.Forecast(impact)
		}
	}
	for _, d := range impact.Obstacles {
		m.obstacle(d)
	}
	for _, v := range impact.Verdicts {
		m.refuse(providers.Diagnostic{
			Severity: providers.SeverityError, Code: "LIMIT", Addr: sync.Addr, Refused: true, Summary: v.Message,
			Detail: fmt.Sprintf("The line to change is %s. To lift the limit once, for this sync alone: -allow='%s'", v.Place, v.Allow),
		})
	}
	decision := impact.Decision
	step := plan.Step{Ref: providers.Ref{Addr: sync.Addr, Sync: true}, Sync: &sync, Decision: &decision, Promise: impact.Promise()}
	for _, need := range slices.Concat([]addrs.Instance{sync.Addr}, sync.Needs, sync.Permits) {
		step.After = append(step.After, providers.Ref{Addr: need})
	}
	for _, before := range sync.After {
		step.After = append(step.After, providers.Ref{Addr: before, Sync: true})
	}
	if sync.Route.Table != nil {
		step.After = append(step.After, providers.Ref{Addr: *sync.Route.Table, Sync: true})
	}
	for _, o := range m.sorted { // it follows from none of these any more
		if o.letGo() {
			step.After = append(step.After, providers.Ref{Addr: o.addr})
		}
	}
	m.keep(&step, &m.plan.Content[len(m.plan.Content)-1])
	m.plan.Steps = append(m.plan.Steps, step)
}

// obstacle tells once of what keeps runs from being made, however many.
func (m *making) obstacle(d providers.Diagnostic) {
	same := func(o providers.Diagnostic) bool { return o.Code == d.Code && o.Summary == d.Summary }
	if !slices.ContainsFunc(m.plan.Refusals, same) && !slices.ContainsFunc(m.plan.Warnings, same) {
		m.report(m.object(d.Addr), d)
	}
}

// prune drops from every After what has no step, and checks that the rest can
// be put in an order.
func (m *making) prune() {
	g := graph.New[providers.Ref]()
	for _, s := range m.plan.Steps {
		g.Add(s.Ref)
	}
	for i := range m.plan.Steps {
		s := &m.plan.Steps[i]
		slices.SortFunc(s.After, compareRefs)
		s.After = slices.DeleteFunc(slices.Compact(s.After), func(r providers.Ref) bool { return !g.Has(r) || r == s.Ref })
		g.Add(s.Ref, s.After...)
	}
	if cycle := g.Cycle(); cycle != nil {
		var names []addrs.Instance
		for _, r := range cycle {
			names = append(names, r.Addr)
		}
		m.diags = append(m.diags, m.cycle(names))
	}
}

func compareRefs(a, b providers.Ref) int {
	if c := a.Addr.Compare(b.Addr); c != 0 || a.Sync == b.Sync {
		return c
	}
	if b.Sync {
		return -1
	}
	return 1
}
