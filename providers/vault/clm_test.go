package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/providers"
	"accord/providers/devvault"
	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
)

// clmWorld is oneCRM, configured, with its CLM sync.
type clmWorld struct {
	*config
	sync providers.Sync
}

func newCLMWorld(t *testing.T) *clmWorld {
	t.Helper()
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	syncs := c.syncs()
	w.runCountries(syncs[`integration_point.clm_country["a"]`])
	w.server.Calls(true)
	return &clmWorld{c, syncs[`integration_point.clm_presentation["a"]`]}
}

func short(r providers.Record) string {
	var members []string
	for _, m := range r.Members {
		members = append(members, m.Part+" "+idOf(m.Key))
	}
	s := fmt.Sprintf("%s %q %s", r.Part, r.Title, r.Standing)
	if len(members) > 0 {
		s += " [" + strings.Join(members, ", ") + "]"
	}
	return s
}

func shorts(records []providers.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, short(r))
	}
	slices.Sort(out)
	return out
}

func byTitle(records []providers.Record, title string) providers.Record {
	for _, r := range records {
		if r.Title == title {
			return r
		}
	}
	return providers.Record{}
}

// CLM-1, CLM-2, CLM-3, CLM-7: what a full read says of each document. Its
// filter has no eligibility in it.
func TestSourceStandings(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	end := providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}
	records := w.read(providers.RecordsRequest{End: end, Variants: []string{variantSteady}, Fields: []string{"brand__c"}})
	// The ids of the library, in its order: shared-1 is 1, slide-1 2, slide-2 3.
	want := []string{
		`presentation "Expired" expired [slide 2]`,
		`presentation "Global" approved [slide 3, slide 2]`, // of the approved version, not of the draft over it
		`presentation "Last day" approved [slide 2]`,
		`presentation "Not published" unpublished [slide 2]`,
		`presentation "Obsolete" obsolete`, // its slides mean nothing any more
		`presentation "Publish is blank" unpublished [slide 2]`,
		`presentation "US" approved [slide 2, slide 3]`,
		`shared_resource "Shared 1" approved`,
		`slide "Slide 1" approved [shared_resource 1]`,
		`slide "Slide 2" approved`,
	}
	if diff := cmp.Diff(want, shorts(records)); diff != "" {
		t.Errorf("CLM-1, steady (-want +got)\n%s", diff)
	}
	global := byTitle(records, "Global")
	if len(global.Routes) != 1 || global.Groups["country"] != "Global" {
		t.Errorf("routes %v, groups %v", global.Routes, global.Groups)
	}
	var fields map[string]string
	if err := json.Unmarshal(global.Fields, &fields); err != nil || fields["brand__c"] != "Mira" || fields["global_id__sys"] == "" || fields["global_version_id__sys"] == "" {
		t.Errorf("fields %s, %v", global.Fields, err)
	}

	// RULE-4 off: the latest version, whatever its state.
	latest := shorts(w.read(providers.RecordsRequest{End: end, Variants: []string{variantLatest}}))
	for _, s := range []string{
		`presentation "Draft" approved [slide 2]`, `presentation "Back in review" approved [slide 2]`, `presentation "Global" approved [slide 3, slide 2, slide 4]`,
		`slide "Slide 2, draft" approved`, `slide "Slide, draft" approved`, `presentation "Obsolete" obsolete [slide 2]`,
	} {
		if !slices.Contains(latest, s) {
			t.Errorf("RULE-4 off: %s is not among %s", s, strings.Join(latest, "\n"))
		}
	}

	// Both in one read: one record where one version is both.
	both := w.read(providers.RecordsRequest{End: end, Variants: []string{variantSteady, variantLatest}})
	variants := map[string][]string{}
	for _, r := range both {
		variants[r.Part+r.Key] = append(variants[r.Part+r.Key], strings.Join(r.Variants, "+"))
	}
	for title, want := range map[string][]string{"US": {"steady+latest"}, "Draft": {"latest"}, "Global": {"steady", "latest"}} {
		r := byTitle(both, title)
		if diff := cmp.Diff(want, variants[r.Part+r.Key]); diff != "" {
			t.Errorf("variants of %s (-want +got)\n%s", title, diff)
		}
	}
}

