package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
)

// sampleFile is a plan with a step of each kind, and what it was made from.
func sampleFile() *File {
	filter := addrs.NewKeyed("country_filter", "crm", "a")
	point := addrs.NewKeyed("integration_point", "clm", "a")
	return &File{
		Plan: &Plan{
			Tool: "accord test", Created: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), Lineage: "0b4e", Serial: 7,
			Changes: []Change{{Addr: filter, Action: providers.Update, Edits: []Edit{{Path: "/countries", Before: json.RawMessage(`["us"]`), After: json.RawMessage(`["ca","us"]`)}}, Place: Place{"main.hcl", 12}}},
			Steps: []Step{
				{Ref: providers.Ref{Addr: filter}, Provider: "vault", Item: &providers.ApplyItem{Addr: filter, Action: providers.Update, Planned: &providers.Object{Addr: filter, Type: "country_filter", Body: json.RawMessage(`{"countries":["ca","us"]}`)}}},
				{Ref: providers.Ref{Addr: point, Sync: true}, After: []providers.Ref{{Addr: filter}}, Decision: &syncer.Decision{Mode: syncer.Full, Step: true, Reasons: []syncer.Reason{syncer.FilterEdited}}},
			},
			Objects: []providers.Object{{Addr: filter, Type: "country_filter", Body: json.RawMessage(`{"countries":["ca","us"]}`)}},
		},
		Sources: map[string][]byte{"main.hcl": []byte("accord {\n}\n")}, Vars: []string{"x=y"}, Desired: "sha256:00", Lock: "sha256:01",
	}
}

func encoded(t testing.TB) []byte {
	t.Helper()
	b, err := sampleFile().Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFileComesBack(t *testing.T) {
	t.Parallel()
	f, want := sampleFile(), sampleFile()
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(File{}), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "digest" }, cmp.Ignore())); diff != "" {
		t.Errorf("(-kept +read)\n%s", diff)
	}
	if got.Digest() != f.Digest() || !strings.HasPrefix(got.Digest(), "sha256:") {
		t.Errorf("its identity was %s and is %s", f.Digest(), got.Digest())
	}
}

// Anchors §3b.24: a plan file that is cut at any byte, or in which any bit is
// another, is refused; so is one with anything behind it.
func TestFileDamaged(t *testing.T) {
	t.Parallel()
	whole := encoded(t)
	for n := range whole {
		if _, err := Decode(whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for a plan", n, len(whole))
		}
	}
	for n := range whole {
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[n] ^= 1 << bit
			if _, err := Decode(flipped); err == nil {
				t.Errorf("bit %d of byte %d (%q) may be another", bit, n, whole[n])
			}
		}
	}
	for _, more := range []string{"\n", " ", "x", "\x00"} {
		if _, err := Decode(append(bytes.Clone(whole), more...)); err == nil {
			t.Errorf("%q may follow", more)
		}
	}
	other := bytes.Replace(whole, []byte(fileHead+"1\n"), []byte(fileHead+"2\n"), 1)
	if _, err := Decode(other); err == nil || !strings.Contains(err.Error(), "format 2") || !strings.Contains(err.Error(), "plan again") {
		t.Errorf("another format: %v", err)
	}
}

// signed is a file with a body of anybody's making, and the digest that fits.
func signed(body []byte) []byte {
	return fmt.Appendf(nil, "%s%d\n%s\n%s\n", fileHead, fileFormat, Digest(body), body)
}

// A step that lacks what every step has is refused, whoever made it.
func TestFileForged(t *testing.T) {
	t.Parallel()
	for _, step := range []string{`{}`, `{"ref":{"addr":"a.b","sync":true}}`, `{"ref":{"addr":"a.b"}}`} {
		_, err := Decode(signed(fmt.Appendf(nil, `{"plan":{"steps":[%s]}}`, step)))
		if err == nil || !strings.Contains(err.Error(), "says nothing") {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// FuzzFile must not panic over any file, also one that was forged with its
// digest; and what it takes is the same when it is written and read again.
func FuzzFile(f *testing.F) {
	whole := encoded(f)
	_, rest, _ := bytes.Cut(whole, []byte("\n"))
	_, body, _ := bytes.Cut(rest, []byte("\n"))
	f.Add(whole)
	f.Add(bytes.TrimSuffix(body, []byte("\n")))
	f.Add([]byte(`{"plan":{"steps":[{"item":{}},{"ref":{"sync":true}}],"changes":[{"edits":[{"path":"/x"}]}],"objects":[{"body":[]}]},"sources":{"a":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, b := range [][]byte{data, signed(data)} {
			got, err := Decode(b)
			if err != nil {
				continue
			}
			got.Plan.Redacted()
			got.Plan.Empty()
			for i := range got.Plan.Steps {
				got.Plan.Step(got.Plan.Steps[i].Ref)
			}
			once, err := got.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(once)
			if err != nil {
				t.Fatalf("what was written cannot be read: %v\n%s", err, once)
			}
			if twice, err := again.Encode(); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("not the same again: %v\n%s\n%s", err, once, twice)
			}
		}
	})
}
