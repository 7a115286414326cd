package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/planner/syncer"
	"accord/providers"
)

// limited is a CRM vault of the United States with three presentations, and limits
// under which no run withdraws anything by itself.
func limited(t *testing.T) *world {
	w := newWorld(t, true, &crmConfig{key: "a", clm: true, country: true, countries: []string{"United States"}})
	w.load(source, `{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}
{"record": "country__v", "key": "mx", "fields": {"name__v": "Mexico", "country_cda__v": ["mx__v"]}}
{"record": "country__v", "key": "global", "fields": {"name__v": "Global", "country_cda__v": ["us__v", "mx__v"]}}
`+slide("one")+slide("two")+slide("three")+
		presentation("Leaves", []string{"us"}, "one", "two")+presentation("Stays", []string{"global"}, "two")+presentation("Elsewhere", []string{"mx"}, "three"))
	w.applyCleanly()
	w.limits = `max_withdrawn = "0%"
    max_published = "100%"
    ignore_below  = 1`
	w.applyCleanly()
	w.clock.pass(time.Hour)
	return w
}

// CLM-1 under limits: each way in which content leaves, by a full and by an
// incremental run. A run that would withdraw more than the limit lets through
// withdraws nothing, says how the limit is lifted, and forgets nothing: the next one
// finds it again. With the flag that it named exactly that leaves, slides that
// nothing else needs with it.
func TestWithdrawalUnderLimits(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	clm, country := `integration_point.clm_presentation["a"]`, `integration_point.clm_country["a"]`
	leaves := map[string]int{clm: 2} // the presentation, and the slide that it alone needs
	for _, way := range []struct {
		name   string
		change func(w *world)
		gone   map[string]int // by point
		full   bool           // there is no other run for it (CTRY-7, CTRY-10)
	}{
		{name: "the field", gone: leaves, change: func(w *world) {
			w.must(w.call("PUT", source, "objects/binders/"+w.document("Leaves"), url.Values{"clm_content__v": {"false"}}))
		}},
		{name: "obsolescence", gone: leaves, change: func(w *world) {
			w.must(w.call("PUT", source, "objects/binders/"+w.document("Leaves")+"/versions/1/0/lifecycle_actions/make_obsolete__v", nil))
		}},
		{name: "deletion", gone: leaves, change: func(w *world) {
			w.must(w.call("DELETE", source, "objects/binders/"+w.document("Leaves"), nil))
		}},
		{name: "its last country taken out", gone: leaves, change: func(w *world) {
			w.must(w.call("PUT", source, "objects/binders/"+w.document("Leaves"), url.Values{"country__v": {""}}))
		}},
		{name: "another country", gone: leaves, change: func(w *world) {
			rows := w.query(source, "SELECT id FROM country__v WHERE name__v = 'Mexico'")
			w.must(w.call("PUT", source, "objects/binders/"+w.document("Leaves"), url.Values{"country__v": {fmt.Sprint(rows[0]["id"])}}))
		}},
		{name: "its country lost", full: true, gone: map[string]int{clm: 2, country: 1}, change: func(w *world) {
			rows := w.query(source, "SELECT id FROM country__v WHERE name__v = 'United States'")
			w.must(w.call("PUT", source, "vobjects/country__v", url.Values{"id": {fmt.Sprint(rows[0]["id"])}, "country_cda__v": {"mx__v"}}))
		}},
	} {
		for _, full := range []bool{false, true} {
			mode := map[bool]string{false: "incremental", true: "full"}[full]
			t.Run(way.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				w := limited(t)
				c := w.crms[0]
				before := w.documentsDump(c.vault())
				way.change(w)
				w.writes()
				// Each point in its turn: countries first, since routing depends on them.
				for _, point := range []string{country, clm} {
					n := way.gone[point]
					if n == 0 {
						continue
					}
					for try := range 2 {
						w.clock.pass(time.Minute)
						flag := fmt.Sprintf("withdraw:%s=%d", point, n)
						said := w.refusedRun(point, full)
						if !strings.Contains(said, "-allow='"+flag+"'") || !strings.Contains(said, "max_withdrawn") {
							t.Fatalf("CLM-1: try %d of %s: %q does not say -allow='%s'", try+1, point, said, flag)
						}
					}
					if point == clm {
						if now := w.documentsDump(c.vault()); now != before {
							t.Errorf("CLM-1: a refused run changed something (-before +after)\n%s", cmp.Diff(lines(before), lines(now)))
						}
					}
					// One less than it takes does not lift it.
					w.allow = append(w.allow, fmt.Sprintf("withdraw:%s=%d", point, n-1))
					w.refusedRun(point, full)
					w.allow[len(w.allow)-1] = fmt.Sprintf("withdraw:%s=%d", point, n)
				}
				w.clock.pass(time.Minute)
				_, outcomes, err := w.runs(t.Context(), full, false)
				done := w.clean(outcomes, err)[clm]
				if got := done.Done; got != (syncer.Counts{Withdrawn: way.gone[clm]}) {
					t.Errorf("CLM-1: with the limit lifted: %+v", got)
				}
				if want := map[bool]syncer.Mode{true: syncer.Full, false: syncer.Incremental}[full || way.full]; done.Decision.Mode != want {
					t.Errorf("it was a run of the mode %s, want %s", done.Decision.Mode, want)
				}
				if diff := cmp.Diff([]string{"Stays"}, w.presentationsOf(c)); diff != "" {
					t.Errorf("CLM-1 (-want +got)\n%s", diff)
				}
				// Nothing is left to do, and nothing is deleted (CLM-13).
				w.allow = nil
				w.clock.pass(time.Minute)
				for addr, o := range w.clean(w.syncs(true), nil) {
					if o.Done.Written() > 0 {
						t.Errorf("%s had something left to do: %+v", addr, o.Done)
					}
				}
				if rows := w.query(c.vault(), "SELECT id FROM documents WHERE status__v = OBSOLETESTATE()"); len(rows) != 2 {
					t.Errorf("CLM-13: %d documents are obsolete", len(rows))
				}
			})
		}
	}
}

