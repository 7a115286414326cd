// Package watch is the loop of serve: at every beat it looks at the sources,
// decides which points are due, and has the syncer run them, until it is
// stopped. What runs is what was applied.
//
// It refuses to know files, vaults and pages. What was applied comes from a
// function, and is asked for again when the state has moved; what goes on is
// told by Status. Several processes may watch the same points: a lease decides
// who runs one, and whoever finds it taken leaves it alone.
//
// Start with Watch.Run; due.go holds the decisions, which are pure.
package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// Applied is what was applied, as read at one moment.
type Applied struct {
	Serial uint64 // of the state
	Syncs  []providers.Sync
	Drift  []Drift
	Unread []Unread
	Away   map[addrs.Instance]error // instances that are not reached, and why
	At     time.Time                // set by Watch
}

// Unread is an object that could not be read, or that hangs together with one:
// syncs among them do not run, and the others do.
type Unread struct {
	Addr addrs.Instance
	Err  error
}

// Drift is an object that is not as it was applied.
type Drift struct {
	Addr addrs.Instance `json:"addr"`
	What []string       `json:"what"` // attributes; empty: it is gone
}

// Runner is the syncer, as far as the loop needs it.
type Runner interface {
	RunEach(ctx context.Context, tasks []syncer.Task, ended func(syncer.Outcome))
	Peek(ctx context.Context, tasks []syncer.Task, since time.Time) (*syncer.Sight, error)
}

// Options is what a Watch works with.
type Options struct {
	// Look reads what was applied, and the vaults' own records of it.
	Look func(ctx context.Context) (Applied, error)

	// Serial returns that of the state as it is now; it is asked at every beat.
	Serial func(ctx context.Context) (uint64, error)

	// Memories returns what the journal remembers of syncs, in their order.
	Memories func(ctx context.Context, syncs []addrs.Instance) ([]state.Memory, error)

	Runner Runner

	Interval time.Duration // between beats (CLM-9)
	Patience time.Duration // that a beat waits for a look; 0: two seconds
	Refresh  time.Duration // after which Look is asked again, moved or not; 0: one minute
	Retry    time.Duration // between runs that retry failures only; 0: one minute
	Quiet    time.Duration // between runs when nothing changes; 0: five minutes

	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Events func(Event) // may be nil; called from many goroutines
}

// Watch is one process that watches.
type Watch struct {
	opts  Options
	runs  graph.Group
	crash context.CancelFunc // ends the loop
	wake  chan struct{}

	mu       sync.Mutex
	applied  *Applied
	stale    bool // Look is asked again at the next beat
	looking  bool
	lookErr  error
	looks    int // that failed in a row
	lookNext time.Time
	points   map[addrs.Instance]*point
	sights   map[source]*sight
	answers  map[addrs.Instance]*answers
	started  time.Time
	beat     time.Time // the last that came to its end
	beats    int
	calls    int // of peeks
}

// point is what this process knows of one sync.
type point struct {
	busy    bool
	asked   bool          // someone wants a run
	only    []state.Item  // ERR-2: someone wants these to be tried again
	met     *syncer.Sight // what its last run, which came to its end, was told of
	failed  int           // runs in a row
	backoff time.Time
	turn    turn
	task    syncer.Task
	last    *syncer.Outcome
	counts  map[syncer.Status]int
	done    syncer.Counts
	took    time.Duration
	calls   int
}

// New makes a Watch.
func New(opts Options) *Watch {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&opts.Interval, 5*time.Second)
	def(&opts.Patience, 2*time.Second)
	def(&opts.Refresh, time.Minute)
	def(&opts.Retry, time.Minute)
	def(&opts.Quiet, 5*time.Minute)
	return &Watch{opts: opts, crash: func() {}, wake: make(chan struct{}, 1), points: map[addrs.Instance]*point{}, sights: map[source]*sight{}, answers: map[addrs.Instance]*answers{}}
}

