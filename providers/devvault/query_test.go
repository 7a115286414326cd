package devvault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord/providers/devvault/vql"
)

// queried is a server with one content vault that tests put rows into and query over HTTP.
type queried struct {
	*testing.T
	s       *Server
	v       *vault
	base    string
	session string
	version string
}

var queryNow = time.Date(2026, 5, 20, 10, 30, 0, 0, time.UTC)

func newQueried(t *testing.T) *queried {
	t.Helper()
	s, err := Open(Options{Dir: t.TempDir(), Lax: true, Clock: func() time.Time { return queryNow }, Settings: Settings{Burst: 1e6}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.AddVault(VaultSpec{Name: "pm", Kind: kindPromoMats, ID: 2001}); err != nil {
		t.Fatal(err)
	}
	q := &queried{T: t, s: s, v: s.vault("pm"), base: web.URL + "/pm", version: "v26.2"}
	q.session = q.login("admin@pm.dev")
	return q
}

func (q *queried) login(user string) string {
	q.Helper()
	var reply struct{ SessionID string }
	q.post("/api/v26.2/auth", url.Values{"username": {user}, "password": {"dev"}}, nil, &reply)
	if reply.SessionID == "" {
		q.Fatalf("no session for %s", user)
	}
	return reply.SessionID
}

func (q *queried) post(path string, form url.Values, header http.Header, into any) {
	q.Helper()
	r, err := http.NewRequest("POST", q.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		q.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", q.session)
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		q.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		q.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		q.Fatalf("POST %s: status %d", path, resp.StatusCode)
	}
	if err := json.Unmarshal(content, into); err != nil {
		q.Fatalf("POST %s: %v in %s", path, err, content)
	}
}

type queryReply struct {
	ResponseStatus  string
	Errors          []struct{ Type, Message string }
	QueryDescribe   json.RawMessage
	ResponseDetails struct {
		Find                 string
		Pagesize, Pageoffset int
		Size, Total          int
		NextPage             string `json:"next_page"`
		PreviousPage         string `json:"previous_page"`
	}
	Data json.RawMessage
}

func (q *queried) ask(query string) queryReply {
	q.Helper()
	var reply queryReply
	q.post("/api/"+q.version+"/query", url.Values{"q": {query}}, nil, &reply)
	return reply
}

// rows asks and returns data, which must be there, one row a line.
func (q *queried) rows(query string) string {
	q.Helper()
	reply := q.ask(query)
	if reply.ResponseStatus != "SUCCESS" {
		q.Fatalf("%s: %v", query, reply.Errors)
	}
	return lines(q, reply.Data)
}

func lines(t testing.TB, data json.RawMessage) string {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatalf("data is no array: %s", data)
	}
	var b strings.Builder
	for _, row := range list {
		var compact bytes.Buffer
		json.Compact(&compact, row)
		b.Write(compact.Bytes())
		b.WriteByte('\n')
	}
	return b.String()
}

// want compares the rows of a query with what they shall be, in the order in which they come.
func (q *queried) want(query string, rows ...string) {
	q.Helper()
	want := ""
	for _, r := range rows {
		want += r + "\n"
	}
	if diff := cmp.Diff(want, q.rows(query)); diff != "" {
		q.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

// ids asks for one column and compares its values.
func (q *queried) ids(query string, want ...any) {
	q.Helper()
	var rows []map[string]any
	reply := q.ask(query)
	if reply.ResponseStatus != "SUCCESS" {
		q.Errorf("%s: %v", query, reply.Errors)
		return
	}
	if err := json.Unmarshal(reply.Data, &rows); err != nil {
		q.Fatal(err)
	}
	got, wanted := []string{}, []string{}
	for _, r := range rows {
		for _, v := range r {
			got = append(got, fmt.Sprint(v))
		}
	}
	for _, w := range want {
		wanted = append(wanted, fmt.Sprint(w))
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		q.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

// refused asks and expects a failure of that type whose message has the text.
func (q *queried) refused(query, typ, text string) {
	q.Helper()
	reply := q.ask(query)
	if reply.ResponseStatus != "FAILURE" || len(reply.Errors) != 1 || reply.Errors[0].Type != typ || !strings.Contains(reply.Errors[0].Message, text) {
		q.Errorf("%s: got %s %v, want %s …%s…", query, reply.ResponseStatus, reply.Errors, typ, text)
	}
}

// versionRow is a row of versions; what is not set is ordinary.
type versionRow struct {
	doc, seq, major, minor int64
	old                    bool // not the latest
	binder                 bool
	name, typ, status      string
	lifecycle              string
	external, link         string
	modified               time.Time
	fields                 string
}

func (q *queried) versions(list ...versionRow) {
	q.Helper()
	q.update(func(t *tx) error {
		for _, v := range list {
			if err := putVersion(t, q.v.slot, v); err != nil {
				return err
			}
		}
		return nil
	})
}

func (q *queried) update(do func(*tx) error) {
	q.Helper()
	if err := q.s.store.update(do); err != nil {
		q.Fatal(err)
	}
}

func putVersion(t *tx, slot int64, v versionRow) error {
	ordinary := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	ordinary(&v.name, fmt.Sprintf("Doc %d", v.doc))
	ordinary(&v.typ, "multichannel_slide__v")
	ordinary(&v.lifecycle, "promo_mats_lifecycle__v")
	ordinary(&v.status, "approved__v")
	ordinary(&v.fields, "{}")
	if v.seq == 0 {
		v.seq = 1
	}
	if v.major == 0 && v.minor == 0 {
		v.major = 1
	}
	if v.modified.IsZero() {
		v.modified = queryNow.Add(-240 * time.Hour)
	}
	at := v.modified.UnixMilli()
	return t.exec(`INSERT INTO versions (key, slot, doc, seq, major, minor, latest, binder, crosslink, name, number, type, lifecycle, status, external_id, link,
		created, created_by, version_created, version_created_by, modified, modified_by, fields) VALUES (?,?,?,?,?,?,?,?,0,?,?,?,?,?,?,?,?,10001,?,10001,?,10001,?)`,
		versionKey(slot, v.doc, v.seq), slot, v.doc, v.seq, v.major, v.minor, !v.old, v.binder, v.name, fmt.Sprintf("PM-%05d", v.doc), v.typ, v.lifecycle,
		v.status, null(v.external), null(v.link), at, at, at, v.fields)
}

func (q *queried) node(binder, seq, ord, content int64, name string) {
	q.Helper()
	q.update(func(t *tx) error {
		return t.exec(`INSERT INTO nodes (version, ord, id, slot, parent, kind, content, name, created) VALUES (?,?,?,?,'rootNode','document',?,?,0)`,
			versionKey(q.v.slot, binder, seq), ord, fmt.Sprintf("1457556160448:%d", content*100+ord), q.v.slot, content, name)
	})
}

// record makes a record and returns its id.
func (q *queried) record(object string, r record) string {
	q.Helper()
	if r.status == "" {
		r.status = "active__v"
	}
	o := q.v.catalog().objects[object]
	if r.typ == "" {
		r.typ = o.defaultType()
	}
	r.created, r.modified, r.createdBy, r.modifiedBy = queryNow.UnixMilli(), queryNow.UnixMilli(), 10001, 10001
	q.update(func(t *tx) error { return q.v.insertRecord(t, o, &r) })
	return r.id
}

// TestDocumentsAnswerLabels: labels unless TONAME; objects names unless TOLABEL; picklists and references are arrays; ids of documents are numbers.
func TestDocumentsAnswerLabels(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 5, name: `A "quoted" name`, fields: `{"title__v":"Title","language__v":["english__v","french__v"],"country__v":["00C000000000001"],"clm_content__v":true,"crm_start_date__v":"2026-01-31"}`})
	q.want(`SELECT id, name__v, title__v, type__v, TONAME(type__v) AS type_name, subtype__v, lifecycle__v, status__v, TONAME(status__v) AS state, language__v,
		TONAME(language__v) AS languages, country__v, clm_content__v, crm_training__v, crm_start_date__v, binder__v, major_version_number__v, version_id,
		global_id__sys, global_version_id__sys, latest_version__v, version_modified_date__v, created_by__v FROM documents`,
		`{"id":5,"name__v":"A \"quoted\" name","title__v":"Title","type__v":"Multichannel Slide","type_name":"multichannel_slide__v","subtype__v":null,`+
			`"lifecycle__v":"PromoMats Lifecycle","status__v":"Approved","state":"approved__v","language__v":["English","French"],`+
			`"languages":["english__v","french__v"],"country__v":["00C000000000001"],"clm_content__v":true,"crm_training__v":null,"crm_start_date__v":"2026-01-31",`+
			`"binder__v":false,"major_version_number__v":1,"version_id":"5_1_0","global_id__sys":"2001_5","global_version_id__sys":"2001_5_1","latest_version__v":true,`+
			`"version_modified_date__v":"2026-05-10T10:30:00.000Z","created_by__v":10001}`)
	q.ids("SELECT id FROM documents WHERE type__v = 'Multichannel Slide'", 5)
	q.ids("SELECT id FROM documents WHERE type__v = 'multichannel_slide__v'")
	q.ids("SELECT id FROM documents WHERE TONAME(type__v) = 'multichannel_slide__v'", 5)
	q.ids("SELECT id FROM documents WHERE status__v = 'Approved' AND lifecycle__v = 'PromoMats Lifecycle'", 5)
	q.ids("SELECT id FROM documents WHERE TONAME(status__v) CONTAINS ('approved__v', 'draft__v')", 5)
	q.ids("SELECT id FROM documents WHERE status__v LIKE 'App%'", 5)
	q.ids("SELECT id FROM documents WHERE language__v CONTAINS ('French', 'German')", 5)
	q.ids("SELECT id FROM documents WHERE TONAME(language__v) = 'french__v'", 5)
	q.ids("SELECT id FROM documents WHERE language__v = 'french__v'")

	id := q.record("country__v", record{name: "Austria", fields: values{"country_cda__v": []string{"at__v"}, "code__v": "AT"}})
	q.want("SELECT id, name__v, status__v, TOLABEL(status__v) AS status, country_cda__v, TOLABEL(country_cda__v) AS cda, global_id__sys, created_by__v FROM country__v WHERE code__v = 'AT'",
		fmt.Sprintf(`{"id":"%s","name__v":"Austria","status__v":["active__v"],"status":["Active"],"country_cda__v":["at__v"],"cda":["Austria"],"global_id__sys":"2001_%[1]s","created_by__v":10001}`, id))
	q.ids("SELECT id FROM country__v WHERE country_cda__v CONTAINS ('at__v', 'de__v')", id)
	q.ids("SELECT id FROM country__v WHERE TOLABEL(country_cda__v) = 'Austria'", id)
	q.ids("SELECT id FROM country__v WHERE status__v = 'active__v' AND name__v = 'Austria'", id)
}

// TestNotEqualMatchesNull: `!= 'x'` also matches rows in which the field is null; `= null` and `!= null` ask for it.
func TestNotEqualMatchesNull(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 1, fields: `{"title__v":"x"}`}, versionRow{doc: 2, fields: `{"title__v":"y"}`}, versionRow{doc: 3},
		versionRow{doc: 4, fields: `{"clm_content__v":false,"country__v":["a","b"],"language__v":["french__v"]}`})
	q.ids("SELECT id FROM documents WHERE title__v != 'x'", 2, 3, 4)
	q.ids("SELECT id FROM documents WHERE title__v = null", 3, 4)
	q.ids("SELECT id FROM documents WHERE title__v != NULL", 1, 2)
	q.ids("SELECT id FROM documents WHERE clm_content__v != true", 1, 2, 3, 4)
	q.ids("SELECT id FROM documents WHERE clm_content__v = false", 4)
	q.ids("SELECT id FROM documents WHERE country__v != 'a'", 1, 2, 3)
	q.ids("SELECT id FROM documents WHERE country__v = null", 1, 2, 3)
	q.ids("SELECT id FROM documents WHERE country__v = 'b'", 4)
	q.ids("SELECT id FROM documents WHERE language__v != 'French'", 1, 2, 3)
	q.ids("SELECT id FROM documents WHERE subtype__v != 'x'", 1, 2, 3, 4)
	q.ids("SELECT id FROM documents WHERE status__v != 'Approved'")
	q.ids("SELECT id FROM documents WHERE external_id__v != 'x'", 1, 2, 3, 4)
}

// TestOperators: the operators of §2.2 on texts, numbers, dates and documents' ids.
func TestOperators(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	day := func(d int) time.Time { return time.Date(2026, 5, d, 12, 0, 0, 0, time.UTC) }
	q.versions(versionRow{doc: 1, name: "alpha", modified: day(1), external: "accord:p:1", fields: `{"crm_end_date__v":"2026-05-20"}`},
		versionRow{doc: 2, name: "beta", modified: day(10), external: "accord:p:2", link: "7_7", fields: `{"crm_end_date__v":"2026-06-01"}`},
		versionRow{doc: 3, name: "Gamma 100%", modified: day(20), external: "other"}, versionRow{doc: 4, name: "it's", minor: 3})
	q.ids("SELECT id FROM documents WHERE name__v < 'b'", 1, 3)
	q.ids("SELECT id FROM documents WHERE name__v >= 'beta' AND name__v <= 'c'", 2)
	q.ids("SELECT id FROM documents WHERE name__v BETWEEN 'alpha' AND 'beta'", 1, 2)
	q.ids("SELECT id FROM documents WHERE name__v LIKE 'a%a'", 1)
	q.ids("SELECT id FROM documents WHERE name__v LIKE 'A%'")
	q.ids(`SELECT id FROM documents WHERE name__v LIKE 'Gamma%\%'`, 3)
	q.ids(`SELECT id FROM documents WHERE name__v LIKE 'Gamma*'`)
	q.ids("SELECT id FROM documents WHERE name__v = 'it''s'", 4)
	q.ids(`SELECT id FROM documents WHERE name__v = 'it\'s'`, 4)
	q.ids("SELECT id FROM documents WHERE (name__v = 'alpha' OR name__v = 'beta') AND id > 1", 2)
	q.ids("SELECT id FROM documents WHERE name__v = 'alpha' OR name__v = 'beta' AND id > 5", 1)
	q.ids("SELECT id FROM documents WHERE id > 2", 3, 4)
	q.ids("SELECT ID FROM documents WHERE ID >= '3'", 3, 4)
	q.ids("SELECT id FROM documents WHERE id < 2", 1)
	q.ids("SELECT id FROM documents WHERE id <= 2", 1, 2)
	q.ids("SELECT id FROM documents WHERE id = 3", 3)
	q.ids("SELECT id FROM documents WHERE id != 3", 1, 2, 4)
	q.ids("SELECT id FROM documents WHERE id CONTAINS (4, '1', 99)", 1, 4)
	q.ids("SELECT id FROM documents WHERE id BETWEEN 2 AND 3", 2, 3)
	q.ids("SELECT id FROM documents WHERE id > 99999999999")
	q.ids("SELECT id FROM documents WHERE id > -1 AND id < 2", 1)
	q.ids("SELECT id FROM documents WHERE global_id__sys CONTAINS ('2001_2','2001_4','999_1','x')", 2, 4)
	q.ids("SELECT id FROM documents WHERE global_id__sys != '2001_2'", 1, 3, 4)
	q.ids("SELECT id FROM documents WHERE global_version_id__sys = '2001_2_1'", 2)
	q.ids("SELECT id FROM documents WHERE version_id CONTAINS ('2_1_0', '3_9_9')", 2)
	q.ids("SELECT id FROM documents WHERE link__sys CONTAINS ('7_7', '8_8')", 2)
	q.ids("SELECT id FROM documents WHERE external_id__v LIKE 'accord:%'", 1, 2)
	q.ids("SELECT id FROM documents WHERE external_id__v > 'accord:p:1' ORDER BY external_id__v", 2, 3)
	q.ids("SELECT id FROM documents WHERE minor_version_number__v = 3", 4)
	q.ids("SELECT id FROM documents WHERE version_modified_date__v >= '2026-05-10'", 2, 3, 4)
	q.ids("SELECT id FROM documents WHERE version_modified_date__v > '2026-05-10T12:00:00.000Z'", 3)
	q.ids("SELECT id FROM documents WHERE version_modified_date__v = TODAY", 3)
	q.ids("SELECT id FROM documents WHERE version_modified_date__v >= LAST_DAYS:10", 2, 3, 4)
	q.ids("SELECT id FROM documents WHERE version_modified_date__v = DAYS_AGO:10", 2, 4)
	q.ids("SELECT id FROM documents WHERE crm_end_date__v = TODAY", 1)
	q.ids("SELECT id FROM documents WHERE crm_end_date__v = NEXT_MONTH", 2)
	q.ids("SELECT id FROM documents WHERE crm_end_date__v <= '2026-05-31'", 1)
}

// TestSteadyStateIsTheLifecyclesOwn: STEADYSTATE() and its kin come from the state types of each lifecycle, not from names.
func TestSteadyStateIsTheLifecyclesOwn(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 1, status: "approved__v"}, versionRow{doc: 2, status: "draft__v"}, versionRow{doc: 3, status: "obsolete__v"},
		versionRow{doc: 4, status: "approved__v", lifecycle: "unclassified__v"}, versionRow{doc: 5, status: "superseded__v"})
	q.ids("SELECT id FROM documents WHERE status__v = STEADYSTATE()", 1)
	q.ids("SELECT id FROM documents WHERE status__v = OBSOLETESTATE()", 3)
	q.ids("SELECT id FROM documents WHERE status__v = SUPERSEDEDSTATE()", 5)
	q.ids("SELECT id FROM documents WHERE status__v = DELETEDSTATE()")
	q.ids("SELECT id FROM documents WHERE status__v != STEADYSTATE()", 2, 3, 4, 5)
	q.refused("SELECT id FROM documents WHERE name__v = STEADYSTATE()", "INVALID_DATA", "STEADYSTATE")
	q.refused("SELECT id FROM country__v WHERE status__v = STEADYSTATE()", "INVALID_DATA", "STEADYSTATE")
}

