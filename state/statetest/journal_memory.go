package statetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"github.com/google/go-cmp/cmp"
)

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
		var references []string
		for r, err := range j.Unmatched(p.ctx, clm) {
			p.must(err)
			references, got[r] = append(references, r), nil
			for i, err := range j.Referring(p.ctx, clm, []string{r}) {
				p.must(err)
				got[r] = append(got[r], i.Key)
			}
		}
		met := map[string]int{} // an item that has two of them comes once
		for i, err := range j.Referring(p.ctx, clm, references) {
			p.must(err)
			met[i.Key]++
		}
		for _, keys := range want {
			for _, key := range keys {
				if met[key] != 1 {
					p.Errorf("%s: item %s of any reference came %d times", when, key, met[key])
				}
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

}

// A sync that is renamed loses nothing by it: what is remembered and owed, its
// runs, its exceptions with what people said of them, its references.
func testRename(p place) {
	j := p.journal(p.store())
	one := addrs.NewKeyed("integration_point", "clm", "one")
	acquire := func() (from, to state.Lease) { return p.acquire(j, clm), p.acquire(j, one) }

	// The name was another's once.
	of := p.acquire(j, one)
	p.must(j.Owe(p.ctx, one, []string{"requested"}, state.Allowance{}))
	p.begin(j, of, "R0", state.Full)
	p.must(j.Checkpoint(p.ctx, "R0", state.Checkpoint{Met: []state.Exception{{Part: "x", Key: "old"}}, Unmatched: []state.Unmatched{{Item: state.Item{Part: "x", Key: "old"}, Reference: "old"}}}))
	p.end(j, "R0", state.End{Outcome: state.Failed, Memory: &state.Memory{Errors: 7}})
	p.must(j.Release(p.ctx, of))

	p.must(j.Owe(p.ctx, clm, []string{"activated"}, state.Allowance{Withdraw: 5}))
	lease := p.acquire(j, clm)
	p.begin(j, lease, "R1", state.Full)
	p.must(j.Intend(p.ctx, "R1", []state.Batch{{Seq: 1, Part: "x", Verb: "create", Keys: []string{"b"}}}))
	item := state.Item{Part: "x", Key: "a"}
	p.must(j.Checkpoint(p.ctx, "R1", state.Checkpoint{
		Met:       []state.Exception{{Part: "x", Key: "a"}, {Part: "x", Key: "k", Type: state.Kept}},
		Unmatched: []state.Unmatched{{Item: item, Reference: "vela"}},
	}))
	p.end(j, "R1", state.End{Outcome: state.Faulty, Memory: &state.Memory{Errors: 1}})
	p.must(j.Acknowledge(p.ctx, []state.Exception{{Sync: clm, Part: "x", Key: "a"}}, &state.Ack{By: "me", Reason: "known"}))
	p.begin(j, lease, "R2", state.Incremental) // and dies
	p.must(j.Intend(p.ctx, "R2", []state.Batch{{Seq: 1, Part: "x", Verb: "create", Keys: []string{"c"}}}))
	p.clock.Add(time.Hour)

	p.acquire(j, country)
	other := p.memory(j, country)
	before := p.memory(j, clm)
	open, err := j.Open(p.ctx, clm)
	p.must(err)
	from, to := acquire()
	p.must(j.Rename(p.ctx, from, to))
	p.must(j.Rename(p.ctx, from, to)) // who was cut short says it again

	after := p.memory(j, one)
	before.Last.Outcome, before.Last.Ended = state.Interrupted, p.clock.Now()
	for _, r := range []*state.Run{before.Last, before.LastFull} {
		r.Sync, r.Fence = one, 0
	}
	if diff := cmp.Diff(before, after); diff != "" {
		p.Errorf("the memory (-of the old name, before +of the new one):\n%s", diff)
	}
	if after.Failures != 1 || after.Kept != 1 || after.Unmatched != 1 || len(after.Owed) != 1 || after.Allowed.Withdraw != 5 {
		p.Errorf("it remembers %+v", after)
	}
	if m := p.memory(j, clm); !cmp.Equal(m, state.Memory{}) {
		p.Errorf("under the old name there is still %+v", m)
	}
	if m := p.memory(j, country); !cmp.Equal(m, other) {
		p.Errorf("of another sync: %+v", m)
	}
	now, err := j.Open(p.ctx, one)
	p.must(err)
	if diff := cmp.Diff(open, now); diff != "" {
		p.Errorf("open batches (-before +after):\n%s", diff)
	}
	if list := p.exceptions(j, one); len(list) != 2 || list[0].Key != "a" || list[0].Ack == nil || list[0].Ack.Reason != "known" || list[0].Sync != one || list[1].Type != state.Kept {
		p.Errorf("exceptions: %+v", list)
	}
	for reference, err := range j.Unmatched(p.ctx, one) {
		p.must(err)
		for i, err := range j.Referring(p.ctx, one, []string{reference}) {
			p.must(err)
			if reference != "vela" || i != item {
				p.Errorf("%s is what %v refers to", reference, i)
			}
		}
	}
	if err := j.Intend(p.ctx, "R2", []state.Batch{{Seq: 2}}); !errors.Is(err, state.ErrFenced) {
		p.Errorf("a run under the old name goes on: %v", err)
	}
	runs, err := j.Runs(p.ctx, one, 9)
	p.must(err)
	if len(runs) != 3 || runs[0].ID != "R2" || runs[2].ID != "R0" {
		p.Errorf("runs: %+v", runs)
	}
	p.begin(j, to, "R3", state.Incremental)
	p.end(j, "R3", state.End{Outcome: state.Clean})
}