// Run watches until the context ends, waits for the runs that are under way,
// which stop between two batches, and returns. The error is never that of a run.
func (w *Watch) Run(ctx context.Context) error {
	w.mu.Lock()
	w.started = w.opts.Now()
	w.mu.Unlock()
	defer func() { _ = w.runs.Wait() }()
	ctx, w.crash = context.WithCancel(ctx)
	defer w.crash()
	for {
		w.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		rest := make(chan error, 1)
		waiting, cancel := context.WithCancel(ctx)
		go func() { rest <- w.opts.Sleep(waiting, w.opts.Interval) }()
		select {
		case <-rest:
		case <-w.wake:
		}
		cancel()
	}
}

// Reprocess has items of a point tried again at the next beat, by a run that
// looks at nothing else, or by the one that is due anyway; and begins that beat
// at once (ERR-2).
func (w *Watch) Reprocess(addr addrs.Instance, items []state.Item) {
	w.mu.Lock()
	if p := w.points[addr]; p != nil {
		p.only, p.backoff = append(p.only, items...), time.Time{}
	}
	w.mu.Unlock()
	w.Wake()
}

// Refresh has what was applied looked at again, at a beat that begins at once.
func (w *Watch) Refresh() {
	w.mu.Lock()
	w.stale = true
	w.mu.Unlock()
	w.Wake()
}

// Wake begins the next beat at once.
func (w *Watch) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Request has a point run at the next beat, whether or not something changed,
// and begins that beat at once. Back-off ends with it.
func (w *Watch) Request(addr addrs.Instance) {
	w.mu.Lock()
	if p := w.points[addr]; p != nil {
		p.asked, p.backoff = true, time.Time{}
		if s := w.sights[sourceOf(&p.task.Sync)]; s != nil {
			s.backoff = time.Time{}
		}
	}
	w.mu.Unlock()
	w.Wake()
}

// once is one beat.
func (w *Watch) once(ctx context.Context) {
	began := w.opts.Now()
	defer func() {
		w.mu.Lock()
		w.beat, w.beats = w.opts.Now(), w.beats+1
		w.mu.Unlock()
	}()
	applied := w.look(ctx)
	if applied == nil || ctx.Err() != nil {
		return
	}
	tasks, err := w.decide(ctx, applied)
	if err != nil {
		w.trouble(err)
		return
	}
	w.mu.Lock()
	if w.looks == 0 {
		w.lookErr = nil
	}
	w.mu.Unlock()
	w.start(ctx, began, tasks, w.peek(ctx, tasks))
}

// look returns what was applied; nil where that is not known.
func (w *Watch) look(ctx context.Context) *Applied {
	now := w.opts.Now()
	w.mu.Lock()
	have, stale, next := w.applied, w.stale, w.lookNext
	w.mu.Unlock()
	serial, err := w.opts.Serial(ctx)
	if err != nil {
		w.trouble(fmt.Errorf("reading the state: %w", err))
		return nil
	}
	moved := have == nil || have.Serial != serial
	if !moved && !stale && now.Sub(have.At) < w.opts.Refresh {
		return have
	}
	known := have
	if moved {
		known = nil // what runs is what was applied: not what was applied before
	}
	if now.Before(next) {
		return known
	}
	surveyed := w.survey(ctx, now, moved)
	if surveyed == nil || !w.within(surveyed) {
		return known
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks > 0 || w.applied == nil || w.applied.Serial < serial || ctx.Err() != nil {
		return known
	}
	return w.applied
}

// spawn has f done beside the loop, which ends where f crashes.
func (w *Watch) spawn(f func()) {
	w.runs.Go(func() error {
		well := false
		defer func() {
			if !well {
				w.crash()
			}
		}()
		f()
		well = true
		return nil
	})
}

// within waits for something, but no longer than for the patience: a vault that
// is slow does not hold up the loop. What comes later begins a beat of its own.
func (w *Watch) within(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(w.opts.Patience):
	}
	w.spawn(func() {
		<-done
		w.Wake()
	})
	return false
}

