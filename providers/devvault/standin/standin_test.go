package standin

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/providers/devvault"
)

// world is a server with a PromoMats vault and a CRM vault, and the engine.
type world struct {
	*work
	t       *testing.T
	dir     string
	options devvault.Options

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T, content, crm string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}
	w.options = devvault.Options{Dir: w.dir, Lax: true, Settings: devvault.Settings{Burst: 1_000_000}, Clock: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}}
	w.open()
	w.must(w.server.AddVault(devvault.VaultSpec{Name: "promomats", Kind: "promomats", Environment: content, Domain: "d"}))
	w.must(w.server.AddVault(devvault.VaultSpec{Name: "crm", Kind: "crm", Environment: crm, Domain: "d"}))
	w.must(w.server.Connect(devvault.ConnectSpec{Content: "promomats", CRM: "crm"}, "http://localhost"))
	w.load(`{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}
{"record": "country__v", "key": "ca", "fields": {"name__v": "Canada", "country_cda__v": ["ca__v"]}}
{"document": "library", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Library", "is_shared_resource__v": true}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"document": "one", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "One"}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"document": "two", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Two"}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"relationship": "related_shared_resource__v", "source": "one", "target": "library"}
{"binder": "us", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "For the US", "clm_content__v": true, "country__v.external_id__v": ["us"]}, "nodes": ["two", "one"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "ca", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "For Canada", "clm_content__v": true, "country__v.external_id__v": ["ca"]}, "nodes": ["two"], "versions": [{"number": "1.0", "state": "approved__v"}]}
`)
	return w
}

// open starts the server, again where one was.
func (w *world) open() {
	w.t.Helper()
	if w.work != nil {
		w.must(w.server.Close())
	}
	server, err := devvault.Open(w.options)
	w.must(err)
	w.t.Cleanup(func() { _ = server.Close() })
	w.work = &work{Engine: New(server, 10*time.Minute), ctx: w.t.Context()}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load(lines string) {
	w.t.Helper()
	_, err := w.server.Load("promomats", fmt.Sprint("lines ", len(lines)), strings.NewReader(lines))
	w.must(err)
}

// pass lets time go by, and the engine look.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
	w.must(w.Tick(w.t.Context()))
}

func (w *world) rows(vault, q string) []row {
	w.t.Helper()
	rows, err := w.query(vault, q)
	w.must(err)
	return rows
}

// update writes fields of the one record or document that a query finds.
func (w *world) update(vault, object, where string, fields map[string]any) {
	w.t.Helper()
	rows := w.rows(vault, "SELECT id FROM "+object+" WHERE "+where)
	if len(rows) != 1 {
		w.t.Fatalf("%d of %s are %s", len(rows), object, where)
	}
	id := rows[0].text("id")
	if object == "binders" || object == "documents" {
		form := url.Values{}
		for name, v := range fields {
			form.Set(name, fmt.Sprint(v))
		}
		_, err := w.server.Inside(w.ctx, vault, "PUT", "objects/"+object+"/"+id, form.Encode())
		w.must(err)
		return
	}
	fields["id"] = id
	w.must(w.records(vault, "PUT", object, fields))
}

// status switches an integration and its point.
func (w *world) status(name, status string) {
	w.t.Helper()
	integration := map[string]string{"clm_presentation": "clm", "clm_country": "country"}[name]
	w.update("crm", "integration__sys", "integration_api_name__sys = 'promomats_crm_"+integration+"__v'", map[string]any{"status__v": status})
	w.update("crm", "integration_point__sys", "integration_point_api_name__sys = 'promomats_crm_"+name+"__v'", map[string]any{"status__v": status})
}

func (w *world) filter(values ...string) {
	w.t.Helper()
	w.update("crm", "connection_settings__v", "name__v = 'Global CLM Integration Settings'", map[string]any{"country_filter__v": strings.Join(values, ",")})
}

// times are LRT and LSRT of a point, as minutes of the day.
func (w *world) times(name string) string {
	w.t.Helper()
	r := w.rows("crm", "SELECT last_run_time__sys, last_successful_run_time__sys FROM integration_point__sys WHERE integration_point_api_name__sys = 'promomats_crm_"+name+"__v'")[0]
	minute := func(name string) string {
		if at := r.time(name); !at.IsZero() {
			return at.Format("15:04")
		}
		return "-"
	}
	return minute("last_run_time__sys") + " " + minute("last_successful_run_time__sys")
}

