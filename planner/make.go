package planner

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/graph"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// Request is what a plan is made from.
type Request struct {
	Desired *lang.Desired
	State   *state.State
	Destroy bool
	Allow   []string // limits lifted by name, as given

	// Addresses as given, of objects, blocks and modules. Target and Exclude
	// make the plan partial; Replace asks for new objects.
	Target, Exclude, Replace []string

	// Assume what the state remembers instead of reading it (-refresh=false).
	// What it does not remember is read all the same: it may be there.
	Assume bool

	// Freeze notes how every object was found, for a plan that is saved. With
	// Approved, a plan that was saved, this one is held against it: what has
	// moved since is in Plan.Moved, and what the content would not be promised
	// in Plan.Refusals.
	Freeze   bool
	Approved *plan.Plan

	// Resume plans what is left of Approved: runs that it did not show are not
	// begun.
	Resume bool

	// Unread leaves open what the runs would do to the content: no content is
	// read, and no run is a step.
	Unread bool

	// Import takes one object over by its id, as an import block does.
	Import *lang.Import

	// Instances as Configure found them. Unreached are those that it did not:
	// the plan fails, and says what is known of the others.
	Instances map[addrs.Instance]providers.Object
	Unreached map[addrs.Instance]error

	// Invalid is what providers find wrong with objects without looking: the
	// plan fails as well, and says what is known of the others.
	Invalid hcl.Diagnostics

	// Advice are warnings about what the files say, for whoever reads the plan.
	Advice hcl.Diagnostics
}

