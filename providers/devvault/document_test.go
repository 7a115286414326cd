package devvault

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// doc makes a document and returns its id.
func (b *bench) doc(vault, typ string, pairs ...string) int {
	b.Helper()
	lifecycle := "promo_mats_lifecycle__v"
	if b.vault(vault).kind == kindCRM {
		lifecycle = "crm_content__v"
	}
	f := form("name__v", "A document", "type__v", typ, "lifecycle__v", lifecycle)
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return int(b.must("POST", vault, "objects/documents", f)["id"].(float64))
}

func (b *bench) binder(vault, typ string) int {
	b.Helper()
	lifecycle := "promo_mats_lifecycle__v"
	if b.vault(vault).kind == kindCRM {
		lifecycle = "crm_content__v"
	}
	return int(b.must("POST", vault, "objects/binders", form("name__v", "A binder", "type__v", typ, "lifecycle__v", lifecycle))["id"].(float64))
}

// field reads a field of a document's latest version.
func (b *bench) field(vault string, id int, name string) any {
	b.Helper()
	return b.must("GET", vault, fmt.Sprintf("objects/documents/%d", id), nil).get("document", name)
}

func (b *bench) number(vault string, id int) string {
	b.Helper()
	return fmt.Sprintf("%v.%v", b.field(vault, id, "major_version_number__v"), b.field(vault, id, "minor_version_number__v"))
}

// action runs a lifecycle action on the latest version.
func (b *bench) action(vault string, id int, name string) response {
	b.Helper()
	major, minor, _ := strings.Cut(b.number(vault, id), ".")
	return b.do("PUT", vault, fmt.Sprintf("objects/documents/%d/versions/%s/%s/lifecycle_actions/%s", id, major, minor, name), url.Values{})
}

func TestReadDocumentAnswersLabels(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	product := b.must("POST", "promo", "vobjects/product__v", []map[string]any{{"name__v": "Cholecap"}}).list("data")[0].get("data", "id").(string)
	id := b.doc("promo", "Multichannel Slide", "title__v", "Größe 大", "product__v.name__v", "Cholecap", "language__v", "english__v,French",
		"clm_content__v", "Yes", "crm_end_date__v", "2027-01-31", "external_id__v", "slide-1")
	doc := b.must("GET", "promo", fmt.Sprintf("objects/documents/%d", id), nil).get("document").(map[string]any)
	wanted := map[string]any{
		"id": 1.0, "version_id": "1_0_1", "name__v": "A document", "title__v": "Größe 大", "document_number__v": "VV-000001",
		"type__v": "Multichannel Slide", "lifecycle__v": "PromoMats Lifecycle", "status__v": "Draft",
		"major_version_number__v": 0.0, "minor_version_number__v": 1.0, "latest_version__v": true,
		"global_id__sys": "1001_1", "global_version_id__sys": "1001_1_1", "external_id__v": "slide-1",
		"product__v": []any{product}, "language__v": []any{"English", "French"}, "clm_content__v": true, "crm_end_date__v": "2027-01-31",
		"crosslink__v": false, "binder__v": false, "version_modified_date__v": "2026-03-01T12:00:00.000Z",
		"document_creation_date__v": "2026-03-01T12:00:00.000Z", "version_creation_date__v": "2026-03-01T12:00:00.000Z",
		"created_by__v": 10001.0, "version_created_by__v": 10001.0, "last_modified_by__v": 10001.0,
		"owner__v": map[string]any{"users": []any{10001.0}, "groups": []any{}},
	}
	if d := cmp.Diff(wanted, doc); d != "" {
		t.Error(d)
	}
}

func TestCreateDocumentRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	b.doc("promo", "multichannel_slide__v", "external_id__v", "taken")
	for _, test := range []struct{ field, value, want string }{
		{"name__v", "", "PARAMETER_REQUIRED"},
		{"type__v", "", "PARAMETER_REQUIRED"},
		{"type__v", "no_such_type__v", "INVALID_DATA"},
		{"lifecycle__v", "crm_content__v", "INVALID_DATA"},
		{"external_id__v", "taken", "INVALID_DATA"},
		{"country__v", "00C000000000099", "INVALID_DATA"},
		{"language__v", "klingon__v", "INVALID_DATA"},
		{"clm_content__v", "perhaps", "INVALID_DATA"},
		{"crm_end_date__v", "31.1.2027", "INVALID_DATA"},
		{"nothing__c", "x", "INVALID_DATA"},
		{"status__v", "approved__v", "INVALID_DATA"},
		{"global_id__sys", "x", "INVALID_DATA"},
	} {
		f := form("name__v", "x", "type__v", "multichannel_slide__v", "lifecycle__v", "promo_mats_lifecycle__v")
		f.Set(test.field, test.value)
		want(t, test.field+"="+test.value, b.do("POST", "promo", "objects/documents", f).errorType(), test.want)
	}
}

