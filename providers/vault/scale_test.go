package vault

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/devvault"
	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
)

// Reads cost about N/1000 calls, binder nodes included; writes W/500, and
// single calls only where the API has no batch (CLM-4).
func TestCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("it counts, and counts are the same under the race detector")
	}
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""})
	w.tie("promomats", "crm-a")
	w.countries("promomats")
	const slides, presentations = 1200, 300
	var b strings.Builder
	for n := range slides {
		fmt.Fprintf(&b, `{"document": "s%d", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide %d"}, "versions": [{"number": "1.0", "state": "approved__v"}]}`+"\n", n, n)
	}
	for n := range presentations {
		fmt.Fprintf(&b, `{"binder": "p%d", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Presentation %d", "clm_content__v": true, "country__v.external_id__v": ["us"]}, "nodes": ["s%d", "s%d", "s%d", "s%d"], "versions": [{"number": "1.0", "state": "approved__v"}]}`+"\n",
			n, n, 4*n, 4*n+1, 4*n+2, 4*n+3)
	}
	w.load("promomats", b.String())
	w.connect(false)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	clm := &clmWorld{c, c.syncs()[`integration_point.clm_presentation["a"]`]}
	counted := func(f func()) (queries, batches, singles int) {
		w.server.Calls(true)
		f()
		for _, c := range w.server.Calls(true) {
			switch {
			case c.Effect == "auth":
			case c.Effect == "read":
				queries += c.Count
			case c.Route == "objects/documents" || c.Route == "objects/binders" || c.Route == "objects/binders/{id}/documents":
				singles += c.Count
			default:
				batches += c.Count
			}
		}
		return
	}
	queries, _, _ := counted(func() {
		if n := len(clm.source()); n != slides+presentations {
			t.Errorf("%d records", n)
		}
	})
	if queries > 12 { // 2 pages of slides, each with its relationships, 1 of presentations, the obsolete ones, names of countries and products
		t.Errorf("reading %d documents took %d calls", slides+presentations, queries)
	}
	queries, batches, singles := counted(func() { clm.publish(providers.WriteCreate) })
	if want := slides + presentations + slides; singles != want { // each slide is a CrossLink and a node
		t.Errorf("%d single calls, want %d", singles, want)
	}
	if batches > 4 || queries > 30 {
		t.Errorf("%d batch writes and %d reads for one batch of each part", batches, queries)
	}
	queries, _, _ = counted(func() { clm.target() })
	if queries > 8 {
		t.Errorf("reading %d items of the target took %d calls", slides+presentations, queries)
	}
	// A second time nothing is written.
	_, batches, singles = counted(func() { clm.publish(providers.WriteCreate) })
	if batches+singles != 0 {
		t.Errorf("writing what is there took %d writing calls", batches+singles)
	}
}

// A sub-select answers 250 nodes: the rest is read too, in order.
func TestLongPresentation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""})
	w.tie("promomats", "crm-a")
	w.countries("promomats")
	var b, nodes strings.Builder
	for n := range 300 {
		fmt.Fprintf(&b, `{"document": "s%d", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide %d"}, "versions": [{"number": "1.0", "state": "approved__v"}]}`+"\n", n, n)
		fmt.Fprintf(&nodes, `, "s%d"`, 299-n)
	}
	fmt.Fprintf(&b, `{"binder": "long", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Long", "clm_content__v": true}, "nodes": [%s], "versions": [{"number": "1.0", "state": "approved__v"}]}`, nodes.String()[2:])
	w.load("promomats", b.String())
	w.connect(true)
	long := byTitle(w.read(providers.RecordsRequest{End: providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}}), "Long")
	if len(long.Members) != 300 || idOf(long.Members[0].Key) != "300" || idOf(long.Members[299].Key) != "1" {
		t.Errorf("%d slides: %v", len(long.Members), long.Members)
	}

	// The approved version is not the latest any more, and the draft has as many
	// slides, in another order, two of them in a chapter: the approved one counts
	// (CLM-1, CLM-2).
	w.connect(false)
	c := vaultOf(w, "promomats")
	at := vaultapi.Version{ID: vaultapi.ID(idOf(long.Key)), Major: 1}
	if _, err := c.client.NewDraft(t.Context(), vaultapi.Binders, at.ID, nil); err != nil {
		t.Fatal(err)
	}
	b2, err := c.reader.GetBinder(t.Context(), at.ID, true)
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	if _, err := c.client.MoveNode(t.Context(), at.ID, b2.Nodes[299].ID, "", &first); err != nil {
		t.Fatal(err)
	}
	section, err := c.client.AddSection(t.Context(), at.ID, "Chapter", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range b2.Nodes[:2] {
		if _, err := c.client.MoveNode(t.Context(), at.ID, n.ID, section, nil); err != nil {
			t.Fatal(err)
		}
	}
	again := byTitle(w.read(providers.RecordsRequest{End: providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}}), "Long")
	if !slices.Equal(again.Members, long.Members) {
		t.Errorf("with a newer draft: %d slides: %v", len(again.Members), again.Members)
	}
	latest := byTitle(w.read(providers.RecordsRequest{End: providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}, Variants: []string{variantLatest}}), "Long")
	want := append([]providers.Member{long.Members[299]}, long.Members[2:299]...)
	if want = append(want, long.Members[:2]...); !slices.Equal(latest.Members, want) {
		t.Errorf("of the draft: %d slides: %v", len(latest.Members), latest.Members)
	}
}

