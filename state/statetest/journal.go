package statetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"github.com/google/go-cmp/cmp"
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
	run("Failures", testFailures)
	run("ManyFailures", testManyFailures)
	run("General", testGeneral)
	run("Kept", testKept)
	run("Unmatched", testUnmatched)
	run("Acknowledged", testAcknowledged)
	run("Interrupted", testInterrupted)
	run("Runs", testRuns)
	run("ManyRuns", testManyRuns)
	run("Untold", testUntold)
	run("Forget", testForget)
	run("Leases", testLeases)
	run("LeaseOfTheDead", testLeaseOfTheDead)
	run("Fenced", testFenced)
	run("TakenOverOnce", testTakenOverOnce)
	run("CancelledRun", testCancelledRun)
	run("Together", testTogether)
}

func testMemory(p place) {
	j := p.journal(p.store())
	if m := p.memory(j, clm); !cmp.Equal(m, state.Memory{}) {
		p.Errorf("of a sync never heard of: %+v", m)
	}
	want := state.Memory{
		Horizon: Start.Add(-time.Hour), HorizonFull: Start.Add(-24 * time.Hour),
		Inputs:    map[string]string{"filter": "f1", "rules": "r1"},
		LastStart: Start, LastSuccess: Start.Add(-time.Minute), Errors: 3, Seen: []byte{1, 2}, Asked: &state.Asked{At: Start, Last: Start.Add(-time.Hour)},
	}
	lease := p.acquire(j, clm)
	p.must(j.Remember(p.ctx, lease, want))
	j = p.journal(p.store())
	if diff := cmp.Diff(want, p.memory(j, clm)); diff != "" {
		p.Errorf("memory (-want +got):\n%s", diff)
	}
	if m := p.memory(j, country); !cmp.Equal(m, state.Memory{}) {
		p.Errorf("of another sync: %+v", m)
	}
	both, err := j.Memories(p.ctx, []addrs.Instance{country, clm})
	p.must(err)
	if diff := cmp.Diff([]state.Memory{{}, want}, both); diff != "" {
		p.Errorf("of both (-want +got):\n%s", diff)
	}
	syncs, err := j.Syncs(p.ctx)
	p.must(err)
	if diff := cmp.Diff([]addrs.Instance{clm}, syncs); diff != "" {
		p.Errorf("syncs (-want +got):\n%s", diff)
	}
}

// What was promised stays promised, whatever happens, until it is settled.
func testOwed(p place) {
	j := p.journal(p.store())
	none := state.Allowance{}
	p.must(j.Owe(p.ctx, clm, []string{"filter_edited", "activated"}, none))
	p.must(j.Owe(p.ctx, clm, []string{"activated"}, none))
	p.must(j.Owe(p.ctx, country, []string{"activated"}, none))
	owed := func(want ...string) {
		p.Helper()
		if diff := cmp.Diff(want, p.memory(j, clm).Owed); diff != "" {
			p.Errorf("owed (-want +got):\n%s", diff)
		}
	}
	owed("activated", "filter_edited")

	lease := p.acquire(j, clm)
	p.begin(j, lease, "R1", state.Full)
	p.end(j, "R1", state.End{Outcome: state.Failed})
	owed("activated", "filter_edited")
	p.begin(j, lease, "R2", state.Full)
	p.must(j.Owe(p.ctx, clm, []string{"rule_changed"}, none)) // while it runs
	p.end(j, "R2", state.End{Outcome: state.Clean, Settled: []string{"activated", "filter_edited", "never_owed"}})
	owed("rule_changed")
	settle := func(run string, reasons ...string) {
		p.Helper()
		p.begin(j, lease, run, state.Full)
		p.end(j, run, state.End{Outcome: state.Clean, Settled: reasons})
	}
	settle("R2b", "rule_changed")
	owed()
	asked := state.Run{ID: "R3", Sync: clm, Mode: state.Full, Fence: lease.Fence, Owes: []string{"requested", "activated"}}
	p.must(j.Begin(p.ctx, asked))
	owed("activated", "requested")
	p.end(j, "R3", state.End{Outcome: state.Interrupted})
	asked.ID, asked.Fence, asked.Owes = "R4", lease.Fence-1, []string{"rule_changed"}
	if err := j.Begin(p.ctx, asked); err == nil {
		p.Error("a run began without its lease")
	}
	owed("activated", "requested")
	settle("R5", "activated", "requested")

	// What the run may do beyond the limits lasts as long as a reason of it.
	p.must(j.Owe(p.ctx, clm, []string{"activated", "requested"}, state.Allowance{Withdraw: 20}))
	p.must(j.Owe(p.ctx, clm, []string{"activated"}, state.Allowance{Withdraw: 5, Publish: 3}))
	p.must(j.Owe(p.ctx, clm, []string{"rule_changed"}, none))
	allowed := func(want state.Allowance) {
		p.Helper()
		if m := p.memory(j, clm); m.Allowed != want {
			p.Errorf("allowed is %+v, not %+v", m.Allowed, want)
		}
	}
	allowed(state.Allowance{Withdraw: 20, Publish: 3})
	settle("R6", "activated")
	allowed(state.Allowance{Withdraw: 20})
	settle("R7", "requested")
	allowed(none)
	owed("rule_changed")
	settle("R8", "rule_changed")
	if m := p.memory(j, country); !slices.Equal(m.Owed, []string{"activated"}) {
		p.Errorf("another sync is owed %v", m.Owed)
	}
}

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

