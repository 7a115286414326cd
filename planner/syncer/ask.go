package syncer

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"accord/providers"
)

// asked are keys that the source is asked for: by variant, and by part.
type asked map[string][]*sorter

// of returns the keys of one variant.
func (a asked) of(variant string, p *pass) []*sorter {
	if a[variant] == nil {
		a[variant] = sets(p.scratch, len(p.parts))
	}
	return a[variant]
}

// ask asks the source, and adds its answers to the library.
func (p *pass) ask(ctx context.Context, a asked) error {
	for variant, sets := range a {
		keys, err := restAll(sets)
		if err == nil {
			err = p.fetch(ctx, variant, keys)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// askForOrphans asks the source by key for what a target owns and a full read
// did not yield. Only an answer can withdraw it.
func (p *pass) askForOrphans(ctx context.Context) error {
	orphans := asked{}
	for _, j := range p.jobs {
		if j.err != nil {
			continue
		}
		for q, part := range p.parts {
			if !part.Routed {
				continue // what a member's absence means, its containers say
			}
			if err := p.orphans(j, q, orphans.of(j.Sync.Variant, p)[q]); err != nil {
				return err
			}
		}
	}
	return p.ask(ctx, orphans)
}

// orphans adds the keys of what is there and the library does not have.
func (p *pass) orphans(j *job, q int, to *sorter) error {
	src := walkSource(p.library[q], p.parts[q].Name, j.Sync.Variant)
	defer src.close()
	tgt := walkTarget(j.target[q], p.parts[q].Name)
	defer tgt.close()
	for ; tgt.rec != nil; tgt.next() {
		if tgt.rec.there() && src.seek(tgt.rec.key) == nil {
			if err := to.note(tgt.rec.key); err != nil {
				return err
			}
		}
	}
	return cmp.Or(src.err, tgt.err)
}

// askForHolders asks the source by key, in an incremental run, for what holds
// at a target a member that shall not be there: with a member that is gone the
// source may have lost what led from it to its containers.
func (p *pass) askForHolders(ctx context.Context) error {
	gone := make(map[*class][]frames, len(p.classes))
	for _, c := range p.classes {
		var err error
		if gone[c], err = p.gone(c); err != nil {
			return err
		}
	}
	held := make(map[*job][]frames, len(p.jobs))
	var mu sync.Mutex
	_ = p.eachInTime(ctx, nil, func(ctx context.Context, j *job) error { // one that fails does without, alone
		found, err := p.holdersOf(ctx, j, gone[j.class])
		mu.Lock()
		defer mu.Unlock()
		held[j] = found
		return err
	})
	for _, f := range slices.Concat(slices.Collect(maps.Values(gone))...) {
		f.remove()
	}
	holders := asked{}
	for _, j := range p.jobs {
		if j.err != nil {
			continue
		}
		for q := range p.parts {
			if err := p.missing(held[j][q], q, j.Sync.Variant, holders.of(j.Sync.Variant, p)[q]); err != nil {
				return err
			}
		}
	}
	return p.ask(ctx, holders)
}

// gone are the members that no target of a class shall have, by part.
func (p *pass) gone(c *class) ([]frames, error) {
	gone := sets(p.scratch, len(p.parts))
	for q := range p.parts[:len(p.parts)-1] {
		w := walkSource(p.library[q], p.parts[q].Name, c.variant)
		for ; w.rec != nil; w.next() {
			if c.meaning(w.rec) != providers.Withdraw {
				continue
			}
			if err := gone[q].note(w.rec.key); err != nil {
				w.close()
				return nil, err
			}
		}
		w.close()
		if w.err != nil {
			return nil, w.err
		}
	}
	return restAll(gone)
}

// holdersOf are what holds, at the target of a job, any of some members.
func (p *pass) holdersOf(ctx context.Context, j *job, members []frames) ([]frames, error) {
	holders := sets(p.scratch, len(p.parts))
	err := j.holders(ctx, p, members, func(r *providers.Record) error {
		return name(holders, p, slices.Values([]providers.Member{{Part: r.Part, Key: r.Key}}))
	})
	if err != nil {
		return nil, err
	}
	return restAll(holders)
}

// holders reads what holds, at the target of a job, any of some members.
func (j *job) holders(ctx context.Context, p *pass, members []frames, each func(*providers.Record) error) error {
	return keyBatches(members, p.parts, holdersARequest, func(some []providers.Member) error {
		return p.s.records(ctx, providers.RecordsRequest{End: j.Sync.Target, Keys: some, Holders: true}, &j.read, each)
	})
}

// missing adds those keys of one part that the library does not have.
func (p *pass) missing(keys frames, q int, variant string, to *sorter) error {
	src := walkSource(p.library[q], p.parts[q].Name, variant)
	defer src.close()
	c := keys.open()
	defer c.close()
	for c.next() {
		if src.seek(c.key) == nil {
			if err := to.note(c.key); err != nil {
				return err
			}
		}
	}
	return cmp.Or(c.err, src.err)
}
