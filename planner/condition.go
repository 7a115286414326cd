package planner

import (
	"context"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
)

// known is an object as conditions read it: as planned, with what is volatile
// as it was found.
func (o *object) known() lang.Object { return o.knownAs(o.planned) }

func (o *object) knownAs(planned *providers.Object) lang.Object {
	known := lang.Object{Body: planned.Body, Unknown: planned.Unknown, Sensitive: planned.Sensitive}
	volatile := flagged(o.typ, isVolatile)
	if o.live != nil && !o.assumed {
		known.Body = plan.With(known.Body, o.live.Body, volatile...)
		return known
	}
	known.Unknown = slices.Clone(known.Unknown)
	for _, name := range volatile {
		known.Unknown = append(known.Unknown, addrs.Path("").Child(name))
	}
	return known
}

// conditions reports those of an object that do not hold by what is planned.
func (m *making) conditions(o *object, kind lang.Kind, known map[addrs.Instance]lang.Object) {
	for _, c := range o.desired.Conditions {
		if c.Kind == kind {
			_, diags := c.Check(known)
			m.diags = append(m.diags, diags...)
		}
	}
}

// checks reports asserts that do not hold by what is planned, as warnings, and
// conditions of outputs and of what providers connect to.
func (m *making) checks(context.Context) {
	if m.req.Destroy {
		return
	}
	all := m.req.Desired.Conditions()
	for _, inst := range m.req.Desired.Instances {
		all = append(all, inst.Conditions...)
	}
	for _, c := range all {
		_, diags := c.Check(m.known)
		m.diags = append(m.diags, diags...)
		m.warn(diags)
	}
}

// conditions returns as an error what does not hold by what was applied.
func (a *applying) conditions(addr addrs.Instance, kind lang.Kind) error {
	r := a.req.Desired.Find(addr)
	if r == nil || a.req.Plan.Destroy {
		return nil
	}
	var diags hcl.Diagnostics
	for _, c := range r.Conditions {
		if c.Kind == kind {
			_, more := c.Check(a.known(append(slices.Clone(c.DependsOn), addr)))
			diags = append(diags, more...)
		}
	}
	if diags.HasErrors() {
		return diags
	}
	return nil
}

// known are objects as they are now.
func (a *applying) known(of []addrs.Instance) map[addrs.Instance]lang.Object {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := make(map[addrs.Instance]lang.Object, len(of))
	for _, addr := range of {
		if o, ok := a.objects[addr]; ok {
			known[addr] = lang.Object{Body: o.Body, Unknown: o.Unknown, Sensitive: o.Sensitive}
		}
	}
	return known
}
