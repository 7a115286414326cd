package syncer

import (
	"cmp"
	"slices"
	"strings"
	"time"

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
	RoutesUnknown     Reason = "routes_unknown"      // CTRY-7: an edit may have been routed by after the last run, which somebody else made
	RoutesFullRun     Reason = "routes_full_run"     // CTRY-10: of a route table
	Requested         Reason = "requested"           // sync -full, full_sync_trigger, LSRT emptied by someone (INT-6)

	Changes Reason = "incremental" // CLM-7
	Retry   Reason = "retry"       // CLM-8, ERR-2

	WithdrawAll Reason = "withdraw_all" // INT-4: someone wants nothing of it to stay

	Reprocess    Reason = "reprocess"     // ERR-2: someone wants a few items to be tried again, and nothing else
	WithdrawKept Reason = "withdraw_kept" // CLM-1: someone wants a few items that are kept to be withdrawn, and nothing else
)

var reasons = []Reason{Activated, NeverSucceeded, LastSuccess15d, FilterEdited, RuleChanged, EngineChanged, VaultChanged, RouteTableChanged, RoutesUnknown, RoutesFullRun, Requested, Changes, Retry}

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
	case RoutesUnknown:
		return "what it was routed by before is not known here"
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

// fullReasons returns all reasons for a full run, in their order, each once.
func fullReasons(sync providers.Sync, memory state.Memory, req Request, vaultNow time.Time) []Reason {
	found := make(map[Reason]bool)
	for _, r := range Owed(memory) {
		found[r] = true
	}
	found[Activated] = found[Activated] || !sync.Was
	found[Requested] = found[Requested] || req.Full || triggered(sync)
	switch {
	case emptied(sync, memory):
		found[Requested] = true
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

// emptied: someone has cleared LSRT, which was filled when a run ended last, and asks by
// that for a full run (INT-6).
func emptied(sync providers.Sync, memory state.Memory) bool {
	return sync.LSRT.IsZero() && !memory.LastSuccess.IsZero()
}

// triggered: a change from one text to another asks; setting it first, or
// removing it, asks for nothing (INT-6). What a plan changes counts, whether or
// not anything ran since the change before; an apply owes what was asked for.
func triggered(sync providers.Sync) bool {
	return sync.TriggerWas != "" && sync.Trigger != "" && sync.TriggerWas != sync.Trigger
}
