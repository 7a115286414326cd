package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"accord/planner"
	"accord/planner/plan"
	"accord/providers"
)

// An apply whose state could not be written is not told as complete.
func TestCutShortIsNotComplete(t *testing.T) {
	r := &planner.Report{Done: map[providers.Action]int{providers.Create: 2}, Renamed: 1}
	for _, json := range []bool{false, true} {
		var stdout bytes.Buffer
		c := &cli{stdout: &stdout, stderr: &bytes.Buffer{}, json: json}
		c.showReport(&workspace{cli: c}, &plan.Plan{}, r, errors.New("no space left on device"))
		if got := stdout.String(); strings.Contains(got, "omplete:") || !strings.Contains(got, "Apply was cut short") {
			t.Errorf("json %v:\n%s", json, got)
		} else if !json && !strings.Contains(got, "2 created, 1 renamed") {
			t.Errorf("what was done is not told:\n%s", got)
		}
	}
}
