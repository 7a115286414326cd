package devvault

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// family is an object with children, a lifecycle, files, roles and all that records can have.
const family = `
CREATE Picklist size__c (label('Size'), active(true), Picklistentry big__c (value('Big'), order(0), active(true)), Picklistentry small__c (value('Small'), order(1), active(true)));
CREATE Picklist shape__c (label('Shape'), active(true), controlling_picklist('Picklist.size__c'),
   Picklistentry round__c (value('Round'), order(0), active(true), controlling_entries('Picklistentry.big__c')),
   Picklistentry flat__c (value('Flat'), order(1), active(true)));
CREATE Objectlifecycle life__c (label('Life'), active(true), starting_state('Objectlifecyclestate.open__c'),
   state_labels('base:object_lifecycle:initial', 'base:object_lifecycle:complete'),
   labeled_states('Objectlifecyclestate.open__c', 'Objectlifecyclestate.done__c'),
   Objectlifecyclestate open__c (label('Open'), active(true),
      Objectlifecyclestateuseraction finish__c (label('Finish'), rule({<useraction type="changeState" state="done__c"/>}), order(0))),
   Objectlifecyclestate done__c (label('Done'), active(true), record_status('inactive__v')));
CREATE Object house__c (label('House'), label_plural('Houses'), active(true), in_menu(true), enable_merges(true), allow_attachments(true), dynamic_security(true),
   available_lifecycles('Objectlifecycle.life__c'),
   Field size__c (label('Size'), type('Picklist'), active(true), picklist('Picklist.size__c'), multi_value(false)),
   Field shape__c (label('Shape'), type('Picklist'), active(true), picklist('Picklist.shape__c'), multi_value(false), controlling_field('Field.size__c')),
   Field price__c (label('Price'), type('Number'), subtype('Currency'), active(true), scale(2), min_value(0), max_value(1000000)),
   Field plan__c (label('Plan'), type('Binary'), active(true)),
   Field country__c (label('Country'), type('Object'), active(true), object('Object.country__v'), relationship_deletion('setnull')),
   Field code__c (label('Code'), type('Lookup'), active(true), lookup_relationship_name('country__cr'), lookup_source_field('code__v')),
   Field secret__c (label('Secret'), type('String'), active(true), no_copy(true)));
CREATE Object room__c (label('Room'), label_plural('Rooms'), active(true), in_menu(true),
   Field house__c (label('House'), type('ObjectParent'), active(true), required(true), object('Object.house__c'), relationship_type('parent'), relationship_deletion('cascade')));
CREATE Object tenant__c (label('Tenant'), label_plural('Tenants'), active(true), in_menu(true),
   Field house__c (label('House'), type('Object'), active(true), object('Object.house__c')));
CREATE Objecttype house__c.villa__c (label('Villa'), label_plural('Villas'), active(true));
CREATE Docfield house__c (label('House'), active(true), required(false), shared(true), type('ObjectReference'), object('house__c'), display_section('general'), multi_value(true));
`

func newFamily(t *testing.T) *bench {
	b := newBench(t, "promo:promomats")
	if a := b.mdl("promo", family); a.status() != "SUCCESS" {
		t.Fatal(a)
	}
	return b
}

func (b *bench) rows(vault, path, method string, rows ...map[string]any) []response {
	b.Helper()
	return b.do(method, vault, path, rows).list("data")
}

