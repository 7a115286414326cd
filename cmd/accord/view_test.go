package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// hostile is a title that tries everything: to end what it stands in, to run,
// to notify, to link, to be markup, and to move the cursor.
const hostile = "</script><script>document.title='owned'</script><img src=//x onerror=\"document.title='owned'\">" +
	"``` | @everyone #123 [a](http://x) --> </details> {{.}} \x1b[31m\u202eevil\u2066\r\n# head\n- item"

func parsed(s string) addrs.Instance {
	addr, err := addrs.ParseInstance(s)
	if err != nil {
		panic(err)
	}
	return addr
}

// aPlan has one of everything, with title as every text that comes from a vault.
func aPlan(title string) *plan.Plan {
	at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	quoted, _ := json.Marshal(title)
	counts := syncer.Counts{Added: 37, Updated: 4, Withdrawn: 2, Restored: 1, Unchanged: 1288}
	full := syncer.Decision{Mode: syncer.Full, Step: true, Reasons: []syncer.Reason{syncer.FilterEdited}, At: at, EarliestStart: at.Add(5 * time.Minute)}
	impact := syncer.Impact{
		Addr: parsed(`integration_point.clm["de"]`), Target: parsed(`vault.crm["de"]`), Title: title, Decision: full, Total: counts, Owned: 1294,
		Parts:  []syncer.PartImpact{{Part: "presentation", Title: "presentations", Routed: true, Counts: counts}, {Part: "slide", Title: "slides"}},
		Routes: []syncer.RouteImpact{{Key: "ch", Title: title, Newly: true, Counts: syncer.Counts{Added: 37}}},
		Newly:  []syncer.RouteImpact{{Key: "ch", Title: title, Newly: true, Counts: syncer.Counts{Added: 37}}},
		Groups: map[string][]syncer.GroupImpact{"product": {{Name: title, Counts: syncer.Counts{Added: 37}}}},
		Names:  map[string][]syncer.Item{syncer.Withdrawn: {{Part: "presentation", Key: "1", Title: title, Reason: title}}, syncer.Added: {{Part: "presentation", Key: "2", Title: title}}},
		Blank:  3, Withheld: title, Exact: true, AsOf: at, Calls: 12, Shared: 5, Records: 1331,
	}
	still := syncer.Impact{Addr: parsed(`integration_point.clm["at"]`), Target: parsed(`vault.crm["at"]`), Total: syncer.Counts{Unchanged: 9},
		Parts: []syncer.PartImpact{{Title: "presentations", Counts: syncer.Counts{Unchanged: 9}}, {Title: "slides"}}, Exact: true, AsOf: at}
	return &plan.Plan{
		Tool: "accord 0.1.0", Created: at, Lineage: "4f2e", Serial: 41, Allow: []string{`withdraw:integration_point.clm["de"]=9`},
		Moves: []plan.Move{{From: parsed("field_rule.a"), To: parsed("field_rule.b")}},
		Drift: []plan.Change{{Addr: parsed(`integration_point.clm["de"]`), Action: providers.Update, Edits: []plan.Edit{{Path: addrs.Path("").Child("status"), Before: []byte(`"active"`), After: quoted}}}},
		Changes: []plan.Change{
			{Addr: parsed(`country_filter.crm["de"]`), Action: providers.Update, Reason: plan.Edited, Same: 3, Consequences: []string{title}, Place: plan.Place{File: "crm.hcl", Line: 14},
				Edits: []plan.Edit{{Path: addrs.Path("").Child("countries"), Before: []byte(`["AT","DE"]`), After: fmt.Appendf(nil, `["DE",%s]`, quoted)}, {Path: addrs.Path("").Child("label"), Before: quoted, After: []byte(`"x"`), Forces: true}}},
			{Addr: parsed("permission_set.a"), Action: providers.Create, Edits: []plan.Edit{{Path: addrs.Path("").Child("password"), Before: []byte(`"canary"`), After: []byte(`"canary"`), Sensitive: true}, {Path: addrs.Path("").Child("id"), Unknown: true, Computed: true}}},
			{Addr: parsed("query_rule.a"), Action: providers.Remove, Removal: "reset", Protected: true},
		},
		Unchanged: 20,
		Content:   []plan.Content{{Addr: impact.Addr, Vault: impact.Target, Title: title, Impact: impact}, {Addr: still.Addr, Vault: still.Target, Impact: still}},
		Syncs: []plan.SyncLine{
			{Addr: impact.Addr, Title: title, Vault: impact.Target, Decision: full},
			{Addr: parsed(`integration_point.clm["fr"]`), Vault: parsed(`vault.crm["fr"]`), Decision: syncer.Decision{Mode: syncer.Incremental, Reasons: []syncer.Reason{syncer.Changes}, FullAt: at.AddDate(0, 0, 9), HeldBack: title}},
		},
		Steps: []plan.Step{
			{Ref: providers.Ref{Addr: parsed(`country_filter.crm["de"]`)}, Item: &providers.ApplyItem{Action: providers.Update, Planned: &providers.Object{Body: []byte(`{"password":"canary"}`)}}},
			{Ref: providers.Ref{Addr: impact.Addr, Sync: true}, Decision: &syncer.Decision{Mode: syncer.Full}, After: []providers.Ref{{Addr: parsed(`country_filter.crm["de"]`)}}},
		},
		Outputs: []plan.Output{
			{Name: "token", Action: providers.Update, Before: []byte(`"canary"`), After: []byte(`"canary"`), Sensitive: true},
			{Name: "title", Action: providers.Update, Before: quoted, After: fmt.Appendf(nil, `[%s]`, quoted), Place: plan.Place{File: "crm.hcl", Line: 40}},
			{Name: "gone", Action: providers.Remove, Before: quoted},
		},
		Warnings: []providers.Diagnostic{{Severity: providers.SeverityWarning, Code: "CTRY-9", Summary: title, Detail: title}},
		Refusals: []providers.Diagnostic{{Severity: providers.SeverityError, Code: "LIMIT", Addr: impact.Addr, Summary: title, Detail: title, Refused: true}},
		Objects:  []providers.Object{{Addr: parsed("permission_set.a"), Body: []byte(`{"password":"canary"}`)}},
		Reads:    plan.Reads{Instances: 3, Objects: 41, Records: 1331, Calls: 143, Took: 6200 * time.Millisecond},
	}
}

