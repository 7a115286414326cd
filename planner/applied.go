package planner

import (
	"context"
	"encoding/json"
	"fmt"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// AppliedInstances are the instances that the last apply connected to.
func (p *Planner) AppliedInstances(s *state.State) []providers.Object {
	var out []providers.Object
	for _, o := range s.Sorted() {
		if _, _, instance := p.typeOf(o.Type); instance {
			out = append(out, *remembered(o))
		}
	}
	return out
}

// LeftInstances are instances that the configuration has no more, while objects
// that lead to them are still remembered: to remove these they are needed.
func (p *Planner) LeftInstances(s *state.State, desired *lang.Desired) []providers.Object {
	needed := map[addrs.Instance]bool{}
	for _, o := range s.Objects {
		for _, on := range o.DependsOn {
			needed[on] = true
		}
	}
	var out []providers.Object
	for _, inst := range p.AppliedInstances(s) {
		if needed[inst.Addr] && desired.Find(inst.Addr) == nil {
			out = append(out, inst)
		}
	}
	return out
}

// AppliedTasks decides about every sync as it was applied, whatever the files
// say now.
func (p *Planner) AppliedTasks(ctx context.Context, s *state.State, instances map[addrs.Instance]providers.Object, request syncer.Request) ([]syncer.Task, error) {
	settings, ok := AppliedSettings(s)
	if !ok {
		return nil, &providers.Error{Kind: providers.Invalid, Message: "nothing has been applied yet", Advice: "Syncs run what was applied. Run: accord apply"}
	}
	refs := providers.Refs{}
	for addr, inst := range instances {
		refs[addr] = inst
	}
	for addr, o := range s.Objects {
		if _, typ, instance := p.typeOf(o.Type); typ != nil && !instance {
			refs[addr] = *remembered(o)
		}
	}
	changes, err := p.recordedChanges(ctx, s, refs)
	if err != nil {
		return nil, err
	}
	return p.tasks(ctx, changes, settings, request, false)
}

// recordedChanges reads every recorded object and presents it as unchanged:
// before and after are what was applied, live is what is there. A provider
// that finds live less than before (a point deactivated by hand) runs nothing.
func (p *Planner) recordedChanges(ctx context.Context, s *state.State, refs providers.Refs) ([]providers.Change, error) {
	var objects []*object
	reachable := p.reachable(s, refs)
	for _, rec := range s.Sorted() {
		if provider, typ, instance := p.typeOf(rec.Type); typ != nil && !instance && reachable(rec) {
			objects = append(objects, &object{addr: rec.Addr, provider: provider, typ: typ, recorded: rec})
		}
	}
	failed := p.read(ctx, objects, refs)
	changes := make([]providers.Change, 0, len(objects))
	for _, o := range objects {
		if err := failed[o]; err != nil {
			return nil, fmt.Errorf("read %s: %w", o.addr, err)
		}
		changes = append(changes, providers.Change{Addr: o.addr, Before: remembered(o.recorded), After: remembered(o.recorded), Live: o.live})
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

func canonical(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
