package syncer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
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

// within is a table less what only others route by.
func (s *Syncer) within(ctx context.Context, t *table, by *providers.Lookup) (*table, error) {
	own, err := s.lookup(ctx, by)
	if err != nil {
		return nil, err
	}
	narrow := &table{keys: make(map[string]string, len(own.keys)), gone: t.gone, faults: t.faults}
	for key, title := range t.keys {
		if _, ok := own.keys[key]; ok {
			narrow.keys[key] = title
		}
	}
	return narrow, nil
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

// route settles where a job's records go, and whether a route table that
// turned out changed makes its run full (CTRY-10).
func (s *Syncer) route(ctx context.Context, j *job, byAddr map[addrs.Instance]*job, writing bool) error {
	if writing && j.Decision.Mode != None {
		for _, before := range j.before(byAddr) {
			if before.failed() {
				j.ran, j.status = true, Blocked
				return providers.Errorf(providers.Refused, "%s did not run, since %s did not come to its end", j.Sync.Addr, before.Sync.Addr)
			}
		}
	}
	if writing && j.Sync.Engine == providers.EnginePlatform {
		return nil // that engine routes by itself
	}
	if j.Decision.Mode == Withdrawal {
		j.routes = &routes{all: true}
		return nil
	}
	var by *job
	if t := j.Sync.Route.Table; t != nil {
		if by = byAddr[*t]; by == nil {
			return providers.Errorf(providers.Internal, "%s routes by %s, which is not among the syncs", j.Sync.Addr, *t)
		}
	}
	if j.Decision.Mode == None && (by == nil || by.Decision.Mode == None || by.failed() || !j.Sync.Active || j.Decision.Idle != "") {
		return nil
	}
	r := j.Sync.Route
	var t *table
	var err error
	switch {
	case r.All:
		j.routes = &routes{all: true}
		return nil
	case by != nil:
		t, err = s.tableOf(ctx, by, writing)
	case r.Lookup != nil:
		t, err = s.lookup(ctx, r.Lookup)
	default:
		t = &table{keys: make(map[string]string, len(r.Values))}
		for _, v := range r.Values {
			t.keys[v] = v
		}
	}
	if err == nil && r.Within != nil {
		t, err = s.within(ctx, t, r.Within)
	}
	if err != nil {
		return fmt.Errorf("reading the route table: %w", err)
	}
	j.routes, j.titles, j.withheld = &routes{values: t.keys}, t.gone, t.faults
	if (by != nil || r.Lookup != nil) && j.Sync.Engine != providers.EnginePlatform {
		j.escalate()
	}
	return nil
}

// escalate makes a run full whose route table differs from the last run's, or
// has no faults any more that kept the last run from withdrawing; or where nobody
// here knows what the last run was routed by, which somebody else made. Who wants a few
// items to be tried again gets no more than that: the next run is full (ERR-2).
func (j *job) escalate() {
	d := &j.Decision
	if len(d.Only) > 0 {
		return
	}
	before, known := j.Memory.Inputs[inputRoutes]
	caughtUp := j.Memory.Inputs[inputWithheld] != "" && j.withheld == ""
	reason := RouteTableChanged
	switch {
	case !known && d.Mode == Incremental && d.HeldBack == "":
		reason = RoutesUnknown
	case !known, before == j.routes.input() && !caughtUp:
		return
	}
	if d.Mode != Full {
		d.Reasons, d.Since, d.HeldBack = nil, time.Time{}, ""
	}
	d.Mode, d.Step = Full, true
	if !d.Has(reason) {
		d.Reasons = append(d.Reasons, reason)
	}
}

// tableOf returns what the target of a table holds: after its change list, or
// after its run, or as it is. The platform's engine keeps its own up to date by
// itself, and before it routes by it: a preview takes what will be there.
func (s *Syncer) tableOf(ctx context.Context, by *job, writing bool) (*table, error) {
	if by.table != nil && by.whole && (!writing || by.status == Clean) {
		return by.table, nil // all of it was read, and all that was to be done is done
	}
	if by.table == nil && !writing && by.Sync.Active && by.Sync.Engine == providers.EnginePlatform {
		return s.lookup(ctx, &providers.Lookup{End: by.Sync.Source, Values: by.Sync.Route.Values})
	}
	t, err := s.held(ctx, by.Sync.Target)
	if err != nil {
		return nil, err
	}
	if by.table != nil {
		t.gone = by.table.gone
	}
	if by.table != nil && !writing { // an incremental run looks at some
		for key := range t.gone {
			delete(t.keys, key)
		}
		maps.Copy(t.keys, by.table.keys)
		return t, nil
	}
	last := by.Memory.Last
	never, faulty := last == nil, by.Memory.Failures > 0 || last != nil && last.Outcome != state.Clean
	if by.Sync.Engine == providers.EnginePlatform { // of whose runs its run times tell (CLM-8)
		never, faulty = by.Sync.LSRT.IsZero(), by.Sync.LRT.After(by.Sync.LSRT)
	}
	switch {
	case by.ran && by.status != Clean:
		t.faults = fmt.Sprintf("the run of %s had errors", by.Sync.Addr)
	case by.ran && len(by.Decision.Only) == 0: // a run of a few items does not look at the others
	case never:
		t.faults = fmt.Sprintf("%s has never run", by.Sync.Addr)
	case faulty:
		t.faults = fmt.Sprintf("the last run of %s had errors", by.Sync.Addr)
	}
	return t, nil
}
