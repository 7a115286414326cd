package watch

import (
	"math/rand/v2"
	"time"
)

// pause is for how long something is left alone that did not succeed.
type pause struct {
	failed int       // times in a row
	till   time.Time // zero: it is not left alone
	firm   bool      // it does not end because a vault answers again
}

func (p pause) over(now time.Time) bool { return !now.Before(p.till) }

// extend notes one more failure, and begins a pause that is longer than the last,
// up to most.
func (p *pause) extend(now time.Time, most time.Duration, spread float64) {
	p.failed++
	p.till = now.Add(min(backoff(p.failed, spread), most))
}

// relent ends the pause since what may have been the reason is over. Should it not
// have been, the next one is longer.
func (p *pause) relent() {
	if !p.firm {
		p.till = time.Time{}
	}
}

// The back-off of what fails: it doubles from first to most, and is spread so that
// the points of a vault that suffers do not come back at once.
const (
	firstBackoff = 5 * time.Second
	mostBackoff  = 5 * time.Minute

	// A look costs a few calls: a source that suffers bears one now and then.
	mostUnseen = 30 * time.Second
)

// backoff is how long to wait after so many failures in a row. spread lies between
// 0 and 1.
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
