package main

import (
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/planner/syncer"
	"accord/providers/devvault/sample"
)

// called sorts the calls of a run by what they are.
func called(calls []string) map[string]int {
	out := map[string]int{}
	for _, call := range calls {
		vault, rest, _ := strings.Cut(call, " ")
		method, rest, _ := strings.Cut(rest, " ")
		path, query, _ := strings.Cut(rest, " ")
		if vault != source {
			vault = "crm"
		}
		segments := strings.Split(path, "/")
		for n, s := range segments {
			if strings.ContainsAny(s, "0123456789") && !strings.HasSuffix(s, "__v") {
				segments[n] = "#"
			}
		}
		what := vault + " " + method + " " + strings.Join(segments, "/")
		if query != "" {
			_, from, _ := strings.Cut(query[strings.LastIndex(query, ")")+1:], "FROM ")
			if from == "" {
				_, from, _ = strings.Cut(query, "FROM ")
			}
			words := strings.Fields(from)
			if len(words) > 1 && words[0] == "ALLVERSIONS" {
				words = words[1:]
			}
			what += " " + words[0]
		}
		out[what]++
	}
	return out
}

// One read of the source serves all CRM vaults. Reads are pages: about one for
// 1,000 documents of each stream, nodes included, and never one for a binder.
// What has a batch is written in batches, of about 500. With 3,000 documents, or half of that.
func TestCalls(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	binders, members, shared := 150, 1050, 50
	if long() {
		binders, members, shared = 500, 2400, 100
	}
	documents := binders + members + shared
	newLibrary := func(crms int) *world {
		var configs []*crmConfig
		for _, key := range []string{"a", "b", "c"}[:crms] {
			configs = append(configs, &crmConfig{key: key, clm: true, country: true, countries: []string{"United States", "Canada", "Mexico"}})
		}
		w := newWorld(t, true, configs...)
		var b strings.Builder
		if err := sample.Write(&b, sample.Params{Seed: 3, Presentations: binders, Slides: members, SharedResources: shared}); err != nil {
			t.Fatal(err)
		}
		w.load(source, b.String())
		return w
	}
	// atMost holds the number of all calls that match any of the words.
	atMost := func(what string, calls map[string]int, most int, match ...string) {
		t.Helper()
		n := 0
		var which []string
		for _, call := range slices.Sorted(maps.Keys(calls)) {
			if slices.ContainsFunc(match, func(m string) bool { return strings.HasPrefix(call, m) }) {
				n += calls[call]
				which = append(which, fmt.Sprintf("%d × %s", calls[call], call))
			}
		}
		t.Logf("%s: %d of at most %d", what, n, most)
		if n > most {
			t.Errorf("%s: %d calls, of at most %d:\n%s", what, n, most, strings.Join(which, "\n"))
		}
	}
	queries := []string{source + " POST query documents", source + " POST query binders", source + " POST query relationships", source + " POST query/"}
	targets := []string{"crm POST query documents", "crm POST query binder", "crm POST query relationships", "crm POST query/"}
	pages := func(n int) int { return n/1000 + 1 }

	// A plan reads what its runs will.
	planned := func(w *world) (n int) {
		w.listen()
		if _, err := w.plan(t.Context()); err != nil {
			t.Fatal(err)
		}
		for call, times := range called(w.listen()) {
			if slices.ContainsFunc(queries, func(q string) bool { return strings.HasPrefix(call, q) }) {
				n += times
			}
		}
		return n
	}
	const crms = 3
	w := newLibrary(crms)
	if one, three := planned(newLibrary(1)), planned(w); one != three || one == 0 {
		t.Errorf("three CRM vaults cost %d reads of the source, one costs %d", three, one)
	}
	var outcomes []syncer.Outcome
	plan, report, err := w.apply(t.Context(), func() { w.listen() })
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range report.Outcomes {
		if o.Err != nil {
			t.Fatalf("%s: %v", o.Addr, o.Err)
		}
		outcomes = append(outcomes, o)
	}
	calls := called(w.listen())
	// What the plan expects of the runs is what they report, and what they
	// report is what was called, but for the configuration and the run times.
	expected, reported, heard := 0, 0, 0
	for _, s := range plan.Syncs {
		if s.Calls != nil {
			expected += s.Calls.Reads + s.Calls.Writes
		}
	}
	for _, o := range outcomes {
		reported += o.Calls
	}
	for _, n := range calls {
		heard += n
	}
	t.Logf("%d calls expected, %d reported, %d heard", expected, reported, heard)
	if expected < reported*95/100 || expected > reported*105/100 {
		t.Errorf("the plan expects %d calls, and the runs made %d", expected, reported)
	}
	if heard < reported-10*crms || heard > reported+60*crms {
		t.Errorf("the runs report %d calls, and the vaults were called %d times", reported, heard)
	}
	for call, n := range calls {
		if strings.Contains(call, "GET objects/binders") || strings.Contains(call, "GET objects/documents/#") {
			t.Errorf("%d × %s: a call for each document", n, call)
		}
	}
	// By parts and verbs of what was done.
	made := map[string]int{}
	links, total, nodes := 0, 0, 0
	for _, o := range outcomes {
		if !strings.Contains(o.Addr.String(), "clm_presentation") {
			continue
		}
		for _, p := range o.Impact.Parts {
			made[p.Part] += p.Added
			total += p.Added
			if p.Part != presentations {
				links += p.Added
			}
		}
	}
	for _, c := range w.crms {
		for at, x := range w.published(c) {
			if at.part == presentations {
				nodes += len(memberList(x.Members))
			}
		}
	}
	if made[presentations] == 0 || nodes < made[presentations] {
		t.Fatalf("%v and %d nodes prove nothing", made, nodes)
	}
	t.Logf("%d CRM vaults: %v, %d nodes", crms, made, nodes)
	// The slides and presentations in their steady versions, the obsolete ones
	// beside them, and the relationships of each page.
	atMost("the source", calls, 2*(pages(members+shared)+pages(binders)+pages(members)), queries...)
	// What is there is looked at by batch: before a write, and after each step of it.
	batches := total/500 + 3*crms
	atMost("reads of the CRM vaults' content", calls, 7*batches, targets...)
	atMost("other reads of the CRM vaults", calls, 25*crms, "crm POST query connection", "crm POST query integration", "crm GET")
	atMost("batch writes", calls, 2*batches, "crm PUT objects/documents/batch", "crm PUT objects/binders/batch", "crm PUT objects/documents/lifecycle_actions", "crm PUT objects/binders/lifecycle_actions", "crm POST objects/documents/relationships/batch")
	for call, want := range map[string]int{"crm POST objects/documents": links, "crm POST objects/binders": made[presentations], "crm POST objects/binders/#/documents": nodes} {
		if calls[call] != want {
			t.Errorf("%s: %d calls, want %d, one for each", call, calls[call], want)
		}
	}
	atMost("binding rules", calls, nodes+made[presentations], "crm PUT objects/binders/#")
	singles := []string{"crm POST objects/documents", "crm POST objects/binders", "crm PUT objects/binders/#", "crm PUT objects/documents/batch", "crm PUT objects/documents/lifecycle_actions", "crm PUT objects/binders/lifecycle_actions"}
	for call, n := range calls {
		written := strings.HasPrefix(call, "crm P") || strings.HasPrefix(call, "crm DELETE objects")
		known := slices.ContainsFunc(singles, func(s string) bool { return strings.HasPrefix(call, s) })
		if written && !known && !strings.HasPrefix(call, "crm POST query") && n > 10*crms {
			t.Errorf("%d × %s", n, call)
		}
	}
	// A full run of what is unchanged reads, and writes nothing but run times.
	w.clock.pass(time.Hour)
	w.listen()
	if _, _, err := w.runs(t.Context(), true, false); err != nil {
		t.Fatal(err)
	}
	calls = called(w.listen())
	atMost("unchanged, the source", calls, 2*(pages(members+shared)+pages(binders)+pages(members)), queries...)
	atMost("unchanged, reads of the CRM vaults", calls, crms*4*pages(documents), targets...)
	atMost("unchanged, writes", calls, 0, "crm POST objects", "crm PUT objects", "crm DELETE objects")

	// An incremental run after few changes has few calls.
	w.clock.pass(time.Hour)
	rows := w.query(source, "SELECT id FROM binders WHERE status__v = STEADYSTATE()")
	for _, r := range rows[:20] {
		w.must(w.call("PUT", source, fmt.Sprintf("objects/binders/%v", r["id"]), url.Values{"title__v": {"Changed"}}))
	}
	w.listen()
	if _, _, err := w.runs(t.Context(), false, false); err != nil {
		t.Fatal(err)
	}
	calls = called(w.listen())
	atMost("20 changes, the source", calls, 20, queries...)
	atMost("20 changes, the CRM vaults", calls, 20*crms, targets...)
	atMost("20 changes, writes", calls, crms, "crm PUT objects/documents/batch")
	atMost("20 changes, other writes", calls, 0, "crm POST objects", "crm DELETE objects")
}