func TestBodiesOfEveryKind(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	multi := "--x\r\nContent-Disposition: form-data; name=\"name__v\"\r\n\r\nWith a file\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"type__v\"\r\n\r\nmaterial__v\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"lifecycle__v\"\r\n\r\nPromoMats Lifecycle\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n"
	id := b.login("promo", "admin@promo.dev", "secret")
	_, out := b.raw("POST", "/promo/api/v26.2/objects/documents", "multipart/form-data; boundary=x", []byte(multi), http.Header{"Authorization": {id}})
	want(t, "multipart", string(out), `{"responseStatus":"SUCCESS","responseMessage":"successfully created document","id":1}`)
	res, file := b.raw("GET", "/promo/api/v26.2/objects/documents/1/file", "", nil, http.Header{"Authorization": {id}})
	want(t, "file", string(file), "hello")
	want(t, "disposition", res.Header.Get("Content-Disposition"), "attachment; filename=a.txt")

	csv := "name__v,type__v,lifecycle__v,title__v,language__v\nOne,material__v,promo_mats_lifecycle__v,\"a\\\\b, \"\"c\"\"\",\"english__v,german__v\"\nTwo,nothing__v,promo_mats_lifecycle__v,,\n"
	rows := b.must("POST", "promo", "objects/documents/batch", csv).list("data")
	want(t, "first row", rows[0].status(), "SUCCESS")
	want(t, "second row", rows[1].errorType(), "INVALID_DATA")
	want(t, "backslash is doubled in CSV", b.field("promo", int(rows[0]["id"].(float64)), "title__v"), any(`a\b, "c"`))

	js := b.must("POST", "promo", "objects/documents/batch", []map[string]any{{"name__v": "Three", "type__v": "material__v", "lifecycle__v": "promo_mats_lifecycle__v", "language__v": []string{"english__v", "german__v"}}})
	want(t, "JSON", fmt.Sprint(b.field("promo", int(js.list("data")[0]["id"].(float64)), "language__v")), "[English German]")
}

func TestBatchCaps(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	for _, test := range []struct {
		method, path string
		most         int
	}{
		{"POST", "objects/documents/batch", 500}, {"PUT", "objects/documents/batch", 1000}, {"DELETE", "objects/documents/batch", 500},
		{"POST", "vobjects/product__v", 500}, {"PUT", "vobjects/product__v", 500}, {"DELETE", "vobjects/product__v", 500},
		{"POST", "objects/documents/relationships/batch", 1000},
	} {
		what := test.method + " " + test.path
		want(t, what+" full", b.do(test.method, "promo", test.path, slices.Repeat([]map[string]any{{"x": "1"}}, test.most)).status(), "SUCCESS")
		over := b.do(test.method, "promo", test.path, slices.Repeat([]map[string]any{{"x": "1"}}, test.most+1))
		want(t, what+" over", over.status()+" "+over.errorType(), "FAILURE INVALID_DATA")
	}
}

func TestSteadyVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.doc("promo", "multichannel_slide__v", "title__v", "first")
	path := fmt.Sprintf("objects/documents/%d", id)

	want(t, "not in this state", b.action("promo", id, "reinstate__v").errorType(), "INVALID_DATA")
	want(t, "approve", b.action("promo", id, "approve__v").status(), "SUCCESS")
	want(t, "approved", b.number("promo", id), "1.0")
	want(t, "the version keeps its identity", b.field("promo", id, "global_version_id__sys"), any("1001_1_1"))

	b.wait(time.Minute)
	draft := b.must("POST", "promo", path, form("createDraft", "latestContent"))
	want(t, "draft", fmt.Sprint(draft["major_version_number__v"], draft["minor_version_number__v"]), "1 1")
	want(t, "a draft has the fields of its origin", b.field("promo", id, "title__v"), any("first"))
	want(t, "and starts again", b.field("promo", id, "status__v"), any("Draft"))
	b.must("PUT", "promo", path, form("title__v", "second"))
	old := b.must("GET", "promo", path+"/versions/1/0", nil)
	want(t, "values are of a version", old.get("document", "title__v"), any("first"))
	want(t, "the steady version stays steady", old.get("document", "status__v"), any("Approved"))
	want(t, "and is not touched", old.get("document", "version_modified_date__v"), any("2026-03-01T12:00:00.000Z"))

	b.wait(time.Minute)
	b.action("promo", id, "approve__v")
	want(t, "approved again", b.number("promo", id), "2.0")
	want(t, "superseded", b.must("GET", "promo", path+"/versions/1/0", nil).get("document", "status__v"), any("Superseded"))
	versions := b.must("GET", "promo", path+"/versions", nil).list("versions")
	want(t, "versions", fmt.Sprintf("%v %v", versions[0]["number"], versions[1]["number"]), "1.0 2.0")

	b.action("promo", id, "make_obsolete__v")
	want(t, "obsolete", b.field("promo", id, "status__v"), any("Obsolete"))
	want(t, "obsolete keeps its number", b.number("promo", id), "2.0")
	b.action("promo", id, "reinstate__v")
	want(t, "reinstated", b.number("promo", id)+" "+b.field("promo", id, "status__v").(string), "2.0 Approved")
}