// ERR-2, ERR-3: a failure stays until it is resolved, and remembers since when.
func testFailures(p place) {
	j := p.journal(p.store())
	lease := p.acquire(j, clm)
	cause := addrs.New("field_rule", "brand")
	fail := func(run string, keys ...string) {
		p.Helper()
		var failed []state.Exception
		for _, k := range keys {
			failed = append(failed, state.Exception{Part: "slide", Key: k, Title: "Slide " + k, Kind: "invalid", Message: "in " + run, Cause: cause})
		}
		p.must(j.Checkpoint(p.ctx, run, state.Checkpoint{Met: failed}))
	}
	p.begin(j, lease, "R1", state.Full)
	fail("R1", "b", "a")
	fail("R1", "a") // again in the same run: one attempt
	if r := p.end(j, "R1", state.End{Outcome: state.Faulty}); r.Failures != 2 || r.New != 2 {
		p.Errorf("R1: %d failures, %d new", r.Failures, r.New)
	}

	p.clock.Add(time.Hour)
	p.begin(j, lease, "R2", state.Incremental)
	fail("R2", "b", "c")
	p.must(j.Checkpoint(p.ctx, "R2", state.Checkpoint{Resolved: []state.Item{{Part: "slide", Key: "a"}, {Part: "slide", Key: "unknown"}}}))
	if r := p.end(j, "R2", state.End{Outcome: state.Faulty}); r.Failures != 2 || r.New != 1 {
		p.Errorf("R2: %d failures, %d new", r.Failures, r.New)
	}
	late := Start.Add(time.Hour)
	want := []state.Exception{
		{Sync: clm, Part: "slide", Key: "b", Title: "Slide b", Kind: "invalid", Message: "in R2", Cause: cause, FirstSeen: Start, LastSeen: late, Attempts: 2, Run: "R2"},
		{Sync: clm, Part: "slide", Key: "c", Title: "Slide c", Kind: "invalid", Message: "in R2", Cause: cause, FirstSeen: late, LastSeen: late, Attempts: 1, Run: "R2"},
	}
	if diff := cmp.Diff(want, p.exceptions(j, clm)); diff != "" {
		p.Errorf("exceptions (-want +got):\n%s", diff)
	}
	if n := p.memory(j, clm).Failures; n != 2 {
		p.Errorf("%d failures are remembered", n)
	}
	if f := p.exceptions(j, country); len(f) != 0 {
		p.Errorf("of another sync: %v", f)
	}

	// A run that did not see everything leaves what it did not meet.
	p.begin(j, lease, "R3", state.Incremental)
	p.end(j, "R3", state.End{Outcome: state.Clean})
	if f := p.exceptions(j, clm); len(f) != 2 {
		p.Errorf("after a run that met none: %v", f)
	}
	// One that saw everything leaves only what it met.
	p.begin(j, lease, "R4", state.Full)
	fail("R4", "c")
	p.end(j, "R4", state.End{Outcome: state.Faulty, Sweep: true})
	if f := p.exceptions(j, clm); len(f) != 1 || f[0].Key != "c" || f[0].Attempts != 2 {
		p.Errorf("after a full run: %v", f)
	}
}

