package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// selection is which objects a plan is about.
//
// A target takes along what it depends on. What is excluded keeps what depends
// on it. An object that is to be removed depends on those that refer to it: they
// are changed, or removed, before it. A vault stands for all that leads to it.
type selection struct {
	from     *selecting
	left     map[addrs.Instance]bool // left out of a partial plan
	replace  map[addrs.Instance]bool // made anew because someone asks for it
	vaults   map[addrs.Instance]bool // what the selected objects lead to
	problems hcl.Diagnostics
}

// selecting is what a selection is made from, by address.
type selecting struct {
	want map[addrs.Instance][]addrs.Instance // of the configuration: what each depends on; empty when everything is removed
	have map[addrs.Instance][]addrs.Instance // of the state
	inst map[addrs.Instance]bool             // instances

	wantBy, haveBy map[addrs.Instance][]addrs.Instance // the other way round
}

// VaultsOf are the instances that a partial plan needs, nil for all: a vault
// that cannot be reached is no hindrance to what does not lead to it.
func (p *Planner) VaultsOf(req Request) (map[addrs.Instance]bool, hcl.Diagnostics) {
	if !req.Partial() {
		return nil, nil
	}
	m := &making{Planner: p, req: req, plan: newPlan(p, req, p.Now())}
	if m.move(context.Background()); m.diags.HasErrors() {
		return nil, nil // told by Plan
	}
	s := m.selection()
	return s.vaults, s.problems
}

// Partial reports whether the plan is about some objects only.
func (r *Request) Partial() bool { return len(r.Target)+len(r.Exclude) > 0 }

func (m *making) selection() *selection {
	if !m.req.Partial() && len(m.req.Replace) == 0 {
		return &selection{}
	}
	from := m.selecting()
	s := &selection{from: from, left: map[addrs.Instance]bool{}, replace: map[addrs.Instance]bool{}, vaults: map[addrs.Instance]bool{}}
	all := from.all()
	target := s.match("target", m.req.Target, all)
	exclude := s.match("exclude", m.req.Exclude, all)
	if m.req.Destroy && len(m.req.Replace) > 0 {
		s.problem("Two flags exclude each other", "With -destroy everything is removed, and -replace has nothing to make anew. Leave one of them out.")
		return s
	}
	for _, addr := range s.match("replace", m.req.Replace, slices.Collect(maps.Keys(from.want))) {
		s.replace[addr] = true
	}
	if s.problems.HasErrors() {
		return s
	}
	if len(m.req.Target) > 0 {
		vaults := slices.DeleteFunc(slices.Clone(target), func(addr addrs.Instance) bool { return !from.inst[addr] })
		for addr := range from.closure(vaults, from.dependents) {
			target = append(target, addr)
		}
		taken := from.closure(target, from.needs)
		for _, addr := range all {
			s.left[addr] = !taken[addr]
		}
	}
	for addr := range from.kept(exclude, all) {
		s.left[addr] = true
	}
	maps.DeleteFunc(s.left, func(addr addrs.Instance, left bool) bool { return !left || from.inst[addr] })
	for _, addr := range all {
		if s.replace[addr] && s.left[addr] {
			s.problem("An address is left out", fmt.Sprintf("-replace=%s: -target or -exclude leaves it out of this plan. Add -target='%s', or leave out the one or the other.", addr, addr))
		}
	}
	selected := slices.DeleteFunc(all, func(addr addrs.Instance) bool { return s.left[addr] || from.inst[addr] })
	for on := range from.closure(selected, from.leads) {
		if from.inst[on] {
			s.vaults[on] = true
		}
	}
	return s
}

func (m *making) selecting() *selecting {
	f := &selecting{want: map[addrs.Instance][]addrs.Instance{}, have: map[addrs.Instance][]addrs.Instance{}, inst: map[addrs.Instance]bool{}}
	for _, i := range m.req.Desired.Instances {
		f.inst[i.Addr] = true
	}
	if !m.req.Destroy {
		for _, r := range m.req.Desired.Resources {
			f.want[r.Addr] = append([]addrs.Instance{}, r.DependsOn...)
		}
	}
	for addr, rec := range m.req.State.Objects {
		switch _, _, instance := m.typeOf(rec.Type); {
		case instance:
			f.inst[addr] = true
		case rec.Type != ownType:
			f.have[addr] = rec.DependsOn
		}
	}
	f.wantBy, f.haveBy = turned(f.want), turned(f.have)
	return f
}

