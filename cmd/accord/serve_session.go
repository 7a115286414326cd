package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/ledger"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

// errMoved says that what was applied needs other vaults, or the same ones
// otherwise: providers are started anew.
var errMoved = errors.New("the vaults are others, or reached otherwise")

// servePatience is how long vaults wait for one that is slower than they are:
// with the interval it leaves what changes time to be there within 10 s (CLM-9).
const servePatience = 2 * time.Second

// session is the time from one start of the providers to the next.
type session struct {
	*server
	*workspace
	watch *watch.Watch

	instances []providers.Object // that it connects to
	config    providers.Config   // for those that did not answer at first

	mu         sync.Mutex
	found      map[addrs.Instance]providers.Object // connected
	missed     map[addrs.Instance]error            // why others are not
	refused    map[addrs.Instance]*turnedAway      // and those that did not let it in
	connecting map[addrs.Instance]bool
	reaching   sync.WaitGroup
	settings   planner.Settings
	lines      atomic.Pointer[func(addrs.Instance) string] // where blocks are declared, as of what was applied last
	end        context.CancelCauseFunc
	ran        map[string]chan struct{} // by who is told, that a run has ended
}

// session opens everything anew and watches until something asks for another.
func (s *server) session(ctx context.Context) error {
	w, err := s.cli.load()
	if err != nil {
		return err
	}
	defer w.Close()
	w.holds, w.patience = "serve", servePatience
	if err := w.openProviders(ctx); err != nil {
		return err
	}
	if err := w.openState(ctx); err != nil {
		return err
	}
	if _, none := w.journal.(state.NoJournal); none {
		return state.ErrNoJournal
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	on := &session{server: s, workspace: w, end: end, found: map[addrs.Instance]providers.Object{}, missed: map[addrs.Instance]error{},
		refused: map[addrs.Instance]*turnedAway{}, connecting: map[addrs.Instance]bool{}}
	defer on.reaching.Wait()
	defer end(nil)
	st, err := on.firstApply(ctx)
	if err != nil {
		return err
	}
	if err := on.reach(ctx, st); err != nil {
		return err
	}
	if err := w.openSyncer(on.settings, nil); err != nil {
		return err
	}
	on.locate(w.config)
	looping := watch.New(watch.Options{
		Look: on.look, Serial: on.serial, Memories: w.journal.Memories,
		Runner: w.planner.Syncer, Interval: on.interval(), Patience: servePatience,
		Now: time.Now, Sleep: sleep, Events: on.event,
	})
	on.mu.Lock()
	on.watch = looping
	on.mu.Unlock()
	on.ran = map[string]chan struct{}{}
	var telling sync.WaitGroup
	for _, name := range w.toTell() {
		on.ran[name] = make(chan struct{}, 1)
	}
	for _, n := range w.config.Settings.Notify {
		telling.Go(func() { on.keepTelling(ctx, n, st.Lineage) })
	}
	defer telling.Wait()
	defer end(nil)
	s.now.Store(on)
	defer s.now.Store(nil)
	if err := on.watch.Run(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// locate notes where the blocks of a configuration are declared.
func (s *session) locate(config *lang.Config) {
	lines := linesOf(config, s.schemas())
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

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
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
		if err := sleep(ctx, s.interval()); err != nil {
			return nil, err
		}
	}
}

// reach connects to the vaults that were applied. Those that do not answer are
// left for later, unless none does.
func (s *session) reach(ctx context.Context, st *state.State) error {
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	s.instances = s.planner.AppliedInstances(st)
	s.config = providers.Config{Dir: dir, Tool: "accord-" + Version, Impatient: true}
	if usesDev(s.instances) {
		if s.dev, err = openDevServer(ctx, s.dir); err != nil {
			return err
		}
		s.onClose(s.dev)
		if s.config.Endpoints, err = s.dev.provide(ctx, s.instances, nil, s.workspace.config.Settings.Dev); err != nil {
			return err
		}
	}
	errs := s.connectMissing(ctx)
	if s.lonely() {
		s.reaching.Wait() // nobody else is there who would wait
		if s.lonely() {
			return errors.Join(errs...)
		}
	}
	return nil
}

// lonely reports whether no vault is connected that should be.
func (s *session) lonely() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.found) == 0 && len(s.instances) > 0
}

// turnedAway is that a vault has not let accord in.
type turnedAway struct {
	times int // in a row
	again time.Time
}

// Who is not let in tries again, and then ever more rarely: a few wrong passwords
// in a row lock a user out.
const (
	firstRefusal = time.Minute
	mostRefusal  = time.Hour
)

