// Package statetest is what every backend of package state must pass. A
// backend joins with one function that opens its store.
//
// It refuses to know how a backend keeps what it is told: it sees what any caller
// sees. Start with Run, then Journal, whose tests lie by what they are about.
package statetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"accord/state"
)

// Place opens the store of one place, again and again: what one handle has
// written, the next one finds. Handles are closed by the suite.
type Place func(t *testing.T, now func() time.Time) state.Store

// Run runs the whole suite. fresh makes a new, empty place.
func Run(t *testing.T, fresh func(t *testing.T) Place) {
	t.Run("State", func(t *testing.T) { State(t, fresh) })
	t.Run("Journal", func(t *testing.T) { Journal(t, fresh) })
}

// Start is when the clocks of the suite begin.
var Start = time.Date(2026, 3, 28, 23, 30, 0, 123456789, time.UTC)

// Clock is a clock that is set forward by hand.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows Start.
func NewClock() *Clock { return &Clock{now: Start} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add sets the clock forward.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// place is a place under test, with a clock.
type place struct {
	*testing.T
	ctx   context.Context
	clock *Clock
	open  Place
}

func newPlace(t *testing.T, fresh func(t *testing.T) Place) place {
	t.Parallel()
	return place{T: t, ctx: t.Context(), clock: NewClock(), open: fresh(t)}
}

// store opens the place once more.
func (p place) store() state.Store {
	p.Helper()
	s := p.open(p.T, p.clock.Now)
	p.Cleanup(func() { s.Close() })
	return s
}

// must fails the test at an error.
func (p place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// contend lets all ask at once, and wants one of them to be given what it asks
// for, and the others to be told why not.
func contend[Refused error, T any](p place, asks []func() (T, error)) (won T, lost []Refused) {
	p.Helper()
	type answer struct {
		got T
		err error
	}
	answers := make(chan answer, len(asks))
	for _, ask := range asks {
		go func() {
			got, err := ask()
			answers <- answer{got, err}
		}()
	}
	winners := 0
	for range asks {
		var refused Refused
		switch a := <-answers; {
		case a.err == nil:
			winners, won = winners+1, a.got
		case errors.As(a.err, &refused):
			lost = append(lost, refused)
		default:
			p.Error(a.err)
		}
	}
	if winners != 1 {
		p.Fatalf("%d of %d won", winners, len(asks))
	}
	return won, lost
}
