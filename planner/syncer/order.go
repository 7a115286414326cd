package syncer

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/state"
)

// job is one task on its way through the pipeline.
type job struct {
	Task
	s *Syncer

	parts   []schema.Part // of both streams
	routes  *routes
	titles  map[string]string // of route values, those that no longer lead here included
	known   map[string]string // of route values, wherever they lead
	whole   bool              // all of both ends was read
	asked   bool              // the target was asked for what changed, beside others
	asTable bool              // another sync routes by its target
	table   *table            // what its target holds in the end, when asTable and it ran

	withheld  string // why nothing is withdrawn
	keptBack  bool   // something would be, but for that
	obstacles []providers.Diagnostic

	class    *class
	mappings []mapping   // by part
	refs     *references // nil: all of them match
	target   []frames    // what the target holds, by part
	tally    *tally
	changes  []frames // by part
	read     meter    // of the target
	impact   *Impact

	mended    bool     // something that is kept is made whole again
	unmatched []frames // by part: items that will be there, and what they refer to in vain
	matched   []string // references of the journal that have a match by now

	// of a run of the platform's engine
	followed *Followed
	faulty   bool

	// of a run
	ran      bool
	run      *run
	skipped  bool
	horizon  time.Time // where the next incremental read begins
	done     Counts
	failures int
	first    []Failure // of them
	ended    state.Run
	status   Status
	err      error

	// among others
	once sync.Once
	over chan struct{} // closed when it is
}

const (
	// concurrency is how many targets, and how many sources, go on at once.
	concurrency = 4
	// asking is how many are asked a little at once.
	asking = 16
)

// through takes tasks through the pipeline: tables before those that route by
// them, and all targets of one source together. The error concerns them all.
// over is told of each job that is over, from many goroutines.
func (s *Syncer) through(ctx context.Context, tasks []Task, writing bool, over func(*job)) ([]*job, error) {
	jobs := make([]*job, len(tasks))
	byAddr := make(map[addrs.Instance]*job, len(tasks))
	for i, t := range tasks {
		jobs[i] = &job{Task: t, s: s}
		byAddr[t.Sync.Addr] = jobs[i]
	}
	for _, j := range jobs {
		if t := j.Sync.Route.Table; t != nil && byAddr[*t] != nil {
			byAddr[*t].asTable = true
		}
	}
	if err := inOrder(jobs, byAddr); err != nil {
		return jobs, err
	}
	s.gather(ctx, jobs, byAddr, writing, over)
	return jobs, nil
}

// inOrder reports an error where a job would have to wait for itself.
func inOrder(jobs []*job, byAddr map[addrs.Instance]*job) error {
	const visiting, visited = 1, 2
	at := make(map[*job]int, len(jobs))
	var visit func(j *job) error
	visit = func(j *job) error {
		switch at[j] {
		case visiting:
			return providers.Errorf(providers.Internal, "%s runs after itself", j.Sync.Addr)
		case visited:
			return nil
		}
		at[j] = visiting
		for _, before := range j.before(byAddr) {
			if err := visit(before); err != nil {
				return err
			}
		}
		at[j] = visited
		return nil
	}
	for _, j := range jobs {
		if err := visit(j); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) before(byAddr map[addrs.Instance]*job) []*job {
	var before []*job
	if t := j.Sync.Route.Table; t != nil && byAddr[*t] != nil {
		before = append(before, byAddr[*t])
	}
	for _, a := range j.Sync.After {
		if b := byAddr[a]; b != nil && b != j {
			before = append(before, b)
		}
	}
	return before
}

// passKey is what jobs have in common that pass together.
type passKey struct {
	instance      addrs.Instance
	stream, scope string
	mode          Mode
	narrow        bool
}

func passOf(j *job) passKey {
	return passKey{j.Sync.Source.Instance, j.Sync.Source.Stream, string(j.Sync.Source.Scope), j.Decision.Mode, len(j.Decision.Only) > 0}
}

// byPass puts jobs together that read one source in one mode.
func byPass(jobs []*job) [][]*job {
	index := make(map[passKey]int)
	var passes [][]*job
	for _, j := range jobs {
		k := passOf(j)
		i, ok := index[k]
		if !ok {
			i = len(passes)
			index[k] = i
			passes = append(passes, nil)
		}
		passes[i] = append(passes[i], j)
	}
	return passes
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
// has no faults any more that kept the last run from withdrawing. Who wants a few
// items to be tried again gets no more than that: the next run is full (ERR-2).
func (j *job) escalate() {
	if len(j.Decision.Only) > 0 {
		return
	}
	before, known := j.Memory.Inputs[inputRoutes]
	caughtUp := j.Memory.Inputs[inputWithheld] != "" && j.withheld == ""
	if !known || before == j.routes.input() && !caughtUp {
		return
	}
	d := &j.Decision
	if d.Mode != Full {
		d.Reasons, d.Since, d.HeldBack = nil, time.Time{}, ""
	}
	d.Mode, d.Step = Full, true
	if !d.Has(RouteTableChanged) {
		d.Reasons = append(d.Reasons, RouteTableChanged)
	}
}

// tableOf returns what the target of a table holds: after its change list, or
// after its run, or as it is.
func (s *Syncer) tableOf(ctx context.Context, by *job, writing bool) (*table, error) {
	if by.table != nil && by.whole && (!writing || by.status == Clean) {
		return by.table, nil // all of it was read, and all that was to be done is done
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
	switch last := by.Memory.Last; {
	case by.ran && by.status == Clean:
	case by.ran:
		t.faults = fmt.Sprintf("the run of %s had errors", by.Sync.Addr)
	case last == nil:
		t.faults = fmt.Sprintf("%s has never run", by.Sync.Addr)
	case last.Outcome != state.Clean:
		t.faults = fmt.Sprintf("the last run of %s had errors", by.Sync.Addr)
	}
	return t, nil
}

// failed: whoever depends on it must not run.
func (j *job) failed() bool {
	return j.err != nil || j.ran && j.status != Clean && j.status != Faulty && j.status != Skipped
}
