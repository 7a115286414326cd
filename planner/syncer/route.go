package syncer

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"accord/providers"
)

// routes says which routed records a sync takes (CTRY-5).
type routes struct {
	all    bool              // CTRY-6
	values map[string]string // value → title
}

func (r *routes) takes(values list) bool {
	if r.all {
		return true
	}
	for v := range values.strings() {
		if r.has(v) {
			return true
		}
	}
	return false
}

func (r *routes) has(value string) bool {
	_, ok := r.values[value]
	return ok
}

// taken returns those of values that lead here.
func (r *routes) taken(values list) list {
	if r.all {
		return values
	}
	all := true
	var taken []byte
	for v := range values.strings() {
		if r.has(v) {
			taken = putString(taken, v)
		} else {
			all = false
		}
	}
	if all {
		return values
	}
	return list(taken)
}

// input is what a run remembers of its routes.
func (r *routes) input() string {
	if r.all {
		return allRoutes
	}
	return routesInput(slices.Sorted(maps.Keys(r.values)))
}

// remembered returns the values that routed in the run that left input behind.
func remembered(input string) (values map[string]bool, all, known bool) {
	if input == "" || input == allRoutes {
		return nil, input == allRoutes, input == allRoutes
	}
	var list []string
	if json.Unmarshal([]byte(input), &list) != nil {
		return nil, false, false
	}
	values = make(map[string]bool, len(list))
	for _, v := range list {
		values[v] = true
	}
	return values, false, true
}

// routed is what routes now, or did in the last full run. Who withdraws everything
// routes by nothing now.
func (j *job) routed() *routes {
	before, all, known := remembered(j.Memory.Inputs[inputRoutes])
	r := j.routes
	if j.Decision.Mode == Withdrawal {
		r = &routes{}
	}
	if r == nil || r.all || all || !known {
		return &routes{all: true}
	}
	led := &routes{values: make(map[string]string)}
	maps.Copy(led.values, r.values)
	for v := range before {
		led.values[v] = cmp.Or(led.values[v], v)
	}
	return led
}

// table is what the target of a route table holds: its keys with their titles,
// and the titles of those that it loses.
type table struct {
	keys   map[string]string
	gone   map[string]string
	faults string // why it may lack some: nothing is withdrawn for it
}

// lookup reads a route table that none of the syncs keeps (CONN-3).
func (s *Syncer) lookup(ctx context.Context, l *providers.Lookup) (*table, error) {
	if l.Values == nil {
		return s.held(ctx, l.End)
	}
	t := &table{keys: make(map[string]string)}
	wanted := routes{values: make(map[string]string, len(l.Values))}
	for _, v := range l.Values {
		wanted.values[v] = v
	}
	err := s.records(ctx, providers.RecordsRequest{End: l.End}, nil, func(r *providers.Record) error {
		if slices.ContainsFunc(r.Routes, wanted.has) {
			t.keys[r.Key] = r.Title
		}
		return nil
	})
	return t, err
}

// held reads what the target of a table holds now.
func (s *Syncer) held(ctx context.Context, end providers.End) (*table, error) {
	t := &table{keys: make(map[string]string)}
	err := s.records(ctx, providers.RecordsRequest{End: end}, nil, func(r *providers.Record) error {
		if r.Standing == providers.Published {
			t.keys[r.Key] = r.Title
		}
		return nil
	})
	return t, err
}

// title of a route value.
func (j *job) title(value string) string {
	if value == "" {
		return ""
	}
	return cmp.Or(j.routes.values[value], j.titles[value], j.known[value], value)
}