// survey begins to read what was applied; done is closed when it has ended, and
// nil where it goes on since an earlier beat.
func (w *Watch) survey(ctx context.Context, now time.Time, moved bool) (done <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looking {
		return nil
	}
	ended := make(chan struct{})
	w.looking, w.stale = true, false
	w.spawn(func() {
		defer close(ended)
		fresh, err := w.opts.Look(ctx)
		w.mu.Lock()
		w.looking = false
		if ctx.Err() != nil {
			w.mu.Unlock()
			return
		}
		if err != nil {
			w.looks, w.stale = w.looks+1, true
			w.lookErr, w.lookNext = err, w.opts.Now().Add(backoff(w.looks, spread()))
			w.mu.Unlock()
			w.emit(Trouble{Err: err})
			return
		}
		fresh.At = now
		w.found(&fresh)
		w.mu.Unlock()
		for _, u := range fresh.Unread {
			w.emit(Trouble{Err: fmt.Errorf("%s cannot be read: %w", u.Addr, u.Err)})
		}
		w.emit(Looked{Serial: fresh.Serial, Syncs: len(fresh.Syncs), Drift: len(fresh.Drift), Moved: moved})
	})
	return ended
}

// found takes over what was applied.
func (w *Watch) found(fresh *Applied) {
	w.applied, w.lookErr, w.looks, w.lookNext = fresh, nil, 0, time.Time{}
	needed := map[addrs.Instance]bool{}
	for addr, err := range fresh.Away {
		needed[addr] = true
		w.heard(addr, err)
	}
	known := map[addrs.Instance]bool{}
	for _, u := range fresh.Unread {
		if p := w.points[u.Addr]; p != nil {
			known[u.Addr] = true
			p.turn = turn{wait: "it cannot be read: " + u.Err.Error()}
			w.blame(&p.task.Sync, u.Err)
		}
	}
	for _, s := range fresh.Syncs {
		known[s.Addr] = true
		if w.points[s.Addr] == nil {
			w.points[s.Addr] = &point{counts: map[syncer.Status]int{}}
		}
		for _, addr := range []addrs.Instance{s.Source.Instance, s.Target.Instance} {
			needed[addr] = true
			w.heard(addr, nil)
		}
	}
	for addr, p := range w.points {
		if known[addr] && p.task.Sync.Addr == addr { // unread: its vaults stay as they were
			needed[p.task.Sync.Source.Instance], needed[p.task.Sync.Target.Instance] = true, true
		}
	}
	maps.DeleteFunc(w.points, func(a addrs.Instance, p *point) bool { return !known[a] && !p.busy })
	maps.DeleteFunc(w.answers, func(a addrs.Instance, _ *answers) bool { return !needed[a] })
}

// decide brings the definitions up to the moment and decides about each.
func (w *Watch) decide(ctx context.Context, applied *Applied) ([]syncer.Task, error) {
	now := w.opts.Now()
	syncs := make([]addrs.Instance, len(applied.Syncs))
	for n := range applied.Syncs {
		syncs[n] = applied.Syncs[n].Addr
	}
	memories, err := w.opts.Memories(ctx, syncs)
	if err != nil {
		return nil, err
	}
	tasks := make([]syncer.Task, 0, len(applied.Syncs))
	for n, s := range applied.Syncs {
		if !s.Now.IsZero() {
			s.Now = s.Now.Add(now.Sub(applied.At))
		}
		t := syncer.Task{Sync: s, Memory: memories[n]}
		// A run since the look has moved both, whoever ran it.
		if last := t.Memory.Last; last != nil && last.Ended.After(applied.At) {
			t.Sync.LRT, t.Sync.LSRT = t.Memory.LastStart, t.Memory.LastSuccess
		}
		t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{}, now)
		tasks = append(tasks, t)
	}
	syncer.TablesFirst(tasks)
	for i := range tasks {
		t := &tasks[i]
		t.Decision, _ = syncer.Meanwhile(t.Sync, t.Memory, t.Decision, now)
	}
	return tasks, nil
}

