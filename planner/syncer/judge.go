package syncer

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"accord/providers"
)

// class is what targets share that take one variant and give standings one
// meaning: which of the source's containers cannot be published, and why.
type class struct {
	variant   string
	standings map[string]providers.Meaning
	atMost    map[string]int
	gaps      []frames // by part: key → why, of containers with a member that cannot be published
}

// meaning of a record; of none, and of a standing without a meaning: keep.
func (c *class) meaning(r *record) providers.Meaning {
	if r == nil {
		return providers.Keep
	}
	if m, ok := c.standings[r.standing]; ok {
		return m
	}
	return providers.Keep
}

// problem is why a record cannot be taken as it is: its own, or that a target
// has no room for what it names; "": it can.
func (c *class) problem(r *record) string {
	most := c.atMost[r.part]
	if r.problem != "" || most == 0 {
		return r.problem
	}
	n, of := 0, ""
	for m := range r.members.members() {
		if n++; of == "" {
			of = m.Part
		}
	}
	if n <= most {
		return ""
	}
	return fmt.Sprintf("it names %d of %s, and a record of this model has room for %d", n, words(of), most)
}

// judge finds which containers are not complete (CLM-12): a member of theirs,
// or a member's member, cannot be published.
func (p *pass) judge(ctx context.Context, c *class) error {
	edges, err := p.edges(ctx, c)
	if err != nil {
		return err
	}
	gaps := sets(p.scratch, len(p.parts))
	c.gaps = make([]frames, len(p.parts))
	for q := range p.parts {
		if c.gaps[q], err = gaps[q].sorted(); err != nil {
			return err
		}
		if err := p.findGaps(c, q, edges[q], gaps); err != nil {
			return err
		}
		edges[q].remove()
	}
	return nil
}

// edges returns, by part and key, which publishable containers name a member.
// Members that the read did not yield are asked for by key.
func (p *pass) edges(ctx context.Context, c *class) ([]frames, error) {
	sorters := make([]*sorter, len(p.parts))
	for q := range sorters {
		sorters[q] = p.scratch.sorter()
	}
	edges := make([]frames, len(p.parts))
	var payload []byte
	for q := len(p.parts) - 1; q >= 0; q-- {
		var err error
		if edges[q], err = sorters[q].sorted(); err != nil {
			return nil, err
		}
		if err := p.complete(ctx, c, q, edges[q]); err != nil {
			return nil, err
		}
		if q == 0 {
			break
		}
		w := walkSource(p.library[q], p.parts[q].Name, c.variant)
		for ; w.rec != nil; w.next() {
			if c.meaning(w.rec) != providers.Publish || c.problem(w.rec) != "" {
				continue
			}
			for m := range w.rec.members.members() {
				to := partIndex(p.parts[:q], m.Part)
				if to < 0 {
					w.close()
					return nil, providers.Errorf(providers.Internal, "%s %s names a member of part %q, which is not written before it", w.rec.part, w.rec.key, m.Part)
				}
				payload = append(binary.AppendUvarint(payload[:0], uint64(q)), w.rec.key...)
				if err := sorters[to].add(m.Key, payload, nil); err != nil {
					w.close()
					return nil, err
				}
			}
		}
		w.close()
		if w.err != nil {
			return nil, w.err
		}
	}
	return edges, nil
}

// complete fetches the members that edges name and the library does not have.
func (p *pass) complete(ctx context.Context, c *class, q int, edges frames) error {
	set := p.scratch.set()
	if err := p.missing(edges, q, c.variant, set); err != nil {
		return err
	}
	keys := make([]frames, len(p.parts))
	var err error
	if keys[q], err = set.sorted(); err != nil || keys[q].n == 0 {
		return err
	}
	return p.fetch(ctx, c.variant, keys)
}

// findGaps says of each container that names a member of part q which cannot
// be published, why.
func (p *pass) findGaps(c *class, q int, edges frames, gaps []*sorter) error {
	src := walkSource(p.library[q], p.parts[q].Name, c.variant)
	defer src.close()
	own := c.gaps[q].open()
	defer own.close()
	e := edges.open()
	defer e.close()
	for e.next() {
		why := c.lacking(src.seek(e.key), own, p.parts[q].Name, e.key)
		if why == "" {
			continue
		}
		container, n := uvarint(e.payload)
		if err := gaps[container].add(e.payload[n:], []byte(why), nil); err != nil {
			return err
		}
	}
	return cmp.Or(e.err, own.err, src.err)
}

// lacking says why a member cannot be published; "": it can.
func (c *class) lacking(r *record, gaps *cursor, part, key string) string {
	switch {
	case r == nil:
		return fmt.Sprintf("%s %s was not found", words(part), KeyText(key))
	case c.meaning(r) != providers.Publish:
		return fmt.Sprintf("%s %s is %s", words(part), label(r), words(r.standing))
	case c.problem(r) != "":
		return fmt.Sprintf("%s %s: %s", words(part), label(r), c.problem(r))
	case gaps.seek(key):
		return fmt.Sprintf("%s %s: %s", words(part), label(r), gaps.payload)
	default:
		return ""
	}
}

func label(r *record) string {
	if r.title == "" {
		return strings.Clone(KeyText(r.key))
	}
	return fmt.Sprintf("%s (%s)", r.title, KeyText(r.key))
}

// KeyText is a key as people know it: a number without the zeros that make all of
// them as wide as each other.
func KeyText(key string) string {
	if _, err := strconv.ParseUint(key, 10, 64); err != nil {
		return key
	}
	return cmp.Or(strings.TrimLeft(key, "0"), "0")
}