// refusedRun runs what is due, wants a point to be refused, and returns what is
// said of it.
func (w *world) refusedRun(point string, full bool) string {
	w.t.Helper()
	_, outcomes, err := w.runs(w.t.Context(), full, false)
	if err != nil {
		w.t.Fatal(err)
	}
	at := slices.IndexFunc(outcomes, func(o syncer.Outcome) bool { return o.Addr.String() == point })
	if at < 0 || outcomes[at].Status != syncer.Refused || outcomes[at].Done.Written() > 0 {
		w.t.Fatalf("%s was not refused: %+v", point, outcomes)
	}
	var said *providers.Error
	if !errors.As(outcomes[at].Err, &said) {
		w.t.Fatalf("%s: %v", point, outcomes[at].Err)
	}
	return said.Message + " " + said.Advice
}

// CTRY-8 under limits: a narrowed filter. The plan is refused, point by point, until
// each limit is lifted by the flag that it names; then exactly that is done.
func TestFilterUnderLimits(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	w := limited(t)
	c := w.crms[0]
	w.limits = strings.Replace(w.limits, `"0%"`, `"100%"`, 1)
	c.countries = []string{"United States", "Mexico"}
	w.applyCleanly()
	w.limits = strings.Replace(w.limits, `"100%"`, `"0%"`, 1)
	w.applyCleanly()
	w.clock.pass(time.Hour)
	before := w.documentsDump(c.vault())
	c.countries = []string{"Mexico"} // Leaves is for the United States
	flags := []string{`withdraw:integration_point.clm_country["a"]=1`, `withdraw:integration_point.clm_presentation["a"]=2`}
	for n := range 3 {
		w.allow = flags[:n]
		p, err := w.plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, r := range p.Refusals {
			_, flag, _ := strings.Cut(r.Detail, "-allow='")
			said = append(said, strings.TrimSuffix(flag, "'"))
		}
		if diff := cmp.Diff(flags[n:], append([]string{}, said...)); diff != "" {
			t.Errorf("CTRY-8: with %d of the limits lifted (-want +got)\n%s", n, diff)
		}
	}
	if now := w.documentsDump(c.vault()); now != before {
		t.Error("CTRY-8: plans changed something")
	}
	w.applyCleanly()
	if diff := cmp.Diff([]string{"Elsewhere", "Stays"}, w.presentationsOf(c)); diff != "" {
		t.Errorf("CTRY-8 (-want +got)\n%s", diff)
	}
}
