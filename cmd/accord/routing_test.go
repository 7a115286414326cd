package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/devvault"
)

// worked is the example of CTRY-4.
func worked(t *testing.T) *world {
	w := newWorld(t, true,
		&crmConfig{key: "a", clm: true, country: true, countries: []string{"United States"}},
		&crmConfig{key: "b", clm: true, country: true, countries: []string{"United States", "Canada"}},
		&crmConfig{key: "c", clm: true, country: true, countries: []string{"Mexico", "Canada"}})
	w.load(source, workedLibrary)
	return w
}

// workedLibrary is the library of the worked example.
var workedLibrary = `{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}
{"record": "country__v", "key": "ca", "fields": {"name__v": "Canada", "country_cda__v": ["ca__v"]}}
{"record": "country__v", "key": "mx", "fields": {"name__v": "Mexico", "country_cda__v": ["mx__v"]}}
{"record": "country__v", "key": "global", "fields": {"name__v": "Global", "country_cda__v": ["us__v", "ca__v", "mx__v"]}}
` + slide("one") + slide("two") +
	presentation("For the US", []string{"us"}, "one") + presentation("For Canada", []string{"ca"}, "two") +
	presentation("For Mexico", []string{"mx"}, "one", "two") + presentation("For nobody", nil, "one")

func slide(name string) string {
	return fmt.Sprintf(`{"document": %q, "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": %[1]q}, "versions": [{"number": "1.0", "state": "approved__v"}]}
`, name)
}

func presentation(name string, countries []string, nodes ...string) string {
	field := ""
	if len(countries) > 0 {
		field = fmt.Sprintf(`, "country__v.external_id__v": ["%s"]`, strings.Join(countries, `", "`))
	}
	return fmt.Sprintf(`{"binder": %q, "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": %[1]q, "clm_content__v": true%s}, "nodes": ["%s"], "versions": [{"number": "1.0", "state": "approved__v"}]}
`, name, field, strings.Join(nodes, `", "`))
}

// countryNames lists the Connection Country records of a CRM vault.
func (w *world) countryNames(c *crmConfig) []string {
	l := w.library()
	var out []string
	for _, id := range w.countries(c) {
		out = append(out, l.names[id])
	}
	slices.Sort(out)
	return out
}

// presentationsOf lists the published presentations of a CRM vault.
func (w *world) presentationsOf(c *crmConfig) []string {
	w.t.Helper()
	var out []string
	for _, r := range w.query(c.vault(), "SELECT name__v FROM binders WHERE status__v = STEADYSTATE() AND external_id__v > 'accord:'") {
		out = append(out, fmt.Sprint(r["name__v"]))
	}
	slices.Sort(out)
	return out
}

// idOf finds a document of the content vault by its name.
func (w *world) document(name string) string { return w.documentOf(source, name) }

func (w *world) documentOf(vault, name string) string {
	w.t.Helper()
	rows := w.query(vault, "SELECT id FROM documents WHERE name__v = '"+name+"'")
	if len(rows) != 1 {
		w.t.Fatalf("%d documents are called %s", len(rows), name)
	}
	return fmt.Sprint(rows[0]["id"])
}

func (w *world) clean(outcomes []syncer.Outcome, err error) map[string]syncer.Outcome {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]syncer.Outcome{}
	for _, o := range outcomes {
		if o.Status != syncer.Clean {
			w.t.Fatalf("%s: %s %v %+v", o.Addr, o.Status, o.Err, o.Failures)
		}
		out[o.Addr.String()] = o
	}
	return out
}

