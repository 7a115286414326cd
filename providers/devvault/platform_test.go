package devvault

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"
)

// uploading is a multipart call with a file, and with fields as in form.
func (b *bench) uploading(method, vault, path, name string, content []byte, pairs ...string) response {
	b.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(pairs); i += 2 {
		w.WriteField(pairs[i], pairs[i+1])
	}
	f, err := w.CreateFormFile("file", name)
	if err != nil {
		b.Fatal(err)
	}
	f.Write(content)
	w.Close()
	_, out := b.raw(method, "/"+vault+"/api/v26.2/"+path, w.FormDataContentType(), body.Bytes(), http.Header{"Authorization": {b.session(vault)}})
	return decoded(b.T, out)
}

// get is a call whose answer is a file.
func (b *bench) get(vault, path string) string {
	b.Helper()
	_, out := b.raw("GET", "/"+vault+"/api/v26.2/"+path, "", nil, http.Header{"Authorization": {b.session(vault)}})
	return string(out)
}

// the actions of a trail, newest first
func (b *bench) trail(vault, path string) string {
	b.Helper()
	var list []string
	for _, l := range b.must("GET", vault, path, nil).list("data") {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%v %v", l["action"], l["field_name"])))
	}
	return strings.Join(list, ", ")
}

func TestAuditTrailsAreWrittenByWhatIsDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.doc("promo", "multichannel_slide__v")
	path := fmt.Sprintf("objects/documents/%d", id)
	b.must("PUT", "promo", path, form("title__v", "A title"))
	b.must("PUT", "promo", path, form("title__v", "A title")) // changes nothing
	b.must("PUT", "promo", path+"/versions/0/1/lifecycle_actions/approve__v", form())
	b.do("PUT", "promo", path, form("title__v", "x", "no_such_field__v", "y")) // fails, and leaves no line
	want(t, "document", b.trail("promo", path+"/audittrail"), "ChangeState status__v, EditProperty title__v, CreateDocument")
	want(t, "documents", b.trail("promo", "audittrail/document_audit_trail"), "ChangeState status__v, EditProperty title__v, CreateDocument")

	record := b.must("POST", "promo", "vobjects/product__v", []map[string]any{{"name__v": "A"}}).list("data")[0].get("data", "id").(string)
	b.must("PUT", "promo", "vobjects/product__v", []map[string]any{{"id": record, "name__v": "B"}})
	want(t, "record", b.trail("promo", "vobjects/product__v/"+record+"/audittrail"), "Edit name__v, Create")
	edit := b.must("GET", "promo", "audittrail/object_audit_trail?events=Edit&objects=product__v", nil).list("data")[0]
	want(t, "values", fmt.Sprint(edit["old_value"], edit["new_value"], edit["user_name"]), "ABadmin@promo.dev")

	b.as("", "POST", "promo", "auth", form("username", "admin@promo.dev", "password", "wrong"))
	logins := b.must("GET", "promo", "audittrail/login_audit_trail?limit=1", nil)
	want(t, "failed login", logins.list("data")[0]["status"], any("Failed: USERNAME_OR_PASSWORD_INCORRECT"))
	want(t, "size", fmt.Sprint(logins.get("responseDetails", "size"), logins.get("responseDetails", "total")), "1 2")
	next := logins.get("responseDetails", "next_page").(string)
	want(t, "the next page", b.must("GET", "promo", next, nil).list("data")[0]["status"], any("Success"))

	want(t, "no such trail", b.do("GET", "promo", "audittrail/none", nil).errorType(), "INVALID_DATA")
	want(t, "limit", b.do("GET", "promo", "audittrail/login_audit_trail?limit=1001", nil).errorType(), "INVALID_DATA")
	want(t, "too long ago", b.do("GET", "promo", "audittrail/login_audit_trail?start_date=2025-01-01", nil).errorType(), "INVALID_DATA")
	want(t, "all dates", b.do("GET", "promo", "audittrail/login_audit_trail?all_dates=true", nil).status(), "SUCCESS")
	want(t, "all dates twice a day", b.do("GET", "promo", "audittrail/login_audit_trail?all_dates=true", nil).errorType(), "API_LIMIT_EXCEEDED")
	want(t, "types", len(b.must("GET", "promo", "metadata/audittrail", nil).list("audit_trail_types")), 5)
}