// CLM-4 under faults of every second write: nothing doubled, nothing lost.
func TestConvergesUnderFaults(t *testing.T) {
	t.Parallel()
	calm := newCLMWorld(t)
	calm.publish(providers.WriteCreate)
	want := shorts(calm.target())
	for _, kind := range []string{"cut_after", "failure_after", "cut", "row_failure", "expired"} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s %d", kind, seed), func(t *testing.T) {
				t.Parallel()
				w := newCLMWorld(t)
				for _, method := range []string{"POST", "PUT"} {
					if _, err := w.server.AddFault(devvault.Fault{Vault: "crm-a", Method: method, Route: "objects/*", Kind: kind, Rate: 0.5, Seed: seed + 1}); err != nil {
						t.Fatal(err)
					}
				}
				source, trouble := w.source(), 0
				for round := 0; ; round++ {
					if round == 8 {
						w.server.ClearFaults()
					}
					failed := 0
					for _, part := range []string{partShared, partSlide, partPresentation} {
						var writes []providers.Write
						for _, r := range source {
							if r.Part == part && r.Standing == standApproved {
								writes = append(writes, w.item(providers.WriteCreate, r))
							}
						}
						for _, r := range w.write(w.sync, writes...) {
							if r.Err != nil {
								failed++
							}
						}
					}
					trouble += failed
					if failed == 0 {
						break
					}
					if round > 8 {
						t.Fatalf("%d still fail without faults", failed)
					}
				}
				w.server.ClearFaults()
				t.Logf("%d writes failed on the way", trouble)
				if diff := cmp.Diff(want, shorts(w.target())); diff != "" {
					t.Errorf("CLM-4: (-without faults +with)\n%s", diff)
				}
				if n := strings.Count(w.dump("crm-a", "version"), `"crosslink":true`); n > 3 {
					t.Errorf("CLM-4: %d CrossLinks of 3", n)
				}
			})
		}
	}
}

// RULE-4 off, on sandboxes: drafts are published, bound to the latest version.
func TestLatestVariant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", sandbox, ""}, spec{"crm-a", "crm", sandbox, ""})
	w.tie("promomats", "crm-a")
	w.countries("promomats")
	w.load("promomats", library)
	w.connect(false)
	c := w.crms(map[string][]string{"a": {"United States"}})
	for n, o := range c.objects {
		if o.Type == "query_rule" {
			c.objects[n] = w.object(o.Addr, map[string]any{"connection": `connection.crm["a"]`, "status": "inactive"})
		}
	}
	c.apply()
	clm := &clmWorld{c, c.syncs()[`integration_point.clm_presentation["a"]`]}
	if clm.sync.Variant != variantLatest || clm.sync.Inputs[inputQueryRule] != variantLatest {
		t.Fatalf("RULE-4: %+v", clm.sync)
	}
	clm.publish(providers.WriteCreate)
	got := shorts(clm.target())
	for _, s := range []string{`slide "Slide, draft" published`, `slide "Slide 2, draft" published`, `presentation "Global" published [slide 3, slide 2, slide 4]`} {
		found := false
		for _, g := range got {
			found = found || g == s
		}
		if !found {
			t.Errorf("RULE-4 off: %s is not among\n%s", s, strings.Join(got, "\n"))
		}
	}
	// Its block taken out, the rule is active again.
	c.objects = c.objects[:len(c.objects)-1]
	c.apply()
	if s := c.syncs()[clm.sync.Addr.String()]; s.Variant != variantSteady {
		t.Errorf("RULE-4: without a block the variant is %s", s.Variant)
	}
}

