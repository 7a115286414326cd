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
	quit  chan struct{} // nil: nothing ticks
}

func (c *countdown) end() {
	c.until = time.Time{}
	if c.quit != nil {
		close(c.quit)
		c.quit = nil
	}
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
	if p.live && p.wait.quit == nil && left > 0 {
		p.wait.quit = make(chan struct{})
		go p.tick(p.wait.quit)
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

// tick shows how long is left, until there is nothing to wait for.
func (p *progress) tick(quit <-chan struct{}) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-quit:
			return
		case now := <-every.C:
			p.mu.Lock()
			if text := p.waits(now); text != "" && p.wait.quit == quit {
				p.wipe()
				fmt.Fprint(p.w, shorten("  "+text, min(screenWidth(p.w), 120)-1))
				p.shown, p.last = true, now
			}
			p.mu.Unlock()
		}
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
