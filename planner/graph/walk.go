package graph

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
)

// Result says what a walk did with each node: exactly one of the four.
type Result[N comparable] struct {
	Done    []N         // in the order in which they ended
	Failed  map[N]error // what fn returned
	Skipped map[N][]N   // what depends on a failure, and the failed nodes that it depends on
	Left    []N         // not begun because ctx ended; in the order of adding
}

// Panic is what Walk panics with when fn did.
type Panic struct {
	Value any
	Stack []byte // of fn
}

func (p *Panic) String() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Walk calls fn for each node as soon as all its dependencies are done, at
// most limit at a time (no limit if 0), and returns when all that it began has
// ended. What depends on a node that failed is skipped; all else is done. When
// ctx ends, nothing more is begun; what fn makes of that is fn's. When fn
// panics, the context of what runs ends, nothing more is begun either, and Walk
// panics with a *Panic in the end. A *CycleError, before anything is begun, if there is no order.
func (g *Graph[N]) Walk(ctx context.Context, limit int, fn func(ctx context.Context, node N) error) (Result[N], error) {
	if cycle := g.Cycle(); cycle != nil {
		return Result[N]{}, &CycleError[N]{Nodes: cycle}
	}
	if limit <= 0 {
		limit = len(g.nodes)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	type ending struct {
		node  int
		err   error
		panic *Panic
	}
	var (
		result  = Result[N]{Failed: map[N]error{}, Skipped: map[N][]N{}}
		ended   = make(chan ending)
		running = 0
		begun   = make([]bool, len(g.nodes))
		waits   = make([]int, len(g.nodes)) // for so many dependencies; a failed one is waited for for ever
		ready   []int
		failed  []int

		panicked *Panic
	)
	for n, out := range g.out {
		if waits[n] = len(out); waits[n] == 0 {
			ready = append(ready, n)
		}
	}
	for {
		for len(ready) > 0 && running < limit && ctx.Err() == nil && panicked == nil {
			n := ready[0]
			ready = ready[1:]
			begun[n] = true
			running++
			go func() {
				e := ending{node: n}
				defer func() {
					if v := recover(); v != nil {
						e.panic = &Panic{Value: v, Stack: debug.Stack()}
					}
					ended <- e
				}()
				e.err = fn(ctx, g.nodes[n])
			}()
		}
		if running == 0 {
			break
		}
		e := <-ended
		running--
		if e.panic != nil {
			panicked = e.panic
			cancel() // some may wait for what is not begun any more
		}
		if e.err != nil {
			result.Failed[g.nodes[e.node]] = e.err
			failed = append(failed, e.node)
			continue
		}
		result.Done = append(result.Done, g.nodes[e.node])
		for _, d := range g.in[e.node] {
			if waits[d]--; waits[d] == 0 {
				ready = append(ready, d)
			}
		}
	}

	if panicked != nil {
		panic(panicked)
	}

	slices.Sort(failed)
	for _, f := range failed {
		for _, d := range g.TransitiveDependents(g.nodes[f]) {
			result.Skipped[d] = append(result.Skipped[d], g.nodes[f])
		}
	}
	for n, node := range g.nodes {
		if !begun[n] && result.Skipped[node] == nil {
			result.Left = append(result.Left, node)
		}
	}
	return result, nil
}
