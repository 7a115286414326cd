package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
)

// What is known of the platform's own engine, and how it is followed (INT-7).
const (
	engineDelay = 5 * time.Minute // CTRY-7: between the edit of a filter and the run
	followFirst = time.Second     // between two looks, at first
	followLater = 15 * time.Second
	followGrace = time.Minute      // LRT has moved: how long LSRT, or an exception, may take to follow
	followTold  = 10 * time.Second // and where there are exceptions
	followFor   = time.Hour        // Options.FollowFor
)

// Following says where a run of the platform's engine stands.
type Following struct {
	Sync     providers.Sync        `json:"-"`
	Decision Decision              `json:"decision"`
	State    providers.EngineState `json:"state"`
	Until    time.Time             `json:"until"` // when accord gives up following
}

func (Following) event() {}

// Followed is what is known of a run of the platform's engine. What it
// published is told by counts before and after; it may not be all its doing.
type Followed struct {
	Asked  bool                  `json:"asked,omitempty"` // accord cleared LSRT for it
	Before providers.EngineState `json:"before"`
	After  providers.EngineState `json:"after"`
	New    int                   `json:"new,omitempty"` // exceptions that were not open before
}

// Seen reports whether what was published before the run is known.
func (f *Followed) Seen() bool { return f.Before.Published != nil }

// counts are what is published at the target, and, where it is known, how many
// items more and fewer than before.
func (f *Followed) counts() map[string]int64 {
	counts := map[string]int64{Found: 0}
	for part, n := range f.After.Published {
		counts[Found] += int64(n)
		if !f.Seen() {
			continue
		}
		more := int64(n - f.Before.Published[part])
		counts[FoundMore] += max(0, more)
		counts[FoundFewer] += max(0, -more)
	}
	return counts
}

// decideEngine says whether the platform's engine will run for what is planned,
// by itself or because accord asks for it, and what accord then follows. It is
// pure. Everything else is that engine's own: when LSRT is empty or 15 days old,
// and what changed.
func decideEngine(sync providers.Sync, memory state.Memory, req Request, now time.Time) Decision {
	d := Decision{At: now}
	found := map[Reason]bool{}
	for _, r := range Owed(memory) {
		found[r] = true
	}
	found[Activated] = found[Activated] || !sync.Was
	found[Requested] = found[Requested] || req.Full || triggered(sync)
	if sync.Was && sync.Before != nil {
		names := slices.Sorted(maps.Keys(sync.Inputs))
		if engineChanged(sync.Before, sync.Inputs) {
			names = comparable(sync.Before, sync.Inputs)
		}
		for _, name := range names {
			if before, known := sync.Before[name]; !known || before != sync.Inputs[name] {
				found[inputReason(name)] = true
			}
		}
	}
	for _, r := range reasons {
		if found[r] && r != Changes && r != Retry {
			d.Reasons = append(d.Reasons, r)
		}
	}
	if len(d.Reasons) == 0 {
		d.Idle = "the platform's own engine moves this content (engine = \"platform\")"
		if emptied(sync, memory) {
			d.Reasons = []Reason{Requested}
			d.Idle = "somebody has cleared Last Successful Run Time, which asks the platform's own engine for a full run; it makes that by itself (INT-6)"
		}
		if !sync.LSRT.IsZero() {
			d.FullAt = sync.LSRT.Add(fullAfter)
		}
		return d
	}
	d.Mode, d.Step, d.Engine, d.Anew = Full, true, providers.EnginePlatform, req.Full
	d.Asks = !d.Has(Activated) && slices.ContainsFunc(d.Reasons, func(r Reason) bool { return r != FilterEdited })
	if d.Has(FilterEdited) && !d.Has(Activated) && !d.Asks {
		vaultNow := sync.Now
		if vaultNow.IsZero() {
			vaultNow = now
		}
		d.EarliestStart = afterEdit(sync, engineDelay, now, vaultNow)
	}
	return d
}

// follow asks the platform's engine for a run where it would not run by itself,
// and follows it to its end. It writes nothing but the request.
func (s *Syncer) follow(ctx context.Context, j *job) {
	s.begin(ctx, []*job{j})
	if j.err == nil && !j.skipped {
		j.err = s.settle(ctx, j) // of runs of ours
	}
	if j.err == nil && !j.skipped {
		j.err = s.followRun(ctx, j)
	}
	s.finish(ctx, []*job{j})
}