// TestVersions: the latest version by default, all with ALLVERSIONS, the newest that matches with both.
func TestVersions(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(
		versionRow{doc: 1, seq: 1, major: 1, old: true, status: "superseded__v"}, versionRow{doc: 1, seq: 2, major: 2, old: true, status: "approved__v"}, versionRow{doc: 1, seq: 3, major: 2, minor: 1, status: "draft__v"},
		versionRow{doc: 2, seq: 1, major: 1, status: "approved__v"},
		versionRow{doc: 3, seq: 1, minor: 1, status: "draft__v"},
		versionRow{doc: 4, seq: 1, major: 1, old: true, status: "approved__v"}, versionRow{doc: 4, seq: 2, major: 1, minor: 1, old: true, status: "approved__v"}, versionRow{doc: 4, seq: 3, major: 1, minor: 2, status: "draft__v"})
	q.ids("SELECT version_id FROM documents", "1_2_1", "2_1_0", "3_0_1", "4_1_2")
	q.ids("SELECT LATESTVERSION version_id FROM documents WHERE status__v = STEADYSTATE()", "2_1_0")
	q.ids("SELECT version_id FROM ALLVERSIONS documents WHERE id = 1", "1_1_0", "1_2_0", "1_2_1")
	q.ids("SELECT version_id FROM ALLVERSIONS documents WHERE status__v = STEADYSTATE()", "1_2_0", "2_1_0", "4_1_0", "4_1_1")
	q.ids("SELECT LATESTVERSION version_id FROM ALLVERSIONS documents WHERE status__v = STEADYSTATE()", "1_2_0", "2_1_0", "4_1_1")
	q.ids("SELECT LATESTVERSION version_id FROM ALLVERSIONS documents WHERE type__v = 'Multichannel Slide' AND status__v = STEADYSTATE() AND id > 1 ORDER BY id PAGESIZE 1000", "2_1_0", "4_1_1")
	q.ids("SELECT LATESTVERSION version_id FROM ALLVERSIONS documents WHERE id CONTAINS (1, 4) AND status__v = STEADYSTATE()", "1_2_0", "4_1_1")
	q.ids("SELECT LATESTVERSION version_id FROM ALLVERSIONS documents", "1_2_1", "2_1_0", "3_0_1", "4_1_2")
	q.ids("SELECT version_id FROM ALLVERSIONS documents WHERE latest_version__v = false", "1_1_0", "1_2_0", "4_1_0", "4_1_1")
	q.refused("SELECT id FROM ALLVERSIONS country__v", "INVALID_DATA", "ALLVERSIONS")
}

