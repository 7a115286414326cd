package watch

import (
	"math/rand/v2"
	"time"

	"accord/planner/syncer"
	"accord/state"
)

// turn is why a point does or does not run at this beat.
type turn struct {
	run  bool
	wait string    // for people; "" where nothing is waited for
	till time.Time // when it may change by itself; zero: with the next beat
}

// pace is how often a point runs without a change.
type pace struct {
	retry time.Duration // what failed is tried again
	quiet time.Duration // LRT and LSRT move although nothing does (CLM-8)
	beat  time.Duration
}

// locked is how long a point is left alone that another process runs. To ask for a
// full run takes the run of a table, and it may take long.
func (p pace) locked(mode syncer.Mode) time.Duration {
	if mode == syncer.Full {
		return max(p.beat, mostUnseen)
	}
	return p.beat
}

// due says whether a point runs now. It is pure. changed says that the source
// holds a change that the last run has not seen.
func due(d syncer.Decision, m state.Memory, changed bool, backoff time.Time, p pace, now time.Time) turn {
	switch {
	case d.Mode == syncer.None:
		return turn{wait: d.Idle}
	case now.Before(backoff):
		return turn{wait: "it failed, and is tried again later", till: backoff}
	case d.Mode == syncer.Full && now.Before(d.EarliestStart):
		return turn{wait: syncer.AfterEdit, till: d.EarliestStart}
	case d.Mode == syncer.Full, changed:
		return turn{run: true}
	}
	last := lastStart(m)
	every := p.quiet
	if d.Has(syncer.Retry) {
		every = min(p.retry, p.quiet)
	}
	if next := last.Add(every); now.Before(next) {
		return turn{till: next}
	}
	return turn{run: true}
}

func lastStart(m state.Memory) time.Time {
	if m.Last == nil {
		return time.Time{}
	}
	return m.Last.Started
}

// The back-off of a point whose runs fail: it doubles from first to most, and
// is spread so that the points of a vault that suffers do not come back at once.
const (
	firstBackoff = 5 * time.Second
	mostBackoff  = 5 * time.Minute

	// A look costs a few calls: a source that suffers bears one now and then.
	mostUnseen = 30 * time.Second
)

// backoff is how long a point waits after so many failed runs in a row. spread
// lies between 0 and 1.
func backoff(failed int, spread float64) time.Duration {
	if failed <= 0 {
		return 0
	}
	d := mostBackoff
	if failed < 8 {
		d = min(firstBackoff<<(failed-1), mostBackoff)
	}
	return d/2 + time.Duration(spread*float64(d/2))
}

func spread() float64 { return rand.Float64() }
