package devvault

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const library = `
# a small one
{"mdl": "RECREATE Docfield brand_team__c (label('Brand Team'), active(true), required(false), shared(true), type('String'), display_section('general'));"}
{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "code__v": "US", "country_cda__v": ["us__v"]}}
{"record": "country__v", "key": "global", "fields": {"name__v": "Global", "country_cda__v": ["us__v", "ca__v", "mx__v"]}}
{"document": "slide-1", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Mechanism", "country__v.external_id__v": ["us", "global"], "brand_team__c": "Red"}, "versions": [{"number": "1.0", "state": "approved__v", "modified": "2026-01-31T08:00:00Z"}, {"number": "1.1", "state": "draft__v", "fields": {"title__v": "new"}}], "renditions": {"viewable_rendition__v": 10240}}
{"document": "slide-2", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Dosage"}}
{"binder": "pres-1", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Launch"}, "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "approved__v"}, {"number": "1.1", "state": "draft__v", "nodes": ["slide-2", "slide-1"]}]}
{"relationship": "related_shared_resource__v", "source": "slide-1", "target": "slide-2"}
`

func TestLoad(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "crm:crm")
	done, err := b.Load("promo", "small", strings.NewReader(library))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Loaded{Records: 2, Documents: 3, Relationships: 1, Statements: 1}, done); d != "" {
		t.Error(d)
	}
	want(t, "latest", b.number("promo", 1), "1.1")
	want(t, "field of a version", b.field("promo", 1, "title__v"), any("new"))
	old := b.must("GET", "promo", "objects/documents/1/versions/1/0", nil)
	want(t, "field of an older version", old.get("document", "title__v"), nil)
	want(t, "state", old.get("document", "status__v"), any("Approved"))
	want(t, "modified", old.get("document", "version_modified_date__v"), any("2026-01-31T08:00:00.000Z"))
	want(t, "references", fmt.Sprint(b.field("promo", 1, "country__v")), "[00C000000000001 00C000000000002]")
	want(t, "custom field", b.field("promo", 1, "brand_team__c"), any("Red"))
	nodes := func(version string) string {
		var names []string
		for _, n := range response(b.must("GET", "promo", "objects/binders/3/versions/"+version, nil).get("binder").(map[string]any)).list("nodes") {
			names = append(names, n.get("properties", "name__v").(string))
		}
		return strings.Join(names, " ")
	}
	want(t, "nodes", nodes("1/0")+", "+nodes("1/1"), "slide-1, slide-2 slide-1")
	if done, err = b.Load("crm", "links", strings.NewReader(`{"crosslink": "by-hand", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "By hand"}, "source_vault": "promo", "source": "slide-1"}`)); err != nil || done.Documents != 1 {
		t.Fatal(done, err)
	}
	want(t, "link", b.field("crm", 1, "latest_source_major_version__v"), any(1.0))

	var before, after bytes.Buffer
	if err := b.Dump(context.Background(), "promo", "", &before); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"small", "under another name"} {
		if done, err = b.Load("promo", name, strings.NewReader(library)); err != nil || done.Records+done.Documents+done.Relationships != 0 {
			t.Fatal(done, err)
		}
	}
	if err := b.Dump(context.Background(), "promo", "", &after); err != nil {
		t.Fatal(err)
	}
	want(t, "lines of the dump", strings.Count(before.String(), "\n"), 3+1+5+3+1+2)
	if d := cmp.Diff(before.String(), after.String()); d != "" {
		t.Errorf("loading again changed something: %s", d)
	}
}

func TestLoadNamesTheLine(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	for _, test := range []struct{ line, want string }{
		{`{"document": "x", "type": "nothing__v", "lifecycle": "l"}`, `load f, line 2: INVALID_DATA: The document type [nothing__v] does not exist`},
		{`{"relationship": "related_shared_resource__v", "source": "a", "target": "b"}`, `load f, line 2: there is no document "a" in vault promo`},
		{`{"what": 1}`, `load f, line 2: json: unknown field "what"`},
		{`{}`, `load f, line 2: the line says nothing that a library can say`},
	} {
		_, err := b.Load("promo", "f", strings.NewReader("# head\n"+test.line))
		want(t, test.line, fmt.Sprint(err), test.want)
	}
}

func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}` + "\n")
	const n = 20000
	for i := range n {
		fmt.Fprintf(&text, `{"document": "slide-%d", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide %d", "title__v": "A title of some length", "country__v.external_id__v": ["us"], "clm_content__v": true, "language__v": "english__v", "crm_end_date__v": "2027-01-01"}, "versions": [{"number": "1.0", "state": "approved__v"}]}`+"\n", i, i)
	}
	for b.Loop() {
		s, err := Open(Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.AddVault(VaultSpec{Name: "promo", Kind: "promomats"}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Load("promo", "x", strings.NewReader(text.String())); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "documents/s")
}