// TestNullsAreLast: documents and standard objects put nulls last both ways.
func TestNullsAreLast(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 1}, versionRow{doc: 2, external: "b", fields: `{"title__v":"b"}`}, versionRow{doc: 3, external: "a", fields: `{"title__v":"a"}`})
	q.ids("SELECT id FROM documents ORDER BY title__v", 3, 2, 1)
	q.ids("SELECT id FROM documents ORDER BY title__v DESC", 2, 3, 1)
	q.ids("SELECT id FROM documents ORDER BY external_id__v ASC", 3, 2, 1)
	q.ids("SELECT id FROM documents ORDER BY id DESC", 3, 2, 1)
	q.ids("SELECT id FROM documents ORDER BY type__v, name__v DESC", 3, 2, 1)
	a := q.record("product__v", record{name: "A"})
	b := q.record("product__v", record{name: "B", fields: values{"product_family__v": "f"}})
	q.ids("SELECT id FROM product__v ORDER BY product_family__v", b, a)
	q.ids("SELECT id FROM product__v ORDER BY product_family__v DESC", b, a)
	q.ids("SELECT id FROM product__v ORDER BY name__v DESC", b, a)
	q.ids("SELECT id FROM product__v", a, b)
}

// TestStatusIsSortedByItsLabel, as documents answer labels.
func TestStatusIsSortedByItsLabel(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 1, status: "superseded__v"}, versionRow{doc: 2, status: "in_review__v"}, versionRow{doc: 3, status: "draft__v"})
	q.ids("SELECT id FROM documents ORDER BY status__v", 3, 2, 1)
	q.ids("SELECT id FROM documents ORDER BY TONAME(status__v) DESC", 1, 2, 3)
}

