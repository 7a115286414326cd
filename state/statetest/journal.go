package statetest

import (
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

var clm, country = addrs.NewKeyed("integration_point", "clm", "us"), addrs.NewKeyed("integration_point", "country", "us")

// Journal tests the journal of syncs.
func Journal(t *testing.T, fresh func(t *testing.T) Place) {
	run := func(name string, test func(place)) {
		t.Run(name, func(t *testing.T) { test(newPlace(t, fresh)) })
	}
	run("Memory", testMemory)
	run("Owed", testOwed)
	run("Run", testRun)
	run("Exceptions", testExceptions)
	run("ManyExceptions", testManyExceptions)
	run("Message", testMessage)
	run("Kept", testKept)
	run("Unmatched", testUnmatched)
	run("Acknowledged", testAcknowledged)
	run("Interrupted", testInterrupted)
	run("Runs", testRuns)
	run("ManyRuns", testManyRuns)
	run("Untold", testUntold)
	run("Rename", testRename)
	run("Leases", testLeases)
	run("LeaseOfTheDead", testLeaseOfTheDead)
	run("Fenced", testFenced)
	run("Revoke", testRevoke)
	run("TakenOverOnce", testTakenOverOnce)
	run("CancelledRun", testCancelledRun)
	run("Together", testTogether)
}

func (p place) journal(s state.Store) state.Journal {
	p.Helper()
	j, err := s.Journal(p.ctx)
	p.must(err)
	return j
}

func (p place) memory(j state.Journal, sync addrs.Instance) state.Memory {
	p.Helper()
	m, err := state.MemoryOf(p.ctx, j, sync)
	p.must(err)
	return m
}

func (p place) acquire(j state.Journal, sync addrs.Instance) state.Lease {
	p.Helper()
	l, err := state.LeaseOf(p.ctx, j, sync, "sync", time.Minute)
	p.must(err)
	return l
}

func (p place) begin(j state.Journal, lease state.Lease, id, mode string) {
	p.Helper()
	p.must(j.Begin(p.ctx, state.Run{ID: id, Sync: lease.Sync, Mode: mode, Fence: lease.Fence, Started: p.clock.Now()}))
}

func (p place) end(j state.Journal, id string, e state.End) state.Run {
	p.Helper()
	e.Run = id
	r, err := j.End(p.ctx, e)
	p.must(err)
	return r[0]
}

func (p place) exceptions(j state.Journal, sync addrs.Instance) []state.Exception {
	p.Helper()
	var all []state.Exception
	for f, err := range j.Exceptions(p.ctx, sync) {
		p.must(err)
		all = append(all, f)
	}
	return all
}
