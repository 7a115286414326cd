package planner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// AppliedInstances are the instances that the last apply connected to.
func (p *Planner) AppliedInstances(s *state.State) []providers.Object {
	var out []providers.Object
	for _, o := range s.Objects {
		if _, _, instance := p.typeOf(o.Type); instance {
			out = append(out, *remembered(o))
		}
	}
	slices.SortFunc(out, func(a, b providers.Object) int { return a.Addr.Compare(b.Addr) })
	return out
}

// LeftInstances are instances that the configuration has no more, while objects
// that lead to them are still remembered: to remove these they are needed.
func (p *Planner) LeftInstances(s *state.State, desired *lang.Desired) []providers.Object {
	gone := slices.DeleteFunc(p.AppliedInstances(s), func(inst providers.Object) bool { return desired.Find(inst.Addr) != nil })
	if len(gone) == 0 {
		return nil
	}
	needed := map[addrs.Instance]bool{}
	for _, o := range s.Objects {
		for _, on := range o.DependsOn {
			needed[on] = true
		}
	}
	return slices.DeleteFunc(gone, func(inst providers.Object) bool { return !needed[inst.Addr] })
}

// AppliedTasks decides about every sync as it was applied, whatever the files
// say now.
func (p *Planner) AppliedTasks(ctx context.Context, s *state.State, instances map[addrs.Instance]providers.Object, request syncer.Request) ([]syncer.Task, error) {
	settings, ok := AppliedSettings(s)
	if !ok {
		return nil, errNothingApplied()
	}
	if cut := p.cutOff(s); len(cut) > 0 {
		return nil, cut[slices.MinFunc(slices.Collect(maps.Keys(cut)), addrs.Instance.Compare)]
	}
	refs := p.recordedRefs(s, instances)
	changes, err := p.recordedChanges(ctx, s, refs)
	if err != nil {
		return nil, p.allLacks(ctx, refs, err)
	}
	tasks, err := p.tasks(ctx, slices.Values(changes), settings, request, false)
	return tasks, p.allLacks(ctx, refs, err)
}

// cutOff are the objects that refer to what the state has forgotten: no sync may
// go by them, nor be passed over without a word.
func (p *Planner) cutOff(s *state.State) map[addrs.Instance]error {
	cut := map[addrs.Instance]error{}
	for _, o := range p.recordedObjects(s) {
		for _, on := range references(o.typ, o.recorded.Body) {
			if s.Objects[on] == nil {
				cut[o.addr] = &providers.Error{Kind: providers.Invalid, Addr: o.addr,
					Message: fmt.Sprintf("the state does not remember %s, to which %s belongs", on, o.addr),
					Advice:  "Where the files have it, accord apply remembers it again."}
			}
		}
	}
	return cut
}

// Survey is what was applied, as found at one moment, as far as it could be read.
type Survey struct {
	Tasks []syncer.Task
	Drift []plan.Change // what is not as it was applied

	// Unread are the objects that could not be read, and those that hang
	// together with them: the syncs among these are not in Tasks.
	Unread map[addrs.Instance]error
}