// What is in a trail outlives the server that wrote it, and numbering goes on.
func TestAuditTrailLasts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Run("first", func(t *testing.T) { openBench(t, dir, "promo:promomats").doc("promo", "multichannel_slide__v") })
	b := openBench(t, dir)
	b.doc("promo", "multichannel_slide__v")
	lines := b.must("GET", "promo", "audittrail/document_audit_trail", nil).list("data")
	want(t, "lines", len(lines), 2)
	want(t, "ids", fmt.Sprint(lines[0]["id"], lines[1]["id"]), "21")
}

func TestUsers(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "crm:crm")
	about := []string{"user_first_name__v", "Ada", "user_last_name__v", "Byron", "user_email__v", "ada@x.dev", "user_timezone__v", "Etc/UTC", "user_locale__v", "en_US",
		"user_language__v", "en", "security_profile__v", "business_user__v"}
	made := b.must("POST", "promo", "objects/users", form(append(about, "user_name__v", "ada@x.dev")...))
	path := fmt.Sprintf("objects/users/%v", made["id"])
	read := func(field string) string {
		return fmt.Sprint(b.must("GET", "promo", path, nil).list("users")[0].get("user", field))
	}
	want(t, "name", read("user_first_name__v")+read("security_profile__v"), "Adabusiness_user__v")
	ada := b.login("promo", "ada@x.dev", "secret")
	want(t, "twice", b.do("POST", "promo", "objects/users", form(append(about, "user_name__v", "ada@x.dev")...)).errorType(), "INVALID_DATA")
	want(t, "missing field", b.do("POST", "promo", "objects/users", form("user_name__v", "bob@x.dev")).errorType(), "PARAMETER_REQUIRED")
	want(t, "by others", b.as(ada, "POST", "promo", "objects/users", form("user_name__v", "bob@x.dev")).errorType(), "INSUFFICIENT_ACCESS")
	want(t, "own name", b.as(ada, "PUT", "promo", "objects/users/me", form("user_first_name__v", "Augusta")).status(), "SUCCESS")
	want(t, "own profile", b.as(ada, "PUT", "promo", "objects/users/me", form("security_profile__v", "system_admin__v")).errorType(), "INSUFFICIENT_ACCESS")
	want(t, "changed", read("user_first_name__v"), "Augusta")

	want(t, "wrong password", b.as(ada, "POST", "promo", "objects/users/me/password", form("password__v", "no", "new_password__v", "longer than that")).errorType(), "INVALID_DATA")
	want(t, "password", b.as(ada, "POST", "promo", "objects/users/me/password", form("password__v", "secret", "new_password__v", "longer than that")).status(), "SUCCESS")
	b.login("promo", "ada@x.dev", "longer than that")

	b.must("PUT", "promo", path+"/vault_membership/1002", form("active__v", "true", "security_profile__v", "business_user__v"))
	b.login("crm", "ada@x.dev", "longer than that")
	want(t, "members of both", len(b.must("GET", "promo", "objects/users?vaults=all", nil).list("users")), 3)
	want(t, "bulk", b.must("PUT", "promo", "objects/users", fmt.Sprintf("id,company__v\n%v,Engine\n99,x\n", made["id"])).list("data")[1].errorType(), "USER_NOT_FOUND")
	b.must("DELETE", "promo", path, nil)
	want(t, "inactive", read("active__v"), "false")
	want(t, "session of who is inactive", b.as(ada, "GET", "promo", "objects/users/me", nil).errorType(), "INVALID_SESSION_ID")
	want(t, "unknown", b.do("GET", "promo", "objects/users/99", nil).errorType(), "USER_NOT_FOUND")
}

