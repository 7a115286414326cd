package main

import (
	"fmt"
	"time"

	"accord/planner/syncer"
)

// countdown is the wait for a moment before which a run may not begin.
type countdown struct {
	until time.Time
	why   string
}

// countDown says that a run waits, and for how long: once in a line that stays,
// however many runs wait for one moment, and on a terminal every second.
func (p *progress) countDown(e syncer.Waiting) {
	now := time.Now()
	left := e.Until.Sub(now)
	p.mu.Lock()
	said := p.wait.why == e.Why && e.Until.Sub(p.wait.until).Abs() < time.Second
	if e.Until.After(p.wait.until) {
		p.wait.until, p.wait.why = e.Until, e.Why
	}
	if p.live && left > 0 {
		p.tick()
	}
	p.mu.Unlock()
	if said || left < time.Second {
		return
	}
	p.stay("  %s %s waits %s, until %s: %s", faint("◷"), e.Addr, round(left), clockTime(e.Until, now), e.Why)
	if e.Why == syncer.AfterEdit {
		p.stay("    An interrupt loses nothing: the run stays owed, and begins no earlier and no later for it")
	}
}

// waits is how long is left, in words; "" where nothing is waited for, or
// something else goes on meanwhile. The caller holds mu.
func (p *progress) waits(now time.Time) string {
	left := p.wait.until.Sub(now)
	if left <= 0 || now.Sub(p.moved) < time.Second {
		return ""
	}
	return fmt.Sprintf("%s left, until %s: %s", left.Round(time.Second), clockTime(p.wait.until, now), p.wait.why)
}