// render is a plan in every form, by its name.
func render(t *testing.T, p *plan.Plan) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, l := range map[string]look{"text": {}, "concise": {concise: true}, "verbose": {verbose: true}, "json": {format: "json"},
		"markdown": {format: "markdown", maxBytes: markdownBudget}, "html": {format: "html"}, "lines": {}} {
		var b bytes.Buffer
		c := &cli{stdout: &b, stderr: &b, json: name == "lines", clock: func() time.Time { return time.Unix(0, 0) }}
		if err := c.showPlan(p, l); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = b.Bytes()
	}
	return out
}

// CTRY-8: a country that a vault newly receives stands at the top of every
// rendering; the totals are the last line of the text.
func TestNewlyReceivedIsFirst(t *testing.T) {
	t.Parallel()
	outs := render(t, aPlan("Switzerland"))
	for name, begins := range map[string]string{
		"text":     `^! vault\.crm\["de"\] newly receives Switzerland: \+37\n`,
		"concise":  `^! vault\.crm\["de"\] newly receives Switzerland: \+37\n`,
		"verbose":  `^! vault\.crm\["de"\] newly receives Switzerland: \+37\n`,
		"markdown": "^<!-- accord:plan:4f2e -->\n\\*\\*! `vault\\.crm\\[\"de\"\\]` newly receives `Switzerland`:\\*\\* \\+37\n",
		"lines":    `^[^\n]*"type":"version"[^\n]*\n[^\n]*"type":"newly_receives"`,
		"html":     `(?s)<header>\s*<div class="flag newly"[^>]*>\s*<p><b>!</b> <code>vault\.crm\[&#34;de&#34;\]</code> newly receives <b>Switzerland</b>`,
		"json":     `(?s)"newly": \[\s*\{\s*"vault": "vault\.crm\[\\"de\\"\]"`,
	} {
		if !regexp.MustCompile(begins).Match(outs[name]) {
			t.Errorf("%s does not begin with what is newly received:\n%.600s", name, outs[name])
		}
	}
	// Two points of one vault, a model of content each (CLM-10): each is named.
	both := aPlan("Switzerland")
	second := both.Content[0]
	second.Addr = parsed(`integration_point.objects["de"]`)
	both.Content = append(both.Content, second)
	for name, out := range render(t, both) {
		point := func(text string) string {
			switch name {
			case "markdown":
				return "newly receives `Switzerland` by `" + text + "`:"
			case "html":
				return "newly receives <b>Switzerland</b> by " + template.HTMLEscapeString(text) + ":"
			case "lines":
				return "newly receives Switzerland by " + strings.ReplaceAll(text, `"`, `\"`)
			}
			return "newly receives Switzerland by " + text + ":"
		}
		for _, want := range []string{point(`integration_point.clm["de"]`), point(`integration_point.objects["de"]`)} {
			if name != "json" && strings.Count(string(out), want) != 1 {
				t.Errorf("%s does not say once %q:\n%.900s", name, want, out)
			}
		}
	}
	// All of it may be there already, for another country.
	nothing := aPlan("Switzerland")
	nothing.Content[0].Impact.Newly = []syncer.RouteImpact{{Key: "ch", Title: "Switzerland", Newly: true, Counts: syncer.Counts{Unchanged: 3}}}
	for name, out := range render(t, nothing) {
		if name != "json" && name != "lines" && !strings.Contains(string(out), "nothing that was not there before") {
			t.Errorf("%s does not say that nothing comes:\n%.300s", name, out)
		}
	}
	for _, name := range []string{"text", "concise", "verbose"} {
		lines := strings.Split(strings.TrimSpace(string(outs[name])), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "Plan: 1 to create, 1 to change, 1 to remove, 1 to rename, 1 drifted, 1 full sync, 38 in, 2 out") {
			t.Errorf("%s ends with %q", name, last)
		}
	}
}

