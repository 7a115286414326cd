package vaultapi

import (
	"cmp"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// newBackoff gives waits with full jitter: the n-th is anything between nothing
// and Base·2^(n-1), at most Cap.
func (r Retry) newBackoff() *backoff.ExponentialBackOff {
	b := &backoff.ExponentialBackOff{
		// A factor of 1 spreads over [0, 2·interval].
		InitialInterval:     r.Base / 2,
		RandomizationFactor: 1,
		Multiplier:          2,
		MaxInterval:         r.Cap / 2,
	}
	b.Reset()
	return b
}

// budget keeps an outage from multiplying the load: a retry takes one token, a
// success gives a tenth of one back.
type budget struct {
	mu     sync.Mutex
	tokens float64
	size   float64
}

func newBudget(size int) *budget { return &budget{tokens: float64(size), size: float64(size)} }

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+0.1, b.size)
}

// verdict is what becomes of a call after a failed attempt.
type verdict int

const (
	giveUp  verdict = iota
	again           // after a backoff
	relogin         // with a new session, once
	outwait         // after the announced maintenance
)

// judge is the whole rule of repetition. reloggedIn tells that this call
// already had a new session.
func (r Retry) judge(err *Error, k call, tries int, elapsed time.Duration, reloggedIn bool) verdict {
	switch {
	case err.final:
		return giveUp
	case err.Type == invalidSession && !k.login:
		if reloggedIn {
			return giveUp
		}
		return relogin
	case !err.Kind.retryable():
		return giveUp
	case err.down > 0:
		if elapsed >= r.Downtime {
			return giveUp
		}
		return outwait
	case tries >= cmp.Or(k.tries, r.Tries) || elapsed >= r.Elapsed:
		return giveUp
	}
	return again
}
