package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"accord/planner/syncer"
	"accord/providers"
)

// What is said of runs of the platform's own engine (INT-7): what is known, and
// no more.

// followingText says what a run is waited for, and where the engine stands.
func followingText(e syncer.Following) string {
	what := "waiting for the platform's engine"
	if e.Decision.Asks {
		what = "asked the platform for a full run"
	}
	if start := e.Decision.EarliestStart; !start.IsZero() && time.Until(start) > 0 {
		what += ", which begins 5 minutes after the edit"
	}
	return fmt.Sprintf("%s; last run %s, %s open", what, momentOr(e.State.LRT, "never"), count(e.State.Open, "exception"))
}

// showFollowed prints what is known of a run that was followed.
func showFollowed(w io.Writer, o syncer.Outcome) {
	if o.Followed == nil {
		return
	}
	before, after := o.Followed.Before, o.Followed.After
	fmt.Fprintf(w, "    %s: run by the platform's engine; Last Run Time %s, Last Successful Run Time %s\n", o.Addr, became(before.LRT, after.LRT), became(before.LSRT, after.LSRT))
	var parts []string
	for _, part := range slices.Sorted(maps.Keys(after.Published)) {
		n := after.Published[part] - before.Published[part]
		text := count(after.Published[part], strings.ReplaceAll(part, "_", " "))
		if n != 0 && o.Followed.Seen() {
			text += fmt.Sprintf(" (%+d)", n)
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		when := ", before and after"
		if !o.Followed.Seen() {
			when = ", after the run"
		}
		fmt.Fprintf(w, "    counted in the vault%s: %s\n", when, strings.Join(parts, ", "))
	}
	if after.Open > 0 {
		fmt.Fprintf(w, "    %s open, %s new\n", count(after.Open, "exception"), number(o.Followed.New))
	}
}

func became(before, after time.Time) string {
	if before.Equal(after) {
		return "still " + momentOr(after, "empty")
	}
	return momentOr(before, "empty") + " → " + momentOr(after, "empty")
}

func momentOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// engineText says of a decision whose run it is, and why it is run at all.
func engineText(d syncer.Decision) string {
	switch {
	case d.Engine != providers.EnginePlatform:
		return ""
	case d.Asks:
		return " · accord asks for it by clearing Last Successful Run Time; run by the platform's engine, what it does is a forecast"
	}
	return " · run by the platform's engine by itself, and followed; what it does is a forecast"
}