// Beside a bare loop that makes the calls which the work takes, in the processes
// and against the server that people have: no kind of run makes more than a
// twentieth more. Questions that are asked together are so where they come at about
// the same time: with two CRM vaults, all that come apart on a busy machine are fewer
// than that.
func TestCallsBesideTheFloor(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	for _, args := range [][]string{{"-share"}, {"-share", "-filled"}, {"-others=180"}} {
		t.Run(strings.Join(args, ""), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("accord", append([]string{"bench", "sync", "-documents=600", "-vaults=2", "-changes=20"}, args...)...) // the test binary, see TestMain
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
			rows := 3 // full, unchanged, incremental, and with -share the plan
			if slices.Contains(args, "-share") {
				rows++
			}
			if slices.Contains(args, "-filled") {
				rows--
			}
			measured := 0
			for line := range strings.Lines(string(out)) {
				if strings.HasSuffix(strings.TrimSpace(line), "s") && strings.Contains(line, "MiB") && !strings.HasPrefix(line, "Missed") && !strings.HasPrefix(line, "All") {
					measured++
				}
				if strings.Contains(line, "of the fewest calls") && strings.HasPrefix(line, "Missed") {
					t.Error(line)
				}
			}
			if measured != rows {
				t.Errorf("%d kinds of runs were measured, not %d", measured, rows)
			}
		})
	}
}

