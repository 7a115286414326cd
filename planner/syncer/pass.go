package syncer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"accord/lang/schema"
	"accord/planner/graph"
	"accord/providers"
)

// pass is one source and all its targets on their way through the pipeline.
type pass struct {
	s       *Syncer
	jobs    []*job
	full    bool // the runs are full, or withdraw
	small   bool // reading everything is quickly done
	whole   bool // everything is read: by full runs, and where that is quickly done
	writing bool // else a preview, which counts changes and keeps none
	end     providers.End
	stream  *schema.Stream
	parts   []schema.Part
	scratch scratch

	early   *early                   // what was begun to be read for it; nil: nothing
	req     providers.RecordsRequest // for reads by key
	library []frames                 // what the source holds, by part
	keys    []frames                 // incremental, by part: those of the library, each once
	retried []frames                 // incremental, by part: keys of what failed before or was cut short
	read    meter
	classes map[string]*class
	late    []*job // left out, since others would have waited for them
}

// pass takes jobs that read one source from the read to the record, and tells of each that
// is over. What went wrong is said in each job. Those who lag are left where they
// were, and returned.
func (s *Syncer) pass(ctx context.Context, jobs []*job, e *early, writing bool, over func(*job)) (late []*job) {
	finish := func(jobs ...*job) {
		if writing {
			s.finish(ctx, jobs)
		}
		for _, j := range jobs {
			over(j)
		}
	}
	if writing {
		s.begin(ctx, jobs)
	}
	p := &pass{
		s: s, end: jobs[0].Sync.Source, early: e, full: jobs[0].Decision.Mode != Incremental, writing: writing,
		scratch: s.scratch(), classes: make(map[string]*class),
	}
	for _, j := range jobs {
		if j.err == nil && !j.skipped {
			p.jobs = append(p.jobs, j)
		} else {
			finish(j)
		}
	}
	if writing {
		_ = p.eachInTime(ctx, nil, s.settle)
	}
	if len(p.jobs) == 0 {
		return p.late
	}
	err := p.prepare(ctx)
	p.each(ctx, func(jobs []*job) {
		for _, j := range jobs {
			if j.err = cmp.Or(j.err, err); j.err == nil {
				j.err = j.lookUp(ctx, p)
			}
		}
		p.compare(ctx, slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.err != nil }))
		var idle, busy []*job // what has nothing to write ends together
		for _, j := range jobs {
			if j.err == nil {
				j.err = j.through(ctx, p)
			}
			if j.err != nil || j.impact.Total.Written() == 0 {
				idle = append(idle, j)
			} else {
				busy = append(busy, j)
			}
		}
		write := func(j *job) {
			if j.err == nil && writing {
				j.err = j.write(ctx)
			}
		}
		for _, j := range idle {
			write(j)
		}
		finish(idle...)
		for _, j := range busy {
			write(j)
			finish(j)
		}
	})
	p.clear()
	return p.late
}

// eachInTime calls f for each job that nothing went wrong with, a few at once, and
// meanwhile beside them. A job whose vault takes much longer than those of others
// is left out: its calls are ended, and it is among the late.
func (p *pass) eachInTime(ctx context.Context, meanwhile func(context.Context) error, f func(context.Context, *job) error) error {
	began, atOnce := time.Now(), p.atOnce()
	going := slices.DeleteFunc(slices.Clone(p.jobs), func(j *job) bool { return j.err != nil })
	each, leave := context.WithCancel(ctx)
	defer leave()
	errs := make([]error, len(going))
	answers := make(chan *job, len(going))
	shared := make(chan struct{})
	var unshared error
	var group graph.Group
	group.Go(func() error {
		defer close(shared)
		if meanwhile != nil {
			unshared = meanwhile(ctx)
		}
		return nil
	})
	group.Go(func() error {
		eachIn(p.s.slots(atOnce), going, func(j *job) {
			defer func() { answers <- j }()
			errs[slices.Index(going, j)] = f(each, j)
		})
		return nil
	})
	answered := make(map[*job]bool, len(going))
	waiting, tired := shared, false
	var late <-chan time.Time
	for !tired && (waiting != nil || len(answered) < len(going)) {
		select {
		case <-waiting:
			waiting = nil
		case j := <-answers:
			answered[j] = true
		case <-late:
			tired = true
			leave()
		}
		if p.s.opts.Patience > 0 && waiting == nil && len(answered) > 0 {
			late = time.After(p.s.lateness(began))
		}
	}
	_ = group.Wait()
	for n, j := range going {
		if tired && !answered[j] {
			p.late = append(p.late, j)
		} else {
			j.err = errs[n]
		}
	}
	p.jobs = slices.DeleteFunc(p.jobs, func(j *job) bool { return slices.Contains(p.late, j) })
	return unshared
}

