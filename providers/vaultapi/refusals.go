package vaultapi

import (
	"context"
	"sync"
	"time"
)

// Refusals is what is remembered of a password that a vault refused: a few wrong
// ones in a row lock a user out. Clients of one vault and user that are opened one
// after the other may share it, so that opening anew is no way around it.
type Refusals struct {
	again []time.Duration

	mu       sync.Mutex
	password Secret // that was refused last
	err      *Error // with which; nil: it may be tried
	times    int    // in a row
	since    time.Time
	asked    time.Time // when Credentials were last held against it
}

// NewRefusals is for who stays: a refused password is tried again after these
// times, one after the other, and then no more. Once Credentials give another one,
// that is tried. Without times a client that was refused tries nothing any more.
func NewRefusals(again ...time.Duration) *Refusals { return &Refusals{again: again} }

// askAgain is how often credentials are held against a password that was refused.
const askAgain = 10 * time.Second

// stands returns the refusal that keeps a login from being tried; nil: none does.
func (r *Refusals) stands(ctx context.Context, cfg *Config) *Error {
	refused, err, ask := r.waits(cfg.Clock.Now())
	if !ask {
		return err
	}
	_, password, unknown := cfg.Credentials(ctx) // which may take its time
	if unknown != nil || password.Empty() || password == refused {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.password == refused {
		r.err, r.times = nil, 0
	}
	return r.err
}

// waits returns the refusal that stands, and whether it is time to see if there is
// another password by now. Where it is time to try the same again, none stands.
func (r *Refusals) waits(now time.Time) (refused Secret, err *Error, ask bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err == nil:
	case r.times <= len(r.again) && now.Sub(r.since) >= r.again[r.times-1]:
		r.err = nil
	case len(r.again) > 0 && now.Sub(r.asked) >= askAgain:
		r.asked, ask = now, true
	}
	return r.password, r.err, ask
}

// last returns the refusal that stands, and looks for nothing.
func (r *Refusals) last() *Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// note keeps a refusal.
func (r *Refusals) note(password Secret, err *Error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.password, r.err, r.times, r.since = password, err, r.times+1, now
}

// forget is for a password that was taken.
func (r *Refusals) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.times = nil, 0
}