func (w *world) applyCleanly() []syncer.Outcome {
	w.t.Helper()
	p, report, err := w.apply(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(p.Refusals)+len(report.Failed)+len(report.Skipped) > 0 {
		w.t.Fatalf("refused %v, failed %v, skipped %v", p.Refusals, report.Failed, report.Skipped)
	}
	return report.Outcomes
}

func (w *world) syncs(full bool) []syncer.Outcome {
	w.t.Helper()
	_, outcomes, err := w.runs(w.t.Context(), full, false)
	w.clean(outcomes, err)
	return outcomes
}

// CTRY-3, CTRY-4, CTRY-5, exactly; and the first plan is right although no
// Connection Country record exists.
func TestWorkedExample(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	w := worked(t)
	a, b, c := w.crms[0], w.crms[1], w.crms[2]

	p, err := w.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, content := range p.Content {
		for _, part := range content.Impact.Parts {
			got[content.Addr.String()+" "+part.Part] = fmt.Sprint(part.Added)
		}
	}
	want := map[string]string{}
	for key, n := range map[string][4]int{"a": {2, 1, 1, 0}, "b": {3, 2, 2, 0}, "c": {3, 2, 2, 0}} {
		want[fmt.Sprintf("integration_point.clm_country[%q] country", key)] = fmt.Sprint(n[0])
		want[fmt.Sprintf("integration_point.clm_presentation[%q] presentation", key)] = fmt.Sprint(n[1])
		want[fmt.Sprintf("integration_point.clm_presentation[%q] slide", key)] = fmt.Sprint(n[2])
		want[fmt.Sprintf("integration_point.clm_presentation[%q] shared_resource", key)] = fmt.Sprint(n[3])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the first plan (-want +got)\n%s", diff)
	}
	if n := w.writes(); len(n) > 0 {
		t.Errorf("a plan wrote: %v", n)
	}

	w.applyCleanly()
	all := func() map[string][]string {
		return map[string][]string{
			"a countries": w.countryNames(a), "b countries": w.countryNames(b), "c countries": w.countryNames(c),
			"a": w.presentationsOf(a), "b": w.presentationsOf(b), "c": w.presentationsOf(c),
		}
	}
	example := map[string][]string{
		"a countries": {"Global", "United States"}, "b countries": {"Canada", "Global", "United States"}, "c countries": {"Canada", "Global", "Mexico"},
		"a": {"For the US"}, "b": {"For Canada", "For the US"}, "c": {"For Canada", "For Mexico"},
	}
	if diff := cmp.Diff(example, all()); diff != "" {
		t.Errorf("CTRY-4 (-want +got)\n%s", diff)
	}

	// CTRY-5: a new description is an update in A and B.
	w.clock.pass(time.Hour)
	w.must(w.call("PUT", source, "objects/binders/"+w.document("For the US"), url.Values{"description__v": {"New"}}))
	updated := map[string]int{}
	for addr, o := range w.clean(w.syncs(false), nil) {
		if o.Decision.Mode != syncer.Incremental {
			t.Errorf("%s ran %s", addr, o.Decision.Mode)
		}
		if o.Done.Written() > 0 {
			updated[addr] = o.Done.Updated
		}
	}
	if diff := cmp.Diff(map[string]int{`integration_point.clm_presentation["a"]`: 1, `integration_point.clm_presentation["b"]`: 1}, updated); diff != "" {
		t.Errorf("CTRY-5, updated (-want +got)\n%s", diff)
	}
	for _, crm := range []*crmConfig{a, b} {
		if rows := w.query(crm.vault(), "SELECT id FROM binders WHERE description__v = 'New'"); len(rows) != 1 {
			t.Errorf("%s: %d presentations with the description", crm.key, len(rows))
		}
	}

	// CTRY-5: a new one for Global goes to all three.
	w.clock.pass(time.Hour)
	w.load(source, presentation("For all", []string{"global"}, "two"))
	w.syncs(false)
	example["a"], example["b"], example["c"] = []string{"For all", "For the US"}, []string{"For Canada", "For all", "For the US"}, []string{"For Canada", "For Mexico", "For all"}
	if diff := cmp.Diff(example, all()); diff != "" {
		t.Errorf("CTRY-5 (-want +got)\n%s", diff)
	}

	// CTRY-3: Canada is taken out of B: its record goes, and Global stays, since
	// the United States still ask for it.
	w.clock.pass(time.Hour)
	b.countries = []string{"United States"}
	w.applyCleanly()
	example["b countries"], example["b"] = []string{"Global", "United States"}, []string{"For all", "For the US"}
	if diff := cmp.Diff(example, all()); diff != "" {
		t.Errorf("CTRY-3 (-want +got)\n%s", diff)
	}
}

// CTRY-12: with a failing country run no CLM call is made, and the CLM point
// stays inactive. Another CRM vault's branch goes on.
func TestFailingCountryRun(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]devvault.Fault{
		"the call":   {Vault: source, Method: "POST", Route: "vobjects/{object}", Kind: "failure"},
		"one record": {Vault: source, Method: "POST", Route: "vobjects/{object}", Kind: "row_failure", Match: map[string]string{"name__v": "Global", "vault_crm_id__v": "1002"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := worked(t)
			w.crms = w.crms[:1] // one is enough; the others are not configured
			fault.Match = maps.Clone(fault.Match)
			if fault.Match != nil {
				fault.Match["vault_crm_id__v"] = fmt.Sprint(w.ids["crm-a"])
			}
			if _, err := w.server.AddFault(fault); err != nil {
				t.Fatal(err)
			}
			_, report, err := w.apply(t.Context(), func() { w.listen() })
			if err != nil {
				t.Fatal(err)
			}
			failed, skipped := map[providers.Ref]bool{}, map[providers.Ref]bool{}
			for _, f := range report.Failed {
				failed[f.Ref] = true
			}
			for _, s := range report.Skipped {
				skipped[s.Ref] = true
			}
			a := w.crms[0]
			if !failed[providers.Ref{Addr: a.point("clm_country"), Sync: true}] {
				t.Errorf("the country run did not fail: %v", report.Failed)
			}
			for _, ref := range []providers.Ref{{Addr: a.point("clm_presentation")}, {Addr: a.point("clm_presentation"), Sync: true}} {
				if !skipped[ref] {
					t.Errorf("%v was not skipped: %v", ref, report.Skipped)
				}
			}
			for _, call := range w.listen() {
				if strings.Contains(call, "objects/documents") || strings.Contains(call, "objects/binders") || strings.Contains(call, "multichannel_") ||
					strings.Contains(call, "FROM documents") || strings.Contains(call, "FROM binders") {
					t.Errorf("CTRY-12: a CLM call was made: %s", call)
				}
			}
			status := w.query("crm-a", "SELECT status__v FROM integration_point__sys WHERE integration_point_api_name__sys = 'promomats_crm_clm_presentation__v'")
			if got := fmt.Sprint(status); !strings.Contains(got, "inactive__v") {
				t.Errorf("CTRY-12: the CLM point is %s", got)
			}

			// The fault is gone: the next apply does the rest.
			w.server.ClearFaults()
			w.applyCleanly()
			if diff := cmp.Diff([]string{"For the US"}, w.presentationsOf(a)); diff != "" {
				t.Errorf("afterwards (-want +got)\n%s", diff)
			}
		})
	}
}

