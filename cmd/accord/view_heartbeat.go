package main

import (
	"fmt"
	"time"
)

// heartbeat is how often it is said that a command goes on.
const heartbeat = 10 * time.Second

// goOn says that a command goes on, at every tick until done: with -json by a
// line of its own, else, where no terminal shows it move, by what goes on.
// Times come from the ticks alone.
func (c *cli) goOn(operation string, began time.Time, ticks <-chan time.Time, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case now := <-ticks:
			c.beat(operation, now.Sub(began))
		}
	}
}

func (c *cli) beat(operation string, elapsed time.Duration) {
	p := c.showing.Load()
	doing := ""
	if p != nil {
		doing = p.goesOn()
	}
	switch {
	case c.json:
		data := map[string]any{"operation": operation, "elapsed_ms": elapsed.Milliseconds()}
		if doing != "" {
			data["doing"] = doing
		}
		_ = c.line("heartbeat", fmt.Sprintf("%s goes on, %s", operation, elapsed.Round(time.Second)), data)
	case p != nil && !p.live && doing != "":
		p.stay("  %s, %s", doing, elapsed.Round(time.Second))
	}
}

// startHeart begins to say that the command goes on, until stopHeart.
func (c *cli) startHeart(operation string) {
	if c.heart != nil || !c.json && isTerminal(c.stderr) {
		return
	}
	c.heart = make(chan struct{})
	c.rested = make(chan struct{})
	ticker := time.NewTicker(heartbeat)
	go func() {
		defer close(c.rested)
		defer ticker.Stop()
		c.goOn(operation, time.Now(), ticker.C, c.heart)
	}()
}

// stopHeart returns when nothing more will be said.
func (c *cli) stopHeart() {
	if c.heart != nil {
		close(c.heart)
		<-c.rested
		c.heart = nil
	}
}
