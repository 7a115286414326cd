package planner

import (
	"bytes"
	"iter"
	"sync"

	"accord/lang/addrs"
	"accord/providers"
)

// neighbourhoods tell which objects hang together: whoever refers to whom, the
// one way or the other, however many references lie between. What providers
// connect to holds nothing together: a vault may serve many connections.
//
// A request carries the neighbourhoods of its objects, not all objects: then
// what it costs does not grow with what it is not about.
type neighbourhoods struct {
	planner   *Planner
	find      finder
	instances []addrs.Instance         // what providers connect to
	number    map[addrs.Instance]int   // of each object; in the end, of its neighbourhood
	parent    []int                    // of each number; itself at the root
	size      []int                    // of the neighbourhood, at its root
	members   map[int][]addrs.Instance // of those of more than one
	reads     map[string]int           // the number of what a reference names; -1 for an instance
}

// finder finds what may be referred to, as it is referred to now.
type finder func(addrs.Instance) (o providers.Object, ok bool)

// finderIn finds what a map holds, when it is looked for.
func finderIn(all providers.Refs) finder {
	return func(addr addrs.Instance) (providers.Object, bool) {
		o, ok := all[addr]
		return o, ok
	}
}

// neighbourhoods finds those of all that may be referred to, by what they refer
// to and what they referred to before. The objects of all may be replaced by
// others that refer to the same.
func (p *Planner) neighbourhoods(all providers.Refs, before ...*object) *neighbourhoods {
	n := p.newNeighbourhoods(len(all), finderIn(all))
	for addr, o := range all {
		n.join(addr, o.Type, o.Body)
	}
	n.settle(before)
	return n
}

// newNeighbourhoods begins them; about so many objects are to be joined.
func (p *Planner) newNeighbourhoods(room int, find finder) *neighbourhoods {
	return &neighbourhoods{planner: p, find: find, number: make(map[addrs.Instance]int, room), members: map[int][]addrs.Instance{}, reads: map[string]int{}}
}

// settle joins objects as they were before, and ends the joining.
func (n *neighbourhoods) settle(before []*object) {
	for _, o := range before {
		if o.recorded != nil {
			n.join(o.addr, o.recorded.Type, o.recorded.Body)
		}
		if o.live != nil && (o.recorded == nil || !bytes.Equal(o.live.Body, o.recorded.Body)) {
			n.join(o.addr, o.live.Type, o.live.Body)
		}
	}
	for addr, at := range n.number {
		root := n.root(at)
		if n.number[addr] = root; n.size[root] > 1 {
			n.members[root] = append(n.members[root], addr)
		}
	}
}

func (n *neighbourhoods) join(addr addrs.Instance, typeName string, body []byte) {
	_, typ, instance := n.planner.typeOf(typeName)
	switch {
	case instance:
		n.instances = append(n.instances, addr)
		return
	case typ == nil:
		return
	}
	own := n.place(addr)
	for text := range referenceTexts(typ, body) {
		if to, ok := n.reads[string(text)]; ok { // as others do
			if to >= 0 {
				n.unite(n.root(to), n.root(own))
			}
			continue
		}
		to := -1
		if addr := parseReference(text); !addr.IsZero() {
			if _, _, instance := n.planner.typeOf(addr.Type); !instance {
				to = n.place(addr)
				n.unite(n.root(to), n.root(own))
			}
		}
		n.reads[string(text)] = to
	}
}

func (n *neighbourhoods) place(addr addrs.Instance) int {
	at, ok := n.number[addr]
	if !ok {
		at = len(n.parent)
		n.number[addr] = at
		n.parent, n.size = append(n.parent, at), append(n.size, 1)
	}
	return at
}

func (n *neighbourhoods) unite(a, b int) {
	if n.size[a] > n.size[b] {
		a, b = b, a
	}
	if a != b {
		n.parent[a] = b
		n.size[b] += n.size[a]
	}
}

func (n *neighbourhoods) root(at int) int {
	for n.parent[at] != at {
		n.parent[at] = n.parent[n.parent[at]]
		at = n.parent[at]
	}
	return at
}

// of is what a request about some objects carries: their neighbourhoods, where
// they have any, and all that providers connect to.
func (n *neighbourhoods) of(some iter.Seq[addrs.Instance]) providers.Refs { return n.as(some, n.find) }

// as is of, with what is carried as find finds it.
func (n *neighbourhoods) as(some iter.Seq[addrs.Instance], find finder) providers.Refs {
	return n.carried(some, find, func(addrs.Instance) bool { return true })
}

// beside is what a request about a batch carries beside it.
func (n *neighbourhoods) beside(batch []*object, find finder) providers.Refs {
	own := sync.OnceValue(func() map[addrs.Instance]bool {
		own := make(map[addrs.Instance]bool, len(batch))
		for addr := range addresses(batch) {
			own[addr] = true
		}
		return own
	})
	return n.carried(addresses(batch), find, func(addr addrs.Instance) bool { return !own()[addr] })
}

func (n *neighbourhoods) carried(some iter.Seq[addrs.Instance], find finder, wanted func(addrs.Instance) bool) providers.Refs {
	refs := providers.Refs{}
	keep := func(addr addrs.Instance) {
		if o, ok := find(addr); ok {
			refs[addr] = o
		}
	}
	for _, addr := range n.instances {
		keep(addr)
	}
	seen := map[int]bool{}
	for addr := range some {
		root, ok := n.number[addr]
		if !ok || n.size[root] == 1 || seen[root] { // alone it is in the request
			continue
		}
		seen[root] = true
		for _, addr := range n.members[root] {
			if wanted(addr) {
				keep(addr)
			}
		}
	}
	return refs
}

// addresses are those of some objects.
func addresses(objects []*object) iter.Seq[addrs.Instance] {
	return func(yield func(addrs.Instance) bool) {
		for _, o := range objects {
			if !yield(o.addr) {
				return
			}
		}
	}
}
