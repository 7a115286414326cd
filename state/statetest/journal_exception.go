package statetest

import (
	"fmt"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"github.com/google/go-cmp/cmp"
)

// ERR-2, ERR-3: a failure stays until it is resolved, and remembers since when.
func testExceptions(p place) {
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
func testMessage(p place) {
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

// ERR-4: who knows of an exception, and who wanted it tried again, is kept with
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

// Exceptions are read page by page, also while what is read is being resolved.
func testManyExceptions(p place) {
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

	// Who asks to be left alone is told neither of what waits nor of what ends later; the
	// longest of what was asked for holds.
	p.clock.Add(2 * time.Minute)
	again := p.clock.Now().Add(time.Hour)
	p.must(j.LeaveAlone(p.ctx, "a", again))
	p.must(j.LeaveAlone(p.ctx, "a", again.Add(-time.Minute)))
	later := run(state.End{Outcome: state.Clean, Worth: true})
	untold("a")
	untold("b", worth, fails, gaveUp, died, later)
	if waiting, first, err := j.Waiting(p.ctx, "a"); err != nil || waiting != 2 || !first.Equal(again) {
		p.Errorf("%d wait, the first until %s, %v; want 2 until %s", waiting, first, err, again)
	}
	p.clock.Add(time.Hour)
	untold("a", died, later)
}
