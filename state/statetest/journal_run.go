package statetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"github.com/google/go-cmp/cmp"
)

func testRun(p place) {
	j := p.journal(p.store())
	lease := p.acquire(j, clm)
	p.must(j.Begin(p.ctx, state.Run{ID: "R1", Sync: clm, Mode: state.Full, Reasons: []string{"activated"}, Fence: lease.Fence, Started: Start}))
	batches := []state.Batch{
		{Seq: 1, Part: "slide", Verb: "create", Keys: []string{"a", "b"}},
		{Seq: 2, Part: "slide", Verb: "create", Keys: []string{"c"}},
		{Seq: 3, Part: "presentation", Verb: "update", Keys: []string{"d"}},
	}
	p.clock.Add(time.Second)
	p.must(j.Intend(p.ctx, "R1", batches[:2]))
	p.must(j.Intend(p.ctx, "R1", batches[2:]))

	p.clock.Add(time.Second)
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Seq: 1, Counts: map[string]int64{"slide/create": 2}}))
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Seq: 1, Counts: map[string]int64{"slide/create": 2}})) // said twice
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Seq: 3, Counts: map[string]int64{"presentation/update": 1}}))
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Counts: map[string]int64{"slide/create": 5, "skipped": 1}}))
	open, err := p.journal(p.store()).Open(p.ctx, clm)
	p.must(err)
	if diff := cmp.Diff([]state.Batch{{Run: "R1", Seq: 2, Part: "slide", Verb: "create", Keys: []string{"c"}, At: Start.Add(2 * time.Second)}}, open); diff != "" {
		p.Errorf("open batches (-want +got):\n%s", diff)
	}
	if m := p.memory(j, clm); m.Open != 1 {
		p.Errorf("%d batches are open", m.Open)
	}
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Seq: 2, Counts: map[string]int64{"slide/create": 1}}))

	if m := p.memory(j, clm); m.Last == nil || m.Last.Outcome != "" || m.LastFull != nil {
		p.Errorf("while it runs: %+v", m)
	}
	m := state.Memory{Horizon: Start, Inputs: map[string]string{"filter": "f1"}}
	run := p.end(j, "R1", state.End{Outcome: state.Clean, At: Start.Add(time.Minute), Message: "done", Counts: map[string]int64{"read": 7}, Memory: &m})
	want := state.Run{
		ID: "R1", Seq: 1, Sync: clm, Mode: state.Full, Reasons: []string{"activated"}, Fence: lease.Fence,
		Started: Start, Ended: Start.Add(time.Minute), Outcome: state.Clean, Message: "done",
		Counts: map[string]int64{"slide/create": 8, "presentation/update": 1, "skipped": 1, "read": 7},
	}
	if diff := cmp.Diff(want, run); diff != "" {
		p.Errorf("the run (-want +got):\n%s", diff)
	}
	m.Last, m.LastFull = &want, &want
	if diff := cmp.Diff(m, p.memory(p.journal(p.store()), clm)); diff != "" {
		p.Errorf("memory (-want +got):\n%s", diff)
	}

	for name, err := range map[string]error{
		"a batch after the end":        j.Intend(p.ctx, "R1", []state.Batch{{Seq: 9}}),
		"a checkpoint after the end":   j.Checkpoint(p.ctx, "R1", state.Checkpoint{}),
		"a run that was not begun":     j.Checkpoint(p.ctx, "R2", state.Checkpoint{}),
		"a run's id twice":             j.Begin(p.ctx, state.Run{ID: "R1", Sync: clm, Fence: lease.Fence}),
		"a run of a sync not leased":   j.Begin(p.ctx, state.Run{ID: "R3", Sync: country, Fence: 1}),
		"a run without a fence":        j.Begin(p.ctx, state.Run{ID: "R4", Sync: clm}),
		"an ending that is none":       func() error { _, err := j.End(p.ctx, state.End{Run: "R1"}); return err }(),
		"an end of what was not begun": func() error { _, err := j.End(p.ctx, state.End{Run: "R5", Outcome: state.Clean}); return err }(),
		"a batch that was not intended": func() error {
			p.begin(j, lease, "R6", state.Full)
			return j.Checkpoint(p.ctx, "R6", state.Checkpoint{Seq: 1})
		}(),
		"a batch without a number": j.Intend(p.ctx, "R6", []state.Batch{{}}),
	} {
		if err == nil {
			p.Errorf("%s was accepted", name)
		}
	}
}

