package devvault

import (
	"archive/zip"
	"fmt"
	"strings"
	"testing"
)

func TestListsOfDocuments(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	for _, n := range []string{"Beta", "Alpha", "Gamma"} {
		b.doc("promo", "multichannel_slide__v", "name__v", n)
	}
	b.must("PUT", "promo", "objects/documents/1/versions/0/1/lifecycle_actions/approve__v", form())
	b.must("POST", "promo", "objects/documents/1", form("createDraft", "latestContent"))
	list := func(query string) string {
		var out []string
		a := b.must("GET", "promo", "objects/documents"+query, nil)
		for _, d := range a.list("documents") {
			out = append(out, fmt.Sprint(d["document"].(map[string]any)["name__v"]))
		}
		return fmt.Sprintf("%v %s", a["size"], strings.Join(out, " "))
	}
	want(t, "by id", list(""), "3 Beta Alpha Gamma")
	want(t, "all versions", list("?versionscope=all"), "4 Beta Beta Alpha Gamma")
	want(t, "sorted", list("?sort=name__v%20desc"), "3 Gamma Beta Alpha")
	want(t, "a part", list("?sort=name__v&start=1&limit=1"), "3 Beta")
	want(t, "search", list("?search=alph"), "1 Alpha")
	want(t, "mine", list("?named_filter=My%20Documents"), "3 Beta Alpha Gamma")
	want(t, "the most at once", b.must("GET", "promo", "objects/documents?limit=1000", nil)["limit"], any(200.0))
	want(t, "no such filter", b.do("GET", "promo", "objects/documents?named_filter=Cart", nil).errorType(), "INVALID_FILTER")
	want(t, "no such order", b.do("GET", "promo", "objects/documents?sort=title__v", nil).errorType(), "INVALID_DATA")
}

func TestLocks(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	path := fmt.Sprintf("objects/documents/%d", b.doc("promo", "multichannel_slide__v"))
	if err := b.AddUser(UserSpec{Name: "u@x.dev", Vaults: map[string]string{"promo": "business_user__v"}}); err != nil {
		t.Fatal(err)
	}
	other := b.login("promo", "u@x.dev", "secret")
	want(t, "checked out", b.must("POST", "promo", path+"/lock", nil)["responseMessage"], any("Document successfully checked out."))
	want(t, "by whom", b.must("GET", "promo", path+"/lock", nil).get("lock", "locked_by__v"), any(10001.0))
	want(t, "twice", b.as(other, "POST", "promo", path+"/lock", nil).errorType(), "OPERATION_NOT_ALLOWED")
	want(t, "others delete", b.as(other, "DELETE", "promo", path, nil).errorType(), "OPERATION_NOT_ALLOWED")
	want(t, "others undo", b.as(other, "DELETE", "promo", path+"/lock", nil).errorType(), "INSUFFICIENT_ACCESS")
	want(t, "draft", b.do("POST", "promo", path, form("createDraft", "latestContent")).errorType(), "OPERATION_NOT_ALLOWED")
	in := b.uploading("POST", "promo", path, "new.txt", []byte("new"))
	want(t, "checked in", fmt.Sprint(in["responseMessage"], in["major_version_number__v"], ".", in["minor_version_number__v"]), "Document successfully checked in.0.2")
	want(t, "file", b.get("promo", path+"/file?lockDocument=true"), "new")
	want(t, "batch", b.must("DELETE", "promo", "objects/documents/batch/lock", form("docIds", "1,99")).list("data")[0].status(), "SUCCESS")
	want(t, "not locked", len(b.must("GET", "promo", path+"/lock", nil).get("lock").(map[string]any)), 0)
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.doc("promo", "multichannel_slide__v")
	path := fmt.Sprintf("objects/documents/%d/attachments", id)
	a := b.uploading("POST", "promo", path, "notes.txt", []byte("one"), "description__v", "Notes")
	aid := a.get("data", "id").(string)
	want(t, "same content", b.uploading("POST", "promo", path, "notes.txt", []byte("one")).get("data", "version__v"), any(1.0))
	want(t, "new version", b.uploading("POST", "promo", path, "notes.txt", []byte("two")).get("data", "version__v"), any(2.0))
	list := b.must("GET", "promo", path, nil).list("data")
	want(t, "listed", fmt.Sprint(len(list), list[0]["version__v"], list[0]["description__v"], len(list[0].list("versions"))), "1 2Notes2")
	want(t, "of a version", len(b.must("GET", "promo", fmt.Sprintf("objects/documents/%d/versions/0/1/attachments", id), nil).list("data")), 1)
	want(t, "newest", b.get("promo", path+"/"+aid+"/file"), "two")
	want(t, "oldest", b.get("promo", path+"/"+aid+"/versions/1/file"), "one")
	zipped := b.get("promo", path+"/file")
	z, err := zip.NewReader(strings.NewReader(zipped), int64(len(zipped)))
	if err != nil || len(z.File) != 1 || z.File[0].Name != "notes.txt" {
		t.Errorf("zip: %v %v", err, z)
	}
	b.must("POST", "promo", path+"/"+aid+"/versions/1?restore=true", nil)
	want(t, "restored", b.get("promo", path+"/"+aid+"/file"), "one")
	b.must("DELETE", "promo", path+"/"+aid+"/versions/2", nil)
	b.must("PUT", "promo", path+"/"+aid, form("description__v", "Other"))
	want(t, "described", b.must("GET", "promo", path+"/"+aid, nil).list("data")[0]["description__v"], any("Other"))
	rows := b.must("DELETE", "promo", "objects/documents/attachments/batch", "id\n"+aid+"\n99\n").list("data")
	want(t, "deleted", rows[0].status()+" "+rows[1].errorType(), "SUCCESS INVALID_DATA")
	deleted := b.must("GET", "promo", "objects/deletions/documents/attachments", nil).list("data")
	want(t, "deletions", fmt.Sprint(len(deleted), deleted[0]["version__v"], "|", deleted[1]["version__v"]), "2 2|")
}

