package syncer

import "cmp"

// findMendable finds the containers of one part that lost a member which they still
// name (CLM-5), and could have it again: it is there, or the source has it to be
// published. What is kept as it is (CLM-1) is made whole by that, since the source
// has nothing else for it. Who deletes by hand what accord made does so now and then,
// so they are few; and only a full run sees what is there.
func (c *comparison) findMendable(q int) error {
	c.mendable = nil
	if !c.p.whole || !c.read.problems || !c.p.parts[q].Routed {
		return nil
	}
	named := make([]*sorter, q) // by part: member → containers
	for to := range named {
		named[to] = c.p.scratch.sorter()
	}
	c.mendable = map[string]bool{}
	w := walkTarget(c.target[q], c.p.parts[q].Name)
	defer w.close()
	for ; w.rec != nil; w.next() {
		if !w.rec.there() || w.rec.problem == "" {
			continue
		}
		c.mendable[w.rec.key] = true
		for m := range w.rec.members.members() {
			to := partIndex(c.p.parts[:q], m.Part)
			if to < 0 {
				c.mendable[w.rec.key] = false
			} else if err := named[to].add(m.Key, []byte(w.rec.key), nil); err != nil {
				return err
			}
		}
	}
	for to := range named {
		if err := cmp.Or(w.err, c.findUnmendable(to, named[to])); err != nil {
			return err
		}
	}
	return w.err
}

// findUnmendable takes those out that name a member of a part which is not there,
// and cannot be published.
func (c *comparison) findUnmendable(to int, named *sorter) error {
	edges, err := named.sorted()
	if err != nil {
		return err
	}
	defer edges.remove()
	part := c.p.parts[to].Name
	src, tgt := walkSource(c.p.library[to], part, c.class.variant), walkTarget(c.target[to], part)
	defer src.close()
	defer tgt.close()
	gaps, e := c.class.gaps[to].open(), edges.open()
	defer gaps.close()
	defer e.close()
	for e.next() {
		if !tgt.seek(e.key).there() && c.class.lacking(src.seek(e.key), gaps, part, e.key) != "" {
			c.mendable[e.payload] = false
		}
	}
	return cmp.Or(e.err, src.err, tgt.err, gaps.err)
}
