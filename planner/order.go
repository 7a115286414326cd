package planner

import (
	"context"
	"slices"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
)

// order turns changed objects into steps. Four rules make the order, and a
// fifth the provider:
//
//	an object comes after those it refers to;
//	a removed object comes after those that referred to it, as the state remembers;
//	also after those that refer to it no more;
//	a run comes after the objects that it needs (syncs.go);
//	and what the provider adds, such as CTRY-12.
func (m *making) order(context.Context) {
	steps := map[addrs.Instance]*plan.Step{}
	for _, o := range m.sorted {
		if o.left || o.action == providers.NoAction && !o.record {
			continue
		}
		s := &plan.Step{
			Ref: providers.Ref{Addr: o.addr}, Provider: o.provider, Record: o.record,
			Item: &providers.ApplyItem{
				Addr: o.addr, Action: o.action, Live: o.live, Recorded: remembered(o.recorded), Planned: o.planned, Removal: o.removal,
			},
		}
		if o.action == providers.Remove || o.desired == nil {
			s.Item.Planned = nil
		}
		if o.desired != nil {
			s.DependsOn, s.Protect = o.desired.DependsOn, o.desired.Protect
		}
		steps[o.addr] = s
	}
	after := func(s *plan.Step, refs ...providers.Ref) {
		for _, r := range refs {
			if r.Addr != s.Ref.Addr && !slices.Contains(s.After, r) {
				s.After = append(s.After, r)
			}
		}
	}
	for _, o := range m.sorted {
		s := steps[o.addr]
		if s != nil && o.desired != nil {
			for _, on := range o.desired.DependsOn {
				if steps[on] != nil {
					after(s, providers.Ref{Addr: on})
				}
			}
		}
		if s != nil {
			after(s, o.response.After...)
		}
		if o.recorded == nil || s == nil {
			continue
		}
		for _, on := range o.recorded.DependsOn {
			if gone := steps[on]; gone != nil && m.object(on).desired == nil {
				after(gone, providers.Ref{Addr: o.addr})
			}
		}
	}
	for _, o := range m.sorted {
		if s := steps[o.addr]; s != nil {
			m.plan.Steps = append(m.plan.Steps, *s)
		}
	}
}
