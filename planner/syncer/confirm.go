package syncer

import (
	"context"
	"slices"
	"strings"

	"accord/providers"
)

// confirm asks the source again for the containers that would lose all their
// members of a part. They are named nowhere but in the container, so that one
// answer without them would withdraw them; and absence never removes.
func (c *comparison) confirm(ctx context.Context, q int) error {
	keys := make([]frames, len(c.p.parts))
	var err error
	if keys[q], err = c.lost.sorted(); err != nil || keys[q].n == 0 {
		return err
	}
	part := c.p.parts[q].Name
	req := c.p.req
	req.Only, req.Confirm = true, true
	req.Variants = distinct([]string{c.class.variant})
	again := walkSource(c.p.library[q], part, c.class.variant)
	defer again.close()
	return keyBatches(keys, c.p.parts, keysARequest, func(members []providers.Member) error {
		req.Keys = members
		var found []record // in any order; of those few that were asked for
		if err := c.s.records(ctx, req, &c.read, func(from *providers.Record) error {
			r, err := recordOf(from)
			found = append(found, r)
			return err
		}); err != nil {
			return err
		}
		slices.SortFunc(found, func(a, b record) int { return strings.Compare(a.key, b.key) })
		for _, r := range found {
			if s := again.seek(r.key); s != nil && c.class.meaning(&r) == providers.Publish && len(lostParts(r.members, s.members)) > 0 {
				return providers.Errorf(providers.Transient, "%s: the source first named no %s of %s, and then did; nothing is taken away upon such an answer",
					c.Sync.Addr, words(lostParts(r.members, s.members)[0]), label(&r))
			}
		}
		return nil
	})
}

// lostParts are the parts of which was names members, and is names none.
func lostParts(was, is list) []string {
	if was == is {
		return nil
	}
	named := func(part string) bool {
		for m := range is.members() {
			if m.Part == part {
				return true
			}
		}
		return false
	}
	var lost []string
	for m := range was.members() {
		if !slices.Contains(lost, m.Part) && !named(m.Part) {
			lost = append(lost, m.Part)
		}
	}
	return lost
}