// Plan holds the three sides against each other and says what to do. It makes
// no change anywhere. Problems that lie in the configuration come as
// diagnostics with their line; with an error among them the plan has failed: it
// is nil, or says what is known all the same (Plan.Failed). A protection or a
// limit that forbids the plan is in Plan.Refusals.
func (p *Planner) Plan(ctx context.Context, req Request) (*plan.Plan, hcl.Diagnostics) {
	started := p.Now()
	m := &making{Planner: p, req: req, sources: map[string]bool{}}
	m.plan = newPlan(p, req, started)
	m.warn(req.Advice)
	for _, phase := range []func(context.Context){m.move, m.choose, m.gather, m.readAll, m.hold, m.planAll, m.checks, m.doubles, m.changes, m.order, m.syncs, m.outputs} {
		phase(ctx)
		m.notPermitted(ctx)
		var failed *plan.Plan
		if m.diags.HasErrors() && m.around != nil {
			failed = m.failed(ctx)
		}
		if err := ctx.Err(); err != nil {
			return nil, append(m.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Interrupted while planning", Detail: "Nothing was changed."})
		}
		if m.diags.HasErrors() {
			if err := m.holdSightings(ctx); err == nil && len(m.plan.Moved) > 0 {
				return m.plan, nil // which may be why
			}
			return failed, m.diags
		}
		if len(m.plan.Moved) > 0 {
			return m.plan, m.diags
		}
	}
	for _, rest := range []func(context.Context) error{m.holdSightings, m.freeze} {
		if err := rest(ctx); err != nil {
			return nil, append(m.diags, m.problem(err, &object{}))
		}
	}
	m.plan.Reads.Took = p.Now().Sub(started)
	return m.plan, m.diags
}

func newPlan(p *Planner, req Request, now time.Time) *plan.Plan {
	return &plan.Plan{
		Tool: p.Tool, Created: now.UTC(), Lineage: req.State.Lineage, Serial: req.State.Serial,
		Destroy: req.Destroy, Allow: req.Allow, Target: req.Target, Exclude: req.Exclude, Replace: req.Replace, Assumed: req.Assume,
	}
}

// making is one plan being made.
type making struct {
	*Planner
	req     Request
	chosen  *selection
	sorted  []*object                      // by address
	around  *neighbourhoods                // of all that may be referred to
	known   map[addrs.Instance]lang.Object // as planned, if reads
	reads   bool                           // a body or a condition reads others, and so must know them
	plan    *plan.Plan
	sources map[string]bool // reads of sources that are in plan.Reads
	diags   hcl.Diagnostics
	lacking bool // what is not permitted has been told
}

// gather collects every object that the configuration or the state knows.
func (m *making) gather(context.Context) {
	m.sorted = make([]*object, 0, max(len(m.req.Desired.Resources), len(m.req.State.Objects)))
	known := 0
	m.reads = len(m.req.Desired.Conditions()) > 0
	if !m.req.Destroy {
		all := make([]object, len(m.req.Desired.Resources))
		for n, r := range m.req.Desired.Resources { // by address
			o := &all[n]
			*o = object{addr: r.Addr, provider: r.Provider, typ: r.Type, desired: r, imported: m.req.Desired.Import(r.Addr)}
			if o.recorded = m.req.State.Objects[r.Addr]; o.recorded != nil {
				known++
			}
			m.sorted = append(m.sorted, o)
			m.reads = m.reads || r.Reads() || len(r.Conditions) > 0
			if i := m.req.Import; i != nil && i.To == r.Addr {
				o.imported = i
			}
		}
	}
	m.gatherRecorded(len(m.req.State.Objects) - known)
	m.openIntents()
	for _, o := range m.sorted {
		for _, on := range o.leads() {
			if _, instance := m.req.Instances[on]; instance {
				continue
			}
			if other := m.object(on); other != nil {
				o.on = append(o.on, other)
			}
		}
		o.replace = m.chosen.replace[o.addr]
		o.adrift = o.recorded != nil && slices.ContainsFunc(o.recorded.DependsOn, m.unheardOf)
		switch {
		case m.chosen.left[o.addr]:
			m.leave(o)
		case o.desired == nil && o.recorded != nil:
			o.removal = m.removalOf(o)
		}
	}
}

// unheardOf reports whether neither the configuration nor the state knows an address.
func (m *making) unheardOf(addr addrs.Instance) bool {
	_, connected := m.req.Instances[addr]
	return !connected && m.req.State.Objects[addr] == nil && m.object(addr) == nil
}

// gatherRecorded collects what only the state knows: so many entries are left.
func (m *making) gatherRecorded(left int) {
	if left == 0 {
		return
	}
	orphans := map[string][]addrs.Instance{} // by who made them
	for addr, rec := range m.req.State.Objects {
		switch _, typ, instance := m.typeOf(rec.Type); {
		case instance, rec.Type == SettingsType: // remembered so that syncs know what was applied; nothing manages it
			left--
		case typ == nil:
			left--
			orphans[rec.Provider] = append(orphans[rec.Provider], addr)
		}
	}
	for _, provider := range slices.Sorted(maps.Keys(orphans)) {
		m.orphaned(provider, orphans[provider])
	}
	if left == 0 {
		return // most often
	}
	var more []*object
	for addr, rec := range m.req.State.Objects {
		provider, typ, instance := m.typeOf(rec.Type)
		if typ != nil && !instance && rec.Type != SettingsType && m.object(addr) == nil {
			more = append(more, &object{addr: addr, provider: provider, typ: typ, recorded: rec})
		}
	}
	m.sorted = append(m.sorted, more...)
	slices.SortFunc(m.sorted, func(a, b *object) int { return a.addr.Compare(b.addr) })
}

// add puts an object among those that were gathered.
func (m *making) add(o *object) {
	n, _ := m.search(o.addr)
	m.sorted = slices.Insert(m.sorted, n, o)
}

// object finds an object by its address; nil where there is none.
func (m *making) object(addr addrs.Instance) *object {
	if n, ok := m.search(addr); ok {
		return m.sorted[n]
	}
	return nil
}

// search is where in the order of addresses an object stands, or would.
func (m *making) search(addr addrs.Instance) (n int, there bool) {
	return slices.BinarySearchFunc(m.sorted, addr, func(o *object, addr addrs.Instance) int { return o.addr.Compare(addr) })
}

// ref finds what may be referred to: as it was planned, before that as it is
// wanted, else as it is remembered.
func (m *making) ref(addr addrs.Instance) (ref providers.Object, ok bool) {
	if o := m.object(addr); o != nil {
		return o.ref()
	}
	ref, ok = m.req.Instances[addr]
	return ref, ok
}

func (o *object) ref() (ref providers.Object, ok bool) {
	switch {
	case o.turned != nil:
		return *o.turned, true
	case o.left && o.unreachable, (o.left || o.desired == nil) && o.recorded == nil:
		return ref, false
	case o.left, o.desired == nil:
		return *remembered(o.recorded), true
	}
	return *boundary(o.addr, o.typ.Name, "", o.desired.Object), true
}

// neighbours settles which objects hang together.
func (m *making) neighbours() {
	m.around = m.newNeighbourhoods(len(m.sorted)+len(m.req.Instances), m.ref)
	for addr, inst := range m.req.Instances {
		m.around.join(addr, inst.Type, inst.Body)
	}
	for _, o := range m.sorted {
		if o.asked != nil {
			continue // it refers to what it is remembered to refer to
		}
		if ref, ok := o.ref(); ok {
			m.around.join(o.addr, ref.Type, ref.Body)
		}
	}
	m.around.settle(m.sorted)
}

// orphaned reports objects whose type no provider has.
func (m *making) orphaned(provider string, all []addrs.Instance) {
	slices.SortFunc(all, addrs.Instance.Compare)
	first := all[0]
	more := ""
	if n := len(all) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more objects", n)
	}
	m.fail(first, "", fmt.Sprintf("No provider has the type %q", first.Type),
		fmt.Sprintf("The state remembers %s%s, which the provider %s made, and no provider that is configured knows them. Put its provider block back into the accord block; or forget them, one by one: accord state rm ADDRESS", first, more, provider))
}

