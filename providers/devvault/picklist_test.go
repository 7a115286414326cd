package devvault

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// The countries are those of ISO 3166, by their English names.
func TestCountries(t *testing.T) {
	t.Parallel()
	var all []entry
	english := display.English.Regions()
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string(a) + string(b)
			region, err := language.ParseRegion(code)
			if err != nil || !region.IsCountry() || region.String() != code || region.Canonicalize() != region || region.M49() == 0 {
				continue
			}
			if name := english.Name(region); name != "" { // those that have ceased to be have none
				all = append(all, entry{Name: strings.ToLower(code) + "__v", Label: name, Active: true})
			}
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	if d := cmp.Diff(all, countries().Entries); d != "" {
		t.Errorf("countries.txt (-want +got)\n%s", d)
	}
}

func TestPicklistsOverTheAPI(t *testing.T) {
	t.Parallel()
	b := newFamily(t)
	shape := b.must("GET", "promo", "objects/picklists/shape__c", nil)
	want(t, "controlled by", shape["controllingPicklistName"], any("size__c"))
	if d := cmp.Diff(map[string]any{"big__c": []any{"round__c", "flat__c"}, "small__c": []any{"flat__c"}}, shape["picklistDependencies"]); d != "" {
		t.Error(d)
	}
	house := b.record("promo", "house__c", map[string]any{"name__v": "H", "size__c": "big__c", "shape__c": "round__c"})
	added := b.must("POST", "promo", "objects/picklists/size__c", url.Values{"value_1": {"Very Large"}, "value_2": {"Tiny"}})
	want(t, "names", fmt.Sprint(added.list("picklistValues")[0]["name"], added.list("picklistValues")[1]["name"]), "very_large__ctiny__c")
	want(t, "message", added["responseMessage"], any("Created picklist value(s)."))
	want(t, "again", b.do("POST", "promo", "objects/picklists/size__c", url.Values{"value_1": {"Tiny"}}).errorType(), "ITEM_NAME_EXISTS")
	b.must("PUT", "promo", "objects/picklists/size__c", url.Values{"big__c": {"Huge"}})
	want(t, "label", b.query("promo", "SELECT TOLABEL(size__c) FROM house__c").list("data")[0]["size__c"].([]any)[0], any("Huge"))
	b.must("PUT", "promo", "objects/picklists/size__c/big__c", url.Values{"name": {"huge"}})
	want(t, "value", fmt.Sprint(b.read("promo", "house__c", house)["size__c"]), "[huge__c]")
	want(t, "taken", b.do("PUT", "promo", "objects/picklists/size__c/huge__c", url.Values{"name": {"tiny"}}).errorType(), "ITEM_NAME_EXISTS")
	want(t, "nothing asked", b.do("PUT", "promo", "objects/picklists/size__c/huge__c", url.Values{}).errorType(), "PARAMETER_REQUIRED")
	b.must("DELETE", "promo", "objects/picklists/size__c/tiny__c", nil)
	want(t, "inactive", b.rows("promo", "vobjects/house__c", "PUT", map[string]any{"id": house, "size__c": "tiny__c"})[0].errorType(), "INVALID_DATA")
	b.must("PUT", "promo", "objects/picklists/size__c/tiny__c", url.Values{"status": {"active"}})
	want(t, "active again", b.rows("promo", "vobjects/house__c", "PUT", map[string]any{"id": house, "size__c": "tiny__c", "shape__c": nil})[0].status(), "SUCCESS")
	var used []any
	for _, p := range b.must("GET", "promo", "objects/picklists", nil).list("picklists") {
		if p["name"] == "size__c" {
			used = p["usedIn"].([]any)
		}
	}
	want(t, "used in", len(used), 1)
}