// A run whose process died is closed by the next one; its open batches stay
// until a run came to its end.
func testInterrupted(p place) {
	one := p.store()
	j := p.journal(one)
	lease := p.acquire(j, clm)
	p.begin(j, lease, "R1", state.Incremental)
	p.must(j.Intend(p.ctx, "R1", []state.Batch{{Seq: 1, Keys: []string{"a"}}, {Seq: 2, Keys: []string{"b"}}}))
	p.clock.Add(time.Minute)
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Seq: 1, Counts: map[string]int64{"n": 1}, Met: []state.Exception{{Part: "x", Key: "a"}}}))
	p.must(one.Close())

	j = p.journal(p.store())
	open := func(want ...string) {
		p.Helper()
		batches, err := j.Open(p.ctx, clm)
		p.must(err)
		var got []string
		for _, b := range batches {
			got = append(got, fmt.Sprintf("%s %d %v", b.Run, b.Seq, b.Keys))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("open batches (-want +got):\n%s", diff)
		}
	}
	open("R1 2 [b]")
	lease = p.acquire(j, clm)
	p.clock.Add(time.Hour)
	p.begin(j, lease, "R2", state.Incremental)
	if batches, err := j.Open(p.ctx, clm); err != nil || len(batches) != 1 || !batches[0].At.Equal(Start.Add(time.Minute)) {
		p.Errorf("b was begun after the checkpoint of a at the latest: %v, %v", batches, err)
	}
	runs, err := j.Runs(p.ctx, clm, 10)
	p.must(err)
	if r := runs[1]; r.ID != "R1" || r.Outcome != state.Interrupted || !r.Ended.Equal(Start.Add(time.Minute+time.Hour)) || r.Counts["n"] != 1 || r.Failures != 1 {
		p.Errorf("the run that was cut short: %+v", r)
	}
	p.must(j.Intend(p.ctx, "R2", []state.Batch{{Seq: 1, Keys: []string{"c"}}}))
	p.end(j, "R2", state.End{Outcome: state.Failed})
	open("R1 2 [b]", "R2 1 [c]")
	p.begin(j, lease, "R3", state.Incremental)
	open("R1 2 [b]", "R2 1 [c]")
	p.must(j.Intend(p.ctx, "R3", []state.Batch{{Seq: 1, Keys: []string{"d"}}, {Seq: 2, Verb: state.Await, Keys: []string{"e"}}}))
	p.must(j.Checkpoint(p.ctx, "R3", state.Checkpoint{Seq: 1}))
	p.end(j, "R3", state.End{Outcome: state.Faulty})
	open("R3 2 [e]") // left for the next
	p.begin(j, lease, "R4", state.Incremental)
	p.end(j, "R4", state.End{Outcome: state.Clean})
	open()
}

func testRuns(p place) {
	j := p.journal(p.store())
	for n := range 6 {
		sync := []addrs.Instance{clm, country}[n%2]
		lease := p.acquire(j, sync)
		mode := []string{state.Full, state.Incremental}[n/2%2]
		id := fmt.Sprint("R", n)
		p.begin(j, lease, id, mode)
		p.end(j, id, state.End{Outcome: state.Clean})
		p.must(j.Release(p.ctx, lease))
	}
	ids := func(sync addrs.Instance, n int, want ...string) {
		p.Helper()
		runs, err := j.Runs(p.ctx, sync, n)
		p.must(err)
		var got []string
		for _, r := range runs {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("runs (-want +got):\n%s", diff)
		}
	}
	ids(clm, 10, "R4", "R2", "R0")
	ids(clm, 2, "R4", "R2")
	ids(addrs.Instance{}, 3, "R5", "R4", "R3")
	lease := p.acquire(j, clm)
	p.begin(j, lease, "R6", state.Full)
	p.end(j, "R6", state.End{Outcome: state.Failed})
	if m := p.memory(j, clm); m.Last.ID != "R6" || m.LastFull.ID != "R4" {
		p.Errorf("last %s, last full %s", m.Last.ID, m.LastFull.ID)
	}
}

// Of many runs of many syncs none is lost: what need not be kept is looked for now
// and then, and a thousand of each are kept.
func testManyRuns(p place) {
	j := p.journal(p.store())
	const syncs, rounds = 200, 11
	all := make([]addrs.Instance, syncs)
	for n := range all {
		all[n] = addrs.NewKeyed("integration_point", "clm", fmt.Sprint(n))
	}
	for round := range rounds {
		leases, err := j.Acquire(p.ctx, all, "sync", time.Minute)
		p.must(err)
		runs, ends := make([]state.Run, syncs), make([]state.End, syncs)
		for n, l := range leases {
			id := fmt.Sprint("R", round, "-", n)
			runs[n] = state.Run{ID: id, Sync: all[n], Mode: state.Full, Fence: l.Fence}
			ends[n] = state.End{Run: id, Outcome: state.Clean, Release: true}
		}
		p.must(j.Begin(p.ctx, runs...))
		_, err = j.End(p.ctx, ends...)
		p.must(err)
	}
	for _, sync := range []addrs.Instance{all[0], all[syncs-1]} {
		runs, err := j.Runs(p.ctx, sync, 2*rounds)
		p.must(err)
		if len(runs) != rounds {
			p.Errorf("%d of %d runs of %s are kept", len(runs), rounds, sync)
		}
	}
}