func (m *making) readAll(ctx context.Context) {
	m.unreached()
	stay := m.expects()
	m.neighbours()
	unread := make([]*object, 0, len(m.sorted))
	for _, o := range m.sorted {
		switch {
		case o.unreachable, o.lost != "", o.left && o.recorded == nil:
		case o.question() == nil:
			o.missing = true // an intent without an object: nothing can be looked for
			m.resolve(o)
		case m.req.Assume && o.recorded != nil && len(o.open) == 0:
			o.assume()
		default:
			unread = append(unread, o)
		}
	}
	failed := m.read(ctx, unread, m.around, stay)
	m.readElsewhere(ctx, unread, failed)
	for _, o := range unread {
		if err := failed[o]; err != nil {
			if o.left {
				continue // it counts as remembered
			}
			d := m.problem(err, o)
			o.lose(d.Summary)
			m.diags = append(m.diags, d)
			continue
		}
		o.read = true
		m.plan.Reads.Objects++
		m.checkImport(o)
		m.resolve(o)
	}
	m.plan.Reads.Instances = len(m.req.Instances)
}

// differs reports whether an object was found otherwise than it is remembered.
func (o *object) differs() bool {
	return o.live != nil && (o.recorded == nil || !bytes.Equal(o.live.Body, o.recorded.Body))
}

// assume takes an object for what the state remembers of it.
func (o *object) assume() { o.live, o.assumed = remembered(o.recorded), true }

// planAll plans level by level, so that each object sees those it refers to as
// they will be.
func (m *making) planAll(ctx context.Context) {
	m.known = map[addrs.Instance]lang.Object{}
	g := graph.New[*object]()
	g.Grow(len(m.sorted))
	for _, o := range m.sorted {
		if o.left {
			continue
		}
		g.Add(o)
		if o.desired == nil {
			continue
		}
		for _, other := range o.on {
			if !other.left {
				g.Add(o, other)
			}
		}
	}
	if cycle := g.Cycle(); cycle != nil {
		m.diags = append(m.diags, m.cycle(slices.Collect(addresses(cycle))))
		return
	}
	known := m.known
	for addr, inst := range m.req.Instances {
		known[addr] = lang.Object{Body: inst.Body, Sensitive: inst.Sensitive}
	}
	for _, o := range m.sorted {
		if o.left && o.recorded != nil {
			known[o.addr] = lang.Object{Body: o.recorded.Body, Sensitive: o.recorded.Sensitive}
		}
	}
	levels, err := g.Levels()
	if err != nil {
		m.diags = append(m.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "The objects cannot be put in an order", Detail: err.Error()})
		return
	}
	if slices.ContainsFunc(m.sorted, (*object).differs) {
		m.neighbours() // it may be found to refer to something else
	}
	m.foresee(ctx, levels)
	for _, level := range levels {
		var todo []*object
		for _, o := range level {
			if m.hangs(o) {
				continue
			}
			if o.question() == nil {
				o.action, o.record = providers.NoAction, true // only the state forgets the call
				continue
			}
			if o.desired != nil && !o.answered() {
				want, diags := o.desired.Resolve(known)
				m.diags = append(m.diags, diags...)
				if diags.HasErrors() {
					o.lose("what it should be cannot be found out")
					continue
				}
				o.want = m.ignoring(o, boundary(o.addr, o.typ.Name, "", want))
			}
			if o.desired != nil {
				m.conditions(o, lang.Precondition, known)
			}
			todo = append(todo, o)
		}
		m.planLevel(ctx, todo)
		for _, o := range todo {
			if o.planned != nil && o.lost == "" {
				o.turned = o.planned
				if m.reads {
					known[o.addr] = o.known()
				}
				if o.desired != nil {
					m.conditions(o, lang.Postcondition, known)
				}
			}
		}
	}
}

