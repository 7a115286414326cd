package syncer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
)

// Mode is how much of its source a run reads.
type Mode string

// The modes.
const (
	None        Mode = "" // it does not run
	Incremental Mode = state.Incremental
	Full        Mode = state.Full
	Withdrawal  Mode = state.Withdrawal // everything that is ours there goes, since someone says so
)

// Reason is why a sync runs.
type Reason string

// The reasons of a full run, in the order in which they are told, and the two
// of an incremental one.
const (
	Activated         Reason = "activated"           // INT-5
	NeverSucceeded    Reason = "never_succeeded"     // CLM-6: LSRT is empty
	LastSuccess15d    Reason = "last_success_15d"    // CLM-6
	FilterEdited      Reason = "filter_edited"       // CTRY-7
	RuleChanged       Reason = "rule_changed"        // RULE-5
	EngineChanged     Reason = "engine_changed"      // INT-7: neither knows what the other did
	VaultChanged      Reason = "vault_changed"       // CTRY-13: it leads from or to another vault than before
	RouteTableChanged Reason = "route_table_changed" // CTRY-10
	RoutesFullRun     Reason = "routes_full_run"     // CTRY-10: of a route table
	Requested         Reason = "requested"           // sync -full, full_sync_trigger, LSRT emptied by someone (INT-6)

	Changes Reason = "incremental" // CLM-7
	Retry   Reason = "retry"       // CLM-8, ERR-2

	WithdrawAll Reason = "withdraw_all" // INT-4: someone wants nothing of it to stay

	Reprocess    Reason = "reprocess"     // ERR-2: someone wants a few items to be tried again, and nothing else
	WithdrawKept Reason = "withdraw_kept" // CLM-1: someone wants a few items that are kept to be withdrawn, and nothing else
)

var reasons = []Reason{Activated, NeverSucceeded, LastSuccess15d, FilterEdited, RuleChanged, EngineChanged, VaultChanged, RouteTableChanged, RoutesFullRun, Requested, Changes, Retry}

// Words returns the reason for people.
func (r Reason) Words() string {
	switch r {
	case NeverSucceeded:
		return "never succeeded"
	case LastSuccess15d:
		return "last success too long ago"
	case FilterEdited:
		return "filter edited"
	case RuleChanged:
		return "rule changed"
	case EngineChanged:
		return "engine changed"
	case VaultChanged:
		return "another vault than before"
	case RouteTableChanged:
		return "route table changed"
	case RoutesFullRun:
		return "a full run routes by it"
	case Changes:
		return "what changed since the last run"
	case Retry:
		return "what failed in the last run"
	case WithdrawAll:
		return "everything is to be withdrawn"
	case WithdrawKept:
		return "what somebody wants to be withdrawn, though it is kept"
	case Reprocess:
		return "what somebody wants to be tried again"
	default:
		return string(r)
	}
}

// Defaults of a policy that leaves them out, and the margins of the horizon.
const (
	fullAfter  = 15 * 24 * time.Hour // CLM-6
	retryAfter = 24 * time.Hour      // CLM-14

	// margin is taken off the source's own clock: what was being committed
	// while the last read began.
	margin = time.Minute
	// skew is taken off LSRT, which another vault's clock wrote.
	skew = 15 * time.Minute
)

// inputRoutes and inputWithheld are the syncer's own names in Memory.Inputs:
// the values that routed last time ("*": all, else a JSON list), and that
// nothing was withdrawn because the route table had errors. inputTable is the
// name of what routes, where that is another than before.
const (
	inputRoutes   = "syncer_routes"
	inputWithheld = "syncer_withheld"
	inputTable    = "table"
	allRoutes     = "*"
)

// Names of inputs that mean the same whoever gives them: whom content is for, between
// which instances, and whose run it is.
const (
	inputFilter = "filter"
	inputVaults = "vaults"
	inputEngine = "engine"
)

// Request is what someone asks for.
type Request struct {
	Full     bool
	Withdraw bool         // INT-4: all that it published, whether or not the point is active; with Only, what is kept of these
	Only     []state.Item // ERR-2: these items, and nothing else that is due
}

