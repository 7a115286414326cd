package syncer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
	"accord/state/failpoint"
)

// leaseFor is how long a lease lasts without being renewed, and renewAt how
// much of it must be left for a batch to begin.
const (
	leaseFor = 2 * time.Minute
	renewAt  = leaseFor * 2 / 3
)

// run is what a job that writes holds and records.
type run struct {
	id      string
	started time.Time
	memory  state.Memory // as it was when the lease was taken
	seq     atomic.Uint64
	calls   atomic.Int64 // of writes

	mu    sync.Mutex
	lease state.Lease
	quit  chan struct{} // ends the renewing
	quiet sync.WaitGroup
}

// AfterEdit is why a run waits whose filter was edited (CTRY-7).
const AfterEdit = "the filter was edited; the run starts after the delay"

// begin waits for the time of runs, takes their leases and records their starts,
// where that was not done. What went wrong is said in each job. What they say
// together, the journal keeps together.
func (s *Syncer) begin(ctx context.Context, jobs []*job) {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.run != nil })
	going := func(step func(*job) error) {
		eachOf(jobs, asking, func(j *job) { j.err = step(j) })
		jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.err != nil })
	}
	going(func(j *job) error { return s.await(ctx, j) })
	going(func(j *job) error { return s.lease(ctx, j) })
	if len(jobs) == 0 {
		return
	}
	syncs := make([]addrs.Instance, len(jobs))
	for n, j := range jobs {
		syncs[n] = j.Sync.Addr
	}
	memories, err := s.opts.Journal.Memories(ctx, syncs)
	for n, j := range jobs {
		if err == nil {
			j.run.memory = memories[n]
		}
	}
	going(func(j *job) error { return cmp.Or(err, s.start(ctx, j)) })
}

// await waits for the time of a run.
func (s *Syncer) await(ctx context.Context, j *job) error {
	j.ran = true
	if s.opts.Journal == nil {
		return providers.Errorf(providers.Internal, "a run needs a journal")
	}
	if j.Sync.Engine == providers.EnginePlatform { // which waits by itself
		return nil
	}
	return s.wait(ctx, j, j.Decision.EarliestStart, AfterEdit)
}

// lease takes the lease of a run.
func (s *Syncer) lease(ctx context.Context, j *job) error {
	lease, err := s.acquire(ctx, j.Sync.Addr)
	if err != nil {
		var held *state.LeasedError
		if errors.As(err, &held) {
			j.status = Locked
		}
		return fmt.Errorf("taking the lease of %s: %w", j.Sync.Addr, err)
	}
	failpoint.Reach(failpoint.LeaseTaken)
	j.run = newRun(s, lease)
	return nil
}

// start records the start of a run whose lease was taken, which is given up
// where the run does not begin.
func (s *Syncer) start(ctx context.Context, j *job) error {
	journal, addr, r := s.opts.Journal, j.Sync.Addr, j.run
	err := func() error {
		if j.met(r.memory) {
			j.skipped, j.status = true, Skipped
			return nil
		}
		if err := journal.Begin(ctx, j.beginning()); err != nil {
			return fmt.Errorf("recording the start of %s: %w", addr, err)
		}
		return nil
	}()
	if err != nil || j.skipped {
		j.run = nil
		return errors.Join(err, journal.Release(context.WithoutCancel(ctx), r.lease))
	}
	failpoint.Reach(failpoint.RunBegun)
	r.quiet.Add(1)
	go r.renew(journal)
	s.emit(Started{Addr: addr, Run: r.id, Decision: j.Decision})
	return nil
}

// owes is why the sync is to run in full once this run has begun, until one has
// come to its end: after a withdrawal under an active point the rules are not
// met any more.
func (j *job) owes() []Reason {
	switch {
	case j.Decision.Mode == Full:
		return j.Decision.Reasons
	case j.Decision.Mode == Withdrawal && j.Sync.Active:
		return []Reason{Requested}
	}
	return nil
}

