package vault

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"accord/providers"
	"accord/providers/vaultapi"
)

// published is what a point made in a CRM vault, in either model.
type published interface {
	all(ctx context.Context, req providers.RecordsRequest, emit emit) error
	marked(ctx context.Context, presentations bool, items []providers.Member, each func([]providers.Record) error) error
	holders(ctx context.Context, keys []providers.Member, emit emit) error
}

// published reads what is asked for of it.
func (r *reading) published(ctx context.Context, c *caller, of published) (last providers.Batch, err error) {
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	switch emit := r.emit(c); {
	case r.Holders:
		err = of.holders(ctx, r.Keys, emit)
	case len(r.Keys) > 0:
		err = byKey(ctx, of, r.Keys, r.Only, emit)
	default:
		err = of.all(ctx, r.RecordsRequest, emit)
	}
	return providers.Batch{Horizon: now, Calls: c.took()}, err
}

// scanMarks reads everything of ours in the order of the marks, by pages: between
// the keys of a request, where it has them.
func scanMarks(ctx context.Context, c *caller, prefix string, req providers.RecordsRequest, statement func(where string) string, each func(page []row) error) error {
	const end = "~" // after whatever a mark has behind its key
	first, last := prefix, prefix+req.UpTo+end
	if req.After != "" {
		first += req.After + end
	}
	s := newScan(c, "external_id__v", first, func(after string) string {
		return limited(statement("external_id__v > "+vaultapi.Quote(after)+" AND external_id__v < "+vaultapi.Quote(last)) + " ORDER BY external_id__v")
	})
	for {
		page, err := s.page(ctx)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := each(page); err != nil {
			return err
		}
	}
}

// byKey reads the items of keys and, unless only they are wanted, the members
// that they name.
func byKey(ctx context.Context, of published, keys []providers.Member, only bool, emit emit) error {
	var asked map[providers.Member]bool
	if !only {
		asked = make(map[providers.Member]bool, len(keys))
	}
	members, containers := make([]providers.Member, 0, len(keys)), make([]providers.Member, 0, len(keys))
	for _, m := range keys {
		if !only {
			asked[m] = true
		}
		if m.Part == partPresentation {
			containers = append(containers, m)
		} else {
			members = append(members, m)
		}
	}
	wanted := map[providers.Member]bool{}
	read := func(presentations bool, items []providers.Member) error {
		sortMembers(items)
		return of.marked(ctx, presentations, slices.Compact(items), func(records []providers.Record) error {
			for _, r := range records {
				for _, m := range r.Members {
					if !only && !asked[m] {
						wanted[m] = true
					}
				}
			}
			return emit(records)
		})
	}
	if err := read(true, containers); err != nil {
		return err
	}
	for m := range wanted {
		members = append(members, m)
	}
	clear(wanted)
	if err := read(false, members); err != nil || only {
		return err
	}
	return read(false, slices.Collect(maps.Keys(wanted)))
}

func sortMembers(list []providers.Member) {
	slices.SortFunc(list, func(a, b providers.Member) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Part, b.Part)) })
}
