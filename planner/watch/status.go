package watch

import (
	"maps"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// Status is how things stand.
type Status struct {
	Started  time.Time
	Beat     time.Time // the last that came to its end; zero: none yet
	Beats    int
	Interval time.Duration
	Serial   uint64 // of the state that is run
	Known    bool   // what was applied is known
	Looked   time.Time
	Drift    []Drift
	Unread   []Unread
	Err      error // what keeps it from running anything, or the last thing that did
	Calls    int   // of looks for changes
	Points   []Point
	Vaults   []Vault
}

// Vault is what was last heard of an instance that syncs lead from or to.
type Vault struct {
	Addr     addrs.Instance
	Source   bool      // syncs lead from it to others
	Answered time.Time // when it last did; zero: never
	Silent   bool      // it has not for too long
	Err      error     // why, as far as is known
}

// Point is one sync.
type Point struct {
	Addr     addrs.Instance
	Sync     providers.Sync
	Decision syncer.Decision
	Memory   state.Memory
	Running  bool
	Waits    string    // why it does not run now; "" where nothing is due
	Until    time.Time // of a wait; zero: not known
	Failing  int       // failed runs in a row
	Trouble  string    // what the last failed run, or look, said
	Last     *syncer.Outcome

	// Since the process started:
	Runs  map[syncer.Status]int
	Done  syncer.Counts
	Took  time.Duration
	Calls int
}

// Status returns how things stand now. It waits for nothing.
func (w *Watch) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Started: w.started, Beat: w.beat, Beats: w.beats, Interval: w.opts.Interval, Err: w.lookErr, Calls: w.calls}
	if w.applied != nil {
		s.Known, s.Serial, s.Looked = true, w.applied.Serial, w.applied.At
		s.Drift, s.Unread = w.applied.Drift, w.applied.Unread
	}
	for _, addr := range slices.SortedFunc(maps.Keys(w.points), addrs.Instance.Compare) {
		p := w.points[addr]
		pt := Point{
			Addr: addr, Sync: p.task.Sync, Decision: p.task.Decision, Memory: p.task.Memory, Running: p.busy,
			Waits: p.turn.wait, Until: p.turn.till, Failing: p.failed, Last: p.last,
			Runs: maps.Clone(p.counts), Done: p.done, Took: p.took, Calls: p.calls,
		}
		if p.failed > 0 && p.last != nil && p.last.Err != nil {
			pt.Trouble = p.last.Err.Error()
		} else if src := w.sights[sourceOf(&p.task.Sync)]; src != nil && src.err != nil {
			pt.Trouble = src.err.Error()
		}
		s.Points = append(s.Points, pt)
	}
	s.Vaults = w.vaults(w.opts.Now())
	return s
}

// answers is what was heard of an instance.
type answers struct {
	last  time.Time // that it answered
	since time.Time // it has been asked in vain; zero: it has not
	err   error
}

// asked notes that an instance is being asked.
func (w *Watch) asked(addr addrs.Instance) *answers {
	a := w.answers[addr]
	if a == nil {
		a = &answers{}
		w.answers[addr] = a
	}
	if a.since.IsZero() {
		a.since = w.opts.Now()
	}
	return a
}

// heard notes that an instance has answered, or why it has not.
func (w *Watch) heard(addr addrs.Instance, err error) {
	a := w.asked(addr)
	if a.err = err; err == nil {
		a.last, a.since = w.opts.Now(), time.Time{}
	}
}

// blame notes that something of a sync could not be done. It is the target's,
// where nothing is known against the source. A table that stays within one
// instance is read and written there, and told of elsewhere: of it nobody knows.
func (w *Watch) blame(s *providers.Sync, err error) {
	if s.Source.Instance == s.Target.Instance {
		return
	}
	switch providers.KindOf(err) {
	case providers.Transient, providers.Throttled, providers.Ambiguous, providers.Access:
	default:
		return
	}
	if a := w.answers[s.Source.Instance]; a == nil || a.err == nil {
		w.heard(s.Target.Instance, err)
	}
}

// vaults says what was heard of each instance.
func (w *Watch) vaults(now time.Time) []Vault {
	sources := map[addrs.Instance]bool{}
	for _, p := range w.points {
		if s := &p.task.Sync; s.Source.Instance != s.Target.Instance {
			sources[s.Source.Instance] = true
		}
	}
	var list []Vault
	for _, addr := range slices.SortedFunc(maps.Keys(w.answers), addrs.Instance.Compare) {
		a := w.answers[addr]
		silent := !a.since.IsZero() && now.Sub(a.since) > mostSilence(w.opts.Interval)
		list = append(list, Vault{Addr: addr, Source: sources[addr], Answered: a.last, Err: a.err, Silent: silent})
	}
	return list
}

// mostSilence is for how long an instance may be asked in vain: a few beats, and
// what a look takes that is slow.
func mostSilence(interval time.Duration) time.Duration { return max(3*interval, 15*time.Second) }

// Alive says why the process should be started anew; "": no reason. What vaults
// do is none.
func (s Status) Alive(now time.Time) string {
	since := s.Beat
	if since.IsZero() {
		since = s.Started
	}
	if late := now.Sub(since); late > 10*s.Interval+time.Minute {
		return "the loop has not come round for " + late.Round(time.Second).String()
	}
	return ""
}

// Healthy says why nothing can be brought over at the moment; "": something can.
// One vault of several that does not answer is its own points' trouble, and that
// of whoever looks after it.
func (s Status) Healthy(now time.Time) string {
	switch why := s.Alive(now); {
	case why != "":
		return why
	case !s.Known && s.Err != nil:
		return s.Err.Error()
	case !s.Known:
		return "it is starting"
	}
	if why := silence(s.Vaults, true, now); why != "" {
		return why
	}
	return silence(s.Vaults, false, now)
}

// silence says that all vaults that content comes from, or all that it goes to,
// do not answer; "": some do, or there are none.
func silence(vaults []Vault, sources bool, now time.Time) string {
	var last time.Time
	var err error
	n := 0
	for _, v := range vaults {
		if v.Source != sources {
			continue
		}
		if n++; !v.Silent {
			return ""
		}
		if v.Answered.After(last) {
			last = v.Answered
		}
		if err == nil {
			err = v.Err
		}
	}
	if n == 0 {
		return ""
	}
	why := "no vault that content goes to has answered"
	if sources {
		why = "no vault that content comes from has answered"
	}
	if !last.IsZero() {
		why += " for " + now.Sub(last).Round(time.Second).String()
	}
	if err != nil {
		why += ": " + err.Error()
	}
	return why
}