func TestRecordRulesOfTheReference(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	us := b.record("promo", "country__v", map[string]any{"name__v": "United States", "code__v": "US"})
	house := b.record("promo", "house__c", map[string]any{"name__v": "H", "size__c": "Big", "shape__c": "round__c", "price__c": 12.5, "country__cr.code__v": "US", "secret__c": "x",
		"external_id__v": "h1", "editor__v.users": "10001"})
	r := b.read("promo", "house__c", house)
	want(t, "state", fmt.Sprint(r["state__v"], r["lifecycle__v"]), "open__clife__c")
	want(t, "currency", fmt.Sprint(r["price__c"], r["price_corp__sys"]), "12.5012.50")
	want(t, "lookup", r["code__c"], any("US"))
	want(t, "role", fmt.Sprint(r.get("manually_assigned_sharing_roles", "editor__v", "users")), "[10001]")

	var got []string
	for _, row := range b.rows("promo", "vobjects/house__c", "POST",
		map[string]any{"source_record_id": house, "name__v": "copy"},
		map[string]any{"source_record_id": "VXX000000000001", "name__v": "copy"},
		map[string]any{"name__v": "x", "size__c": "small__c", "shape__c": "round__c"},
		map[string]any{"name__v": "x", "code__c": "US"},
		map[string]any{"name__v": "x", "price__c": -1},
		map[string]any{"name__v": "x", "state_label": "base:object_lifecycle:complete"},
		map[string]any{"name__v": "x", "object_type__v": objectTypeID("house__c", "villa__c"), "object_type__v.api_name__v": "villa__c"},
		map[string]any{"name__v": "x", "object_type__v.api_name__v": "villa__c"},
		map[string]any{"name__v": "x", "country__cr.code__v": "ZZ"},
	) {
		got = append(got, row.status()+" "+row.errorType())
	}
	if d := cmp.Diff([]string{"SUCCESS ", "FAILURE INVALID_DATA", "FAILURE INVALID_DATA", "FAILURE INVALID_DATA", "FAILURE INVALID_DATA", "FAILURE INVALID_DATA",
		"FAILURE INVALID_DATA", "SUCCESS ", "FAILURE INVALID_DATA"}, got); d != "" {
		t.Error(d)
	}
	copies := b.query("promo", "SELECT id, name__v, price__c, secret__c, external_id__v, code__c, price_corp__sys FROM house__c WHERE name__v = 'copy'").list("data")
	want(t, "copies", len(copies), 1)
	want(t, "copied", fmt.Sprint(copies[0]["price__c"], copies[0]["secret__c"], copies[0]["external_id__v"], copies[0]["code__c"], copies[0]["price_corp__sys"]), "12.50<nil> <nil>US12.50")
	done := b.do("POST", "promo", "vobjects/house__c", []map[string]any{{"name__v": "old", "state_label": "base:object_lifecycle:complete", "created_date__v": "2020-01-01T00:00:00.000Z"}},
		"X-VaultAPI-MigrationMode", "true").list("data")[0]
	old := b.read("promo", "house__c", done.get("data", "id").(string))
	want(t, "migrated", fmt.Sprint(old["state__v"], old["status__v"], old["created_date__v"]), "done__c[inactive__v]2020-01-01T00:00:00.000Z")

	for _, row := range b.rows("promo", "vobjects/house__c", "PUT", map[string]any{"id": house, "status__v": "inactive__v"}, map[string]any{"id": copies[0]["id"], "status__v": "inactive__v"}) {
		want(t, "status of a parent in bulk", row.errorType(), "OPERATION_NOT_ALLOWED")
	}
	rows := b.rows("promo", "vobjects/house__c/actions/changetype", "POST", map[string]any{"id": house, "object_type__v.api_name__v": "villa__c", "secret__c": "y"}, map[string]any{"id": house}, map[string]any{"id": "x", "object_type__v": "y"})
	want(t, "change of type", rows[0].status()+rows[1].errorType()+rows[2].errorType(), "SUCCESSPARAMETER_REQUIREDINVALID_DATA")
	want(t, "type", b.query("promo", "SELECT object_type__vr.api_name__v FROM house__c WHERE secret__c = 'y'").list("data")[0]["object_type__vr.api_name__v"], any("villa__c"))
	want(t, "set null", b.rows("promo", "vobjects/country__v", "DELETE", map[string]any{"id": us})[0].status(), "SUCCESS")
	want(t, "reference", b.read("promo", "house__c", house)["country__c"], nil)
	want(t, "rollups", b.must("POST", "promo", "vobjects/house__c/actions/recalculaterollups", nil).status(), "SUCCESS")
	want(t, "layout", b.must("GET", "promo", "metadata/vobjects/house__c/page_layouts", nil).list("layouts")[0]["default_layout"], any(true))
	want(t, "deployment", b.do("POST", "promo", "metadata/vobjects/house__c/actions/canceldeployment", nil).errorType(), "OPERATION_NOT_ALLOWED")
	want(t, "no user is deleted here", b.rows("promo", "vobjects/user__sys", "DELETE", map[string]any{"id": "10001"})[0].errorType(), "OPERATION_NOT_ALLOWED")
	want(t, "a user is a record", b.read("promo", "user__sys", "10001")["username__sys"], any("admin@promo.dev"))
}