func TestBulkActionSkipsWhatDoesNotMatch(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	one, two := b.doc("crm", "slide__v"), b.doc("crm", "slide__v")
	b.action("crm", two, "approve__v")
	docs := fmt.Sprintf("%d:0:1,%d:1:0,99:0:1", one, two)
	shared := b.must("POST", "crm", "objects/documents/lifecycle_actions", form("docIds", docs)).list("lifecycle_actions__v")
	want(t, "actions of both states", len(shared), 3)
	a := b.must("PUT", "crm", "objects/documents/lifecycle_actions/make_obsolete__v", form("docIds", docs, "lifecycle", "crm_content__v", "state", "approved__v"))
	want(t, "a bare success", len(a), 1)
	want(t, "in another state", b.field("crm", one, "status__v"), any("Draft"))
	want(t, "in the state", b.field("crm", two, "status__v"), any("Obsolete"))
}

func TestUnchangedDocumentKeepsItsDate(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.doc("promo", "material__v", "title__v", "same", "language__v", "english__v")
	b.wait(time.Hour)
	b.must("PUT", "promo", "objects/documents/batch", []map[string]any{{"id": id, "title__v": "same", "language__v": []string{"English"}}})
	want(t, "unchanged", b.field("promo", id, "version_modified_date__v"), any("2026-03-01T12:00:00.000Z"))
	b.must("PUT", "promo", "objects/documents/batch", form("docIds", fmt.Sprint(id), "title__v", ""))
	want(t, "cleared", b.field("promo", id, "title__v"), nil)
	want(t, "changed", b.field("promo", id, "version_modified_date__v"), any("2026-03-01T13:00:00.000Z"))
}

func TestDeletedDocumentsAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	first := b.doc("promo", "material__v", "external_id__v", "x")
	b.doc("promo", "material__v")
	b.must("DELETE", "promo", "objects/documents/batch?idParam=external_id__v", "external_id__v\nx\n")
	want(t, "gone", b.do("GET", "promo", fmt.Sprintf("objects/documents/%d", first), nil).errorType(), "INVALID_DATA")
	got := b.must("GET", "promo", "objects/deletions/documents?start_date=2026-03-01T12:00:00Z", nil).list("data")
	wanted := []response{{"id": 1.0, "global_id__sys": "1001_1", "major_version_number__v": "", "minor_version_number__v": "", "external_id__v": "x", "date_deleted": "2026-03-01T12:00:00Z", "deletion_type": "document__sys"}}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Error(d)
	}
	b.wait(31 * 24 * time.Hour)
	want(t, "after 30 days", len(b.must("GET", "promo", "objects/deletions/documents", nil).list("data")), 0)
	b.must("DELETE", "promo", "objects/documents/2", nil)
	want(t, "an id is not used twice", b.doc("promo", "material__v"), 3)
}

