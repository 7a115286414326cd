package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// An apply whose state could not be written is not told as complete.
func TestCutShortIsNotComplete(t *testing.T) {
	r := &planner.Report{Done: map[providers.Action]int{providers.Create: 2}, Renamed: 1}
	for _, json := range []bool{false, true} {
		var stdout bytes.Buffer
		c := &cli{stdout: &stdout, stderr: &bytes.Buffer{}, json: json}
		c.showReport(&workspace{cli: c}, &plan.Plan{}, r, false, errors.New("no space left on device"))
		if got := stdout.String(); strings.Contains(got, "omplete:") || !strings.Contains(got, "Apply was cut short") {
			t.Errorf("json %v:\n%s", json, got)
		} else if !json && !strings.Contains(got, "2 created, 1 renamed") {
			t.Errorf("what was done is not told:\n%s", got)
		}
	}
}

// Why a run was skipped is said once, however many were.
func TestSkippedIsExplained(t *testing.T) {
	skipped := syncer.Outcome{Addr: parsed("integration_point.clm"), Status: syncer.Skipped, Decision: syncer.Decision{Mode: syncer.Full}}
	clean := skipped
	clean.Status = syncer.Clean
	for want, outcomes := range map[int][]syncer.Outcome{0: {clean}, 1: {skipped, clean, skipped}} {
		var out bytes.Buffer
		showOutcomes(&out, outcomes)
		if n := strings.Count(out.String(), "skipped: another run"); n != want {
			t.Errorf("said %d times, not %d:\n%s", n, want, out.String())
		}
	}
}
