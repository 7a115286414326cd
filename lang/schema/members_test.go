package schema

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The members of a body are what encoding/json finds, whatever form it has, in
// the order of their names; and they make the canonical body again.
func TestMembers(t *testing.T) {
	check := func(t interface {
		Helper()
		Fatalf(string, ...any)
	}, body []byte) {
		t.Helper()
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		list, err := Members(nil, body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got := map[string]json.RawMessage{}
		for n, m := range list {
			if n > 0 && string(list[n-1].Name) >= string(m.Name) {
				t.Fatalf("%s: %q comes before %q", body, list[n-1].Name, m.Name)
			}
			got[string(m.Name)] = m.Value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: %s", body, diff)
		}
		canonical, err := Canonical(body, nil)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if list, _ = Members(nil, canonical); string(AppendObject(nil, list)) != string(canonical) {
			t.Fatalf("%s: %s", canonical, AppendObject(nil, list))
		}
	}
	for _, body := range []string{
		`{}`, `{"a":1}`, `{"a":"x,y}\"","b":{"c":[1,{"d":"]"}]},"e":[],"f":true}`, `{"b":1,"a":2}`, `{"a":1,"a":2}`,
		`{ "a" : 1 }`, "{\n}", `{"a\"b":1,"c":2}`, `{"\u0061":"\\","b":"\\\""}`, `{"a":{}, "b":1}`, `{"":""}`, `{"a<b":"\\\\\""}`,
	} {
		check(t, []byte(body))
	}
	rapid.Check(t, func(t *rapid.T) {
		body, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.MapOf(rapid.String(), rapid.String()))).Draw(t, "body"))
		if err != nil {
			t.Fatal(err)
		}
		check(t, body)
	})
}

// What cannot be an object has no members, and nothing runs past its end.
func TestMembersOfTornBodies(t *testing.T) {
	const body = `{"a":"x\\","b":{"c":[1,2]}}`
	for n := 1; n < len(body); n++ {
		if got, err := Members(nil, []byte(body[:n])); err == nil {
			t.Errorf("%s: %v", body[:n], got)
		}
	}
}

func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":{"b":[1,"}\\"]"]},"c":""}`, `{"a\"b":1}`, `{"a":null,"b":[{},[]]}`, `{"a":1,}`, `{"a" : 1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		canonical, err := Canonical(in, nil)
		if err != nil || canonical[0] != '{' {
			canonicalMembers(nil, in) // must not panic
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(canonical, &want); err != nil {
			t.Fatal(err)
		}
		got, err := Members(nil, canonical)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d members, want %d", canonical, len(got), len(want))
		}
		for _, m := range got {
			if v := want[string(m.Name)]; string(m.Value) != string(v) {
				t.Fatalf("%s: %q is %s, want %s", canonical, m.Name, m.Value, v)
			}
		}
	})
}
