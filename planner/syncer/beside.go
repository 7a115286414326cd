package syncer

import (
	"cmp"
	"context"

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
	var going graph.Group
	goOn := func(j *job) {
		leave := free.enter()
		going.Go(func() error {
			defer leave()
			f([]*job{j})
			return nil
		})
	}
	var asked []*job
	for _, j := range p.jobs {
		if j.err == nil {
			asked = append(asked, j)
		} else {
			goOn(j)
		}
	}
	p.askTargets(ctx, asked, keys, goOn)
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
	scratch.budget = min(scratch.budget, max(scratch.budget*concurrency/max(len(jobs), 1), leastBudget))
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

// readSmall reads all of the source, and beside it of all targets by one request.
func (p *pass) readSmall(ctx context.Context) error {
	var reading graph.Group
	asked, leave := context.WithCancel(ctx)
	intakes := make(map[*job]*intake, len(p.jobs))
	answer := p.s.ahead(asked, &reading, p.jobs, func(j *job) side {
		in := newIntake(p.scratch, p.parts, false)
		intakes[j] = in
		return side{end: j.Sync.Target, m: &j.read, yield: in.add}
	})
	err := p.eachInTime(ctx, p.readSource, func(ctx context.Context, j *job) error {
		err := answer(ctx, j)
		if err == nil {
			j.target, err = intakes[j].rest()
		}
		return err
	})
	leave()
	_ = reading.Wait()
	return err
}

// side is one of several ends that are read at once.
type side struct {
	end   providers.End
	m     *meter
	yield func(*providers.Record) error
	over  func(error) // called once: it was read, or not
}

// beside reads several ends at once: by one request, where one provider has them,
// as it has all instances of a type. Of each it is told once, from any goroutine.
func (s *Syncer) beside(ctx context.Context, req providers.RecordsRequest, sides []side) {
	byType := map[string][]side{}
	for _, one := range sides {
		t := one.end.Instance.Type
		byType[t] = append(byType[t], one)
	}
	var asking graph.Group
	for _, sides := range byType {
		asking.Go(func() error { s.besideOf(ctx, req, sides); return nil })
	}
	_ = asking.Wait()
}

// besideOf is beside of one provider.
func (s *Syncer) besideOf(ctx context.Context, req providers.RecordsRequest, sides []side) {
	over := make([]bool, len(sides))
	end := func(n int, err error) {
		if !over[n] {
			over[n] = true
			sides[n].over(err)
		}
	}
	rest := func(why func(*providers.End) error) {
		for n := range sides {
			end(n, why(&sides[n].end))
		}
	}
	defer rest(func(of *providers.End) error { return cmp.Or(ctx.Err(), brokeOff(of)) })
	req.End = sides[0].end
	for _, other := range sides[1:] {
		req.Also = append(req.Also, other.end)
	}
	p, _, err := s.stream(req.End)
	if err != nil {
		rest(func(*providers.End) error { return err })
		return
	}
	for batch, err := range p.Records(ctx, req) {
		n := batch.Of
		switch {
		case err != nil:
			rest(func(of *providers.End) error { return cmp.Or(ctx.Err(), unread(of, err)) })
			return
		case n < 0 || n >= len(sides):
			rest(func(of *providers.End) error {
				return unread(of, providers.Errorf(providers.Internal, "there is an answer of end %d, of %d that were asked for", n, len(sides)))
			})
			return
		case over[n]:
		case batch.Err != nil:
			end(n, cmp.Or(ctx.Err(), unread(&sides[n].end, batch.Err)))
		default:
			if err := s.batch(&sides[n].end, &batch, sides[n].m, sides[n].yield); err != nil || batch.End {
				end(n, err)
			}
		}
	}
}

// ahead reads an end of each of some jobs, all at once, in a group, and returns how
// to wait for that of one.
func (s *Syncer) ahead(ctx context.Context, group *graph.Group, jobs []*job, of func(*job) side) (wait func(context.Context, *job) error) {
	answers := make(map[*job]chan error, len(jobs))
	sides := make([]side, len(jobs))
	for n, j := range jobs {
		answer := make(chan error, 1)
		answers[j], sides[n] = answer, of(j)
		sides[n].over = func(err error) { answer <- err }
	}
	group.Go(func() error { s.beside(ctx, providers.RecordsRequest{}, sides); return nil })
	return func(ctx context.Context, j *job) error {
		select {
		case err := <-answers[j]:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