// What was asked for by key is answered for, whatever became of it.
func TestSourceByKey(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	end := providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}
	all := w.read(providers.RecordsRequest{End: end, Variants: []string{variantLatest}})
	ask := func(titles ...string) []providers.Member {
		var keys []providers.Member
		for _, title := range titles {
			r := byTitle(all, title)
			keys = append(keys, providers.Member{Part: r.Part, Key: r.Key})
		}
		return keys
	}
	gone := byTitle(all, "Last day")
	w.load("promomats", `{"delete": "last-day"}`)
	keys := append(ask("US", "Draft", "Back in review", "Last day", "Slide, draft"),
		providers.Member{Part: partShared, Key: byTitle(all, "Slide 1").Key}, providers.Member{Part: partPresentation, Key: keyOf("999")},
		providers.Member{Part: partSlide, Key: keyOf("5")}) // a promotional piece
	got := map[string]string{}
	for _, r := range w.read(providers.RecordsRequest{End: end, Variants: []string{variantSteady}, Keys: keys, Only: true}) {
		got[r.Part+" "+idOf(r.Key)] = r.Standing
	}
	want := map[string]string{
		"presentation " + idOf(byTitle(all, "US").Key):             standApproved,
		"presentation " + idOf(byTitle(all, "Draft").Key):          standNever,
		"presentation " + idOf(byTitle(all, "Back in review").Key): standInField,
		"presentation " + idOf(gone.Key):                           standDeleted,
		"slide " + idOf(byTitle(all, "Slide, draft").Key):          standDraft,
		"shared_resource 2":                                        standRetyped,
		"presentation 999":                                         standMissing,
		"slide 5":                                                  standRetyped,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// CLM-7: an incremental read sees what changed, also what stopped being
// eligible or was deleted, the containers of a changed member, and the members
// of each container.
func TestSourceSince(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change string // lines of a library, or a call
		call   func(*world)
		want   []string
	}{
		"nothing": {want: nil},
		"a presentation is withdrawn": {
			call: func(w *world) { update(w, "us", map[string]any{"clm_content__v": false}) },
			want: []string{`presentation "US" unpublished [slide 2, slide 3]`, `shared_resource "Shared 1" approved`, `slide "Slide 1" approved [shared_resource 1]`, `slide "Slide 2" approved`},
		},
		"a shared resource": {
			call: func(w *world) { update(w, "shared-1", map[string]any{"title__v": "changed"}) },
			want: []string{
				`presentation "Expired" expired [slide 2]`, `presentation "Global" approved [slide 3, slide 2]`, `presentation "Last day" approved [slide 2]`,
				`presentation "Not published" unpublished [slide 2]`, `presentation "Publish is blank" unpublished [slide 2]`, `presentation "US" approved [slide 2, slide 3]`,
				`shared_resource "Shared 1" approved`, `slide "Slide 1" approved [shared_resource 1]`, `slide "Slide 2" approved`,
			},
		},
		"deleted": {
			call: func(w *world) { w.load("promomats", `{"delete": "us"}`) },
			want: []string{`presentation "" deleted`, `shared_resource "" deleted`, `slide "" deleted`},
		},
		"a report": {
			call: func(w *world) {
				w.load("promomats", `{"document": "report", "type": "material__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Report"}, "versions": [{"number": "1.0", "state": "approved__v"}]}`)
			},
			want: nil,
		},
		"the draft of a slide is a report": { // CLM-3: what is approved is what counts
			call: func(w *world) { becomes(w, "slide-2", "material__v") },
			want: []string{
				`presentation "Global" approved [slide 3, slide 2]`, `presentation "US" approved [slide 2, slide 3]`,
				`shared_resource "Shared 1" approved`, `slide "Slide 1" approved [shared_resource 1]`, `slide "Slide 2" approved`,
			},
		},
		"a slide is a report from now on": {
			call: func(w *world) { becomes(w, "slide-1", "material__v") },
			want: []string{
				`presentation "Expired" expired [slide 2]`, `presentation "Global" approved [slide 3, slide 2]`, `presentation "Last day" approved [slide 2]`,
				`presentation "Not published" unpublished [slide 2]`, `presentation "Publish is blank" unpublished [slide 2]`, `presentation "US" approved [slide 2, slide 3]`,
				`shared_resource "Shared 1" approved`, `shared_resource "Slide 1" of_another_type`, `slide "Slide 1" of_another_type`, `slide "Slide 2" approved`,
			},
		},
		"a shared resource is a report from now on": {
			call: func(w *world) { becomes(w, "shared-1", "material__v") },
			want: []string{
				`presentation "Expired" expired [slide 2]`, `presentation "Global" approved [slide 3, slide 2]`, `presentation "Last day" approved [slide 2]`,
				`presentation "Not published" unpublished [slide 2]`, `presentation "Publish is blank" unpublished [slide 2]`, `presentation "US" approved [slide 2, slide 3]`,
				`shared_resource "Shared 1" of_another_type`, `slide "Shared 1" of_another_type`, `slide "Slide 1" approved [shared_resource 1]`, `slide "Slide 2" approved`,
			},
		},
		"a draft over an approved one": {
			call: func(w *world) { update(w, "slide-2", map[string]any{"title__v": "still a draft"}) },
			want: []string{
				`presentation "Global" approved [slide 3, slide 2]`, `presentation "US" approved [slide 2, slide 3]`,
				`shared_resource "Shared 1" approved`, `slide "Slide 1" approved [shared_resource 1]`, `slide "Slide 2" approved`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := oneCRM(t)
			w.clock.pass(time.Hour)
			since := w.clock.Now()
			w.clock.pass(time.Hour)
			if c.call != nil {
				c.call(w)
			}
			got := shorts(w.read(providers.RecordsRequest{End: providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}, Variants: []string{variantSteady}, Since: since}))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// CLM-7: the next read goes on from where this one began, whatever is changed
// while it goes on, and sees what was changed at that very moment.
func TestSourceHorizon(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	began := w.clock.Now()
	req := providers.RecordsRequest{End: providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}, Variants: []string{variantSteady}}
	var horizon time.Time
	for b, err := range w.p.Records(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		w.clock.pass(time.Hour)
		horizon = b.Horizon
	}
	if !horizon.Equal(began) {
		t.Errorf("the horizon is %v, and the read began at %v", horizon, began)
	}
	w.clock.pass(time.Hour)
	req.Since = w.clock.Now()
	update(w, "us", map[string]any{"clm_content__v": false})
	if got := byTitle(w.read(req), "US"); got.Standing != standUnpublished {
		t.Errorf("what was changed at %v is not among what was changed since", req.Since)
	}
}

// becomes makes a document one of another type.
func becomes(w *world, external, typ string) {
	w.t.Helper()
	v := vaultOf(w, "promomats")
	rows, err := v.caller().all(w.t.Context(), "SELECT id FROM documents WHERE external_id__v = '"+external+"'")
	if err != nil || len(rows) != 1 {
		w.t.Fatalf("%s: %d, %v", external, len(rows), err)
	}
	if err := v.client.Reclassify(w.t.Context(), vaultapi.Documents, vaultapi.ID(rows[0].text("id")), vaultapi.Fields{"type__v": typ, "lifecycle__v": "promo_mats_lifecycle__v"}); err != nil {
		w.t.Fatal(err)
	}
}

// update changes fields of the latest version of a document, by its external
// id, as somebody in the content vault would.
func update(w *world, external string, fields map[string]any) {
	w.t.Helper()
	v := vaultOf(w, "promomats")
	rows, err := v.caller().all(w.t.Context(), "SELECT id FROM documents WHERE external_id__v = '"+external+"'")
	if err != nil || len(rows) != 1 {
		w.t.Fatalf("%s: %d, %v", external, len(rows), err)
	}
	fields["id"] = rows[0].text("id")
	for _, r := range v.client.UpdateDocuments(w.t.Context(), []vaultapi.Fields{fields}) {
		if r.Err != nil {
			w.t.Fatal(r.Err)
		}
	}
}

// publish writes what a full run into an empty CRM vault writes, without an
// engine: all approved items of the source.
func (w *clmWorld) publish(verb providers.Verb) map[string]providers.WriteResult {
	w.t.Helper()
	out := map[string]providers.WriteResult{}
	source := w.source()
	for _, part := range []string{partShared, partSlide, partPresentation} {
		var writes []providers.Write
		for _, r := range source {
			if r.Part == part && r.Standing == standApproved {
				writes = append(writes, w.item(verb, r))
			}
		}
		for n, r := range w.write(w.sync, writes...) {
			if r.Err != nil {
				w.t.Fatalf("%s %s: %v", verb, writes[n].Title, r.Err)
			}
			out[writes[n].Title] = r
		}
	}
	return out
}

func (w *clmWorld) source() []providers.Record {
	return w.read(providers.RecordsRequest{End: w.sync.Source, Variants: []string{w.sync.Variant}, Fields: w.sync.Fields})
}

// item maps a source record by the sync's rules, as the engine does.
func (w *clmWorld) item(verb providers.Verb, r providers.Record) providers.Write {
	w.t.Helper()
	var from map[string]json.RawMessage
	if err := json.Unmarshal(r.Fields, &from); err != nil {
		w.t.Fatal(err)
	}
	to := map[string]json.RawMessage{}
	for _, rule := range w.sync.Rules {
		if v := from[rule.From]; v != nil && (rule.Parts == nil || slices.Contains(rule.Parts, r.Part)) {
			to[rule.To] = v
		}
	}
	raw, err := json.Marshal(to)
	if err != nil {
		w.t.Fatal(err)
	}
	return providers.Write{Verb: verb, Part: r.Part, Key: r.Key, Title: r.Title, Fields: raw, Members: r.Members}
}

func (w *clmWorld) target() []providers.Record {
	return w.read(providers.RecordsRequest{End: w.sync.Target})
}

// CLM-4, CLM-5: slides and shared resources become CrossLinks, presentations
// binders that hold them in order; a second write makes no second one.
func TestPublish(t *testing.T) {
	t.Parallel()
	w := newCLMWorld(t)
	first := w.publish(providers.WriteCreate)
	want := []string{
		`presentation "Global" published [slide 3, slide 2]`, `presentation "Last day" published [slide 2]`, `presentation "US" published [slide 2, slide 3]`,
		`shared_resource "Shared 1" published`, `slide "Slide 1" published [shared_resource 1]`, `slide "Slide 2" published`,
	}
	if diff := cmp.Diff(want, shorts(w.target())); diff != "" {
		t.Fatalf("CLM-4 (-want +got)\n%s", diff)
	}
	rows, err := vaultOf(w.world, "crm-a").caller().all(t.Context(), "SELECT id, name__v, crosslink__v, TONAME(source_binding_rule__v) AS rule, source_vault_id__v, source_document_id__v, link__sys, version_link__sys FROM documents WHERE name__v = 'Slide 1'")
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v, %v", rows, err)
	}
	if r := rows[0]; r.text("crosslink__v") != "true" || r.int("source_document_id__v") != 2 || r.text("link__sys") != "1001_2" || !strings.HasPrefix(r.text("version_link__sys"), "1001_2_") {
		t.Errorf("CLM-4: the CrossLink is %s", rows[0])
	}
	before := w.dump("crm-a", "")
	second := w.publish(providers.WriteCreate)
	for title, r := range first {
		if second[title].ID != r.ID || !second[title].Same {
			t.Errorf("CLM-4: the second write of %s answers %+v, the first %+v", title, second[title], r)
		}
	}
	if diff := cmp.Diff(before, w.dump("crm-a", "")); diff != "" {
		t.Errorf("CLM-4: a second write changed the vault\n%s", diff)
	}
}

// CLM-5: another order, another slide, another title. The published version of
// a presentation stays whole until the new one is.
func TestUpdate(t *testing.T) {
	t.Parallel()
	w := newCLMWorld(t)
	w.publish(providers.WriteCreate)
	r := byTitle(w.source(), "US")
	target := byTitle(w.target(), "US")
	change := w.item(providers.WriteUpdate, r)
	change.ID, change.Reorder, change.Was = target.ID, true, target.Members
	change.Members = []providers.Member{r.Members[1], r.Members[0]}
	change.Fields = []byte(strings.Replace(string(change.Fields), `"name__v":"US"`, `"name__v":"US, again"`, 1))
	change.Changed = []string{"name__v"}
	if results := w.write(w.sync, change); results[0].Err != nil || results[0].Same {
		t.Fatalf("%+v", results[0])
	}
	if got := short(byTitle(w.target(), "US, again")); got != `presentation "US, again" published [slide 3, slide 2]` {
		t.Errorf("CLM-5: %s", got)
	}
	// A slide stops using the shared resource.
	slide := byTitle(w.source(), "Slide 1")
	change = w.item(providers.WriteUpdate, slide)
	change.Members, change.Reorder, change.Was = nil, true, slide.Members
	if results := w.write(w.sync, change); results[0].Err != nil {
		t.Fatal(results[0].Err)
	}
	if got := short(byTitle(w.target(), "Slide 1")); got != `slide "Slide 1" published` {
		t.Errorf("CLM-5: %s", got)
	}
}

// CLM-13: withdrawn is obsolete, never deleted; published again, it is the
// same one.
func TestWithdrawAndRestore(t *testing.T) {
	t.Parallel()
	w := newCLMWorld(t)
	first := w.publish(providers.WriteCreate)
	var writes []providers.Write
	for _, r := range w.target() {
		if r.Part == partPresentation {
			writes = append(writes, providers.Write{Verb: providers.WriteWithdraw, Part: r.Part, Key: r.Key, ID: r.ID, Title: r.Title})
		}
	}
	writes = append(writes, providers.Write{Verb: providers.WriteWithdraw, Part: partPresentation, Key: keyOf("999"), Title: "never there"})
	w.server.Calls(true)
	for n, r := range w.write(w.sync, writes...) {
		if r.Err != nil || r.Same != (writes[n].Title == "never there") {
			t.Errorf("CLM-13: withdraw %s: %+v", writes[n].Title, r)
		}
	}
	if n := w.writes(); n != 1 {
		t.Errorf("%d presentations are withdrawn by %d writing calls, want 1", len(writes), n)
	}
	for _, r := range w.target() {
		if want := map[string]string{partPresentation: providers.Withdrawn}[r.Part]; want != "" && r.Standing != want {
			t.Errorf("CLM-13: %s is %s", r.Title, r.Standing)
		}
	}
	for title, r := range w.publish(providers.WriteRestore) {
		if r.ID != first[title].ID {
			t.Errorf("CLM-13: %s was %s, is %s", title, first[title].ID, r.ID)
		}
	}
	for _, r := range w.target() {
		if r.Standing != providers.Published {
			t.Errorf("CLM-13: %s is %s", r.Title, r.Standing)
		}
	}
}

// CLM-13: withdrawn is what no version of is published any more: neither one that lies
// below a draft, whoever left it there, nor one that an update has put another in place of.
func TestWithdrawBelowADraft(t *testing.T) {
	t.Parallel()
	w := newCLMWorld(t)
	w.publish(providers.WriteCreate)
	var writes []providers.Write
	for _, r := range w.target() {
		if r.Part != partPresentation {
			continue
		}
		if r.Title == "US" { // it gets another version
			from := byTitle(w.source(), "US")
			change := w.item(providers.WriteUpdate, from)
			change.ID, change.Reorder, change.Was = r.ID, true, r.Members
			change.Members = from.Members[:1]
			if results := w.write(w.sync, change); results[0].Err != nil {
				t.Fatal(results[0].Err)
			}
		} else if _, err := vaultOf(w.world, "crm-a").client.NewDraft(t.Context(), vaultapi.Binders, vaultapi.ID(r.ID), nil); err != nil {
			t.Fatal(err)
		}
		writes = append(writes, providers.Write{Verb: providers.WriteWithdraw, Part: r.Part, Key: r.Key, ID: r.ID, Title: r.Title})
	}
	for n, r := range w.write(w.sync, writes...) {
		if r.Err != nil || r.Same {
			t.Errorf("CLM-13: withdraw %s: %+v", writes[n].Title, r)
		}
	}
	rows, err := vaultOf(w.world, "crm-a").caller().all(t.Context(), "SELECT id, name__v, major_version_number__v, minor_version_number__v FROM ALLVERSIONS binders WHERE status__v = STEADYSTATE()")
	if err != nil || len(rows) > 0 || len(writes) != 3 {
		t.Errorf("CLM-13: of %d presentations that were withdrawn these versions are published: %v, %v", len(writes), rows, err)
	}
}

// CLM-11: what is not ours is not seen, and not changed.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	w := newCLMWorld(t)
	w.load("crm-a", `
{"document": "native", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Native"}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "native-presentation", "type": "presentation__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Native presentation"}, "nodes": ["native"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"crosslink": "by-hand", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "By hand"}, "source_vault": "promomats", "source": "slide-1"}
{"crosslink": "accord:another_point__v:1001:000000000002", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Another point's"}, "source_vault": "promomats", "source": "slide-1"}
{"document": "accord:promomats_crm_clm_presentation__v:1001:000000000003", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "A mark on what is no CrossLink"}}
`)
	if got := w.target(); len(got) != 0 {
		t.Errorf("CLM-11: seen as ours: %v", shorts(got))
	}
	// Slide 2 has that mark: it is an error of this one item.
	source := w.source()
	results := w.write(w.sync, w.item(providers.WriteCreate, byTitle(source, "Shared 1")))
	if results[0].Err != nil {
		t.Fatal(results[0].Err)
	}
	results = w.write(w.sync, w.item(providers.WriteCreate, byTitle(source, "Slide 1")), w.item(providers.WriteCreate, byTitle(source, "Slide 2")))
	if results[0].Err != nil || results[1].Err == nil || results[1].Err.Kind != providers.Exists {
		t.Errorf("ERR-3, CLM-11: %+v", results)
	}
}

