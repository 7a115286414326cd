package watch

import (
	"errors"
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
	Err      error     // what keeps it from running anything, or the last thing that did
	Lost     time.Time // since when the state, or its journal, cannot be read; zero: it can
	Calls    int       // of looks for changes
	Points   []Point
	Vaults   []Vault
}

// errSilent is of a state, or a journal, that merely does not answer.
var errSilent = errors.New("the state, or its journal, does not answer")

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
	Totals
}

// Totals is what came of the runs of one sync since the process started.
type Totals struct {
	Runs  map[syncer.Status]int
	Done  syncer.Counts
	Took  time.Duration
	Calls int
}

// Status returns how things stand now. It waits for nothing.
func (w *Watch) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Started: w.started, Beat: w.beat, Beats: w.beats, Interval: w.opts.Interval, Err: w.err, Lost: w.lost, Calls: w.calls}
	if since := w.reads; !since.IsZero() && w.opts.Now().Sub(since) > mostSilence(w.opts.Interval) {
		s.Err, s.Lost = errSilent, since
	}
	if a := w.survey.found; a != nil {
		s.Known, s.Serial, s.Looked = true, a.Serial, a.At
		s.Drift, s.Unread = a.Drift, a.Unread
	}
	for _, addr := range slices.SortedFunc(maps.Keys(w.points), addrs.Instance.Compare) {
		p := w.points[addr]
		pt := Point{
			Addr: addr, Sync: p.task.Sync, Decision: p.task.Decision, Memory: p.task.Memory, Running: p.busy,
			Waits: p.turn.wait, Until: p.turn.till, Failing: p.agenda.pause.failed, Last: p.last, Totals: p.totals,
		}
		pt.Runs = maps.Clone(pt.Runs)
		if p.agenda.pause.failed > 0 && p.last != nil && p.last.Err != nil {
			pt.Trouble = providers.Advised(p.last.Err)
		} else if src := w.sights[sourceOf(&p.task.Sync)]; src != nil && src.err != nil {
			pt.Trouble = providers.Advised(src.err)
		}
		s.Points = append(s.Points, pt)
	}
	s.Vaults = w.vaults(w.opts.Now())
	return s
}

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
	case s.Err != nil && (!s.Known || !s.Lost.IsZero() && now.Sub(s.Lost) > mostSilence(s.Interval)):
		return s.Err.Error()
	case !s.Known:
		return "it is starting"
	}
	if why := silence(s.Vaults, true, now); why != "" {
		return why
	}
	return silence(s.Vaults, false, now)
}
