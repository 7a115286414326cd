package vault

import (
	"encoding/json"
	"testing"

	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
)

// Whatever space and escapes a vault puts into a row, its values are read as
// encoding/json reads them.
func TestRow(t *testing.T) {
	for _, text := range []string{
		`{"id":22,"name__v":"A \"slide\" — ü","list":["b__v","a__v"],"one":"a__v","yes":true,"none":null,"empty":"","version":1}`,
		"{ \"id\" : \"22\",\n \"name__v\" : \"A \\\"slide\\\" \\u2014 \\u00fc\", \"list\" : [ \"b__v\" , \"a__v\" ], \"one\":[\"a__v\"], \"yes\": \"true\", \"none\":null,\"empty\":[], \"version\": \"1\" }",
		`{"\u0069d":22,"name__v":"A \"slide\" \u2014 \u00fc","list":["b__v","a__v"],"one":"a__v","yes":[true],"version":1}`,
	} {
		r := rowOf(t, text)
		yes, set := r.flag("yes")
		_, none := r.flag("none")
		got := []any{r.text("id"), r.int("id"), r.text("name__v"), r.names("list"), r.one("one"), yes, set, none, r.text("empty"), r.names("empty"), r.int("version"), r.text("nowhere")}
		want := []any{"22", int64(22), `A "slide" — ü`, []string{"b__v", "a__v"}, "a__v", true, true, false, "", []string(nil), int64(1), ""}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", text, diff)
		}
	}
}

func rowOf(t *testing.T, text string) row {
	t.Helper()
	cells, err := vaultapi.Cells(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	return cells
}

// The fields of a row are one canonical object, whatever the order of columns.
func TestAppendFields(t *testing.T) {
	columns := []column{newColumn("crm_hidden__v", "Boolean", ""), newColumn("crm_media_type__v", "Picklist", ""), newColumn("name__v", "String", ""), newColumn("size__c", "Number", ""), newColumn("when__c", "DateTime", "")}
	r := rowOf(t, `{"name__v":"<b>\u2028 作用","when__c":"2026-11-02T09:00:00Z","crm_media_type_v_name":["b__v","a__v","b__v"],"size__c":1.50,"crm_hidden__v":false,"other":1}`)
	got, err := appendFields(nil, columns, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"crm_hidden__v":false,"crm_media_type__v":["a__v","b__v"],"name__v":"\u003cb\u003e\u2028 作用","size__c":1.5,"when__c":"2026-11-02T09:00:00.000Z"}`
	if string(got) != want || !json.Valid(got) {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, err := appendFields(nil, columns, row{}, nil); err != nil || string(got) != "{}" {
		t.Errorf("no columns: %s %v", got, err)
	}
}
