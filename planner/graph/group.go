package graph

import (
	"errors"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Group runs functions at once and waits for them, as an errgroup does. A
// panic in one of them surfaces in Wait, as in Walk: a crash ends the program
// in one place, and never behind its back. The zero Group has no limit.
type Group struct {
	// Crashed, unless nil, is called as soon as one of them has panicked, where
	// Wait may be far away. It is set before the first Go.
	Crashed func()

	group errgroup.Group
	mu    sync.Mutex
	panic *Panic
}

var errPanicked = errors.New("panicked")

// SetLimit lets at most n run at once. It is called before the first Go.
func (g *Group) SetLimit(n int) { g.group.SetLimit(n) }

// Go runs f, at once or as soon as the limit lets it.
func (g *Group) Go(f func() error) {
	g.group.Go(func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = errPanicked
				if g.Crashed != nil {
					defer g.Crashed()
				}
				g.mu.Lock()
				defer g.mu.Unlock()
				if p, ok := r.(*Panic); ok {
					g.panic = p
				} else {
					g.panic = &Panic{Value: r, Stack: debug.Stack()}
				}
			}
		}()
		return f()
	})
}

// Wait returns the first error when all have ended, or panics with a *Panic.
func (g *Group) Wait() error {
	err := g.group.Wait()
	if g.panic != nil {
		panic(g.panic)
	}
	return err
}
