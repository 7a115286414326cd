package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"accord/lang/addrs"
)

// gather collects every object that the configuration or the state knows.
func (m *making) gather(context.Context) {
	m.sorted = make([]*object, 0, max(len(m.req.Desired.Resources), len(m.req.State.Objects)))
	known := 0
	m.reads = len(m.req.Desired.Conditions()) > 0
	if !m.req.Destroy {
		all := make([]object, len(m.req.Desired.Resources))
		for n, r := range m.req.Desired.Resources { // by address
			o := &all[n]
			*o = object{addr: r.Addr, provider: r.Provider, typ: r.Type, desired: r, imported: m.req.Desired.Import(r.Addr)}
			if o.recorded = m.req.State.Objects[r.Addr]; o.recorded != nil {
				known++
			}
			m.sorted = append(m.sorted, o)
			m.reads = m.reads || r.Reads() || len(r.Conditions) > 0
			if i := m.req.Import; i != nil && i.To == r.Addr {
				o.imported = i
			}
		}
	}
	m.gatherRecorded(len(m.req.State.Objects) - known)
	m.openIntents()
	for _, o := range m.sorted {
		for _, on := range o.leads() {
			if _, instance := m.req.Instances[on]; instance {
				continue
			}
			if other := m.object(on); other != nil {
				o.on = append(o.on, other)
			}
		}
		o.replace = m.chosen.replace[o.addr]
		o.adrift = o.recorded != nil && slices.ContainsFunc(o.recorded.DependsOn, m.unheardOf)
		switch {
		case m.chosen.left[o.addr]:
			m.leave(o)
		case o.desired == nil && o.recorded != nil:
			o.removal = m.removalOf(o)
		}
	}
}

// unheardOf reports whether neither the configuration nor the state knows an address.
func (m *making) unheardOf(addr addrs.Instance) bool {
	_, connected := m.req.Instances[addr]
	return !connected && m.req.State.Objects[addr] == nil && m.object(addr) == nil
}

// gatherRecorded collects what only the state knows: so many entries are left.
func (m *making) gatherRecorded(left int) {
	if left == 0 {
		return
	}
	orphans := map[string][]addrs.Instance{} // by who made them
	for addr, rec := range m.req.State.Objects {
		switch _, typ, instance := m.typeOf(rec.Type); {
		case instance, rec.Type == ownType: // remembered so that syncs know what was applied; nothing manages it
			left--
		case typ == nil:
			left--
			orphans[rec.Provider] = append(orphans[rec.Provider], addr)
		}
	}
	for _, provider := range slices.Sorted(maps.Keys(orphans)) {
		m.orphaned(provider, orphans[provider])
	}
	if left == 0 {
		return // most often
	}
	var more []*object
	for addr, rec := range m.req.State.Objects {
		provider, typ, instance := m.typeOf(rec.Type)
		if typ != nil && !instance && rec.Type != ownType && m.object(addr) == nil {
			more = append(more, &object{addr: addr, provider: provider, typ: typ, recorded: rec})
		}
	}
	m.sorted = append(m.sorted, more...)
	slices.SortFunc(m.sorted, func(a, b *object) int { return a.addr.Compare(b.addr) })
}

// add puts an object among those that were gathered.
func (m *making) add(o *object) {
	n, _ := m.search(o.addr)
	m.sorted = slices.Insert(m.sorted, n, o)
}

// orphaned reports objects whose type no provider has.
func (m *making) orphaned(provider string, all []addrs.Instance) {
	slices.SortFunc(all, addrs.Instance.Compare)
	first := all[0]
	more := ""
	if n := len(all) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more objects", n)
	}
	m.fail(first, "", fmt.Sprintf("No provider has the type %q", first.Type),
		fmt.Sprintf("The state remembers %s%s, which the provider %s made, and no provider that is configured knows them. Put its provider block back into the accord block; or forget them, one by one: accord state rm ADDRESS", first, more, provider))
}

// neighbours settles which objects hang together.
func (m *making) neighbours() {
	m.around = m.newNeighbourhoods(len(m.sorted)+len(m.req.Instances), m.ref)
	for addr, inst := range m.req.Instances {
		m.around.join(addr, inst.Type, inst.Body)
	}
	for _, o := range m.sorted {
		if o.asked != nil {
			continue // it refers to what it is remembered to refer to
		}
		if ref, ok := o.ref(); ok {
			m.around.join(o.addr, ref.Type, ref.Body)
		}
	}
	m.around.settle(m.sorted)
}