func TestObjectLifecycle(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	one, two := b.record("promo", "house__c", map[string]any{"name__v": "1"}), b.record("promo", "house__c", map[string]any{"name__v": "2"})
	path := "vobjects/house__c/" + one + "/actions"
	actions := b.must("GET", "promo", path+"?loc=true", nil).list("data")
	name := "Objectlifecyclestateuseraction.house__c.open__c.finish__c"
	want(t, "actions", fmt.Sprint(len(actions), actions[0]["name"], actions[0]["type"]), "1"+name+"state_change")
	want(t, "metadata", b.must("GET", "promo", path+"/"+name, nil).get("data", "label"), any("Finish"))
	b.must("POST", "promo", path+"/"+name, url.Values{})
	want(t, "state", fmt.Sprint(b.read("promo", "house__c", one)["state__v"], b.read("promo", "house__c", one)["status__v"]), "done__c[inactive__v]")
	want(t, "not twice", b.do("POST", "promo", path+"/"+name, url.Values{}).errorType(), "INVALID_DATA")
	want(t, "missing", b.do("GET", "promo", "vobjects/house__c/VXX000000000009/actions", nil).errorType(), "INSUFFICIENT_ACCESS")
	want(t, "complete", len(b.query("promo", "SELECT id FROM house__c WHERE state__v = STATETYPE('complete_state__sys')").list("data")), 1)
	want(t, "initial", b.query("promo", "SELECT id FROM house__c WHERE state__v = STATETYPE('initial_state__sys')").list("data")[0]["id"], any(two))
	want(t, "label", b.query("promo", "SELECT TOLABEL(state__v) FROM house__c WHERE id = '"+one+"'").list("data")[0]["state__v"], any("Done"))
	bulk := b.must("POST", "promo", "vobjects/house__c/actions/"+name, url.Values{"ids": {one + "," + two}}).list("data")
	want(t, "bulk", bulk[0].errorType()+bulk[1].status(), "INVALID_DATASUCCESS")
}

func (b *bench) jobOf(a response) string {
	b.Helper()
	id, _ := a["job_id"].(float64)
	if id == 0 {
		id, _ = a.get("data", "job_id").(float64)
	}
	if id == 0 {
		b.Fatalf("no job in %v", a)
	}
	return fmt.Sprint(int64(id))
}

func (b *bench) csv(vault, path string) string {
	b.Helper()
	_, out := b.raw("GET", "/"+vault+"/api/v26.2/"+path, "", nil, http.Header{"Authorization": {b.session(vault)}})
	return string(out)
}

