// Package accord holds what is true of the project as a whole.
package accord

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// floors says what each package may import of this module, and why. A package
// without a line of its own takes the longest prefix that has one.
var floors = []struct {
	pkg   string
	may   []string
	since string
}{
	{"lang/addrs", nil, "names are the floor: everyone may use them, they use nothing"},
	{"lang/schema", nil, "a schema is data"},
	{"planner/graph", nil, "a graph knows nodes, not resources"},
	{"providers/vaultapi", nil, "an HTTP client is useful without accord"},
	{"providers/devvault", []string{"providers/devvault"}, "the server must not share code with what is proved against it"},
	{"lang", []string{"lang/"}, "the pillars do not know each other"},
	{"state/failpoint", nil, "a moment is a number: whoever may die can name it"},
	{"state", []string{"state", "lang/addrs"}, "a store knows nothing of schemas, files or vaults"},
	{"providers", []string{"providers", "lang/addrs", "lang/schema"}, "a plugin builds without the engine"},
	{"planner", []string{"planner", "lang", "state", "providers"}, "the bridge knows the contract only"},
	{"cmd", []string{"cmd", "planner", "lang", "state", "providers"}, "the door knows what exists"},
	{"examples", []string{"providers", "lang/addrs", "lang/schema"}, "an example is written by a user"},
}

// never are imports that a floor would allow, and the design does not.
var never = []struct{ pkg, imports, since string }{
	{"planner", "providers/", "the engine meets providers through the contract; only its tests may know one"},
	{"providers/vault", "providers/devvault", "a client that knows its server proves nothing"},
	{"providers/plugin", "providers/vault", "the boundary carries any provider"},
}

func TestFloors(t *testing.T) {
	top := map[string]bool{"cmd": true, "lang": true, "planner": true, "providers": true, "state": true, "examples": true}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" {
				return fs.SkipDir
			}
			if path != "." && !strings.Contains(path, string(filepath.Separator)) && !top[path] {
				t.Errorf("%s: no other top-level folder than cmd, lang, planner, providers, state, examples", path)
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			checkImports(t, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkImports(t *testing.T, file string) {
	pkg := file[:max(strings.LastIndex(file, "/"), 0)]
	if pkg == "" {
		return
	}
	test := strings.HasSuffix(file, "_test.go")
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	may, since, known := floorOf(pkg)
	if !known {
		t.Errorf("%s: package %s is on no floor", file, pkg)
	}
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		imported, ours := strings.CutPrefix(path, "accord/")
		if !ours || test {
			continue
		}
		if imported != pkg && !allowed(may, imported) {
			t.Errorf("%s imports %s: %s", file, imported, since)
		}
		for _, n := range never {
			if within(pkg, n.pkg) && strings.HasPrefix(imported, n.imports) {
				t.Errorf("%s imports %s: %s", file, imported, n.since)
			}
		}
	}
}

func floorOf(pkg string) (may []string, since string, known bool) {
	best := -1
	for _, f := range floors {
		if within(pkg, f.pkg) && len(f.pkg) > best {
			best, may, since, known = len(f.pkg), f.may, f.since, true
		}
	}
	return may, since, known
}

func within(pkg, prefix string) bool { return pkg == prefix || strings.HasPrefix(pkg, prefix+"/") }

func allowed(may []string, imported string) bool {
	for _, m := range may {
		if strings.HasSuffix(m, "/") && strings.HasPrefix(imported, m) || within(imported, m) {
			return true
		}
	}
	return false
}

// A package begins with a comment that says what it is.
func TestPackageComments(t *testing.T) {
	has := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := filepath.Dir(path)
		has[pkg] = has[pkg] || f.Doc != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, ok := range has {
		if !ok {
			t.Errorf("package %s has no comment that says what it is, what it refuses to know, and where to start reading", pkg)
		}
	}
}