func newRun(s *Syncer, lease state.Lease) *run {
	return &run{id: strings.ToLower(rand.Text()[:12]), started: s.opts.Now(), lease: lease, quit: make(chan struct{})}
}

// beginning is the run of a job, as it is recorded first.
func (j *job) beginning() state.Run {
	return state.Run{
		ID: j.run.id, Sync: j.Sync.Addr, Mode: string(j.Decision.Mode), Reasons: texts(j.Decision.Reasons),
		Fence: j.run.lease.Fence, Started: j.run.started, Owes: texts(j.owes()), Tell: j.s.opts.Tell,
	}
}

// serving is the operation of whoever runs points all the time, each for a
// moment: others wait for their turn.
const (
	serving  = "serve"
	patience = 30 * time.Second
	again    = 200 * time.Millisecond
)

// acquire takes the lease of a sync. Who serves holds it often and briefly, so
// whoever does not serve waits a while for it.
func (s *Syncer) acquire(ctx context.Context, addr addrs.Instance) (state.Lease, error) {
	operation := cmp.Or(s.opts.Operation, "sync")
	for waited := time.Duration(0); ; waited += again {
		lease, err := s.opts.Journal.Acquire(ctx, addr, operation, leaseFor)
		var held *state.LeasedError
		if !errors.As(err, &held) || operation == serving || held.Lease.Holder.Operation != serving || waited >= patience {
			return lease, err
		}
		if waited == 0 {
			s.emit(Waiting{Addr: addr, Until: s.opts.Now().Add(patience), Why: "accord serve runs this point at the moment"})
		}
		if err := s.opts.Sleep(ctx, again); err != nil {
			return lease, err
		}
	}
}

// Await waits for the time before which syncs may not begin that were edited
// for (CTRY-7), and says so of each.
func (s *Syncer) Await(ctx context.Context, syncs []addrs.Instance, until time.Time) error {
	for _, addr := range syncs {
		s.emit(Waiting{Addr: addr, Until: until, Why: AfterEdit})
	}
	return s.opts.Sleep(ctx, max(0, until.Sub(s.opts.Now())))
}

func (s *Syncer) wait(ctx context.Context, j *job, until time.Time, why string) error {
	left := until.Sub(s.opts.Now())
	if until.IsZero() || left <= 0 {
		return ctx.Err()
	}
	s.emit(Waiting{Addr: j.Sync.Addr, Until: until, Why: why})
	return s.opts.Sleep(ctx, left)
}

// settle waits until no call of a run that was cut short can land any more.
func (s *Syncer) settle(ctx context.Context, j *job) error {
	if s.opts.Settle <= 0 || j.run.memory.Open == 0 {
		return nil
	}
	open, err := s.opts.Journal.Open(ctx, j.Sync.Addr)
	if err != nil {
		return fmt.Errorf("reading what was cut short: %w", err)
	}
	var last time.Time
	for _, b := range open {
		if b.Verb != state.Await && b.At.After(last) {
			last = b.At
		}
	}
	if last.IsZero() {
		return nil
	}
	return s.wait(ctx, j, last.Add(s.opts.Settle), "a run was cut short; its last calls may still land")
}

// met reports whether a full run of someone else has met the reasons since
// they were found.
func (j *job) met(now state.Memory) bool {
	last := now.LastFull
	return j.Decision.Mode == Full && last != nil && last.Outcome == state.Clean &&
		last.Started.After(j.Decision.At) && len(now.Owed) == 0 && len(changedInputs(j.Sync, now)) == 0
}

// renew keeps the lease until quit.
func (r *run) renew(journal state.Journal) {
	defer r.quiet.Done()
	tick := time.NewTicker(leaseFor / 4)
	defer tick.Stop()
	for {
		select {
		case <-r.quit:
			return
		case <-tick.C:
			r.extend(context.Background(), journal)
		}
	}
}

func (r *run) extend(ctx context.Context, journal state.Journal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	lease, err := journal.Renew(ctx, r.lease, leaseFor)
	failpoint.Reach(failpoint.LeaseRenewed)
	if err == nil {
		r.lease = lease
	}
	return err
}

