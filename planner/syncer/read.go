package syncer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"accord/lang/schema"
	"accord/providers"
	"accord/state"
)

// How many keys one request carries.
const (
	keysARequest    = 1000
	holdersARequest = 500
)

// meter counts what a read cost.
type meter struct {
	calls, records int
	horizon        time.Time
	titles         map[string]string // of route values
	problems       bool              // something that was read has one
}

// records reads a stream to its end. A read that stops before is an error: it
// did not see everything. One that was stopped is no error of the vault's.
func (s *Syncer) records(ctx context.Context, req providers.RecordsRequest, m *meter, yield func(*providers.Record) error) error {
	p, _, err := s.stream(req.End)
	if err != nil {
		return err
	}
	if m == nil {
		m = new(meter)
	}
	for batch, err := range p.Records(ctx, req) {
		if err != nil {
			return cmp.Or(ctx.Err(), unread(&req.End, err))
		}
		if err := s.batch(&req.End, &batch, m, yield); err != nil || batch.End {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return brokeOff(&req.End)
}

// batch counts a batch of an end, and hands its records over.
func (s *Syncer) batch(end *providers.End, batch *providers.Batch, m *meter, yield func(*providers.Record) error) error {
	m.calls += batch.Calls
	m.records += len(batch.Records)
	if len(batch.Titles) > 0 && m.titles == nil {
		m.titles = make(map[string]string, len(batch.Titles))
	}
	maps.Copy(m.titles, batch.Titles)
	for i := range batch.Records {
		m.problems = m.problems || batch.Records[i].Problem != ""
		if err := yield(&batch.Records[i]); err != nil {
			return err
		}
	}
	s.emit(Reading{Instance: end.Instance, Stream: end.Stream, Records: m.records, Calls: m.calls, Done: batch.End})
	if batch.End && m.horizon.IsZero() {
		m.horizon = batch.Horizon
	}
	return nil
}

// Unread is a reading that failed, and of which end.
type Unread struct {
	End providers.End
	Err error
}

func (u *Unread) Error() string {
	return fmt.Sprintf("reading %s of %s: %v", u.End.Stream, u.End.Instance, u.Err)
}

func (u *Unread) Unwrap() error { return u.Err }

func unread(end *providers.End, err error) error { return &Unread{*end, err} }

func brokeOff(end *providers.End) error {
	return unread(end, providers.Errorf(providers.Transient, "it broke off before its end"))
}

// intake takes records of a read and puts each part into key order.
type intake struct {
	parts   []schema.Part
	spools  []*spool // where they come in order
	last    []string
	sorters []*sorter // where they do not

	head, body []byte
}

func newIntake(scratch scratch, parts []schema.Part, ordered bool) *intake {
	in := &intake{parts: parts, last: make([]string, len(parts))}
	for range parts {
		if ordered {
			in.spools = append(in.spools, scratch.spool())
		} else {
			in.sorters = append(in.sorters, scratch.sorter())
		}
	}
	return in
}

func (in *intake) add(r *providers.Record) error {
	q := partIndex(in.parts, r.Part)
	if q < 0 {
		return providers.Errorf(providers.Internal, "a record of a part that is not known: %q", r.Part)
	}
	if r.Key == "" {
		return providers.Errorf(providers.Internal, "a %s without a key", r.Part)
	}
	in.head, in.body = appendHead(in.head[:0], r), appendBody(in.body[:0], r)
	if in.sorters != nil {
		return in.sorters[q].add(r.Key, in.head, in.body)
	}
	if r.Key < in.last[q] {
		return providers.Errorf(providers.Internal, "the read went backwards: %s %s came after %s", r.Part, r.Key, in.last[q])
	}
	in.last[q] = r.Key
	return in.spools[q].add(r.Key, in.head, in.body)
}

func (in *intake) rest() ([]frames, error) {
	all := make([]frames, len(in.parts))
	var err error
	for q := range all {
		if in.sorters != nil {
			all[q], err = in.sorters[q].sorted()
		} else {
			all[q], err = in.spools[q].rest()
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func partIndex(parts []schema.Part, name string) int {
	return slices.IndexFunc(parts, func(p schema.Part) bool { return p.Name == name })
}

// walk goes through sorted records, each key once.
type walk struct {
	c    *cursor
	part string
	rank func(*record) int // of several with one key the last of the highest; below 0: not seen

	rec   *record // nil after the last; good until the next
	twice bool    // more than one had a rank
	err   error

	one, other record
}

// walkSource sees the records of one variant, and those without any (what is
// deleted is so in all); of a key that was read twice, what was read last.
func walkSource(f frames, part, variant string) *walk {
	return newWalk(f, part, func(r *record) int {
		if variant == "" || r.variants == "" || r.variants.has(variant) {
			return 0
		}
		return -1
	})
}

// walkTarget prefers what is published to what is not.
func walkTarget(f frames, part string) *walk {
	return newWalk(f, part, func(r *record) int {
		switch r.standing {
		case providers.Published:
			return 2
		case providers.Unfinished:
			return 1
		default:
			return 0
		}
	})
}

func newWalk(f frames, part string, rank func(*record) int) *walk {
	w := &walk{c: f.open(), part: part, rank: rank}
	w.c.next()
	w.next()
	return w
}

func (w *walk) close() { w.c.close() }

func (w *walk) next() {
	w.rec = nil
	best, at := -1, &w.one
	for w.c.ok && w.rec == nil {
		key := w.c.key
		w.twice = false
		for w.c.ok && w.c.key == key {
			if err := at.decode(w.c.payload, w.part, key); err != nil {
				w.rec, w.err = nil, err
				return
			}
			at.place = w.c.body
			if rank := w.rank(at); rank >= 0 && rank >= best {
				w.twice = w.rec != nil && best > 0
				w.rec, best = at, rank
				if at = &w.other; w.rec == at {
					at = &w.one
				}
			}
			w.c.next()
		}
	}
	if w.c.err != nil {
		w.rec, w.err = nil, w.c.err
	}
}

// whole reads the body of the record that the walk stands at, once.
func (w *walk) whole() error {
	if w.rec.whole {
		return nil
	}
	body, err := w.c.bodies.read(w.rec.place)
	if err != nil {
		return err
	}
	return w.rec.decodeBody(body)
}

// seek moves forward to a key, and returns its record or nil. Keys asked for
// must not go backwards.
func (w *walk) seek(key string) *record {
	for w.rec != nil && w.rec.key < key {
		w.next()
	}
	if w.rec != nil && w.rec.key == key {
		return w.rec
	}
	return nil
}

// readSource reads the source of a pass into its library: everything, or what
// changed, what failed, and what a run that was cut short was about.
func (p *pass) readSource(ctx context.Context) error {
	req := sourceOf(p.jobs)
	p.req = providers.RecordsRequest{End: p.end, Fields: req.Fields}
	if !p.whole {
		return p.readChanges(ctx)
	}
	in := newIntake(p.scratch, p.parts, p.stream.Ordered)
	err := p.s.records(ctx, req, &p.read, in.add)
	if err == nil {
		p.library, err = in.rest()
	}
	return err
}

// readChanges reads what changed, what failed, and what a run that was cut short was
// about: all but what was read already.
func (p *pass) readChanges(ctx context.Context) error {
	retried, err := p.retries(ctx)
	if err != nil {
		return err
	}
	p.retried = retried
	req := changesFor(p.jobs)
	before, read, had, err := p.early.take(req, p.s.opts.Now())
	if had {
		p.read, req.Since = read, time.Time{}
	}
	if err != nil {
		return err
	}
	in := newIntake(p.scratch.shared(), p.parts, false)
	err = keyBatches(p.retried, p.parts, keysARequest, func(members []providers.Member) error {
		req.Keys = members
		err := p.s.records(ctx, req, &p.read, in.add)
		req.Since = time.Time{}
		return err
	})
	if err == nil && !req.Since.IsZero() {
		err = p.s.records(ctx, req, &p.read, in.add)
	}
	if err == nil {
		p.library, err = in.rest()
	}
	for q := range before {
		if err == nil {
			p.library[q], err = p.scratch.shared().merge(false, before[q], p.library[q])
		} else {
			before[q].remove()
		}
	}
	return err
}

// retries returns the keys, by part, of what failed before (ERR-2), of what refers to
// something that has a match by now (RULE-2), and of what an earlier run was writing
// when it was cut short.
func (p *pass) retries(ctx context.Context) ([]frames, error) {
	sets := sets(p.scratch, len(p.parts))
	journal := p.s.opts.Journal
	if journal == nil {
		return restAll(sets)
	}
	add := func(part, key string) error {
		if q := partIndex(p.parts, part); q >= 0 {
			return sets[q].note(key)
		}
		return nil
	}
	if err := p.askUnmatched(ctx, add); err != nil {
		return nil, err
	}
	for _, j := range p.jobs {
		for _, item := range j.Decision.Only {
			if err := add(item.Part, item.Key); err != nil {
				return nil, err
			}
		}
		memory := j.remembered()
		if memory.Failures+memory.Kept > 0 && len(j.Decision.Only) == 0 {
			for f, err := range journal.Exceptions(ctx, j.Sync.Addr) {
				if err == nil {
					err = add(f.Part, f.Key)
				}
				if err != nil {
					return nil, fmt.Errorf("reading what failed before: %w", err)
				}
			}
		}
		if memory.Open == 0 {
			continue
		}
		open, err := journal.Open(ctx, j.Sync.Addr)
		if err != nil {
			return nil, fmt.Errorf("reading what was cut short: %w", err)
		}
		for _, b := range open {
			if b.Verb == state.Await && len(j.Decision.Only) > 0 {
				continue // it leaves them as they are
			}
			for _, key := range b.Keys {
				if err := add(b.Part, key); err != nil {
					return nil, err
				}
			}
		}
	}
	return restAll(sets)
}

// fetch reads the records of keys, and nothing with them, into the library.
// Keys that the source does not answer for stay unknown.
func (p *pass) fetch(ctx context.Context, variant string, keys []frames) error {
	req := p.req
	req.Only = true
	req.Variants = distinct([]string{variant})
	in := newIntake(p.scratch, p.parts, false)
	err := keyBatches(keys, p.parts, keysARequest, func(members []providers.Member) error {
		req.Keys = members
		return p.s.records(ctx, req, &p.read, func(r *providers.Record) error {
			if variant != "" && len(r.Variants) == 0 {
				r.Variants = req.Variants // missing in this variant is not missing in all
			}
			return in.add(r)
		})
	})
	if err != nil {
		return err
	}
	more, err := in.rest()
	if err != nil {
		return err
	}
	for q := range more {
		if p.library[q], err = p.scratch.shared().merge(false, p.library[q], more[q]); err != nil {
			return err
		}
	}
	return nil
}

// readTarget reads all that the target of a job holds and owns.
func (j *job) readTarget(ctx context.Context, p *pass) error {
	_, stream, err := p.s.stream(j.Sync.Target)
	if err != nil {
		return err
	}
	in := newIntake(p.scratch, p.parts, stream.Ordered)
	if err := p.s.records(ctx, providers.RecordsRequest{End: j.Sync.Target}, &j.read, in.add); err != nil {
		return err
	}
	j.target, err = in.rest()
	return err
}

// readTargetKeys adds to what is read of the target the items that keys name,
// by part, all of them in the same requests.
func (j *job) readTargetKeys(ctx context.Context, p *pass, keys []frames) error {
	in := newIntake(p.scratch, p.parts, false)
	err := keyBatches(keys, p.parts, keysARequest, func(members []providers.Member) error {
		return p.s.records(ctx, providers.RecordsRequest{End: j.Sync.Target, Keys: members, Only: true}, &j.read, in.add)
	})
	if err != nil {
		return err
	}
	read, err := in.rest()
	if err != nil {
		return err
	}
	for q := range read {
		if j.target[q], err = p.scratch.merge(false, j.target[q], read[q]); err != nil {
			return err
		}
	}
	return nil
}

// keyBatches calls f with the keys of all parts, n at a time.
func keyBatches(keys []frames, parts []schema.Part, n int, f func([]providers.Member) error) error {
	left := 0
	for _, f := range keys {
		left += f.n
	}
	members := make([]providers.Member, 0, min(n, left))
	for q, part := range parts {
		c := keys[q].open()
		for c.next() {
			members = append(members, providers.Member{Part: part.Name, Key: c.key})
			if len(members) == n {
				if err := f(members); err != nil {
					c.close()
					return err
				}
				left -= n
				members = make([]providers.Member, 0, min(n, left))
			}
		}
		c.close()
		if c.err != nil {
			return c.err
		}
	}
	if len(members) > 0 {
		return f(members)
	}
	return nil
}

// sets returns a set of keys for each part.
func sets(scratch scratch, n int) []*sorter {
	list := make([]*sorter, n)
	for i := range list {
		list[i] = scratch.set()
	}
	return list
}

func restAll(list []*sorter) ([]frames, error) {
	all := make([]frames, len(list))
	var err error
	for i, s := range list {
		if all[i], err = s.sorted(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func distinct(list []string) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
	slices.Sort(list)
	return slices.Compact(list)
}
