package vaultapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/providers/devvault"
	"accord/providers/vaultapi"
)

// The fidelity checklist of the API digest, point by point, as it is seen
// through the client. What a client hides (status lines, headers, the exact
// keys of bodies) is walked through raw HTTP in providers/devvault.
func TestConformance(t *testing.T) {
	w := newWorld(t, "promo:promomats", "crm-us:crm")
	w.ok(w.server.Connect(devvault.ConnectSpec{Content: "promo", CRM: "crm-us"}, w.url))
	promo, crm := w.open("promo"), w.open("crm-us")
	ctx := t.Context()
	point := func(n int, what string, check func(w *world)) {
		t.Run(fmt.Sprintf("%d %s", n, what), func(t *testing.T) {
			one := *w
			one.T = t
			check(&one)
		})
	}
	apiType := func(err error) string {
		e, ok := err.(*vaultapi.Error)
		if !ok {
			return fmt.Sprint(err)
		}
		return e.Type
	}

	point(1, "what went wrong is in the body", func(w *world) {
		var any []map[string]any
		for what, err := range map[string]error{
			"MALFORMED_URL": promo.Follow(ctx, vaultapi.JobLink{Href: "/api/v25.2/no/such/thing"}, &any),
			"INVALID_DATA":  promo.GetRecord(ctx, "country__v", "00C00000000ZZZZ", &any),
		} {
			if got := apiType(err); got != what {
				w.Errorf("%s, want %s", got, what)
			}
		}
		w.server.ExpireSessions()
		_, err := promo.Me(ctx) // with a new session
		w.ok(err)
	})
	point(2, "addresses are of the host that was asked", func(w *world) {
		versions, err := promo.Versions(ctx)
		w.ok(err)
		if !slices.Contains(versions, vaultapi.DefaultAPIVersion) {
			w.Errorf("versions %v", versions)
		}
		w.ok(w.server.AddUser(devvault.UserSpec{Name: "elsewhere@dev", Vaults: map[string]string{"crm-us": "business_user__v"}}))
		cfg := w.config("promo")
		cfg.Credentials = func(context.Context) (string, vaultapi.Secret, error) {
			return "elsewhere@dev", vaultapi.NewSecret("pw"), nil
		}
		_, err = vaultapi.Open(ctx, cfg)
		w.kind(vaultapi.WrongVault, err)
	})
	point(3, "headers", func(w *world) {
		var mu sync.Mutex
		var calls []vaultapi.Trace
		cfg := w.config("promo")
		cfg.Trace = func(t vaultapi.Trace) { mu.Lock(); calls = append(calls, t); mu.Unlock() }
		c, err := vaultapi.Open(ctx, cfg)
		w.ok(err)
		_, err = c.Me(ctx)
		w.ok(err)
		for _, call := range calls {
			if call.ExecutionID == "" || call.Status != "SUCCESS" || call.HTTPStatus != http.StatusOK {
				w.Errorf("%+v", call)
			}
		}
	})
	countries := promo.CreateRecords(ctx, "country__v", []vaultapi.Fields{{"name__v": "A"}, {"name__v": "B"}})
	w.ok(vaultapi.FirstError(countries))
	slide := w.slide(promo, "Slide")
	point(4, "documents answer labels, objects names", func(w *world) {
		var d struct {
			Type string `json:"type__v"`
			ID   int    `json:"id"`
		}
		_, err := promo.GetDocument(ctx, vaultapi.Documents, slide, &d)
		w.ok(err)
		w.equal("Multichannel Slide", d.Type)
		var r struct {
			ID     string   `json:"id"`
			Status []string `json:"status__v"`
		}
		w.ok(promo.GetRecord(ctx, "country__v", countries[0].ID, &r))
		w.equal([]string{"active__v"}, r.Status)
	})
	point(5, "bulk", func(w *world) {
		results := promo.UpdateRecords(ctx, "country__v", []vaultapi.Fields{{"id": countries[0].ID, "name__v": "A"}, {"id": "00C0000000NOBODY", "name__v": "x"}, {"id": countries[1].ID, "name__v": "C"}})
		w.ok(results[0].Err)
		w.kind(vaultapi.Invalid, results[1].Err)
		w.ok(results[2].Err)
		if !results[0].Unchanged || results[2].Unchanged || results[0].ID != countries[0].ID {
			w.Errorf("%+v", results)
		}
		many := make([]vaultapi.Fields, 1201) // three batches
		for i := range many {
			many[i] = vaultapi.Fields{"name__v": fmt.Sprintf("P%04d", i), "external_id__v": fmt.Sprintf("P%04d", i)}
		}
		created := promo.UpsertRecords(ctx, "product__v", "external_id__v", many)
		w.ok(vaultapi.FirstError(created))
		for i, r := range created {
			if r.Key != many[i]["external_id__v"] || r.Event != "created__sys" {
				w.Fatalf("row %d: %+v", i, r)
			}
		}
	})
	point(6, "VQL", func(w *world) {
		count := func(q string) int {
			page, err := vaultapi.QueryPage[document](ctx, promo.Reader, q)
			w.ok(err)
			return page.Details.Total
		}
		w.equal(1, count("SELECT id FROM documents WHERE type__v = 'Multichannel Slide'"))
		w.equal(1, count("SELECT id FROM documents WHERE TONAME(type__v) = 'multichannel_slide__v'"))
		w.equal(0, count("SELECT id FROM documents WHERE status__v = STEADYSTATE()"))
		w.equal(1201, count("SELECT id FROM product__v WHERE external_id__v != null"))
		w.equal(2, count("SELECT id FROM country__v WHERE external_id__v != 'x'")) // null is not 'x'
		w.equal(1201, count("SELECT id FROM product__v WHERE CASEINSENSITIVE(name__v) LIKE 'p%'"))
		seen := 0
		for _, err := range promo.Query(ctx, "SELECT id FROM product__v PAGESIZE 500") { // pages are asked for by POST
			w.ok(err)
			seen++
		}
		w.equal(1201, seen)
		_, err := vaultapi.QueryPage[document](ctx, promo.Reader, "SELECT id FORM documents")
		w.equal("INCORRECT_QUERY_SYNTAX_ERROR", apiType(err))
	})
	binder, err := promo.CreateBinder(ctx, vaultapi.Fields{"name__v": "B", "type__v": "multichannel_presentation__v", "lifecycle__v": "promo_mats_lifecycle__v"})
	w.ok(err)
	point(7, "nodes of binders", func(w *world) {
		first := 0
		node, err := promo.AddNode(ctx, binder, vaultapi.NewNode{Document: slide, Order: &first})
		w.ok(err)
		b, err := promo.GetBinder(ctx, binder, true)
		w.ok(err)
		if len(b.Nodes) != 1 || b.Nodes[0].ID != node || b.Nodes[0].Parent != vaultapi.RootNode || b.Nodes[0].Order != 0 || strings.Count(node, ":") != 1 {
			w.Errorf("%+v", b.Nodes)
		}
	})
	point(8, "CrossLinks", func(w *world) {
		_, approve := w.steady(promo, "promo_mats_lifecycle__v")
		w.approve(promo, vaultapi.Documents, vaultapi.Version{ID: slide, Minor: 1}, approve)
		fields := vaultapi.Fields{"name__v": "L", "type__v": "slide__v", "lifecycle__v": "crm_content__v"}
		for _, rule := range []vaultapi.BindingRule{"", vaultapi.Latest, vaultapi.SpecificVersion} {
			id, err := crm.CreateCrossLink(ctx, vaultapi.CrossLink{SourceVault: promo.VaultID(), SourceDocument: slide, Rule: rule, Major: 1, Fields: fields})
			w.ok(err)
			var d document
			_, err = crm.GetDocument(ctx, vaultapi.Documents, id, &d)
			w.ok(err)
			if !d.Link || d.SourceID != slide {
				w.Errorf("%+v", d)
			}
		}
		_, err := crm.CreateCrossLink(ctx, vaultapi.CrossLink{SourceVault: promo.VaultID(), SourceDocument: binder, Fields: fields})
		w.kind(vaultapi.Invalid, err)
		w.kind(vaultapi.Invalid, crm.CreateDocuments(ctx, []vaultapi.Fields{{"name__v": "L", "type__v": "slide__v", "lifecycle__v": "crm_content__v", "source_vault_id__v": promo.VaultID(), "source_document_id__v": slide}})[0].Err)
	})
	point(9, "MDL", func(w *world) {
		result, err := crm.ExecuteMDL(ctx, "RECREATE Picklist dose__c (label('Dose'), active(true), Picklistentry one__c(value('One'), order(0), active(true)));")
		w.ok(err)
		w.equal("GEN-S-0", result.Script.Code)
		text, err := crm.Component(ctx, "Picklist.dose__c")
		w.ok(err)
		if !strings.HasPrefix(text, "RECREATE Picklist dose__c") {
			w.Error(text)
		}
		var p struct{ Picklistentry []vaultapi.Labelled }
		w.ok(crm.Configuration(ctx, "Picklist.dose__c", &p))
		w.equal(1, len(p.Picklistentry))
		_, err = crm.ExecuteMDL(ctx, "CREATE Picklist dose__c (label('Dose'), active(true));")
		w.kind(vaultapi.Invalid, err)
	})
	point(10, "jobs", func(w *world) {
		ref, err := crm.ExecuteMDLAsync(ctx, "RECREATE Picklist dose2__c (label('Dose'), active(true));")
		w.ok(err)
		job, err := crm.WaitJob(ctx, ref.ID)
		w.ok(err)
		if !job.Succeeded() {
			w.Errorf("%+v", job)
		}
		result, err := crm.ScriptResults(ctx, ref.ID)
		w.ok(err)
		w.equal(1, result.Script.Affected)
	})
	point(11, "the dialect of CSV", func(w *world) {
		for _, name := range []string{`back\slash`, "tab\tin it", "a \"quoted\", one", "line\nbreak", "carriage\r\nreturn"} {
			results := promo.CreateDocuments(ctx, []vaultapi.Fields{{"name__v": "D", "title__v": name, "type__v": "multichannel_slide__v", "lifecycle__v": "promo_mats_lifecycle__v", "country__v": []vaultapi.ID{countries[0].ID, countries[1].ID}}})
			w.ok(results[0].Err)
			var d document
			_, err := promo.GetDocument(ctx, vaultapi.Documents, results[0].ID, &d)
			w.ok(err)
			if strings.ReplaceAll(d.Title, "\r\n", "\n") != strings.ReplaceAll(name, "\r\n", "\n") || len(d.Country) != 2 {
				w.Errorf("%q became %q, with %d countries", name, d.Title, len(d.Country))
			}
		}
	})
	point(12, "integrations are records, inactive at first", func(w *world) {
		type row struct {
			Name   string         `json:"name__v"`
			Status vaultapi.Names `json:"status__v"`
		}
		var names []string
		for r, err := range vaultapi.QueryInto[row](ctx, crm.Reader, "SELECT name__v, status__v FROM integration__sys") {
			w.ok(err)
			names = append(names, r.Name)
			if !r.Status.Has("inactive__v") {
				w.Errorf("%s is %v", r.Name, r.Status)
			}
		}
		for _, want := range []string{"PromoMats-CRM: CLM Integration", "PromoMats-CRM: Country Integration"} {
			if !slices.Contains(names, want) {
				w.Errorf("no %s among %v", want, names)
			}
		}
		var first map[string]any
		w.kind(vaultapi.NotFound, crm.GetRecord(ctx, "exception_message__sys", "V0000000000NONE", &first))
	})

	// What came later: files, roles, audit, users and groups, deletions.
	t.Run("and beside it", func(t *testing.T) {
		one := *w
		one.T = t
		w := &one
		me, err := promo.Me(ctx)
		w.ok(err)
		var users []vaultapi.ID
		for u, err := range promo.Users(ctx, false) {
			w.ok(err)
			users = append(users, u.ID)
		}
		if !slices.Contains(users, me.ID) {
			w.Errorf("users %v without %s", users, me.ID)
		}
		_, err = promo.Limits(ctx)
		w.ok(err)
		w.ok(promo.KeepAlive(ctx))
		gone := promo.DeleteRecords(ctx, "product__v", []vaultapi.ID{"00P000000000000"})
		w.kind(vaultapi.Invalid, gone[0].Err)
		for _, err := range promo.DeletedDocuments(ctx, time.Now().Add(-time.Hour), time.Now()) {
			w.ok(err)
		}

		file := func(text string) vaultapi.File {
			return vaultapi.File{Name: "a.txt", Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		}
		text := func(n int64, err error) string { w.Helper(); w.ok(err); return fmt.Sprint(n) }
		var out bytes.Buffer
		_, err = promo.ExecuteMDL(ctx, "ALTER Object country__v (allow_attachments(true));")
		w.ok(err)
		for _, h := range []vaultapi.Holder{vaultapi.OfDocument(vaultapi.Documents, slide), vaultapi.OfRecord("country__v", countries[0].ID)} {
			a, err := promo.AddAttachment(ctx, h, file("attached"))
			w.ok(err)
			list, err := promo.Attachments(ctx, h)
			w.ok(err)
			if len(list) != 1 || list[0].ID != a.ID || list[0].Name != "a.txt" || list[0].Size != 8 {
				w.Errorf("attachments %+v", list)
			}
			out.Reset()
			w.equal("8", text(promo.DownloadAttachment(ctx, h, a.ID, 0, &out)))
			w.equal("attached", out.String())
			w.ok(promo.DeleteAttachment(ctx, h, a.ID, 0))
		}
		w.ok(promo.CheckOut(ctx, slide))
		lock, err := promo.LockOf(ctx, slide)
		w.ok(err)
		w.equal(me.ID, lock.By)
		w.ok(promo.UndoCheckOut(ctx, slide))
		roles, err := promo.DocumentRoles(ctx, vaultapi.Documents, slide, "")
		w.ok(err)
		if len(roles) == 0 {
			w.Error("no roles")
		}
		w.ok(promo.AddRendition(ctx, vaultapi.Version{ID: slide}, "imported_rendition__c", file("%PDF")))
		out.Reset()
		w.equal("4", text(promo.DownloadRendition(ctx, vaultapi.Version{ID: slide}, "imported_rendition__c", vaultapi.RenditionOptions{}, &out)))
		lines := 0
		for _, err := range promo.History(ctx, vaultapi.OfRecord("country__v", countries[1].ID), vaultapi.AuditQuery{}) {
			w.ok(err)
			lines++
		}
		if lines == 0 {
			w.Error("no history of a record that was changed")
		}
		group, err := promo.CreateGroup(ctx, vaultapi.Fields{"label__v": "Reviewers", "members__v": []vaultapi.ID{me.ID}})
		w.ok(err)
		g, err := promo.Group(ctx, group)
		w.ok(err)
		if g.Label != "Reviewers" || !slices.Contains(g.Members, me.ID) {
			w.Errorf("%+v", g)
		}
		w.ok(promo.DeleteGroup(ctx, group))
		job, err := promo.CascadeDelete(ctx, "country__v", countries[1].ID)
		w.ok(err)
		if done, err := promo.WaitJob(ctx, job.ID); err != nil || !done.Succeeded() {
			w.Errorf("%+v, %v", done, err)
		}
		for _, err := range promo.CascadeResults(ctx, "country__v", job.ID, false) {
			w.ok(err)
		}
		for _, err := range promo.JobHistories(ctx, vaultapi.JobQuery{}) {
			w.ok(err)
		}
	})
}
