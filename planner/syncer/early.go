package syncer

import (
	"context"
	"slices"
	"time"

	"accord/providers"
)

// early is a read of what changed in a source, begun while the runs still go on that
// keep the route tables of those who want it.
type early struct {
	req    providers.RecordsRequest
	begun  time.Time
	cancel context.CancelFunc

	done    chan struct{}
	library []frames // none once taken
	read    meter
	err     error
}

// fresh is how old a read may be that a run begins with.
const fresh = 10 * time.Second

// readEarly begins to read for those incremental runs that have to wait for others.
func (g *gathering) readEarly(ctx context.Context) {
	waiting := slices.DeleteFunc(slices.Clone(g.jobs), func(j *job) bool {
		return j.Decision.Mode != Incremental || len(j.Decision.Only) > 0 || g.writing && j.Sync.Engine == providers.EnginePlatform || !g.waits(j)
	})
	for _, jobs := range byPass(waiting) {
		_, stream, err := g.s.stream(jobs[0].Sync.Source)
		if err != nil || stream.Small {
			continue // read as a whole; what is wrong is said by the runs
		}
		ctx, cancel := context.WithCancel(ctx)
		e := &early{req: changesFor(jobs), begun: g.s.opts.Now(), cancel: cancel, done: make(chan struct{})}
		g.early[passOf(jobs[0])] = e
		g.group.Go(func() error {
			defer close(e.done)
			in := newIntake(g.s.scratch().shared(), stream.Parts, false)
			e.err = g.s.records(ctx, e.req, &e.read, in.add)
			var broken error
			if e.library, broken = in.rest(); e.err == nil {
				e.err = broken
			}
			return nil
		})
	}
}

// waits: runs go before it, and none of them has yet to wait for its time.
func (g *gathering) waits(j *job) bool {
	before := slices.DeleteFunc(j.before(g.byAddr), func(b *job) bool { return b.Decision.Mode == None })
	return len(before) > 0 && !slices.ContainsFunc(append(before, j), func(b *job) bool {
		return b.Decision.EarliestStart.After(g.s.opts.Now())
	})
}

// takeEarly is what was begun to be read for jobs; nil: nothing.
func (g *gathering) takeEarly(jobs []*job) *early {
	of := passOf(jobs[0])
	e := g.early[of]
	delete(g.early, of)
	return e
}

// take returns what was read, where it is all that a request asks for. It is then
// the caller's.
func (e *early) take(req providers.RecordsRequest, now time.Time) (library []frames, read meter, ok bool, err error) {
	if e == nil || now.Sub(e.begun) > fresh || req.Since.Before(e.req.Since) || !within(req.Variants, e.req.Variants) || !within(req.Fields, e.req.Fields) {
		return nil, meter{}, false, nil
	}
	if <-e.done; e.err != nil {
		return nil, meter{}, false, e.err
	}
	library, e.library = e.library, nil
	return library, e.read, true, nil
}

// discard ends it, and removes what nobody took.
func (e *early) discard() {
	if e == nil {
		return
	}
	e.cancel()
	<-e.done
	for _, f := range e.library {
		f.remove()
	}
	e.library = nil
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// changesFor is the request for what changed since the runs of jobs before.
func changesFor(jobs []*job) providers.RecordsRequest {
	req := sourceOf(jobs)
	for n, j := range jobs {
		if since := j.Decision.Since; n == 0 || since.Before(req.Since) {
			req.Since = since
		}
	}
	return req
}

// sourceOf is the request for all that jobs take from their source.
func sourceOf(jobs []*job) providers.RecordsRequest {
	req := providers.RecordsRequest{End: jobs[0].Sync.Source}
	for _, j := range jobs {
		req.Variants = append(req.Variants, j.Sync.Variant)
		req.Fields = append(req.Fields, j.Sync.Fields...)
	}
	req.Variants, req.Fields = distinct(req.Variants), distinct(req.Fields)
	return req
}
