package lower

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/hashicorp/hcl/v2"
)

// What comes out of a cache is what the parser makes, whatever became of the
// cache meanwhile: it was cut short or changed at any place, or is of others.
func TestCache(t *testing.T) {
	worthwhile = 0
	path := filepath.Join(t.TempDir(), "cache", "files")
	want, _ := hclsyntax.ParseConfig([]byte(everything), "x.hcl", hcl.InitialPos)
	parse := func(path string) *Cache {
		t.Helper()
		c := OpenCache(path)
		for _, text := range []string{everything, "a = 1\n"} {
			file, diags := c.Parse([]byte(text), "x.hcl")
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			if text == everything {
				holds(t, file.Body.(*Body), want.Body.(*hclsyntax.Body))
			}
		}
		return c
	}
	c := parse(path)
	if !c.new {
		t.Fatal("an empty cache has both files")
	}
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	if c = parse(path); c.new || len(c.was) != 2 {
		t.Fatalf("%d files were kept, and new is %t", len(c.was), c.new)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(good); n += 13 {
		bad := append([]byte(nil), good...)
		bad[n] ^= 1
		for _, data := range [][]byte{good[:n], bad} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if c := OpenCache(path); len(c.was) > 0 {
				t.Fatalf("byte %d: %d files are believed", n, len(c.was))
			}
		}
	}
	if c = parse(path); !c.new {
		t.Fatal("a damaged cache was believed")
	}
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	if c = parse(path); c.new {
		t.Fatal("a damaged cache was not written anew")
	}
	// What is no longer asked for is forgotten.
	c = OpenCache(path)
	c.Parse([]byte("b = 2\n"), "y.hcl")
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	if c = OpenCache(path); len(c.was) != 1 {
		t.Fatalf("%d files are kept, want 1", len(c.was))
	}
	// Where there is no folder for it, nothing is kept, and nothing is made.
	c = OpenCache(filepath.Join(t.TempDir(), "none", "cache", "files"))
	c.Parse([]byte("b = 2\n"), "y.hcl")
	if c.Save() == nil {
		t.Fatal("a folder was made")
	}
}