// may says whether a batch may begin: the lease must outlive it.
func (j *job) may(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.run.mu.Lock()
	left := j.run.lease.Expires.Sub(j.s.opts.Now())
	j.run.mu.Unlock()
	if left > renewAt {
		return nil
	}
	if err := j.run.extend(ctx, j.s.opts.Journal); err != nil {
		return fmt.Errorf("renewing the lease of %s: %w", j.Sync.Addr, err)
	}
	return nil
}

// checkpoint records what came of a batch.
func (j *job) checkpoint(ctx context.Context, seq uint64, counts map[string]int64, failed []Failure, resolved ...state.Item) error {
	c := state.Checkpoint{Seq: seq, Counts: counts, Resolved: resolved}
	for _, f := range failed {
		c.Failed = append(c.Failed, state.Failure{
			Part: f.Part, Key: f.Key, General: f.General, Kept: f.Kept, Title: f.Title, Kind: f.Kind, Message: f.Message, Cause: f.Cause, Routes: f.Routes, Groups: f.Groups,
		})
	}
	if err := j.s.opts.Journal.Checkpoint(ctx, j.run.id, c); err != nil {
		return fmt.Errorf("recording what was written: %w", err)
	}
	return nil
}

// finish records the end of a run, whatever it was, and gives up the lease.
func (j *job) finish(ctx context.Context) {
	defer func() {
		if j.status == "" {
			j.status = statusOf(j.err)
		}
		o := j.outcome()
		j.s.emit(Finished{Addr: j.Sync.Addr, Outcome: &o})
	}()
	if j.run == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	end := state.End{}
	if j.Sync.Engine == providers.EnginePlatform {
		end = j.endFollowed(ctx)
	} else {
		end = j.end(ctx)
	}
	end.Worth, end.Release = j.worth(), true
	end.Light = end.Outcome == state.Clean && (j.Decision.Mode == Incremental || j.done.Written() == 0)
	close(j.run.quit)
	j.run.quiet.Wait()
	failpoint.Reach(failpoint.RunTimed)
	ended, err := j.s.opts.Journal.End(ctx, j.run.id, end)
	failpoint.Reach(failpoint.RunEnded)
	if err != nil {
		j.err = errors.Join(j.err, fmt.Errorf("recording the end of %s: %w", j.Sync.Addr, err), j.s.opts.Journal.Release(ctx, j.run.lease))
	} else {
		j.ended = ended
	}
	if j.err == nil {
		j.status = Clean
		if end.Outcome == state.Faulty {
			j.status = Faulty
		}
	}
}

// worth: people are told of what was done to the content of a target (CONN-6),
// and not of tables that stay where they are made.
func (j *job) worth() bool {
	if j.Sync.Source.Instance == j.Sync.Target.Instance {
		return false
	}
	if f := j.followed; f != nil && (!f.Seen() || !maps.Equal(f.Before.Published, f.After.Published)) {
		return true
	}
	return j.done.Written() > 0
}

func statusOf(err error) Status {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Interrupted
	case providers.KindOf(err) == providers.Refused:
		return Refused
	default:
		return Failed
	}
}

// end says how a run ended. One that came to its end has told so to the system
// that keeps LRT and LSRT (CLM-8), and to the one that keeps exceptions (ERR-4),
// before the journal forgets what is owed.
func (j *job) end(ctx context.Context) state.End {
	end := state.End{At: j.s.opts.Now()}
	if j.err == nil {
		j.err = j.conclude(ctx, &end)
	}
	if j.err == nil {
		return end
	}
	j.general(ctx, j.err)
	end.Outcome, end.Message = state.Failed, j.err.Error()
	if statusOf(j.err) == Interrupted {
		end.Outcome, end.Message = state.Interrupted, "it was stopped"
	}
	return end
}

