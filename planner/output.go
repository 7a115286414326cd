package planner

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// outputs notes which outputs an apply will record otherwise than they are. What
// moves by itself is no change; where a run of this plan moves it, it is known
// afterwards. Of an output that stays sensitive nothing is kept that it could be
// held against.
func (m *making) outputs(context.Context) {
	if m.req.Unread {
		return
	}
	gone := maps.Clone(m.req.State.Outputs)
	for _, out := range m.wantedOutputs() {
		before, recorded := gone[out.Name]
		delete(gone, out.Name)
		v, diags := out.Value(m.knownTo(out, func(addr addrs.Instance) bool { return m.plan.Step(providers.Ref{Addr: addr, Sync: true}) != nil }))
		m.diags = append(m.diags, diags...)
		if diags.HasErrors() || recorded && sameOutput(before, v) {
			continue
		}
		if recorded && v.Unknown && (m.req.Assume || m.plan.Partial()) {
			continue // nothing of the plan is why
		}
		if recorded && !v.Unknown && m.movesByItself(out) {
			continue
		}
		change := plan.Output{Name: out.Name, Action: providers.Create, Unknown: v.Unknown, Sensitive: v.Sensitive || before.Sensitive, Place: placeOf(out.Range)}
		if recorded {
			change.Action = providers.Update
		}
		if !change.Sensitive {
			change.Before, change.After = before.Value, v.JSON
		}
		m.plan.Outputs = append(m.plan.Outputs, change)
	}
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		m.plan.Outputs = append(m.plan.Outputs, plan.Output{Name: name, Action: providers.Remove, Before: gone[name].Value, Sensitive: gone[name].Sensitive})
	}
}

func (m *making) wantedOutputs() []*lang.Output {
	if m.req.Destroy {
		return nil
	}
	return m.req.Desired.Outputs
}

// knownTo are the objects that an output refers to, as they will be. What is
// volatile of those that move is not known.
func (m *making) knownTo(out *lang.Output, moves func(addrs.Instance) bool) map[addrs.Instance]lang.Object {
	known := make(map[addrs.Instance]lang.Object, len(out.DependsOn))
	for _, addr := range out.DependsOn {
		o := m.object(addr)
		if o == nil {
			if inst, ok := m.req.Instances[addr]; ok {
				known[addr] = lang.Object{Body: inst.Body, Unknown: inst.Unknown, Sensitive: inst.Sensitive}
			}
			continue
		}
		as := o.planned
		if o.left && o.recorded != nil {
			as = remembered(o.recorded)
		}
		if as == nil {
			continue
		}
		k := o.knownAs(as)
		if moves(addr) {
			k.Unknown = slices.Clone(k.Unknown)
			for _, name := range flagged(o.typ, isVolatile) {
				k.Unknown = append(k.Unknown, addrs.Path("").Child(name))
			}
		}
		known[addr] = k
	}
	return known
}

// movesByItself reports whether an output follows from what is volatile.
func (m *making) movesByItself(out *lang.Output) bool {
	v, _ := out.Value(m.knownTo(out, func(addrs.Instance) bool { return true }))
	return v.Unknown
}

// sameOutput reports whether an output is recorded as it is.
func sameOutput(before state.Output, now lang.Value) bool {
	if before.Sensitive || now.Sensitive || now.Unknown {
		return before.Sensitive && now.Sensitive
	}
	var was, is bytes.Buffer
	return json.Compact(&was, before.Value) == nil && json.Compact(&is, now.JSON) == nil && bytes.Equal(was.Bytes(), is.Bytes())
}