// start runs what is due: what belongs together in one call, so that one read
// serves all targets of a source, and a table runs before who routes by it.
func (w *Watch) start(ctx context.Context, began time.Time, tasks []syncer.Task, seen map[source]*syncer.Sight) {
	now := w.opts.Now()
	p := pace{retry: w.opts.Retry, quiet: w.opts.Quiet}
	run := map[addrs.Instance]bool{}
	w.mu.Lock()
	for i := range tasks {
		t := &tasks[i]
		pt := w.points[t.Sync.Addr]
		if pt == nil {
			continue
		}
		sight := seen[sourceOf(&t.Sync)]
		changed := pt.asked || sight != nil && sight.New(pt.met)
		pt.turn = due(t.Decision, t.Memory, changed, pt.backoff, p, now)
		if d := syncer.Decide(t.Sync, t.Memory, syncer.Request{Only: pt.only}, now); len(pt.only) > 0 && !pt.turn.run && d.Has(syncer.Reprocess) {
			t.Decision, pt.turn = d, turn{run: true}
		}
		pt.task = *t
		if pt.busy {
			pt.turn = turn{wait: "it runs"}
		}
		run[t.Sync.Addr] = pt.turn.run
	}
	// Who routes by a table that is about to run in full, or runs, waits for it;
	// not with what changed for the delay that the table itself waits for (CTRY-7).
	for changed := true; changed; {
		changed = false
		for _, t := range tasks {
			for _, before := range beforeOf(&t.Sync) {
				b := w.points[before]
				if b == nil || !run[t.Sync.Addr] {
					continue
				}
				delayed := t.Decision.Mode == syncer.Incremental && now.Before(b.task.Decision.EarliestStart)
				if b.busy || b.task.Decision.Mode == syncer.Full && !run[before] && b.turn.till.After(now) && !delayed {
					run[t.Sync.Addr], changed = false, true
					w.points[t.Sync.Addr].turn = turn{wait: fmt.Sprintf("%s comes first", before)}
				}
			}
		}
	}
	groups := together(tasks, run)
	for _, g := range groups {
		for _, t := range g {
			if run[t.Sync.Addr] {
				w.points[t.Sync.Addr].busy, w.points[t.Sync.Addr].asked, w.points[t.Sync.Addr].only = true, false, nil
			}
		}
	}
	w.mu.Unlock()
	for _, g := range groups {
		w.spawn(func() {
			w.run(ctx, began, g, run, seen)
		})
	}
}

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
	type key struct {
		instance addrs.Instance
		mode     syncer.Mode
	}
	byAddr := map[addrs.Instance]syncer.Task{}
	first := map[key]addrs.Instance{}
	leader := map[addrs.Instance]addrs.Instance{}
	find := func(a addrs.Instance) addrs.Instance {
		for leader[a] != a {
			a = leader[a]
		}
		return a
	}
	for _, t := range tasks {
		byAddr[t.Sync.Addr] = t
		if !run[t.Sync.Addr] {
			continue
		}
		k := key{t.Sync.Source.Instance, t.Decision.Mode}
		leader[t.Sync.Addr] = t.Sync.Addr
		if other, ok := first[k]; ok {
			leader[t.Sync.Addr] = find(other)
		} else {
			first[k] = t.Sync.Addr
		}
	}
	for _, t := range tasks {
		for _, before := range beforeOf(&t.Sync) {
			if run[t.Sync.Addr] && run[before] {
				leader[find(t.Sync.Addr)] = find(before)
			}
		}
	}
	index := map[addrs.Instance]int{}
	var groups [][]syncer.Task
	for _, t := range tasks {
		if !run[t.Sync.Addr] {
			continue
		}
		l := find(t.Sync.Addr)
		i, ok := index[l]
		if !ok {
			i = len(groups)
			index[l], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], t)
	}
	for i := range groups {
		has := map[addrs.Instance]bool{}
		for _, t := range groups[i] {
			has[t.Sync.Addr] = true
		}
		for n := 0; n < len(groups[i]); n++ {
			for _, before := range beforeOf(&groups[i][n].Sync) {
				t, ok := byAddr[before]
				if !ok || has[before] {
					continue
				}
				t.Decision = syncer.Decision{At: t.Decision.At} // routed by, not run
				groups[i], has[before] = append(groups[i], t), true
			}
		}
	}
	return groups
}

