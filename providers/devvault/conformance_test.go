package devvault

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The checklist of what a development server owes the public facts, item by item, over raw HTTP.
func TestConformance(t *testing.T) {
	b := newBench(t, "promo:promomats", "crm:crm", "med:medcomms")
	if err := b.Connect(ConnectSpec{Content: "promo", CRM: "crm"}, b.http.URL); err != nil {
		t.Fatal(err)
	}
	b.Set(Settings{AuthBurst: 1000})
	id := b.session("promo")
	const formMedia = "application/x-www-form-urlencoded"
	// say sends one request of the promo vault's admin and returns the answer as text.
	say := func(method, path, media, body string, more ...string) (*http.Response, string) {
		h := http.Header{"Authorization": {id}}
		for i := 0; i+1 < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		res, out := b.raw(method, path, media, []byte(body), h)
		return res, string(out)
	}
	has := func(t *testing.T, what, text string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(text, p) {
				t.Errorf("%s: no %s in %.600s", what, p, text)
			}
		}
	}
	number := func(t *testing.T, text string) int64 {
		t.Helper()
		var a struct {
			ID int64 `json:"id"`
		}
		if err := json.Unmarshal([]byte(text), &a); err != nil || a.ID == 0 {
			t.Fatalf("no id in %s", text)
		}
		return a.ID
	}
	const docs, slide = "/promo/api/v26.2/objects/documents", "type__v=multichannel_slide__v&lifecycle__v=promo_mats_lifecycle__v"
	_, out := say("POST", docs, formMedia, "name__v=S&"+slide+"&language__v=english__v")
	doc := number(t, out)
	say("PUT", fmt.Sprintf("%s/%d/versions/0/1/lifecycle_actions/approve__v", docs, doc), "", "")

	t.Run("1 failures are in the body", func(t *testing.T) {
		for _, x := range []struct{ method, path, session, want string }{
			{"GET", "/promo/api/v26.2/no/such/path", id, "MALFORMED_URL"},
			{"PATCH", "/promo/api/v26.2/objects/documents", id, "METHOD_NOT_SUPPORTED"},
			{"GET", "/promo/api/v26.2/objects/users/me", "nonsense", "INVALID_SESSION_ID"},
			{"GET", "/promo/api/v26.2/objects/documents/999", id, "INVALID_DATA"},
		} {
			res, out := say(x.method, x.path, "", "", "Authorization", x.session)
			want(t, x.path, res.StatusCode, 200)
			has(t, x.path, out, `"responseStatus":"FAILURE"`, `"type":"`+x.want+`"`)
		}
		b.wait(47 * time.Hour) // a session that is kept alive ends after 48 hours none the less
		id = b.session("promo")
		for range 48 * 4 {
			b.now.add(15 * time.Minute)
			say("POST", "/promo/api/v26.2/keep-alive", "", "")
		}
		_, out := say("GET", "/promo/api/v26.2/objects/users/me", "", "")
		has(t, "after 48 hours", out, `"responseStatus":"SUCCESS"`)
		b.now.add(time.Minute)
		_, out = say("GET", "/promo/api/v26.2/objects/users/me", "", "")
		has(t, "past 48 hours", out, "INVALID_SESSION_ID")
		clear(b.ids)
		id = b.session("promo")
	})
	t.Run("2 raw and Bearer, another vault, URLs from the host", func(t *testing.T) {
		_, out := say("GET", "/promo/api/v26.2/objects/users/me", "", "", "Authorization", "Bearer "+id)
		has(t, "bearer", out, `"responseStatus":"SUCCESS"`)
		_, out = say("POST", "/nowhere/api/v26.2/auth", formMedia, "username=admin@promo.dev&password=secret")
		has(t, "login elsewhere", out, `"vaultId":1001`, `"url":"`+b.http.URL+`/promo/api"`)
		_, out = say("GET", "/promo/api/", "", "")
		has(t, "versions", out, `"v24.3":"`+b.http.URL+`/promo/api/v24.3"`)
	})
	t.Run("3 headers, bursts, jobs", func(t *testing.T) {
		res, _ := say("GET", "/promo/api/v26.2/no/such/path", "", "", "X-VaultAPI-ReferenceId", "ref-7")
		for _, n := range []string{"ExecutionId", "VaultId", "BurstLimit", "BurstLimitRemaining", "Status"} {
			if res.Header.Get("X-VaultAPI-"+n) == "" {
				t.Errorf("no header %s", n)
			}
		}
		want(t, "reference", res.Header.Get("X-VaultAPI-ReferenceId"), "ref-7")
		res, _ = say("GET", "/promo/api/v26.2/objects/users/me", "", "")
		want(t, "user", res.Header.Get("X-VaultAPI-UserId"), "10001")
		want(t, "session", res.Header.Get("X-VaultAPI-TruncatedSessionId"), id[:16])
		want(t, "expires", res.Header.Get("Expires"), "")

		b.Set(Settings{Burst: 1, BurstDelay: time.Millisecond})
		res, out := say("GET", "/promo/api/v26.2/objects/users/me", "", "")
		has(t, "past the burst", out, `"responseStatus":"SUCCESS"`)
		want(t, "delay", res.Header.Get("X-VaultAPI-ResponseDelay"), "1")
		b.Set(Settings{Burst: 1 << 30, AuthBurst: 2})
		for i := range 3 {
			_, out = say("POST", "/crm/api/v26.2/auth", formMedia, "username=admin@crm.dev&password=secret")
			if i < 2 {
				has(t, "login", out, `"sessionId"`)
			}
		}
		has(t, "past the auth burst", out, "API_LIMIT_EXCEEDED", `"errorType":"AUTHENTICATION_FAILED"`)
		b.Set(Settings{AuthBurst: 1000})

		_, out = say("GET", "/promo/api/v26.2/audittrail/login_audit_trail?format_result=csv", "", "")
		var job struct{ JobID int64 }
		if err := json.Unmarshal([]byte(out), &job); err != nil || job.JobID == 0 {
			t.Fatalf("no jobId in %s", out)
		}
		path := fmt.Sprintf("/promo/api/v26.2/services/jobs/%d", job.JobID)
		_, out = say("GET", path, "", "")
		has(t, "job", out, `"status":"SUCCESS"`, `"rel":"self"`)
		_, out = say("GET", path, "", "")
		has(t, "job at once again", out, "API_LIMIT_EXCEEDED")
	})
	t.Run("4 labels and names", func(t *testing.T) {
		_, out := say("GET", fmt.Sprintf("%s/%d", docs, doc), "", "")
		has(t, "document", out, fmt.Sprintf(`"id":%d,`, doc), `"type__v":"Multichannel Slide"`, `"status__v":"Approved"`, `"language__v":["English"]`, `"owner__v":{"users":[10001],"groups":[]}`)
		_, out = say("POST", "/promo/api/v26.2/vobjects/product__v", "application/json", `[{"name__v":"Alpha"}]`)
		record := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(out)[1]
		_, out = say("GET", "/promo/api/v26.2/vobjects/product__v/"+record, "", "")
		has(t, "record", out, `"id":"`+record+`"`, `"status__v":["active__v"]`)
	})
	t.Run("5 bulk", func(t *testing.T) {
		_, out := say("POST", docs+"/batch", "text/csv", "name__v,type__v,lifecycle__v\nA,multichannel_slide__v,promo_mats_lifecycle__v\nB,nothing__v,promo_mats_lifecycle__v\nC,multichannel_slide__v,promo_mats_lifecycle__v\n")
		if !regexp.MustCompile(`^\{"responseStatus":"SUCCESS","data":\[\{"responseStatus":"SUCCESS","id":\d+\},\{"responseStatus":"FAILURE","errors":\[.*\]\},\{"responseStatus":"SUCCESS","id":\d+\}\]\}$`).MatchString(out) {
			t.Errorf("rows: %s", out)
		}
		upsert := func(body string) string {
			_, out := say("POST", "/promo/api/v26.2/vobjects/product__v?idParam=external_id__v", "application/json", body)
			return out
		}
		has(t, "upsert", upsert(`[{"external_id__v":"P-1","name__v":"Beta"}]`), `"event":"created__sys"`, `"id_param_value":"P-1"`)
		out = upsert(`[{"external_id__v":"P-1","name__v":"Beta"}]`)
		has(t, "no-op", out, `{"responseStatus":"WARNING","warnings":[{"warning_type":"NO_DATA_CHANGES"`)
		has(t, "duplicate keys", upsert(`[{"external_id__v":"P-2","name__v":"x"},{"external_id__v":"P-2","name__v":"y"}]`), `{"responseStatus":"FAILURE","errors":`)
		for _, x := range []struct {
			method, path, header, row string
			most                      int
		}{
			{"POST", docs + "/batch", "name__v", "x", 500}, {"PUT", docs + "/batch", "id", "1", 1000}, {"DELETE", docs + "/batch", "id", "1", 500},
			{"PUT", docs + "/batch/actions/reclassify", "id", "1", 500}, {"DELETE", docs + "/versions/batch", "id", "1", 500}, {"POST", docs + "/renditions/batch", "id", "1", 500},
			{"POST", docs + "/relationships/batch", "id", "1", 1000}, {"POST", docs + "/roles/batch", "id", "1", 1000}, {"POST", docs + "/attachments/batch", "id", "1", 500},
			{"POST", "/promo/api/v26.2/vobjects/product__v", "name__v", "x", 500}, {"POST", "/promo/api/v26.2/objects/users", "user_name__v", "x", 500},
		} {
			_, out := say(x.method, x.path, "text/csv", x.header+"\n"+strings.Repeat(x.row+"\n", x.most+1))
			has(t, x.path, out, `{"responseStatus":"FAILURE","errors":[{"type":"INVALID_DATA"`, fmt.Sprint(x.most))
		}
	})
	t.Run("6 VQL", func(t *testing.T) {
		query := func(q string) string {
			_, out := say("POST", "/promo/api/v26.2/query", formMedia, form("q", q).Encode())
			return out
		}
		has(t, "labels", query("SELECT id, status__v, TONAME(status__v) AS state FROM documents WHERE status__v = STEADYSTATE()"), `"status__v":"Approved"`, `"approved__v"`)
		out := query("SELECT id FROM country__v PAGESIZE 1")
		has(t, "responseDetails", out, `"pagesize":1`, `"pageoffset":0`)
		out = query("SELECT id FROM documents PAGESIZE 1")
		next := regexp.MustCompile(`"next_page":"([^"]+)"`).FindStringSubmatch(out)
		if next == nil {
			t.Fatalf("no next page: %s", out)
		}
		_, out = say("POST", "/promo"+next[1], "", "")
		has(t, "next page", out, `"pageoffset":1`, `"previous_page"`)
		has(t, "nulls are not equal", query("SELECT id FROM documents WHERE title__v != 'x'"), fmt.Sprintf(`"id":%d`, doc))
		has(t, "find", query("SELECT id FROM documents FIND ('S')"), `"find":`)
		has(t, "too long", query("SELECT id FROM documents WHERE name__v = '"+strings.Repeat("x", 50000)+"'"), `"responseStatus":"FAILURE"`)
		has(t, "syntax", query("SELECT FROM"), "INCORRECT_QUERY_SYNTAX_ERROR")
	})
	t.Run("7 nodes of binders", func(t *testing.T) {
		_, out := say("POST", "/promo/api/v26.2/objects/binders", formMedia, "name__v=B&type__v=multichannel_presentation__v&lifecycle__v=promo_mats_lifecycle__v")
		binder := fmt.Sprintf("/promo/api/v26.2/objects/binders/%d", number(t, out))
		_, out = say("POST", binder+"/documents", formMedia, fmt.Sprintf("document_id__v=%d&binding_rule__v=steady-state", doc))
		if !regexp.MustCompile(`"id":"\d{13}:-?\d+"`).MatchString(out) {
			t.Errorf("node id: %s", out)
		}
		_, out = say("GET", binder+"?depth=all", "", "")
		has(t, "binder", out, `"parent_id__v":"rootNode"`, `"type__v":"document"`, `"binder__v":true`)
	})
	t.Run("8 CrossLinks", func(t *testing.T) {
		crm := b.session("crm")
		multi := func(fields string) (string, string) {
			var out strings.Builder
			for _, p := range strings.Split(fields, "&") {
				k, v, _ := strings.Cut(p, "=")
				fmt.Fprintf(&out, "--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", k, strings.ReplaceAll(v, "+", " "))
			}
			return "multipart/form-data; boundary=x", out.String() + "--x--\r\n"
		}
		// no rule stands for the latest steady state version
		fields := fmt.Sprintf("name__v=L&type__v=slide__v&lifecycle__v=crm_content__v&source_vault_id__v=1001&source_document_id__v=%d", doc)
		for _, rule := range []string{"", "&source_binding_rule__v=Latest+version", "&source_binding_rule__v=Specific+document+version&bound_source_major_version__v=1&bound_source_minor_version__v=0"} {
			for _, asForm := range []bool{true, false} {
				media, body := formMedia, fields+rule
				if !asForm {
					media, body = multi(body)
				}
				_, out := say("POST", "/crm/api/v26.2/objects/documents", media, body, "Authorization", crm)
				_, out = say("GET", fmt.Sprintf("/crm/api/v26.2/objects/documents/%d", number(t, out)), "", "", "Authorization", crm)
				has(t, "CrossLink "+rule, out, `"crosslink__v":true`)
				if rule == "" {
					has(t, "the rule when none is given", out, "Latest Steady State version")
				}
			}
		}
		_, out := say("POST", "/crm/api/v26.2/objects/documents", formMedia, fields+"&source_binding_rule__v=Specific+Document+version", "Authorization", crm)
		has(t, "no bound version", out, "PARAMETER_REQUIRED")
	})
	t.Run("9 MDL", func(t *testing.T) {
		_, out := say("POST", "/promo/api/mdl/execute", "application/json",
			"RECREATE Picklist dose_form__c (label('Dose form'), active(true), Picklistentry tablet__c(value('Tablet'), order(0), active(true)));")
		has(t, "execute", out, `"responseStatus":"SUCCESS"`, `"script_execution":{"code":"GEN-S-0","message":"OK"`, `"component":"Picklist.dose_form__c"`, `"response":"SUCCESS"`)
		_, out = say("POST", "/promo/api/mdl/execute", "application/json", "ALTER Picklist no_such__c (label('x'));")
		has(t, "failure", out, `"responseStatus":"FAILURE"`, `"code":"GEN-F-401"`, `"errors":[{`)
		res, out := say("GET", "/promo/api/mdl/components/Picklist.dose_form__c", "", "")
		if !strings.HasPrefix(out, "RECREATE Picklist dose_form__c") || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("component text: %s %s", res.Header.Get("Content-Type"), out)
		}
		_, out = say("GET", "/promo/api/v26.2/configuration/Picklist.dose_form__c", "", "")
		has(t, "component JSON", out, `"Picklistentry":[{`, `"name":"tablet__c"`)
	})
	t.Run("10 keys of jobs", func(t *testing.T) {
		_, out := say("POST", "/promo/api/v26.2/objects/binders", formMedia, "name__v=B&type__v=multichannel_presentation__v&lifecycle__v=promo_mats_lifecycle__v")
		binder := number(t, out)
		_, out = say("POST", fmt.Sprintf("/promo/api/v26.2/objects/binders/%d/actions/export", binder), "", "")
		has(t, "export", out, `"URL":"/api/v26.2/services/jobs/`, `"job_id":`)
		_, out = say("GET", "/promo/api/v26.2/audittrail/system_audit_trail?format_result=csv", "", "")
		has(t, "audit", out, `"jobId":`, `"url":"/api/v26.2/services/jobs/`)
		say("POST", "/promo/api/v26.2/services/file_staging/items", formMedia, "kind=folder&path=/old")
		_, out = say("DELETE", "/promo/api/v26.2/services/file_staging/items/old", "", "")
		has(t, "file staging", out, `"data":{"job_id":`)
		_, out = say("POST", "/promo/api/mdl/execute_async", "application/json", "RECREATE Picklist later__c (label('Later'), active(true));")
		has(t, "MDL", out, `"job_id":`, `"url":`)
		job := regexp.MustCompile(`"job_id":"?(\d+)`).FindStringSubmatch(out)[1]
		_, out = say("GET", "/promo/api/v26.2/services/jobs/"+job, "", "")
		has(t, "links", out, `"rel":"artifacts"`)
	})
	t.Run("11 CSV", func(t *testing.T) {
		res, out := say("POST", docs+"/batch", "text/csv", "name__v,title__v,type__v,lifecycle__v,language__v\r\n\"a \"\"b\"\"\tc\",\"x\\\\y\nz\",multichannel_slide__v,promo_mats_lifecycle__v,\"english__v,french__v\"\n,,,,\n", "Accept", "text/csv")
		want(t, "media", res.Header.Get("Content-Type"), "text/csv;charset=UTF-8")
		lines := strings.SplitN(out, "\n", 3)
		want(t, "columns", lines[0], "responseStatus,id,errors,warnings")
		has(t, "success", lines[1], "SUCCESS,")
		has(t, "failure", lines[2], "FAILURE,,PARAMETER_REQUIRED|")
		_, out = say("GET", docs+"/"+strings.Split(lines[1], ",")[1], "", "")
		has(t, "values", out, `"name__v":"a \"b\"\tc"`, `"title__v":"x\\y\nz"`, `"language__v":["English","French"]`)
		_, out = say("POST", "/promo/api/v26.2/vobjects/product__v", "text/csv", "name__v\nGamma\n", "Accept", "text/csv")
		has(t, "records", out, "responseStatus,id,url,event,errors,warnings\nSUCCESS,")
		_, out = say("POST", docs+"/batch", "text/csv", "name__v\n\"a\rb\"\n")
		has(t, "bare carriage return", out, `"responseStatus":"FAILURE"`)
	})
	t.Run("12 connections are records", func(t *testing.T) {
		b := newBench(t, "crm:crm")
		a := b.query("crm", "SELECT name__v, status__v FROM integration__sys")
		if n := len(a.list("data")); n == 0 {
			t.Fatal("no integrations")
		}
		labels := map[string]bool{}
		for _, object := range []string{"integration__sys", "integration_point__sys", "connection__sys"} {
			for _, r := range b.query("crm", "SELECT name__v, status__v FROM "+object+" PAGESIZE 1000").list("data") {
				labels[r["name__v"].(string)] = true
				want(t, r["name__v"].(string), fmt.Sprint(r["status__v"]), "[inactive__v]")
			}
		}
		for _, l := range []string{"PromoMats-CRM Connection", "Medical-CRM Connection", "PromoMats-CRM: CLM Integration", "Medical-CRM: CLM Integration", "PromoMats-CRM: Country Integration",
			"Medical-CRM: Country Integration", "PromoMats-CRM: CLM Presentation Integration Point", "Medical-CRM: CLM Presentation Integration Point", "PromoMats-CRM: CLM Country", "Medical-CRM: CLM Country"} {
			if !labels[l] {
				t.Errorf("there is no %q", l)
			}
		}
		want(t, "exceptions", b.query("crm", "SELECT id FROM exception_message__sys").status(), "SUCCESS")
	})
}

// The status line is numeric only, also of many answers on one connection, and of one that is longer than a buffer.
func TestNumericStatus(t *testing.T) {
	t.Parallel()
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(bytes.Repeat([]byte("HTTP/1.1 200 OK\r\n"), 10000))
	}))
	h.Listener = NumericStatus(h.Listener)
	h.Start()
	defer h.Close()
	c, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for range 3 {
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		line, err := r.Peek(len("HTTP/1.1 200 \r\n"))
		if err != nil {
			t.Fatal(err)
		}
		want(t, "status line", string(line), "HTTP/1.1 200 \r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body.Bytes(), bytes.Repeat([]byte("HTTP/1.1 200 OK\r\n"), 10000)) {
			t.Error("the body was changed")
		}
	}
}
