package syncer

import (
	"sync"
	"time"

	"accord/planner/graph"
)

// slots let a few go on at once. Where patience has an end, whoever takes longer
// does not keep his from the others.
type slots struct {
	taken    chan struct{}
	patience time.Duration
}

func (s *Syncer) slots(n int) *slots {
	return &slots{taken: make(chan struct{}, n), patience: s.opts.Patience}
}

// enter waits for a slot; leave gives it back.
func (s *slots) enter() (leave func()) {
	s.taken <- struct{}{}
	once := sync.OnceFunc(func() { <-s.taken })
	if s.patience <= 0 {
		return once
	}
	late := time.AfterFunc(s.patience, once)
	return func() {
		late.Stop()
		once()
	}
}

func (s *slots) do(f func()) {
	defer s.enter()()
	f()
}

// eachIn calls f for all of list, as slots are free, and waits.
func eachIn[T any](s *slots, list []T, f func(T)) {
	var g graph.Group
	for _, element := range list {
		leave := s.enter()
		g.Go(func() error {
			defer leave()
			f(element)
			return nil
		})
	}
	_ = g.Wait()
}

// eachOf calls f for all of list, so many at once, and waits.
func eachOf[T any](list []T, atOnce int, f func(T)) {
	eachIn(&slots{taken: make(chan struct{}, atOnce)}, list, f)
}