// ERR-1: what keeps a whole sync from running is no item, and no run counts it.
func testGeneral(p place) {
	j := p.journal(p.store())
	lease := p.acquire(j, clm)
	p.begin(j, lease, "R1", state.Full)
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Met: []state.Exception{
		{Key: "general", Type: state.Message, Kind: "permission", Message: "may not"},
		{Part: "slide", Key: "a", Routes: []string{"us", "ca"}, Groups: map[string]string{"product": "Cholecap"}},
	}}))
	if r := p.end(j, "R1", state.End{Outcome: state.Failed}); r.Failures != 1 || r.New != 1 {
		p.Errorf("%d failures, %d new", r.Failures, r.New)
	}
	if n := p.memory(j, clm).Failures; n != 1 {
		p.Errorf("%d failures are remembered", n)
	}
	want := []state.Exception{
		{Sync: clm, Key: "general", Type: state.Message, Kind: "permission", Message: "may not", FirstSeen: Start, LastSeen: Start, Attempts: 1, Run: "R1"},
		{Sync: clm, Part: "slide", Key: "a", Routes: []string{"us", "ca"}, Groups: map[string]string{"product": "Cholecap"}, FirstSeen: Start, LastSeen: Start, Attempts: 1, Run: "R1"},
	}
	if diff := cmp.Diff(want, p.exceptions(j, clm)); diff != "" {
		p.Errorf("exceptions (-want +got):\n%s", diff)
	}
	p.must(j.Dismiss(p.ctx, clm, []state.Item{{Key: "general"}, {Key: "unknown"}}))
	if f := p.exceptions(j, clm); len(f) != 1 || f[0].Part != "slide" {
		p.Errorf("after one was dismissed: %v", f)
	}
}

// CLM-1: what stays as it is does not fail, and no run is worse for it; it is
// remembered until a run that saw everything does not meet it.
func testKept(p place) {
	j := p.journal(p.store())
	lease := p.acquire(j, clm)
	p.begin(j, lease, "R1", state.Full)
	kept := state.Exception{Part: "deck", Key: "a", Type: state.Kept, Title: "Launch", Kind: "unapproved_in_field", Message: "it stays"}
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Met: []state.Exception{kept, {Part: "slide", Key: "b", Kind: "invalid"}}}))
	if r := p.end(j, "R1", state.End{Outcome: state.Faulty, Sweep: true}); r.Failures != 1 || r.New != 1 {
		p.Errorf("%d failures, %d new", r.Failures, r.New)
	}
	if m := p.memory(j, clm); m.Failures != 1 || m.Kept != 1 {
		p.Errorf("%d failures and %d kept are remembered", m.Failures, m.Kept)
	}
	if f := p.exceptions(j, clm); len(f) != 2 || f[0].Type != state.Kept || f[0].Title != "Launch" || f[1].Type != state.Failing {
		p.Errorf("%+v", f)
	}
	// It fails by now: it is the same item.
	p.begin(j, lease, "R2", state.Incremental)
	p.must(j.Checkpoint(p.ctx, "R2", state.Checkpoint{Met: []state.Exception{{Part: "deck", Key: "a", Title: "Launch", Kind: "invalid"}}}))
	p.end(j, "R2", state.End{Outcome: state.Faulty, Sweep: true})
	if m := p.memory(j, clm); m.Failures != 1 || m.Kept != 0 {
		p.Errorf("%d failures and %d kept are remembered", m.Failures, m.Kept)
	}
}

