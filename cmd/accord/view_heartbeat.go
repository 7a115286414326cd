package main

import (
	"fmt"
	"time"
)

// heartbeat is how often it is said that a command goes on; tests set it.
var heartbeat = 10 * time.Second

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
	heart := make(chan struct{})
	c.heart = heart
	began, ticker := time.Now(), time.NewTicker(heartbeat)
	c.beside.Go(func() error {
		defer ticker.Stop()
		c.goOn(operation, began, ticker.C, heart)
		return nil
	})
}

// stopHeart returns when nothing more will be said: neither that the command goes
// on, nor by lines that move. What crashed in saying it surfaces here: the work
// itself was not held up.
func (c *cli) stopHeart() {
	if c.heart != nil {
		close(c.heart)
		c.heart = nil
	}
	defer func() { _ = c.beside.Wait() }()
	if p := c.showing.Load(); p != nil {
		p.clear()
	}
}