// TestBinderNodesAreOfTheVersion: the sub-select answers the nodes of that version of the binder, with its own responseDetails.
func TestBinderNodesAreOfTheVersion(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	const presentation = "multichannel_presentation__v"
	q.versions(versionRow{doc: 1, link: "9_1"}, versionRow{doc: 2, status: "draft__v"}, versionRow{doc: 3},
		versionRow{doc: 10, seq: 1, major: 1, binder: true, typ: presentation, old: true}, versionRow{doc: 10, seq: 2, major: 1, minor: 1, binder: true, typ: presentation, status: "draft__v"},
		versionRow{doc: 11, binder: true, typ: presentation})
	q.node(10, 1, 1, 2, "two")
	q.node(10, 1, 2, 1, "one")
	q.node(10, 2, 1, 3, "three")
	q.want("SELECT id, (SELECT id, content_id__sys, order__sys, document__sysr.link__sys, document__sysr.status__v, parent_binder_id__sys FROM binder_nodes__sysr), name__v FROM binders",
		`{"id":10,"binder_nodes__sysr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":1,"total":1},"data":[`+
			`{"id":"1457556160448:301","content_id__sys":3,"order__sys":1,"document__sysr.link__sys":null,"document__sysr.status__v":"Approved","parent_binder_id__sys":10}]},"name__v":"Doc 10"}`,
		`{"id":11,"binder_nodes__sysr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":0,"total":0},"data":[]},"name__v":"Doc 11"}`)
	q.want("SELECT LATESTVERSION version_id, (SELECT content_id__sys, document__sysr.link__sys AS link, document__sysr.status__v AS status FROM binder_nodes__sysr) FROM ALLVERSIONS binders WHERE status__v = STEADYSTATE() AND id < 11",
		`{"version_id":"10_1_0","binder_nodes__sysr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":2,"total":2},"data":[`+
			`{"content_id__sys":2,"link":null,"status":"Draft"},{"content_id__sys":1,"link":"9_1","status":"Approved"}]}}`)
	q.want("SELECT id, (SELECT content_id__sys FROM binder_nodes__sysr WHERE document__sysr.link__sys = '9_1') FROM ALLVERSIONS binders WHERE version_id = '10_1_0'",
		`{"id":10,"binder_nodes__sysr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":1,"total":1},"data":[{"content_id__sys":1}]}}`)
	q.ids("SELECT id FROM binders WHERE id IN (SELECT id FROM binder_nodes__sysr WHERE content_id__sys CONTAINS ('3', '9'))", 10)
	q.ids("SELECT id FROM binders WHERE id IN (SELECT id FROM binder_nodes__sysr WHERE content_id__sys = 1)")
	q.ids("SELECT version_id FROM ALLVERSIONS binders WHERE id IN (SELECT id FROM binder_nodes__sysr WHERE document__sysr.link__sys = '9_1')", "10_1_0")
	q.ids("SELECT id FROM documents WHERE binder__v = true", 10, 11)
	q.ids("SELECT content_id__sys FROM binder_node__sys WHERE parent_binder_id__sys = 10", 3)
	q.ids("SELECT parent_binder_id__sys FROM binder_node__sys WHERE content_id__sys CONTAINS (3)", 10)
	q.ids("SELECT binder__sysr.name__v FROM binder_node__sys", "Doc 10")
}