// RULE-2: what items refer to in vain is kept with them until it is matched, or
// until a run that saw everything has not met it.
func testUnmatched(p place) {
	j := p.journal(p.store())
	lease := p.acquire(j, clm)
	refers := func(reference string, keys ...string) (list []state.Unmatched) {
		for _, k := range keys {
			list = append(list, state.Unmatched{Item: state.Item{Part: "slide", Key: k}, Reference: reference})
		}
		return list
	}
	check := func(when string, want map[string][]string) {
		p.Helper()
		got := map[string][]string{}
		for r, err := range j.Unmatched(p.ctx, clm) {
			p.must(err)
			got[r] = nil
			for i, err := range j.Referring(p.ctx, clm, r) {
				p.must(err)
				got[r] = append(got[r], i.Key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if n := p.memory(j, clm).Unmatched; n != len(want) {
			p.Errorf("%s: %d are remembered", when, n)
		}
	}
	many := make([]string, 1200)
	for i := range many {
		many[i] = fmt.Sprintf("%04d", i)
	}
	p.begin(j, lease, "R1", state.Full)
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Unmatched: append(refers("mira", many...), refers("vela", "b", "a")...)}))
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{Unmatched: refers("vela", "b")}))
	p.end(j, "R1", state.End{Outcome: state.Clean, Sweep: true})
	check("after a full run", map[string][]string{"mira": many, "vela": {"a", "b"}})

	p.begin(j, lease, "R2", state.Incremental)
	p.must(j.Checkpoint(p.ctx, "R2", state.Checkpoint{Unmatched: refers("vela", "c")}))
	p.end(j, "R2", state.End{Outcome: state.Clean, Sweep: true, Matched: []string{"mira", "unknown"}})
	check("after an incremental run", map[string][]string{"vela": {"a", "b", "c"}})

	p.begin(j, lease, "R3", state.Full)
	p.must(j.Checkpoint(p.ctx, "R3", state.Checkpoint{Unmatched: append(refers("vela", "b"), refers("nova", "b")...)}))
	p.end(j, "R3", state.End{Outcome: state.Faulty, Sweep: true})
	check("after another full run", map[string][]string{"vela": {"b"}, "nova": {"b"}})

	p.begin(j, lease, "R4", state.Full)
	p.end(j, "R4", state.End{Outcome: state.Failed})
	check("after one that gave up", map[string][]string{"vela": {"b"}, "nova": {"b"}})

	p.must(j.Forget(p.ctx, lease))
	check("once it is forgotten", map[string][]string{})
}