// ignoring puts what lifecycle.ignore_changes names back to how it is.
func (m *making) ignoring(o *object, want *providers.Object) *providers.Object {
	from := o.live
	if from == nil || len(o.desired.IgnoreChanges) == 0 {
		return want
	}
	for _, path := range o.desired.IgnoreChanges {
		if path == "" {
			want.Body = plan.With(want.Body, from.Body, flagged(o.typ, func(a *schema.Attribute) bool { return !a.Volatile && !a.ReadOnly })...)
			continue
		}
		want.Body = plan.With(want.Body, from.Body, path.Root())
	}
	return want
}

// planConcurrency is how many batches are being planned at once. Nothing is
// waited for but the provider's own work, and each costs memory at both ends.
const planConcurrency = 3

// planLevel plans objects that do not depend on each other.
func (m *making) planLevel(ctx context.Context, todo []*object) {
	some := batches(slices.DeleteFunc(slices.Clone(todo), (*object).answered))
	answers := m.askPlans(ctx, some, m.ref)
	for n, batch := range some {
		for i, o := range batch {
			if i >= len(answers[n]) {
				m.fail(o.addr, "", "The provider did not plan this object", "It answered fewer results than it was asked for. This is a bug in the provider.")
				continue
			}
			o.foreseen = &answers[n][i]
		}
	}
	for _, o := range todo {
		switch {
		case o.stay:
			o.response.Planned = o.live
			if stays, _ := o.stays(); len(stays.Body) < len(o.live.Body) {
				o.response.Planned = &stays
			}
		case o.foreseen != nil:
			reading := o.response.Diagnostics
			o.response = *o.foreseen
			o.response.Diagnostics = append(reading, o.response.Diagnostics...)
		default:
			continue // reported
		}
		m.judge(o)
	}
}

// answered reports whether it is known what an object will be.
func (o *object) answered() bool { return o.stay || o.foreseen != nil }

// askPlans asks the providers what objects will be, in batches, beside others as
// find finds them.
func (m *making) askPlans(ctx context.Context, some [][]*object, find finder) [][]providers.PlanResponse {
	answers := make([][]providers.PlanResponse, len(some))
	var group graph.Group
	group.SetLimit(planConcurrency)
	for n, batch := range some {
		group.Go(func() error {
			answers[n] = m.Providers[batch[0].provider].Plan(ctx, m.planRequest(batch, find))
			return nil
		})
	}
	_ = group.Wait()
	return answers
}

func (m *making) planRequest(batch []*object, find finder) providers.PlanRequest {
	req := providers.PlanRequest{Items: make([]providers.PlanItem, len(batch)), Refs: m.around.as(addresses(batch), find)}
	for i, o := range batch {
		req.Items[i] = providers.PlanItem{
			Addr: o.addr, Desired: o.want, Recorded: remembered(o.recorded), Live: o.live, Removal: o.removal,
		}
		if _, deletes := o.typ.RemovalFor(schema.Delete); o.replace && deletes {
			req.Items[i].Live = nil // planned as what will be made
		}
	}
	return req
}

