package devvault

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueryComponents(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	q := "SELECT component_name__v, mdl_definition__v, json_definition__v FROM vault_component__v WHERE component_type__v = 'Picklist' AND component_name__v = 'size__c'"
	row := b.must("POST", "promo", "query/components", url.Values{"q": {q}}).list("data")[0]
	want(t, "mdl", row["mdl_definition__v"], any(strings.TrimSpace(b.text("promo", "Picklist.size__c"))))
	if !strings.Contains(row["json_definition__v"].(string), `"Picklistentry":[`) {
		t.Error(row["json_definition__v"])
	}
	want(t, "not in queries", b.query("promo", q).errorType(), "ATTRIBUTE_NOT_SUPPORTED")
	want(t, "nothing else", b.do("POST", "promo", "query/components", url.Values{"q": {"SELECT id FROM documents"}}).errorType(), "INVALID_DATA")
}

func TestQueryProperties(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	house := b.record("promo", "house__c", map[string]any{"name__v": "H"})
	a := b.do("POST", "promo", "query", url.Values{"q": {"SELECT id, name__v, created_date__v, code__c FROM house__c"}}, "X-VaultAPI-RecordProperties", "all")
	want(t, "rows", len(a.list("record_properties")), 1)
	p := a.list("record_properties")[0]
	want(t, "id", p["id"], any(house))
	want(t, "edit", fmt.Sprint(p.get("field_properties", "edit")), "[name__v]")
	want(t, "permissions", fmt.Sprint(p["permissions"]), "map[create:true delete:true edit:true read:true]")
	doc := b.doc("promo", "material__v")
	a = b.do("POST", "promo", "query", url.Values{"q": {"SELECT name__v, status__v FROM documents"}}, "X-VaultAPI-DocumentProperties", "all")
	d := a.list("document_properties")[0]
	want(t, "document", fmt.Sprint(d["id"], d["document_version"]), fmt.Sprint(float64(doc), "0_1"))
	want(t, "read only", fmt.Sprint(d.get("field_properties", "read-only")), "[status__v]")
	want(t, "not asked for", b.query("promo", "SELECT id FROM documents")["document_properties"], nil)
}

func TestVaultTokens(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	b.mdl("promo", `CREATE Vaulttoken home__c (label('Home'), active(true), value('It''s H'));`)
	b.record("promo", "house__c", map[string]any{"name__v": "It's H"})
	want(t, "rows", len(b.query("promo", "SELECT id FROM house__c WHERE name__v = '${Vault.home__c}'").list("data")), 1)
	want(t, "unknown", b.query("promo", "SELECT id FROM house__c WHERE name__v = '${Vault.away__c}'").errorType(), "INVALID_DATA")
}

func TestTenRelationships(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	script := "CREATE Object a__c (label('A'), label_plural('As'), active(true), in_menu(true)"
	var fields []string
	for i := range 11 {
		script += fmt.Sprintf(", Field r%d__c (label('R%[1]d'), type('Object'), active(true), object('Object.country__v'), relationship_inbound_name('as%[1]d__cr'))", i)
		fields = append(fields, fmt.Sprintf("r%d__cr.name__v", i))
	}
	if a := b.mdl("crm", script+");"); a.status() != "SUCCESS" {
		t.Fatal(a)
	}
	want(t, "ten", b.query("crm", "SELECT "+strings.Join(fields[:10], ", ")+" FROM a__c WHERE r3__cr.name__v = 'x'").status(), "SUCCESS")
	want(t, "eleven", b.query("crm", "SELECT "+strings.Join(fields, ", ")+" FROM a__c").errorType(), "INVALID_DATA")
}