// Absence never removes: a source that answers with nothing, with less, or
// with an error withdraws nothing, in full or by what changed.
func TestSourceThatAnswersWithNothing(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	const nothing = `{"responseStatus": "SUCCESS", "queryDescribe": {}, "responseDetails": {"pagesize": 1000, "pageoffset": 0, "size": 0, "total": 0}, "data": []}`
	empty := func(to http.ResponseWriter) { _, _ = to.Write([]byte(nothing)) }
	failure := func(to http.ResponseWriter) {
		_, _ = to.Write([]byte(`{"responseStatus": "FAILURE", "errors": [{"type": "OPERATION_NOT_ALLOWED", "message": "not now"}]}`))
	}
	cut := func(to http.ResponseWriter) { panic(http.ErrAbortHandler) }
	half := func(to http.ResponseWriter) {
		_, _ = to.Write([]byte(nothing[:len(nothing)/2]))
		panic(http.ErrAbortHandler)
	}
	content := func(query string) bool {
		return !strings.Contains(query, "__sys WHERE") && !strings.Contains(query, "_connection_country__v") && query != ""
	}
	about := func(words ...string) func(string) bool {
		return func(query string) bool {
			return content(query) && slices.ContainsFunc(words, func(w string) bool { return strings.Contains(query, w) })
		}
	}
	for name, c := range map[string]struct {
		when   func(query string) bool
		answer func(http.ResponseWriter)
		skip   int // calls that are answered first
		fails  bool
	}{
		"nothing at all":   {about("documents", "binders", "relationships"), empty, 0, false},
		"no presentations": {about("multichannel_presentation__v"), empty, 0, false},
		"no slides":        {about("multichannel_slide__v"), empty, 0, false},
		"no relationships": {about("FROM relationships"), empty, 0, true},
		"no approved presentations": {func(q string) bool {
			return about("multichannel_presentation__v")(q) && strings.Contains(q, "STEADYSTATE")
		}, empty, 0, false},
		"an error":               {about("documents", "binders"), failure, 0, true},
		"an error after a while": {about("documents", "binders"), failure, 2, true},
		"cut off":                {about("documents", "binders"), cut, 0, true},
		"cut off in an answer":   {about("documents", "binders"), half, 1, true},
	} {
		for _, full := range []bool{true, false} {
			if testing.Short() && (full == c.fails || c.skip == 0 && name != "nothing at all") {
				continue // a few of them
			}
			t.Run(fmt.Sprintf("%s, full=%v", name, full), func(t *testing.T) {
				t.Parallel()
				w := worked(t)
				w.load(source, `{"document": "shared", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "shared", "is_shared_resource__v": true}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"relationship": "related_shared_resource__v", "source": "one", "target": "shared"}
`)
				w.applyCleanly()
				before := map[string]items{}
				for _, c := range w.crms {
					before[c.key] = w.published(c)
				}
				w.clock.pass(time.Hour)
				// Something changed, so that an incremental run has something to read.
				for _, doc := range []string{"For the US", "For Mexico"} {
					w.must(w.call("PUT", source, "objects/binders/"+w.document(doc), url.Values{"description__v": {"New"}}))
				}
				w.must(w.call("PUT", source, "objects/documents/"+w.document("one"), url.Values{"description__v": {"New"}}))
				left := c.skip
				struck := 0
				w.answer(func(to http.ResponseWriter, vault, method, path, query string) bool {
					if vault != source || !c.when(query) {
						return false
					}
					w.mu.Lock()
					left--
					strike := left < 0
					if strike {
						struck++
					}
					w.mu.Unlock()
					if strike {
						c.answer(to)
					}
					return strike
				})
				_, outcomes, err := w.runs(t.Context(), full, false)
				if err != nil {
					t.Fatal(err)
				}
				w.answer(nil)
				if struck == 0 {
					t.Fatal("it was not asked: the case proves nothing")
				}
				for _, o := range outcomes {
					if o.Done.Withdrawn > 0 {
						t.Errorf("%s withdrew %d", o.Addr, o.Done.Withdrawn)
					}
					if strings.Contains(o.Addr.String(), "clm_presentation") && c.fails != (o.Err != nil) {
						t.Errorf("%s: %s %v", o.Addr, o.Status, o.Err)
					}
				}
				for _, c := range w.crms {
					now := w.published(c)
					for at, was := range before[c.key] {
						if now[at].Standing != was.Standing {
							t.Errorf("%s: %v was %s and is %s", c.key, at, was.Standing, now[at].Standing)
						}
					}
				}
				// The next run is whole again, and sees what this one missed.
				w.clock.pass(time.Hour)
				w.syncs(false)
				for _, c := range w.crms {
					if diff := cmp.Diff(text(w.library().expected(w, c, before[c.key])), text(w.published(c))); diff != "" {
						t.Errorf("%s after the next run (-want +got)\n%s", c.key, diff)
					}
				}
			})
		}
	}
}