// ERR-3: one item's failure never stops the others; and CLM-4 under faults:
// what was done and reported as failed is not done twice.
func TestWriteFaults(t *testing.T) {
	t.Parallel()
	w := newCLMWorld(t)
	source := w.source()
	missing := w.item(providers.WriteCreate, byTitle(source, "US")) // its slides are not there yet
	results := w.write(w.sync, missing)
	if results[0].Err == nil || results[0].Err.Kind != providers.NotFound {
		t.Errorf("CLM-12: a presentation without its slides: %+v", results[0])
	}
	if len(w.target()) != 0 {
		t.Errorf("CLM-12: published in part: %v", shorts(w.target()))
	}
	if _, err := w.server.AddFault(devvault.Fault{Vault: "crm-a", Method: "POST", Route: "objects/documents", Kind: "cut_after", Skip: 1, Count: 1}); err != nil {
		t.Fatal(err)
	}
	w.publish(providers.WriteCreate)
	w.server.ClearFaults()
	if got := len(w.target()); got != 6 {
		t.Errorf("CLM-4: %d items after a lost answer, want 6: %v", got, shorts(w.target()))
	}
	if n := strings.Count(w.dump("crm-a", "version"), `"accord:`); n < 6 {
		t.Errorf("dump: %d marks", n)
	}
}