// Points that lead to one vault, and change nothing there, are one line that names
// them.
func TestUnaffectedNamesItsPoints(t *testing.T) {
	t.Parallel()
	p := aPlan("Switzerland")
	for _, key := range []string{"at", "ch"} {
		c := p.Content[1]
		c.Addr, c.Vault, c.Title = addrs.NewKeyed("integration_point", "country", key), parsed("vault.promomats"), "CLM Country"
		c.Impact.Total.Unchanged = 4
		p.Content = append(p.Content, c)
	}
	out := strings.Join(strings.Fields(string(render(t, p)["text"])), " ")
	if want := `vault.promomats unaffected (proved): 8 items were read, and stay as they are (integration_point.country["at", "ch"]; exact`; strings.Count(out, want) != 1 || strings.Count(out, "vault.promomats unaffected") != 1 {
		t.Errorf("it does not say once %q:\n%s", want, out)
	}
}

// Of a vault that another point changes is not said that it is unaffected, but by whom.
func TestUnaffectedBesideAnother(t *testing.T) {
	t.Parallel()
	p := aPlan("Switzerland")
	c := p.Content[1]
	c.Addr, c.Vault, c.Title = addrs.New("integration_point", "medical"), p.Content[0].Vault, "Medical-CRM: CLM"
	p.Content = append(p.Content, c)
	out := strings.Join(strings.Fields(string(render(t, p)["text"])), " ")
	if want := c.Vault.String() + " unaffected (proved) by Medical-CRM: CLM: 9 items were read, and stay as they are (exact"; strings.Count(out, want) != 1 || strings.Contains(out, c.Vault.String()+" unaffected (proved):") {
		t.Errorf("it does not say once %q:\n%s", want, out)
	}
}

// Where countries count one item more than once it is said, and what has none is last.
func TestCountriesOfSeveral(t *testing.T) {
	t.Parallel()
	one, two := syncer.Counts{Added: 1}, syncer.Counts{Added: 2}
	p := aPlan("Switzerland")
	i := &p.Content[0].Impact
	i.Parts = []syncer.PartImpact{{Part: "slide", Counts: two}, {Part: "presentation", Routed: true, Counts: two}}
	i.Routes = []syncer.RouteImpact{{Counts: one}, {Key: "no", Title: "Norway", Counts: one}}
	for _, want := range []string{"by country: Norway +1; no country +1\n", "by country (what is for several, in each): Norway +2; no country +1\n"} {
		if out := string(render(t, p)["text"]); !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
		i.Routes[1].Counts = two
	}
}

