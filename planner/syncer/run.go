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
	end     state.End
	ahead   time.Duration // how far our clock is ahead of the journal's

	mu    sync.Mutex
	lease state.Lease
	quit  chan struct{} // ends the renewing
	quiet sync.WaitGroup
}

// AfterEdit is why a run waits whose filter was edited (CTRY-7).
const AfterEdit = "the filter was edited; the run starts after the delay"

// begin waits for the time of runs, takes their leases and records their starts,
// where that was not done. What went wrong is said in each job.
func (s *Syncer) begin(ctx context.Context, jobs []*job) {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.run != nil })
	eachOf(jobs, asking, func(j *job) { j.err = s.await(ctx, j) })
	jobs = together(jobs, func(jobs []*job) error { return s.lease(ctx, jobs) })
	jobs = together(jobs, func(jobs []*job) error { return s.recall(ctx, jobs) })
	for _, j := range jobs {
		switch {
		case j.met(j.run.memory):
			j.skipped, j.status = true, Skipped
			j.err = s.leave(ctx, j)
		case j.Promise == nil && Overtaken(j.Sync, j.Memory, j.run.memory):
			j.status = Locked
			j.err = errors.Join(overtaken(j.Sync.Addr), s.leave(ctx, j))
		}
	}
	jobs = slices.DeleteFunc(jobs, func(j *job) bool { return j.skipped })
	together(jobs, func(jobs []*job) error { return s.start(ctx, jobs) })
}

// together calls keep, by which the journal records something, for all jobs at once that
// nothing went wrong with, and returns those that are still so. Where it is refused, keep
// is called for each alone, so that it is known whose fault that is.
func together(jobs []*job, keep func([]*job) error) []*job {
	well := func(jobs []*job) []*job {
		return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.err != nil })
	}
	jobs = well(jobs)
	if len(jobs) == 0 || len(jobs) > 1 && keep(jobs) == nil {
		return jobs
	}
	eachOf(jobs, asking, func(j *job) { j.err = keep([]*job{j}) })
	return well(jobs)
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

// lease takes the leases of runs.
func (s *Syncer) lease(ctx context.Context, jobs []*job) error {
	leases, asked, err := s.acquire(ctx, addrsOf(jobs))
	if err != nil {
		var held *state.LeasedError
		if errors.As(err, &held) && len(jobs) == 1 {
			jobs[0].status = Locked
		}
		return fmt.Errorf("taking the lease of %s: %w", jobs[0].Sync.Addr, err)
	}
	for n, j := range jobs {
		failpoint.Reach(failpoint.LeaseTaken)
		j.run = newRun(s, leases[n])
		j.run.ahead = asked.Add(leaseFor).Sub(leases[n].Expires)
	}
	return nil
}

func addrsOf(jobs []*job) []addrs.Instance {
	all := make([]addrs.Instance, len(jobs))
	for n, j := range jobs {
		all[n] = j.Sync.Addr
	}
	return all
}

// recall reads what is remembered of syncs whose leases were taken.
func (s *Syncer) recall(ctx context.Context, jobs []*job) error {
	memories, err := s.opts.Journal.Memories(ctx, addrsOf(jobs))
	if err != nil {
		return s.unbegun(ctx, jobs, err)
	}
	for n, j := range jobs {
		j.run.memory = memories[n]
	}
	return nil
}

// start records the starts of runs.
func (s *Syncer) start(ctx context.Context, jobs []*job) error {
	runs := make([]state.Run, len(jobs))
	for n, j := range jobs {
		runs[n] = j.beginning()
	}
	if err := s.opts.Journal.Begin(ctx, runs...); err != nil {
		return s.unbegun(ctx, jobs, fmt.Errorf("recording the start of %s: %w", jobs[0].Sync.Addr, err))
	}
	for _, j := range jobs {
		failpoint.Reach(failpoint.RunBegun)
		j.run.quiet.Add(1)
		go j.run.renew(s.opts.Journal)
		s.emit(Started{Addr: j.Sync.Addr, Run: j.run.id, Decision: j.Decision})
	}
	return nil
}

// unbegun gives up the lease of a run that does not begin, where it is known that
// it is this one.
func (s *Syncer) unbegun(ctx context.Context, jobs []*job, err error) error {
	if len(jobs) > 1 {
		return err
	}
	return errors.Join(err, s.leave(ctx, jobs[0]))
}

