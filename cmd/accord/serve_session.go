package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/graph"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

// errMoved says that what was applied needs other vaults, or the same ones
// otherwise: providers are started anew.
var errMoved = errors.New("the settings or the vaults are others, or these are reached otherwise")

// servePatience is how long vaults wait for one that is slower than they are:
// with the interval it leaves what changes time to be there within 10 s (CLM-9).
const servePatience = 2 * time.Second

// session is the time from one start of the providers to the next.
type session struct {
	*server
	*workspace
	watch *watch.Watch

	vaults   *reach
	settings planner.Settings
	lines    atomic.Pointer[func(addrs.Instance) string] // where blocks are declared, as of what was applied last
	told     atomic.Pointer[toldExceptions]              // as of the last look
	end      context.CancelCauseFunc
	ran      map[string]chan struct{} // by who is told, that a run has ended
}

// errNothing is why a session waits for the first apply.
var errNothing = errors.New("nothing has been applied yet; run: accord apply")

// errOtherServer is why a session on development vaults ends.
var errOtherServer = errors.New("the development server was started anew")

// session opens everything anew and watches until something asks for another, which
// ends its context.
func (s *server) session(ctx context.Context, end context.CancelCauseFunc) error {
	w, err := s.cli.load()
	if err != nil {
		return err
	}
	defer w.Close()
	w.holds, w.patience = "serve", servePatience
	if err := w.openProviders(ctx); err != nil {
		return err
	}
	if err := w.arrive(); err != nil {
		return err
	}
	if err := w.openState(ctx); err != nil {
		return err
	}
	if _, none := w.journal.(state.NoJournal); none {
		return state.ErrNoJournal
	}
	on := &session{server: s, workspace: w, end: end}
	st, err := on.firstApply(ctx)
	if err != nil {
		return err
	}
	on.vaults = newReach(on, w.planner.AppliedInstances(st))
	w.landing = landingIn(on.vaults.instances)
	if err := w.openSyncer(on.settings, nil); err != nil {
		return err
	}
	on.locate(w.config)
	on.watch = watch.New(watch.Options{
		Look: on.look, Serial: on.serial, Moved: on.moved, Memories: w.journal.Memories,
		Runner: w.planner.Syncer, Interval: on.interval(), Patience: servePatience,
		Now: time.Now, Sleep: syncer.Sleep, Events: on.event,
	})
	defer on.vaults.wait()
	defer end(nil)
	if err := on.vaults.begin(ctx); err != nil {
		return err
	}
	on.ran = map[string]chan struct{}{}
	s.untold.Clear()
	telling := graph.Group{Crashed: func() { end(nil) }}
	for _, name := range planner.Told(w.config.Settings) {
		on.ran[name] = make(chan struct{}, 1)
	}
	for _, n := range w.config.Settings.Notify {
		telling.Go(func() error { on.keepTelling(ctx, n, st.Lineage); return nil })
	}
	defer func() { _ = telling.Wait() }()
	defer end(nil)
	s.now.Store(on)
	defer s.now.CompareAndSwap(on, nil) // unless the next one has begun
	if err := on.watch.Run(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// locate notes where the blocks of a configuration are declared.
func (s *session) locate(config *lang.Config) {
	lines := linesOf(config)
	s.lines.Store(&lines)
}

// relocate reads the files again, which have changed with what was applied.
// While they cannot be read, blocks are where they were.
func (s *session) relocate() {
	config, diags := lang.Load(s.dir)
	if diags.HasErrors() {
		s.log.Warn("the files cannot be read, so that exceptions name the lines that they had", "error", clean(diags.Error()))
		return
	}
	s.locate(config)
}

func (s *session) interval() time.Duration {
	if s.opts.interval > 0 {
		return s.opts.interval
	}
	return s.workspace.config.Settings.Serve.Interval
}

// firstApply waits until something has been applied.
func (s *session) firstApply(ctx context.Context) (*state.State, error) {
	for said := false; ; said = true {
		st, err := s.store.Read(ctx)
		if err != nil {
			return nil, err
		}
		if settings, ok := planner.AppliedSettings(st); ok {
			s.settings = settings
			return st, nil
		}
		if !said {
			s.log.Info("nothing has been applied yet; waiting for: accord apply")
		}
		s.tries(errNothing)
		if err := syncer.Sleep(ctx, s.interval()); err != nil {
			return nil, err
		}
	}
}

func (s *session) serial(ctx context.Context) (uint64, error) {
	if s.dev.moved() {
		s.end(errOtherServer)
		return 0, errOtherServer
	}
	st, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	return st.Serial, nil
}

// moved is watch.Options.Moved.
func (s *session) moved(ctx context.Context, applied *watch.Applied) (map[addrs.Instance]bool, error) {
	st, err := s.readUnmoved(ctx)
	if err != nil {
		return nil, err
	}
	return movedBy(st, applied), nil
}

// movedBy reports of which syncs the block, or what that needs, is another one in a
// state, or has something new there that depends on it: a filter where there was none.
func movedBy(st *state.State, applied *watch.Applied) map[addrs.Instance]bool {
	joined := map[addrs.Instance]bool{} // by something new
	for addr, o := range st.Objects {
		if applied.State.Objects[addr] == nil {
			for _, on := range o.DependsOn {
				joined[on] = true
			}
		}
	}
	moved := map[addrs.Instance]bool{}
	for _, sync := range applied.Syncs {
		for _, addr := range slices.Concat([]addrs.Instance{sync.Addr}, sync.Needs, sync.Permits) {
			moved[sync.Addr] = moved[sync.Addr] || joined[addr] || !st.Objects[addr].Equal(applied.State.Objects[addr])
		}
	}
	return moved
}

// readUnmoved reads the state, and ends the session where its settings or vaults are
// others now.
func (s *session) readUnmoved(ctx context.Context) (*state.State, error) {
	st, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	settings, ok := planner.AppliedSettings(st)
	if !ok || settings != s.settings || !slices.EqualFunc(s.vaults.instances, s.planner.AppliedInstances(st), sameInstance) {
		s.end(errMoved)
		return nil, errMoved
	}
	return st, nil
}

// read reads the state. One that is encrypted to others by now ends the session.
func (s *session) read(ctx context.Context) (*state.State, error) {
	st, err := s.store.Read(ctx)
	if errors.Is(err, state.ErrSealed) {
		s.end(err)
	}
	return st, err
}

// look surveys what was applied. What needs other vaults ends the session.
func (s *session) look(ctx context.Context) (watch.Applied, error) {
	before, err := s.remembered(ctx)
	if err != nil {
		return watch.Applied{}, err
	}
	st, err := s.readUnmoved(ctx)
	if err != nil {
		return watch.Applied{}, err
	}
	found, away := s.vaults.connect(ctx)
	survey, err := s.planner.Survey(ctx, st, found)
	if err != nil {
		s.end(err) // with a new plugin and new sessions it may be better
		return watch.Applied{}, err
	}
	a := watch.Applied{Serial: st.Serial, Away: map[addrs.Instance]error{}, Before: before, State: st}
	for _, err := range away {
		var of *providers.Error
		if errors.As(err, &of) && !of.Addr.IsZero() {
			a.Away[of.Addr] = err
		}
	}
	for _, t := range survey.Tasks {
		a.Syncs = append(a.Syncs, t.Sync)
	}
	s.told.Store(s.tellings(ctx, a.Syncs))
	for _, d := range s.unsuppressed(survey.Drift) {
		a.Drift = append(a.Drift, driftOf(d))
	}
	for addr, err := range survey.Unread {
		a.Unread = append(a.Unread, watch.Unread{Addr: addr, Err: err})
	}
	slices.SortFunc(a.Unread, func(x, y watch.Unread) int { return x.Addr.Compare(y.Addr) })
	return a, nil
}

// unsuppressed is drift less what the files say is known. While they cannot be read, all
// of it is told.
func (s *session) unsuppressed(drift []plan.Change) []plan.Change {
	if len(drift) == 0 {
		return nil
	}
	config, diags := lang.Load(s.dir)
	if diags.HasErrors() {
		return drift
	}
	return planner.Unsuppressed(drift, config.Settings.Suppress, s.planner.Now())
}

// remembered is what the journal remembers of all syncs.
func (s *session) remembered(ctx context.Context) (map[addrs.Instance]state.Memory, error) {
	syncs, err := s.journal.Syncs(ctx)
	if err != nil {
		return nil, err
	}
	memories, err := s.journal.Memories(ctx, syncs)
	if err != nil {
		return nil, err
	}
	of := make(map[addrs.Instance]state.Memory, len(syncs))
	for n, sync := range syncs {
		of[sync] = memories[n]
	}
	return of, nil
}

func sameInstance(a, b providers.Object) bool {
	return a.Addr == b.Addr && string(a.Body) == string(b.Body)
}

func driftOf(c plan.Change) watch.Drift {
	d := watch.Drift{Addr: c.Addr}
	for _, e := range c.Edits {
		d.What = append(d.What, fmt.Sprintf("%s: %s → %s", e.Path, orNothing(e.Before), orNothing(e.After)))
	}
	return d
}

func orNothing(v json.RawMessage) string {
	if v == nil {
		return "nothing"
	}
	return string(v)
}

// event logs what happens.
func (s *session) event(e watch.Event) {
	switch e := e.(type) {
	case watch.Looked:
		if e.Moved {
			s.relocate()
			s.log.Info("watching", "serial", e.Serial, "points", e.Syncs, "drift", e.Drift)
		}
	case watch.Trouble:
		if !errors.Is(e.Err, errMoved) {
			s.log.Warn("something could not be read; it is tried again", "error", clean(e.Err.Error()))
		}
	case watch.Ran:
		s.logRun(&e.Outcome, e.Round)
		for _, ran := range s.ran {
			select {
			case ran <- struct{}{}:
			default:
			}
		}
	}
}

func (s *session) logRun(o *syncer.Outcome, round time.Duration) {
	at := []any{"point", o.Addr.String(), "run", o.Run, "mode", string(o.Decision.Mode), "status", string(o.Status),
		"published", o.Done.Published(), "updated", o.Done.Updated, "withdrawn", o.Done.Withdrawn, "failed", o.Failed, "kept", o.Impact.Total.Kept, "took", o.Ended.Sub(o.Started).Round(time.Millisecond).String(), "round", round.Round(time.Millisecond).String()}
	switch {
	case o.Status == syncer.Locked:
		s.log.Debug("a point is run by someone else", at...)
	case o.Err != nil && o.Status != syncer.Interrupted:
		s.log.Warn("a run failed", append(at, "error", clean(providers.Advised(o.Err)))...)
	case o.Failed > 0:
		s.log.Warn("a run ended with failures", at...)
	case o.Done.Written() == 0 && o.Impact.Total.Kept == 0 && o.Decision.Mode == syncer.Incremental:
		s.log.Debug("a run found nothing to do", at...)
	default:
		s.log.Info("a run ended", at...)
	}
}