// all are the addresses that a flag may name, in order.
func (f *selecting) all() []addrs.Instance {
	seen := map[addrs.Instance]bool{}
	for _, of := range []map[addrs.Instance][]addrs.Instance{f.want, f.have} {
		for addr := range of {
			seen[addr] = true
		}
	}
	maps.Copy(seen, f.inst)
	return slices.SortedFunc(maps.Keys(seen), addrs.Instance.Compare)
}

// leads is what an object leads to, as wanted and as remembered.
func (f *selecting) leads(addr addrs.Instance) []addrs.Instance {
	return slices.Concat(f.want[addr], f.have[addr])
}

// needs is what must be done before the object: what it depends on, and, where
// it is removed, what refers to it.
func (f *selecting) needs(addr addrs.Instance) []addrs.Instance {
	switch on, wanted := f.want[addr]; {
	case f.inst[addr]:
		return nil
	case wanted:
		return slices.DeleteFunc(slices.Clone(on), func(a addrs.Instance) bool { return f.inst[a] })
	}
	return f.referring(addr)
}

// kept are the objects that stay as they are where some are excluded: those, what
// depends on them, and what would be removed, and is referred to by one that stays.
func (f *selecting) kept(exclude, all []addrs.Instance) map[addrs.Instance]bool {
	kept := f.closure(exclude, f.dependents)
	for more := len(kept) > 0; more; {
		more = false
		for _, addr := range all {
			removed := !f.inst[addr] && f.want[addr] == nil
			if removed && !kept[addr] && slices.ContainsFunc(f.referring(addr), func(a addrs.Instance) bool { return kept[a] }) {
				kept[addr], more = true, true
			}
		}
	}
	return kept
}

// referring are the objects that refer to one, as remembered.
func (f *selecting) referring(addr addrs.Instance) []addrs.Instance { return f.haveBy[addr] }

// dependents are the objects that depend on one, as wanted or as remembered.
func (f *selecting) dependents(addr addrs.Instance) []addrs.Instance {
	return slices.Concat(f.wantBy[addr], f.haveBy[addr])
}

func turned(of map[addrs.Instance][]addrs.Instance) map[addrs.Instance][]addrs.Instance {
	by := make(map[addrs.Instance][]addrs.Instance, len(of))
	for addr, on := range of {
		for _, o := range on {
			by[o] = append(by[o], addr)
		}
	}
	return by
}

func (f *selecting) closure(start []addrs.Instance, next func(addrs.Instance) []addrs.Instance) map[addrs.Instance]bool {
	seen := map[addrs.Instance]bool{}
	for todo := slices.Clone(start); len(todo) > 0; {
		addr := todo[len(todo)-1]
		if todo = todo[:len(todo)-1]; seen[addr] {
			continue
		}
		seen[addr] = true
		todo = append(todo, next(addr)...)
	}
	return seen
}

// match finds what the addresses of a flag name. One that names nothing is an
// error: it is a slip, and the plan would be about something else.
func (s *selection) match(flag string, given []string, among []addrs.Instance) []addrs.Instance {
	var found []addrs.Instance
	for _, text := range given {
		target, err := addrs.ParseTarget(text)
		if err != nil {
			s.problem("An address cannot be read", fmt.Sprintf("-%s=%s: %s.", flag, text, err))
			continue
		}
		before := len(found)
		for _, addr := range among {
			if target.Covers(addr) {
				found = append(found, addr)
			}
		}
		if len(found) > before {
			continue
		}
		detail := fmt.Sprintf("-%s=%s: neither the configuration nor the state has it.%s", flag, text, nearest(target, among))
		if flag == "replace" {
			detail = fmt.Sprintf("-replace=%s: the configuration has no such object.%s", text, nearest(target, among))
		}
		s.problem("An address matches nothing", detail)
	}
	return found
}

func (s *selection) problem(summary, detail string) {
	s.problems = append(s.problems, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Extra: &Problem{Code: "ADDRESS"}})
}

