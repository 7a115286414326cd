package syncer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
)

// Meanwhile is the run that may be made while the full run d waits for nothing
// but the delay after an edited filter (CTRY-7): of what changed, routed by the
// table as it still is, so that what is withdrawn in the source does not stay
// with anybody for so long. ok: there is one. It meets none of d's reasons.
func Meanwhile(sync providers.Sync, memory state.Memory, d Decision, now time.Time) (run Decision, ok bool) {
	if d.Mode != Full || !now.Before(d.EarliestStart) || sync.Route.Table == nil {
		return d, false
	}
	if slices.ContainsFunc(d.Reasons, func(r Reason) bool {
		return r != FilterEdited && r != RouteTableChanged && heldBack(sync, memory, []Reason{r}, now) == ""
	}) {
		return d, false
	}
	return Decision{Mode: Incremental, Reasons: []Reason{Changes}, Since: since(sync, memory), FullAt: d.EarliestStart, HeldBack: AfterEdit, At: d.At}, true
}

// TablesFirst makes the run of a route table full that a full run routes by,
// whatever was decided about it alone: what it lacks would not be published
// (CTRY-10). It begins no earlier than who routes by it, since they may follow
// from the same edit, and nobody routes by it before it may begin (CTRY-7). It
// changes the decisions in place.
func TablesFirst(tasks []Task) {
	for i := range tasks {
		t := &tasks[i]
		if t.Sync.Route.Table == nil || t.Decision.Mode != Full {
			continue
		}
		for n := range tasks {
			table := &tasks[n]
			if table.Sync.Addr != *t.Sync.Route.Table || !table.Sync.Active || table.Sync.Engine == providers.EnginePlatform {
				continue
			}
			start := t.Decision.EarliestStart
			if d := &table.Decision; d.Mode != Full {
				d.Mode, d.Step, d.Reasons = Full, true, []Reason{RoutesFullRun}
				d.Since, d.HeldBack, d.EarliestStart = time.Time{}, "", start
			} else if d.Has(RoutesFullRun) && start.Before(d.EarliestStart) {
				d.EarliestStart = start // the first that routes by it
			}
		}
	}
	for i := range tasks {
		t := &tasks[i]
		if t.Sync.Route.Table == nil || t.Decision.Mode != Full {
			continue
		}
		for n := range tasks {
			if table := &tasks[n]; table.Sync.Addr == *t.Sync.Route.Table && table.Decision.Mode == Full && table.Decision.EarliestStart.After(t.Decision.EarliestStart) {
				t.Decision.EarliestStart = table.Decision.EarliestStart
			}
		}
	}
}

// Postpone takes the runs out of tasks, in place, that may not begin yet, and
// those that come after one of them. It returns them as they were, and when the
// first may begin.
func Postpone(tasks []Task, now time.Time) (later []Task, first time.Time) {
	waits := map[addrs.Instance]bool{}
	for _, t := range tasks {
		if start := t.Decision.EarliestStart; t.Decision.Mode != None && start.After(now) {
			waits[t.Sync.Addr] = true
			if first.IsZero() || start.Before(first) {
				first = start
			}
		}
	}
	for more := true; more; {
		more = false
		for _, t := range tasks {
			before := t.Sync.After
			if table := t.Sync.Route.Table; table != nil {
				before = append(slices.Clone(before), *table)
			}
			if t.Decision.Mode != None && !waits[t.Sync.Addr] && slices.ContainsFunc(before, func(a addrs.Instance) bool { return waits[a] }) {
				waits[t.Sync.Addr], more = true, true
			}
		}
	}
	for i := range tasks {
		if t := &tasks[i]; waits[t.Sync.Addr] {
			later = append(later, *t)
			t.Decision = Decision{At: t.Decision.At}
		}
	}
	return later, first
}

// heldBack says why a full run waits (CLM-14): the last one read its source to
// the end and had failures, nobody asks, nothing changed, and RetryAfter has
// not passed.
func heldBack(sync providers.Sync, memory state.Memory, why []Reason, now time.Time) string {
	last := memory.LastFull
	if last == nil || last.Outcome != state.Faulty || len(why) == 0 || memory.Horizon.IsZero() {
		return ""
	}
	if slices.ContainsFunc(why, func(r Reason) bool { return r != NeverSucceeded && r != LastSuccess15d }) {
		return ""
	}
	until := last.Ended.Add(cmp.Or(sync.Policy.RetryAfter, retryAfter))
	if !now.Before(until) {
		return ""
	}
	words := make([]string, len(why))
	for i, r := range why {
		words[i] = r.Words()
	}
	failed := "1 item failed, and is retried by every run"
	if n := max(memory.Failures, memory.Errors); n != 1 {
		failed = fmt.Sprintf("%d items failed, and are retried by every run", n)
	}
	return fmt.Sprintf("a full run (%s) is held back until %s: the one of %s read everything; %s",
		strings.Join(words, ", "), until.UTC().Format(time.RFC3339), last.Started.UTC().Format(time.RFC3339), failed)
}

// earliestStart is CTRY-7: an edit of a delayed input, under a point that is
// already active, waits. Another reason that does not wait makes it start at once,
// which one does not that is held back by itself (CLM-14); and what follows from no
// such input any more waits for none.
func earliestStart(sync providers.Sync, memory state.Memory, d Decision, now, vaultNow time.Time) time.Time {
	if d.Has(Activated) || d.Has(Requested) || d.Has(NeverSucceeded) && heldBack(sync, memory, []Reason{NeverSucceeded}, now) == "" {
		return time.Time{}
	}
	follows := func(name string) bool { _, ok := sync.Inputs[name]; return ok }
	if !slices.ContainsFunc(sync.Policy.DelayedInputs, follows) {
		return time.Time{}
	}
	delayed := func(name string) bool { return slices.Contains(sync.Policy.DelayedInputs, name) }
	owed := func(reason string) bool {
		return slices.ContainsFunc(sync.Policy.DelayedInputs, func(name string) bool { return string(inputReason(name)) == reason })
	}
	if !slices.ContainsFunc(changedInputs(sync, memory), delayed) && !slices.ContainsFunc(memory.Owed, owed) {
		return time.Time{}
	}
	return afterEdit(sync, sync.Policy.Delay, now, vaultNow)
}

// afterEdit is when a delay after the last edit has passed, by our clock: zero
// where it has. An edit that is yet to be made counts as made now. The moment of
// an edit is the vault's own record of it, so that whoever asks, after whatever
// restart, waits for the same moment.
func afterEdit(sync providers.Sync, delay time.Duration, now, vaultNow time.Time) time.Time {
	passed := time.Duration(0)
	if !sync.Edited.IsZero() {
		passed = max(0, vaultNow.Sub(sync.Edited))
	}
	if passed >= delay {
		return time.Time{}
	}
	return now.Add(delay - passed)
}
