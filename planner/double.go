package planner

import (
	"context"
	"fmt"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// doubles refuses to do something to an object because one of its names is
// gone, while another block means the same object: a block was renamed, and
// nothing says so.
func (m *making) doubles(context.Context) {
	type thing struct{ typ, id string }
	wanted := map[thing][]*object{}
	for _, o := range m.sorted {
		if o.desired != nil && o.live != nil && o.live.ID != "" && !o.left {
			wanted[thing{o.typ.Name, o.live.ID}] = append(wanted[thing{o.typ.Name, o.live.ID}], o)
		}
	}
	var from *selecting
	told := map[string]bool{}
	for _, o := range m.sorted {
		if o.action != providers.Remove || o.removal == schema.Forget || o.live == nil || o.left {
			continue
		}
		for _, other := range wanted[thing{o.typ.Name, o.live.ID}] {
			if from == nil {
				from = m.selecting()
			}
			if !slices.Equal(m.connected(from, o.addr), m.connected(from, other.addr)) {
				continue // ids are those of one vault
			}
			was, is := o.addr.String(), other.addr.String()
			if o.addr.Keyed && other.addr.Keyed && o.addr.Key == other.addr.Key {
				was, is = o.addr.Block.String(), other.addr.Block.String()
			}
			if told[was+" "+is] {
				continue
			}
			told[was+" "+is] = true
			detail := fmt.Sprintf("This plan would %s it, because its old name is gone from the configuration. Was it renamed? Then write a moved block, with from = %s and to = %s.", o.removal, was, is)
			if other.recorded != nil {
				detail = fmt.Sprintf("This plan would %s it, because one of its names is gone from the configuration. Where only that name is to go, write a removed block, with from = %s and then = \"forget\".", o.removal, was)
			}
			m.refuse(providers.Diagnostic{Severity: providers.SeverityError, Code: "RENAMED", Addr: other.addr, Refused: true, Summary: fmt.Sprintf("%s and %s are one object", o.addr, other.addr), Detail: detail})
		}
	}
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
