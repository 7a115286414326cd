package syncer

import (
	"cmp"
	"context"

	"accord/providers"
)

// An incremental run looks at the items that the source yields, and at those
// that hang together with them. What lies outside of that may still hold, or
// need, what the run would change.

// lookFurther reads the items of one part that the containers hold which are
// there, and the source did not yield. It is done from the last part on.
func (c *comparison) lookFurther(ctx context.Context, q int) error {
	var err error
	if c.held[q], err = c.names[q].sorted(); err != nil {
		return err
	}
	more := make([]frames, len(c.p.parts))
	if more[q], err = c.p.scratch.without(c.held[q], c.p.keys[q]); err != nil {
		return err
	}
	c.more[q] = more[q]
	if more[q].n > 0 {
		if err := c.readTargetKeys(ctx, c.p, more); err != nil {
			return err
		}
	}
	w := walkTarget(c.target[q], c.p.parts[q].Name)
	defer w.close()
	for ; w.rec != nil; w.next() {
		if err := name(c.names, c.p, w.rec.members.members()); err != nil {
			return err
		}
	}
	return w.err
}

// neededOutside adds the members that no container of this run needs, but one
// that it does not look at still holds. Those are asked for that a container
// held which it does look at, or that an earlier run left behind; from any
// other nothing is taken away, whoever needs it.
func (c *comparison) neededOutside(ctx context.Context, q int, needed frames) (frames, error) {
	doubtful, more := c.p.scratch.set(), c.p.scratch.set()
	if err := c.unneeded(q, needed, doubtful, more); err != nil {
		return frames{}, err
	}
	keys := make([]frames, len(c.p.parts))
	var err error
	if keys[q], err = doubtful.sorted(); err != nil {
		return frames{}, err
	}
	holders := make([]*sorter, len(c.p.parts)) // by part: container → member
	for at := range holders {
		holders[at] = c.p.scratch.sorter()
	}
	err = c.holders(ctx, c.p, keys, func(r *providers.Record) error {
		at := partIndex(c.p.parts, r.Part)
		if at < 0 {
			return providers.Errorf(providers.Internal, "a record of a part that is not known: %q", r.Part)
		}
		for _, m := range r.Members {
			if m.Part == c.p.parts[q].Name {
				if err := holders[at].add(r.Key, []byte(m.Key), nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return frames{}, err
	}
	for at := q + 1; at < len(holders); at++ {
		if err := c.outside(at, holders[at], more); err != nil {
			return frames{}, err
		}
	}
	extra, err := more.sorted()
	if err != nil {
		return frames{}, err
	}
	return c.p.scratch.merge(true, needed, extra)
}

// unneeded goes through the members that are there and that no container of this
// run needs: doubtful are those that one of its containers held, or that an earlier
// run left behind, and others the rest.
func (c *comparison) unneeded(q int, needed frames, doubtful, others *sorter) error {
	need, held, retried := needed.open(), c.held[q].open(), c.p.retried[q].open()
	defer need.close()
	defer held.close()
	defer retried.close()
	w := walkTarget(c.target[q], c.p.parts[q].Name)
	defer w.close()
	for ; w.rec != nil; w.next() {
		if !w.rec.there() || need.seek(w.rec.key) {
			continue
		}
		to := others
		if held.seek(w.rec.key) || retried.seek(w.rec.key) {
			to = doubtful
		}
		if err := to.note(w.rec.key); err != nil {
			return err
		}
	}
	return cmp.Or(w.err, need.err, held.err, retried.err)
}

// outside adds the members of those holders that this run does not look at.
func (c *comparison) outside(at int, holders *sorter, to *sorter) error {
	sorted, err := holders.sorted()
	if err != nil {
		return err
	}
	defer sorted.remove()
	own, further := c.p.keys[at].open(), c.more[at].open()
	defer own.close()
	defer further.close()
	h := sorted.open()
	defer h.close()
	for h.next() {
		if !own.seek(h.key) && !further.seek(h.key) {
			if err := to.note(h.payload); err != nil {
				return err
			}
		}
	}
	return cmp.Or(h.err, own.err, further.err)
}
