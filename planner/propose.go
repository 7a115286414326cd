package planner

import (
	"context"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/graph"
	"accord/planner/plan"
	"accord/providers"
)

// planAll plans level by level, so that each object sees those it refers to as
// they will be.
func (m *making) planAll(ctx context.Context) {
	m.knowOthers()
	levels, ok := m.levels()
	if !ok {
		return
	}
	if slices.ContainsFunc(m.sorted, (*object).differs) {
		m.neighbours() // it may be found to refer to something else
	}
	m.foresee(ctx, levels)
	for _, level := range levels {
		var todo []*object
		for _, o := range level {
			if m.wants(o) {
				todo = append(todo, o)
			}
		}
		m.planLevel(ctx, todo)
		for _, o := range todo {
			if o.planned != nil && o.lost == "" {
				o.turned = o.planned
				if m.reads {
					m.known[o.addr] = o.known()
				}
				if o.desired != nil {
					m.conditions(o, lang.Postcondition, m.known)
				}
			}
		}
	}
}

// levels are the objects of the plan in their order: those of each level refer to none
// but those of the levels before it. Where they refer to each other in a circle, that is
// told, and ok is false.
func (m *making) levels() (levels [][]*object, ok bool) {
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
		return nil, false
	}
	levels, err := g.Levels()
	if err != nil {
		m.diags = append(m.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "The objects cannot be put in an order", Detail: err.Error()})
		return nil, false
	}
	return levels, true
}

// knowOthers makes known what is not planned, and may be referred to: instances, and
// what is left out, as it is remembered.
func (m *making) knowOthers() {
	m.known = map[addrs.Instance]lang.Object{}
	for addr, inst := range m.req.Instances {
		m.known[addr] = lang.Object{Body: inst.Body, Sensitive: inst.Sensitive}
	}
	for _, o := range m.sorted {
		if o.left && o.recorded != nil {
			m.known[o.addr] = lang.Object{Body: o.recorded.Body, Sensitive: o.recorded.Sensitive}
		}
	}
}

// wants finds out what an object should be, and reports whether it can be planned.
func (m *making) wants(o *object) bool {
	if m.hangs(o) {
		return false
	}
	if o.question() == nil {
		o.action, o.record = providers.NoAction, true // only the state forgets the call
		return false
	}
	if o.desired == nil {
		return true
	}
	if !o.answered() {
		want, diags := o.desired.Resolve(m.known)
		m.diags = append(m.diags, diags...)
		if diags.HasErrors() {
			o.lose("what it should be cannot be found out")
			return false
		}
		o.want = m.ignoring(o, boundary(o.addr, o.typ.Name, "", want))
	}
	m.conditions(o, lang.Precondition, m.known)
	return true
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