// content is what the CRM vault holds, a line each, by name.
func (w *world) content() (lines []string) {
	w.t.Helper()
	names := map[string]string{}
	all := w.rows("crm", "SELECT id, name__v, TONAME(type__v) AS type_name, TONAME(status__v) AS state, title__v FROM documents")
	for _, r := range all {
		names[r.text("id")] = r.text("name__v")
	}
	nodes := map[string][]string{}
	for _, r := range w.rows("crm", "SELECT id, (SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys FROM binder_nodes__sysr) FROM binders") {
		for _, n := range inOrder(r.rows("binder_nodes__sysr")) {
			nodes[r.text("id")] = append(nodes[r.text("id")], names[n.text("content_id__sys")])
		}
	}
	for _, r := range w.rows("crm", "SELECT source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = 'related_shared_resource__v'") {
		nodes[r.text("source_doc_id__v")] = append(nodes[r.text("source_doc_id__v")], names[r.text("target_doc_id__v")])
	}
	for _, r := range all {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %v", r.text("name__v"), r.text("type_name"), r.text("state"), r.text("title__v"), nodes[r.text("id")])), " "))
	}
	slices.Sort(lines)
	return lines
}

func (w *world) holds(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.content()); diff != "" {
		w.t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

// The life of a point: nothing until it is active and the engine is on, a full
// run, incremental ones, one that is asked for, a withdrawal; and all of it over
// a restart of the server.
func TestRunsOfAPoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "production", "production")
	w.pass(time.Minute)
	w.holds("off", nil...)
	w.status("clm_presentation", "active__v")
	w.pass(time.Minute)
	w.holds("switched off, though the point is active", nil...)
	if got := w.times("clm_presentation"); got != "- -" {
		t.Errorf("it ran: %s", got)
	}
	w.must(w.server.SetEngine("crm", true))
	w.pass(time.Minute)
	all := []string{
		"For Canada presentation__v approved__v [Two]", "For the US presentation__v approved__v [Two One]",
		"Library shared_resource__v approved__v []", "One slide__v approved__v [Library]", "Two slide__v approved__v []",
	}
	w.holds("CTRY-6: without the Country Integration everything goes", all...)
	if got := w.times("clm_presentation"); got != "09:03 09:03" {
		t.Errorf("CLM-8: %s", got)
	}
	// Between two intervals nothing happens; then what changed is taken.
	w.update("promomats", "binders", "name__v = 'For Canada'", map[string]any{"title__v": "Changed"})
	w.pass(time.Minute)
	w.holds("within the interval", all...)
	w.open()
	w.pass(10 * time.Minute)
	all[0] = "For Canada presentation__v approved__v Changed [Two]"
	w.holds("CLM-5, after a restart: an incremental run", all...)
	if got := w.times("clm_presentation"); got != "09:14 09:14" {
		t.Errorf("CLM-8: %s", got)
	}
	// INT-6.
	w.update("crm", "integration_point__sys", "integration_point_api_name__sys = 'promomats_crm_clm_presentation__v'", map[string]any{"last_successful_run_time__sys": ""})
	w.pass(time.Second) // it sees that
	w.pass(time.Second)
	if got := w.times("clm_presentation"); got != "09:14 09:14" {
		t.Errorf("INT-6: asked for, and: %s", got)
	}
	// CLM-1: withdrawn, by the field.
	w.update("promomats", "binders", "name__v = 'For the US'", map[string]any{"clm_content__v": false})
	w.pass(10 * time.Minute)
	w.holds("CLM-1: withdrawn, with what nothing else holds",
		"For Canada presentation__v approved__v Changed [Two]", "For the US presentation__v obsolete__v [Two One]",
		"Library shared_resource__v obsolete__v []", "One slide__v obsolete__v [Library]", "Two slide__v approved__v []")
	// INT-5.
	w.status("clm_presentation", "inactive__v")
	w.update("promomats", "binders", "name__v = 'For the US'", map[string]any{"clm_content__v": true})
	w.pass(time.Hour)
	if got := w.times("clm_presentation"); got != "09:24 09:24" {
		t.Errorf("INT-3: inactive, and it ran: %s", got)
	}
	w.status("clm_presentation", "active__v")
	w.pass(time.Second)
	w.holds("INT-5: activated again, restored", all...)
}