// Survey does what AppliedTasks does, and goes on where a vault does not
// answer: what hangs together with an object that cannot be read is left out,
// since a sync without one of its rules would be another sync.
func (p *Planner) Survey(ctx context.Context, s *state.State, instances map[addrs.Instance]providers.Object) (*Survey, error) {
	settings, ok := AppliedSettings(s)
	if !ok {
		return nil, errNothingApplied()
	}
	out := &Survey{Unread: p.cutOff(s)}
	p.spread(s, out.Unread)
	objects := slices.DeleteFunc(p.recordedObjects(s), func(o *object) bool { return out.Unread[o.addr] != nil })
	refs := p.recordedRefs(s, instances)
	failed := p.read(ctx, objects, p.neighbourhoods(refs, objects...), nil)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var lacks error // one for all that are not permitted to be read
	for o, err := range failed {
		out.Unread[o.addr] = err
		if err.Kind != providers.Permission {
			continue
		}
		if lacks == nil {
			lacks = p.allLacks(ctx, refs, err)
		}
		if providers.KindOf(lacks) == providers.Refused {
			out.Unread[o.addr] = lacks
		}
	}
	for {
		p.spread(s, out.Unread)
		var changes []providers.Change
		for _, o := range objects {
			if out.Unread[o.addr] == nil {
				changes = append(changes, o.asApplied())
			}
		}
		tasks, err := p.tasks(ctx, slices.Values(changes), settings, syncer.Request{}, false)
		var perr *providers.Error
		if errors.As(err, &perr) && s.Objects[perr.Addr] != nil && out.Unread[perr.Addr] == nil {
			out.Unread[perr.Addr] = perr
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Tasks = tasks
		break
	}
	for _, o := range objects {
		if out.Unread[o.addr] != nil {
			continue
		}
		if c := o.drifted(); c != nil {
			out.Drift = append(out.Drift, *c)
		}
	}
	return out, nil
}

// spread says of everything that hangs together with what could not be read
// that it could not be read either. What providers connect to holds nothing
// together: a vault may serve many connections.
func (p *Planner) spread(s *state.State, unread map[addrs.Instance]error) {
	beside := map[addrs.Instance][]addrs.Instance{}
	for addr, o := range s.Objects {
		if _, typ, instance := p.typeOf(o.Type); typ == nil || instance {
			continue
		}
		for _, on := range o.DependsOn {
			beside[addr] = append(beside[addr], on)
			beside[on] = append(beside[on], addr)
		}
	}
	todo := slices.Collect(maps.Keys(unread))
	for len(todo) > 0 {
		addr := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, next := range beside[addr] {
			o := s.Objects[next]
			if o == nil || unread[next] != nil {
				continue
			}
			if _, typ, instance := p.typeOf(o.Type); typ != nil && !instance {
				unread[next] = unread[addr]
				todo = append(todo, next)
			}
		}
	}
}

// recordedObjects are all that the state remembers and a provider manages.
func (p *Planner) recordedObjects(s *state.State) []*object {
	var objects []*object
	for _, rec := range s.Sorted() {
		if provider, typ, instance := p.typeOf(rec.Type); typ != nil && !instance {
			objects = append(objects, &object{addr: rec.Addr, provider: provider, typ: typ, recorded: rec})
		}
	}
	return objects
}

func (p *Planner) recordedRefs(s *state.State, instances map[addrs.Instance]providers.Object) providers.Refs {
	refs := providers.Refs{}
	for addr, inst := range instances {
		refs[addr] = inst
	}
	for addr, o := range s.Objects {
		if _, typ, instance := p.typeOf(o.Type); typ != nil && !instance {
			refs[addr] = *remembered(o)
		}
	}
	return refs
}

// asApplied presents an object as unchanged.
func (o *object) asApplied() providers.Change {
	return providers.Change{Addr: o.addr, Before: remembered(o.recorded), After: remembered(o.recorded), Live: o.live}
}

// drifted is how an object differs from what was recorded; nil: not at all.
func (o *object) drifted() *plan.Change {
	if o.missing {
		return &plan.Change{Addr: o.addr, Action: providers.Remove}
	}
	is := plan.Redact(o.comparable(), o.recorded.Sensitive)
	if bytes.Equal(is, o.recorded.Body) {
		return nil
	}
	c := &plan.Change{Addr: o.addr}
	c.Edits, c.Same = plan.Diff(o.recorded.Body, is, nil, nil)
	computed(o.typ, c.Edits)
	if len(c.Edits) == 0 {
		return nil
	}
	c.Action = providers.Update
	return c
}

func errNothingApplied() error {
	return &providers.Error{Kind: providers.Invalid, Message: "nothing has been applied yet", Advice: "Syncs run what was applied. Run: accord apply"}
}

// recordedChanges reads every recorded object and presents it as unchanged:
// before and after are what was applied, live is what is there. A provider
// that finds live less than before (a point deactivated by hand) runs nothing.
func (p *Planner) recordedChanges(ctx context.Context, s *state.State, refs providers.Refs) ([]providers.Change, error) {
	reachable := p.reachable(s, refs)
	objects := slices.DeleteFunc(p.recordedObjects(s), func(o *object) bool { return !reachable(o.recorded) })
	failed := p.read(ctx, objects, p.neighbourhoods(refs, objects...), nil)
	changes := make([]providers.Change, 0, len(objects))
	for _, o := range objects {
		if err := failed[o]; err != nil {
			return nil, fmt.Errorf("read %s: %w", o.addr, err)
		}
		changes = append(changes, o.asApplied())
	}
	return changes, nil
}

// reachable returns whether all instances that a remembered object leads to are
// among refs: a partial plan connects only those that it needs.
func (p *Planner) reachable(s *state.State, refs providers.Refs) func(*state.Object) bool {
	told := map[addrs.Instance]bool{}
	var ask func(addr addrs.Instance) bool
	ask = func(addr addrs.Instance) bool {
		if answer, ok := told[addr]; ok {
			return answer
		}
		told[addr] = true // also where objects lead in a circle
		answer := true
		if _, _, instance := p.typeOf(addr.Type); instance {
			_, answer = refs[addr]
		} else if o := s.Objects[addr]; o != nil {
			for _, on := range o.DependsOn {
				answer = ask(on) && answer
			}
		}
		told[addr] = answer
		return answer
	}
	return func(o *state.Object) bool { return ask(o.Addr) }
}
