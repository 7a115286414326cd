package syncer

import (
	"context"
	"maps"
	"slices"
	"strings"

	"accord/providers"
)

// Groups says under which groups, such as countries and products, members
// count: those of all containers at the source that need them, whether directly
// or by what these name. It reads what belongs to them, and nothing else.
func (s *Syncer) Groups(ctx context.Context, sync providers.Sync, members []providers.Member) (map[providers.Member]map[string]string, error) {
	direct := map[providers.Member]groupSets{}
	named := map[providers.Member][]providers.Member{} // by container that is a member itself
	for keys := range slices.Chunk(members, keysARequest) {
		req := providers.RecordsRequest{End: sync.Source, Variants: distinct([]string{sync.Variant}), Keys: keys}
		if err := s.records(ctx, req, nil, func(r *providers.Record) error {
			if len(r.Groups) == 0 {
				named[providers.Member{Part: r.Part, Key: r.Key}] = r.Members
				return nil
			}
			for _, m := range r.Members {
				if direct[m] == nil {
					direct[m] = groupSets{}
				}
				direct[m].add(r.Groups)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	all := maps.Clone(direct)
	for container, list := range named {
		for _, m := range list {
			if all[m] == nil {
				all[m] = groupSets{}
			}
			all[m].merge(direct[container])
		}
	}
	out := make(map[providers.Member]map[string]string, len(members))
	for _, m := range members {
		out[m] = all[m].names()
	}
	return out, nil
}

// groupSets are groups as sets of names.
type groupSets map[string]map[string]bool

// add adds the groups of a record, which are lists for people.
func (g groupSets) add(groups map[string]string) {
	for group, list := range groups {
		for _, name := range strings.Split(list, listed) {
			g.put(group, name)
		}
	}
}

func (g groupSets) merge(more groupSets) {
	for group, names := range more {
		for name := range names {
			g.put(group, name)
		}
	}
}

func (g groupSets) put(group, name string) {
	if g[group] == nil {
		g[group] = map[string]bool{}
	}
	g[group][name] = true
}

const listed = ", " // between the names of a group

func (g groupSets) names() map[string]string {
	out := make(map[string]string, len(g))
	for group, names := range g {
		out[group] = strings.Join(slices.Sorted(maps.Keys(names)), listed)
	}
	return out
}