// TestSubSelectsHaveTheirOwnPage: 250 rows of a sub-select are answered, total says how many there are.
func TestSubSelectsHaveTheirOwnPage(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 10, binder: true})
	q.update(func(t *tx) error {
		for i := range int64(260) {
			if err := t.exec(`INSERT INTO nodes (version, ord, id, slot, parent, kind, content, name, created) VALUES (?,?,?,?,'rootNode','document',?,'n',0)`,
				versionKey(q.v.slot, 10, 1), i, fmt.Sprint("1:", i), q.v.slot, i); err != nil {
				return err
			}
		}
		return nil
	})
	var rows []struct {
		Nodes struct {
			ResponseDetails struct{ Pagesize, Size, Total int }
			Data            []struct {
				Order int `json:"order__sys"`
			}
		} `json:"binder_nodes__sysr"`
	}
	if err := json.Unmarshal(q.ask("SELECT (SELECT order__sys FROM binder_nodes__sysr) FROM binders").Data, &rows); err != nil {
		t.Fatal(err)
	}
	n := rows[0].Nodes
	if n.ResponseDetails.Pagesize != 250 || n.ResponseDetails.Size != 250 || n.ResponseDetails.Total != 260 || len(n.Data) != 250 || n.Data[249].Order != 249 {
		t.Errorf("sub-select: %+v, %d rows", n.ResponseDetails, len(n.Data))
	}
}

// TestRelationships of §2.4: outbound lookups, inbound sub-selects and filters, documents and objects.
func TestRelationships(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	us := q.record("country__v", record{name: "United States", fields: values{"country_cda__v": []string{"us__v"}}})
	ca := q.record("country__v", record{name: "Canada"})
	one := q.record("crm_connection_country__v", record{name: "one", fields: values{"country__v": us, "vault_crm_id__v": "77"}})
	two := q.record("crm_connection_country__v", record{name: "two"})
	q.want("SELECT id, country__vr.name__v, country__vr.status__v, country__vr.country_cda__v AS cda FROM crm_connection_country__v",
		fmt.Sprintf(`{"id":"%s","country__vr.name__v":"United States","country__vr.status__v":["active__v"],"cda":["us__v"]}`, one),
		fmt.Sprintf(`{"id":"%s","country__vr.name__v":null,"country__vr.status__v":null,"cda":null}`, two))
	q.ids("SELECT id FROM crm_connection_country__v WHERE country__vr.name__v = 'United States'", one)
	q.ids("SELECT id FROM crm_connection_country__v WHERE country__vr.name__v != 'United States'", two)
	q.ids("SELECT id FROM crm_connection_country__v ORDER BY country__vr.name__v DESC", one, two)
	q.ids(fmt.Sprintf("SELECT id FROM crm_connection_country__v WHERE country__v CONTAINS ('%s', 'x')", us), one)
	q.ids("SELECT id FROM crm_connection_country__v WHERE country__v = null", two)
	q.want("SELECT name__v, (SELECT name__v FROM crm_connection_countries__vr) FROM country__v WHERE name__v >= 'C' ORDER BY name__v",
		`{"name__v":"Canada","crm_connection_countries__vr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":0,"total":0},"data":[]}}`,
		`{"name__v":"United States","crm_connection_countries__vr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":1,"total":1},"data":[{"name__v":"one"}]}}`)
	q.ids("SELECT id FROM country__v WHERE id IN (SELECT id FROM crm_connection_countries__vr WHERE vault_crm_id__v = '77')", us)

	q.versions(versionRow{doc: 1, fields: fmt.Sprintf(`{"country__v":["%s","%s"]}`, us, ca)}, versionRow{doc: 2, fields: fmt.Sprintf(`{"country__v":["%s"]}`, ca)}, versionRow{doc: 3})
	q.want("SELECT id, (SELECT name__v FROM document_country__vr ORDER BY name__v) AS countries, document_country__vr.name__v FROM documents WHERE id < 3",
		`{"id":1,"countries":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":2,"total":2},"data":[{"name__v":"Canada"},{"name__v":"United States"}]},"document_country__vr.name__v":["United States","Canada"]}`,
		`{"id":2,"countries":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":1,"total":1},"data":[{"name__v":"Canada"}]},"document_country__vr.name__v":["Canada"]}`)
	q.ids("SELECT id FROM documents WHERE id IN (SELECT id FROM document_country__vr WHERE name__v = 'Canada')", 1, 2)
	q.ids("SELECT id FROM documents WHERE document_country__vr.name__v = 'United States'", 1)
	q.ids("SELECT id FROM documents WHERE country__vr.country_cda__v = 'us__v'", 1)
	q.ids("SELECT id FROM country__v WHERE id IN (SELECT id FROM document_country__vr WHERE id = 2)", ca)
	q.want("SELECT name__v, (SELECT id FROM document_country__vr) FROM country__v WHERE name__v = 'United States'",
		`{"name__v":"United States","document_country__vr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":1,"total":1},"data":[{"id":1}]}}`)
	q.refused("SELECT a__vr.b__vr.c__v FROM country__v", "INVALID_DATA", "one relationship")
	q.refused("SELECT country__v.name__v FROM crm_connection_country__v", "ATTRIBUTE_NOT_SUPPORTED", "[country__vr]")
}

// TestObjectTypes are answered by id, looked up by name, and queried as records.
func TestObjectTypes(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.record("connection__sys", record{name: "c", typ: "external__sys", fields: values{"api_name__sys": "c__c"}})
	id := objectTypeID("connection__sys", "external__sys")
	q.want("SELECT object_type__v, TOLABEL(object_type__v) AS label, object_type__vr.api_name__v, object_type__vr.name__v FROM connection__sys WHERE api_name__sys = 'c__c'",
		`{"object_type__v":"`+id+`","label":"External","object_type__vr.api_name__v":"external__sys","object_type__vr.name__v":"External"}`)
	q.ids("SELECT name__v FROM connection__sys WHERE object_type__v = '"+id+"'", "c")
	q.ids("SELECT name__v FROM connection__sys WHERE object_type__vr.api_name__v = 'external__sys'", "c")
	q.ids("SELECT id FROM object_type__v WHERE object_name__v = 'connection__sys' AND api_name__v = 'external__sys'", id)
}

