package watch

import "time"

// survey is what a process knows of what was applied, and when it looks again. It
// has no clock, and reads nothing.
type survey struct {
	found   *Applied  // by the last look that came to its end; nil: none has
	stale   bool      // what was found may not be so any more
	going   bool      // a look is under way
	pause   pause     // of looks that fail
	again   time.Time // when to look although nothing moved
	partial int       // looks in a row that did not reach everything
}

// of is what was found, where it is of a serial of the state, or until the look that is
// under way has found more: a vault that hangs holds up that look, and not all others.
// What was applied since is told by Options.Moved.
func (s *survey) of(serial uint64) *Applied {
	if s.found != nil && s.found.Serial < serial && !s.going {
		return nil
	}
	return s.found
}

// moved reports whether the state is at another serial than what was found.
func (s *survey) moved(serial uint64) bool { return s.found == nil || s.found.Serial != serial }

// due reports whether to look, while the state is at a serial.
func (s *survey) due(serial uint64, now time.Time) bool {
	return !s.going && s.pause.over(now) && (s.stale || s.moved(serial) || !now.Before(s.again))
}

// begin notes that a look begins.
func (s *survey) begin() { s.going, s.stale = true, false }

// failed notes that a look read nothing.
func (s *survey) failed(now time.Time, spread float64) {
	s.stale = true
	s.pause.extend(now, mostBackoff, spread)
}

// ended notes what a look found. A vault that was away for a moment is looked for
// again before the time to refresh has passed.
func (s *survey) ended(found *Applied, refresh time.Duration, spread float64) {
	s.found, s.pause = found, pause{}
	if s.partial++; len(found.Unread)+len(found.Away) == 0 {
		s.partial = 0
	}
	s.again = found.At.Add(refresh)
	if s.partial > 0 {
		s.again = found.At.Add(min(backoff(s.partial, spread), refresh))
	}
}
