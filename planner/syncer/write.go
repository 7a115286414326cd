package syncer

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"

	"accord/planner/graph"
	"accord/providers"
	"accord/state"
	"accord/state/failpoint"
)

const (
	// batchSize is how many changes of one part and verb are written at once.
	batchSize = 500
	// attempts is how often a write is tried whose outcome was ambiguous.
	attempts = 3
	// hopeless is how many items in a row a target may refuse for reasons of
	// its own, not theirs, before the run gives up.
	hopeless = 2 * batchSize
)

// writing is the writes of one run.
type writing struct {
	*job
	p      providers.Provider
	teller *teller

	mu      sync.Mutex
	failed  map[uint64]struct{}           // members that could not be written: their containers are not
	held    map[uint64]struct{}           // members that containers still name which could not be written
	lost    map[providers.Member]struct{} // members that these would name
	refused int                           // items in a row
	last    *providers.Error
	counts  map[step]*progress
	ahead   map[step]uint64 // batches that are on record and not yet begun
}

type step struct {
	part int
	verb string
}

type progress struct{ done, failed int }

var verbs = map[string]providers.Verb{
	Added: providers.WriteCreate, Updated: providers.WriteUpdate,
	Restored: providers.WriteRestore, Withdrawn: providers.WriteWithdraw,
}

// write makes the changes of a job: what is withdrawn first leaves last, so
// that at no moment a container names what is not there.
func (j *job) write(ctx context.Context) error {
	if err := refused(j.impact.Verdicts); err != nil {
		return err
	}
	p, _, err := j.s.stream(j.Sync.Target)
	if err != nil {
		return err
	}
	w := &writing{job: j, p: p, failed: make(map[uint64]struct{}), held: make(map[uint64]struct{}), lost: make(map[providers.Member]struct{}), counts: make(map[step]*progress)}
	if w.teller, err = newTeller(ctx, j); err != nil {
		return err
	}
	if err := w.exceptions(ctx); err != nil {
		return err
	}
	if err := w.kept(ctx); err != nil {
		return err
	}
	if err := w.lacking(ctx); err != nil {
		return err
	}
	await, err := w.announce(ctx)
	if err != nil {
		return err
	}
	for _, phase := range w.phases() {
		if err = w.phase(ctx, phase.part, phase.verbs); err != nil {
			break
		}
		w.teller.tell(ctx, 0)
	}
	if err = cmp.Or(err, w.takeBack(ctx)); err != nil {
		return err
	}
	for _, seq := range await {
		if err := j.checkpoint(ctx, seq, nil, nil); err != nil {
			return err
		}
	}
	return w.leave(ctx)
}

// leave leaves the members of what could not be written to the next run. Should
// their containers vanish before they are tried again, nothing else would lead
// to members that were made for them. A run of a few items hands on what was left
// to it.
func (w *writing) leave(ctx context.Context) error {
	if len(w.Decision.Only) > 0 {
		open, err := w.s.opts.Journal.Open(ctx, w.Sync.Addr)
		if err != nil {
			return fmt.Errorf("reading what was left: %w", err)
		}
		for _, b := range open {
			if b.Verb != state.Await {
				continue
			}
			for _, key := range b.Keys {
				w.lost[providers.Member{Part: b.Part, Key: key}] = struct{}{}
			}
		}
	}
	for _, part := range w.parts {
		var keys []string
		for m := range w.lost {
			if m.Part == part.Name {
				keys = append(keys, m.Key)
			}
		}
		slices.Sort(keys)
		for some := range slices.Chunk(keys, batchSize) {
			if err := w.intend(ctx, state.Batch{Seq: w.run.seq.Add(1), Part: part.Name, Verb: state.Await, Keys: some}); err != nil {
				return err
			}
		}
	}
	return nil
}

type phase struct {
	part  int
	verbs []string
}

