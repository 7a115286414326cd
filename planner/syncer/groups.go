package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord/lang/schema"
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

// GroupNames returns the names that the sources of syncs know for each group,
// and of each whether any of the syncs takes what is of it: those of a group that
// routes where it leads, all others.
func (s *Syncer) GroupNames(ctx context.Context, syncs []providers.Sync) (map[string]map[string]bool, error) {
	names := map[string]map[string]bool{}
	for _, sync := range syncs {
		if sync.Groups == nil {
			continue
		}
		_, stream, err := s.stream(*sync.Groups)
		if err != nil {
			return nil, err
		}
		to, err := s.leads(ctx, sync, syncs)
		if err != nil {
			return nil, fmt.Errorf("%s: reading the route table: %w", sync.Addr, err)
		}
		err = s.records(ctx, providers.RecordsRequest{End: *sync.Groups}, nil, func(r *providers.Record) error {
			of := names[r.Part]
			if of == nil {
				of = map[string]bool{}
				names[r.Part] = of
			}
			routed := slices.ContainsFunc(stream.Parts, func(p schema.Part) bool { return p.Name == r.Part && p.Routed })
			of[r.Title] = of[r.Title] || !routed || to.all || to.has(r.Key)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: reading what its content is counted by: %w", sync.Addr, err)
		}
	}
	return names, nil
}

// leads returns where the records of a sync go as its route table is now, which
// another of the syncs may keep.
func (s *Syncer) leads(ctx context.Context, sync providers.Sync, syncs []providers.Sync) (*routes, error) {
	r := sync.Route
	if r.All {
		return &routes{all: true}, nil
	}
	if r.Lookup != nil {
		t, err := s.lookup(ctx, r.Lookup)
		if err != nil {
			return nil, err
		}
		return &routes{values: t.keys}, nil
	}
	to := &routes{values: make(map[string]string, len(r.Values))}
	for _, v := range r.Values {
		to.values[v] = v
	}
	for _, by := range syncs {
		if r.Table != nil && by.Addr == *r.Table {
			t, err := s.held(ctx, by.Target)
			if err != nil {
				return nil, err
			}
			to.values = t.keys
		}
	}
	return to, nil
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
