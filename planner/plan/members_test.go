package plan

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The members of a body are what encoding/json finds, whatever form it has.
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
		if diff := cmp.Diff(want, members(body)); diff != "" {
			t.Fatalf("%s: %s", body, diff)
		}
	}
	for _, body := range []string{
		`{}`, `{"a":1}`, `{"a":"x,y}\"","b":{"c":[1,{"d":"]"}]},"e":[],"f":true}`,
		`{ "a" : 1 }`, "{\n}", `{"a\"b":1,"c":2}`, `{"\u0061":"\\","b":"\\\""}`, `{"a":{}, "b":1}`, `{"":""}`,
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
	for n := range body {
		if got, ok := canonicalMembers(json.RawMessage(body[:n])); ok {
			t.Errorf("%s: %v", body[:n], got)
		}
	}
}
