package planner

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
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

// drift is what changed outside since it was recorded. Objects were read in the words of
// the configuration; where the state has other words for one that differs, it is read
// once more in those, since to be written otherwise is no difference.
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
		if c.Action == providers.Update && (len(m.otherwise(o, remembered(o.recorded))) > 0 || o.leavesOut(c.Edits)) {
			as[o.addr] = o
			again = append(again, &object{addr: o.addr, provider: o.provider, typ: o.typ, recorded: o.recorded})
		}
	}
	if len(again) == 0 {
		return drift // most often
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

// leavesOut reports whether the configuration has no word for a place that differs.
func (o *object) leavesOut(edits []plan.Edit) bool {
	return slices.ContainsFunc(edits, func(e plan.Edit) bool {
		_, said := valueAt(o.want.Body, e.Path)
		return !said && !e.Computed
	})
}

func hasError(diags []providers.Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d providers.Diagnostic) bool { return d.Severity == providers.SeverityError })
}

func (m *making) refuse(d providers.Diagnostic) { m.plan.Refusals = append(m.plan.Refusals, d) }

// took is how long something ran, for events.
func (p *Planner) took(since time.Time) time.Duration { return p.Now().Sub(since) }
