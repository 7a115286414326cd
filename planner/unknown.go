package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
)

// unreached reports the instances that did not answer and the objects that
// nothing can be made of, and loses what leads to them.
func (m *making) unreached() {
	if len(m.req.Unreached)+len(m.req.Invalid) == 0 {
		return
	}
	for _, d := range m.req.Invalid {
		m.diags = append(m.diags, d)
		if p, ok := d.Extra.(*Problem); ok {
			m.object(p.Addr).lose(d.Summary)
		}
	}
	for _, addr := range slices.SortedFunc(maps.Keys(m.req.Unreached), addrs.Instance.Compare) {
		m.diags = append(m.diags, m.problem(m.req.Unreached[addr], &object{addr: addr, desired: m.req.Desired.Find(addr)}))
	}
	asked := map[addrs.Instance]bool{}
	var ask func(o *object)
	ask = func(o *object) {
		if asked[o.addr] {
			return // also where objects lead in a circle
		}
		asked[o.addr] = true
		for _, other := range o.on {
			ask(other)
		}
		m.hangs(o)
	}
	for _, o := range m.sorted {
		ask(o)
	}
}

// leads are the objects and instances that an object refers to.
func (o *object) leads() []addrs.Instance {
	switch {
	case o.desired != nil:
		return o.desired.DependsOn
	case o.recorded != nil:
		return o.recorded.DependsOn
	}
	return nil // of it there is only a call that was begun
}

// hangs loses an object that refers to one that is lost, for what is at the root
// of it, and reports whether it is lost.
func (m *making) hangs(o *object) bool {
	if len(m.req.Unreached) > 0 && o.lost == "" {
		for _, on := range o.leads() {
			if _, unreached := m.req.Unreached[on]; unreached {
				o.lost, o.root = fmt.Sprintf("%s cannot be reached", on), on
				return true
			}
		}
	}
	for _, other := range o.on {
		if o.lost == "" && other.lost != "" {
			o.lost, o.root = fmt.Sprintf("it hangs on %s", other.root), other.root
		}
	}
	return o.lost != ""
}

// lose notes why it is not known what an object will be; the first reason counts.
func (o *object) lose(because string) {
	if o != nil && o.lost == "" {
		o.lost, o.root = because, o.addr
	}
}

// failed ends a plan that cannot be made, with what is known all the same: what
// changed outside, the changes that could be planned, and which objects are not
// known, and why. Nothing of it can be applied.
func (m *making) failed(ctx context.Context) *plan.Plan {
	if m.req.Approved != nil {
		return nil // only the whole can be held against what was approved
	}
	if m.known == nil {
		m.planAll(ctx)
		m.notPermitted(ctx)
	}
	for _, o := range m.sorted {
		if !o.left && o.action == "" {
			o.lose("it was not planned")
		}
	}
	if m.plan.Objects == nil {
		m.changes(ctx)
	}
	m.plan.Failed = true
	m.plan.Reads.Took = m.took(m.plan.Created)
	m.plan.Content, m.plan.Syncs, m.plan.Steps = nil, nil, nil // made of the whole
	for _, o := range m.sorted {
		if o.lost == "" {
			continue
		}
		u := plan.Unknown{Addr: o.addr, Because: o.lost}
		if o.desired != nil {
			u.Place = placeOf(o.desired.Range)
		}
		m.plan.Unknown = append(m.plan.Unknown, u)
	}
	for _, d := range m.diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		m.plan.Errors = append(m.plan.Errors, kept(d, providers.SeverityError))
	}
	return m.plan
}
