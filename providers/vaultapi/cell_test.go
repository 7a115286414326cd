package vaultapi

import (
	"encoding/json"
	"testing"
)

// What Cells takes is what encoding/json takes, and with the same values.
func FuzzCells(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { } `, `{"a":1}`, "{\n\t\"a\" : [ 1 , {\"b\":null} ] ,\r\"c\":\"\\u00e9\\n\\\"\"}", `{"\u0061":true,"b":false}`, `[]`, `[{"a":1}]`, `5`, `"x"`, `null`,
		`{"a":01}`, `{"a":-}`, `{"a":-0.5e+10}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":nul}`, `{"a":"` + "\x01" + `"}`, `{"a":"\x"}`, `{"a":"\u00g0"}`, `{"a":"`, `{"a":1,}`,
		`{"a" 1}`, `{a:1}`, `{"a":1}}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":{"b":1}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", ``, ` `, `{"a":1} x`, `{"":""}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Cells(nil, text)
		if valid := json.Valid([]byte(text)); valid != (err != errPage) {
			t.Fatalf("%q is valid: %v, and its cells: %v", text, valid, err)
		}
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			if err == nil {
				t.Fatalf("%q has cells %q", text, list)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got := map[string]string{}
		for _, m := range list {
			name, _ := json.Marshal(m.Name)
			var sane string
			_ = json.Unmarshal(name, &sane) // encoding/json repairs what is no UTF-8
			got[sane] = m.Value
		}
		if len(got) != len(want) {
			t.Fatalf("%q has cells %q", text, list)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Fatalf("%q: %q is %q", text, name, got[name])
			}
			var all []json.RawMessage
			n := 0
			isArray := json.Unmarshal(value, &all) == nil && value[0] == '['
			for element := range Elements(got[name]) {
				if n >= len(all) || string(all[n]) != element {
					t.Fatalf("%q: element %d of %q is %q", text, n, name, element)
				}
				n++
			}
			if n != len(all) || n > 0 && !isArray {
				t.Fatalf("%q: %q has %d elements", text, name, n)
			}
		}
	})
}