func (s *Syncer) followRun(ctx context.Context, j *job) error {
	p, _, err := s.stream(j.Sync.Target)
	if err != nil {
		return err
	}
	look := func() (providers.EngineState, error) { return engineState(p.Follow(ctx, []providers.Sync{j.Sync})) }
	before, err := look()
	if err != nil {
		return err
	}
	awaited := j.ownRun()
	j.followed = &Followed{Before: before, After: before, Asked: j.Decision.Asks}
	if j.Decision.Asks {
		if awaited, err = j.request(ctx, p, before, time.Second); err != nil {
			return err
		}
	}
	if noted := s.noted[j.Sync.Addr]; noted != nil {
		j.followed.Before = *noted
	} else if awaited.ran(before) {
		j.followed.Before.Published = nil // what was there before the run was not seen
	}
	patience := s.opts.FollowFor
	if patience <= 0 {
		patience = followFor
	}
	until := s.opts.Now().Add(patience)
	if !j.Decision.EarliestStart.IsZero() {
		until = until.Add(engineDelay)
	}
	pause, troubled := followFirst, 0
	var moved time.Time // when something was last seen to change
	for {
		state, err := look()
		now := s.opts.Now()
		switch {
		case err != nil && (providers.KindOf(err) != providers.Transient && providers.KindOf(err) != providers.Throttled || troubled > 10 || ctx.Err() != nil):
			return err
		case err != nil:
			troubled++
		case !state.Active:
			return providers.Errorf(providers.Invalid, "%s was deactivated in the vault while its run was waited for", j.Sync.Title)
		case j.Decision.Asks && awaited.overwritten(state):
			if awaited, err = j.request(ctx, p, state, 0); err != nil {
				return err
			}
		default:
			if moved.IsZero() || !alike(state, j.followed.After) {
				moved, pause = now, followFirst
			}
			troubled, j.followed.After = 0, state
			clean := awaited.clean(state)
			if clean || awaited.ran(state) && now.Sub(moved) >= quietFor(state) {
				return j.recordFollowed(ctx, clean)
			}
		}
		if !now.Before(until) {
			return &providers.Error{Kind: providers.Transient, Addr: j.Sync.Addr, Op: "follow",
				Message: fmt.Sprintf("the platform's engine has not ended a run within %s", patience),
				Advice:  "Nothing is lost: the run stays owed, and the next apply or sync follows it again. Look at the integration point in the vault, or set sync { platform_timeout = \"…\" } in the accord block."}
		}
		s.emit(Following{Sync: j.Sync, Decision: j.Decision, State: j.followed.After, Until: until})
		if err := s.opts.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*3/2, followLater)
	}
}

// Note looks at the targets of the platform's engine before anything is changed for
// which that engine runs by itself: it may have run before the first look. Where
// that cannot be seen, what was there before is not known.
func (s *Syncer) Note(ctx context.Context, syncs []providers.Sync) {
	noted := make(map[addrs.Instance]*providers.EngineState, len(syncs))
	var mu sync.Mutex
	eachOf(syncs, asking, func(of providers.Sync) {
		p, _, err := s.stream(of.Target)
		if err != nil {
			return
		}
		if state, err := engineState(p.Follow(ctx, []providers.Sync{of})); err == nil {
			mu.Lock()
			defer mu.Unlock()
			noted[of.Addr] = &state
		}
	})
	s.noted = noted
}

func engineState(states []providers.EngineState) (providers.EngineState, error) {
	if states[0].Err != nil {
		return states[0], states[0].Err
	}
	return states[0], nil
}

// awaitedRun is which run of the engine is waited for: one that began at a moment
// or later, by the vault's clock, and is not the one that ended last before it.
type awaitedRun struct{ since, last time.Time }

func (a awaitedRun) ran(s providers.EngineState) bool {
	return !s.LRT.Before(a.since) && !s.LRT.Equal(a.last)
}

func (a awaitedRun) clean(s providers.EngineState) bool {
	return a.ran(s) && !s.LSRT.Before(a.since) && !s.LSRT.IsZero()
}

// overwritten: a run that had begun before this one was asked for has ended, and
// filled what was cleared to ask for it.
func (a awaitedRun) overwritten(s providers.EngineState) bool {
	return !s.LRT.Equal(a.last) && s.LRT.Before(a.since) && !s.LSRT.IsZero()
}

// ownRun is a run that the engine makes by itself: for an edit, where its moment is
// known, else for a change that was made after this Syncer was. It may have begun, and
// ended, before the first look.
func (j *job) ownRun() awaitedRun {
	since := j.vaultTime(j.s.made)
	switch d := j.Decision; {
	case d.Has(FilterEdited) && !d.Has(Activated) && !j.Sync.Edited.IsZero():
		since = j.Sync.Edited.Add(engineDelay)
	case !d.EarliestStart.IsZero():
		since = since.Add(engineDelay)
	}
	return awaitedRun{since: since.Truncate(time.Second)} // as the vault's clock is read
}

