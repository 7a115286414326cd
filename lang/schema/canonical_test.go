package schema

import (
	"encoding/json"
	"math/big"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

var canonicalBody = &Block{
	Attributes: []Attribute{
		{Name: "countries", Type: cty.Set(cty.String)},
		{Name: "order", Type: cty.List(cty.String)},
		{Name: "grid", Type: cty.Map(cty.Set(cty.Number))},
		{Name: "shape", Type: cty.Object(map[string]cty.Type{"tags": cty.Set(cty.String)})},
	},
	Blocks: []Nested{
		{Name: "object", Label: "object name", Body: Block{Attributes: []Attribute{{Name: "permissions", Type: cty.Set(cty.String)}}}},
		{Name: "reference", Single: true, Body: Block{Attributes: []Attribute{{Name: "keys", Type: cty.Set(cty.String)}}}},
		{Name: "row", Body: Block{Attributes: []Attribute{{Name: "keys", Type: cty.Set(cty.String)}}}},
	},
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"keys sorted, null left out, space gone", ` { "b" : 1, "a": null, "Z": true } `, `{"Z":true,"b":1}`},
		{"left out is not empty", `{"countries":[],"order":null}`, `{"countries":[]}`},
		{"a set", `{"countries":["us","ca","us"]}`, `{"countries":["ca","us"]}`},
		{"a list", `{"order":["us","ca","us"]}`, `{"order":["us","ca","us"]}`},
		{"sets in a map", `{"grid":{"b":[2,1.0,1],"a":[]}}`, `{"grid":{"a":[],"b":[1,2]}}`},
		{"a set in an object", `{"shape":{"tags":["b","a"]}}`, `{"shape":{"tags":["a","b"]}}`},
		{"a labelled block", `{"object":{"b__c":{"permissions":["read","edit"]},"a__c":{}}}`, `{"object":{"a__c":{},"b__c":{"permissions":["edit","read"]}}}`},
		{"a single block", `{"reference":{"keys":["b","a"]}}`, `{"reference":{"keys":["a","b"]}}`},
		{"repeated blocks", `{"row":[{"keys":["b","a"]},{}]}`, `{"row":[{"keys":["a","b"]},{}]}`},
		{"an unknown name", `{"other":["b","a"]}`, `{"other":["b","a"]}`},
		{"strings as encoding/json", `{"a":"<é\u2028\u00e9\u0001\/>"}`, `{"a":"\u003cé\u2028é\u0001/\u003e"}`},
	} {
		got, err := Canonical([]byte(c.in), canonicalBody)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
		embedded, err := json.Marshal(map[string]json.RawMessage{"x": got})
		if want := `{"x":` + string(got) + `}`; err != nil || string(embedded) != want {
			t.Errorf("%s: embedded: got %s, %v; want %s", c.name, embedded, err, want)
		}
	}
	for _, in := range []string{`null`, `[null]`, `{"countries":[null]}`, `{} {}`, `{`, ``} {
		if got, err := Canonical([]byte(in), canonicalBody); err == nil {
			t.Errorf("%s: got %s, want an error", in, got)
		}
	}
}

func TestCanonicalNumber(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "0e9": "0", "1": "1", "-12": "-12", "1.0": "1", "1.50": "1.5", "1e2": "100", "1.5E+2": "150",
		"12345678901234567890": "12345678901234567890", "0.001": "0.001", "-0.10": "-0.1", "5e-1": "0.5", "1e22": "1e22", "1.20e-9": "1.2e-9",
		"100000000000000000000000": "1e23", "9007199254740993": "9007199254740993",
	} {
		if got := number(in); got != want {
			t.Errorf("number(%s) = %s, want %s", in, got, want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		`{"countries":["us","ca"],"grid":{"a":[1,1.0,1e0]},"object":{"x":{"permissions":["b","a"]}}}`,
		`[1e-7,-0.0,1E400,0.00001234e-3]`, `{"a":"\ud800<>","a":null}`, `"\u2028"`, `{"row":[{"keys":[{"b":null}]}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := Canonical(in, canonicalBody)
		if err != nil {
			return
		}
		if !json.Valid(once) {
			t.Fatalf("%q became %q, which is not JSON", in, once)
		}
		twice, err := Canonical(once, canonicalBody)
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q became %q, and that became %q (%v)", in, once, twice, err)
		}
		var n json.Number
		if size, err := strconv.ParseFloat(string(once), 64); err == nil && size != 0 && json.Unmarshal(in, &n) == nil {
			a, okA := new(big.Rat).SetString(n.String())
			b, okB := new(big.Rat).SetString(string(once))
			if okA && okB && a.Cmp(b) != 0 {
				t.Fatalf("%s became %s, another number", in, once)
			}
		}
	})
}
