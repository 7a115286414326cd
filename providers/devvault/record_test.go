package devvault

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// record makes a record and returns its id.
func (b *bench) record(vault, object string, fields map[string]any) string {
	b.Helper()
	a := b.must("POST", vault, "vobjects/"+object, []map[string]any{fields})
	row := a.list("data")[0]
	if row.status() != "SUCCESS" {
		b.Fatalf("create %s: %v", object, row)
	}
	return row.get("data", "id").(string)
}

func (b *bench) read(vault, object, id string) response {
	b.Helper()
	return b.must("GET", vault, "vobjects/"+object+"/"+id, nil).get("data").(map[string]any)
}

func TestRecordRows(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	a := b.do("POST", "promo", "vobjects/country__v", []map[string]any{
		{"name__v": "United States", "code__v": "US", "country_cda__v": []string{"us__v"}, "external_id__v": "us"},
		{"code__v": "CA"},
		{"name__v": "Mexico", "country_cda__v": "mx__v,Canada"},
		{"name__v": "x", "external_id__v": "us"},
		{"name__v": "x", "nothing__v": "1"},
		{"name__v": "x", "country_cda__v": "zz__v"},
		{"name__v": "x", "created_date__v": "2026-01-01T00:00:00Z"},
		{"name__v": "x", "state__v": "a"},
	})
	want(t, "top level", a.status(), "SUCCESS")
	var got []string
	for _, row := range a.list("data") {
		got = append(got, row.status()+" "+row.errorType())
	}
	wanted := []string{"SUCCESS ", "FAILURE PARAMETER_REQUIRED", "SUCCESS ", "FAILURE INVALID_DATA", "FAILURE ATTRIBUTE_NOT_SUPPORTED", "FAILURE INVALID_DATA",
		"FAILURE INVALID_DATA", "FAILURE ATTRIBUTE_NOT_SUPPORTED"}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"id": "00C000000000001", "url": "/api/v26.2/vobjects/country__v/00C000000000001", "event": "created__sys"}, a.list("data")[0].get("data")); d != "" {
		t.Error(d)
	}
	mexico := b.read("promo", "country__v", a.list("data")[2].get("data", "id").(string))
	if d := cmp.Diff([]any{"mx__v", "ca__v"}, mexico["country_cda__v"]); d != "" {
		t.Errorf("picklists take names and labels, and answer names: %s", d)
	}
	want(t, "status", fmt.Sprint(mexico["status__v"]), "[active__v]")
	want(t, "type", mexico["object_type__v"], any(objectTypeID("country__v", "base__v")))
	want(t, "global id", mexico["global_id__sys"], any("1001_"+mexico["id"].(string)))
}

func TestUpdateWithoutChangeIsAWarning(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	one := b.record("promo", "product__v", map[string]any{"name__v": "One", "product_family__v": "F"})
	two := b.record("promo", "product__v", map[string]any{"name__v": "Two"})
	b.wait(time.Hour)
	a := b.do("PUT", "promo", "vobjects/product__v", []map[string]any{{"id": one, "product_family__v": "F", "status__v": []string{"active__v"}}, {"id": two, "product_family__v": "G"}})
	want(t, "top level", a.status(), "WARNING")
	want(t, "warning", a.list("warnings")[0]["warning_type"], any("NO_DATA_CHANGES"))
	want(t, "rows", a.list("data")[0].status()+" "+a.list("data")[1].status(), "WARNING SUCCESS")
	want(t, "unchanged", b.read("promo", "product__v", one)["modified_date__v"], any("2026-03-01T12:00:00.000Z"))
	want(t, "changed", b.read("promo", "product__v", two)["modified_date__v"], any("2026-03-01T13:00:00.000Z"))
	b.do("PUT", "promo", "vobjects/product__v", []map[string]any{{"id": one, "product_family__v": nil}})
	want(t, "cleared", b.read("promo", "product__v", one)["product_family__v"], nil)

	rows := b.do("PUT", "promo", "vobjects/product__v", []map[string]any{{"id": one, "name__v": "a"}, {"id": one, "name__v": "b"}, {"id": "00P000000009999", "name__v": "c"}, {"name__v": "d"}}).list("data")
	want(t, "duplicate ids fail", rows[0].errorType()+" "+rows[1].errorType(), "INVALID_DATA INVALID_DATA")
	want(t, "no such record", rows[2].errorType(), "INVALID_DATA")
	want(t, "no id", rows[3].errorType(), "PARAMETER_REQUIRED")
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	path := "vobjects/product__v?idParam=external_id__v"
	csv := "external_id__v,name__v\na,A\nb,B\n"
	for i, event := range []string{"created__sys", "updated__sys"} {
		a := b.do("POST", "promo", path, csv)
		row := a.list("data")[0]
		want(t, "event", row.get("data", "event"), any(event))
		want(t, "key", row.get("data", "id_param_value"), any("a"))
		want(t, "status", a.status(), []string{"SUCCESS", "WARNING"}[i])
	}
	want(t, "duplicate keys fail the whole batch", b.do("POST", "promo", path, csv+"a,C\n").errorType(), "INVALID_DATA")
	want(t, "not a unique field", b.do("POST", "promo", "vobjects/product__v?idParam=name__v", csv).errorType(), "INVALID_DATA")
	row := b.do("POST", "promo", path, "external_id__v,name__v\nc,\n").list("data")[0]
	want(t, "a failed row keeps its key", fmt.Sprint(row.errorType(), " ", row.get("data", "id_param_value")), "PARAMETER_REQUIRED c")
	want(t, "update by key", b.do("PUT", "promo", path, "external_id__v,name__v\nb,New\n").list("data")[0].status(), "SUCCESS")
	want(t, "delete by key", b.do("DELETE", "promo", path, "external_id__v\nb\n").list("data")[0].status(), "SUCCESS")
	want(t, "gone", b.do("DELETE", "promo", path, "external_id__v\nb\n").list("data")[0].errorType(), "INVALID_DATA")
}