func TestGroups(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	made := b.must("POST", "promo", "objects/groups", form("label__v", "Print Buyers!", "members__v", "10001", "security_profiles__v", "business_user__v"))
	path := fmt.Sprintf("objects/groups/%v", made["id"])
	g := b.must("GET", "promo", path, nil).list("groups")[0]["group"].(map[string]any)
	want(t, "group", fmt.Sprint(g["name__v"], g["members__v"], g["security_profiles__v"]), "print_buyers__c[10001] [business_user__v]")
	want(t, "same name", b.do("POST", "promo", "objects/groups", form("label__v", "Print buyers")).errorType(), "INVALID_DATA")
	b.must("PUT", "promo", path, form("members__v", ""))
	want(t, "system's own", b.do("DELETE", "promo", "objects/groups/1", nil).errorType(), "OPERATION_NOT_ALLOWED")
	b.must("DELETE", "promo", path, nil)
	want(t, "gone", b.do("GET", "promo", path, nil).errorType(), "INVALID_DATA")
}

func TestFileStaging(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	const items = "services/file_staging/items"
	content := []byte("some bytes")
	sum := md5.Sum(content)
	a := b.uploading("POST", "promo", items, "a.txt", content, "kind", "file", "path", "/in/a.txt")
	want(t, "md5", a.get("data", "file_content_md5"), any(hex.EncodeToString(sum[:])))
	want(t, "again", b.uploading("POST", "promo", items, "a.txt", content, "kind", "file", "path", "in/a.txt").errorType(), "ITEM_NAME_EXISTS")
	want(t, "overwrite", b.uploading("POST", "promo", items, "a.txt", content, "kind", "file", "path", "in/a.txt", "overwrite", "true").status(), "SUCCESS")
	want(t, "content", b.get("promo", items+"/content/in/a.txt"), "some bytes")
	b.must("POST", "promo", items, form("kind", "folder", "path", "in/deep"))
	b.uploading("POST", "promo", items, "b.txt", content, "kind", "file", "path", "in/deep/b.txt")
	list := func(path string) string {
		var out []string
		for _, x := range b.must("GET", "promo", path, nil).list("data") {
			out = append(out, x["path"].(string))
		}
		return strings.Join(out, " ")
	}
	want(t, "root", list(items), "/in")
	want(t, "folder", list(items+"/in"), "/in/a.txt /in/deep")
	want(t, "all", list(items+"/in?recursive=true"), "/in/a.txt /in/deep /in/deep/b.txt")
	page := b.must("GET", "promo", items+"/in?recursive=true&limit=2", nil)
	next := page.get("responseDetails", "next_page").(string)
	want(t, "next page", list(strings.TrimPrefix(next, b.http.URL+"/promo")), "/in/deep/b.txt")
	b.must("PUT", "promo", items+"/in", form("name", "out"))
	want(t, "moved", list(items+"/out?recursive=true"), "/out/a.txt /out/deep /out/deep/b.txt")
	want(t, "content moved", b.get("promo", items+"/content/out/deep/b.txt"), "some bytes")
	want(t, "not empty", b.do("DELETE", "promo", items+"/out", nil).errorType(), "INVALID_DATA")

	row := b.must("POST", "promo", "objects/documents/batch", "name__v,type__v,lifecycle__v,file\nA,multichannel_slide__v,promo_mats_lifecycle__v,/out/a.txt\nB,multichannel_slide__v,promo_mats_lifecycle__v,/no.txt\n").list("data")
	want(t, "document", b.get("promo", fmt.Sprintf("objects/documents/%v/file", row[0]["id"])), "some bytes")
	want(t, "no such file", row[1].errorType(), "INVALID_DATA")
	b.must("DELETE", "promo", items+"/out?recursive=true", nil)
	want(t, "gone", b.do("GET", "promo", items+"/out", nil).errorType(), "INVALID_DATA")

	if err := b.AddUser(UserSpec{Name: "u@x.dev", Vaults: map[string]string{"promo": "business_user__v"}}); err != nil {
		t.Fatal(err)
	}
	u := b.login("promo", "u@x.dev", "secret")
	b.as(u, "POST", "promo", items, form("kind", "folder", "path", "mine"))
	want(t, "own folder", list(items+"/u10002"), "/u10002/mine")
	want(t, "of others", b.as(u, "GET", "promo", items+"/u10001", nil).errorType(), "INSUFFICIENT_ACCESS")
}

