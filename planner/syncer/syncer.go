// Package syncer decides, previews and runs syncs: it brings what a source
// stream holds to the targets that shall have it.
//
// It knows records, parts, members, standings, routes and rules. It refuses to
// know what a document is, where a stream comes from, and how anything is
// reached: that is the providers' side of the contract. A preview and a run
// are one pipeline, of which a preview leaves out the end:
//
//	decide.go      whether it runs, how, and why: what is other than last time
//	               (inputs.go), and when (timing.go); pure
//	owed.go        what was promised of a run that is yet to be made
//	job.go         one task on its way through
//	order.go       which syncs go together, and after which
//	gather.go      how long they wait for each other, and how many go on at once (slots.go)
//	read.go        a stream into spools, each part in key order; what can be is read
//	               early (early.go), and of many targets at once (beside.go)
//	route.go       which routed records a sync takes
//	ask.go         what targets hold and the read did not yield is asked for
//	judge.go       which containers are complete
//	rules.go       source fields to target fields; pure
//	unmatched.go   what referred to nothing, and does no longer
//	compare.go     the source and its targets, key by key, into a list of changes for each (change.go)
//	mend.go        what lost a part of it, and could have it again
//	fate.go        what shall become of one item; pure
//	outside.go     what an incremental run does not look at, and needs what it does
//	confirm.go     what would lose all it holds is asked for once more
//	check.go       limits, and what a plan promised; pure
//	write.go       the changes, in phases and batches
//	run.go         one run on record: lease, journal, Finish
//	exceptions.go  what fails, as records where the target keeps them
//	follow.go      instead of all that: a run of the platform's own engine
//
// Everything that grows with a library lies in temporary files (spool.go,
// sort.go, frame.go), and is taken apart as far as somebody looks. Absence never
// removes: what is withdrawn was read, and a rule names it. Start with
// Syncer.Preview, then order.go and compare.go.
package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/state"
)

// Options is what a Syncer works with.
type Options struct {
	// Provider returns whose an instance is, configured, and its schema.
	Provider func(addrs.Instance) (providers.Provider, *schema.Provider)

	Journal   state.Journal // nil: only Preview, which then retries no failures
	Operation string        // for the lease: "apply", "sync", "serve"
	Tell      []string      // who is told of runs, as the journal names them (CONN-6)
	WorkDir   string        // where temporary files go, in a folder of their own
	Limits    Limits
	InFlight  int           // write batches in flight for each target; 0: 4
	Settle    time.Duration // how long a call of a process that died may still land

	// Patience is how long is waited for a vault that is slower than the others:
	// these go on without it then, and it follows alone. 0: for ever.
	Patience time.Duration

	FollowFor time.Duration // how long a run of the platform's engine is waited for; 0: an hour

	Now    func() time.Time                           // nil: time.Now
	Sleep  func(context.Context, time.Duration) error // nil: really
	Events func(Event)                                // nil: nobody watches

	// Named has an Impact name every item, and not only the first: what a preview
	// takes in memory grows with what it would change, then.
	Named bool

	// SortBudget is how much memory one sort may take; 0: 4 MiB. A few sorts
	// go on at once for each target that is being compared.
	SortBudget int
}

// Task is one sync, as planned, and what was decided about it.
type Task struct {
	Sync     providers.Sync
	Memory   state.Memory    // that the decision was made upon
	Decision Decision        // Mode None: not to be run, but others may route by its target
	Promise  *Promise        // what the plan showed; nil: nothing to keep
	Allow    state.Allowance // and what the Memory allows
	Sight    *Sight          // of the source, that it runs upon; nil: nobody looked before
}

// Syncer previews and runs syncs. It may be used by many goroutines, as long
// as no two of them run one sync.
type Syncer struct {
	opts   Options
	made   time.Time
	dir    string
	files  atomic.Int64
	events sync.Mutex
	noted  map[addrs.Instance]*providers.EngineState // see Note
}

// What a Syncer takes where Options say nothing.
const (
	inFlight     = 4
	sortBudget   = 4 << 20
	smallFrames  = 64 << 10
	sharedFrames = 1 << 20
	leftOver     = 48 * time.Hour // a folder of another Syncer that is older was left by a crash
)