// TestCaseInsensitive and the other functions of §2.3.
func TestFunctions(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	long := strings.Repeat("ä", 300)
	id := q.record("exception_message__sys", record{name: "Message", fields: values{"error_message__sys": long, "message_processor__sys": " x "}})
	q.ids("SELECT id FROM exception_message__sys WHERE CASEINSENSITIVE(name__v) = 'MESSAGE'", id)
	q.ids("SELECT id FROM exception_message__sys WHERE CASEINSENSITIVE(name__v) LIKE 'mESS%'", id)
	q.ids("SELECT id FROM exception_message__sys WHERE name__v = 'MESSAGE'")
	q.want("SELECT error_message__sys, LONGTEXT(error_message__sys) AS all, TRIM(message_processor__sys) AS trimmed FROM exception_message__sys",
		`{"error_message__sys":"`+strings.Repeat("ä", 250)+`","all":"`+long+`","trimmed":"x"}`)
	q.refused("SELECT TONAME(name__v) FROM documents", "INVALID_DATA", "TONAME")
	q.refused("SELECT TONAME(status__v) FROM country__v", "INVALID_DATA", "TONAME")
	q.refused("SELECT TOLABEL(status__v) FROM documents", "INVALID_DATA", "TOLABEL")
	q.refused("SELECT id FROM documents WHERE LONGTEXT(title__v) = 'x'", "INVALID_DATA", "LONGTEXT")
	q.ids("SELECT id FROM user_exception_message__v", id)
}

// TestPaging: pages of 1000 at most, tokens called by POST, totals, SKIP and MAXROWS.
func TestPaging(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	var list []versionRow
	for i := range int64(25) {
		list = append(list, versionRow{doc: i + 1, name: fmt.Sprintf("n%02d", 50-i)})
	}
	q.versions(list...)
	read := func(first queryReply) (pages, rows int, names []string) {
		for reply := first; ; {
			pages++
			var page []struct {
				Name string `json:"name__v"`
			}
			if err := json.Unmarshal(reply.Data, &page); err != nil {
				t.Fatal(err)
			}
			if len(page) != reply.ResponseDetails.Size {
				t.Errorf("size is %d, of %d rows", reply.ResponseDetails.Size, len(page))
			}
			for _, r := range page {
				names = append(names, r.Name)
			}
			rows += len(page)
			if reply.ResponseDetails.NextPage == "" {
				return pages, rows, names
			}
			next := queryReply{}
			q.post(reply.ResponseDetails.NextPage, nil, nil, &next)
			if next.ResponseDetails.Total != first.ResponseDetails.Total {
				t.Errorf("total is %d on a later page, %d on the first", next.ResponseDetails.Total, first.ResponseDetails.Total)
			}
			if next.ResponseDetails.PreviousPage == "" {
				t.Errorf("no previous page at offset %d", next.ResponseDetails.Pageoffset)
			}
			reply = next
		}
	}
	first := q.ask("SELECT name__v FROM documents ORDER BY name__v PAGESIZE 10")
	if d := first.ResponseDetails; d.Pagesize != 10 || d.Size != 10 || d.Total != 25 || d.PreviousPage != "" || !strings.HasPrefix(d.NextPage, "/api/v26.2/query/") || !strings.HasSuffix(d.NextPage, "?pagesize=10&pageoffset=10") {
		t.Errorf("first page: %+v", d)
	}
	pages, rows, names := read(first)
	if pages != 3 || rows != 25 || names[0] != "n26" || names[24] != "n50" {
		t.Errorf("%d pages, %d rows: %v", pages, rows, names)
	}
	if d := q.ask("SELECT id FROM documents PAGESIZE 5000").ResponseDetails; d.Pagesize != 1000 || d.Total != 25 || d.NextPage != "" {
		t.Errorf("a page of 5000: %+v", d)
	}
	q.ids("SELECT id FROM documents WHERE id > 20 PAGESIZE 2 PAGEOFFSET 3", 24, 25)
	q.ids("SELECT id FROM documents SKIP 22", 23, 24, 25)
	if d := q.ask("SELECT id FROM documents SKIP 3 MAXROWS 7 PAGESIZE 5").ResponseDetails; d.Size != 5 || d.Total != 7 {
		t.Errorf("MAXROWS: %+v", d)
	}
	if pages, rows, _ := read(q.ask("SELECT name__v FROM documents SKIP 3 MAXROWS 7 PAGESIZE 5")); pages != 2 || rows != 7 {
		t.Errorf("MAXROWS: %d pages, %d rows", pages, rows)
	}
	if d := q.ask("SELECT id FROM documents PAGESIZE 5 PAGEOFFSET 25").ResponseDetails; d.Size != 0 || d.Total != 25 {
		t.Errorf("past the end: %+v", d)
	}
	if d := q.ask("SELECT id FROM documents WHERE id > 5 PAGESIZE 20").ResponseDetails; d.Size != 20 || d.Total != 20 || d.NextPage != "" {
		t.Errorf("exactly full: %+v", d)
	}
	var lost queryReply
	q.post("/api/v26.2/query/00000000-0000-4000-8000-000000000000?pagesize=5&pageoffset=5", nil, nil, &lost)
	if lost.ResponseStatus != "FAILURE" {
		t.Errorf("an unknown page: %+v", lost)
	}
	if _, rows, _ := read(q.ask("SELECT content_id__sys FROM binder_node__sys PAGESIZE 5")); rows != 0 {
		t.Errorf("%d nodes", rows)
	}
}

