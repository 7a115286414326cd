// Package watch is the loop of serve: at every beat it looks at the sources,
// decides which points are due, and has the syncer run them, until it is
// stopped. What runs is what was applied.
//
// It refuses to know files, vaults and pages. What was applied comes from a
// function, and is asked for again when the state has moved; what goes on is
// told by Status. Several processes may watch the same points: a lease decides
// who runs one, and whoever finds it taken leaves it alone.
//
// Start with Watch.Run. What was applied is looked at in applied.go, sources in
// sight.go; point.go gives each point its turn, and runs it. What is decided is
// decided purely: by the agenda of a point, and by the survey of what was applied.
package watch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/planner/syncer"
	"accord/state"
)

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

	// Moved reports of each sync of what was applied whether the state has by now another
	// thing for it to go by: an apply may be about it that has not come to its end. It is
	// asked when something is about to run. Nil: nothing ever moves.
	Moved func(ctx context.Context, applied *Applied) (map[addrs.Instance]bool, error)

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
	opts Options
	pace pace
	runs graph.Group
	wake chan struct{}

	mu      sync.Mutex
	survey  survey
	err     error     // what keeps it from running anything, or did
	lost    time.Time // since when the state, or its journal, cannot be read; zero: it can
	reads   time.Time // since when the loop waits for what these answer; zero: it does not
	points  map[addrs.Instance]*point
	sights  map[source]*sight
	answers map[addrs.Instance]*answers
	started time.Time
	beat    time.Time // the last that came to its end
	beats   int
	calls   int // of peeks
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
	return &Watch{
		opts: opts, pace: pace{retry: opts.Retry, quiet: opts.Quiet, beat: opts.Interval}, wake: make(chan struct{}, 1),
		points: map[addrs.Instance]*point{}, sights: map[source]*sight{}, answers: map[addrs.Instance]*answers{},
	}
}

// Run watches until the context ends, waits for the runs that are under way,
// which stop between two batches, and returns. The error is never that of a run.
func (w *Watch) Run(ctx context.Context) error {
	w.mu.Lock()
	w.started = w.opts.Now()
	w.mu.Unlock()
	defer func() { _ = w.runs.Wait() }()
	ctx, end := context.WithCancel(ctx)
	defer end()
	w.runs.Crashed = end
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
		p.agenda.ask(wish{items: items})
	}
	w.mu.Unlock()
	w.hurry()
}

// Refresh has what was applied looked at again, at a beat that begins at once.
func (w *Watch) Refresh() {
	w.mu.Lock()
	w.survey.stale = true
	w.mu.Unlock()
	w.hurry()
}

// hurry begins the next beat at once.
func (w *Watch) hurry() {
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
		p.agenda.ask(wish{run: true})
		if s := w.sights[sourceOf(&p.task.Sync)]; s != nil {
			s.pause.till = time.Time{}
		}
	}
	w.mu.Unlock()
	w.hurry()
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
	w.lost = time.Time{}
	if w.survey.pause.failed == 0 {
		w.err = nil
	}
	w.mu.Unlock()
	seen := w.peek(ctx, tasks)
	if w.anything(tasks, seen) { // which another process may have run meanwhile, or an apply changed
		if tasks, err = w.decide(ctx, applied); err == nil {
			err = w.leaveMoved(ctx, applied, tasks)
		}
		if err != nil {
			w.trouble(err)
			return
		}
	}
	w.start(ctx, began, tasks, seen)
}

// leaveMoved has those not run, in place, that something else was applied for since
// they were looked at; they are looked at again.
func (w *Watch) leaveMoved(ctx context.Context, applied *Applied, tasks []syncer.Task) error {
	if w.opts.Moved == nil {
		return nil
	}
	read := w.reading()
	moved, err := w.opts.Moved(ctx, applied)
	if read(); err != nil {
		return err
	}
	w.leave(tasks, moved)
	return nil
}

// leave has tasks not run, in place, before what was applied has been looked at again:
// these, and those that route by one of them.
func (w *Watch) leave(tasks []syncer.Task, these map[addrs.Instance]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range tasks {
		t := &tasks[n]
		if these[t.Sync.Addr] || slices.ContainsFunc(beforeOf(&t.Sync), func(a addrs.Instance) bool { return these[a] }) {
			w.survey.stale = true
			t.Decision = syncer.Decision{At: t.Decision.At, Idle: "something else is being applied"}
		}
	}
}

// reading notes that the state, or its journal, is being read, until over is called.
// Where these do not answer nothing tells but the time that it takes.
func (w *Watch) reading() (over func()) {
	note := func(since time.Time) {
		w.mu.Lock()
		w.reads = since
		w.mu.Unlock()
	}
	note(w.opts.Now())
	return func() { note(time.Time{}) }
}

// spawn has f done beside the loop, which ends where f crashes.
func (w *Watch) spawn(f func()) { w.runs.Go(func() error { f(); return nil }) }

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
		w.hurry()
	})
	return false
}

// decide brings the definitions up to the moment and decides about each. One that has
// been run since by a newer definition is left alone: what was applied is looked at again
// first, though its state may not have moved yet.
func (w *Watch) decide(ctx context.Context, applied *Applied) ([]syncer.Task, error) {
	now := w.opts.Now()
	syncs := make([]addrs.Instance, len(applied.Syncs))
	for n := range applied.Syncs {
		syncs[n] = applied.Syncs[n].Addr
	}
	read := w.reading()
	memories, err := w.opts.Memories(ctx, syncs)
	if read(); err != nil {
		return nil, err
	}
	tasks := make([]syncer.Task, 0, len(applied.Syncs))
	var waiting []syncer.Task // whose tables are not to run for them
	overtaken := map[addrs.Instance]bool{}
	for n, s := range applied.Syncs {
		if !s.Now.IsZero() {
			s.Now = s.Now.Add(now.Sub(applied.At))
		}
		t := syncer.Task{Sync: s, Memory: memories[n]}
		if syncer.Overtaken(s, applied.Before[s.Addr], t.Memory) {
			overtaken[s.Addr] = true
			tasks = append(tasks, t)
			continue
		}
		// A run since the look has moved both, whoever ran it.
		if last, before := t.Memory.Last, applied.Before[s.Addr].Last; last != nil && !last.Ended.IsZero() && (before == nil || !before.Ended.Equal(last.Ended)) {
			t.Sync.LRT, t.Sync.LSRT = t.Memory.LastStart, t.Memory.LastSuccess
		}
		t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{}, now)
		if paused := w.paused(&t, now); paused && t.Sync.Route.Table != nil {
			waiting = append(waiting, t)
			continue
		}
		tasks = append(tasks, t)
	}
	syncer.TablesFirst(tasks)
	tasks = append(tasks, waiting...)
	for i := range tasks {
		t := &tasks[i]
		t.Decision, _ = syncer.Meanwhile(t.Sync, t.Memory, t.Decision, now)
	}
	w.leave(tasks, overtaken)
	return tasks, nil
}

// paused reports whether a point that failed, or that another process runs, is left
// alone for now.
func (w *Watch) paused(t *syncer.Task, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.points[t.Sync.Addr]
	if p == nil {
		return false
	}
	p.agenda.released(t.Memory.Last)
	return !p.agenda.pause.over(now)
}

// trouble notes that the state, or its journal, could not be read.
func (w *Watch) trouble(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	w.mu.Lock()
	told := w.err != nil && w.err.Error() == err.Error()
	if w.err = err; w.lost.IsZero() {
		w.lost = w.opts.Now()
	}
	w.mu.Unlock()
	if !told { // at the beat before
		w.emit(Trouble{Err: err})
	}
}