// Decision is whether a sync runs, how, and why.
type Decision struct {
	Mode    Mode     `json:"mode,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"`

	// Step: plan and apply run it, in full. Without it a run with a mode is
	// merely due, for sync and serve.
	Step bool `json:"step,omitempty"`

	// Engine: whose run it is, when not accord's. Asks: it would not run for
	// these reasons by itself, and accord asks for it by clearing LSRT (INT-6).
	Engine string `json:"engine,omitempty"`
	Asks   bool   `json:"asks,omitempty"`
	Anew   bool   `json:"anew,omitempty"` // somebody asks now: a run that was asked for earlier is another one

	Only          []state.Item `json:"only,omitempty"`          // Incremental: only these items, and what must be seen with them
	Since         time.Time    `json:"since,omitzero"`          // Incremental: where the read begins
	EarliestStart time.Time    `json:"earliest_start,omitzero"` // CTRY-7, by our clock; zero: at once
	HeldBack      string       `json:"held_back,omitempty"`     // CLM-14, CTRY-7: a full run waits, and for what
	Idle          string       `json:"idle,omitempty"`          // Mode None: why
	FullAt        time.Time    `json:"full_at,omitzero"`        // when age alone makes it full; zero: not known
	At            time.Time    `json:"at,omitzero"`             // when this was decided
}

// StepOnly returns what plan and apply make of d: a run with a reason, or none.
func (d Decision) StepOnly() Decision {
	if !d.Step {
		d.Mode, d.Reasons, d.Since = None, nil, time.Time{}
	}
	return d
}

// Why returns the reasons for people.
func (d Decision) Why() string {
	words := make([]string, len(d.Reasons))
	for i, r := range d.Reasons {
		words[i] = r.Words()
	}
	return strings.Join(words, ", ")
}

// Has reports whether r is among the reasons.
func (d Decision) Has(r Reason) bool { return slices.Contains(d.Reasons, r) }

// Decide says whether a sync runs now, how and why. It is pure. The ages of
// LRT and LSRT are taken by the clock of the vault that keeps them.
func Decide(sync providers.Sync, memory state.Memory, req Request, now time.Time) Decision {
	d := Decision{At: now}
	switch {
	case req.Withdraw && sync.Engine == providers.EnginePlatform:
		d.Idle = "the platform's own engine moves this content, and accord withdraws only what it published itself"
		return d
	case req.Withdraw && len(req.Only) == 0:
		d.Mode, d.Reasons = Withdrawal, []Reason{WithdrawAll}
		return d
	case !sync.Active:
		d.Idle = cmp.Or(sync.Idle, "it is not active")
		return d
	case sync.Engine == providers.EnginePlatform:
		return decideEngine(sync, memory, req, now)
	}
	vaultNow := sync.Now
	if vaultNow.IsZero() {
		vaultNow = now
	}
	if !sync.LSRT.IsZero() {
		d.FullAt = sync.LSRT.Add(cmp.Or(sync.Policy.FullAfter, fullAfter)).Add(now.Sub(vaultNow))
	}

	if len(req.Only) > 0 {
		d.Mode, d.Reasons, d.Only = Incremental, []Reason{Reprocess}, req.Only
		if req.Withdraw {
			d.Reasons = []Reason{WithdrawKept}
		}
		return d
	}
	d.Reasons = fullReasons(sync, memory, req, vaultNow)
	if held := heldBack(sync, memory, d.Reasons, now); held != "" {
		d.HeldBack, d.Reasons = held, nil
	}
	if len(d.Reasons) > 0 {
		d.Mode, d.Step = Full, true
		d.EarliestStart = earliestStart(sync, memory, d, now, vaultNow)
		return d
	}
	d.Mode, d.Reasons = Incremental, []Reason{Changes}
	if memory.Failures > 0 || memory.Errors > 0 || sync.LRT.After(sync.LSRT) {
		d.Reasons = append(d.Reasons, Retry)
	}
	d.Since = since(sync, memory)
	return d
}

