package statetest

import (
	"errors"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"github.com/google/go-cmp/cmp"
)

func testLeases(p place) {
	one, two := p.journal(p.store()), p.journal(p.store())
	lease := p.acquire(one, clm)
	if lease.Fence == 0 || lease.Sync != clm || lease.Holder.Operation != "sync" || !lease.Expires.Equal(Start.Add(time.Minute)) {
		p.Errorf("the lease is %+v", lease)
	}
	refused := func() {
		p.Helper()
		for _, j := range []state.Journal{one, two} {
			_, err := state.LeaseOf(p.ctx, j, clm, "sync", time.Minute)
			var leased *state.LeasedError
			if !errors.As(err, &leased) {
				p.Fatalf("a second lease: %v", err)
			}
			if diff := cmp.Diff(lease, leased.Lease); diff != "" {
				p.Errorf("the lease that is in the way (-really +as told):\n%s", diff)
			}
		}
	}
	refused()
	p.acquire(two, country) // another sync is free

	p.clock.Add(59 * time.Second)
	var err error
	lease, err = one.Renew(p.ctx, lease, time.Minute)
	p.must(err)
	if !lease.Expires.Equal(Start.Add(119 * time.Second)) {
		p.Errorf("renewed until %s", lease.Expires)
	}
	p.clock.Add(59 * time.Second)
	refused()

	// Expired, and nobody took it: renewing is still right.
	p.clock.Add(2 * time.Second)
	lease, err = one.Renew(p.ctx, lease, time.Second)
	p.must(err)
	refused()

	p.clock.Add(time.Second) // exactly when it expires
	taken := p.acquire(two, clm)
	if taken.Fence <= lease.Fence {
		p.Errorf("the fence went from %d to %d", lease.Fence, taken.Fence)
	}
	if _, err := one.Renew(p.ctx, lease, time.Minute); !errors.Is(err, state.ErrFenced) {
		p.Errorf("renewal after takeover: %v", err)
	}
	p.must(one.Release(p.ctx, lease)) // leaves the other's alone
	if _, err := state.LeaseOf(p.ctx, one, clm, "sync", time.Minute); !errors.As(err, new(*state.LeasedError)) {
		p.Errorf("the other's lease is gone: %v", err)
	}
	p.must(two.Release(p.ctx, taken))
	if _, err := two.Renew(p.ctx, taken, time.Minute); !errors.Is(err, state.ErrFenced) {
		p.Errorf("renewal after release: %v", err)
	}
	again := p.acquire(one, clm)
	if again.Fence <= taken.Fence {
		p.Errorf("after release the fence went from %d to %d", taken.Fence, again.Fence)
	}

	// The end of a run may give its lease up.
	p.begin(one, again, "R1", state.Incremental)
	p.end(one, "R1", state.End{Outcome: state.Clean, Release: true})
	if _, err := one.Renew(p.ctx, again, time.Minute); !errors.Is(err, state.ErrFenced) {
		p.Errorf("renewal after the end: %v", err)
	}
	p.acquire(two, clm)
}

// Revoked, by somebody who does not hold it: a run says no more, and the next may begin.
func testRevoke(p place) {
	one, two := p.journal(p.store()), p.journal(p.store())
	p.must(two.Revoke(p.ctx, nil))
	p.must(two.Revoke(p.ctx, []addrs.Instance{clm})) // nobody holds it
	lease, other := p.acquire(one, clm), p.acquire(one, country)
	p.begin(one, lease, "R1", state.Full)
	p.must(two.Revoke(p.ctx, []addrs.Instance{clm}))
	for what, err := range map[string]error{
		"Intend":     one.Intend(p.ctx, "R1", []state.Batch{{Seq: 1}}),
		"Checkpoint": one.Checkpoint(p.ctx, "R1", state.Checkpoint{Seq: 1}),
		"Renew":      func() error { _, err := one.Renew(p.ctx, lease, time.Minute); return err }(),
	} {
		if !errors.Is(err, state.ErrFenced) {
			p.Errorf("%s after the lease was revoked: %v", what, err)
		}
	}
	if _, err := one.Renew(p.ctx, other, time.Minute); err != nil {
		p.Errorf("the lease of another sync: %v", err)
	}
	if runs, err := two.Runs(p.ctx, clm, 1); err != nil || len(runs) != 1 || runs[0].Outcome != state.Interrupted {
		p.Errorf("the run was revoked, and is told of as %+v, %v", runs, err)
	}
	if again := p.acquire(two, clm); again.Fence <= lease.Fence {
		p.Errorf("after it was revoked the fence went from %d to %d", lease.Fence, again.Fence)
	}
}

// The lease of a store that was closed, or whose process died, need not expire.
func testLeaseOfTheDead(p place) {
	one := p.store()
	lease := p.acquire(p.journal(one), clm)
	p.must(one.Close())
	if taken := p.acquire(p.journal(p.store()), clm); taken.Fence <= lease.Fence {
		p.Errorf("the fence went from %d to %d", lease.Fence, taken.Fence)
	}
}

func testFenced(p place) {
	one, two := p.journal(p.store()), p.journal(p.store())
	lease := p.acquire(one, clm)
	p.begin(one, lease, "R1", state.Full)
	p.must(one.Intend(p.ctx, "R1", []state.Batch{{Seq: 1}}))
	p.clock.Add(time.Hour)
	p.must(one.Checkpoint(p.ctx, "R1", state.Checkpoint{Seq: 1})) // expired, but nobody took over
	p.acquire(two, clm)
	for name, err := range map[string]error{
		"Begin":      one.Begin(p.ctx, state.Run{ID: "R2", Sync: clm, Fence: lease.Fence}),
		"Intend":     one.Intend(p.ctx, "R1", []state.Batch{{Seq: 2}}),
		"Checkpoint": one.Checkpoint(p.ctx, "R1", state.Checkpoint{Counts: map[string]int64{"n": 1}}),
		"End": func() error {
			_, err := one.End(p.ctx, state.End{Run: "R1", Outcome: state.Clean, Memory: &state.Memory{Errors: 9}})
			return err
		}(),
		"Remember": one.Remember(p.ctx, lease, state.Memory{Errors: 9}),
		"Rename":   one.Rename(p.ctx, lease, p.acquire(two, country)),
	} {
		if !errors.Is(err, state.ErrFenced) {
			p.Errorf("%s after takeover: %v", name, err)
		}
	}
	if m := p.memory(two, clm); m.Errors != 0 || m.Last.Outcome != "" || len(m.Last.Counts) != 0 {
		p.Errorf("something was kept: %+v", m)
	}
}

func testTakenOverOnce(p place) {
	first := p.journal(p.store())
	lease := p.acquire(first, clm)
	p.clock.Add(time.Minute)
	var asks []func() (state.Lease, error)
	for range 10 {
		j := p.journal(p.store())
		asks = append(asks, func() (state.Lease, error) { return state.LeaseOf(p.ctx, j, clm, "sync", time.Minute) })
	}
	next, _ := contend[*state.LeasedError](p, asks)
	if next.Fence != lease.Fence+1 {
		p.Errorf("the fence went from %d to %d", lease.Fence, next.Fence)
	}
}