// The four parts are kept apart, in one order, in every rendering.
func TestFourPartsAreKeptApart(t *testing.T) {
	t.Parallel()
	outs := render(t, aPlan("Cholecap"))
	for name, parts := range map[string][]string{
		"text":     {"\nChanged outside", "\nConfiguration (3 to change", "\nContent", "unaffected (proved)", "no run, so", "\nSyncs", "\nPlan:"},
		"markdown": {"| vault | content |", "**Changed outside", "**Configuration: 3", "| sync | run |"},
		"html":     {`<section id="drift"`, `<section id="changes"`, `<section id="content"`, `<section id="syncs"`},
		"lines":    {`"resource_drift"`, `"planned_change"`, `"impact"`, `"sync_planned"`, `"change_summary"`},
	} {
		at := -1
		for _, part := range parts {
			i := strings.Index(string(outs[name]), part)
			if i <= at {
				t.Errorf("%s: %q stands at %d, after %d", name, part, i, at)
			}
			at = i
		}
	}
}

// What the counts are worth is said in every rendering: whether they are exact,
// as of when, what reading them took; and of vaults that are proven unaffected
// the same.
func TestCountsSayWhatTheyAreWorth(t *testing.T) {
	t.Parallel()
	outs := render(t, aPlan("Cholecap"))
	for name, wants := range map[string][]string{
		"text":     {"by 143 calls in 6.2s", "exact, as of 28 Nov 10:00:00 UTC: 1.331 records read by 12 calls, 5 of them for all vaults", `unaffected \(proved\): 9 items were read, and stay as they are .*exact, as of 28 Nov 10:00:00 UTC`},
		"markdown": {"1.331 records of content read by 143 calls", "exact, as of 28 Nov 10:00:00 UTC: 1.331 records read by 12 calls", "unaffected \\(proved\\): 9 items were read, and stay as they are; exact, as of 28 Nov 10:00:00 UTC"},
		"html":     {"1.331 records of content read by 143 calls", "exact, as of 28 Nov 10:00:00 UTC: 1.331 records read by 12 calls", "unaffected \\(proved\\): 9 items were read, and stay as they are"},
		"json":     {`"calls": 143`, `"exact": true`, `"as_of": "2026-11-28T10:00:00Z"`, `"shared_calls": 5`},
		"lines":    {`"exact":true,"as_of":"2026-11-28T10:00:00Z","calls":12,"shared_calls":5,"writes":[0-9]+,"records":1331`},
	} {
		flat := regexp.MustCompile(`\s+`).ReplaceAll(outs[name], []byte(" "))
		for _, want := range wants {
			if !regexp.MustCompile(want).Match(flat) {
				t.Errorf("%s does not say %q:\n%s", name, want, outs[name])
			}
		}
	}
}

// The document, and the lines, are as the schema says, and the same plan gives
// the same bytes, also when it comes from a file.
func TestViewsAreDeclaredAndDeterministic(t *testing.T) {
	t.Parallel()
	for _, title := range []string{"Cholecap", hostile, ""} {
		p := aPlan(title)
		outs := render(t, p)
		strict, err := compiled(true, "plan")
		if err != nil {
			t.Fatal(err)
		}
		if err := checkJSON(strict, outs["json"]); err != nil {
			t.Errorf("the document: %v", err)
		}
		for line := range bytes.Lines(outs["lines"]) {
			if err := checkLine(line); err != nil {
				t.Error(err)
			}
		}
		f := plan.File{Plan: p}
		b, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		kept, err := plan.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		again := render(t, kept.Plan)
		for name := range outs {
			if diff := cmp.Diff(string(outs[name]), string(again[name])); diff != "" {
				t.Errorf("%s differs when it is shown from its file (-made +kept):\n%s", name, diff)
			}
		}
	}
}

// Trap, json shows secrets: nothing sensitive is in any rendering, nor what a
// terminal obeys.
func TestViewsAreRedactedAndHarmless(t *testing.T) {
	t.Parallel()
	for name, out := range render(t, aPlan(hostile)) {
		if bytes.Contains(out, []byte("canary")) {
			t.Errorf("%s shows what is sensitive", name)
		}
		for _, r := range string(out) {
			if commands(r) && r != '\n' {
				t.Errorf("%s has %U", name, r)
				break
			}
		}
	}
}

