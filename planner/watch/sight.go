package watch

import (
	"context"
	"fmt"
	"sync"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
)

// source is what several points read.
type source struct {
	instance      addrs.Instance
	stream, scope string
}

func sourceOf(s *providers.Sync) source {
	return source{s.Source.Instance, s.Source.Stream, string(s.Source.Scope)}
}

// sight is how looking at a source went.
type sight struct {
	looking bool
	seen    *syncer.Sight // that no beat has taken up yet
	pause   pause
	err     error
}

// peek looks at every source once, for all of its points, and returns what it
// saw of each.
func (w *Watch) peek(ctx context.Context, tasks []syncer.Task) map[source]*syncer.Sight {
	bySource := map[source][]syncer.Task{}
	for _, t := range tasks {
		k := sourceOf(&t.Sync)
		w.mu.Lock()
		p, s := w.points[t.Sync.Addr], w.sights[k]
		waits := p == nil || p.busy || !p.agenda.pause.over(w.opts.Now())
		if s != nil && s.err != nil { // its points may wait because of it
			waits = p == nil || p.busy
		}
		w.mu.Unlock()
		if t.Decision.Mode == syncer.Incremental && !waits {
			bySource[k] = append(bySource[k], t)
		}
	}
	var all sync.WaitGroup // that this beat begins
	for k, of := range bySource {
		w.mu.Lock()
		s := w.sights[k]
		if s == nil {
			s = &sight{}
			w.sights[k] = s
		}
		waits := s.looking || s.seen != nil || !s.pause.over(w.opts.Now())
		if !waits {
			s.looking = true
			w.asked(k.instance)
		}
		w.mu.Unlock()
		if waits {
			continue
		}
		all.Add(1)
		w.spawn(func() {
			defer all.Done()
			w.see(ctx, k, s, of)
		})
	}
	looked := make(chan struct{})
	w.spawn(func() {
		defer close(looked)
		all.Wait()
	})
	w.within(looked)
	seen := map[source]*syncer.Sight{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, s := range w.sights {
		if len(bySource[k]) > 0 && s.seen != nil {
			seen[k], s.seen = s.seen, nil
		}
	}
	return seen
}

// see looks at one source for those who read it.
func (w *Watch) see(ctx context.Context, k source, s *sight, of []syncer.Task) {
	since := of[0].Decision.Since
	for _, t := range of {
		if t.Decision.Since.Before(since) {
			since = t.Decision.Since
		}
	}
	seen, err := w.opts.Runner.Peek(ctx, of, since)
	w.mu.Lock()
	s.looking = false
	if err == nil || ctx.Err() == nil {
		w.heard(k.instance, err)
	}
	if seen != nil {
		w.calls += seen.Calls
	}
	switch {
	case err == nil:
		if s.err != nil {
			w.relent(k)
		}
		s.seen, s.err, s.pause = seen, nil, pause{}
	case ctx.Err() == nil:
		s.err = err
		s.pause.extend(w.opts.Now(), mostUnseen, spread())
	}
	w.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		w.emit(Trouble{Err: fmt.Errorf("looking for changes in %s: %w", k.instance, err)})
	}
}

// relent lets the points of a source that answers again try at once: it may be
// why they failed.
func (w *Watch) relent(k source) {
	for _, p := range w.points {
		if sourceOf(&p.task.Sync) == k {
			p.agenda.pause.relent()
		}
	}
}
