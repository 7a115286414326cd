package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
)

// shownSyncs are those that run, are due, asked for or held back, or should run and do
// not; with -verbose all.
func (v *planView) shownSyncs() []plan.SyncLine {
	return slices.DeleteFunc(slices.Clone(v.plan.Syncs), func(s plan.SyncLine) bool {
		d := s.Decision
		return !v.verbose && d.Mode == syncer.None && len(d.Reasons) == 0 && d.HeldBack == "" && !v.alarming(s)
	})
}

func (v *planView) syncs() {
	shown := v.shownSyncs()
	if len(shown) == 0 {
		return
	}
	v.heading("Syncs")
	var t table
	for len(shown) > 0 {
		s, keys, rest := shown[0], []string(nil), []plan.SyncLine(nil)
		for _, other := range shown {
			if other.Addr.Block == s.Addr.Block && modeText(other.Decision) == modeText(s.Decision) && syncText(other.Decision) == syncText(s.Decision) {
				keys = append(keys, other.Addr.Key)
			} else {
				rest = append(rest, other)
			}
		}
		shown = rest
		name := addrs.Several(s.Addr, keys)
		if v.verbose {
			name = addrs.SeveralInFull(s.Addr, keys)
		}
		t.add(name, modeText(s.Decision), syncText(s.Decision))
	}
	t.print(v.w, "  ", v.width)
	v.calls()
}

// alarming: someone wants it to run, and it does not.
func (v *planView) alarming(s plan.SyncLine) bool {
	return s.Decision.Idle != "" && len(v.plan.Steps) > 0
}

func modeText(d syncer.Decision) string {
	switch {
	case d.Step:
		return "FULL"
	case d.Mode == syncer.Withdrawal:
		return "WITHDRAW ALL"
	case d.Mode == syncer.Full:
		return "full (due)"
	case d.Mode == syncer.Incremental:
		return "incremental (due)"
	default:
		return "—"
	}
}

func syncText(d syncer.Decision) string {
	var words []string
	for _, r := range d.Reasons {
		words = append(words, r.Words())
	}
	text := strings.Join(words, ", ") + engineText(d)
	if !d.EarliestStart.IsZero() && d.EarliestStart.After(d.At) {
		text += " · not before " + clockTime(d.EarliestStart, d.At)
	}
	if d.HeldBack != "" {
		text += " · held back: " + clean(d.HeldBack)
	}
	if d.Idle != "" {
		text += " · " + clean(d.Idle)
	}
	if d.Mode != syncer.Full && !d.FullAt.IsZero() {
		text += " · full on " + d.FullAt.UTC().Format("2 Jan 15:04 UTC")
	}
	return strings.TrimPrefix(text, " · ")
}

// clockTime is a moment for who reads it at now: the day is said where it is
// another one.
func clockTime(t, now time.Time) string {
	if t.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.UTC().Format("15:04:05 UTC")
	}
	return t.UTC().Format("2 Jan 15:04:05 UTC")
}

// calls says what the runs are expected to ask of the vaults, and what that is
// of the limit, which each vault has for itself.
func (v *planView) calls() {
	var all plan.Calls
	shares := map[string]float64{}
	most := ""
	for _, s := range v.plan.Syncs {
		if s.Calls != nil {
			all.Reads, all.Writes = all.Reads+s.Calls.Reads, all.Writes+s.Calls.Writes
			vault := s.Vault.String()
			shares[vault] += s.Calls.Share
			if shares[vault] > shares[most] {
				most = vault
			}
		}
	}
	if all.Reads+all.Writes == 0 {
		return
	}
	limit := fmt.Sprintf("%.1f %% of 2 000 calls in 5 minutes", 100*shares[most])
	if shares[most] > 1 {
		limit = fmt.Sprintf("%s at 2 000 calls in 5 minutes", time.Duration(shares[most]*float64(5*time.Minute)).Round(time.Minute))
	}
	text := fmt.Sprintf("expected: %s to read, about %s to write; %s the most: %s", count(all.Reads, "call"), number(all.Writes), most, limit)
	v.line("  %s", faint(wrap(clean(text), "    ", v.width)))
}