// Trap, masked ids: what is sensitive is left out at its place. The same text
// elsewhere (an id, an address, a name) stays as it is, in every rendering.
func TestMaskingIsByPlaceNotByText(t *testing.T) {
	t.Parallel()
	p := aPlan("Cholecap")
	p.Changes = append(p.Changes, plan.Change{Addr: parsed(`permission_set.V3S000000000001`), Action: providers.Update, Reason: plan.Edited, Edits: []plan.Edit{
		{Path: addrs.Path("").Child("password"), Before: []byte(`"V3S000000000001"`), After: []byte(`"Cholecap"`), Sensitive: true},
		{Path: addrs.Path("").Child("owner"), Before: []byte(`"V3S000000000001"`), After: []byte(`"V3S000000000002"`)},
	}})
	for name, out := range render(t, p) {
		text := string(out)
		if name == "concise" {
			continue // it says of no object anything
		}
		for _, want := range []string{"permission_set.V3S000000000001", "V3S000000000002", "Cholecap"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has lost %s", name, want)
			}
		}
		if strings.Contains(text, `password": "V3S`) || strings.Contains(text, `password  "V3S`) || strings.Contains(text, "password: \"V3S") {
			t.Errorf("%s shows what is sensitive", name)
		}
	}
}

// At 80 columns and below nothing is cut, tables become lists, and no line is
// longer than the screen but for one word.
func TestNarrowScreens(t *testing.T) {
	t.Parallel()
	d := documentOf(aPlan("Cholecap launch in the German-speaking countries"))
	for _, width := range []int{40, 60, 80, 120, math.MaxInt32} {
		var b bytes.Buffer
		v := planView{w: &b, width: width, plan: d, verbose: false}
		v.newly()
		v.reads()
		v.drift()
		v.changes()
		v.content()
		v.syncs()
		v.verdict()
		for line := range strings.Lines(b.String()) {
			text := strings.TrimRight(line, "\n")
			if n := utf8.RuneCountInString(text); n > width && len(strings.Fields(text)) > 2 {
				t.Errorf("at %d columns a line has %d: %q", width, n, text)
			}
		}
		want := "presentations: 37 added, 4 updated, 2 withdrawn, 1 288 unchanged, 1 restored"
		if list := strings.Contains(strings.Join(strings.Fields(b.String()), " "), want); list != (width < 77) {
			t.Errorf("at %d columns the counts are a list: %t\n%s", width, list, b.String())
		}
	}
}

// Markdown fits into every budget, keeps what matters most, and says what it
// left out.
func TestMarkdownBudget(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	p := aPlan(strings.Repeat("Ärzte ", 20))
	for i := range 3000 {
		c := p.Changes[0]
		c.Addr = parsed(fmt.Sprintf(`country_filter.crm["n%d"]`, i))
		p.Changes = append(p.Changes, c)
	}
	d := documentOf(p)
	for _, budget := range []int{0, 1, 7, 40, 100, 500, 1000, 3000, 10000, markdownBudget, 200000, 10 << 20} {
		out := markdown(d, look{maxBytes: budget})
		if len(out) > budget || !utf8.Valid(out) {
			t.Errorf("a budget of %d: %d bytes, valid: %t", budget, len(out), utf8.Valid(out))
		}
		if budget >= 1000 && (!strings.Contains(string(out), "newly receives") || !strings.Contains(string(out), "### accord · refused")) {
			t.Errorf("a budget of %d leaves out the heading:\n%s", budget, out)
		}
		if short := strings.Contains(string(out), "left out for length"); budget >= 500 && short != (budget < 10<<20) {
			t.Errorf("a budget of %d says that something is left out: %t", budget, short)
		}
		if opened, closed := strings.Count(string(out), "<details>"), strings.Count(string(out), "</details>"); budget >= 3000 && opened != closed {
			t.Errorf("a budget of %d leaves details open: %d, %d", budget, opened, closed)
		}
	}
}

// What a code host would make of a title: outside of code there is no element
// but ours, no mention, no reference, no link, and no table has another cell.
func inert(t rapid.TB, out []byte) {
	t.Helper()
	fence := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if ticks := regexp.MustCompile("^(`{3,})(diff)?$").FindStringSubmatch(line); ticks != nil {
			switch {
			case fence == "":
				fence = ticks[1]
			case len(ticks[1]) >= len(fence):
				fence = ""
			}
			continue
		}
		if fence != "" {
			continue
		}
		text := withoutCode(line)
		if strings.HasPrefix(line, "|") {
			bars := regexp.MustCompile(`(^|[^\\])\|`).FindAllString(strings.ReplaceAll(line, `\\`, ""), -1)
			if n := len(bars); n != 4 && n != 8 && n != 7 {
				t.Fatalf("a row of a table has %d bars: %s", n, line)
			}
		}
		text = strings.NewReplacer(`\\`, "", `\<`, "", `\|`, "", `\[`, "", `\]`, "", "\\`", "", `\*`, "", `\_`, "").Replace(text)
		text = regexp.MustCompile(`^<!-- accord:plan:[0-9A-Za-z-]+ -->$|</?(details|summary|sub)>`).ReplaceAllString(text, "")
		text = strings.Replace(text, "[!CAUTION]", "", 1)
		if bad := regexp.MustCompile("<|@[[:word:]]|#[0-9]|\\]\\(|://|`").FindString(text); bad != "" {
			t.Fatalf("%q of a title has a meaning in: %s", bad, line)
		}
	}
	if fence != "" {
		t.Fatal("a fence is left open")
	}
}

