// Package graph is a directed graph whose nodes can be walked in the order of
// their dependencies, and which can be asked for its cycle.
//
// It knows nothing of what a node is, and nothing of what walking one does.
// Start with New, then Walk.
package graph

import (
	"context"
	"errors"
	"iter"
)

// Graph is a directed graph without multiple edges. It is built once, then
// read by any number of goroutines.
type Graph[N comparable] struct{}

// New returns an empty graph. Its orders are deterministic: where dependencies
// leave a choice, nodes come in the order in which they were added.
func New[N comparable]() *Graph[N] { return nil }

// Add adds a node that depends on others. Nodes that were not yet added are,
// without dependencies; dependencies of one node add up. A node that depends
// on itself is a cycle.
func (g *Graph[N]) Add(node N, dependsOn ...N) {}

// Len returns the number of nodes.
func (g *Graph[N]) Len() int { return 0 }

// Has reports whether the graph has the node.
func (g *Graph[N]) Has(node N) bool { return false }

// Nodes yields all nodes in the order in which they were added.
func (g *Graph[N]) Nodes() iter.Seq[N] { return nil }

// Dependencies returns what node depends on directly, in the order of adding.
func (g *Graph[N]) Dependencies(node N) []N { return nil }

// Dependents returns what depends on node directly, in the order of adding.
func (g *Graph[N]) Dependents(node N) []N { return nil }

// TransitiveDependents returns all that depends on any of the nodes, directly
// or not, without the nodes themselves, in the order of adding.
func (g *Graph[N]) TransitiveDependents(nodes ...N) []N { return nil }

// TransitiveDependencies returns all that any of the nodes depend on, directly
// or not, without the nodes themselves, in the order of adding.
func (g *Graph[N]) TransitiveDependencies(nodes ...N) []N { return nil }

// Reverse returns the graph with every edge turned around.
func (g *Graph[N]) Reverse() *Graph[N] { return nil }

// Cycle returns the nodes of one cycle, each depending on the next and the
// last on the first; nil if there is none.
func (g *Graph[N]) Cycle() []N { return nil }

// Order returns all nodes, each after its dependencies. A *CycleError if that
// cannot be.
func (g *Graph[N]) Order() ([]N, error) { return nil, errors.New("not yet") }

// Levels returns the nodes in levels: the dependencies of each lie in earlier
// levels, one of them in the level just before. A *CycleError if that cannot be.
func (g *Graph[N]) Levels() ([][]N, error) { return nil, errors.New("not yet") }

// CycleError says that nodes depend on each other.
type CycleError[N comparable] struct {
	Nodes []N // as Cycle returns them
}

func (e *CycleError[N]) Error() string { return "" }

// Result says what a walk did with each node.
type Result[N comparable] struct {
	Done    []N // in the order in which they ended
	Failed  map[N]error
	Skipped map[N][]N // dependency failed or skipped; the failed nodes that caused it
	Left    []N       // not begun because ctx ended
}

// Walk calls fn for each node as soon as all its dependencies are done, at
// most limit at a time (no limit if 0), and returns when all that it began has
// ended. What depends on a node that failed is skipped; all else is done. When
// ctx ends, nothing more is begun; fn sees ctx. A *CycleError, before anything
// is begun, if there is no order.
func (g *Graph[N]) Walk(ctx context.Context, limit int, fn func(ctx context.Context, node N) error) (Result[N], error) {
	return Result[N]{}, errors.New("not yet")
}
