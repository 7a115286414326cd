package standin

import (
	"strings"
	"time"
)

// The modes of a run.
type mode int

const (
	none mode = iota
	incremental
	full
)

// What the seeds say of time.
const (
	fullAfter   = 15 * 24 * time.Hour
	filterDelay = 5 * time.Minute
)

// memory is what the engine remembers of a point.
type memory struct {
	Active bool      // as it was when it was looked at last
	LSRT   time.Time // as the engine left it: one that is empty since was cleared
	Asked  time.Time // when that was noticed
	Filter string    // that the last full run took
	Edited time.Time // when the filter was first found to differ from that
}

// due says whether a point runs now. It notes in m what it has seen.
func due(m *memory, p point, s settings, now time.Time, every time.Duration) mode {
	if !p.active {
		m.Active, m.Edited, m.Asked = false, time.Time{}, time.Time{}
		return none
	}
	if !p.lsrt.IsZero() {
		m.Asked = time.Time{}
	}
	switch filter := strings.Join(s.filter, ","); {
	case filter == m.Filter:
		m.Edited = time.Time{}
	case m.Edited.IsZero():
		m.Edited = s.edited
	}
	switch {
	case !m.Active:
		return full
	case p.lsrt.IsZero() && !m.LSRT.IsZero():
		if m.Asked.IsZero() {
			m.Asked = now
		}
		if !now.Truncate(time.Second).After(m.Asked) { // it has seen that at a beat, and runs at the next
			return none
		}
		m.LSRT, m.Asked = time.Time{}, time.Time{} // asked for once
		return full
	case !m.Edited.IsZero() && !now.Before(m.Edited.Add(filterDelay)):
		return full
	case now.Before(p.lrt.Add(every)):
		return none
	case p.lsrt.IsZero(), now.Sub(p.lsrt) >= fullAfter:
		return full
	}
	return incremental
}