func TestBinders(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	binder := b.binder("promo", "multichannel_presentation__v")
	path := fmt.Sprintf("objects/binders/%d", binder)
	a, s := b.doc("promo", "multichannel_slide__v", "name__v", "A"), b.doc("promo", "multichannel_slide__v", "name__v", "S")
	b.wait(time.Minute)
	section := b.must("POST", "promo", path+"/sections", form("name__v", "Chapter"))["id"].(string)
	b.must("POST", "promo", path+"/documents", form("document_id__v", fmt.Sprint(a)))
	b.must("POST", "promo", path+"/documents", form("document_id__v", fmt.Sprint(s), "order__v", "0", "binding_rule__v", "steady-state"))
	b.must("POST", "promo", path+"/documents", form("document_id__v", fmt.Sprint(s), "parent_id__v", section))

	// outline prints the nodes of a version, one a line.
	var print func(list []response, indent string, out *strings.Builder)
	print = func(list []response, indent string, out *strings.Builder) {
		for _, n := range list {
			p := response(n["properties"].(map[string]any))
			fmt.Fprintf(out, "%s%v %v %v\n", indent, p["order__v"], p["type__v"], p["name__v"])
			print(n.list("nodes"), indent+"  ", out)
		}
	}
	outline := func(path string) string {
		var out strings.Builder
		print(response(b.must("GET", "promo", path, nil).get("binder").(map[string]any)).list("nodes"), "", &out)
		return out.String()
	}
	want(t, "nodes", outline(path+"?depth=all"), "0 document S\n1 section Chapter\n  0 document S\n2 document A\n")
	want(t, "root only", outline(path), "0 document S\n1 section Chapter\n2 document A\n")
	want(t, "nodes are a change of the version", b.field("promo", binder, "version_modified_date__v"), any("2026-03-01T12:01:00.000Z"))
	want(t, "a document is no binder", b.do("GET", "promo", fmt.Sprintf("objects/binders/%d", a), nil).errorType(), "INVALID_DATA")

	b.must("PUT", "promo", path+"/versions/0/1/lifecycle_actions/approve__v", url.Values{})
	b.must("POST", "promo", path, nil)
	b.must("DELETE", "promo", path+"/sections/"+url.PathEscape(section), nil)
	want(t, "the draft", outline(path+"?depth=all"), "0 document S\n1 document A\n")
	want(t, "the version before", outline(path+"/versions/1/0?depth=all"), "0 document S\n1 section Chapter\n  0 document S\n2 document A\n")
	nodes := response(b.must("GET", "promo", path, nil).get("binder").(map[string]any)).list("nodes")
	id := nodes[1].get("properties", "id").(string)
	b.must("PUT", "promo", path+"/documents/"+url.PathEscape(id), form("order__v", "0"))
	want(t, "moved", outline(path), "0 document A\n1 document S\n")
	if got := nodes[0].get("properties", "parent_id__v"); got != "rootNode" {
		t.Errorf("root's parent: %v", got)
	}
	want(t, "binding rule", nodes[0].get("properties", "binding_rule__v"), any("steady-state"))
	b.must("PUT", "promo", path+"/documents/"+url.PathEscape(id)+"/binding_rule", form("binding_rule__v", "specific", "major_version_number__v", "0", "minor_version_number__v", "1"))
	want(t, "no such rule", b.do("PUT", "promo", path+"/documents/"+url.PathEscape(id)+"/binding_rule", form("binding_rule__v", "x")).errorType(), "INVALID_DATA")
}

func TestCrossLinks(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "crm:crm")
	source := b.doc("promo", "multichannel_slide__v", "name__v", "Source")
	link := func(pairs ...string) response {
		f := form("name__v", "Link", "type__v", "slide__v", "lifecycle__v", "crm_content__v", "source_vault_id__v", "1001", "source_document_id__v", fmt.Sprint(source))
		for i := 0; i+1 < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return b.do("POST", "crm", "objects/documents", f)
	}
	want(t, "the standard rule needs a steady version", link().errorType(), "INVALID_DATA")
	draft := link("source_binding_rule__v", "latest VERSION")
	want(t, "rules compare without case", draft.status(), "SUCCESS")
	want(t, "specific needs a version", link("source_binding_rule__v", "Specific document version").errorType(), "PARAMETER_REQUIRED")
	want(t, "specific", link("source_binding_rule__v", "Specific document version", "bound_source_major_version__v", "0", "bound_source_minor_version__v", "1").status(), "SUCCESS")
	want(t, "unknown rule", link("source_binding_rule__v", "whatever").errorType(), "INVALID_DATA")
	want(t, "unknown document", link("source_document_id__v", "99").errorType(), "INVALID_DATA")
	want(t, "unknown vault", link("source_vault_id__v", "99").errorType(), "INVALID_DATA")
	want(t, "a CrossLink is no source", b.do("POST", "promo", "objects/documents", form("name__v", "x", "type__v", "material__v", "lifecycle__v", "promo_mats_lifecycle__v",
		"source_vault_id__v", "1002", "source_document_id__v", fmt.Sprint(draft["id"]))).errorType(), "OPERATION_NOT_ALLOWED")
	want(t, "not in a batch", b.do("POST", "crm", "objects/documents/batch", []map[string]any{{"name__v": "x", "type__v": "slide__v", "lifecycle__v": "crm_content__v",
		"source_vault_id__v": 1001, "source_document_id__v": source}}).list("data")[0].errorType(), "OPERATION_NOT_ALLOWED")

	b.action("promo", source, "approve__v")
	steady := link("link__sys", fmt.Sprintf("1001_%d", source))
	want(t, "steady", steady.status(), "SUCCESS")
	got := b.must("GET", "crm", fmt.Sprintf("objects/documents/%v", steady["id"]), nil).get("document").(map[string]any)
	for name, value := range map[string]any{
		"crosslink__v": true, "binder__v": false, "link_status__v": "Active", "source_vault_id__v": 1001.0, "source_vault_name__v": "promo", "source_document_id__v": float64(source),
		"source_document_name__v": "Source", "latest_source_major_version__v": 1.0, "latest_source_minor_version__v": 0.0, "link__sys": "1001_1", "status__v": "Draft",
	} {
		want(t, name, got[name], value)
	}
	want(t, "rule", fmt.Sprint(got["source_binding_rule__v"]), "[Latest Steady State version]")

	b.must("POST", "promo", fmt.Sprintf("objects/documents/%d", source), form("createDraft", "latestContent"))
	minor := func(a response) any {
		return b.field("crm", int(a["id"].(float64)), "latest_source_minor_version__v")
	}
	want(t, "latest version follows the draft", minor(draft), any(1.0))
	want(t, "latest steady state version does not", minor(steady), any(0.0))
}