// judge turns a provider's answer into an action, and refuses an answer that
// does not keep what the configuration says.
func (m *making) judge(o *object) {
	for _, d := range o.response.Diagnostics {
		m.report(o, d)
	}
	if _, deletes := o.typ.RemovalFor(schema.Delete); o.replace && o.live != nil && !deletes {
		m.fail(o.addr, "", fmt.Sprintf("%s cannot be replaced", o.addr), fmt.Sprintf("What can be done with %s: %s. To replace is to delete, and to create.", o.typ.Name, o.typ.RemovalWords()))
	}
	o.planned = o.response.Planned
	if o.desired == nil {
		o.action = providers.Remove
		if o.missing {
			o.action, o.record = providers.NoAction, true // gone already: only the state forgets it
		}
		return
	}
	if o.planned == nil {
		if !hasError(o.response.Diagnostics) {
			m.fail(o.addr, "", "The provider did not plan this object", "It answered without an object and without a reason. This is a bug in the provider.")
		}
		return
	}
	o.planned.Addr, o.planned.Type = o.addr, o.typ.Name
	o.planned.Body = plan.Without(o.planned.Body, flagged(o.typ, isVolatile)...)
	if o.live != nil && bytes.Equal(o.planned.Body, o.live.Body) {
		o.planned.Body = o.live.Body // one copy is enough
	}
	if o.planned.ID == "" && o.live != nil && !o.replace {
		o.planned.ID = o.live.ID
	}
	for _, at := range o.unkept(o.planned) {
		m.fail(o.addr, at, "The provider planned something else than the configuration says",
			fmt.Sprintf("%s would not become what is written here. This is a bug in the provider.", at))
	}
	same := len(o.planned.Unknown) == 0 && string(o.comparable()) == string(o.planned.Body)
	switch {
	case o.live == nil:
		o.action = providers.Create
	case len(o.response.Replace) > 0, o.replace:
		o.action = providers.Replace
	case o.recorded == nil:
		o.action = providers.Adopt
	case same:
		o.action = providers.NoAction
	default:
		o.action = providers.Update
		if m.onlyLocal(o) {
			o.record = true
		}
	}
	if o.recorded != nil && o.recorded.Protect != o.desired.Protect {
		word := "is lifted"
		if o.desired.Protect {
			word = "begins"
		}
		o.response.Consequences = append(o.response.Consequences, "its protection "+word)
		if o.action == providers.NoAction {
			o.action, o.record = providers.Update, true
		}
	}
	if o.action == providers.NoAction && (len(o.open) > 0 || m.entryDiffers(o)) {
		o.record = true
	}
}

// onlyLocal reports whether nothing but accord's own settings differ, so that
// the provider has nothing to do.
func (m *making) onlyLocal(o *object) bool {
	local := flagged(o.typ, isLocal)
	return len(o.planned.Unknown) == 0 &&
		string(plan.Without(o.comparable(), local...)) == string(plan.Without(o.planned.Body, local...))
}

// entryDiffers reports whether the state would say something else about an
// object that stays as it is.
func (m *making) entryDiffers(o *object) bool {
	if o.desired != nil && len(o.planned.Sensitive) == 0 && bytes.Equal(o.planned.Body, o.recorded.Body) { // without what is volatile
		return o.desired.Protect != o.recorded.Protect || o.planned.ID != o.recorded.ID ||
			o.typ.Version != o.recorded.SchemaVersion || !slices.Equal(o.desired.DependsOn, o.recorded.DependsOn)
	}
	e := o.entry(o.planned)
	return string(e.Body) != string(o.recorded.Body) || e.Protect != o.recorded.Protect ||
		e.ID != o.recorded.ID || e.SchemaVersion != o.recorded.SchemaVersion || !slices.Equal(e.DependsOn, o.recorded.DependsOn)
}

// changes lists what a reviewer reads: drift, then changes.
func (m *making) changes(ctx context.Context) {
	m.plan.Objects = make([]providers.Object, 0, len(m.sorted)+len(m.req.Instances))
	drift := m.drift(ctx)
	for _, o := range m.sorted {
		if o.left {
			if o.recorded != nil {
				m.plan.Objects = append(m.plan.Objects, *remembered(o.recorded))
			}
			continue
		}
		if c := drift[o]; c != nil {
			m.plan.Drift = append(m.plan.Drift, *c)
		}
		if o.lost != "" {
			continue
		}
		switch {
		case o.planned != nil:
			m.plan.Objects = append(m.plan.Objects, *o.planned)
		case o.recorded != nil: // until it is removed, others may refer to it
			m.plan.Objects = append(m.plan.Objects, *remembered(o.recorded))
		}
		if o.action == providers.NoAction && (!(o.desired == nil && o.missing) || len(o.open) > 0) {
			m.plan.Unchanged++
			continue
		}
		c := plan.Change{Addr: o.addr, Action: o.action, Removal: o.removal, Consequences: o.response.Consequences}
		before, after := o.comparable(), planBody(o.planned)
		var unknown, sensitive []addrs.Path
		if o.planned != nil {
			unknown, sensitive = o.planned.Unknown, o.planned.Sensitive
		}
		if o.desired != nil {
			c.Protected = o.desired.Protect
		}
		if o.recorded != nil {
			c.Protected = c.Protected || o.recorded.Protect
			sensitive = append(slices.Clone(sensitive), o.recorded.Sensitive...)
		}
		if o.action == providers.Remove {
			after = planBody(o.response.Planned)
			if after == nil {
				after = before
			}
		}
		c.Edits, c.Same = plan.Diff(before, after, unknown, sensitive)
		computed(o.typ, c.Edits)
		for i := range c.Edits {
			c.Edits[i].Forces = c.Edits[i].Path.MeetsAny(o.response.Replace)
		}
		m.explain(o, &c)
		m.plan.Changes = append(m.plan.Changes, c)
		m.protect(o)
	}
	for _, inst := range m.req.Instances {
		m.plan.Objects = append(m.plan.Objects, inst)
	}
	slices.SortFunc(m.plan.Objects, func(a, b providers.Object) int { return a.Addr.Compare(b.Addr) })
}

