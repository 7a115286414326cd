package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"accord/lang/addrs"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Whatever a provider gave comes back byte for byte, and what is written once
// is written the same again.
func TestEncodeDecode(t *testing.T) {
	word := rapid.StringMatching(`[a-z_]{1,8}`)
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`<&>"\`, " \n\t", "\u2028é漢", "{ }", `\" [ ]`}))
	rapid.Check(t, func(t *rapid.T) {
		s := New("accord test", "lineage")
		s.Serial = rapid.Uint64().Draw(t, "serial")
		for range rapid.IntRange(0, 5).Draw(t, "objects") {
			addr := addrs.NewKeyed(word.Draw(t, "type"), word.Draw(t, "name"), text.Draw(t, "key"))
			body := map[string]any{}
			for range rapid.IntRange(0, 4).Draw(t, "attributes") {
				body[text.Draw(t, "attribute")] = rapid.SliceOf(text).Draw(t, "value")
			}
			s.Objects[addr] = &Object{
				Addr: addr, Type: addr.Type, Provider: "vault", ID: text.Draw(t, "id"), Protect: rapid.Bool().Draw(t, "protect"),
				DependsOn: []addrs.Instance{addrs.New("connection", "crm")}, Sensitive: []addrs.Path{"/a~1b"},
				Body: canonical(t, body),
			}
		}
		s.Outputs["open"] = Output{Value: canonical(t, text.Draw(t, "output"))}

		data, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(data)
		if err != nil {
			t.Fatalf("%v in\n%s", err, data)
		}
		if diff := cmp.Diff(s, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("came back differently (-written +read):\n%s", diff)
		}
		if _, ok := scan(data); !ok && len(s.Objects) > 0 {
			t.Fatalf("what Encode writes is strange to scan:\n%s", data)
		}
		again, err := Encode(back)
		if err != nil || string(again) != string(data) {
			t.Fatalf("written differently the second time: %v\n%s", err, cmp.Diff(string(data), string(again)))
		}
	})
}

func canonical(t *rapid.T, v any) json.RawMessage {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}