// phases: withdraw containers, write members, write containers, withdraw members.
func (w *writing) phases() []phase {
	write := []string{Added, Updated, Restored}
	gone := []string{Withdrawn}
	var first, members, containers, last []phase
	for q, part := range w.parts {
		if part.Routed {
			first = append(first, phase{q, gone})
			containers = append(containers, phase{q, write})
		} else {
			members = append(members, phase{q, write})
			last = append(last, phase{q, gone})
		}
	}
	slices.Reverse(first)
	slices.Reverse(last)
	return slices.Concat(first, members, containers, last)
}

// exceptions records what cannot be published (CLM-12).
func (w *writing) exceptions(ctx context.Context) error {
	return w.say(func(_ int, c *change) *Failure {
		if c.Verb != Exception {
			return nil
		}
		f := w.failure(c.failed(kindException, c.Reason))
		return &f
	}, func(some []Failure) error {
		err := w.fails(ctx, 0, nil, some)
		w.teller.tell(ctx, 0)
		return err
	})
}

// kept records what stays as it is and has to be told of as long as it does
// (CLM-1): it does not fail, and no run is worse for it.
func (w *writing) kept(ctx context.Context) error {
	return w.say(func(q int, c *change) *Failure {
		why := w.Sync.Told[c.kept]
		if why == "" || !w.parts[q].Routed {
			return nil
		}
		if c.problem != "" {
			why += "; " + c.problem + ", and a full run puts it back where it can"
		}
		f := c.failed(c.kept, why)
		return &f
	}, func(some []Failure) error { return w.checkpoint(ctx, 0, nil, exceptionsOf(some, state.Kept)) })
}