// CLM-4: a binder cannot be the source of a CrossLink.
func TestCLM4BinderIsNoSource(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "crm:crm")
	binder := b.binder("promo", "multichannel_presentation__v")
	b.must("PUT", "promo", fmt.Sprintf("objects/binders/%d/versions/0/1/lifecycle_actions/approve__v", binder), url.Values{})
	a := b.do("POST", "crm", "objects/documents", form("name__v", "x", "type__v", "presentation__v", "lifecycle__v", "crm_content__v",
		"source_vault_id__v", "1001", "source_document_id__v", fmt.Sprint(binder)))
	want(t, "refused", a.status()+" "+a.errorType(), "FAILURE OPERATION_NOT_ALLOWED")
}

// CONN-3: a sandbox never populates a production vault.
func TestCONN3ProductionTakesNoLinkFromASandbox(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	if err := b.AddVault(VaultSpec{Name: "crm", Kind: "crm", Environment: "production"}); err != nil {
		t.Fatal(err)
	}
	source := b.doc("promo", "multichannel_slide__v")
	a := b.do("POST", "crm", "objects/documents", form("name__v", "x", "type__v", "slide__v", "lifecycle__v", "crm_content__v", "source_binding_rule__v", "Latest version",
		"source_vault_id__v", "1001", "source_document_id__v", fmt.Sprint(source)))
	want(t, "refused", a.errorType(), "OPERATION_NOT_ALLOWED")
}

func TestDocumentRelationships(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	slide, shared := b.doc("promo", "multichannel_slide__v"), b.doc("promo", "multichannel_slide__v", "is_shared_resource__v", "true")
	path := fmt.Sprintf("objects/documents/%d/versions/0/1/relationships", slide)
	b.wait(time.Minute)
	f := form("target_doc_id__v", fmt.Sprint(shared), "relationship_type__v", "related_shared_resource__v")
	id := b.must("POST", "promo", path, f)["id"]
	want(t, "twice", b.do("POST", "promo", path, f).errorType(), "INVALID_DATA")
	want(t, "a change of the source", b.field("promo", slide, "version_modified_date__v"), any("2026-03-01T12:01:00.000Z"))
	f.Set("relationship_type__v", "based_on__v")
	want(t, "system type", b.do("POST", "promo", path, f).errorType(), "OPERATION_NOT_ALLOWED")
	list := b.must("GET", "promo", path, nil).list("relationships")
	want(t, "listed", fmt.Sprintf("%d %v", len(list), list[0].get("relationship", "target_doc_id__v")), fmt.Sprintf("1 %d", shared))
	b.must("DELETE", "promo", "objects/documents/relationships/batch", []map[string]any{{"id": id}})
	rows := b.must("POST", "promo", "objects/documents/relationships/batch", []map[string]any{
		{"source_doc_id__v": slide, "target_doc_id__v": shared, "relationship_type__v": "related_shared_resource__v"},
		{"source_doc_id__v": slide, "target_doc_id__v": 99, "relationship_type__v": "related_shared_resource__v"}}).list("data")
	want(t, "batch", rows[0].status()+" "+rows[1].errorType(), "SUCCESS INVALID_DATA")
}
