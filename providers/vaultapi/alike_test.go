package vaultapi

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// What two vaults answer alike is decoded once; what they do not is not mixed
// up, and a refusal is never kept.
func TestAlike(t *testing.T) {
	t.Parallel()
	var said atomic.Value
	said.Store(`{"responseStatus":"FAILURE","errors":[{"type":"INSUFFICIENT_ACCESS","message":"no"}]}`)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, said.Load().(string)) })
	var shared Alike
	one := s.open(t, func(c *Config) { c.Alike = &shared })
	two := s.open(t, func(c *Config) { c.Alike = &shared })
	alone := s.open(t)

	for range 2 {
		if _, err := one.Object(t.Context(), "x__c"); !errors.Is(err, Permission) {
			t.Fatalf("of an object that may not be seen: %v", err)
		}
	}
	object := func(of *Client, label string) *Object {
		t.Helper()
		said.Store(`{"responseStatus":"SUCCESS","object":{"name":"x__c","label":"` + label + `"},"picklistValues":[{"name":"` + label + `"}]}`)
		o, err := of.Object(t.Context(), "x__c")
		if err != nil {
			t.Fatal(err)
		}
		if o.Label != label {
			t.Errorf("the vault says %s, and the client %s", label, o.Label)
		}
		return o
	}
	a, b := object(one, "A"), object(two, "A")
	if a != b {
		t.Error("the same answer was decoded twice")
	}
	if object(two, "B") == a || object(alone, "A") == a {
		t.Error("answers are mixed up")
	}
	values, err := one.PicklistValues(t.Context(), "x__c") // the same bytes, read as something else
	if err != nil || len(values) != 1 || values[0].Name != "A" {
		t.Errorf("values: %v, %v", values, err)
	}

	// Who made and changed what, and when, is told of in the metadata of every
	// vault, and read by nobody.
	made := func(of *Client, by string, text string) *Object {
		t.Helper()
		said.Store(`{"responseStatus":"SUCCESS","object":{"name":"x__c","label":"` + text + `","fields":[{"name":"a__c","created_by":` + by + `,"created_date":"` + by + `"}],"modified_by":` + by + `,"modified_date":"` + by + `"}}`)
		o, err := of.Object(t.Context(), "x__c")
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.NewReplacer(`\`, "").Replace(text); o.Label != want || len(o.Fields) != 1 || o.Fields[0].Name != "a__c" {
			t.Errorf("%q of %s: read as %+v", text, by, o)
		}
		return o
	}
	if made(one, "10001", "A") != made(two, "2", "A") {
		t.Error("an answer was decoded twice for who made what")
	}
	if made(one, "3", `\"created_by\":1`) == made(two, "3", `\"created_by\":2`) {
		t.Error("a text that is like a key is passed over")
	}
}