// say has what of says of changes recorded, a batch at a time.
func (w *writing) say(of func(q int, c *change) *Failure, record func([]Failure) error) error {
	var batch []Failure
	for q := range w.parts {
		if c := w.impact.Parts[q].Counts; c.Exceptions == 0 && c.Kept == 0 && !w.mended {
			continue
		}
		if err := w.each(q, func(c *change) error {
			f := of(q, c)
			if f == nil {
				return nil
			}
			if batch = append(batch, *f); len(batch) < batchSize {
				return nil
			}
			some := batch
			batch = nil
			return record(some)
		}); err != nil {
			return err
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return record(batch)
}

// each calls f for the changes of a part.
func (w *writing) each(q int, f func(*change) error) error {
	c := w.changes[q].open()
	defer c.close()
	for c.next() {
		ch, err := decodeChange(c.payload, w.parts[q].Name, c.key)
		if err == nil {
			err = f(&ch)
		}
		if err != nil {
			return err
		}
	}
	return c.err
}

// phase writes the changes of one part and of some verbs, in batches, several
// in flight, and waits for them.
func (w *writing) phase(ctx context.Context, q int, of []string) error {
	var g graph.Group
	g.SetLimit(w.s.opts.InFlight)
	batches := make(map[string][]change, len(of))
	send := func(verb string) {
		batch := batches[verb]
		batches[verb] = nil
		if len(batch) > 0 {
			g.Go(func() error { return w.batch(ctx, q, verb, batch) })
		}
	}
	err := w.each(q, func(c *change) error {
		if !slices.Contains(of, c.Verb) {
			return nil
		}
		if err := w.may(ctx); err != nil {
			return err
		}
		if f := w.hindered(c); f != nil {
			return w.fail(ctx, q, c, *f)
		}
		batches[c.Verb] = append(batches[c.Verb], *c)
		if len(batches[c.Verb]) == batchSize {
			if err := w.hope(); err != nil {
				return err
			}
			send(c.Verb)
		}
		return nil
	})
	if err == nil {
		for _, verb := range of {
			send(verb)
		}
	}
	return cmp.Or(g.Wait(), err, w.hope())
}

// hindered says why a change cannot be made although nothing is wrong with it.
func (w *writing) hindered(c *change) *Failure {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Verb == Withdrawn {
		if _, held := w.held[hash(c.Part, c.Key)]; held {
			f := c.failed(KindHeld, "it stays, since something that holds it could not be written")
			return &f
		}
		return nil
	}
	for m := range c.members.members() {
		if _, failed := w.failed[hash(m.Part, m.Key)]; failed {
			f := c.failed(kindException, fmt.Sprintf("%s %s could not be written", words(m.Part), KeyText(m.Key)))
			return &f
		}
	}
	return nil
}

// fail records a change that is not tried.
func (w *writing) fail(ctx context.Context, q int, c *change, f Failure) error {
	w.lose(c)
	w.progress(q, c.Verb, 1, 1)
	err := w.fails(ctx, 0, nil, []Failure{w.failure(f)})
	w.teller.tell(ctx, batchSize)
	return err
}

// fails is a checkpoint that the teller hears of.
func (w *writing) fails(ctx context.Context, seq uint64, counts map[string]int64, failed []Failure, resolved ...state.Item) error {
	if err := w.checkpoint(ctx, seq, counts, exceptionsOf(failed, state.Failing), resolved...); err != nil {
		return err
	}
	return w.teller.add(failed)
}

// lose notes what follows for others from a change that was not made.
func (w *writing) lose(c *change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[hash(c.Part, c.Key)] = struct{}{}
	for m := range c.held.members() {
		w.held[hash(m.Part, m.Key)] = struct{}{}
	}
	if c.Verb != Withdrawn {
		for m := range c.members.members() {
			w.lost[m] = struct{}{}
		}
	}
}

// batch writes changes of one part and verb: intent, calls, checkpoint. Once
// begun it is not interrupted.
func (w *writing) batch(ctx context.Context, q int, verb string, changes []change) error {
	if err := w.may(ctx); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	seq, err := w.recorded(ctx, q, verb, changes)
	if err != nil {
		return err
	}
	errs := w.send(ctx, q, verb, changes)
	failpoint.Reach(failpoint.BatchAnswered)
	var failed []Failure
	for i, err := range errs {
		if err != nil {
			w.lose(&changes[i])
			failed = append(failed, w.failure(failureOf(&changes[i], err, w.Sync.Rules)))
		}
	}
	w.judge(errs)
	var settled []state.Item
	for i, err := range errs {
		if err == nil && len(w.Decision.Only) > 0 { // this run does not see everything
			settled = append(settled, state.Item{Part: changes[i].Part, Key: changes[i].Key})
		}
	}
	good := len(changes) - len(failed)
	w.mu.Lock()
	w.done.add(verb, good)
	w.mu.Unlock()
	if err := w.fails(ctx, seq, map[string]int64{verb: int64(good)}, failed, settled...); err != nil {
		return err
	}
	failpoint.Reach(failpoint.BatchRecorded)
	w.teller.tell(ctx, 0)
	w.progress(q, verb, len(changes), len(failed))
	return nil
}

// send writes a batch and returns one error, or nil, for each change. Where
// the answer was ambiguous the items are read before they are tried again.
func (w *writing) send(ctx context.Context, q int, verb string, changes []change) []*providers.Error {
	errs := w.try(ctx, verb, changes)
	for range attempts - 1 {
		var again []change
		var at []int
		for i, err := range errs {
			if err != nil && err.Kind == providers.Ambiguous {
				again, at = append(again, changes[i]), append(at, i)
			}
		}
		if len(again) == 0 {
			break
		}
		for i, err := range w.retry(ctx, q, verb, again) {
			errs[at[i]] = err
		}
	}
	return errs
}

func (w *writing) try(ctx context.Context, verb string, changes []change) []*providers.Error {
	req := providers.WriteRequest{Sync: w.Sync.Decided(), Run: w.run.id, Writes: make([]providers.Write, len(changes))}
	for i, c := range changes {
		req.Writes[i] = providers.Write{
			Verb: verbs[verb], Part: c.Part, Key: c.Key, ID: c.ID, Title: c.Title,
			Fields: c.fields, Changed: c.Changed, Members: slices.Collect(c.members.members()), Reorder: c.Reorder,
		}
		if c.Reorder {
			req.Writes[i].Was = slices.Collect(c.held.members())
		}
	}
	results := w.p.Write(ctx, req)
	errs := make([]*providers.Error, len(changes))
	for i := range errs {
		if i < len(results) {
			errs[i] = results[i].Err
			w.run.calls.Add(int64(results[i].Calls))
		} else {
			errs[i] = providers.Errorf(providers.Ambiguous, "the provider answered %d of %d writes", len(results), len(changes))
		}
	}
	return errs
}

// retry looks what became of writes with an ambiguous answer, and tries again
// what is not as it shall be, by the verb that fits what is there now.
func (w *writing) retry(ctx context.Context, q int, verb string, changes []change) []*providers.Error {
	errs := make([]*providers.Error, len(changes))
	keys := make([]providers.Member, len(changes))
	for i, c := range changes {
		keys[i] = providers.Member{Part: c.Part, Key: c.Key}
	}
	there := make(map[string]*providers.Record, len(changes))
	err := w.s.records(ctx, providers.RecordsRequest{End: w.Sync.Target, Keys: keys, Only: true}, nil, func(r *providers.Record) error {
		there[r.Key] = r
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = &providers.Error{Kind: providers.Ambiguous, Op: "reading what became of a write", Message: err.Error()}
		}
		return errs
	}
	byVerb := make(map[string][]change)
	at := make(map[string][]int)
	for i, c := range changes {
		now, err := c.again(there[c.Key], w.mappings[q])
		switch {
		case err != nil:
			errs[i] = providers.Errorf(providers.Internal, "%s", err)
		case now.Verb != Unchanged:
			byVerb[now.Verb] = append(byVerb[now.Verb], now)
			at[now.Verb] = append(at[now.Verb], i)
		}
	}
	for verb, changes := range byVerb {
		for n, err := range w.try(ctx, verb, changes) {
			errs[at[verb][n]] = err
		}
	}
	return errs
}

// judge counts items in a row that the target refused for reasons of its own.
func (w *writing) judge(errs []*providers.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range errs {
		if err == nil {
			w.refused = 0
			continue
		}
		switch err.Kind {
		case providers.Access:
			w.refused, w.last = hopeless, err
		case providers.Transient, providers.Throttled, providers.Ambiguous, providers.Internal:
			w.refused++
			w.last = err
		default:
			w.refused = 0
		}
	}
}

// hope is an error once a target takes nothing any more.
func (w *writing) hope() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused < hopeless {
		return nil
	}
	return fmt.Errorf("%s takes nothing: %w", w.Sync.Target.Instance, w.last)
}

// failure counts a failure, and tells it.
func (w *writing) failure(f Failure) Failure {
	w.mu.Lock()
	w.failures++
	if len(w.first) < firstNames {
		w.first = append(w.first, f)
	}
	w.mu.Unlock()
	w.s.emit(ItemFailed{Addr: w.Sync.Addr, Failure: f})
	return f
}

func (w *writing) progress(q int, verb string, n, failed int) {
	w.mu.Lock()
	at := step{q, verb}
	p := w.counts[at]
	if p == nil {
		p = new(progress)
		w.counts[at] = p
	}
	p.done += n
	p.failed += failed
	e := Wrote{Addr: w.Sync.Addr, Part: w.parts[q].Name, Verb: verbs[verb], Done: p.done, Failed: p.failed}
	w.mu.Unlock()
	e.Total = w.impact.Parts[q].Of(verb)
	w.s.emit(e)
}

func hash(part, key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(part))
	h.Write([]byte{0})
	h.Write([]byte(key))
	return h.Sum64()
}
