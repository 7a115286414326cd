// Package graph is a directed graph whose nodes can be walked in the order of
// their dependencies, and which can be asked for its cycle.
//
// It knows nothing of what a node is, and nothing of what walking one does.
// Start with New, then Walk.
package graph

import (
	"fmt"
	"slices"
	"strings"
)

// Graph is a directed graph without multiple edges. It is built once, then
// read by any number of goroutines.
type Graph[N comparable] struct {
	nodes []N // in the order of adding; the rest speaks of their positions
	index map[N]int
	out   [][]int // what each depends on, ascending
	in    [][]int // what depends on each, ascending
}

// New returns an empty graph. Its orders are deterministic: where dependencies
// leave a choice, nodes come in the order in which they were added.
func New[N comparable]() *Graph[N] {
	return &Graph[N]{index: map[N]int{}}
}

// Grow makes room for as many nodes.
func (g *Graph[N]) Grow(nodes int) {
	g.nodes = slices.Grow(g.nodes, nodes)
	g.out, g.in = slices.Grow(g.out, nodes), slices.Grow(g.in, nodes)
	if len(g.index) == 0 {
		g.index = make(map[N]int, nodes)
	}
}

// Add adds a node that depends on others. Nodes that were not yet added are,
// without dependencies; dependencies of one node add up. A node that depends
// on itself is a cycle.
func (g *Graph[N]) Add(node N, dependsOn ...N) {
	from := g.position(node)
	for _, d := range dependsOn {
		to := g.position(d)
		g.out[from] = insert(g.out[from], to)
		g.in[to] = insert(g.in[to], from)
	}
}

func (g *Graph[N]) position(node N) int {
	n, ok := g.index[node]
	if !ok {
		n = len(g.nodes)
		g.index[node] = n
		g.nodes = append(g.nodes, node)
		g.out = append(g.out, nil)
		g.in = append(g.in, nil)
	}
	return n
}

func insert(sorted []int, n int) []int {
	at, found := slices.BinarySearch(sorted, n)
	if found {
		return sorted
	}
	return slices.Insert(sorted, at, n)
}

// Has reports whether the graph has the node.
func (g *Graph[N]) Has(node N) bool {
	_, ok := g.index[node]
	return ok
}

// TransitiveDependents returns all that depends on any of the nodes, directly
// or not, without the nodes themselves, in the order of adding.
func (g *Graph[N]) TransitiveDependents(nodes ...N) []N { return g.transitive(g.in, nodes) }

// TransitiveDependencies returns all that any of the nodes depend on, directly
// or not, without the nodes themselves, in the order of adding.
func (g *Graph[N]) TransitiveDependencies(nodes ...N) []N { return g.transitive(g.out, nodes) }

func (g *Graph[N]) transitive(edges [][]int, nodes []N) []N {
	seen := make([]bool, len(g.nodes))
	var todo []int
	for _, node := range nodes {
		if n, ok := g.index[node]; ok && !seen[n] {
			seen[n] = true
			todo = append(todo, n)
		}
	}
	start := slices.Clone(todo)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, next := range edges[n] {
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	for _, n := range start {
		seen[n] = false
	}
	var found []int
	for n, is := range seen {
		if is {
			found = append(found, n)
		}
	}
	return g.named(found)
}

// Cycle returns the nodes of one cycle, each depending on the next and the
// last on the first; nil if there is none.
func (g *Graph[N]) Cycle() []N {
	_, level := g.levels()
	left := slices.Index(level, unreached)
	if left < 0 {
		return nil
	}
	// What has no level depends on something that has none. Following that
	// long enough leads around a cycle.
	at := make(map[int]int)
	var path []int
	for n := left; ; {
		if first, seen := at[n]; seen {
			return g.named(path[first:])
		}
		at[n] = len(path)
		path = append(path, n)
		n = g.out[n][slices.IndexFunc(g.out[n], func(d int) bool { return level[d] == unreached })]
	}
}

// Levels returns the nodes in levels: the dependencies of each lie in earlier
// levels, one of them in the level just before. A *CycleError if that cannot be.
func (g *Graph[N]) Levels() ([][]N, error) {
	count, level := g.levels()
	if slices.Contains(level, unreached) {
		return nil, &CycleError[N]{Nodes: g.Cycle()}
	}
	levels := make([][]N, count)
	for n, l := range level {
		levels[l] = append(levels[l], g.nodes[n])
	}
	return levels, nil
}

// unreached is the level of what depends on a cycle, or lies on one.
const unreached = -1

// levels returns the level of each node, and how many levels there are.
func (g *Graph[N]) levels() (count int, level []int) {
	level = make([]int, len(g.nodes))
	waits := make([]int, len(g.nodes))
	var ready []int
	for n, out := range g.out {
		level[n] = unreached
		waits[n] = len(out)
		if len(out) == 0 {
			ready = append(ready, n)
		}
	}
	for ; len(ready) > 0; count++ {
		var next []int
		for _, n := range ready {
			level[n] = count
			for _, d := range g.in[n] {
				if waits[d]--; waits[d] == 0 {
					next = append(next, d)
				}
			}
		}
		ready = next
	}
	return count, level
}

func (g *Graph[N]) named(positions []int) []N {
	if len(positions) == 0 {
		return nil
	}
	nodes := make([]N, len(positions))
	for i, n := range positions {
		nodes[i] = g.nodes[n]
	}
	return nodes
}

// CycleError says that nodes depend on each other.
type CycleError[N comparable] struct {
	Nodes []N // as Cycle returns them
}

func (e *CycleError[N]) Error() string {
	var b strings.Builder
	b.WriteString("these depend on each other: ")
	for _, n := range e.Nodes {
		fmt.Fprintf(&b, "%v → ", n)
	}
	if len(e.Nodes) > 0 {
		fmt.Fprint(&b, e.Nodes[0])
	}
	return b.String()
}
