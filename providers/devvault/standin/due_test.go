package standin

import (
	"testing"
	"time"
)

// When a point runs: CLM-6, INT-5, INT-6, CTRY-7.
func TestDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	const every = 10 * time.Minute
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	ran := func(d time.Duration) point { return point{"p", true, ago(d), ago(d)} }
	seen := func(d time.Duration) memory { return memory{Active: true, LSRT: ago(d), Filter: "us__v"} }
	us := settings{[]string{"us__v"}, ago(48 * time.Hour)}
	both := func(edited time.Duration) settings { return settings{[]string{"ca__v", "us__v"}, ago(edited)} }
	for name, c := range map[string]struct {
		memory   memory
		point    point
		settings settings
		want     mode
	}{
		"inactive":                      {memory{}, point{"p", false, time.Time{}, time.Time{}}, us, none},
		"activated":                     {memory{Filter: "us__v"}, point{"p", true, time.Time{}, time.Time{}}, us, full},
		"activated again, just run":     {memory{Filter: "us__v", LSRT: ago(time.Minute)}, ran(time.Minute), us, full},
		"just run":                      {seen(time.Minute), ran(time.Minute), us, none},
		"the interval has passed":       {seen(every), ran(every), us, incremental},
		"a second before that":          {seen(every), ran(every - time.Second), us, none},
		"15 days ago":                   {seen(fullAfter), ran(fullAfter), us, full},
		"a second less":                 {seen(fullAfter - time.Second), ran(fullAfter - time.Second), us, incremental},
		"15 days ago, and run since":    {seen(fullAfter), point{"p", true, ago(time.Minute), ago(fullAfter)}, us, none},
		"asked for":                     {seen(time.Minute), point{"p", true, ago(time.Minute), time.Time{}}, us, none},
		"asked for a second ago":        {memory{Active: true, LSRT: ago(time.Minute), Filter: "us__v", Asked: ago(time.Second)}, point{"p", true, ago(time.Minute), time.Time{}}, us, full},
		"never succeeded, just run":     {memory{Active: true, Filter: "us__v"}, point{"p", true, ago(time.Minute), time.Time{}}, us, none},
		"never succeeded":               {memory{Active: true, Filter: "us__v"}, point{"p", true, ago(every), time.Time{}}, us, full},
		"filter edited":                 {seen(time.Minute), ran(time.Minute), both(filterDelay), full},
		"filter edited just now":        {seen(time.Minute), ran(time.Minute), both(filterDelay - time.Second), none},
		"filter edited and edited back": {memory{Active: true, LSRT: ago(time.Minute), Filter: "us__v", Edited: ago(time.Hour)}, ran(time.Minute), us, none},
	} {
		m := c.memory
		if got := due(&m, c.point, c.settings, now, every); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		if c.want == full && c.point.lsrt.IsZero() && c.memory.Active && !c.memory.LSRT.IsZero() {
			if got := due(&m, c.point, c.settings, now, every); got != none {
				t.Errorf("%s: it is asked for once, and would run again: %d", name, got)
			}
		}
	}
}

// Several edits inside the delay cause one run, counted from the first.
func TestEditsCoalesce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	m := memory{Active: true, LSRT: now, Filter: "us__v"}
	p := point{"p", true, now, now}
	var runs []time.Duration
	for passed := time.Duration(0); passed < 20*time.Minute; passed += 10 * time.Second {
		s := settings{[]string{"ca__v"}, now}
		if passed >= 2*time.Minute {
			s = settings{[]string{"ca__v", "mx__v"}, now.Add(2 * time.Minute)}
		}
		if due(&m, p, s, now.Add(passed), time.Hour) == full {
			runs = append(runs, passed)
			m.Filter, m.Edited = "ca__v,mx__v", time.Time{}
		}
	}
	if len(runs) != 1 || runs[0] != filterDelay {
		t.Errorf("runs after %v, want one after %s", runs, filterDelay)
	}
}