// leave gives up the lease of a run that does not begin.
func (s *Syncer) leave(ctx context.Context, j *job) error {
	lease := j.run.lease
	j.run = nil
	return s.opts.Journal.Release(context.WithoutCancel(ctx), lease)
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

// acquire takes the leases of syncs; asked is the moment at which it asked for them. Who
// serves holds leases often and briefly, so whoever does not serve, and wants one alone,
// waits a while for it.
func (s *Syncer) acquire(ctx context.Context, syncs []addrs.Instance) (leases []state.Lease, asked time.Time, err error) {
	operation := cmp.Or(s.opts.Operation, "sync")
	for waited := time.Duration(0); ; waited += again {
		asked = s.opts.Now()
		leases, err = s.opts.Journal.Acquire(ctx, syncs, operation, leaseFor)
		var held *state.LeasedError
		if len(syncs) > 1 || !errors.As(err, &held) || operation == serving || held.Lease.Holder.Operation != serving || waited >= patience {
			return leases, asked, err
		}
		if waited == 0 {
			s.emit(Waiting{Addr: syncs[0], Until: s.opts.Now().Add(patience), Why: "accord serve runs this point at the moment"})
		}
		if err := s.opts.Sleep(ctx, again); err != nil {
			return nil, asked, err
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
	return s.wait(ctx, j, last.Add(j.run.ahead).Add(s.opts.Settle), "a run was cut short; its last calls may still land")
}

// met reports whether a full run of someone else has met the reasons since
// they were found.
func (j *job) met(now state.Memory) bool {
	last := now.LastFull
	return j.Decision.Mode == Full && last != nil && last.Outcome == state.Clean &&
		last.Seq > lastSeq(j.Memory) && len(now.Owed) == 0 && len(changedInputs(j.Sync, now)) == 0
}

// lastSeq is that of the last run that is remembered: one with a later one began since,
// whatever the clocks of those who ran them say.
func lastSeq(m state.Memory) uint64 {
	if m.Last == nil {
		return 0
	}
	return m.Last.Seq
}

// overtaken is why a run does not begin that goes by what was applied before. One that
// a plan promised is never that: it holds the lock of the state.
func overtaken(addr addrs.Instance) error {
	return &providers.Error{Kind: providers.Invalid, Op: "run", Addr: addr, Message: "something else has been applied meanwhile, and was run", Advice: "Run: accord sync"}
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
	left := j.run.lease.Expires.Add(j.run.ahead).Sub(j.s.opts.Now())
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
func (j *job) checkpoint(ctx context.Context, seq uint64, counts map[string]int64, met []state.Exception, resolved ...state.Item) error {
	c := state.Checkpoint{Seq: seq, Counts: counts, Met: met, Resolved: resolved}
	if err := j.s.opts.Journal.Checkpoint(ctx, j.run.id, c); err != nil {
		return fmt.Errorf("recording what was written: %w", err)
	}
	return nil
}

// finish records the ends of runs, whatever they were, and gives up their leases.
func (s *Syncer) finish(ctx context.Context, jobs []*job) {
	ctx = context.WithoutCancel(ctx)
	begun := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.run == nil })
	eachOf(begun, asking, func(j *job) { // vaults are told all at once
		j.ending(ctx)
		failpoint.Reach(failpoint.RunTimed)
	})
	s.ended(ctx, begun)
	for _, j := range jobs {
		if j.status == "" {
			j.status = statusOf(j.err)
		}
		o := j.outcome()
		s.emit(Finished{Addr: j.Sync.Addr, Outcome: &o})
	}
}

// ending makes the end of a run, which is all but on record.
func (j *job) ending(ctx context.Context) {
	end := &j.run.end
	if j.Sync.Engine == providers.EnginePlatform {
		*end = j.endFollowed(ctx)
	} else {
		*end = j.end(ctx)
	}
	end.Run, end.Worth, end.Release = j.run.id, j.worth(), true
	end.Light = end.Outcome == state.Clean && (j.Decision.Mode == Incremental || j.done.Written() == 0)
	close(j.run.quit)
	j.run.quiet.Wait()
}

// ended records the ends of runs: of all together, or where that is refused of each
// alone.
func (s *Syncer) ended(ctx context.Context, jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	ends := make([]state.End, len(jobs))
	for n, j := range jobs {
		ends[n] = j.run.end
	}
	ended, err := s.opts.Journal.End(ctx, ends...)
	if err != nil && len(jobs) > 1 {
		for _, j := range jobs {
			s.ended(ctx, []*job{j})
		}
		return
	}
	for n, j := range jobs {
		failpoint.Reach(failpoint.RunEnded)
		if err != nil {
			j.err = errors.Join(j.err, fmt.Errorf("recording the end of %s: %w", j.Sync.Addr, err), s.opts.Journal.Release(ctx, j.run.lease))
		} else {
			j.ended = ended[n]
		}
		if j.err == nil {
			j.status = Clean
			if j.run.end.Outcome == state.Faulty {
				j.status = Faulty
			}
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
	if j.err != nil {
		j.gaveUp(ctx, &end)
	}
	return end
}

// gaveUp says why a run did not come to its end.
func (j *job) gaveUp(ctx context.Context, end *state.End) {
	j.general(ctx, j.err)
	end.Outcome, end.Message = state.Failed, providers.Advised(j.err)
	if statusOf(j.err) == Interrupted {
		end.Outcome, end.Message = state.Interrupted, "it was stopped"
	}
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
		err = j.recordTimes(ctx, p, providers.Run{Sync: j.Sync.Decided(), ID: j.run.id, Started: started, Clean: clean, Failed: j.failures})
	}
	if err != nil {
		return fmt.Errorf("recording the run times of %s: %w", j.Sync.Addr, err)
	}
	j.remembering(end, started, clean, j.failures)
	return nil
}

// recordTimes writes the run times (CLM-8); what may or may not have been written is
// written again, which changes nothing where it was.
func (j *job) recordTimes(ctx context.Context, p providers.Provider, run providers.Run) error {
	for n := 1; ; n++ {
		err := p.Finish(ctx, run)
		if n == attempts || providers.KindOf(err) != providers.Ambiguous {
			return err
		}
		if err := j.may(ctx); err != nil {
			return err
		}
	}
}

// retried resolves what a run was asked to try again, and that did not fail in it.
func (j *job) retried(ctx context.Context) error {
	if len(j.Decision.Only) == 0 {
		return nil
	}
	failed := map[state.Item]bool{}
	for f, err := range j.s.opts.Journal.Exceptions(ctx, j.Sync.Addr) {
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
	end.Memory, end.Sweep, end.Matched = &m, all, j.matched
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