// TestTotalFollowsTheBound: who pages by `id > last` is told the right total on each page, also when rows are written meanwhile.
func TestTotalFollowsTheBound(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	var list []versionRow
	for i := range int64(30) {
		list = append(list, versionRow{doc: i + 1, status: [2]string{"approved__v", "draft__v"}[i%2]})
	}
	q.versions(list...)
	const query = "SELECT id FROM documents WHERE type__v = 'Multichannel Slide' AND status__v = STEADYSTATE() AND id > %d ORDER BY id PAGESIZE 4"
	total := func(after int) int { return q.ask(fmt.Sprintf(query, after)).ResponseDetails.Total }
	got := []int{total(0), total(7), total(15), total(0), total(9), total(7), total(23)}
	q.versions(versionRow{doc: 31}, versionRow{doc: 33})
	got = append(got, total(7), total(15))
	if diff := cmp.Diff([]int{15, 11, 7, 15, 10, 11, 3, 13, 9}, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// TestTotalIsCountedOnce: pages by `id > last` of one query share what was counted for the first.
func TestTotalIsCountedOnce(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	for i := range int64(20) {
		q.versions(versionRow{doc: i + 1, binder: true, external: fmt.Sprint("m", i+10)})
	}
	for _, query := range []string{"SELECT id FROM documents WHERE id > %d PAGESIZE 3", "SELECT id FROM binders WHERE status__v = 'Approved' AND id > %d ORDER BY id PAGESIZE 3",
		"SELECT LATESTVERSION id FROM ALLVERSIONS documents WHERE type__v = 'Multichannel Slide' AND status__v = STEADYSTATE() AND id > %d ORDER BY id PAGESIZE 3",
		"SELECT external_id__v FROM documents WHERE external_id__v LIKE 'm%%' AND external_id__v > 'm%d' ORDER BY external_id__v PAGESIZE 3"} {
		q.s.queries.totals = nil
		for i := 12; i < 27; i += 3 {
			q.ask(fmt.Sprintf(query, i))
		}
		counted := map[string]bool{}
		for key := range q.s.queries.totals {
			rest, _, _ := strings.Cut(key, "\x00")
			counted[rest] = true
		}
		if len(counted) != 1 {
			t.Errorf("%s: counted as %d queries, want 1", query, len(counted))
		}
	}
}

// TestTotalOfAllVersions: a page may end in the middle of a document; the next one, by `id > last`, leaves its other versions out.
func TestTotalOfAllVersions(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	for doc := range int64(10) {
		for seq := range int64(3) {
			q.versions(versionRow{doc: doc + 1, seq: seq + 1, major: seq + 1, old: seq < 2, external: fmt.Sprint("x", doc)})
		}
	}
	total := func(query string, after any) int { return q.ask(fmt.Sprintf(query, after)).ResponseDetails.Total }
	const all = "SELECT id FROM ALLVERSIONS documents WHERE version_modified_date__v > '2020-01-01' AND id > %v ORDER BY id PAGESIZE 4"
	got := []int{total(all, 0), total(all, 2), total(all, 4), total(all, 8), total(all, 9)}
	const marks = "SELECT external_id__v FROM documents WHERE external_id__v LIKE 'x%%' AND external_id__v > '%v' ORDER BY external_id__v PAGESIZE 4"
	got = append(got, total(marks, ""), total(marks, "x3"), total(marks, "x7"))
	if diff := cmp.Diff([]int{30, 24, 18, 6, 3, 10, 6, 2}, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// TestRowsOfOneVaultOnly: a query never sees another vault's rows.
func TestRowsOfOneVaultOnly(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	if err := q.s.AddVault(VaultSpec{Name: "other", Kind: kindPromoMats}); err != nil {
		t.Fatal(err)
	}
	other := q.s.vault("other")
	q.versions(versionRow{doc: 1, external: "x", link: "l", binder: true})
	q.update(func(t *tx) error {
		return putVersion(t, other.slot, versionRow{doc: 2, external: "x", link: "l", binder: true})
	})
	for _, where := range []string{"", " WHERE id > 0", " WHERE id CONTAINS (1, 2)", " WHERE external_id__v = 'x'", " WHERE external_id__v LIKE 'x%'", " WHERE link__sys = 'l'",
		" WHERE version_modified_date__v > '2020-01-01'", " WHERE type__v = 'Multichannel Slide'", " WHERE name__v != 'q'", " WHERE version_id = '1_1_0'", " ORDER BY name__v"} {
		q.ids("SELECT id FROM documents"+where, 1)
		q.ids("SELECT id FROM binders"+where, 1)
		q.ids("SELECT id FROM ALLVERSIONS documents"+where, 1)
	}
}

// TestFind is a case-insensitive match on the texts of the scope; responseDetails echoes the phrase.
func TestFind(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 1, name: "Insulin pump"}, versionRow{doc: 2, fields: `{"title__v":"about INSULIN"}`}, versionRow{doc: 3, name: "Pump"})
	q.ids("SELECT id FROM documents FIND ('insulin')", 1, 2)
	q.ids("SELECT id FROM documents FIND ('insulin AND pump')", 1)
	q.ids("SELECT id FROM documents FIND ('insulin OR pump' SCOPE PROPERTIES) WHERE id > 1", 2, 3)
	q.ids("SELECT id FROM documents FIND ('insulin' SCOPE title__v)", 2)
	q.ids("SELECT id FROM documents FIND (NOT 'insulin')", 3)
	if d := q.ask("SELECT id FROM documents FIND ('insulin')").ResponseDetails; d.Find != "insulin" {
		t.Errorf("find is %q", d.Find)
	}
}

// TestShow lists targets, fields and relationships.
func TestShow(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.want("SHOW TARGETS LIKE 'exception_m%'", `{"name":"exception_message__sys","label":"User Exception Message","label_plural":"User Exception Messages"}`)
	q.want("SHOW TARGETS LIKE '%exception_item%'", `{"name":"exception_item__sys","label":"User Exception Item","label_plural":"User Exception Items"}`,
		`{"name":"user_exception_item__v","label":"User Exception Item","label_plural":"User Exception Items"}`)
	q.want("SHOW FIELDS FROM crm_connection_country__v LIKE 'country%'", `{"name":"country__v","label":"Country","type":"ObjectReference","relationship_name":"country__vr"}`)
	q.want("SHOW FIELDS FROM documents LIKE 'status__v'", `{"name":"status__v","label":"Status","type":"String"}`)
	q.want("SHOW RELATIONSHIPS FROM binders LIKE 'binder%'", `{"name":"binder_nodes__sysr","target":"binder_node__sys","type":"inbound"}`)
	q.want("SHOW RELATIONSHIPS FROM country__v LIKE 'crm%'", `{"name":"crm_connection_countries__vr","target":"crm_connection_country__v","type":"inbound"}`)
}

// TestDescribe: X-VaultAPI-DescribeQuery adds the metadata of target and fields.
func TestDescribe(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	var reply queryReply
	q.post("/api/v26.2/query", url.Values{"q": {"SELECT id, name__v AS title, country__v FROM documents"}}, http.Header{"X-Vaultapi-Describequery": {"true"}}, &reply)
	want := `{"object":{"name":"documents","label":"Document","label_plural":"Documents"},"fields":[{"name":"id","type":"id","label":"ID","required":false},` +
		`{"name":"title","type":"String","label":"Name","required":true,"max_length":100},{"name":"country__v","type":"ObjectReference","label":"Country","required":false,"object":"country__v","multi_value":true}]}`
	var compact bytes.Buffer
	json.Compact(&compact, reply.QueryDescribe)
	if diff := cmp.Diff(want, compact.String()); diff != "" {
		t.Errorf("queryDescribe (-want +got):\n%s", diff)
	}
}

// TestMistakesAreNamed: what is wrong with a query is said by name and place, with what is near.
func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.refused("SELECT id FROM", "INCORRECT_QUERY_SYNTAX_ERROR", "end of the query")
	q.refused("SELECT id FROM documents WHERE name__v ~ 'x'", "INCORRECT_QUERY_SYNTAX_ERROR", "[~]")
	q.refused("SELECT id FROM document", "INVALID_DATA", "did you mean [documents]?")
	q.refused("SELECT nmae__v FROM documents", "ATTRIBUTE_NOT_SUPPORTED", "did you mean [name__v]")
	q.refused("SELECT id FROM documents WHERE title__c = 'x'", "ATTRIBUTE_NOT_SUPPORTED", "did you mean [title__v]?")
	q.refused("SELECT id FROM documents ORDER BY nothing__c", "ATTRIBUTE_NOT_SUPPORTED", "[nothing__c]")
	q.refused("SELECT (SELECT id FROM binder_node__sysr) FROM binders", "INVALID_DATA", "did you mean [binder_nodes__sysr]?")
	q.refused("SELECT id FROM documents WHERE id = 'abc'", "INVALID_DATA", "not a document id")
	q.refused("SELECT id FROM documents WHERE version_modified_date__v > 'yesterday'", "INVALID_DATA", "not a date")
	q.refused("SELECT id FROM documents WHERE clm_content__v = 'Yes'", "INVALID_DATA", "neither true nor false")
	q.refused("SELECT status__v, TONAME(status__v) FROM documents", "INVALID_DATA", "AS")
	q.refused("SELECT id FROM documents LIMIT 5", "INCORRECT_QUERY_SYNTAX_ERROR", "[LIMIT]")
	q.refused("SELECT id FROM documents WHERE name__v = '"+strings.Repeat("x", 50000)+"'", "INCORRECT_QUERY_SYNTAX_ERROR", "50000")
	q.refused("", "PARAMETER_REQUIRED", "[q]")
}

// TestPermissionsAreRespected: who may not read an object cannot query it, or look at it through a relationship.
func TestPermissionsAreRespected(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	if err := q.s.AddUser(UserSpec{Name: "reader@pm.dev", Vaults: map[string]string{"pm": "business_user__v"}}); err != nil {
		t.Fatal(err)
	}
	q.versions(versionRow{doc: 1})
	q.session = q.login("reader@pm.dev")
	q.ids("SELECT id FROM documents", 1)
	q.refused("SELECT id FROM country__v", "INSUFFICIENT_ACCESS", "[country__v]")
	q.refused("SELECT document_country__vr.name__v FROM documents", "INSUFFICIENT_ACCESS", "[country__v]")
	q.refused("SELECT id, (SELECT id FROM document_country__vr) FROM documents", "INSUFFICIENT_ACCESS", "[country__v]")
	q.want("SHOW TARGETS LIKE 'country%'")
}

// TestOtherTargets: relationships, renditions, users, components.
func TestOtherTargets(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	q.versions(versionRow{doc: 1, name: "slide"}, versionRow{doc: 2, name: "shared"})
	q.update(func(t *tx) error {
		return t.exec(`INSERT INTO relationships (slot, type, source, source_major, source_minor, target, created, created_by) VALUES (?, 'related_shared_resource__v', 1, 1, 0, 2, 0, 10001)`, q.v.slot)
	})
	q.want("SELECT id, source_doc_id__v, target_doc_id__v, relationship_type__v, source__vr.name__v, target__vr.name__v FROM relationships WHERE source_doc_id__v CONTAINS ('1') AND relationship_type__v = 'related_shared_resource__v'",
		`{"id":1,"source_doc_id__v":1,"target_doc_id__v":2,"relationship_type__v":"related_shared_resource__v","source__vr.name__v":"slide","target__vr.name__v":"shared"}`)
	q.ids("SELECT source_doc_id__v FROM relationships WHERE target_doc_id__v > 1 ORDER BY source_doc_id__v", 1)
	q.want("SELECT user_name__v, active__v, security_profile__v FROM users", `{"user_name__v":"admin@pm.dev","active__v":true,"security_profile__v":"system_admin__v"}`)
	q.want("SELECT id, username__sys, status__v FROM user__sys", `{"id":"10001","username__sys":"admin@pm.dev","status__v":["active__v"]}`)
	q.ids("SELECT label__v FROM vault_component__v WHERE component_type__v = 'Doclifecycle' AND component_name__v LIKE 'promo%'", "PromoMats Lifecycle")
	q.ids("SELECT document_id FROM renditions")
}

// TestScanObject: the fields that a query selects are found in a stored object as encoding/json finds them.
func TestScanObject(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Just[any](true), rapid.Just[any](json.Number("-1.5e3")), rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.SliceOfN(rapid.String(), 0, 3), func(s []string) any { return s }))
		object := map[string]any{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a__v", "b__v", "c__sys", "d__c"}), rapid.ID[string]).Draw(t, "names") {
			object[name] = value.Draw(t, "value")
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		found := make([]string, 2)
		scanObject(string(text), map[string]int{"b__v": 0, "d__c": 1}, found)
		for i, name := range []string{"b__v", "d__c"} {
			want := ""
			if v, there := object[name]; there {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				want = string(b)
			}
			if found[i] != want {
				t.Fatalf("%s of %s is %q, want %q", name, text, found[i], want)
			}
		}
	})
}

// TestLikeIsTheSameInSQL: LIKE is computed in SQL for values, and here for labels.
func TestLikeIsTheSameInSQL(t *testing.T) {
	t.Parallel()
	q := newQueried(t)
	piece := rapid.StringMatching(`[ab*?\[\]é]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		pattern := vql.Pattern(rapid.SliceOfN(piece, 1, 3).Draw(t, "pattern"))
		s := rapid.StringMatching(`[ab*?\[\]é]{0,6}`).Draw(t, "text")
		col := &column{field: &field{Name: "x"}, table: &table{}, sql: "s"}
		c, err := col.whereLike(predicate{pattern: pattern})
		if err != nil {
			t.Fatal(err)
		}
		var got bool
		if _, err := one(context.Background(), q.s.store.read, []any{&got}, "SELECT "+c.sql+" FROM (SELECT ? AS s)", append(c.args, s)...); err != nil {
			t.Fatal(err)
		}
		if want := likes(s, pattern); got != want {
			t.Fatalf("%q LIKE %s is %t in SQL, %t here", s, pattern, got, want)
		}
	})
}
