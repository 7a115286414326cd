package planner

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/providers"
)

// expects reports whether the plan will find nothing to do if all is still as it
// is remembered, by what can be told without reading: every object will be read,
// is remembered, and wanted as that. Then the answer finds what is remembered;
// else it is nil.
func (m *making) expects() finder {
	if m.req.Assume {
		return nil
	}
	asked := make([]providers.Object, len(m.sorted))
	for n, o := range m.sorted {
		if !o.keeps(&asked[n]) {
			return nil
		}
	}
	return m.reminded
}

// keeps reports whether an object is wanted as it is remembered, and makes it so
// that it is read as asked.
func (o *object) keeps(asked *providers.Object) bool {
	if o.desired == nil || o.recorded == nil || o.replace || o.left || o.unreachable || o.lost != "" || len(o.open) > 0 || len(o.desired.Unknown) > 0 {
		return false
	}
	remembered := providers.Object{Body: o.recorded.Body}
	*asked = providers.Object{Addr: o.addr, Type: o.typ.Name, ID: o.recorded.ID, Body: o.desired.Body, Sensitive: o.desired.Sensitive}
	if len(refinement(asked, &remembered)) > 0 {
		return false
	}
	if o.typ.AsRecorded { // with what is left out, and is remembered
		asked.Body = plan.With(asked.Body, o.recorded.Body, flagged(o.typ, isSettled)...)
	}
	o.asked = asked
	return true
}

// isSettled is a local attribute that is as it is remembered where it is left out.
func isSettled(a *schema.Attribute) bool { return a.Local && a.Computed }

// reminded finds what may be referred to as it is remembered.
func (m *making) reminded(addr addrs.Instance) (providers.Object, bool) {
	if o := m.object(addr); o != nil && o.recorded != nil {
		stays := *remembered(o.recorded)
		stays.Sensitive = o.hidden()
		return stays, true
	}
	inst, ok := m.req.Instances[addr]
	return inst, ok
}

// hidden are the places that are never shown of an object that is as it is
// wanted: by the files, or by its type.
func (o *object) hidden() []addrs.Path {
	always := flagged(o.typ, func(a *schema.Attribute) bool { return a.Sensitive })
	if len(always) == 0 {
		return o.desired.Sensitive
	}
	hidden := slices.Clone(o.desired.Sensitive)
	for _, name := range always {
		hidden = append(hidden, addrs.Path("").Child(name))
	}
	slices.Sort(hidden)
	return slices.Compact(hidden)
}

// foresee asks the providers once for all objects, where each is as it is
// remembered and as the configuration wants it: then they will stay so, and
// each can be planned with those that it refers to as they are. Most plans find
// nothing to do, and this spares them to ask level by level. Providers that said
// as much when they read an object are not asked again.
//
// Where one answer is that something changes after all, all answers count for
// nothing, and levels are planned one after the other.
func (m *making) foresee(ctx context.Context, levels [][]*object) {
	said := m.said()
	if len(levels) < 2 && !said {
		return
	}
	known := maps.Clone(m.known)
	var asked []*object
	for _, level := range levels {
		for _, o := range level {
			stays, ok := o.stays()
			if !ok || m.hangs(o) {
				return
			}
			if m.reads {
				known[o.addr] = o.knownAs(&stays)
			}
		}
	}
	for _, level := range levels {
		for _, o := range level {
			if said && o.unmoved && !o.desired.Reads() && len(o.desired.IgnoreChanges) == 0 {
				o.want = o.asked
				continue
			}
			want, diags := o.desired.Resolve(known)
			o.want = m.ignoring(o, boundary(o.addr, o.typ.Name, "", want))
			if len(diags) > 0 || len(want.Unknown) > 0 || len(o.unkept(o.live)) > 0 {
				return
			}
			if !said || !o.unmoved || !o.asAsked() {
				asked = append(asked, o)
			}
		}
	}
	some := batches(asked)
	answers := m.askPlans(ctx, some, m.staying)
	for n, batch := range some {
		if len(answers[n]) != len(batch) {
			return
		}
		for i, o := range batch {
			if !o.staysBy(&answers[n][i]) {
				return
			}
		}
	}
	for n, batch := range some {
		for i, o := range batch {
			o.foreseen = &answers[n][i]
		}
	}
	for _, level := range levels {
		for _, o := range level {
			o.stay = o.foreseen == nil
		}
	}
}

// said reports whether what providers said of plans when they read objects
// counts: they took others for what is remembered, and all were found so.
func (m *making) said() bool {
	for _, o := range m.sorted {
		if stays, ok := o.stays(); !ok || o.asked == nil || !slices.Equal(stays.Sensitive, o.hidden()) {
			return false
		}
	}
	return true
}

// asAsked reports whether an object is wanted as the files alone say.
func (o *object) asAsked() bool {
	return o.want == o.asked || len(o.want.Unknown)+len(o.desired.Unknown) == 0 && bytes.Equal(o.want.Body, o.desired.Body) && slices.Equal(o.want.Sensitive, o.desired.Sensitive)
}

// unkept are the places at which an object is not as it is wanted.
func (o *object) unkept(is *providers.Object) []addrs.Path {
	if o.asked != nil && o.asAsked() && bytes.Equal(is.Body, o.recorded.Body) {
		return nil
	}
	return refinement(o.want, is)
}

// staying finds what may be referred to as it stays.
func (m *making) staying(addr addrs.Instance) (providers.Object, bool) {
	if o := m.object(addr); o != nil {
		return o.stays()
	}
	inst, ok := m.req.Instances[addr]
	return inst, ok
}

// stays is the object as it would be planned if nothing changed; ok is false
// where something does, or may.
func (o *object) stays() (stays providers.Object, ok bool) {
	if o.desired == nil || o.recorded == nil || o.live == nil || o.replace || o.assumed || len(o.open) > 0 || len(o.live.Unknown) > 0 {
		return stays, false
	}
	stays = *o.live
	stays.Body = plan.Without(o.live.Body, flagged(o.typ, isVolatile)...)
	return stays, stays.ID == o.recorded.ID && bytes.Equal(stays.Body, o.recorded.Body)
}

// staysBy reports whether an object is planned as it is.
func (o *object) staysBy(answer *providers.PlanResponse) bool {
	stays, ok := o.stays()
	planned := answer.Planned
	return ok && planned != nil && len(answer.Replace) == 0 && !hasError(answer.Diagnostics) &&
		len(planned.Unknown) == 0 && (planned.ID == "" || planned.ID == stays.ID) && slices.Equal(planned.Sensitive, stays.Sensitive) &&
		bytes.Equal(plan.Without(planned.Body, flagged(o.typ, isVolatile)...), stays.Body)
}
