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

// A run that is not clean says why, also where no item failed in it; and a name
// with a line break hides nothing of what comes after it.
func TestRunsSayWhyTheyAreNotClean(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	showOutcomes(&out, []syncer.Outcome{
		{Addr: parsed("integration_point.one"), Status: syncer.Faulty, Impact: syncer.Impact{Withheld: "the last run of the countries had errors"}},
		{Addr: parsed("integration_point.two"), Status: syncer.Faulty, Failed: 1, Failures: []syncer.Failure{{Title: "Launch", Message: "slide One\nline is unpublished"}}},
	})
	for _, want := range []string{"nothing is withdrawn: the last run of the countries had errors", "failed: Launch: slide One line is unpublished"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