func TestRoles(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	path := fmt.Sprintf("objects/documents/%d/roles", b.doc("promo", "multichannel_slide__v"))
	role := func(name string) string {
		r := b.must("GET", "promo", path+"/"+name, nil).list("documentRoles")[0]
		return fmt.Sprint(r["label"], r["assignedUsers"], r["assignedGroups"])
	}
	want(t, "owner", role("owner__v"), "Owner[10001] []")
	b.must("POST", "promo", path, form("reviewer__v.users", "10001", "reviewer__v.groups", "1"))
	want(t, "reviewer", role("reviewer__v"), "Reviewer[10001] [1]")
	b.must("DELETE", "promo", path+"/reviewer__v.user/10001", nil)
	want(t, "removed", role("reviewer__v"), "Reviewer[] [1]")
	want(t, "not there", b.do("DELETE", "promo", path+"/reviewer__v.user/10001", nil).errorType(), "INVALID_DATA")
	want(t, "no such role", b.do("POST", "promo", path, form("king__v.users", "10001")).errorType(), "INVALID_DATA")
	want(t, "no such user", b.do("POST", "promo", path, form("viewer__v.users", "99")).errorType(), "USER_NOT_FOUND")
	rows := b.must("POST", "promo", "objects/documents/roles/batch", "id,viewer__v.users,editor__v.groups\n1,10001,1\n99,10001,\n").list("data")
	want(t, "batch", rows[0].status()+" "+rows[1].errorType(), "SUCCESS INVALID_DATA")
	want(t, "editor", role("editor__v"), "Editor[] [1]")
	b.must("POST", "promo", "objects/binders", form("name__v", "B", "type__v", "multichannel_presentation__v", "lifecycle__v", "promo_mats_lifecycle__v"))
	want(t, "of a binder", len(b.must("GET", "promo", "objects/binders/2/roles", nil).list("documentRoles")), len(documentRoles))
}

func TestReclassifyAndTypesUnderTypes(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	for _, n := range []string{"material__v.print__c", "material__v.print__c.leaflet__c"} {
		want(t, n, b.mdl("promo", "RECREATE Doctype "+n+" (label('The "+n[strings.LastIndex(n, ".")+1:]+"'), active(true), available_lifecycles('Doclifecycle.promo_mats_lifecycle__v'));").status(), "SUCCESS")
	}
	const types = "metadata/objects/documents/types"
	want(t, "types", strings.Contains(fmt.Sprint(b.must("GET", "promo", types, nil)), "print__c"), false)
	want(t, "subtypes", b.must("GET", "promo", types+"/material__v", nil).list("subtypes")[0]["label"], any("The print__c"))
	want(t, "classifications", b.must("GET", "promo", types+"/material__v/subtypes/print__c", nil).list("classifications")[0]["label"], any("The leaflet__c"))
	want(t, "classification", b.must("GET", "promo", types+"/material__v/subtypes/print__c/classifications/leaflet__c", nil)["name"], any("leaflet__c"))
	want(t, "no such one", b.do("GET", "promo", types+"/material__v/subtypes/none__c", nil).errorType(), "INVALID_DATA")

	id := b.doc("promo", "multichannel_slide__v", "external_id__v", "x")
	rows := b.must("PUT", "promo", "objects/documents/batch/actions/reclassify", fmt.Sprintf("id,type__v,lifecycle__v,subtype__v,classification__v\n%d,Material,,The print__c,leaflet__c\n%d,material__v,,none__c,\n", id, id)).list("data")
	want(t, "rows", rows[0].status()+" "+rows[1].errorType(), "SUCCESS INVALID_DATA")
	d := b.must("GET", "promo", fmt.Sprintf("objects/documents/%d", id), nil).get("document").(map[string]any)
	want(t, "labels", fmt.Sprint(d["type__v"], ",", d["subtype__v"], ",", d["classification__v"]), "Material,The print__c,The leaflet__c")
	want(t, "common", len(b.must("POST", "promo", "metadata/objects/documents/properties/find_common", form("docIds", fmt.Sprint(id))).list("properties")) > 20, true)
}