// withoutCode takes the code spans out of a line, as CommonMark reads them.
func withoutCode(line string) string {
	var out strings.Builder
	for i := 0; i < len(line); {
		switch {
		case line[i] == '\\' && i+1 < len(line):
			out.WriteString(line[i : i+2])
			i += 2
		case line[i] != '`':
			out.WriteByte(line[i])
			i++
		default:
			n := len(line[i:]) - len(strings.TrimLeft(line[i:], "`"))
			end := -1
			for j := i + n; j < len(line); {
				if line[j] != '`' {
					j++
					continue
				}
				m := len(line[j:]) - len(strings.TrimLeft(line[j:], "`"))
				if m == n {
					end = j + m
					break
				}
				j += m
			}
			if end < 0 {
				out.WriteString(line[i : i+n])
				end = i + n
			}
			i = end
		}
	}
	return out.String()
}

func TestMarkdownIsInert(t *testing.T) {
	t.Parallel()
	for _, title := range []string{"Cholecap", hostile, "`", "``", " ` ", `\`, `\|`, "|", "a|b|c", "<!--", "-->", "~~~", "```", "\\`", "@a", "#1", "x@y.z", "http://x", "***", "](x)"} {
		inert(t, markdown(documentOf(aPlan(title)), look{maxBytes: markdownBudget, verbose: true}))
	}
}

// Titles of every mixture of what means something are inert, too.
func TestMarkdownOfRandomTitles(t *testing.T) {
	t.Parallel()
	tokens := rapid.SampledFrom([]string{"`", "``", "```", "|", `\`, "@", "#", "1", "<", ">", "<!--", "-->", "[", "](", ")", "*", "_", "~", "~~~", " ", "\n", "\r", "\x1b[", "a", "é", "\u202e", "&", "://", "x", "!", "\xff", "\x00"})
	rapid.Check(t, func(r *rapid.T) {
		title := strings.Join(rapid.SliceOfN(tokens, 0, 90).Draw(r, "title"), "")
		d := documentOf(aPlan(title))
		inert(r, markdown(d, look{maxBytes: 1 << 20, verbose: true}))
		budget := rapid.IntRange(0, 5000).Draw(r, "budget")
		if out := markdown(d, look{maxBytes: budget}); len(out) > budget || !utf8.Valid(out) {
			r.Fatalf("%d bytes for a budget of %d", len(out), budget)
		}
	})
}

func FuzzMarkdown(f *testing.F) {
	f.Add(hostile, 60000)
	f.Add("`|`", 900)
	f.Fuzz(func(t *testing.T, title string, budget int) {
		d := documentOf(aPlan(title))
		if out := markdown(d, look{maxBytes: budget}); len(out) > max(budget, 0) || !utf8.Valid(out) {
			t.Fatalf("%d bytes for a budget of %d", len(out), budget)
		}
		inert(t, markdown(d, look{maxBytes: 1 << 20, verbose: true}))
		if _, err := report(d); err != nil {
			t.Fatal(err)
		}
	})
}

// The report asks nobody for anything, and no title leaves its place.
func TestReportIsOneFile(t *testing.T) {
	t.Parallel()
	out := string(render(t, aPlan(hostile))["html"])
	for _, bad := range []string{"<img", "http://", "https://", "url(", "@import", "<link", "{{"} {
		if strings.Contains(strings.ReplaceAll(out, "&lt;img", ""), bad) && !strings.Contains(bad, "{{") && bad != "http://" {
			t.Errorf("the report has %q", bad)
		}
	}
	if n := strings.Count(out, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	data := regexp.MustCompile(`(?s)<script type="application/json" id="plan">(.*?)</script>`).FindStringSubmatch(out)
	strict, err := compiled(true, "plan")
	if err != nil {
		t.Fatal(err)
	}
	if err := checkJSON(strict, []byte(data[1])); err != nil {
		t.Errorf("the embedded document: %v", err)
	}
	if !strings.Contains(out, "default-src &#39;none&#39;; style-src &#39;sha256-") {
		t.Error("there is no policy")
	}
}

// chromium is the browser, where there is one; where it is required a test
// without it fails.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if slices.Contains(strings.Split(os.Getenv("ACCORD_REQUIRE"), ","), "chromium") {
		t.Fatal("chromium is required (ACCORD_REQUIRE) and not installed")
	}
	t.Skip("chromium is not installed (Debian: apt-get install chromium)")
	return ""
}

// A browser runs our script under the report's policy, and nothing of a title.
func TestReportInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser, without -short only")
	}
	t.Parallel()
	browser := chromium(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "plan.html")
	if err := os.WriteFile(file, render(t, aPlan(hostile))["html"], 0o600); err != nil {
		t.Fatal(err)
	}
	dom, log := dump(t, browser, "file://"+file+"#permission_set.a")
	if !strings.Contains(dom, `data-ready="yes"`) {
		t.Errorf("the report's own script did not run\n%s", log)
	}
	if !strings.Contains(dom, "<title>accord plan</title>") || strings.Contains(dom, "<img") {
		t.Errorf("a title did something:\n%.2000s", dom)
	}
	if strings.Contains(log, "Content Security Policy") || strings.Contains(log, "Refused to") {
		t.Errorf("the policy stopped something:\n%s", log)
	}
}

// dump has a browser load a page, and returns what became of it, and its log.
func dump(t *testing.T, browser, page string, flags ...string) (dom, log string) {
	t.Helper()
	cmd := exec.Command(browser, append(append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr", "--user-data-dir=" + filepath.Join(t.TempDir(), "profile"),
		"--timeout=20000", "--dump-dom"}, flags...), page)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return stdout.String(), stderr.String()
}

// Showing starts no plugin: what a rendering needs lies in the file. It is not
// parallel, since it takes away the program that would be started.
func TestShowStartsNoPlugin(t *testing.T) {
	before := executable
	defer func() { executable = before }()
	executable = func() (string, error) { return "", errors.New("a plugin would be started") }
	dir := t.TempDir()
	f := plan.File{Plan: aPlan("Cholecap")}
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "a.plan"), b, 0o600), os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(`vault "promomats" {}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chdir(here) }()
	for _, args := range [][]string{
		{"show", "a.plan"}, {"show", "a.plan", "-json"}, {"show", "a.plan", "-format=json"}, {"show", "a.plan", "-format=markdown"},
		{"show", "a.plan", "-format=html"}, {"show"}, {"show", "-json"}, {"show", "-format=json"},
	} {
		if err := os.Chdir(here); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		if code := Main(append([]string{"-chdir=" + dir}, args...), nil, &stdout, &stderr); code != exitOK || stdout.Len() == 0 {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr.String())
		}
	}
}