// connectMissing tries the vaults that have not answered yet, each by itself, and
// returns why some are missing. One that is slow is not waited for: once it is
// there, what was applied is looked at again.
func (s *session) connectMissing(ctx context.Context) []error {
	var errs []error
	var begun sync.WaitGroup
	s.mu.Lock()
	for _, inst := range s.instances {
		if _, ok := s.found[inst.Addr]; ok || s.connecting[inst.Addr] {
			continue
		}
		if r := s.refused[inst.Addr]; r != nil && time.Now().Before(r.again) {
			continue
		}
		s.connecting[inst.Addr] = true
		begun.Add(1)
		s.reaching.Go(func() {
			defer begun.Done()
			s.connect(ctx, inst)
		})
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { begun.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(servePatience):
		s.reaching.Go(func() {
			<-done
			s.mu.Lock()
			watch := s.watch
			s.mu.Unlock()
			if watch != nil {
				watch.Refresh()
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, inst := range s.instances {
		switch {
		case s.connecting[inst.Addr]:
			errs = append(errs, &providers.Error{Kind: providers.Transient, Op: "connect " + inst.Addr.String(), Addr: inst.Addr, Message: "it has not answered yet"})
		case s.missed[inst.Addr] != nil:
			errs = append(errs, s.missed[inst.Addr])
		}
	}
	return errs
}

// connect tries one vault.
func (s *session) connect(ctx context.Context, inst providers.Object) {
	config := s.config
	config.Instances = []providers.Object{inst}
	found, missed := s.planner.Configure(ctx, config)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connecting, inst.Addr)
	if len(missed) == 0 {
		s.found[inst.Addr] = found[inst.Addr]
		delete(s.refused, inst.Addr)
		delete(s.missed, inst.Addr)
		return
	}
	if ctx.Err() != nil {
		return
	}
	s.missed[inst.Addr] = missed[0]
	s.log.Warn("a vault is not reached", "error", missed[0])
	if providers.KindOf(missed[0]) != providers.Access {
		return
	}
	r := s.refused[inst.Addr]
	if r == nil {
		r = &turnedAway{}
		s.refused[inst.Addr] = r
	}
	r.again = time.Now().Add(min(firstRefusal<<(2*min(r.times, 8)), mostRefusal))
	r.times++
}

func (s *session) serial(ctx context.Context) (uint64, error) {
	st, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	return st.Serial, nil
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
	st, err := s.read(ctx)
	if err != nil {
		return watch.Applied{}, err
	}
	settings, ok := planner.AppliedSettings(st)
	if !ok || settings != s.settings || !slices.EqualFunc(s.instances, s.planner.AppliedInstances(st), sameInstance) {
		s.end(errMoved)
		return watch.Applied{}, errMoved
	}
	away := s.connectMissing(ctx)
	s.mu.Lock()
	found := maps.Clone(s.found)
	s.mu.Unlock()
	survey, err := s.planner.Survey(ctx, st, found)
	if err != nil {
		s.end(err) // with a new plugin and new sessions it may be better
		return watch.Applied{}, err
	}
	a := watch.Applied{Serial: st.Serial, Away: map[addrs.Instance]error{}}
	for _, err := range away {
		var of *providers.Error
		if errors.As(err, &of) && !of.Addr.IsZero() {
			a.Away[of.Addr] = err
		}
	}
	for _, t := range survey.Tasks {
		a.Syncs = append(a.Syncs, t.Sync)
	}
	for _, d := range survey.Drift {
		a.Drift = append(a.Drift, driftOf(d))
	}
	for addr, err := range survey.Unread {
		a.Unread = append(a.Unread, watch.Unread{Addr: addr, Err: err})
	}
	slices.SortFunc(a.Unread, func(x, y watch.Unread) int { return x.Addr.Compare(y.Addr) })
	return a, nil
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
		s.log.Warn("a run failed", append(at, "error", clean(o.Err.Error()))...)
	case o.Failed > 0:
		s.log.Warn("a run ended with failures", at...)
	case o.Done.Written() == 0 && o.Impact.Total.Kept == 0 && o.Decision.Mode == syncer.Incremental:
		s.log.Debug("a run found nothing to do", at...)
	default:
		s.log.Info("a run ended", at...)
	}
}

// exception finds an exception of a point in the journal, by the ledger's id.
func (s *session) exception(ctx context.Context, point addrs.Instance, id string) (*ledger.Entry, providers.Sync, error) {
	var sync providers.Sync
	for _, p := range s.watch.Status().Points {
		if p.Addr == point {
			sync = p.Sync
		}
	}
	for f, err := range s.journal.Failures(ctx, point) {
		if err != nil {
			return nil, sync, err
		}
		l := ledger.New(s.planner.Now(), []providers.Sync{sync})
		l.Journal(f)
		if e := l.Entries()[0]; e.ID == id {
			return e, sync, nil
		}
	}
	return nil, sync, providers.Errorf(providers.NotFound, "there is no such exception; it may be resolved by now")
}

func (s *session) reprocess(ctx context.Context, e *ledger.Entry, sync providers.Sync) error {
	if e.Type == ledger.Item {
		if sync.Engine == providers.EnginePlatform {
			return providers.Errorf(providers.Refused, "the platform's own engine tries its items again with each of its runs, and none alone")
		}
		if err := s.journal.Retried(ctx, e.Point, []state.Item{e.Item()}, "the page of accord serve"); err != nil {
			return err
		}
		s.watch.Reprocess(e.Point, []state.Item{e.Item()})
		return nil
	}
	message := syncer.Message{Key: e.Key, Title: e.Title}
	err := s.workspace.planner.Syncer.Exceptions(ctx, sync, func(x providers.Exception) error {
		if x.General && syncer.ExceptionKey(x) == e.Key {
			message.ID = x.ID
		}
		return nil
	})
	if err == nil {
		err = s.workspace.planner.Syncer.Dismiss(ctx, sync, []syncer.Message{message})
	}
	if err == nil {
		s.watch.Request(e.Point) // its back-off ends
	}
	return err
}
