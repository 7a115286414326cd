package vault

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// gathered asks for many at once what is asked for one by one at about the same
// time: who comes while a question is out waits for the next one, which is about
// all that wait by then. So every answer is younger than the wish for it, and
// none is kept.
type gathered[K comparable, T any] struct {
	mu      sync.Mutex
	waiting []*wish[K, T]

	asking sync.Mutex
}

type wish[K comparable, T any] struct {
	key   K
	value T
	err   error
	met   bool
}

var errUnasked = errors.New("the question that this was part of crashed")

func (g *gathered[K, T]) get(ctx context.Context, key K, ask func(context.Context, []K) (map[K]T, error)) (T, error) {
	w := &wish[K, T]{key: key}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()

	g.asking.Lock()
	defer g.asking.Unlock()
	if w.met {
		return w.value, w.err
	}
	g.mu.Lock()
	group := g.waiting
	g.waiting = nil
	g.mu.Unlock()

	var values map[K]T
	err := errUnasked
	defer func() {
		for _, of := range group {
			of.value, of.err, of.met = values[of.key], err, true
		}
	}()
	var keys []K
	for _, of := range group {
		if !slices.Contains(keys, of.key) {
			keys = append(keys, of.key)
		}
	}
	values, err = ask(context.WithoutCancel(ctx), keys) // others wait for it, too
	return values[key], err
}
