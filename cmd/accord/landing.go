package main

import (
	"context"
	"net"
	"net/url"
	"time"

	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// landing is how long a call of a tool that died may still land in a vault.
// What came of it is looked up after that. Tests shorten it.
var landing = time.Minute

// landingIn is how long that is in the vaults of instances: no time at all where
// all of them are on this machine.
func landingIn(instances []providers.Object) time.Duration {
	for _, inst := range instances {
		var body instanceBody
		if inst.Decode(&body) != nil {
			continue
		}
		if u, err := url.Parse(body.URL); err == nil && u.Scheme != "dev" && !isHere(u.Hostname()) {
			return landing
		}
	}
	return 0
}

func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// landedAt is when nothing that was begun can land any more; zero: it is now.
// Whatever the clock of who began it said, nobody waits longer than the time.
func landedAt(open []state.Intent, now time.Time, landing time.Duration) time.Time {
	var at time.Time
	for _, in := range open {
		if t := in.At.Add(landing); t.After(at) {
			at = t
		}
	}
	if latest := now.Add(landing); at.After(latest) {
		at = latest
	}
	if !at.After(now) {
		return time.Time{}
	}
	return at
}

// landed waits until nothing of an apply that was cut short can land any more.
func (w *workspace) landed(ctx context.Context, st *state.State, progress *progress) error {
	now := time.Now()
	at := landedAt(st.Open, now, w.landing)
	if at.IsZero() {
		return nil
	}
	progress.syncer(syncer.Waiting{Addr: st.Open[0].Addr, Until: at, Why: "an apply was cut short; its last calls may still land"})
	return syncer.Sleep(ctx, at.Sub(now))
}