// run is one call of the syncer and what is learned from it. A point may run
// again once it has ended itself, and whoever routes by it: those of a vault that
// is slow do not keep the others.
func (w *Watch) run(ctx context.Context, round time.Time, tasks []syncer.Task, chosen map[addrs.Instance]bool, seen map[source]*syncer.Sight) {
	defer w.Wake()
	began := w.opts.Now()
	uses := map[addrs.Instance][]addrs.Instance{} // by who runs: itself, and what it routes by
	left := map[addrs.Instance]int{}              // by who runs: uses that have not ended
	for _, t := range tasks {
		if t.Decision.Mode != syncer.None && chosen[t.Sync.Addr] {
			uses[t.Sync.Addr] = append(beforeOf(&t.Sync), t.Sync.Addr)
		}
	}
	for _, all := range uses {
		for _, a := range all {
			left[a]++
		}
	}
	free := func(a addrs.Instance) {
		if p := w.points[a]; p != nil && uses[a] != nil {
			p.busy = false
		}
		delete(left, a)
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for a := range left {
			free(a)
		}
	}()
	w.opts.Runner.RunEach(ctx, tasks, func(o syncer.Outcome) {
		w.mu.Lock()
		w.learn(&o, began, seen)
		took := w.opts.Now().Sub(round)
		for _, a := range uses[o.Addr] {
			if left[a]--; left[a] == 0 {
				free(a)
			}
		}
		w.mu.Unlock()
		w.emit(Ran{Outcome: o, Round: took})
	})
}

// learn notes how a run ended.
func (w *Watch) learn(o *syncer.Outcome, began time.Time, seen map[source]*syncer.Sight) {
	p := w.points[o.Addr]
	if p == nil {
		return
	}
	p.last = o
	p.counts[o.Status]++
	p.calls += o.Calls
	p.took += w.opts.Now().Sub(began)
	p.done = added(p.done, o.Done)
	switch o.Status {
	case syncer.Clean, syncer.Faulty, syncer.Skipped:
		if o.Status != syncer.Skipped {
			w.heard(p.task.Sync.Source.Instance, nil)
			w.heard(p.task.Sync.Target.Instance, nil)
		}
		p.failed, p.backoff = 0, time.Time{}
		if sight := seen[sourceOf(&p.task.Sync)]; sight != nil && len(o.Decision.Only) == 0 {
			p.met = sight
		}
	case syncer.Locked, syncer.Interrupted:
	case syncer.Refused:
		// Nothing changes by itself: a limit is lifted by an apply.
		p.failed++
		p.backoff = w.opts.Now().Add(mostBackoff)
	default:
		w.blame(&p.task.Sync, o.Err)
		p.failed++
		p.backoff = w.opts.Now().Add(backoff(p.failed, spread()))
		w.stale = true
	}
}

func added(a, b syncer.Counts) syncer.Counts {
	a.Added += b.Added
	a.Updated += b.Updated
	a.Withdrawn += b.Withdrawn
	a.Restored += b.Restored
	a.Unchanged += b.Unchanged
	a.Kept += b.Kept
	a.Exceptions += b.Exceptions
	return a
}

func (w *Watch) trouble(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	w.mu.Lock()
	w.lookErr = err
	w.mu.Unlock()
	w.emit(Trouble{Err: err})
}
