package lang

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is wanted, where it is written, and what is wrong with it are the same
// with files from the cache as without: the first time, again, and after one
// file of many was changed.
func TestCachedFiles(t *testing.T) {
	for name, sources := range map[string]map[string][]byte{
		"flat": flat(300), "chains": chains(800),
		"problems": {
			"rules.hcl": append(flat(300)["rules_0.hcl"], "field_rule \"bad\" {\n  connection = connection.gone\n  sauce = 1\n  source = \"a\" + 1\n}\n"...),
		},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, ".accord"), 0o700); err != nil {
			t.Fatal(err)
		}
		write := func(sources map[string][]byte) {
			for file, text := range sources {
				if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(sources)
		same := func(when string) {
			t.Helper()
			plain, plainDiags := Parse(dir, sources)
			kept, keptDiags := Load(dir)
			want, more := plain.Evaluate(testProviders(), Options{})
			plainDiags = append(plainDiags, more...)
			got, more := kept.Evaluate(testProviders(), Options{})
			keptDiags = append(keptDiags, more...)
			if want.Digest() != got.Digest() || plainDiags.Error() != keptDiags.Error() {
				t.Fatalf("%s, %s: %s, %s", name, when, got.Digest(), cmp.Diff(plainDiags.Error(), keptDiags.Error()))
			}
			for n, r := range want.Resources {
				for _, path := range r.Unknown {
					if r.Locate(path) != got.Resources[n].Locate(path) {
						t.Fatalf("%s, %s: %s %s", name, when, r.Addr, path)
					}
				}
				if a, b := r.Locate("/source"), got.Resources[n].Locate("/source"); a != b {
					t.Fatalf("%s, %s: %s is written at %v, want %v", name, when, r.Addr, b, a)
				}
			}
		}
		same("the first time")
		if _, err := os.Stat(filepath.Join(dir, ".accord", "cache", "files")); err != nil {
			t.Fatalf("%s: nothing was kept: %v", name, err)
		}
		same("again")
		sources["more.hcl"] = []byte("field_rule \"more\" {\n  connection = connection.crm\n  source = \"m\"\n  target = \"m\"\n}\n")
		write(sources)
		same("with one more")
	}
}