// ERR-4: who knows of a failure, and who wanted it tried again, is kept with
// it, until it is another one.
func testAcknowledged(p place) {
	j := p.journal(p.store())
	lease := p.acquire(j, clm)
	meet := func(run, kind string, keys ...string) {
		p.Helper()
		p.begin(j, lease, run, state.Incremental)
		var failed []state.Exception
		for _, k := range keys {
			failed = append(failed, state.Exception{Part: "slide", Key: k, Kind: kind, Message: "in " + run})
		}
		p.must(j.Checkpoint(p.ctx, run, state.Checkpoint{Met: failed}))
		p.end(j, run, state.End{Outcome: state.Faulty, Sweep: true})
	}
	meet("R1", "invalid", "a", "b")
	p.clock.Add(time.Minute)
	told := state.Exception{Sync: clm, Key: "exception 7", Title: "Launch", Kind: "exception", Message: "told by the vault", FirstSeen: Start, LastSeen: Start}
	ack := state.Ack{Owner: "Ana", Reason: "the agency mends it", By: "bo@host", Until: Start.Add(time.Hour)}
	p.must(j.Acknowledge(p.ctx, []state.Exception{{Sync: clm, Part: "slide", Key: "a"}, told}, &ack))
	p.must(j.Retried(p.ctx, clm, []state.Item{{Part: "slide", Key: "b"}, {Part: "slide", Key: "unknown"}}, "bo@host"))
	ack.At = Start.Add(time.Minute)
	told.Ack = &ack
	want := []state.Exception{
		told,
		{Sync: clm, Part: "slide", Key: "a", Kind: "invalid", Message: "in R1", FirstSeen: Start, LastSeen: Start, Attempts: 1, Run: "R1", Ack: &ack},
		{Sync: clm, Part: "slide", Key: "b", Kind: "invalid", Message: "in R1", FirstSeen: Start, LastSeen: Start, Attempts: 1, Run: "R1", Retried: ack.At, RetriedBy: "bo@host"},
	}
	if diff := cmp.Diff(want, p.exceptions(p.journal(p.store()), clm)); diff != "" {
		p.Errorf("exceptions (-want +got):\n%s", diff)
	}
	if ack := want[1].Ack; !ack.Holds(Start) || ack.Holds(Start.Add(time.Hour)) || (*state.Ack)(nil).Holds(Start) {
		p.Errorf("it holds at the wrong time")
	}

	// The same failure again is still acknowledged; one of another kind is not.
	acked := func(want ...string) {
		p.Helper()
		var got []string
		for _, f := range p.exceptions(j, clm) {
			if f.Ack != nil {
				got = append(got, f.Key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("acknowledged (-want +got):\n%s", diff)
		}
	}
	meet("R2", "invalid", "a", "b")
	acked("a")
	p.must(j.Acknowledge(p.ctx, []state.Exception{{Sync: clm, Part: "slide", Key: "b"}}, &ack))
	acked("a", "b")
	meet("R3", "not_found", "a", "b")
	acked()
	p.must(j.Acknowledge(p.ctx, []state.Exception{{Sync: clm, Part: "slide", Key: "a"}}, &ack))
	p.must(j.Acknowledge(p.ctx, []state.Exception{{Sync: clm, Part: "slide", Key: "a"}}, nil))
	acked()
}

// Failures are read page by page, also while what is read is being resolved.
func testManyFailures(p place) {
	j := p.journal(p.store())
	const n = 1203
	for _, sync := range []addrs.Instance{clm, country} {
		lease := p.acquire(j, sync)
		run := "R-" + sync.Name
		p.begin(j, lease, run, state.Full)
		var failed []state.Exception
		for i := range n {
			failed = append(failed, state.Exception{Part: fmt.Sprint("part", i%3), Key: fmt.Sprintf("%012d", i)})
		}
		p.must(j.Checkpoint(p.ctx, run, state.Checkpoint{Met: failed}))
	}
	if all := p.exceptions(j, addrs.Instance{}); len(all) != 2*n {
		p.Errorf("%d failures of all syncs", len(all))
	}
	seen := map[state.Item]bool{}
	for f, err := range j.Exceptions(p.ctx, clm) {
		p.must(err)
		item := state.Item{Part: f.Part, Key: f.Key}
		if seen[item] {
			p.Fatalf("%v twice", item)
		}
		seen[item] = true
		if len(seen)%100 == 0 {
			p.must(j.Checkpoint(p.ctx, "R-clm", state.Checkpoint{Resolved: []state.Item{item}}))
		}
	}
	if len(seen) != n {
		p.Errorf("%d of %d failures", len(seen), n)
	}
	if left := p.exceptions(j, clm); len(left) != n-n/100 {
		p.Errorf("%d are left", len(left))
	}
	for range j.Exceptions(p.ctx, clm) {
		break
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

// CONN-6: who is to be told of a run is kept until told, and told of what is new.
func testUntold(p place) {
	j := p.journal(p.store())
	n := 0
	run := func(e state.End, failed ...state.Exception) string {
		p.Helper()
		n++
		id := fmt.Sprint("U", n)
		lease := p.acquire(j, clm)
		p.must(j.Begin(p.ctx, state.Run{ID: id, Sync: clm, Mode: state.Full, Fence: lease.Fence, Started: p.clock.Now(), Tell: []string{"a", "b"}}))
		p.must(j.Checkpoint(p.ctx, id, state.Checkpoint{Met: failed, Counts: map[string]int64{"n": 1}}))
		if e.Outcome != "" {
			p.end(j, id, e)
		}
		p.must(j.Release(p.ctx, lease))
		return id
	}
	untold := func(target string, want ...string) []state.Untold {
		p.Helper()
		list, err := j.Untold(p.ctx, target, 10, time.Minute)
		p.must(err)
		var got []string
		for _, u := range list {
			got = append(got, u.Run.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("%s is told of (-want +got):\n%s", target, diff)
		}
		return list
	}
	x := state.Exception{Part: "p", Key: "x", Message: "no"}
	worth := run(state.End{Outcome: state.Clean, Worth: true})
	run(state.End{Outcome: state.Clean})
	fails := run(state.End{Outcome: state.Faulty}, x)
	run(state.End{Outcome: state.Faulty}, x) // it failed before
	gaveUp := run(state.End{Outcome: state.Failed, Message: "no vault"}, x)
	run(state.End{Outcome: state.Failed, Message: "no vault"}, x)
	list := untold("a", worth, fails, gaveUp)
	if u := list[1]; u.NewCount != 1 || len(u.New) != 1 || u.New[0].Key != "x" || u.Run.Counts["n"] != 1 || u.Run.Outcome != state.Faulty || u.Attempts != 0 {
		p.Errorf("told of %+v", u)
	}
	if len(list[0].New) != 0 || list[0].NewCount != 0 {
		p.Errorf("told of %+v", list[0])
	}

	// Nobody else is told meanwhile; whoever dies leaves them to the next.
	untold("a")
	p.clock.Add(61 * time.Second)
	untold("a", worth, fails, gaveUp)
	p.must(j.Told(p.ctx, "a", worth, time.Time{}))
	p.must(j.Told(p.ctx, "a", fails, p.clock.Now().Add(time.Hour)))
	p.clock.Add(61 * time.Second)
	untold("a", gaveUp)
	if waiting, first, err := j.Waiting(p.ctx, "a"); err != nil || waiting != 2 || !first.After(p.clock.Now()) {
		p.Errorf("%d wait, the first until %s, %v", waiting, first, err)
	}
	p.must(j.Told(p.ctx, "a", gaveUp, time.Time{}))
	p.clock.Add(time.Hour)
	if list := untold("a", fails); list[0].Attempts != 1 {
		p.Errorf("attempts: %d", list[0].Attempts)
	}
	p.must(j.Told(p.ctx, "a", fails, time.Time{}))
	untold("a")
	untold("b", worth, fails, gaveUp) // its own

	// A run whose process died is told of once another has begun.
	died := run(state.End{})
	untold("a")
	run(state.End{Outcome: state.Clean})
	if list := untold("a", died); list[0].Run.Outcome != state.Interrupted {
		p.Errorf("told of %+v", list[0].Run)
	}
}

func testForget(p place) {
	j := p.journal(p.store())
	for _, sync := range []addrs.Instance{clm, country} {
		lease := p.acquire(j, sync)
		id := "R" + sync.Name
		p.must(j.Owe(p.ctx, sync, []string{"activated"}, state.Allowance{}))
		p.begin(j, lease, id, state.Full)
		p.must(j.Intend(p.ctx, id, []state.Batch{{Seq: 1}}))
		p.must(j.Checkpoint(p.ctx, id, state.Checkpoint{Met: []state.Exception{{Part: "x", Key: "a"}}}))
		p.end(j, id, state.End{Outcome: state.Failed, Memory: &state.Memory{Errors: 1}})
		if sync == clm {
			p.must(j.Forget(p.ctx, lease))
		}
	}
	open, err := j.Open(p.ctx, clm)
	p.must(err)
	if m := p.memory(j, clm); m.Errors+len(m.Owed)+m.Failures+len(open) != 0 || m.Last == nil {
		p.Errorf("of a sync that was forgotten: %+v, %v", m, open)
	}
	if m := p.memory(j, country); m.Errors != 1 || len(m.Owed) != 1 || m.Failures != 1 {
		p.Errorf("of another sync: %+v", m)
	}
}

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
		"Forget":   one.Forget(p.ctx, lease),
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
