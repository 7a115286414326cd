package main

import (
	"context"
	"os"
	"sync"

	"accord/providers/plugin"
)

// starting are built-in providers on their way.
type starting struct {
	wait sync.WaitGroup

	mu  sync.Mutex
	all map[string]*started
	err map[string]error
}

// startBuiltins starts all built-in providers, and does not wait for them:
// nothing that a configuration says changes how. It leaves them alone where one
// may be attached to instead.
func (c *cli) startBuiltins(ctx context.Context) *starting {
	s := &starting{all: map[string]*started{}, err: map[string]error{}}
	if os.Getenv(plugin.ReattachVariable) != "" {
		return s
	}
	for _, name := range builtins() {
		s.wait.Go(func() {
			p, err := c.startBuiltin(ctx, name)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.all[name], s.err[name] = p, err
		})
	}
	return s
}

// take waits for one, which is then the caller's. ok is false where it was not
// started.
func (s *starting) take(name string) (p *started, ok bool, err error) {
	if s == nil {
		return nil, false, nil
	}
	s.wait.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok = s.all[name]
	delete(s.all, name)
	return p, ok, s.err[name]
}

// discard ends those that nobody took.
func (s *starting) discard() error {
	s.wait.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		if p != nil {
			_ = p.Close()
		}
	}
	s.all = nil
	return nil
}