func TestLegacyPaging(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	for range 3 {
		b.doc("promo", "material__v")
	}
	a := b.do("POST", "promo", "/api/v20.2/query", url.Values{"q": {"SELECT id FROM documents LIMIT 2"}})
	details := a["responseDetails"].(map[string]any)
	want(t, "limit", fmt.Sprint(details["limit"], details["offset"], details["total"]), "2 0 3")
	if _, now := details["pagesize"]; now {
		t.Error("pagesize before v20.3")
	}
	next := b.do("POST", "promo", details["next_page"].(string), nil)
	want(t, "next", len(next.list("data")), 1)
	want(t, "from v20.3", b.do("POST", "promo", "/api/v20.3/query", url.Values{"q": {"SELECT id FROM documents LIMIT 2"}}).errorType(), "INCORRECT_QUERY_SYNTAX_ERROR")
}

func TestWideRowsMakeShortPages(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	b.Set(Settings{PageBytes: 1000})
	var ids []string
	for i := range 5 {
		ids = append(ids, b.record("promo", "keyword__v", map[string]any{"name__v": fmt.Sprint(i), "link__sys": strings.Repeat("x", 250), "external_id__v": strings.Repeat("y", 190) + fmt.Sprint(i)}))
	}
	a := b.query("promo", "SELECT id, link__sys, external_id__v FROM keyword__v PAGESIZE 4")
	var got []string
	for {
		if n := len(a.list("data")); n != 2 && len(got)+n != 5 {
			t.Fatalf("a page of %d rows: %v", n, a["responseDetails"])
		}
		for _, r := range a.list("data") {
			got = append(got, r["id"].(string))
		}
		next, _ := a.get("responseDetails", "next_page").(string)
		want(t, "total", a.get("responseDetails", "total"), any(5.0))
		if next == "" {
			break
		}
		a = b.do("POST", "promo", next, nil)
	}
	if d := cmp.Diff(ids, got); d != "" {
		t.Error(d)
	}
}

// Five queries of one user at a time: the others wait, and none fails.
func TestQueriesWaitForEachOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	b.Set(Settings{Queries: 1})
	session := b.session("promo")
	places := func() int {
		b.queries.mu.Lock()
		defer b.queries.mu.Unlock()
		return len(b.queries.running[queryUser{1, 10001}])
	}
	var all sync.WaitGroup
	failed := make(chan string, 50)
	for range 20 {
		all.Go(func() {
			res, out, err := b.exchange("POST", "/promo/api/v26.2/query", "application/x-www-form-urlencoded", []byte("q=SELECT+id+FROM+country__v"), map[string][]string{"Authorization": {session}})
			if err != nil || res.StatusCode != 200 || !strings.Contains(string(out), "SUCCESS") {
				failed <- fmt.Sprint(err, string(out))
			}
			if places() > 1 {
				failed <- "two at once"
			}
		})
	}
	all.Wait()
	close(failed)
	for f := range failed {
		t.Error(f)
	}
	want(t, "left", places(), 0)
}

func TestLegacyAndJobTargets(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	for _, q := range []string{"SELECT id FROM archived_documents", "SELECT workflow_id__v FROM workflows", "SELECT id, status__v FROM job_instance__sys", "SELECT user_name__v FROM users",
		"SELECT id FROM vault_component__v WHERE component_type__v = 'Object'", "SHOW TARGETS LIKE '%exception%'", "SHOW FIELDS FROM country__v LIKE 'country%'", "SHOW RELATIONSHIPS FROM country__v"} {
		want(t, q, b.query("promo", q).status(), "SUCCESS")
	}
	b.do("POST", "promo", "vobjects/country__v/actions/recalculaterollups", nil)
	want(t, "jobs", len(b.query("promo", "SELECT id, name__v, status__v FROM job_history__sys WHERE status__v = 'SUCCESS'").list("data")), 1)
	want(t, "raw objects are not searched", func() string {
		b.mdl("promo", "CREATE Object raw__c (label('R'), label_plural('R'), active(true), in_menu(true), data_store('raw'));")
		return b.query("promo", "SELECT id FROM raw__c FIND ('x')").errorType()
	}(), "INVALID_DATA")
}
