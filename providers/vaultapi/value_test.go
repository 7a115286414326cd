package vaultapi

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each thing in all the ways in which Vault was seen to write it.
func TestTolerantValues(t *testing.T) {
	t.Parallel()
	check := func(text string, into, want any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if diff := cmp.Diff(want, into); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
	for text, want := range map[string]ID{`12`: "12", `"00P1"`: "00P1", `null`: "", `""`: "", `"a\"\u00e4"`: `a"ä`} {
		check(text, new(ID), &want)
	}
	for text, want := range map[string]Names{`["a","b"]`: {"a", "b"}, `"a"`: {"a"}, `null`: nil, `""`: nil, `[]`: {}, `[1, 2]`: {"1", "2"}, `["a,b]","\u00e4"]`: {"a,b]", "ä"}, `["a,b]","c"]`: {"a,b]", "c"}, `[ "a" , "b" ]`: {"a", "b"}} {
		check(text, new(Names), &want)
	}
	for text, want := range map[string]Bool{`true`: true, `"true"`: true, `"TRUE"`: true, `false`: false, `"false"`: false, `null`: false, `""`: false, `[true]`: true, `[]`: false} {
		check(text, new(Bool), &want)
	}
	for text, want := range map[string]Int{`7`: 7, `"7"`: 7, `7.0`: 7, `"7.00"`: 7, `null`: 0, `""`: 0, `-3`: -3} {
		check(text, new(Int), &want)
	}
	for text, want := range map[string]Labelled{`"a"`: {Name: "a"}, `{"name":"a","label":"A"}`: {"a", "A"}, `null`: {}} {
		check(text, new(Labelled), &want)
	}
	for text, want := range map[string]JobRef{
		`{"job_id":7,"url":"/u"}`: {"7", "/u"}, `{"job_id":"7","URL":"/u"}`: {"7", "/u"}, `{"jobId":7,"url":"/u"}`: {"7", "/u"},
		`{"data":{"job_id":7}}`: {"7", ""}, `{"data":{"job_id":7,"url":"/u"}}`: {"7", "/u"}, `{"data":[]}`: {},
	} {
		check(text, new(JobRef), &want)
	}
	for text, into := range map[string]any{`{}`: new(ID), `[{}]`: new(Names), `"maybe"`: new(Bool), `7.5`: new(Int), `"x"`: new(Int), `{"a":1}`: new(Names)} {
		if err := json.Unmarshal([]byte(text), into); err == nil {
			t.Errorf("%s was taken for a %T", text, into)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
	for text, at := range map[string]time.Time{
		"2026-02-03T04:05:06.789Z": want, "2026-02-03T05:05:06.789+01:00": want, "2026-02-03T04:05:06Z": want.Truncate(time.Second),
		"2026-02-03T05:05:06+0100": want.Truncate(time.Second), "2026-02-03": want.Truncate(24 * time.Hour),
	} {
		got, err := ParseTime(text)
		if err != nil || !got.Equal(at) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if got := FormatTime(want); got != "2026-02-03T04:05:06.789Z" {
		t.Error(got)
	}
	if _, err := ParseTime("yesterday"); err == nil {
		t.Error("no error")
	}
}

func TestTextValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value any
		want  string
	}{
		{nil, ""}, {"a,b", "a,b"}, {true, "true"}, {7, "7"}, {int64(7), "7"}, {1.5, "1.5"}, {1e21, "1000000000000000000000"}, {json.Number("1.50"), "1.50"},
		{ID("x"), "x"}, {Names{"a", "b"}, "a,b"}, {[]ID{"1", "2"}, "1,2"}, {[]any{"a", 1}, "a,1"}, {[]string{}, ""}, {Int(3), "3"}, {Bool(true), "true"},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05.000Z"},
	} {
		got, err := textValue(test.value)
		if err != nil || got != test.want {
			t.Errorf("%#v: %q, %v", test.value, got, err)
		}
		if _, err := jsonValue(test.value); err != nil {
			t.Errorf("%#v: %v", test.value, err)
		}
	}
	for _, bad := range []any{[]string{"a,b"}, struct{}{}, []any{struct{}{}}, map[string]string{}} {
		if got, err := textValue(bad); err == nil {
			t.Errorf("%#v became %q", bad, got)
		}
	}
}

func TestSecretPrintsNothing(t *testing.T) {
	t.Parallel()
	s := NewSecret("canary")
	type holder struct {
		S Secret
		P *Secret
	}
	text, _ := json.Marshal(holder{s, &s})
	for _, got := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", holder{s, nil}, holder{s, nil}, &holder{s, nil}), string(text), s.LogValue().String(),
	} {
		for _, bad := range []string{"canary", "63616e617279"} {
			if contains(got, bad) {
				t.Errorf("printed: %s", got)
			}
		}
	}
}

func contains(text, part string) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if text[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*Error{
		"read x: no":                                 {Op: "read x", Kind: Invalid, Message: "no"},
		"read x: INVALID_DATA: no":                   {Op: "read x", Kind: Invalid, Type: "INVALID_DATA", Message: "no"},
		"read x: not found":                          {Op: "read x", Kind: NotFound},
		"write x: may or may not have happened: cut": {Op: "write x", Kind: Ambiguous, Cause: fmt.Errorf("cut")},
		"read x: T: m: cut (vault 7, execution e)":   {Op: "read x", Type: "T", Message: "m", Cause: fmt.Errorf("cut"), VaultID: "7", ExecutionID: "e"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if KindOf(nil) != "" || KindOf(fmt.Errorf("x: %w", &Error{Kind: Exists})) != Exists || KindOf(fmt.Errorf("x")) != Internal {
		t.Error("KindOf")
	}
}