// The impact of an edited filter is read off one read of the source, however
// many CRM vaults there are: but for the Connection Country records of each,
// the content vault is called as often for eight as for two.
func TestPlanReadsTheSourceOnce(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	planned := func(crms int) map[string]int {
		var configs []*crmConfig
		for n := range crms {
			configs = append(configs, &crmConfig{key: string(rune('a' + n)), clm: true, country: true, countries: []string{"United States"}})
		}
		w := newWorld(t, true, configs...)
		var b strings.Builder
		if err := sample.Write(&b, sample.Params{Seed: 3, Presentations: 20, Slides: 60, SharedResources: 4}); err != nil {
			t.Fatal(err)
		}
		w.load(source, b.String())
		w.applyCleanly()
		for _, c := range w.crms {
			c.countries = []string{"United States", "Canada"}
		}
		w.listen()
		p, err := w.plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		calls := called(w.listen())
		impacts := 0
		for _, c := range p.Content {
			if c.Impact.Exact && strings.Contains(c.Impact.Addr.String(), "clm_presentation") {
				impacts++
			}
		}
		if impacts != crms {
			t.Fatalf("the plan tells of %d CRM vaults, not of %d", impacts, crms)
		}
		maps.DeleteFunc(calls, func(call string, _ int) bool {
			return !strings.HasPrefix(call, source) || strings.HasSuffix(call, "crm_connection_country__v")
		})
		return calls
	}
	two, eight := planned(2), planned(8)
	if two[source+" POST query documents"] == 0 || two[source+" POST query binders"] == 0 {
		t.Fatalf("%v proves nothing", two)
	}
	if diff := cmp.Diff(two, eight); diff != "" {
		t.Errorf("calls of the content vault, for two CRM vaults and for eight (-2 +8)\n%s", diff)
	}
}