// conclude is the end of a run that came to its end.
func (j *job) conclude(ctx context.Context, end *state.End) error {
	if err := j.retried(ctx); err != nil {
		return err
	}
	if err := j.tell(ctx, true); err != nil {
		return err
	}
	if j.Decision.Mode == Withdrawal {
		j.withdrawn(end)
		return nil
	}
	clean := j.failures == 0 && j.withheld == "" && len(j.Decision.Only) == 0
	started := j.vaultTime(j.run.started)
	p, _, err := j.s.stream(j.Sync.Target)
	if err == nil {
		err = p.Finish(ctx, providers.Run{Sync: j.Sync.Settled(), ID: j.run.id, Started: started, Clean: clean, Failed: j.failures})
	}
	if err != nil {
		return fmt.Errorf("recording the run times of %s: %w", j.Sync.Addr, err)
	}
	j.remembering(end, started, clean, j.failures)
	return nil
}

// retried resolves what a run was asked to try again, and that did not fail in it.
func (j *job) retried(ctx context.Context) error {
	if len(j.Decision.Only) == 0 {
		return nil
	}
	failed := map[state.Item]bool{}
	for f, err := range j.s.opts.Journal.Failures(ctx, j.Sync.Addr) {
		if err != nil {
			return fmt.Errorf("reading what fails: %w", err)
		}
		if f.Run == j.run.id {
			failed[state.Item{Part: f.Part, Key: f.Key}] = true
		}
	}
	var resolved []state.Item
	for _, item := range j.Decision.Only {
		if !failed[item] {
			resolved = append(resolved, item)
		}
	}
	return j.checkpoint(ctx, 0, nil, nil, resolved...)
}

// withdrawn is the end of a run that withdrew everything. It has read nothing
// that a later run could go on from, and is no run of the point's: LRT and LSRT
// stay, and so does the horizon.
func (j *job) withdrawn(end *state.End) {
	end.Outcome, end.Sweep = state.Clean, true
	if j.failures > 0 {
		end.Outcome = state.Faulty
	}
	end.Counts = map[string]int64{countOwned: int64(j.impact.Owned - j.done.Withdrawn)}
}

// remembering fills in what a run that came to its end leaves to the next. One
// that looked at a few items only leaves everything but LRT as it was.
func (j *job) remembering(end *state.End, started time.Time, clean bool, failed int) {
	full, all := j.Decision.Mode == Full, len(j.Decision.Only) == 0
	m := j.run.memory
	if !j.horizon.IsZero() && all {
		m.Horizon = j.horizon
		if full {
			m.HorizonFull = j.horizon
		}
		m.Seen = j.Sight.Digest()
	}
	if full || all && len(m.Inputs) == 0 {
		m.Inputs = maps.Clone(j.Sync.Inputs)
		if m.Inputs == nil {
			m.Inputs = make(map[string]string)
		}
		m.Inputs[inputRoutes] = j.routes.input()
		if j.withheld != "" {
			m.Inputs[inputWithheld] = j.withheld
		}
	} else if j.keptBack && len(m.Inputs) > 0 { // nothing else would lead to it once the table is well again
		m.Inputs = maps.Clone(m.Inputs)
		m.Inputs[inputWithheld] = j.withheld
	}
	m.LastStart, m.LastSuccess = started, j.Sync.LSRT
	if clean {
		m.LastSuccess = started
	}
	if all {
		m.Errors = failed
	}
	end.Memory, end.Sweep = &m, all
	end.Outcome = state.Faulty
	if clean || !all && failed == 0 {
		end.Outcome = state.Clean
	}
	if full {
		end.Settled = append(texts(j.Decision.Reasons), m.Owed...)
	}
	if j.impact.Owned >= 0 {
		end.Counts = map[string]int64{countOwned: int64(j.impact.Owned + j.done.Published() - j.done.Withdrawn)}
	}
}

// vaultTime is a moment of ours by the clock of the vault that keeps LRT and LSRT.
func (j *job) vaultTime(t time.Time) time.Time {
	if j.Sync.Now.IsZero() || j.Decision.At.IsZero() {
		return t
	}
	return t.Add(j.Sync.Now.Sub(j.Decision.At))
}

func texts(list []Reason) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = string(r)
	}
	return out
}
