package vaultapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/providers/devvault"
	"accord/providers/vaultapi"
)

// The client against the development server: what both understand of the
// Vault API must be the same.

type world struct {
	*testing.T
	server *devvault.Server
	url    string
}

func newWorld(t *testing.T, vaults ...string) *world {
	t.Parallel()
	server, err := devvault.Open(devvault.Options{Dir: t.TempDir(), Password: "pw", Lax: true,
		Settings: devvault.Settings{Burst: 1_000_000, AuthBurst: 1000, JobPollPeriod: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vaults {
		name, kind, _ := strings.Cut(v, ":")
		if err := server.AddVault(devvault.VaultSpec{Name: name, Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		_ = server.Close()
	})
	return &world{t, server, web.URL}
}

// fastClock makes waits short and keeps the time they would have taken.
type fastClock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *fastClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *fastClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	c.offset += d
	c.mu.Unlock()
	done := make(chan time.Time, 1)
	done <- c.Now()
	return done
}

func (w *world) config(vault string) vaultapi.Config {
	return vaultapi.Config{
		BaseURL: w.url + "/" + vault,
		Credentials: func(context.Context) (string, vaultapi.Secret, error) {
			return "admin@" + vault + ".dev", vaultapi.NewSecret("pw"), nil
		},
		Clock: &fastClock{},
	}
}

func (w *world) open(vault string) *vaultapi.Client {
	w.Helper()
	c, err := vaultapi.Open(w.Context(), w.config(vault))
	w.ok(err)
	w.Cleanup(func() { _ = c.Close(context.WithoutCancel(w.Context())) })
	return c
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) equal(want, got any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Error(diff)
	}
}

func (w *world) kind(want vaultapi.Kind, err error) {
	w.Helper()
	if vaultapi.KindOf(err) != want {
		w.Errorf("error %v (kind %q), want kind %q", err, vaultapi.KindOf(err), want)
	}
}

func (w *world) fault(f devvault.Fault) {
	w.Helper()
	_, err := w.server.AddFault(f)
	w.ok(err)
}

func TestDevvaultLogin(t *testing.T) {
	w := newWorld(t, "promo:promomats", "crm-us:crm")
	c := w.open("promo")
	me, err := c.Me(t.Context())
	w.ok(err)
	w.equal("admin@promo.dev", me.Name)
	if id, _ := me.ID.Int(); id != c.UserID() || c.VaultID() == 0 {
		t.Errorf("user %s, session's %d, vault %d", me.ID, c.UserID(), c.VaultID())
	}
	versions, err := c.Versions(t.Context())
	w.ok(err)
	if !slices.Contains(versions, vaultapi.DefaultAPIVersion) {
		t.Errorf("versions %v", versions)
	}
	domain, err := c.Domain(t.Context())
	w.ok(err)
	var names []string
	for _, v := range domain.Vaults {
		names = append(names, v.Name+" "+v.Type)
	}
	slices.Sort(names)
	w.equal([]string{"crm-us sandbox", "promo sandbox"}, names)
	rights, err := c.Permissions(t.Context(), "name__v::object.country__v.object_actions")
	w.ok(err)
	if len(rights) != 1 || !rights[0].Grants["edit"] {
		t.Errorf("rights %+v", rights)
	}

	// The password of another, a vault of another, another id.
	cfg := w.config("promo")
	cfg.Credentials = func(context.Context) (string, vaultapi.Secret, error) {
		return "admin@promo.dev", vaultapi.NewSecret("wrong"), nil
	}
	_, err = vaultapi.Open(t.Context(), cfg)
	w.kind(vaultapi.Auth, err)
	cfg = w.config("promo")
	cfg.BaseURL = w.url + "/crm-us" // this user has no account there: login falls back to promo
	_, err = vaultapi.Open(t.Context(), cfg)
	w.kind(vaultapi.WrongVault, err)
	cfg = w.config("promo")
	cfg.Expect.VaultID = c.VaultID() + 1
	_, err = vaultapi.Open(t.Context(), cfg)
	w.kind(vaultapi.WrongVault, err)

	// All sessions end; many callers go on with one login.
	w.server.ExpireSessions()
	before := c.Stats().Logins
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := c.Me(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	w.equal(before+1, c.Stats().Logins)
}

func TestDevvaultMetadata(t *testing.T) {
	w := newWorld(t, "promo:promomats", "crm-us:crm")
	promo, crm := w.open("promo"), w.open("crm-us")
	ctx := t.Context()

	objects, err := crm.Objects(ctx)
	w.ok(err)
	if len(objects) < 10 {
		t.Errorf("%d objects", len(objects))
	}
	point, err := crm.Object(ctx, "integration_point__sys")
	w.ok(err)
	field, err := point.FieldByLabel("Last Successful Run Time")
	w.ok(err)
	w.equal("DateTime", field.Type)
	connected, err := promo.ObjectByLabel(ctx, "CRM Connection Country")
	w.ok(err)
	reference, err := connected.Field("country__v")
	w.ok(err)
	w.equal("country__v", reference.Object.Name)
	_, err = crm.Object(ctx, "nothing__c")
	w.kind(vaultapi.NotFound, err)
	types, err := crm.ObjectTypes(ctx, "connection_settings__v")
	w.ok(err)
	if !slices.ContainsFunc(types, func(o vaultapi.ObjectType) bool { return o.Name == "clm_integration_settings__v" }) {
		t.Errorf("object types %+v", types)
	}

	fields, err := promo.DocumentFields(ctx)
	w.ok(err)
	publish, err := fields.ByLabel("Publish for CRM (CLM)")
	w.ok(err)
	w.equal("clm_content__v", publish.Name)
	documentTypes, err := crm.DocumentTypes(ctx)
	w.ok(err)
	var names []string
	for _, each := range documentTypes {
		names = append(names, each.Name())
	}
	if !slices.Contains(names, "slide__v") || !slices.Contains(names, "shared_resource__v") {
		t.Errorf("types %v", names)
	}
	slide, err := crm.DocumentType(ctx, "slide__v")
	w.ok(err)
	w.equal("crm_content__v", slide.Lifecycles[0].Name)
	relations, err := promo.RelationshipTypes(ctx, "multichannel_slide__v")
	w.ok(err)
	if !slices.ContainsFunc(relations, func(r vaultapi.RelationshipType) bool { return strings.HasPrefix(r.Name, "related_shared_resource__v") }) {
		t.Errorf("relationship types %+v", relations)
	}

	lifecycle, err := crm.Lifecycle(ctx, "crm_content__v")
	w.ok(err)
	approved := lifecycle.StatesOf("steady")
	if len(approved) != 1 || len(lifecycle.StatesOf("obsolete")) != 1 || len(lifecycle.StatesOf("starting")) != 1 {
		t.Fatalf("%+v", lifecycle)
	}
	state, _ := lifecycle.State(approved[0])
	actions, err := state.Actions()
	w.ok(err)
	if len(actions) == 0 || actions[0].State != lifecycle.StatesOf("obsolete")[0] {
		t.Errorf("actions of %s: %+v", approved, actions)
	}

	lists, err := crm.Picklists(ctx)
	w.ok(err)
	values, err := crm.PicklistValues(ctx, "country_cda__v")
	w.ok(err)
	if len(lists) == 0 || !slices.Contains(values, vaultapi.Labelled{Name: "us__v", Label: "United States"}) {
		t.Errorf("%d picklists; countries %v", len(lists), values)
	}
	kinds, err := crm.ComponentTypes(ctx)
	w.ok(err)
	if !slices.ContainsFunc(kinds, func(k vaultapi.ComponentType) bool { return k.Name == "Integrationrule" }) {
		t.Errorf("component types %+v", kinds)
	}
}

type country struct {
	ID     vaultapi.ID    `json:"id"`
	Name   string         `json:"name__v"`
	Status vaultapi.Names `json:"status__v"`
}

func TestDevvaultRecords(t *testing.T) {
	w := newWorld(t, "promo:promomats")
	c := w.open("promo")
	ctx := t.Context()
	began := time.Now().Add(-time.Minute)

	var rows []vaultapi.Fields
	for i := range 1203 {
		rows = append(rows, vaultapi.Fields{"name__v": fmt.Sprintf("Product %04d 'x' \\ \"y\"", i), "external_id__v": fmt.Sprintf("E-%04d", i)})
	}
	rows[700]["no_such_field__c"] = "x"
	created := c.UpsertRecords(ctx, "product__v", "external_id__v", rows)
	for i, r := range created {
		want := vaultapi.Kind("")
		if i == 700 {
			want = vaultapi.Invalid
		}
		if vaultapi.KindOf(r.Err) != want || i != 700 && (r.Event != "created__sys" || r.ID == "" || r.Key != rows[i]["external_id__v"]) {
			t.Fatalf("row %d: %+v", i, r)
		}
	}

	// Read back: all of them, in pages, and by key.
	n := 0
	var details vaultapi.Details
	for r, err := range vaultapi.QueryInto[country](ctx, c.Reader, "SELECT id, name__v, status__v FROM product__v WHERE external_id__v LIKE 'E-%' ORDER BY external_id__v PAGESIZE 100", vaultapi.WithDetails(&details)) {
		w.ok(err)
		if n == 700 {
			n++ // the one that failed
		}
		if r.Name != rows[n]["name__v"] || r.ID != created[n].ID || r.Status.One() != "active__v" {
			t.Fatalf("row %d: %+v", n, r)
		}
		n++
	}
	w.equal(1203, n)
	w.equal(1202, details.Total)
	last, n := vaultapi.ID(""), 0
	for {
		page, err := vaultapi.QueryPage[country](ctx, c.Reader, "SELECT id, name__v FROM product__v WHERE id > "+vaultapi.Quote(last)+" ORDER BY id PAGESIZE 500")
		w.ok(err)
		if len(page.Rows) == 0 {
			break
		}
		n += len(page.Rows)
		last = page.Rows[len(page.Rows)-1].ID
	}
	if n < 1202 {
		t.Errorf("%d rows by key", n)
	}
	page, err := vaultapi.QueryPage[country](ctx, c.Reader, "SELECT id FROM product__v WHERE name__v = "+vaultapi.Quote(rows[3]["name__v"].(string)))
	w.ok(err)
	w.equal(1, len(page.Rows))
	var d vaultapi.Description
	for _, err := range c.Query(ctx, "SELECT id, name__v FROM product__v MAXROWS 1", vaultapi.WithDescription(&d)) {
		w.ok(err)
	}
	if d.Object.Name != "product__v" || len(d.Fields) != 2 || d.Fields[1].Label == "" {
		t.Errorf("description %+v", d)
	}
	for _, err := range c.Query(ctx, "SELECT nothing FROM") {
		w.kind(vaultapi.Invalid, err)
	}

	// Update: a change, no change, nobody there.
	updated := c.UpdateRecords(ctx, "product__v", []vaultapi.Fields{
		{"id": created[0].ID, "name__v": "Changed"}, {"id": created[1].ID, "name__v": rows[1]["name__v"]}, {"id": "00P000000ZZZZZZ", "name__v": "x"},
	})
	w.ok(updated[0].Err)
	w.ok(updated[1].Err)
	if updated[0].Unchanged || !updated[1].Unchanged {
		t.Errorf("%+v", updated)
	}
	w.kind(vaultapi.Invalid, updated[2].Err)
	again := c.UpsertRecords(ctx, "product__v", "external_id__v", []vaultapi.Fields{{"external_id__v": "E-0000", "name__v": "Again"}})
	w.ok(again[0].Err)
	w.equal("updated__sys", again[0].Event)
	var one country
	w.ok(c.GetRecord(ctx, "product__v", created[0].ID, &one))
	w.equal(country{created[0].ID, "Again", vaultapi.Names{"active__v"}}, one)
	w.kind(vaultapi.NotFound, c.GetRecord(ctx, "product__v", "00P000000ZZZZZZ", &one))

	// Delete, and the list of what is gone.
	w.ok(vaultapi.FirstError(c.DeleteRecords(ctx, "product__v", []vaultapi.ID{created[0].ID, created[1].ID})))
	var gone []vaultapi.ID
	for del, err := range c.DeletedRecords(ctx, "product__v", began, time.Time{}) {
		w.ok(err)
		gone = append(gone, del.ID)
		if _, err := vaultapi.ParseTime(del.Date); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(gone)
	w.equal([]vaultapi.ID{created[0].ID, created[1].ID}, gone)
}

type document struct {
	ID       vaultapi.ID    `json:"id"`
	Name     string         `json:"name__v"`
	Title    string         `json:"title__v"`
	Status   string         `json:"status__v"`
	Major    vaultapi.Int   `json:"major_version_number__v"`
	Minor    vaultapi.Int   `json:"minor_version_number__v"`
	Country  vaultapi.Names `json:"country__v"`
	Link     vaultapi.Bool  `json:"crosslink__v"`
	SourceID vaultapi.ID    `json:"source_document_id__v"`
}

func (d document) version() vaultapi.Version {
	return vaultapi.Version{ID: d.ID, Major: int(d.Major), Minor: int(d.Minor)}
}

// approve runs whatever action leads to a state.
func (w *world) approve(c *vaultapi.Client, f vaultapi.Family, v vaultapi.Version, action string) {
	w.Helper()
	actions, err := c.LifecycleActions(w.Context(), f, v)
	w.ok(err)
	for _, a := range actions {
		if a.Name == action && bool(a.Executable) {
			w.ok(c.ExecuteLifecycleAction(w.Context(), f, v, action, nil))
			return
		}
	}
	w.Fatalf("no action %s on %s: %+v", action, v, actions)
}

func (w *world) slide(c *vaultapi.Client, name string) vaultapi.ID {
	w.Helper()
	id, err := c.CreateDocument(w.Context(), vaultapi.Fields{"name__v": name, "type__v": "multichannel_slide__v", "lifecycle__v": "promo_mats_lifecycle__v"}, nil)
	w.ok(err)
	return id
}

func (w *world) steady(c *vaultapi.Client, lifecycle string) (state, action string) {
	w.Helper()
	l, err := c.Lifecycle(w.Context(), lifecycle)
	w.ok(err)
	starting, _ := l.State(l.StatesOf("starting")[0])
	actions, err := starting.Actions()
	w.ok(err)
	for _, a := range actions {
		if slices.Contains(l.StatesOf("steady"), a.State) {
			return starting.Name, a.Name
		}
	}
	w.Fatalf("no action of %+v leads to a steady state", starting)
	return "", ""
}

func TestDevvaultDocuments(t *testing.T) {
	w := newWorld(t, "promo:promomats", "crm-us:crm")
	w.ok(w.server.Connect(devvault.ConnectSpec{Content: "promo", CRM: "crm-us"}, w.url))
	promo, crm := w.open("promo"), w.open("crm-us")
	ctx := t.Context()
	draft, approve := w.steady(crm, "crm_content__v")

	countries := promo.CreateRecords(ctx, "country__v", []vaultapi.Fields{{"name__v": "A"}, {"name__v": "B"}})
	w.ok(vaultapi.FirstError(countries))

	// Created one by one and in a batch, updated in a batch by differing columns.
	ids := []vaultapi.ID{w.slide(promo, "One"), w.slide(promo, "Two")}
	results := promo.CreateDocuments(ctx, []vaultapi.Fields{
		{"name__v": "Three, \"quoted\"\nand more", "type__v": "multichannel_slide__v", "lifecycle__v": "promo_mats_lifecycle__v"},
		{"name__v": "Four", "type__v": "no_such_type__c", "lifecycle__v": "promo_mats_lifecycle__v"},
	})
	w.ok(results[0].Err)
	w.kind(vaultapi.Invalid, results[1].Err)
	ids = append(ids, results[0].ID)
	results = promo.UpdateDocuments(ctx, []vaultapi.Fields{
		{"id": ids[0], "title__v": "back\\slash", "country__v": []vaultapi.ID{countries[0].ID, countries[1].ID}},
		{"id": ids[1], "title__v": "x"},
		{"id": "999999", "title__v": "x"},
		{"id": ids[2], "title__v": "line\nbreak", "country__v": nil},
	})
	w.kind(vaultapi.Invalid, results[2].Err)
	results[2].Err = nil
	w.ok(vaultapi.FirstError(results))
	var one, three document
	reply, err := promo.GetDocument(ctx, vaultapi.Documents, ids[0], &one)
	w.ok(err)
	w.equal(1, len(reply.Versions))
	w.equal("back\\slash", one.Title)
	slices.Sort(one.Country)
	w.equal(2, len(one.Country))
	_, err = promo.GetDocument(ctx, vaultapi.Documents, ids[2], &three)
	w.ok(err)
	w.equal("Three, \"quoted\"\nand more", three.Name)
	w.equal("line\nbreak", three.Title)
	_, err = promo.GetDocument(ctx, vaultapi.Documents, "999999", &three)
	w.kind(vaultapi.NotFound, err)

	// States and versions.
	_, steady := w.steady(promo, "promo_mats_lifecycle__v")
	w.approve(promo, vaultapi.Documents, one.version(), steady)
	_, err = promo.GetDocument(ctx, vaultapi.Documents, ids[0], &one)
	w.ok(err)
	w.equal("1.0 Approved", fmt.Sprintf("%d.%d %s", one.Major, one.Minor, one.Status))
	v, err := promo.NewDraft(ctx, vaultapi.Documents, ids[0], nil)
	w.ok(err)
	w.equal(vaultapi.Version{ID: ids[0], Major: 1, Minor: 1}, v)
	w.ok(promo.UpdateVersion(ctx, vaultapi.Documents, v, vaultapi.Fields{"title__v": "of the draft"}))
	var old document
	_, err = promo.GetVersion(ctx, vaultapi.Documents, vaultapi.Version{ID: ids[0], Major: 1}, &old)
	w.ok(err)
	w.equal("back\\slash", old.Title)
	var steadyOnes []vaultapi.ID
	for d, err := range vaultapi.QueryInto[document](ctx, promo.Reader, "SELECT LATESTVERSION id, name__v FROM ALLVERSIONS documents WHERE status__v = STEADYSTATE()") {
		w.ok(err)
		steadyOnes = append(steadyOnes, d.ID)
	}
	w.equal([]vaultapi.ID{ids[0]}, steadyOnes)
	_, err = promo.Renditions(ctx, vaultapi.Version{ID: ids[0]})
	w.ok(err)

	// Relationships.
	shared := w.slide(promo, "Shared")
	made := promo.CreateRelationships(ctx, []vaultapi.Relationship{
		{Source: ids[1], Target: shared, Type: "related_shared_resource__v"}, {Source: ids[1], Target: "999999", Type: "related_shared_resource__v"},
	})
	w.ok(made[0].Err)
	w.kind(vaultapi.Invalid, made[1].Err)
	list, err := promo.Relationships(ctx, vaultapi.Version{ID: ids[1], Minor: 1})
	w.ok(err)
	if len(list) != 1 || list[0].Target != shared || list[0].ID != made[0].ID {
		t.Errorf("relationships %+v", list)
	}
	w.ok(vaultapi.FirstError(promo.DeleteRelationships(ctx, []vaultapi.ID{made[0].ID})))

	// CrossLinks, and their states in bulk.
	link := vaultapi.CrossLink{SourceVault: promo.VaultID(), SourceDocument: ids[0], Rule: vaultapi.LatestSteady, Fields: vaultapi.Fields{"name__v": "One", "type__v": "slide__v", "lifecycle__v": "crm_content__v"}}
	linked, err := crm.CreateCrossLink(ctx, link)
	w.ok(err)
	var copied document
	_, err = crm.GetDocument(ctx, vaultapi.Documents, linked, &copied)
	w.ok(err)
	if !copied.Link || copied.SourceID != ids[0] {
		t.Errorf("%+v", copied)
	}
	link.SourceDocument = ids[1] // which has no steady version
	_, err = crm.CreateCrossLink(ctx, link)
	w.kind(vaultapi.Invalid, err)
	w.ok(vaultapi.FirstError(crm.ExecuteLifecycleActions(ctx, vaultapi.Documents, approve, "crm_content__v", draft, []vaultapi.Version{copied.version()})))
	_, err = crm.GetDocument(ctx, vaultapi.Documents, linked, &copied)
	w.ok(err)
	w.equal("Approved", copied.Status)

	// Deletion.
	w.ok(vaultapi.FirstError(promo.DeleteDocuments(ctx, []vaultapi.ID{ids[2]})))
	w.ok(promo.DeleteDocument(ctx, vaultapi.Documents, shared))
	w.kind(vaultapi.NotFound, promo.DeleteDocument(ctx, vaultapi.Documents, shared))
	var gone []vaultapi.ID
	for d, err := range promo.DeletedDocuments(ctx, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)) {
		w.ok(err)
		if d.Type == "document__sys" {
			gone = append(gone, d.ID)
		}
	}
	slices.Sort(gone)
	want := []vaultapi.ID{ids[2], shared}
	slices.Sort(want)
	w.equal(want, gone)
}

func TestDevvaultBinders(t *testing.T) {
	w := newWorld(t, "promo:promomats")
	c := w.open("promo")
	ctx := t.Context()
	a, b := w.slide(c, "A"), w.slide(c, "B")
	binder, err := c.CreateBinder(ctx, vaultapi.Fields{"name__v": "Launch", "type__v": "multichannel_presentation__v", "lifecycle__v": "promo_mats_lifecycle__v"})
	w.ok(err)
	first, err := c.AddNode(ctx, binder, vaultapi.NewNode{Document: a, Rule: vaultapi.SteadyNode})
	w.ok(err)
	front := 0
	_, err = c.AddNode(ctx, binder, vaultapi.NewNode{Document: b, Order: &front})
	w.ok(err)
	section, err := c.AddSection(ctx, binder, "More", "", nil)
	w.ok(err)
	w.ok(c.SetBindingRule(ctx, binder, vaultapi.CurrentNode, true))
	w.ok(c.SetNodeRule(ctx, binder, first, vaultapi.SteadyNode, 0, 0))

	order := func() string {
		got, err := c.GetBinder(ctx, binder, true)
		w.ok(err)
		var names []string
		for _, n := range got.Nodes {
			names = append(names, n.Name)
			for _, below := range n.Nodes {
				names = append(names, n.Name+"/"+below.Name)
			}
		}
		return strings.Join(names, " ")
	}
	w.equal("B A More", order())
	moved, err := c.MoveNode(ctx, binder, first, section, nil)
	w.ok(err)
	w.equal("B More More/A", order())
	w.ok(c.RemoveNode(ctx, binder, moved))
	w.ok(c.RemoveSection(ctx, binder, section))
	w.equal("B", order())

	// The nodes by query, of the binder's version.
	type row struct {
		ID    vaultapi.ID `json:"id"`
		Nodes vaultapi.Sub[struct {
			Content vaultapi.ID `json:"content_id__sys"`
		}] `json:"binder_nodes__sysr"`
	}
	for r, err := range vaultapi.QueryInto[row](ctx, c.Reader, "SELECT id, (SELECT id, content_id__sys FROM binder_nodes__sysr) FROM binders") {
		w.ok(err)
		if r.ID != binder || !r.Nodes.Complete() || len(r.Nodes.Data) != 1 || r.Nodes.Data[0].Content != b {
			t.Errorf("%+v", r)
		}
	}
	v, err := c.NewDraft(ctx, vaultapi.Binders, binder, nil)
	w.ok(err)
	w.equal(vaultapi.Version{ID: binder, Minor: 2}, v)
	w.ok(c.UpdateDocument(ctx, vaultapi.Binders, binder, vaultapi.Fields{"title__v": "T"}))
	_, approve := w.steady(c, "promo_mats_lifecycle__v")
	w.approve(c, vaultapi.Binders, v, approve)
	w.ok(c.DeleteDocument(ctx, vaultapi.Binders, binder))
}

func TestDevvaultMDL(t *testing.T) {
	w := newWorld(t, "crm-us:crm")
	c := w.open("crm-us")
	ctx := t.Context()
	result, err := c.ExecuteMDL(ctx, "RECREATE Picklist dose_form__c (label('Dose form'), active(true), Picklistentry tablet__c(value('Tablet'), order(0), active(true)));")
	w.ok(err)
	w.equal(1, result.Script.Affected)
	w.equal("Picklist.dose_form__c", result.Statements[0].Component)
	text, err := c.Component(ctx, "Picklist.dose_form__c")
	w.ok(err)
	if !strings.HasPrefix(text, "RECREATE Picklist dose_form__c") || !strings.Contains(text, "Tablet") {
		t.Errorf("%s", text)
	}
	var picklist struct {
		Label   string              `json:"label"`
		Entries []vaultapi.Labelled `json:"Picklistentry"`
	}
	w.ok(c.Configuration(ctx, "Picklist.dose_form__c", &picklist))
	if picklist.Label != "Dose form" || len(picklist.Entries) != 1 {
		t.Errorf("%+v", picklist)
	}
	w.ok(c.AddPicklistValues(ctx, "dose_form__c", "Syrup"))
	values, err := c.PicklistValues(ctx, "dose_form__c")
	w.ok(err)
	w.equal([]vaultapi.Labelled{{Name: "tablet__c", Label: "Tablet"}, {Name: "syrup__c", Label: "Syrup"}}, values)

	_, err = c.Component(ctx, "Picklist.nothing__c")
	w.kind(vaultapi.NotFound, err)
	result, err = c.ExecuteMDL(ctx, "ALTER Picklist nothing__c (label('x'));")
	w.kind(vaultapi.Invalid, err)
	if result == nil || len(result.Statements) == 0 {
		t.Errorf("no statement of %v", err)
	}
	text, err = c.Component(ctx, "Integrationrule.promomats_crm_clm_presentation_iir__v")
	w.ok(err)
	if !strings.Contains(text, "Queryobjectrule") {
		t.Errorf("%s", text)
	}
}

// Trouble that the server makes, through the whole client.
func TestDevvaultFaults(t *testing.T) {
	w := newWorld(t, "promo:promomats")
	c := w.open("promo")
	ctx := t.Context()
	count := func() int {
		page, err := vaultapi.QueryPage[country](ctx, c.Reader, "SELECT id FROM product__v WHERE name__v LIKE 'F%'")
		w.ok(err)
		return page.Details.Total
	}
	create := func() error {
		return vaultapi.FirstError(c.CreateRecords(ctx, "product__v", []vaultapi.Fields{{"name__v": fmt.Sprintf("F%d", time.Now().UnixNano())}}))
	}
	for name, test := range map[string]struct {
		fault   devvault.Fault
		want    vaultapi.Kind
		created int
	}{
		"throttled":       {devvault.Fault{Kind: "throttle", DelayMS: 1}, "", 1},
		"proxy":           {devvault.Fault{Kind: "http"}, vaultapi.Ambiguous, 0},
		"proxy, but done": {devvault.Fault{Kind: "http_after", Status: 502}, vaultapi.Ambiguous, 1},
		"cut":             {devvault.Fault{Kind: "cut"}, vaultapi.Ambiguous, 0},
		"cut, but done":   {devvault.Fault{Kind: "cut_after"}, vaultapi.Ambiguous, 1},
		"race":            {devvault.Fault{Kind: "failure", Type: "RACE_CONDITION"}, "", 1},
		"limit":           {devvault.Fault{Kind: "failure", Type: "API_LIMIT_EXCEEDED"}, "", 1},
		"refused":         {devvault.Fault{Kind: "failure", Type: "INSUFFICIENT_ACCESS"}, vaultapi.Permission, 0},
		"exception":       {devvault.Fault{Kind: "exception"}, vaultapi.Ambiguous, 0},
		"expired":         {devvault.Fault{Kind: "expired"}, "", 1},
		"row":             {devvault.Fault{Kind: "row_failure", Type: "INVALID_DATA"}, vaultapi.Invalid, 0},
		"row, for now":    {devvault.Fault{Kind: "row_failure", Type: "OPERATION_IN_PROGRESS"}, "", 1},
		"downtime":        {devvault.Fault{Kind: "downtime", Minutes: 5}, "", 1},
	} {
		before := count()
		test.fault.Method, test.fault.Route, test.fault.Count = "POST", "vobjects/{object}", 1
		w.fault(test.fault)
		if err := create(); vaultapi.KindOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if met := w.server.Faults()[0].Times; met != 1 {
			t.Errorf("%s: the fault struck %d times", name, met)
		}
		w.server.ClearFaults()
		if n := count() - before; n != test.created {
			t.Errorf("%s: %d created, want %d", name, n, test.created)
		}
	}
	for _, kind := range []string{"http", "cut", "cut_after", "exception", "expired"} {
		w.fault(devvault.Fault{Kind: kind, Method: "POST", Route: "query", Count: 1})
		count()
		w.server.ClearFaults()
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err := c.Me(gone)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