// What an incremental run costs depends on what changed, and not on how much
// there is.
func TestIncrementalCallsOfAnyLibrary(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	changed := func(presentations int) map[string]int {
		w := newWorld(t, true, &crmConfig{key: "a", clm: true, country: true, countries: []string{"United States", "Canada", "Mexico"}})
		var b strings.Builder
		if err := sample.Write(&b, sample.Params{Seed: 3, Presentations: presentations, Slides: 4 * presentations, SharedResources: presentations / 5}); err != nil {
			t.Fatal(err)
		}
		w.load(source, b.String())
		w.applyCleanly()
		w.clock.pass(time.Hour)
		w.syncs(false)
		w.clock.pass(time.Hour)
		before := w.published(w.crms[0])
		n := 0
		for _, r := range w.query(source, "SELECT id FROM binders WHERE status__v = STEADYSTATE() AND clm_content__v = true ORDER BY id") {
			if n++; n <= 3 {
				w.must(w.call("PUT", source, fmt.Sprintf("objects/binders/%v", r["id"]), url.Values{"title__v": {"Changed"}}))
			}
		}
		w.listen()
		w.syncs(false)
		calls := called(w.listen())
		if cmp.Equal(before, w.published(w.crms[0])) {
			t.Fatal("nothing was changed")
		}
		return calls
	}
	small, large := changed(10), changed(60)
	t.Logf("%v", small)
	if diff := cmp.Diff(small, large); diff != "" {
		t.Errorf("calls for three changes in a library, and in one of six times its size (-small +large)\n%s", diff)
	}
}

// A refresh that finds nothing to do makes exactly these calls: each list once,
// whatever it holds, and for each CRM vault the same again.
func TestCallsOfARefresh(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	refreshed := func(crms int) map[string]int {
		var configs []*crmConfig
		for n := range crms {
			configs = append(configs, &crmConfig{key: string(rune('a' + n)), clm: true, country: true, countries: []string{"United States"}, rule: "active"})
		}
		w := newWorld(t, true, configs...)
		w.applyCleanly()
		w.listen()
		p, err := w.plan(t.Context())
		if err != nil || !p.Empty() {
			t.Fatalf("%v, %d steps", err, len(p.Steps))
		}
		return called(w.listen())
	}
	want := func(crms int) map[string]int {
		exact := map[string]int{}
		for _, call := range []string{"POST auth", "GET objects/domain", "POST query connection__sys", "POST query country__v", "DELETE session"} {
			exact[source+" "+call] = 1
		}
		for _, call := range []string{
			"POST auth", "GET objects/domain", "GET objects/users/me", "POST query connection__sys", "POST query connection_settings__v",
			"GET objects/picklists/country_cda__v", "POST query integration__sys", "GET metadata/vobjects/integration_point__sys",
			"POST query integration_point__sys", "GET configuration/Integrationrule.promomats_crm_clm_presentation_iir__v", "DELETE session",
		} {
			exact["crm "+call] = crms
		}
		return exact
	}
	for _, crms := range []int{1, 2, 5} {
		if diff := cmp.Diff(want(crms), refreshed(crms)); diff != "" {
			t.Errorf("%d CRM vaults (-want +called)\n%s", crms, diff)
		}
	}
}