// RULE-4 switched off by hand, and in no block: a sandbox gets what the vault
// says, and no draft ever reaches a production vault.
func TestVariantWithoutABlock(t *testing.T) {
	t.Parallel()
	for environment, want := range map[string]string{sandbox: variantLatest, production: variantSteady} {
		w := newWorld(t, spec{"promomats", "promomats", environment, ""}, spec{"crm-a", "crm", environment, ""})
		w.tie("promomats", "crm-a")
		w.countries("promomats")
		w.load("crm-a", `{"mdl": "ALTER Integrationrule promomats_crm_clm_presentation_iir__v ( MODIFY Queryobjectrule approved_only__v ( active(false) ) );"}`)
		w.connect(false)
		c := w.crms(map[string][]string{"a": {"United States"}})
		c.objects = slices.DeleteFunc(c.objects, func(o providers.Object) bool { return o.Type == "query_rule" })
		c.apply()
		if s := c.syncs()[`integration_point.clm_presentation["a"]`]; s.Variant != want || s.Inputs[inputQueryRule] != want {
			t.Errorf("RULE-4: a %s vault is given the variant %s, want %s", environment, s.Variant, want)
		}
	}
}

// INT-1, INT-2, CONN-5: MedComms, with its own connection and its own labels.
func TestMedComms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"medcomms", "medcomms", production, ""}, spec{"crm-a", "crm", production, ""})
	w.tie("medcomms", "crm-a")
	w.countries("medcomms")
	w.load("medcomms", strings.ReplaceAll(library, "promo_mats_lifecycle__v", "med_comms_lifecycle__v"))
	w.connect(false)
	at := `connection.crm["a"]`
	c := w.config(
		w.object(keyed("connection", "crm", "a"), map[string]any{"type": "medical_crm", "content": "vault.medcomms", "crm": `vault.crm["a"]`}),
		w.object(keyed("country_filter", "crm", "a"), map[string]any{"connection": at, "all_countries": true}),
		w.object(keyed("integration", "country", "a"), map[string]any{"connection": at, "type": "country", "status": "active"}),
		w.object(keyed("integration", "clm", "a"), map[string]any{"connection": at, "type": "clm", "status": "active"}),
		w.object(keyed("integration_point", "country", "a"), map[string]any{"integration": `integration.country["a"]`, "name": "clm_country", "status": "active"}),
		w.object(keyed("integration_point", "clm", "a"), map[string]any{"integration": `integration.clm["a"]`, "name": "clm_presentation", "status": "active"}),
	)
	c.apply()
	if problems := errorsOf(c.plan()); problems != nil {
		t.Fatal(problems)
	}
	syncs := c.syncs()
	w.runCountries(syncs[`integration_point.country["a"]`])
	clm := &clmWorld{c, syncs[`integration_point.clm["a"]`]}
	if clm.sync.Title != "Medical-CRM: CLM Presentation Integration Point" {
		t.Errorf("INT-1: %s", clm.sync.Title)
	}
	clm.publish(providers.WriteCreate)
	if got := shorts(clm.target()); len(got) != 6 {
		t.Errorf("%v", got)
	}
}

