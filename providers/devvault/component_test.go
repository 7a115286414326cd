package devvault

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mdl runs a script as the vault's admin.
func (b *bench) mdl(vault, script string) response {
	b.Helper()
	return b.do("POST", vault, "/api/mdl/execute", script)
}

// text reads a component as MDL.
func (b *bench) text(vault, component string) string {
	b.Helper()
	b.do("GET", vault, "objects/users/me", nil)
	_, out := b.raw("GET", "/"+vault+"/api/mdl/components/"+component, "", nil, http.Header{"Authorization": {b.ids[vault]}})
	return string(out)
}

const clmAdmin = `RECREATE Permissionset clm_admin__c (
   label('CLM Admin'),
   active(true),
   Vaultaction api_access__v(
      granted(true)
   ),
   Objectpermission keyword__v(
      read(true)
   )
);
`

func TestComponentsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	a := b.mdl("crm", clmAdmin)
	want(t, "status", a.status(), "SUCCESS")
	want(t, "code", a.get("script_execution", "code"), any("GEN-S-0"))
	want(t, "message", a.list("statement_execution")[0]["message"], any("[SUCCESS] RECREATE Permissionset clm_admin__c"))
	if d := cmp.Diff(clmAdmin, b.text("crm", "Permissionset.clm_admin__c")); d != "" {
		t.Error(d)
	}
}

func TestExecuteRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	b.mdl("crm", clmAdmin)
	for _, test := range []struct{ script, code string }{
		{`CREATE Permissionset clm_admin__c (label('x'));`, "GEN-FCRE-II-1007"},
		{`ALTER Permissionset nothing__c (label('x'));`, "GEN-FALT-II-1008"},
		{`DROP Permissionset nothing__c;`, "GEN-FALT-II-1008"},
		{`RECREATE Permissionset x__c (active(true));`, "GEN-FGEN-II-1000"},
		{`RECREATE Permissionset business_user__v (label('x'));`, "GEN-FGEN-II-1000"},
		{`RECREATE Permissionset x__c (label('x'), Objectpermission nothing__v(read(true)));`, "GEN-FGEN-II-1000"},
		{`RECREATE Permissionset x__c (label('x'), Fieldpermission keyword__v.nothing__v(read(true)));`, "GEN-FGEN-II-1000"},
		{`RECREATE Permissionset x__c (label('x'), Vaultaction nothing__v(granted(true)));`, "GEN-FGEN-II-1000"},
		{`RECREATE Integrationrule x__c (label('x'));`, "GEN-FGEN-II-1000"},
		{`RECREATE Picklist country_cda__v (label('x'), active(true));`, "GEN-FGEN-II-1000"},
		{`RECREATE Docfield title__v (label('x'), type('Number'));`, "GEN-FGEN-II-1000"},
		{`RECREATE Whatever x__c (label('x'));`, "GEN-FTYP-II-1002"},
		{`RECREATE Permissionset x__c (label('x'`, "GEN-FSYN-II-1001"},
	} {
		a := b.mdl("crm", test.script)
		want(t, test.script, a.status(), "FAILURE")
		want(t, test.script, a.get("script_execution", "code"), any("GEN-F-401"))
		want(t, test.script, a.list("statement_execution")[0].list("errors")[0]["code"], any(test.code))
	}
	want(t, "IF NOT EXISTS", b.mdl("crm", `CREATE Permissionset IF NOT EXISTS clm_admin__c (label('x'));`).status(), "SUCCESS")
	want(t, "unchanged", b.text("crm", "Permissionset.clm_admin__c"), clmAdmin)
}