// nearest proposes addresses of the same type, the same name first.
func nearest(target addrs.Instance, among []addrs.Instance) string {
	var same, others []string
	for _, addr := range among {
		switch {
		case addr.Type != target.Type:
		case addr.Name == target.Name:
			same = append(same, addr.String())
		default:
			others = append(others, addr.String())
		}
	}
	near := append(same, others...)
	if len(near) == 0 {
		return ""
	}
	const few = 4
	text := strings.Join(near[:min(few, len(near))], ", ")
	if len(near) > few {
		text += ", …"
	}
	return " There are: " + text + "."
}

// choose settles what the plan is about.
func (m *making) choose(context.Context) {
	m.chosen = m.selection()
	m.diags = append(m.diags, m.chosen.problems...)
}

// leave keeps an object out of the plan: it stays as it is remembered. It is
// read all the same where its vaults are connected, since runs follow from it.
func (m *making) leave(o *object) {
	o.left = true
	m.plan.LeftOut++
	for on := range m.chosen.from.closure([]addrs.Instance{o.addr}, m.chosen.from.leads) {
		if _, connected := m.req.Instances[on]; m.chosen.from.inst[on] && !connected {
			o.unreachable = true
		}
	}
}

// pending reports whether the configuration asks for something of an object
// that is left out: then a run that follows from it would not be the one that
// the configuration means.
func (m *making) pending(o *object) bool {
	if !o.left {
		return false
	}
	if o.desired == nil || o.recorded == nil {
		return true
	}
	want, diags := o.desired.Resolve(m.known)
	return diags.HasErrors() || len(refinement(boundary(o.addr, o.typ.Name, "", want), remembered(o.recorded))) > 0
}

// idle stops the runs that a partial plan would begin without all that they
// follow from. What they would follow from if nothing were left out is asked of
// the providers: an integration that is left out must not look like none.
func (m *making) idle(needs map[addrs.Instance][]addrs.Instance, addr addrs.Instance) string {
	if o := m.object(addr); o == nil || o.left {
		return "it is left out of this partial plan"
	}
	var missing []string
	for _, need := range needs[addr] {
		if o := m.object(need); o != nil && m.pending(o) && !slices.Contains(missing, need.String()) {
			missing = append(missing, need.String())
		}
	}
	if len(missing) == 0 {
		return ""
	}
	slices.Sort(missing)
	return "what it follows from is left out of this partial plan: " + strings.Join(missing, ", ")
}

// wholeNeeds asks what the runs would need if nothing were left out.
func (m *making) wholeNeeds(ctx context.Context) (map[addrs.Instance][]addrs.Instance, error) {
	needs := map[addrs.Instance][]addrs.Instance{}
	for name, provider := range m.Providers {
		var whole []providers.Change
		for _, o := range m.sorted {
			if o.unreachable || o.provider != name {
				continue
			}
			c := o.change()
			if o.left && o.desired != nil {
				c.After = boundary(o.addr, o.typ.Name, "", o.desired.Object)
			}
			if c.After != nil || c.Before != nil {
				whole = append(whole, c)
			}
		}
		syncs, err := provider.Syncs(ctx, whole)
		if err != nil {
			return nil, err
		}
		for _, s := range syncs {
			needs[s.Addr] = append(slices.Concat(s.Needs, s.Permits, s.After), s.Addr)
			if s.Route.Table != nil {
				needs[s.Addr] = append(needs[s.Addr], *s.Route.Table)
			}
		}
	}
	return needs, nil
}

// change is the object before and after the plan, for Syncs.
func (o *object) change() providers.Change {
	switch {
	case o.left:
		return providers.Change{Addr: o.addr, Before: remembered(o.recorded), After: remembered(o.recorded), Live: o.live}
	case o.letGo():
		return providers.Change{Addr: o.addr, Live: o.live}
	}
	return providers.Change{Addr: o.addr, Before: o.before(), After: o.planned, Live: o.live}
}

// letGo reports whether an object is forgotten that would be changed if its block
// were merely taken out: it stays as it is, like what was never under code.
func (o *object) letGo() bool {
	return o.desired == nil && o.removal == schema.Forget && o.typ.Removal != schema.Forget
}