// few is how many records at most pass to targets that go on side by side as
// many as are asked at once: they wait for answers most of the time.
const few = 10 * batchSize

// atOnce is how many targets go on side by side.
func (p *pass) atOnce() int {
	n := 0
	for _, f := range p.library {
		n += f.n
	}
	if p.full && !p.small || n > few {
		return concurrency
	}
	return asking
}

// together puts jobs into rows that go through the source side by side: of one
// class each, and no fewer rows than go on at once. An incremental run reads
// what it compares, target by target.
func (p *pass) together() (rows [][]*job) {
	byClass := make(map[*class][]*job)
	var order []*class
	for _, j := range p.jobs {
		if byClass[j.class] == nil {
			order = append(order, j.class)
		}
		byClass[j.class] = append(byClass[j.class], j)
	}
	for _, c := range order {
		size := 1
		if p.whole {
			size = (len(byClass[c]) + p.atOnce() - 1) / p.atOnce()
		}
		rows = slices.AppendSeq(rows, slices.Chunk(byClass[c], size))
	}
	return rows
}

// clear removes what no target needs any more.
func (p *pass) clear() {
	for _, f := range slices.Concat(p.library, p.keys, p.retried) {
		f.remove()
	}
	for _, c := range p.classes {
		for _, f := range c.gaps {
			f.remove()
		}
	}
}

// prepare does what all targets share: the read, and which containers are
// complete.
func (p *pass) prepare(ctx context.Context) error {
	_, stream, err := p.s.stream(p.end)
	if err != nil {
		return err
	}
	p.stream, p.parts = stream, stream.Parts
	p.small = stream.Small
	p.whole = p.full || p.small && len(p.jobs[0].Decision.Only) == 0
	for _, j := range p.jobs {
		j.whole = p.whole
		if err := j.prepare(p); err != nil {
			return err
		}
	}
	switch {
	case p.whole && p.small:
		err = p.readSmall(ctx)
	case p.whole:
		err = p.eachInTime(ctx, p.readSource, func(ctx context.Context, j *job) error { return j.readTarget(ctx, p) })
	default:
		err = p.readSource(ctx)
	}
	if err != nil {
		return err
	}
	for _, j := range p.jobs {
		j.horizon, j.known = p.read.horizon, p.read.titles
	}
	ask := p.askForHolders
	if p.whole {
		ask = p.askForOrphans
	}
	if err := ask(ctx); err != nil {
		return err
	}
	for _, c := range p.classes {
		if err := p.judge(ctx, c); err != nil {
			return err
		}
	}
	if p.whole {
		return nil
	}
	p.keys = make([]frames, len(p.library))
	for q := range p.keys {
		if p.keys[q], err = p.scratch.keys(p.library[q]); err != nil {
			return err
		}
	}
	return nil
}

// prepare readies what a job needs of its pass.
func (j *job) prepare(p *pass) error {
	_, target, err := p.s.stream(j.Sync.Target)
	if err != nil {
		return err
	}
	j.parts, j.mappings, j.asked = nil, nil, false // of a pass that it was left out of
	for _, part := range p.parts {
		q := partIndex(target.Parts, part.Name)
		if q < 0 {
			return providers.Errorf(providers.Internal, "stream %s has no part %s, which %s has", target.Name, part.Name, p.stream.Name)
		}
		j.parts = append(j.parts, target.Parts[q]) // as they are called there, and what they take
		j.mappings = append(j.mappings, mappingFor(j.Sync.Rules, part.Name))
	}
	j.target = make([]frames, len(p.parts))
	meaning, err := json.Marshal([]any{j.Sync.Variant, j.Sync.Standings, j.Sync.AtMost})
	if err != nil {
		return fmt.Errorf("reading what standings mean: %w", err)
	}
	name := string(meaning)
	if p.classes[name] == nil {
		p.classes[name] = &class{variant: j.Sync.Variant, standings: j.Sync.Standings, atMost: j.Sync.AtMost}
	}
	j.class = p.classes[name]
	return nil
}

// through takes one target from what was found to what there is to write.
func (j *job) through(ctx context.Context, p *pass) error {
	for _, f := range j.target {
		f.remove()
	}
	if err := j.weigh(ctx, p); err != nil {
		return err
	}
	j.s.emit(Previewed{Addr: j.Sync.Addr, Impact: j.impact})
	return nil
}