// computed marks the edits of what no configuration says.
func computed(typ *schema.Type, edits []plan.Edit) {
	for i := range edits {
		if a := typ.Body.Attribute(edits[i].Path.Root()); a != nil {
			edits[i].Computed = a.ReadOnly
		}
	}
}

func planBody(o *providers.Object) []byte {
	if o == nil {
		return nil
	}
	return o.Body
}

// drift is what changed outside since it was recorded. What was read in other
// words than those of the state, as the configuration has them by now, is read once
// more in those: written otherwise is no difference.
func (m *making) drift(ctx context.Context) map[*object]*plan.Change {
	drift := map[*object]*plan.Change{}
	as := map[addrs.Instance]*object{}
	var again []*object
	for _, o := range m.sorted {
		if o.left || o.recorded == nil || o.assumed || o.adrift || len(o.open) > 0 || !o.read {
			continue
		}
		c := o.drifted()
		if c == nil {
			continue
		}
		if drift[o] = c; o.desired == nil {
			continue
		}
		c.Place = placeOf(o.desired.Range)
		if c.Action == providers.Update && len(m.otherwise(o, remembered(o.recorded))) > 0 {
			as[o.addr] = o
			again = append(again, &object{addr: o.addr, provider: o.provider, typ: o.typ, recorded: o.recorded})
		}
	}
	failed := m.read(ctx, again, m.neighbourhoods(m.recordedRefs(m.req.State, m.req.Instances), again...), nil)
	for _, o := range again {
		if failed[o] != nil {
			continue
		}
		is := as[o.addr]
		place := drift[is].Place
		if drift[is] = o.drifted(); drift[is] != nil {
			drift[is].Place = place
		}
	}
	return drift
}

// protect refuses what lifecycle.protect forbids. The state remembers the
// protection, so taking the block out does not lift it.
func (m *making) protect(o *object) {
	protected := o.recorded != nil && o.recorded.Protect || o.desired != nil && o.desired.Protect
	if !protected || m.unprotected(o) || (o.action != providers.Remove && o.action != providers.Replace) {
		return
	}
	word := string(o.removal)
	if o.action == providers.Replace {
		word = "replace"
	}
	detail := fmt.Sprintf("This plan would %s it. Its protection is kept in the state, also when its block is gone.", word)
	if o.desired != nil || m.req.Destroy && m.req.Desired.Find(o.addr) != nil {
		detail += " Take protect out of its lifecycle block and apply that first."
	} else {
		detail += fmt.Sprintf(" Put the block back without protect and apply that first, or write a removed block, with from = %s and unprotect = true.", o.addr)
	}
	m.refuse(providers.Diagnostic{Severity: providers.SeverityError, Code: "PROTECTED", Addr: o.addr, Summary: fmt.Sprintf("%s is protected", o.addr), Detail: detail, Refused: true})
}

func hasError(diags []providers.Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d providers.Diagnostic) bool { return d.Severity == providers.SeverityError })
}

func (m *making) refuse(d providers.Diagnostic) { m.plan.Refusals = append(m.plan.Refusals, d) }

// took is how long something ran, for events.
func (p *Planner) took(since time.Time) time.Duration { return p.Now().Sub(since) }