func TestReferences(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	us := b.record("promo", "country__v", map[string]any{"name__v": "United States", "external_id__v": "us"})
	id := b.record("promo", "crm_connection_country__v", map[string]any{"name__v": "x", "country__vr.external_id__v": "us"})
	want(t, "by unique field", b.read("promo", "crm_connection_country__v", id)["country__v"], any(us))
	rows := b.do("POST", "promo", "vobjects/crm_connection_country__v", []map[string]any{{"name__v": "x", "country__v": "00C000000009999"}, {"name__v": "x", "country__vr.name__v": "Nowhere"}}).list("data")
	want(t, "no such record", rows[0].errorType()+" "+rows[1].errorType(), "INVALID_DATA INVALID_DATA")
	want(t, "a record that is referred to stays", b.do("DELETE", "promo", "vobjects/country__v", []map[string]any{{"id": us}}).list("data")[0].errorType(), "OPERATION_NOT_ALLOWED")
	b.must("DELETE", "promo", "vobjects/crm_connection_country__v", []map[string]any{{"id": id}})
	want(t, "free", b.do("DELETE", "promo", "vobjects/country__v", []map[string]any{{"id": us}}).list("data")[0].status(), "SUCCESS")
	gone := b.must("GET", "promo", "objects/deletions/vobjects/country__v", nil)
	if d := cmp.Diff([]response{{"id": us, "date_deleted": "2026-03-01T12:00:00Z"}}, gone.list("data")); d != "" {
		t.Error(d)
	}
}

// ERR-1: Reprocess deactivates one message and nothing else.
func TestERR1Reprocess(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	one := b.record("crm", "user_exception_message__v", map[string]any{"name__v": "One", "error_message__sys": "field missing", "error_type__sys": "message_processing_error__sys"})
	two := b.record("crm", "exception_message__sys", map[string]any{"name__v": "Two"})
	item := b.record("crm", "exception_item__sys", map[string]any{"name__v": "I", "exception_message__sys": one, "error_status__sys": "open__sys"})
	actions := b.must("GET", "crm", "vobjects/exception_message__sys/"+one+"/actions", nil).list("data")
	want(t, "label", actions[0]["label"], any("Reprocess Request"))
	name := actions[0]["name"].(string)
	b.must("POST", "crm", "vobjects/exception_message__sys/"+one+"/actions/"+name, nil)
	want(t, "one", fmt.Sprint(b.read("crm", "exception_message__sys", one)["status__v"]), "[inactive__v]")
	want(t, "two", fmt.Sprint(b.read("crm", "exception_message__sys", two)["status__v"]), "[active__v]")
	want(t, "no such record", b.do("POST", "crm", "vobjects/exception_message__sys/V1M000000009999/actions/"+name, nil).errorType(), "INSUFFICIENT_ACCESS")
	rows := b.must("POST", "crm", "vobjects/exception_message__sys/actions/"+name, form("ids", two+",V1M000000009999")).list("data")
	want(t, "bulk", rows[0].status()+" "+rows[1].errorType(), "SUCCESS INSUFFICIENT_ACCESS")
	b.must("DELETE", "crm", "vobjects/exception_message__sys", []map[string]any{{"id": one}})
	want(t, "items go with their message", b.do("GET", "crm", "vobjects/exception_item__sys/"+item, nil).errorType(), "INVALID_DATA")
}

func TestObjectMetadata(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	object := response(b.must("GET", "crm", "metadata/vobjects/integration_point__sys", nil).get("object").(map[string]any))
	labels := map[string]any{}
	for _, f := range object.list("fields") {
		labels[f["label"].(string)] = f["name"]
	}
	want(t, "found by label", labels["Last Successful Run Time"], any("last_successful_run_time__sys"))
	want(t, "found by label", labels["Last Run Time"], any("last_run_time__sys"))
	want(t, "another name", b.must("GET", "crm", "metadata/vobjects/user_exception_item__v", nil).get("object", "name"), any("exception_item__sys"))
	f := b.must("GET", "crm", "metadata/vobjects/connection_settings__v/fields/country_filter__v", nil)
	want(t, "picklist", fmt.Sprintf("%v %v %v", f.get("field", "type"), f.get("field", "picklist"), f.get("field", "multi_value")), "Picklist country_cda__v true")
	want(t, "no such object", b.do("GET", "crm", "metadata/vobjects/nothing__v", nil).errorType(), "INVALID_DATA")
}
