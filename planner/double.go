package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// doubles refuses to do something to an object because one of its names is
// gone, while another block means the same object: a block was renamed, and
// nothing says so.
func (m *making) doubles(context.Context) {
	anew := m.hangingAnew()
	m.doubleObjects(anew)
	m.doubleInstances(anew)
	m.repointed()
}

func (m *making) doubleObjects(anew map[addrs.Instance]bool) {
	going := slices.DeleteFunc(slices.Clone(m.sorted), func(o *object) bool {
		return o.action != providers.Remove || o.live == nil || o.left || o.removal == schema.Forget && (!anew[o.addr] || m.req.Desired.Removal(o.addr) != nil)
	})
	if len(going) == 0 {
		return
	}
	type thing struct{ typ, id string }
	wanted := map[thing][]*object{}
	for _, o := range m.sorted {
		if o.desired != nil && o.live != nil && o.live.ID != "" && !o.left {
			wanted[thing{o.typ.Name, o.live.ID}] = append(wanted[thing{o.typ.Name, o.live.ID}], o)
		}
	}
	var from *selecting
	told := map[string]bool{}
	for _, o := range going {
		for _, other := range wanted[thing{o.typ.Name, o.live.ID}] {
			if from == nil {
				from = m.selecting()
			}
			if !slices.Equal(m.connected(from, o.addr), m.connected(from, other.addr)) {
				continue // ids are those of one vault
			}
			was, is := asMoved(o.addr, other.addr)
			if told[was+" "+is] {
				continue
			}
			told[was+" "+is] = true
			detail := renamedDetail(string(o.removal)+" it", was, is)
			switch {
			case o.removal == schema.Forget:
				detail = renamedDetail(makeAnew, was, is)
			case other.recorded != nil:
				detail = fmt.Sprintf("This plan would %s it, because one of its names is gone from the configuration. Where only that name is to go, write a removed block, with from = %s and then = \"forget\".", o.removal, was)
			}
			m.refuseDouble(o.addr, other.addr, detail)
		}
	}
}

// doubleInstances is doubles for what providers connect to.
func (m *making) doubleInstances(anew map[addrs.Instance]bool) {
	told := map[string]bool{}
	for _, old := range slices.SortedFunc(maps.Keys(anew), addrs.Instance.Compare) {
		if _, connected := m.req.Instances[old]; !connected || m.req.Desired.Find(old) != nil {
			continue
		}
		for _, inst := range m.req.Desired.Instances {
			if inst.Type.Name != old.Type || m.req.Instances[inst.Addr].ID == "" || m.req.Instances[inst.Addr].ID != m.req.Instances[old].ID {
				continue
			}
			was, is := asMoved(old, inst.Addr)
			if !told[was+" "+is] {
				told[was+" "+is] = true
				m.refuseDouble(old, inst.Addr, renamedDetail(makeAnew, was, is))
			}
		}
	}
}

// makeAnew is what a plan would do that takes another name for another object.
const makeAnew = "make anew what hangs on it"

func renamedDetail(would, was, is string) string {
	return fmt.Sprintf("This plan would %s, because its old name is gone from the configuration. Was it renamed? Then write a moved block, with from = %s and to = %s.", would, was, is)
}

func (m *making) refuseDouble(old, now addrs.Instance, detail string) {
	m.refuse(providers.Diagnostic{Severity: providers.SeverityError, Code: "RENAMED", Addr: now, Refused: true, Summary: fmt.Sprintf("%s and %s are one object", old, now), Detail: detail})
}

// repointed refuses to replace what accord never deletes: there is nothing to
// make anew.
func (m *making) repointed() {
	if len(m.plan.Refusals) > 0 {
		return // which may be why
	}
	for _, o := range m.sorted {
		if o.action != providers.Replace || o.left || len(o.typ.Removals) > 0 || o.typ.Removal != "" && o.typ.Removal != schema.Forget {
			continue
		}
		m.refuse(providers.Diagnostic{
			Severity: providers.SeverityError, Code: "REPOINTED", Addr: o.addr, Path: o.response.Replace[0], Refused: true,
			Summary: fmt.Sprintf("%s means another object than before", o.addr),
			Detail:  fmt.Sprintf("What it meant stays as it is: accord never deletes a %s, and so cannot replace it. Give the block another name, or key: then the one is forgotten, and the other taken over.", o.typ.Name),
		})
	}
}

// hangingAnew are the names that objects hang on which are to be made anew.
func (m *making) hangingAnew() map[addrs.Instance]bool {
	names := map[addrs.Instance]bool{}
	for _, o := range m.sorted {
		if o.action == providers.Replace && o.recorded != nil {
			for _, on := range o.recorded.DependsOn {
				names[on] = true
			}
		}
	}
	return names
}

// asMoved are two names as a moved block says them: without a key that stays.
func asMoved(old, now addrs.Instance) (from, to string) {
	if old.Keyed && now.Keyed && old.Key == now.Key {
		return old.Block.String(), now.Block.String()
	}
	return old.String(), now.String()
}

// connected are the instances that an object leads to, by what they are.
func (m *making) connected(from *selecting, addr addrs.Instance) []string {
	var all []string
	for on := range from.closure([]addrs.Instance{addr}, from.leads) {
		if !from.inst[on] {
			continue
		}
		name := on.String()
		if inst, ok := m.req.Instances[on]; ok && inst.ID != "" {
			name = on.Type + " " + inst.ID
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