func TestWrittenForm(t *testing.T) {
	s := New("accord 1.0", "b0c5")
	s.Serial = 7
	for _, key := range []string{"us", "de"} {
		a := addrs.NewKeyed("connection", "crm", key)
		s.Objects[a] = &Object{Addr: a, Provider: "vault", Type: "connection", ID: "V-" + key, Body: json.RawMessage(`{"name":"CRM <` + key + `>"}`)}
	}
	s.Outputs["secret"] = Output{Value: json.RawMessage(`"canary"`), Sensitive: true}
	got, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "format_version": 1,
  "tool": "accord 1.0",
  "lineage": "b0c5",
  "serial": 7,
  "outputs": {
    "secret": {
      "sensitive": true
    }
  },
  "objects": [
    {
      "address": "connection.crm[\"de\"]",
      "provider": "vault",
      "type": "connection",
      "id": "V-de",
      "body": {
        "name": "CRM <de>"
      }
    },
    {
      "address": "connection.crm[\"us\"]",
      "provider": "vault",
      "type": "connection",
      "id": "V-us",
      "body": {
        "name": "CRM <us>"
      }
    }
  ]
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, test := range map[string]struct{ data, want string }{
		"nothing":         {"", "it is empty"},
		"space":           {" \n", "it is empty"},
		"another version": {`{"format_version": 2, "lineage": "x", "objects": {"a": 1}}`, "its format version is 2, and this accord knows only version 1"},
		"another program": {`{"version": 4, "terraform_version": "1.5"}`, `it is not a state: json: unknown field "version"`},
		"no lineage":      {`{"format_version": 1}`, "it is not a state: it has no format_version or no lineage"},
		"cut":             {`{"format_version": 1, "lineage": "x", "obj`, "it ends too early: it was cut short"},
		"two":             {`{"format_version": 1, "lineage": "x"} {}`, "it is not a state: something follows its end at byte 37"},
		"null object":     {`{"format_version": 1, "lineage": "x", "objects": [null]}`, "it is not a state: object 1: an object has no address, type or body"},
		"twice": {`{"format_version": 1, "lineage": "x", "objects": [{"address":"a.b","type":"a","body":{}},{"address":"a.b","type":"a","body":{}}]}`,
			"it holds a.b twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(test.data))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A state of an earlier format is brought here step by step; one of a later
// format, or from where nothing leads here, is refused.
func TestMigration(t *testing.T) {
	old := `{"format_version": 0, "lineage": "0b4e", "serial": 3, "resources": [{"address":"a.b","type":"a","body":{"n":1}}]}`
	steps := map[int]migration{0: func(doc map[string]json.RawMessage) error {
		doc["objects"] = doc["resources"]
		delete(doc, "resources")
		return nil
	}}
	s, err := decode([]byte(old), steps)
	if err != nil {
		t.Fatal(err)
	}
	if o := s.Objects[addrs.New("a", "b")]; s.Serial != 3 || o == nil || string(o.Body) != `{"n":1}` {
		t.Errorf("migrated to %+v", s)
	}
	data, err := Encode(s)
	if err != nil || !strings.HasPrefix(string(data), "{\n  \"format_version\": 1,") {
		t.Errorf("written as %v\n%s", err, data)
	}
	if _, err := decode([]byte(old), nil); err == nil {
		t.Error("without a migration it was read")
	}
	steps[0] = func(map[string]json.RawMessage) error { return errors.New("no resources") }
	if _, err := decode([]byte(old), steps); err == nil || err.Error() != "bringing it from format version 0 to 1: no resources" {
		t.Errorf("a migration that fails: %v", err)
	}
}

// S1: another lineage or a lower serial is refused; what follows has a serial
// of its own.
func TestSucceeds(t *testing.T) {
	present := sample(2)
	present.Serial = 5
	present.Begin([]Intent{{Seq: 1, Addr: addrs.New("x", "a")}})
	other := sample(1)
	other.Lineage, other.Serial = "77aa", 9
	lower, same, higher := sample(1), sample(1), sample(1)
	lower.Serial, same.Serial, higher.Serial = 4, 5, 8
	for name, test := range map[string]struct {
		present, next *State
		refused       string
		serial        uint64
	}{
		"other lineage": {present, other, "another lineage", 9},
		"lower serial":  {present, lower, "it has serial 4, and the present state 5", 6},
		"same serial":   {present, same, "", 6},
		"higher serial": {present, higher, "", 8},
		"into nothing":  {New("", "new"), other, "", 9},
	} {
		err := test.present.Succeeds(test.next)
		if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: %v", name, err)
		}
		n := test.next.Next(test.present)
		if n.Serial != test.serial || len(n.Open) != len(test.present.Open) {
			t.Errorf("%s: serial %d, %d open", name, n.Serial, len(n.Open))
		}
	}
}

// A state file cut at any byte is refused. Only the last line end may be missing.
func TestDecodeTruncated(t *testing.T) {
	data, err := Encode(sample(3))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(data) - 1 {
		if _, err := Decode(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for a state", n, len(data))
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := Encode(sample(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format_version":1,"lineage":"x","objects":[{"address":"a.b[\"c\"]","type":"a","body":[ "\\" ]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if scanned, ok := scan(data); ok { // then it is what encoding/json reads
			parsed, err := parse(data)
			if diff := cmp.Diff(parsed, scanned, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Fatalf("%v\n%s", err, diff)
			}
		}
		s, err := Decode(data)
		if err != nil {
			return
		}
		once, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if s, err = Decode(once); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if twice, err := Encode(s); err != nil || string(twice) != string(once) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func TestSettle(t *testing.T) {
	a, b := addrs.New("x", "a"), addrs.New("x", "b")
	object := func(addr addrs.Instance, body string) *Object {
		return &Object{Addr: addr, Type: "x", Body: json.RawMessage(body)}
	}
	s := New("", "")
	s.Begin([]Intent{{Seq: 2, Addr: b}, {Seq: 3, Addr: a}, {Seq: 1, Addr: a}})
	for _, step := range []struct {
		name    string
		outcome Outcome
		changed bool
		objects int
		open    int
	}{
		{"nothing was done", Outcome{Addr: b}, false, 0, 2},
		{"created", Outcome{Addr: a, Object: object(a, `{}`)}, true, 1, 0},
		{"the same again", Outcome{Addr: a, Object: object(a, `{}`)}, false, 1, 0},
		{"nothing was done to what is there", Outcome{Addr: a}, false, 1, 0},
		{"updated", Outcome{Addr: a, Object: object(a, `{"n":1}`)}, true, 1, 0},
		{"forgotten", Outcome{Addr: a, Forget: true}, true, 0, 0},
		{"forgotten again", Outcome{Addr: a, Forget: true}, false, 0, 0},
	} {
		changed := s.Settle([]Outcome{step.outcome})
		if changed != step.changed || len(s.Objects) != step.objects || len(s.Open) != step.open {
			t.Errorf("%s: changed %t, %d objects, %d open", step.name, changed, len(s.Objects), len(s.Open))
		}
	}
}

func sample(n int) *State {
	s := New("accord test", "0b4e")
	s.Serial = 1
	for i := range n {
		a := addrs.NewKeyed("field_rule", "crm", fmt.Sprint(i))
		s.Objects[a] = &Object{
			Addr: a, Provider: "vault", Type: "field_rule", ID: fmt.Sprintf("V%06d", i), DependsOn: []addrs.Instance{addrs.New("connection", "crm")},
			Body: json.RawMessage(fmt.Sprintf(`{"a":[1,2,{"b":"\"%s"}],"from":"f%d"}`, strings.Repeat("lorem ", 130), i)),
		}
	}
	return s
}

func BenchmarkDecode(b *testing.B) {
	data, err := Encode(sample(10_000))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/10_000, "µs/object")
}

func BenchmarkEncode(b *testing.B) {
	s := sample(10_000)
	for b.Loop() {
		if _, err := Encode(s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/10_000, "µs/object")
}

// Another program leaves less of itself with a lock; what is not known is not made up.
func TestHolderSaysWhatItKnows(t *testing.T) {
	for want, h := range map[string]Holder{
		"someone who left no record":                   {Who: "bob"},
		"bob@x (apply, id a)":                          {ID: "a", Who: "bob@x", Operation: "apply"},
		"someone (since 2026-01-02T03:04:05Z, id a)":   {ID: "a", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		"bob@x (apply, process 7, accord 0.1.0, id a)": {ID: "a", Who: "bob@x", Operation: "apply", PID: 7, Tool: "accord 0.1.0"},
	} {
		if got := h.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