// A run that is told to stop begins nothing, and still records what it did.
func testCancelledRun(p place) {
	j := p.journal(p.store())
	lease := p.acquire(j, clm)
	p.begin(j, lease, "R1", state.Full)
	p.must(j.Intend(p.ctx, "R1", []state.Batch{{Seq: 1}}))
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	if err := j.Intend(ctx, "R1", []state.Batch{{Seq: 2}}); !errors.Is(err, context.Canceled) {
		p.Errorf("Intend: %v", err)
	}
	if _, err := state.LeaseOf(ctx, j, country, "sync", time.Minute); !errors.Is(err, context.Canceled) {
		p.Errorf("Acquire: %v", err)
	}
	p.must(j.Checkpoint(ctx, "R1", state.Checkpoint{Seq: 1, Counts: map[string]int64{"n": 1}}))
	r, err := j.End(ctx, state.End{Run: "R1", Outcome: state.Interrupted})
	p.must(err)
	p.must(j.Release(ctx, lease))
	if r := r[0]; r.Outcome != state.Interrupted || r.Counts["n"] != 1 {
		p.Errorf("the run is %+v", r)
	}
	p.acquire(j, clm)
}

// What many runs say together is kept of all of them or of none.
func testTogether(p place) {
	one, two := p.journal(p.store()), p.journal(p.store())
	both := []addrs.Instance{country, clm}
	began := func(j state.Journal, want ...state.RunOutcome) {
		p.Helper()
		runs, err := j.Runs(p.ctx, addrs.Instance{}, 10)
		p.must(err)
		var got []state.RunOutcome
		for _, r := range runs {
			got = append(got, r.Outcome)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("the runs (-want +got):\n%s", diff)
		}
	}

	held := p.acquire(two, clm)
	var leased *state.LeasedError
	if _, err := one.Acquire(p.ctx, both, "sync", time.Minute); !errors.As(err, &leased) || !cmp.Equal(leased.Lease, held) {
		p.Errorf("a lease was held: %v", err)
	}
	p.must(two.Release(p.ctx, p.acquire(two, country))) // nobody took it
	p.must(two.Release(p.ctx, held))
	leases, err := one.Acquire(p.ctx, both, "sync", time.Minute)
	p.must(err)
	for n, l := range leases {
		if l.Sync != both[n] || l.Fence != 2 || !l.Expires.Equal(Start.Add(time.Minute)) {
			p.Errorf("lease %d is %+v", n, l)
		}
	}

	run := func(id string, n int) state.Run {
		return state.Run{ID: id, Sync: both[n], Mode: state.Full, Fence: leases[n].Fence, Started: Start, Owes: []string{"requested"}}
	}
	stale := run("R1", 1)
	stale.Fence--
	if err := one.Begin(p.ctx, run("R0", 0), stale); !errors.Is(err, state.ErrFenced) {
		p.Errorf("one had no lease: %v", err)
	}
	began(one)
	if m := p.memory(one, country); len(m.Owed) > 0 {
		p.Errorf("a run that did not begin owes %v", m.Owed)
	}
	p.must(one.Begin(p.ctx, run("R0", 0), run("R1", 1)))
	p.must(one.Checkpoint(p.ctx, "R1", state.Checkpoint{Counts: map[string]int64{"n": 1}, Met: []state.Exception{{Part: "x", Key: "a"}}}))

	ends := []state.End{
		{Run: "R0", Outcome: state.Clean, At: Start, Memory: &state.Memory{Errors: 1}, Settled: []string{"requested"}, Release: true},
		{Run: "R2", Outcome: state.Clean},
	}
	if _, err := one.End(p.ctx, ends...); err == nil {
		p.Error("one had not begun")
	}
	began(one, "", "")
	ends[1] = state.End{Run: "R1", Outcome: state.Faulty, At: Start, Counts: map[string]int64{"n": 2}}
	ended, err := one.End(p.ctx, ends...)
	p.must(err)
	if r := ended; r[0].ID != "R0" || r[0].Failures != 0 || r[1].ID != "R1" || r[1].Failures != 1 || r[1].New != 1 || r[1].Counts["n"] != 3 {
		p.Errorf("the runs are %+v", r)
	}
	began(one, state.Faulty, state.Clean)
	if m := p.memory(one, country); m.Errors != 1 || len(m.Owed) > 0 {
		p.Errorf("of the first: %+v", m)
	}
	if m := p.memory(one, clm); m.Errors != 0 || len(m.Owed) != 1 {
		p.Errorf("of the second: %+v", m)
	}
	p.acquire(two, country)
	if _, err := state.LeaseOf(p.ctx, two, clm, "sync", time.Minute); !errors.As(err, &leased) {
		p.Errorf("the lease that was not given up is gone: %v", err)
	}
	for what, err := range map[string]error{"Acquire": func() error { _, err := one.Acquire(p.ctx, nil, "sync", time.Minute); return err }(), "Begin": one.Begin(p.ctx), "End": func() error { _, err := one.End(p.ctx); return err }()} {
		if err != nil {
			p.Errorf("%s of none: %v", what, err)
		}
	}
}