func TestAlterAndDrop(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	b.mdl("crm", clmAdmin)
	a := b.mdl("crm", `ALTER Permissionset clm_admin__c (ADD Objectpermission website__v(read(true)), DROP Vaultaction api_access__v);
ALTER Integrationrule promomats_crm_clm_presentation_iir__v (MODIFY Queryobjectrule approved_only__v(active(false)), ADD Fieldrule title__c(label('Title'), active(true), query_object('documents'), query_field('title__v'), target_docfield('Docfield.title__v')));`)
	want(t, "status", a.status(), "SUCCESS")
	want(t, "changed", a.get("script_execution", "components_affected"), any(2.0))
	text := b.text("crm", "Permissionset.clm_admin__c")
	want(t, "added", strings.Contains(text, "Objectpermission website__v("), true)
	want(t, "dropped", strings.Contains(text, "api_access__v"), false)
	rule := response(b.must("GET", "crm", "configuration/Integrationrule.promomats_crm_clm_presentation_iir__v", nil).get("data").(map[string]any))
	want(t, "rule off", rule.list("Queryobjectrule")[0]["active"], any(false))
	want(t, "field rule", rule.list("Fieldrule")[0]["query_field"], any("title__v"))
	b.mdl("crm", `DROP Permissionset clm_admin__c;`)
	want(t, "gone", strings.Contains(b.text("crm", "Permissionset.clm_admin__c"), "INVALID_DATA"), true)
}

func TestObjectsAndFieldsByMDLLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBench(t, dir, "promo:promomats")
	a := b.mdl("promo", `RECREATE Picklist tone__c (label('Tone'), active(true), Picklistentry warm__c(value('Warm'), order(1), active(true)), Picklistentry cold__c(value('Cold'), order(0), active(true)));
RECREATE Object brand__c (label('Brand'), label_plural('Brands'), active(true), in_menu(true), audit(true),
  Field tone__c(label('Tone'), type('Picklist'), active(true), required(false), picklist('Picklist.tone__c'), list_column(false), order(0)),
  Field code__c(label('Code'), type('String'), active(true), required(true), unique(true), max_length(10), list_column(false), order(1)),
  Field product__c(label('Product'), type('Object'), active(true), required(false), object('Object.product__v'), relationship_type('reference'), list_column(false), order(2)));
RECREATE Docfield brand__c (label('Brand'), active(true), required(false), shared(true), type('ObjectReference'), object('Object.brand__c'), multi_value(true), display_section('general'));`)
	if a.status() != "SUCCESS" {
		t.Fatal(a)
	}
	want(t, "order of entries", b.must("GET", "promo", "objects/picklists/tone__c", nil).list("picklistValues")[0]["name"], any("cold__c"))
	brand := b.record("promo", "brand__c", map[string]any{"name__v": "B", "tone__c": "Warm", "code__c": "b"})
	row := b.do("POST", "promo", "vobjects/brand__c", []map[string]any{{"name__v": "B", "code__c": "b"}}).list("data")[0]
	want(t, "unique", row.errorType(), "INVALID_DATA")
	doc := b.doc("promo", "multichannel_slide__v", "brand__c", brand)
	before := b.text("promo", "Object.brand__c")
	b.http.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = openBench(t, dir)
	want(t, "the object is still there", b.text("promo", "Object.brand__c"), before)
	want(t, "and its record", fmt.Sprint(b.read("promo", "brand__c", brand)["tone__c"]), "[warm__c]")
	want(t, "and the document's field", fmt.Sprint(b.field("promo", doc, "brand__c")), "["+brand+"]")
	want(t, "and what is unique", b.do("POST", "promo", "vobjects/brand__c", []map[string]any{{"name__v": "B", "code__c": "b"}}).list("data")[0].errorType(), "INVALID_DATA")
	want(t, "a new record", b.record("promo", "brand__c", map[string]any{"name__v": "C", "code__c": "c"}) > brand, true)
}

func TestPicklists(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	b.mdl("promo", `RECREATE Picklist tone__c (label('Tone'), active(true));`)
	path := "objects/picklists/tone__c"
	added := b.must("POST", "promo", path, form("value_1", "Very Warm!", "value_2", "Cold")).list("picklistValues")
	want(t, "names are made of labels", fmt.Sprintf("%v %v", added[0]["name"], added[1]["name"]), "very_warm__c cold__c")
	want(t, "twice", b.do("POST", "promo", path, form("value_1", "Cold")).errorType(), "ITEM_NAME_EXISTS")
	b.must("PUT", "promo", path, form("cold__c", "Icy"))
	b.must("DELETE", "promo", path+"/very_warm__c", nil)
	values := b.must("GET", "promo", path, nil).list("picklistValues")
	if d := cmp.Diff([]response{{"name": "cold__c", "label": "Icy"}}, values); d != "" {
		t.Error(d)
	}
}