// New makes a Syncer and its folder below WorkDir.
func New(opts Options) (*Syncer, error) {
	if opts.InFlight <= 0 {
		opts.InFlight = inFlight
	}
	if opts.SortBudget <= 0 {
		opts.SortBudget = sortBudget
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Sleep == nil {
		opts.Sleep = Sleep
	}
	if err := os.MkdirAll(opts.WorkDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for temporary files: %w", err)
	}
	sweep(opts.WorkDir)
	dir, err := os.MkdirTemp(opts.WorkDir, "sync-")
	if err != nil {
		return nil, fmt.Errorf("making the folder for temporary files: %w", err)
	}
	return &Syncer{opts: opts, made: opts.Now(), dir: dir}, nil
}

// Close removes all temporary files.
func (s *Syncer) Close() error { return os.RemoveAll(s.dir) }

func sweep(workDir string) {
	left, _ := filepath.Glob(filepath.Join(workDir, "sync-*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > leftOver {
			os.RemoveAll(dir)
		}
	}
}

// Sleep waits for a time, or returns the context's error when that ends before.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Preview says what the tasks would do. A broken limit is a Verdict of the
// Impact; the error is that something could not be read.
func (s *Syncer) Preview(ctx context.Context, tasks []Task) ([]Impact, error) {
	jobs, err := s.through(ctx, tasks, false, func(*job) {})
	if err != nil {
		return nil, err
	}
	var impacts []Impact
	var errs []error
	for _, j := range jobs {
		switch {
		case j.err != nil && len(j.obstacles) > 0: // it is why: what may not be read cannot be previewed
			errs = append(errs, fmt.Errorf("%s: %w", j.Sync.Addr, blocked(j.obstacles)))
		case j.err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", j.Sync.Addr, j.err))
		case j.impact != nil:
			impacts = append(impacts, *j.impact)
		}
	}
	return impacts, errors.Join(errs...)
}

// Run runs the tasks. It returns an outcome for each that ran or should have,
// in the order of the tasks. What fails stops neither the others nor, where it
// is an item, its own run.
func (s *Syncer) Run(ctx context.Context, tasks []Task) []Outcome {
	place := make(map[addrs.Instance]int, len(tasks))
	for n, t := range tasks {
		place[t.Sync.Addr] = n
	}
	var mu sync.Mutex
	var outcomes []Outcome
	s.RunEach(ctx, tasks, func(o Outcome) {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, o)
	})
	slices.SortFunc(outcomes, func(a, b Outcome) int { return cmp.Compare(place[a.Addr], place[b.Addr]) })
	return outcomes
}

// RunEach does what Run does, and tells of each outcome as soon as it is known,
// from many goroutines. It returns when all have been told of.
func (s *Syncer) RunEach(ctx context.Context, tasks []Task, ended func(Outcome)) {
	jobs, err := s.through(ctx, tasks, true, func(j *job) {
		if j.ran || j.err != nil {
			ended(j.outcome())
		}
	})
	if err == nil {
		return
	}
	for _, j := range jobs {
		j.err = err
		ended(j.outcome())
	}
}

func (s *Syncer) emit(e Event) {
	if s.opts.Events == nil {
		return
	}
	s.events.Lock()
	defer s.events.Unlock()
	s.opts.Events(e)
}

func (s *Syncer) scratch() scratch {
	return scratch{dir: s.dir, budget: s.opts.SortBudget, small: min(smallFrames, s.opts.SortBudget), next: &s.files}
}

// stream returns the provider of an end and the schema of its stream.
func (s *Syncer) stream(end providers.End) (providers.Provider, *schema.Stream, error) {
	p, sch := s.opts.Provider(end.Instance)
	if p == nil || sch == nil {
		return nil, nil, providers.Errorf(providers.Internal, "%s has no provider", end.Instance)
	}
	stream := sch.Stream(end.Stream)
	if stream == nil {
		return nil, nil, providers.Errorf(providers.Internal, "provider %s has no stream %q", sch.Name, end.Stream)
	}
	return p, stream, nil
}