// request asks for a run. One that was asked for before, and not seen to its end, is
// not asked for again: it may have begun, and ended, meanwhile. Somebody who asks
// anew wants another one.
//
// Vaults tell whole seconds: a run of the very second in which it is asked for may have
// begun before that. No such run is believed within the doubt, and it is asked for once
// more; then none is left.
func (j *job) request(ctx context.Context, p providers.Provider, now providers.EngineState, doubt time.Duration) (awaitedRun, error) {
	m := j.run.memory
	if m.Asked != nil && !j.Decision.Anew {
		if a := (awaitedRun{m.Asked.At, m.Asked.Last}); now.LSRT.IsZero() || a.ran(now) {
			return a, nil
		}
	}
	since := func(s providers.EngineState) time.Time { return s.Now.Truncate(time.Second).Add(doubt) }
	asked := state.Asked{At: since(now), Last: now.LRT}
	if err := j.rememberAsked(ctx, &asked); err != nil {
		return awaitedRun{}, err
	}
	then, err := engineState(p.Ask(ctx, []providers.Sync{j.Sync}))
	switch {
	case err == nil && since(then).After(asked.At):
		asked.At = since(then)
		err = j.rememberAsked(ctx, &asked)
	case err != nil && !slices.Contains([]providers.Kind{providers.Ambiguous, providers.Transient}, providers.KindOf(err)):
		err = errors.Join(err, j.rememberAsked(context.WithoutCancel(ctx), nil)) // it was not
	}
	return awaitedRun{asked.At, asked.Last}, err
}

func (j *job) rememberAsked(ctx context.Context, asked *state.Asked) error {
	j.run.mu.Lock()
	defer j.run.mu.Unlock()
	m := j.run.memory
	m.Asked = asked
	if err := j.s.opts.Journal.Remember(ctx, j.run.lease, m); err != nil {
		return fmt.Errorf("recording that a run is asked for: %w", err)
	}
	j.run.memory = m
	return nil
}

// alike: nothing has happened between two looks.
func alike(a, b providers.EngineState) bool {
	return a.LRT.Equal(b.LRT) && a.LSRT.Equal(b.LSRT) && a.Open == b.Open && maps.Equal(a.Published, b.Published)
}

// quietFor is how long nothing may happen after Last Run Time has moved until the
// run counts as one that ended with errors. No document says whether it moves as
// a run begins or as it ends.
func quietFor(s providers.EngineState) time.Duration {
	if s.Open > 0 {
		return followTold
	}
	return followGrace
}

// recordFollowed keeps the exceptions of the run as what failed in it.
func (j *job) recordFollowed(ctx context.Context, clean bool) error {
	j.faulty = !clean
	if j.failures = j.followed.After.Open; j.failures == 0 {
		return nil
	}
	var batch []Failure
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := j.checkpoint(ctx, 0, nil, exceptionsOf(batch, state.Failing)) // of no batch of ours
		batch = nil
		return err
	}
	add := func(x providers.Exception) error {
		if !x.At.Before(j.followed.Before.Now) {
			j.followed.New++
		}
		f := Failure{Part: x.Part, Key: ExceptionKey(x), General: x.General, Title: x.Title, Kind: kindException, Message: x.Message}
		j.s.emit(ItemFailed{Addr: j.Sync.Addr, Failure: f})
		if len(j.first) < firstNames {
			j.first = append(j.first, f)
		}
		if batch = append(batch, f); len(batch) < batchSize {
			return nil
		}
		return flush()
	}
	if j.Sync.Exceptions == nil { // all that is known
		for _, x := range j.followed.After.Exceptions {
			if err := add(x); err != nil {
				return err
			}
		}
	} else if err := j.s.Exceptions(ctx, j.Sync, add); err != nil {
		return err
	}
	return flush()
}

// endFollowed is end for a run that was followed: LRT and LSRT are the
// engine's, and are only remembered.
func (j *job) endFollowed(ctx context.Context) state.End {
	end := state.End{At: j.s.opts.Now()}
	if j.err != nil {
		j.gaveUp(ctx, &end)
		return end
	}
	m := j.run.memory
	m.Inputs = maps.Clone(j.Sync.Inputs)
	m.Asked = nil
	m.LastStart, m.LastSuccess = j.followed.After.LRT, j.followed.After.LSRT
	m.Errors = j.failures
	end.Counts = j.followed.counts()
	end.Memory, end.Sweep, end.Outcome = &m, true, state.Clean
	if j.faulty {
		end.Outcome = state.Faulty
	}
	end.Settled = append(texts(j.Decision.Reasons), m.Owed...)
	return end
}

// apart takes the jobs out of a list whose runs are the platform's.
func apart(jobs []*job) (ours, engines []*job) {
	for _, j := range jobs {
		if j.Sync.Engine == providers.EnginePlatform {
			engines = append(engines, j)
		} else {
			ours = append(ours, j)
		}
	}
	return ours, engines
}
