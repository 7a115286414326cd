package planner

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/providers"
)

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