func TestCascadeDeleteAndDeepCopy(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	house := b.record("promo", "house__c", map[string]any{"name__v": "H", "external_id__v": "e"})
	room := b.record("promo", "room__c", map[string]any{"name__v": "R", "house__c": house})
	job := b.jobOf(b.must("POST", "promo", "vobjects/house__c/"+house+"/actions/deepcopy", nil))
	lines := strings.Split(strings.TrimSpace(b.csv("promo", "vobjects/deepcopy/results/house__c/success/"+job)), "\n")
	want(t, "copied", len(lines), 3)
	want(t, "header", lines[0], "Source Object,Record Id")
	copied := strings.Split(lines[1], ",")[1]
	want(t, "rooms of the copy", len(b.query("promo", "SELECT id FROM room__c WHERE house__c = '"+copied+"'").list("data")), 1)

	tenant := b.record("promo", "tenant__c", map[string]any{"name__v": "T", "house__c": house})
	job = b.jobOf(b.must("POST", "promo", "vobjects/house__c/"+house+"/actions/cascadedelete", nil))
	want(t, "blocked", b.csv("promo", "vobjects/cascadedelete/results/house__c/failure/"+job), "Source Object,Record Id\nhouse__c,"+house+"\n")
	want(t, "all stays", b.read("promo", "room__c", room)["id"], any(room))
	b.rows("promo", "vobjects/tenant__c", "DELETE", map[string]any{"id": tenant})
	job = b.jobOf(b.must("POST", "promo", "vobjects/house__c/"+house+"/actions/cascadedelete", nil))
	want(t, "gone", b.csv("promo", "vobjects/cascadedelete/results/house__c/success/"+job), "Source Object,Record Id\nroom__c,"+room+"\nhouse__c,"+house+"\n")
	want(t, "told", len(b.must("GET", "promo", "objects/deletions/vobjects/room__c", nil).list("data")), 1)
}

