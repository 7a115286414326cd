package watch

import (
	"slices"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
)

// beforeOf are the syncs that come before one where they run as well: by their
// records it routes.
func beforeOf(s *providers.Sync) []addrs.Instance {
	before := slices.Clone(s.After)
	if s.Route.Table != nil {
		before = append(before, *s.Route.Table)
	}
	return before
}

// together puts the tasks that run into groups: those of one source and mode,
// and whoever comes before one of them. Each group has the tables, too, that
// its tasks route by and that do not run.
func together(tasks []syncer.Task, run map[addrs.Instance]bool) [][]syncer.Task {
	type kind struct {
		instance addrs.Instance
		mode     syncer.Mode
	}
	first := map[kind]addrs.Instance{}
	leader := map[addrs.Instance]addrs.Instance{} // of those that run; leaders lead themselves
	find := func(a addrs.Instance) addrs.Instance {
		for leader[a] != a {
			a = leader[a]
		}
		return a
	}
	for _, t := range tasks {
		if !run[t.Sync.Addr] {
			continue
		}
		k := kind{t.Sync.Source.Instance, t.Decision.Mode}
		if _, ok := first[k]; !ok {
			first[k] = t.Sync.Addr
		}
		leader[t.Sync.Addr] = first[k]
	}
	for _, t := range tasks {
		for _, before := range beforeOf(&t.Sync) {
			if run[t.Sync.Addr] && run[before] {
				leader[find(t.Sync.Addr)] = find(before)
			}
		}
	}
	at := map[addrs.Instance]int{} // by leader
	var groups [][]syncer.Task
	for _, t := range tasks {
		if !run[t.Sync.Addr] {
			continue
		}
		l := find(t.Sync.Addr)
		if _, ok := at[l]; !ok {
			at[l], groups = len(groups), append(groups, nil)
		}
		groups[at[l]] = append(groups[at[l]], t)
	}
	byAddr := map[addrs.Instance]syncer.Task{}
	for _, t := range tasks {
		byAddr[t.Sync.Addr] = t
	}
	for i := range groups {
		groups[i] = withTables(groups[i], byAddr)
	}
	return groups
}

// withTables adds the tables, of all tasks, that a group routes by and does not
// run.
func withTables(group []syncer.Task, all map[addrs.Instance]syncer.Task) []syncer.Task {
	has := map[addrs.Instance]bool{}
	for _, t := range group {
		has[t.Sync.Addr] = true
	}
	for n := 0; n < len(group); n++ { // it grows
		for _, before := range beforeOf(&group[n].Sync) {
			t, ok := all[before]
			if !ok || has[before] {
				continue
			}
			t.Decision = syncer.Decision{At: t.Decision.At} // routed by, not run
			group, has[before] = append(group, t), true
		}
	}
	return group
}
