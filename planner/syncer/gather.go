package syncer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/providers"
)

// gathering brings together the jobs that read one source: they go on as soon
// as nobody is on the way any more who could go with them. Where patience has an
// end, whoever lags holds up nobody: he goes with those who come as late as he
// does, or alone.
type gathering struct {
	s       *Syncer
	jobs    []*job
	byAddr  map[addrs.Instance]*job
	writing bool
	over    func(*job)

	early   map[passKey]*early
	group   graph.Group
	asking  *slots
	passes  *slots
	arrived chan *job // it is settled where its records go, or it cannot go on
	ended   chan *job
}

// whereabouts of a job.
type whereabouts int

const (
	coming whereabouts = iota
	there
	gone // on, or over
)

// gather takes jobs to their ends, and tells of each that is over.
func (s *Syncer) gather(ctx context.Context, jobs []*job, byAddr map[addrs.Instance]*job, writing bool, over func(*job)) {
	g := &gathering{
		s: s, jobs: jobs, byAddr: byAddr, writing: writing, over: over,
		early:  map[passKey]*early{},
		asking: s.slots(asking), passes: s.slots(concurrency),
		arrived: make(chan *job, len(jobs)), ended: make(chan *job, len(jobs)),
	}
	for _, j := range jobs {
		j.over = make(chan struct{})
	}
	g.readEarly(ctx) // before they go on, which may change what was decided
	var asked []*job
	for _, j := range jobs {
		if j.Sync.Requires != nil && j.mayRun(byAddr) {
			asked = append(asked, j)
		}
	}
	answer := s.ahead(ctx, &g.group, asked, (*job).required)
	for _, j := range jobs {
		ask := slices.Contains(asked, j)
		g.group.Go(func() error {
			g.approach(ctx, j, func() error {
				if !ask {
					return nil
				}
				return cmp.Or(answer(ctx, j), s.refuse(ctx, j, writing))
			})
			return nil
		})
	}
	g.dispatch(ctx)
	for _, e := range g.early {
		e.discard()
	}
	_ = g.group.Wait()
}

// approach takes a job to where others wait for it.
func (g *gathering) approach(ctx context.Context, j *job, preflight func() error) {
	err := error(providers.Errorf(providers.Internal, "%s was given up", j.Sync.Addr)) // should this crash
	defer func() {
		j.err = err
		g.arrived <- j
	}()
	unready := preflight()
	for _, before := range j.before(g.byAddr) {
		<-before.over
	}
	if unready == nil {
		g.asking.do(func() { unready = g.s.route(ctx, j, g.byAddr, g.writing) })
	}
	err = unready
}

// dispatch sends on those who are there and wait for nobody any more, until all are
// over.
func (g *gathering) dispatch(ctx context.Context) {
	at := make(map[*job]whereabouts, len(g.jobs))
	began := time.Now()
	var late <-chan time.Time
	for left := len(g.jobs); left > 0; {
		enough := false // they have waited
		select {
		case <-g.ended:
			left--
		case j := <-g.arrived:
			if at[j] = there; j.err != nil || j.Decision.Mode == None {
				at[j] = gone
				g.end(j, nil)
			}
			if g.s.opts.Patience > 0 {
				late = time.After(g.s.lateness(began))
			}
		case <-late:
			enough = true
		}
		ready := g.ready(at)
		if len(ready) == 0 || !enough && g.expects(at) {
			continue
		}
		for _, j := range ready {
			at[j] = gone
		}
		g.send(ctx, ready)
		began, late = time.Now(), nil
	}
}

// ready are those who are there.
func (g *gathering) ready(at map[*job]whereabouts) []*job {
	return slices.DeleteFunc(slices.Clone(g.jobs), func(j *job) bool { return at[j] != there })
}

// expects reports whether somebody is on the way who does not wait for one of
// those who are there.
func (g *gathering) expects(at map[*job]whereabouts) bool {
	waits := make(map[*job]bool, len(g.jobs)) // for one who is there
	var visit func(j *job) bool
	visit = func(j *job) bool {
		if w, known := waits[j]; known {
			return w
		}
		w := at[j] == there
		for _, before := range j.before(g.byAddr) {
			w = w || visit(before)
		}
		waits[j] = w
		return w
	}
	return slices.ContainsFunc(g.jobs, func(j *job) bool { return at[j] == coming && !visit(j) })
}

// send has those pass through together who read one source.
func (g *gathering) send(ctx context.Context, ready []*job) {
	var engines []*job
	if g.writing {
		ready, engines = apart(ready)
	}
	passes := byPass(ready)
	for _, j := range engines {
		passes = append(passes, []*job{j})
	}
	for _, jobs := range passes {
		g.pass(ctx, jobs, g.takeEarly(jobs))
	}
}

// pass takes jobs that read one source through the pipeline. Those who lag follow alone.
func (g *gathering) pass(ctx context.Context, jobs []*job, e *early) {
	g.group.Go(func() error {
		defer e.discard()
		var late []*job
		crash := error(providers.Errorf(providers.Internal, "it was given up"))
		defer func() {
			for _, j := range jobs {
				if !slices.Contains(late, j) {
					g.end(j, crash)
				}
			}
		}()
		g.passes.do(func() {
			if g.writing && jobs[0].Sync.Engine == providers.EnginePlatform {
				g.s.follow(ctx, jobs[0])
				return
			}
			late = g.s.pass(ctx, jobs, e, g.writing, func(j *job) { g.end(j, nil) })
		})
		crash = nil
		for _, j := range late {
			g.pass(ctx, []*job{j}, nil)
		}
		return nil
	})
}

// end tells, once, that a job is over.
func (g *gathering) end(j *job, crash error) {
	j.once.Do(func() {
		j.err = cmp.Or(j.err, crash)
		close(j.over)
		defer func() { g.ended <- j }() // also where telling it crashes
		g.over(j)
	})
}

// lateness is how long more is waited for, where those who are here took from a
// moment until now: as long again, and at least for the patience.
func (s *Syncer) lateness(began time.Time) time.Duration {
	return max(s.opts.Patience, time.Since(began))
}
