package lang

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is kept of the files holds nothing that is written out where something
// sensitive belongs, in either syntax and in modules; every line is where it
// was, and what is kept can be read.
func TestKept(t *testing.T) {
	sources := archived(t, "testdata/kept/files.txtar")
	config, diags := Parse(".", sources)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	kept, cut := config.Kept(testProviders())
	if diff := cmp.Diff([]string{"main.hcl", "more.hcl.json", "part/main.hcl"}, cut); diff != "" {
		t.Errorf("(-want +cut)\n%s", diff)
	}
	for name, text := range kept {
		if bytes.Contains(text, []byte("canary")) || bytes.Contains(text, []byte("1234567")) {
			t.Errorf("%s shows something:\n%s", name, text)
		}
		if was, is := bytes.Count(sources[name], []byte("\n")), bytes.Count(text, []byte("\n")); was != is {
			t.Errorf("%s has %d lines, and had %d", name, is, was)
		}
		if name == "main.hcl" {
			for _, want := range []string{`default   = ""`, "default   = {}", `label = var.token`, `known = "plain"`, "nonsensitive(var.token)"} {
				if !strings.Contains(string(text), want) {
					t.Errorf("there is no %s in\n%s", want, text)
				}
			}
		}
	}
	if _, diags := Parse(".", kept); diags.HasErrors() {
		t.Error(diags)
	}
	again, cut := func() (map[string][]byte, []string) { c, _ := Parse(".", kept); return c.Kept(testProviders()) }()
	if diff := cmp.Diff(kept, again); diff != "" || len(cut) > 0 {
		t.Errorf("what is kept is cut again: %v\n%s", cut, diff)
	}
}
