package vault

import (
	"encoding/json"
	"testing"

	"accord/lang/schema"
	"accord/providers"
)

// A scope is canonical as it is written, whatever it holds.
func TestScopeIsCanonical(t *testing.T) {
	t.Parallel()
	check := &preflight{Connection: "connection.crm", Subjects: []subject{{Needs: []string{"a <b>"}, User: "1", Vault: keyed("vault", "crm", "a")}}}
	known := *check
	known.Known = []providers.Diagnostic{{Code: "CTRY-13", Summary: "s", Detail: "d", Addr: keyed("vault", "crm", "a"), Path: "/id", Refused: true}}
	all := scope{CRM: 1, Fields: []string{"b", "a"}, Object: "o", Picklist: "p", Point: "q", Preflight: check, Refs: []refMap{{Blank: true, Field: "f", Object: "o"}}, Source: 2, Title: "t & é"}
	for _, s := range []scope{{}, all, {Preflight: &known}} {
		raw := s.raw()
		want, err := schema.Canonical(raw, nil)
		if err != nil || string(raw) != string(want) {
			t.Errorf("%s, %v, want %s", raw, err, want)
		}
		var again scope
		if err := json.Unmarshal(raw, &again); err != nil || string(again.raw()) != string(raw) {
			t.Errorf("%s, read again: %s, %v", raw, again.raw(), err)
		}
	}
}