// CTRY-1: a CRM vault has one filter, by which its PromoMats and its MedComms
// connection route alike, also in the plan that edits it.
func TestOneFilterForTwoConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"medcomms", "medcomms", production, ""}, spec{"crm-a", "crm", production, ""})
	w.tie("promomats", "crm-a")
	w.tie("medcomms", "crm-a")
	w.countries("promomats")
	w.countries("medcomms")
	w.connect(false)
	filter := func(country string) providers.Object {
		return w.object(keyed("country_filter", "crm", "a"), map[string]any{"connection": "connection.promo", "countries": []string{country}})
	}
	c := w.config(
		filter("us__v"),
		w.object(addrs.New("connection", "promo"), map[string]any{"type": "promomats_crm", "content": "vault.promomats", "crm": `vault.crm["a"]`}),
		w.object(addrs.New("connection", "medical"), map[string]any{"type": "medical_crm", "content": "vault.medcomms", "crm": `vault.crm["a"]`}),
		w.object(addrs.New("integration", "medical"), map[string]any{"connection": "connection.medical", "type": "country", "status": "active"}),
		w.object(addrs.New("integration_point", "medical"), map[string]any{"integration": "integration.medical", "name": "clm_country", "status": "active"}),
	)
	c.apply()
	c.plan()
	if got := c.syncs()["integration_point.medical"]; !slices.Equal(got.Route.Values, []string{"us__v"}) || !slices.Contains(got.Needs, filter("us__v").Addr) {
		t.Errorf("routes by %v, after %v", got.Route.Values, got.Needs)
	}
	c.objects[0] = filter("ca__v")
	c.plan()
	if got := c.syncs()["integration_point.medical"].Route.Values; !slices.Equal(got, []string{"ca__v"}) {
		t.Errorf("an edited filter: routes by %v", got)
	}
}

// CTRY-9: what a vault must be asked for is advised when planned. And the
// filter is compared in one form, in whatever words it is written.
func TestFilterWords(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	w.load("promomats", `{"record": "country__v", "key": "xx", "fields": {"name__v": "Nowhere"}}`)
	at := `connection.crm["a"]`
	connection := w.object(keyed("connection", "crm", "a"), map[string]any{"type": "promomats_crm", "content": "vault.promomats", "crm": `vault.crm["a"]`})
	filter := func(countries ...string) providers.Object {
		return w.object(keyed("country_filter", "crm", "a"), map[string]any{"connection": at, "countries": countries})
	}
	c := w.config(connection, filter("United States", "de__v"))
	var got []string
	for _, d := range c.plan() {
		got = append(got, fmt.Sprintf("%s %s %s: %s", d.Severity, d.Code, string(d.Path), d.Summary))
	}
	want := []string{
		"warning CTRY-9 /countries/1: No country of vault.promomats holds Germany (de__v)",
		"warning CTRY-9 : Countries of vault.promomats without a value in country_cda__v: Nowhere",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CTRY-9 (-want +got)\n%s", diff)
	}
	// Many of them are one piece of advice.
	c.objects[1] = filter("United States", "de__v", "France", "Italy", "Spain")
	if d := c.plan()[0]; d.Path != "/countries" || d.Summary != "No country of vault.promomats holds 4 of the filter's 5 values" || !strings.Contains(d.Detail, "by France (fr__v), Italy (it__v), Spain (es__v), Germany (de__v).") {
		t.Errorf("CTRY-9: %+v", d)
	}
	c.objects[1] = filter("United States", "de__v")
	c.plan()
	c.apply()
	w.writes()
	// The same in other words is no difference.
	c.objects[1] = filter("us__v", "germany")
	c.apply()
	if n := w.writes(); n != 0 {
		t.Errorf("the same countries in other words: %d writing calls", n)
	}
	if diff := cmp.Diff(without(c.live[filter("x").Addr].Body, nil), without(c.planned[filter("x").Addr].Planned.Body, nil)); diff != "" {
		t.Errorf("the same countries in other words (-live +planned)\n%s", diff)
	}
	// CTRY-1: all of them, by a word.
	c.objects[1] = w.object(keyed("country_filter", "crm", "a"), map[string]any{"connection": at, "all_countries": true})
	c.apply()
	c.plan()
	if diff := cmp.Diff(without(c.live[filter("x").Addr].Body, nil), without(c.planned[filter("x").Addr].Planned.Body, nil)); diff != "" {
		t.Errorf("all_countries (-live +planned)\n%s", diff)
	}
}