func TestUploadSessions(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	const uploads = "services/file_staging/upload"
	part := bytes.Repeat([]byte("x"), minPart)
	id := b.must("POST", "promo", uploads, form("path", "/big.bin", "size", fmt.Sprint(minPart+3))).get("data", "id").(string)
	put := func(n string, content []byte) response {
		_, out := b.raw("PUT", "/promo/api/v26.2/"+uploads+"/"+id, "application/octet-stream", content, http.Header{"Authorization": {b.session("promo")}, "X-Vaultapi-Filepartnumber": {n}})
		return decoded(t, out)
	}
	want(t, "part 1", put("1", part).get("data", "size"), any(float64(minPart)))
	want(t, "too early", b.do("POST", "promo", uploads+"/"+id, nil).errorType(), "INVALID_DATA")
	want(t, "part 0", put("0", part).errorType(), "INVALID_DATA")
	put("2", []byte("end"))
	want(t, "parts", len(b.must("GET", "promo", uploads+"/"+id+"/parts", nil).list("data")), 2)
	b.must("POST", "promo", uploads+"/"+id, nil)
	want(t, "content", b.get("promo", "services/file_staging/items/content/big.bin"), string(part)+"end")
	want(t, "closed", b.do("GET", "promo", uploads+"/"+id, nil).errorType(), "INVALID_DATA")
	id = b.must("POST", "promo", uploads, form("path", "/other.bin", "size", "1")).get("data", "id").(string)
	b.wait(uploadLifetime + time.Minute)
	want(t, "after 72 hours", len(b.must("GET", "promo", uploads, nil).list("data")), 0)
}

func TestClientIDsAndTheAPILog(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	me := func(query string, header ...string) response {
		return b.do("GET", "promo", "objects/users/me"+query, nil, header...)
	}
	me("?client_id=from-query", "X-VaultAPI-ClientID", "from-header")
	me("", "X-VaultAPI-ClientID", "from-header", "X-VaultAPI-ReferenceId", "ref-9")
	me("", "X-VaultAPI-ClientID", "not allowed!")
	me("")
	b.do("GET", "promo", "objects/documents/77", nil)
	out := b.get("promo", "logs/api_usage?date=2026-03-01")
	z, err := zip.NewReader(strings.NewReader(out), int64(len(out)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{",from-query,", ",from-header,", ",invalid_client_id,", ",unknown,", ",ref-9", "FAILURE,INVALID_DATA,"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
	b.Set(Settings{ClientIDs: []string{"good"}})
	want(t, "let in", me("?client_id=good").status(), "SUCCESS")
	want(t, "kept out", me("").errorType(), "INSUFFICIENT_ACCESS")
	b.Set(Settings{ClientIDs: []string{"*"}})
	want(t, "all again", me("").status(), "SUCCESS")
	res, _ := b.raw("GET", "/promo/api/v26.2/objects/users/me?client_id=veeva-vault-promomats_crm__v", "", nil, http.Header{"Authorization": {b.session("promo")}})
	want(t, "connection", res.Header.Get("X-VaultAPI-Connection"), "promomats_crm__v")
}

func TestJobs(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.must("GET", "promo", "audittrail/system_audit_trail?format_result=csv", nil)["jobId"]
	path := fmt.Sprintf("services/jobs/%v", id)
	want(t, "tasks", b.must("GET", "promo", path+"/tasks", nil).list("tasks")[0]["state"], any("SUCCESS"))
	want(t, "file", strings.HasPrefix(b.get("promo", path+"/content"), "id,timestamp,user_name,"), true)
	want(t, "histories", b.must("GET", "promo", "services/jobs/histories", nil).list("jobs")[0]["job_id"], id)
	want(t, "monitors", len(b.must("GET", "promo", "services/jobs/monitors", nil).list("jobs")), 0)
	want(t, "limit", b.do("GET", "promo", "services/jobs/histories?limit=201", nil).errorType(), "INVALID_DATA")
	want(t, "start", b.do("POST", "promo", fmt.Sprintf("services/jobs/start_now/%v", id), nil).errorType(), "OPERATION_NOT_ALLOWED")
}