// since is where an incremental read begins.
func since(sync providers.Sync, memory state.Memory) time.Time {
	if memory.Horizon.IsZero() {
		return sync.LSRT.Add(-skew)
	}
	return memory.Horizon.Add(-margin)
}

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

// fullReasons returns all reasons for a full run, in their order, each once.
func fullReasons(sync providers.Sync, memory state.Memory, req Request, vaultNow time.Time) []Reason {
	found := make(map[Reason]bool)
	for _, r := range Owed(memory) {
		found[r] = true
	}
	found[Activated] = found[Activated] || !sync.Was
	found[Requested] = found[Requested] || req.Full || triggered(sync)
	switch {
	case sync.LSRT.IsZero() && !memory.LastSuccess.IsZero():
		found[Requested] = true // emptied by someone: we left it filled
	case sync.LSRT.IsZero():
		found[NeverSucceeded] = true
	case vaultNow.Sub(sync.LSRT) >= cmp.Or(sync.Policy.FullAfter, fullAfter):
		found[LastSuccess15d] = true
	}
	for _, name := range changedInputs(sync, memory) {
		found[inputReason(name)] = true
	}
	return slices.DeleteFunc(slices.Clone(reasons), func(r Reason) bool {
		return !found[r] || r == Changes || r == Retry
	})
}

// triggered: a change from one text to another asks; setting it first, or
// removing it, asks for nothing (INT-6). What a plan changes counts, whether or
// not anything ran since the change before; an apply owes what was asked for.
func triggered(sync providers.Sync) bool {
	return sync.TriggerWas != "" && sync.Trigger != "" && sync.TriggerWas != sync.Trigger
}

// changedInputs returns the names of inputs that differ from the last run's.
// Without an earlier run of ours there is nothing to differ from but what was there
// before the plan.
func changedInputs(sync providers.Sync, memory state.Memory) []string {
	if len(memory.Inputs) == 0 {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(sync.Inputs)) { // somebody else's runs went by what was there before
			if was, known := sync.Before[name]; sync.Was && known && was != sync.Inputs[name] {
				names = append(names, name)
			}
		}
		return names
	}
	if engineChanged(memory.Inputs, sync.Inputs) {
		return comparable(memory.Inputs, sync.Inputs)
	}
	var names []string
	for name, digest := range sync.Inputs {
		if memory.Inputs[name] != digest {
			names = append(names, name)
		}
	}
	for name := range memory.Inputs {
		switch _, still := sync.Inputs[name]; {
		case still, name == inputRoutes, name == inputWithheld:
		case slices.Contains(sync.Policy.DelayedInputs, name): // it routes no more, which is no edit of it
			names = append(names, inputTable)
		default:
			names = append(names, name)
		}
	}
	if before, known := memory.Inputs[inputRoutes]; known && (before == allRoutes) != sync.Route.All {
		names = append(names, inputTable)
	}
	return names
}

// Overtaken reports whether a sync was run by another definition than this one since
// what was remembered of it was then. Whoever goes by this one, and does not hold the
// lock of the state, has yet to hear of what was applied meanwhile.
func Overtaken(sync providers.Sync, then, now state.Memory) bool {
	return !maps.Equal(then.Inputs, now.Inputs) && len(changedInputs(sync, now)) > 0
}

func engineChanged(before, now map[string]string) bool {
	return before[inputEngine] != "" && now[inputEngine] != "" && before[inputEngine] != now[inputEngine]
}

// comparable returns the names of inputs that differ, of those that mean the same to
// both engines: all else is worded by each in its own way.
func comparable(before, now map[string]string) (names []string) {
	for _, name := range []string{inputEngine, inputFilter, inputVaults} {
		was, had := before[name]
		if is, has := now[name]; had && has && was != is {
			names = append(names, name)
		}
	}
	return names
}

func inputReason(name string) Reason {
	switch name {
	case inputFilter:
		return FilterEdited
	case inputVaults:
		return VaultChanged
	case inputTable:
		return RouteTableChanged
	case inputEngine:
		return EngineChanged
	default:
		return RuleChanged
	}
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

// routesInput is the value of inputRoutes for a route.
func routesInput(values []string) string {
	text, _ := json.Marshal(values)
	return string(text)
}