// CTRY-2, CTRY-5, CTRY-7: the filter makes Connection Country records, these
// route, and an edit takes effect in full five minutes later.
func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "production", "production")
	w.must(w.server.SetEngine("crm", true))
	w.filter("us__v")
	w.status("clm_country", "active__v")
	w.status("clm_presentation", "active__v")
	w.pass(time.Minute)
	connected := func() (names []string) {
		for _, r := range w.rows("promomats", "SELECT name__v FROM crm_connection_country__v ORDER BY name__v") {
			names = append(names, r.text("name__v"))
		}
		return names
	}
	if got := connected(); !slices.Equal(got, []string{"United States"}) {
		t.Errorf("CTRY-2: %v", got)
	}
	us := []string{"For the US presentation__v approved__v [Two One]", "Library shared_resource__v approved__v []", "One slide__v approved__v [Library]", "Two slide__v approved__v []"}
	w.holds("CTRY-5", us...)
	w.filter("ca__v")
	w.pass(4 * time.Minute)
	w.holds("CTRY-7: not yet", us...)
	w.pass(time.Minute)
	if got := connected(); !slices.Equal(got, []string{"Canada"}) {
		t.Errorf("CTRY-3: %v", got)
	}
	w.holds("CTRY-8", "For Canada presentation__v approved__v [Two]", "For the US presentation__v obsolete__v [Two One]",
		"Library shared_resource__v obsolete__v []", "One slide__v obsolete__v [Library]", "Two slide__v approved__v []")
}

// ERR-1, ERR-2, CLM-8, CLM-12: what cannot be published is an exception item
// under a message, LSRT stays, the item is not written twice and is resolved when the document is mended.
func TestExceptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "production", "production")
	w.load(`{"document": "draft", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Draft"}, "versions": [{"number": "0.1", "state": "draft__v"}]}
{"binder": "broken", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Broken", "clm_content__v": true}, "nodes": ["one", "draft"], "versions": [{"number": "1.0", "state": "approved__v"}]}
`)
	w.must(w.server.SetEngine("crm", true))
	w.status("clm_presentation", "active__v")
	items := func() (list []string) {
		for _, r := range w.rows("crm", "SELECT name__v, error_message__sys, error_status__sys, exception_message__sysr.status__v FROM exception_item__sys ORDER BY id") {
			list = append(list, r.text("name__v")+": "+r.text("error_message__sys")+" ["+r.text("error_status__sys")+", the message "+r.text("exception_message__sysr.status__v")+"]")
		}
		return list
	}
	for range 3 {
		w.pass(10 * time.Minute)
	}
	draft := w.rows("promomats", "SELECT id FROM documents WHERE name__v = 'Draft'")[0].text("id")
	want := []string{"Broken: Draft (" + draft + ") has no approved version [open__sys, the message active__v]"}
	if diff := cmp.Diff(want, items()); diff != "" {
		t.Errorf("ERR-2, after three runs (-want +got)\n%s", diff)
	}
	if got := w.times("clm_presentation"); got != "09:30 -" {
		t.Errorf("CLM-8: %s", got)
	}
	if got := len(w.content()); got != 5 {
		t.Errorf("ERR-3, CLM-12: %d items, want those of the two others: %v", got, w.content())
	}
	_, err := w.server.Inside(w.ctx, "promomats", "PUT", "objects/documents/"+draft+"/versions/0/1/lifecycle_actions/approve__v", "")
	w.must(err)
	w.pass(10 * time.Minute)
	want[0] = "Broken: Draft (" + draft + ") has no approved version [resolved__sys, the message inactive__v]"
	if diff := cmp.Diff(want, items()); diff != "" {
		t.Errorf("ERR-2, mended (-want +got)\n%s", diff)
	}
	if got := w.times("clm_presentation"); got != "09:40 09:40" {
		t.Errorf("CLM-8: %s", got)
	}
}

// CONN-3: a sandbox is no source for a production vault, either way.
func TestSandboxes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content, crm string
		items        int
		countries    int
	}{
		"production to sandbox: unfiltered": {"production", "sandbox", 5, 0},
		"sandbox to production: nothing":    {"sandbox", "production", 0, 1},
		"both sandboxes":                    {"sandbox", "sandbox", 4, 1},
	} {
		w := newWorld(t, c.content, c.crm)
		w.must(w.server.SetEngine("crm", true))
		w.filter("us__v")
		w.status("clm_country", "active__v")
		w.status("clm_presentation", "active__v")
		w.pass(time.Minute)
		if got := len(w.content()); got != c.items {
			t.Errorf("%s: %d items, want %d: %v", name, got, c.items, w.content())
		}
		if got := len(w.rows("promomats", "SELECT id FROM crm_connection_country__v")); got != c.countries {
			t.Errorf("%s: %d Connection Country records, want %d", name, got, c.countries)
		}
	}
}