func TestMergeMovesWhatRefers(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	main, twin := b.record("promo", "house__c", map[string]any{"name__v": "Main"}), b.record("promo", "house__c", map[string]any{"name__v": "Twin"})
	room := b.record("promo", "room__c", map[string]any{"name__v": "R", "house__c": twin})
	tenant := b.record("promo", "tenant__c", map[string]any{"name__v": "T", "house__c": twin})
	doc := b.doc("promo", "material__v", "house__c", twin+","+main)
	b.attach(twin, "a.txt", "hello")
	for name, test := range map[string]struct {
		sets []map[string]any
		typ  string
	}{
		"itself":     {[]map[string]any{{"duplicate_record_id": main, "main_record_id": main}}, "INVALID_DATA"},
		"a circle":   {[]map[string]any{{"duplicate_record_id": main, "main_record_id": twin}, {"duplicate_record_id": twin, "main_record_id": main}}, "INVALID_DATA"},
		"incomplete": {[]map[string]any{{"duplicate_record_id": main}}, "PARAMETER_REQUIRED"},
		"too many":   {make([]map[string]any, 11), "INVALID_DATA"},
	} {
		want(t, name, b.do("POST", "promo", "vobjects/house__c/actions/merge", test.sets).errorType(), test.typ)
	}
	want(t, "not enabled", b.do("POST", "promo", "vobjects/room__c/actions/merge", []map[string]any{{"duplicate_record_id": room, "main_record_id": "x"}}).errorType(), "OPERATION_NOT_ALLOWED")
	job := b.jobOf(b.must("POST", "promo", "vobjects/house__c/actions/merge", []map[string]any{
		{"duplicate_record_id": twin, "main_record_id": main}, {"duplicate_record_id": "VXX000000000001", "main_record_id": main}}))
	want(t, "status", b.must("GET", "promo", "vobjects/merges/"+job+"/status", nil).get("data", "status"), any("FAILURE"))
	sets := response(b.must("GET", "promo", "vobjects/merges/"+job+"/results", nil).get("data").(map[string]any)).list("merge_sets")
	want(t, "sets", fmt.Sprint(sets[0]["status"], sets[1]["status"], sets[1].get("error", "type")), "SUCCESSFAILUREINVALID_DATA")
	want(t, "child", b.read("promo", "room__c", room)["house__c"], any(main))
	want(t, "reference", b.read("promo", "tenant__c", tenant)["house__c"], any(main))
	want(t, "document", fmt.Sprint(b.field("promo", doc, "house__c")), "["+main+"]")
	want(t, "attachment", len(b.must("GET", "promo", "vobjects/house__c/"+main+"/attachments", nil).list("data")), 1)
	want(t, "duplicate", b.do("GET", "promo", "vobjects/house__c/"+twin, nil).errorType(), "INVALID_DATA")
	want(t, "values stay", b.read("promo", "house__c", main)["name__v"], any("Main"))
	content := b.csv("promo", "vobjects/merges/"+job+"/log")
	z, err := zip.NewReader(strings.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := z.File[0].Open()
	log, _ := io.ReadAll(f)
	var steps []string
	for _, line := range strings.Split(strings.TrimSpace(string(log)), "\n")[1:] {
		steps = append(steps, strings.Split(line, ",")[0])
	}
	if d := cmp.Diff([]string{"INBOUND_CHILD_OBJECT", "INBOUND_OBJECT", "INBOUND_DOCUMENT", "ATTACHMENT", "DELETE"}, steps); d != "" {
		t.Error(d)
	}
}

// multipart sends one file.
func (b *bench) sendFile(vault, path, name, content string) response {
	b.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, _ := w.CreateFormFile("file", name)
	io.WriteString(part, content)
	w.Close()
	_, answer := b.raw("POST", "/"+vault+"/api/v26.2/"+path, w.FormDataContentType(), out.Bytes(), http.Header{"Authorization": {b.session(vault)}})
	return decoded(b.T, answer)
}

func (b *bench) attach(house, name, content string) response {
	b.Helper()
	return b.sendFile("promo", "vobjects/house__c/"+house+"/attachments", name, content)
}

func TestRecordFilesAndRoles(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	house := b.record("promo", "house__c", map[string]any{"name__v": "H"})
	path := "vobjects/house__c/" + house
	b.attach(house, "a.txt", "one")
	a := b.attach(house, "a.txt", "two")
	want(t, "version", a.get("data", "version__v"), any(2.0))
	list := b.must("GET", "promo", path+"/attachments", nil).list("data")
	want(t, "attachments", len(list), 1)
	want(t, "versions", len(list[0].list("versions")), 2)
	id := fmt.Sprint(list[0]["id"])
	want(t, "latest", b.csv("promo", path+"/attachments/"+id+"/file"), "two")
	want(t, "first", b.csv("promo", path+"/attachments/"+id+"/versions/1/file"), "one")
	b.must("POST", "promo", path+"/attachments/"+id+"/versions/1?restore=true", nil)
	want(t, "restored", b.csv("promo", path+"/attachments/"+id+"/file"), "one")
	b.must("PUT", "promo", path+"/attachments/"+id, url.Values{"description__v": {"about"}})
	want(t, "description", b.must("GET", "promo", path+"/attachments/"+id, nil).list("data")[0]["description__v"], any("about"))
	b.must("DELETE", "promo", path+"/attachments/"+id, nil)
	want(t, "deleted", len(b.must("GET", "promo", "objects/deletions/vobjects/house__c/attachments", nil).list("data")), 3)
	want(t, "none allowed", b.sendFile("promo", "vobjects/room__c/x/attachments", "a", "b").errorType(), "INVALID_DATA")

	b.sendFile("promo", path+"/attachment_fields/plan__c/file", "plan.pdf", "drawing")
	want(t, "field", b.read("promo", "house__c", house)["plan__c"], any("plan.pdf"))
	want(t, "file", b.csv("promo", path+"/attachment_fields/plan__c/file"), "drawing")
	want(t, "query", b.query("promo", "SELECT FILENAME(plan__c) FROM house__c").list("data")[0]["plan__c"], any("plan.pdf"))

	b.must("POST", "promo", "vobjects/house__c/roles", "id,approver__c.users,approver__c.groups\n"+house+",\"10001,10002\",7\n")
	b.must("DELETE", "promo", "vobjects/house__c/roles", []map[string]any{{"id": house, "approver__c.users": "10002"}})
	roles := b.must("GET", "promo", path+"/roles/approver__c", nil).list("data")
	want(t, "roles", fmt.Sprint(roles[0]["users"], roles[0]["groups"]), "[10001] [7]")
	want(t, "owner", len(b.must("GET", "promo", path+"/roles", nil).list("data")), 2)
}
