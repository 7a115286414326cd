package syncer

import (
	"cmp"
	"context"
	"fmt"

	"accord/planner/graph"
	"accord/providers"
)

// each takes the targets of a pass to their ends: rows of them that go through the
// source side by side, a few at once. Where an incremental run is about little, one
// request asks all of them for it, and each goes on once it has answered.
func (p *pass) each(ctx context.Context, f func([]*job)) {
	free := p.s.slots(p.atOnce())
	keys, err := p.changed()
	if err != nil || len(keys) == 0 || len(p.jobs) == 1 { // an error is met again
		eachIn(free, p.together(), f)
		return
	}
	var asking, going graph.Group
	goOn := func(j *job) {
		leave := free.enter()
		going.Go(func() error {
			defer leave()
			f([]*job{j})
			return nil
		})
	}
	byType := map[string][]*job{} // one provider has all instances of a type
	for _, j := range p.jobs {
		if t := j.Sync.Target.Instance.Type; j.err == nil {
			byType[t] = append(byType[t], j)
		} else {
			goOn(j)
		}
	}
	for _, jobs := range byType {
		asking.Go(func() error { p.askTargets(ctx, jobs, keys, goOn); return nil })
	}
	_ = asking.Wait()
	_ = going.Wait()
}

// changed are the keys that an incremental run is about; none where they are many.
func (p *pass) changed() (all []providers.Member, err error) {
	n := 0
	for _, f := range p.keys {
		n += f.n
	}
	if n == 0 || n > few {
		return nil, nil
	}
	err = keyBatches(p.keys, p.parts, few, func(members []providers.Member) error {
		all = members
		return nil
	})
	return all, err
}

// askTargets reads the items of keys at the targets of jobs, in one request, and
// calls ready for each job that is over with it.
func (p *pass) askTargets(ctx context.Context, jobs []*job, keys []providers.Member, ready func(*job)) {
	scratch := p.scratch
	scratch.budget = max(scratch.budget*concurrency/len(jobs), leastBudget)
	scratch.budget = min(scratch.budget, p.scratch.budget)
	sides := make([]side, len(jobs))
	for n, j := range jobs {
		in := newIntake(scratch, p.parts, false)
		sides[n] = side{end: j.Sync.Target, m: &j.read, yield: in.add, over: func(err error) {
			if err == nil {
				j.target, err = in.rest()
			}
			j.err, j.asked = err, true
			ready(j)
		}}
	}
	p.s.beside(ctx, providers.RecordsRequest{Keys: keys, Only: true}, sides)
}

// side is one of several ends that are read at once.
type side struct {
	end   providers.End
	m     *meter
	yield func(*providers.Record) error
	over  func(error) // called once: it was read, or not
}

// beside reads several ends of one provider by one request.
func (s *Syncer) beside(ctx context.Context, req providers.RecordsRequest, sides []side) {
	over := make([]bool, len(sides))
	end := func(n int, err error) {
		if !over[n] {
			over[n] = true
			sides[n].over(err)
		}
	}
	rest := func(failed func(*providers.End) error) {
		for n := range sides {
			end(n, failed(&sides[n].end))
		}
	}
	req.End = sides[0].end
	for _, other := range sides[1:] {
		req.Also = append(req.Also, other.end)
	}
	p, _, err := s.stream(req.End)
	if err != nil {
		rest(func(*providers.End) error { return err })
		return
	}
	failed := func(of *providers.End, err error) error {
		return fmt.Errorf("reading %s of %s: %w", of.Stream, of.Instance, err)
	}
	for batch, err := range p.Records(ctx, req) {
		n := batch.Of
		switch {
		case err != nil:
			rest(func(of *providers.End) error { return failed(of, err) })
			return
		case n < 0 || n >= len(sides):
			rest(func(of *providers.End) error {
				return failed(of, providers.Errorf(providers.Internal, "there is an answer of end %d, of %d that were asked for", n, len(sides)))
			})
			return
		case over[n]:
		case batch.Err != nil:
			end(n, failed(&sides[n].end, batch.Err))
		default:
			if err := s.batch(&sides[n].end, &batch, sides[n].m, sides[n].yield); err != nil || batch.End {
				end(n, err)
			}
		}
	}
	rest(func(of *providers.End) error { return cmp.Or(ctx.Err(), brokeOff(of)) })
}
