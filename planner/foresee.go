package planner

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"accord/planner/plan"
	"accord/providers"
)

// foresee asks the providers once for all objects, where each is as it is
// remembered and as the configuration wants it: then they will stay so, and
// each can be planned with those that it refers to as they are. Most plans find
// nothing to do, and this spares them to ask level by level.
//
// Where one answer is that something changes after all, all answers count for
// nothing, and levels are planned one after the other.
func (m *making) foresee(ctx context.Context, levels [][]*object) {
	if len(levels) < 2 {
		return
	}
	known := maps.Clone(m.known)
	all := make([]*object, 0, len(m.sorted))
	defer func() { // until it is its turn
		for _, o := range all {
			m.refs[o.addr] = *boundary(o.addr, o.typ.Name, "", o.desired.Object)
		}
	}()
	for _, level := range levels {
		for _, o := range level {
			stays := o.stays()
			if stays == nil || m.hangs(o) {
				return
			}
			all = append(all, o)
			m.refs[o.addr] = *stays
			if m.reads {
				known[o.addr] = o.knownAs(stays)
			}
		}
	}
	for _, o := range all {
		want, diags := o.desired.Resolve(known)
		o.want = m.ignoring(o, boundary(o.addr, o.typ.Name, "", want))
		if len(diags) > 0 || len(want.Unknown) > 0 || len(refinement(o.want, o.live)) > 0 {
			return
		}
	}
	some := batches(all)
	answers := m.askPlans(ctx, some)
	for n, batch := range some {
		if len(answers[n]) != len(batch) {
			return
		}
		for i, o := range batch {
			if !m.staysBy(o, &answers[n][i]) {
				return
			}
		}
	}
	for n, batch := range some {
		for i, o := range batch {
			o.foreseen = &answers[n][i]
		}
	}
}

// stays is the object as it would be planned if nothing changed; nil where
// something does, or may.
func (o *object) stays() *providers.Object {
	if o.desired == nil || o.recorded == nil || o.live == nil || o.replace || o.assumed || len(o.open) > 0 || len(o.live.Unknown) > 0 {
		return nil
	}
	stays := *o.live
	stays.Body = plan.Without(o.live.Body, flagged(o.typ, isVolatile)...)
	if stays.ID != o.recorded.ID || !bytes.Equal(stays.Body, o.recorded.Body) {
		return nil
	}
	return &stays
}

// staysBy reports whether an object is planned as it is, which refs say.
func (m *making) staysBy(o *object, answer *providers.PlanResponse) bool {
	stays, planned := m.refs[o.addr], answer.Planned
	return planned != nil && len(answer.Replace) == 0 && !hasError(answer.Diagnostics) &&
		len(planned.Unknown) == 0 && (planned.ID == "" || planned.ID == stays.ID) && slices.Equal(planned.Sensitive, stays.Sensitive) &&
		bytes.Equal(plan.Without(planned.Body, flagged(o.typ, isVolatile)...), stays.Body)
}
