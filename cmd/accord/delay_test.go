package main

import (
	"context"
	"testing"
	"time"

	"accord/planner/syncer"
)

// CTRY-7: whoever asks, whenever, after whatever restart, is told the same
// moment: five minutes after the last edit, by the second.
func TestDelayAfterAnEdit(t *testing.T) {
	t.Parallel()
	c := &crmConfig{key: "a", countries: []string{"United States"}, country: true, clm: true}
	w := newWorld(t, false, c)
	w.delay, w.detach = "5m", true
	ctx := context.Background()
	apply := func() {
		t.Helper()
		if _, report, err := w.apply(ctx); err != nil || len(report.Failed) > 0 {
			w.fail("apply: %v %+v", err, report)
		}
	}
	starts := func() (at [2]time.Time) {
		t.Helper()
		p, err := w.plan(ctx)
		if err != nil {
			w.fail("plan: %v", err)
		}
		for _, line := range p.Syncs {
			if line.Decision.Has(syncer.FilterEdited) && line.Addr == c.point("clm_country") {
				at[0] = line.Decision.EarliestStart
			}
			if line.Decision.Has(syncer.FilterEdited) && line.Addr == c.point("clm_presentation") {
				at[1] = line.Decision.EarliestStart
			}
		}
		return at
	}
	both := func(at time.Time) [2]time.Time { return [2]time.Time{at, at} }
	apply()
	if got := starts(); got != both(time.Time{}) {
		t.Errorf("without an edit: %v", got)
	}

	c.countries = []string{"United States", "Canada"}
	apply()
	want := w.clock.Now().Add(5 * time.Minute)
	for range 4 {
		if got := starts(); got != both(want) {
			t.Errorf("at %s: %v, want %s", w.clock.Now(), got, want)
		}
		w.clock.pass(59 * time.Second)
	}
	c.countries = []string{"Canada"} // another edit, four minutes after the first
	apply()
	want = w.clock.Now().Add(5 * time.Minute)
	w.clock.pass(299 * time.Second)
	if got := starts(); got != both(want) {
		t.Errorf("after the second edit: %v, want %s", got, want)
	}
	w.clock.pass(time.Second)
	_, report, err := w.apply(ctx)
	if err != nil || len(report.Outcomes) != 2 || len(report.Left) != 0 {
		w.fail("one run for both edits: %v %+v", err, report)
	}
	if _, outcomes, err := w.sync(ctx, false); err != nil || outcomes[0].Decision.Mode != syncer.Incremental {
		t.Errorf("a second run: %v %+v", err, outcomes)
	}
}