// A long list is shown by its first members, and whole with -verbose.
func TestLongListsAreShort(t *testing.T) {
	t.Parallel()
	var many []string
	for n := range 200 {
		many = append(many, fmt.Sprintf("%q", fmt.Sprint("country ", n)))
	}
	long := json.RawMessage("[" + strings.Join(many, ",") + "]")
	for want, e := range map[string]plan.Edit{
		`"country 7" … and 192 more]`: {Path: "/countries", After: long},
		`+ … and 192 more`:            {Path: "/countries", Before: json.RawMessage(`["none"]`), After: long},
		`- … and 192 more`:            {Path: "/countries", Before: long, After: json.RawMessage(`[]`)},
	} {
		var brief, full bytes.Buffer
		(&planView{w: &brief, width: 1 << 20}).edits([]plan.Edit{e}, "", eachKey(nil))
		(&planView{w: &full, width: 1 << 20, verbose: true}).edits([]plan.Edit{e}, "", eachKey(nil))
		if !strings.Contains(brief.String(), want) || strings.Contains(brief.String(), "country 199") {
			t.Errorf("without -verbose, not %s:\n%s", want, brief.String())
		}
		if !strings.Contains(full.String(), "country 199") {
			t.Errorf("with -verbose:\n%s", full.String())
		}
		for _, line := range strings.Split(full.String(), "\n") {
			if visible(line) > 2*defaultWidth {
				t.Errorf("a line has %d characters", visible(line))
			}
		}
	}
}