// A glance tells each change from every other one, in two calls: also of a
// document that left the types while it is used (CLM-3), and not of reports.
func TestGlance(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	w.clock.pass(time.Hour)
	since := w.clock.Now()
	glance := func() (seen []string) {
		for _, r := range w.read(providers.RecordsRequest{End: providers.End{Instance: vaultAddr("promomats"), Stream: streamCLM}, Variants: []string{variantSteady}, Since: since, Only: true}) {
			seen = append(seen, r.Part+r.Key+r.Standing+string(r.Fields))
		}
		return seen
	}
	saw := map[string]bool{}
	for _, step := range []struct {
		name string
		do   func()
		sees bool
	}{
		{"nothing", func() {}, false},
		{"a report", func() {
			w.load("promomats", `{"document": "report", "type": "material__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Report"}, "versions": [{"number": "1.0", "state": "approved__v"}]}`)
		}, false},
		{"a presentation", func() { update(w, "us", map[string]any{"title__v": "one"}) }, true},
		{"the same once more", func() { update(w, "us", map[string]any{"title__v": "two"}) }, true},
		{"nothing else", func() {}, false},
		{"a shared resource", func() { update(w, "shared-1", map[string]any{"title__v": "one"}) }, true},
		{"a slide is a report from now on", func() { becomes(w, "slide-1", "material__v") }, true},
		{"one that was deleted", func() { w.load("promomats", `{"delete": "last-day"}`) }, true},
	} {
		w.clock.pass(time.Hour)
		step.do()
		fresh := false
		for _, s := range glance() {
			fresh = fresh || !saw[s]
			saw[s] = true
		}
		if fresh != step.sees {
			t.Errorf("%s: something new is seen: %t", step.name, fresh)
		}
	}
}