// Limits refuse when planned, and again when run, where the content has
// changed in between: nothing is written.
func TestLimits(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	w := worked(t)
	w.crms = w.crms[:1]
	a := w.crms[0]
	var b strings.Builder
	for n := range 40 {
		b.WriteString(presentation(fmt.Sprintf("US %d", n), []string{"us"}, "one"))
	}
	w.load(source, b.String())
	w.limits = `max_withdrawn = "20%"
    max_published = "50%"
    ignore_below  = 3`
	w.applyCleanly() // the first run has no limit on what it publishes
	was := w.documentsDump(a.vault())

	// Planned: the filter would withdraw all.
	a.countries = []string{"Canada"}
	p, err := w.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Refusals) == 0 || !strings.Contains(p.Refusals[0].Summary, "max_withdrawn") || !strings.Contains(p.Refusals[0].Detail, "main.hcl:3") {
		t.Errorf("the plan was not refused with the line to change: %+v", p.Refusals)
	}
	a.countries = []string{"United States"}

	// Run: what was planned was little; meanwhile an author makes much obsolete.
	w.clock.pass(time.Hour)
	a.team = ""
	a.onUnapproved = "withdraw" // a reason for a full run
	_, report, err := w.apply(t.Context(), func() {
		for n := range 20 {
			w.must(w.call("PUT", source, "objects/binders/"+w.document(fmt.Sprintf("US %d", n))+"/versions/1/0/lifecycle_actions/make_obsolete__v", nil))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Failed) != 1 || exitCode(report.Failed[0].Err) != exitRefused {
		t.Fatalf("the run was not refused with exit 5: %v", report.Failed)
	}
	if reportCode(report, "new") != exitRefused {
		t.Errorf("exit %d", reportCode(report, "new"))
	}
	if got := report.Failed[0].Err.Error(); !strings.Contains(got, "max_withdrawn") {
		t.Errorf("refused without saying why: %s", got)
	}
	if now := w.documentsDump(a.vault()); now != was {
		t.Errorf("a refused run wrote (-before +after)\n%s", cmp.Diff(lines(was), lines(now)))
	}
	// An incremental run is held by the same limits.
	_, outcomes, err := w.runs(t.Context(), false, false)
	if err != nil {
		t.Fatal(err)
	}
	refused := false
	for _, o := range outcomes {
		refused = refused || o.Status == syncer.Refused
	}
	if !refused {
		t.Errorf("sync was not refused: %+v", outcomes)
	}
	if now := w.documentsDump(a.vault()); now != was {
		t.Errorf("a refused sync wrote")
	}
}