func TestBatchesOfVersionsAndRenditions(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.doc("promo", "multichannel_slide__v")
	csv := fmt.Sprintf("id,major_version_number__v,minor_version_number__v,status__v\n%d,1,0,approved__v\n", id)
	want(t, "without migration", b.do("POST", "promo", "objects/documents/versions/batch", csv).errorType(), "OPERATION_NOT_ALLOWED")
	b.must("POST", "promo", "objects/documents/versions/batch", csv, "X-VaultAPI-MigrationMode", "true")
	b.uploading("POST", "promo", "services/file_staging/items", "r.pdf", []byte("%PDF"), "kind", "file", "path", "/r.pdf")
	rows := b.must("POST", "promo", "objects/documents/renditions/batch", fmt.Sprintf("file,id,rendition_type__v,major_version_number__v,minor_version_number__v\n/r.pdf,%d,viewable_rendition__v,0,1\n/none.pdf,%d,viewable_rendition__v,1,0\n", id, id)).list("data")
	want(t, "renditions", rows[0].status()+" "+rows[1].errorType(), "SUCCESS INVALID_DATA")
	want(t, "rendition", b.get("promo", fmt.Sprintf("objects/documents/%d/versions/0/1/renditions/viewable_rendition__v", id)), "%PDF")
	b.must("DELETE", "promo", "objects/documents/renditions/batch", fmt.Sprintf("id,rendition_type__v,major_version_number__v,minor_version_number__v\n%d,viewable_rendition__v,0,1\n", id))
	want(t, "text", b.get("promo", fmt.Sprintf("objects/documents/%d/versions/1/0/text", id)), "A document\n")
	want(t, "thumbnail", strings.HasPrefix(b.get("promo", fmt.Sprintf("objects/documents/%d/versions/1/0/thumbnail", id)), "\x89PNG"), true)
	rows = b.must("DELETE", "promo", "objects/documents/versions/batch", fmt.Sprintf("id,major_version_number__v,minor_version_number__v\n%d,1,0\n%d,7,0\n", id, id)).list("data")
	want(t, "versions", rows[0].status()+" "+rows[1].errorType(), "SUCCESS INVALID_DATA")
	want(t, "deletion", b.must("GET", "promo", "objects/deletions/documents", nil).list("data")[0]["deletion_type"], any("document_version__sys"))
	want(t, "left", len(b.must("GET", "promo", fmt.Sprintf("objects/documents/%d/versions", id), nil).list("versions")), 1)
}

func TestBinderExport(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.doc("promo", "multichannel_slide__v")
	b.uploading("POST", "promo", fmt.Sprintf("objects/documents/%d", id), "slide.zip", []byte("slide"))
	b.must("POST", "promo", "objects/binders", form("name__v", "B", "type__v", "multichannel_presentation__v", "lifecycle__v", "promo_mats_lifecycle__v"))
	b.must("POST", "promo", "objects/binders/2/documents", form("document_id__v", fmt.Sprint(id)))
	b.must("POST", "promo", "objects/binders/2/actions", form("action", "refresh_auto_filing"))
	job := b.must("POST", "promo", "objects/binders/2/actions/export", nil)["job_id"]
	results := b.must("GET", "promo", fmt.Sprintf("objects/binders/actions/export/%v/results", job), nil)
	file := results.list("data")[0]["file"]
	if file == nil {
		t.Fatal(results)
	}
	zipped := b.get("promo", "services/file_staging/items/content"+strings.ReplaceAll(file.(string), " ", "%20"))
	z, err := zip.NewReader(strings.NewReader(zipped), int64(len(zipped)))
	if err != nil || len(z.File) != 1 || z.File[0].Name != "VV-000001 (0.1)/slide.zip" {
		t.Errorf("zip: %v %v", err, z)
	}
}
