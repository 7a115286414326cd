package lower

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

var same = cmp.Options{
	cmp.Comparer(func(a, b cty.Value) bool { return a.RawEquals(b) }),
	cmp.Comparer(func(a, b cty.Type) bool { return a.Equals(b) }),
	cmp.Comparer(func(a, b *hclsyntax.Operation) bool { return a == b }),
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmpopts.IgnoreUnexported(hclsyntax.Body{}),
}

// holds holds a lowered body against the one that the parser made: everything
// that can be asked of it has the same answer.
func holds(t testing.TB, lowered *Body, body *hclsyntax.Body) {
	t.Helper()
	if diff := cmp.Diff(body, lowered.Syntax(), same); diff != "" {
		t.Fatalf("the syntax: %s", diff)
	}
	seen := 0
	blocks := body.Blocks
	lowered.Each(func(a *hcl.Attribute) {
		seen++
		was := body.Attributes[a.Name].AsHCLAttribute()
		e := a.Expr.(*Expression)
		if a.Range != was.Range || a.NameRange != was.NameRange || e.Range() != was.Expr.Range() || e.StartRange() != was.Expr.StartRange() {
			t.Fatalf("%s stands at %v, %v, %v; want %v, %v, %v", a.Name, a.Range, a.NameRange, e.Range(), was.Range, was.NameRange, was.Expr.Range())
		}
		if diff := cmp.Diff(was.Expr, hcl.Expression(e.Syntax()), same); diff != "" {
			t.Fatalf("%s: %s", a.Name, diff)
		}
		if diff := cmp.Diff(was.Expr.Variables(), e.Variables(), same, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: %s", a.Name, diff)
		}
		want, diags := was.Expr.Value(nil)
		got, problems := e.Value(nil)
		if !diags.HasErrors() && !problems.HasErrors() && !got.RawEquals(want) || diags.HasErrors() != problems.HasErrors() {
			t.Fatalf("%s is %#v, want %#v; %v, %v", a.Name, got, want, problems, diags)
		}
	}, func(b *hcl.Block) {
		was := blocks[0].AsHCLBlock()
		blocks = blocks[1:]
		inner := b.Body.(*Body)
		b.Body, was.Body = nil, nil
		if diff := cmp.Diff(was, b, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: %s", b.Type, diff)
		}
		if inner.MissingItemRange() != body.Blocks[len(body.Blocks)-len(blocks)-1].Body.MissingItemRange() {
			t.Fatalf("%s: %v", b.Type, inner.MissingItemRange())
		}
		holds(t, inner, body.Blocks[len(body.Blocks)-len(blocks)-1].Body)
	})
	if seen != len(body.Attributes) || len(blocks) > 0 {
		t.Fatalf("%d of %d attributes, %d blocks are missing", seen, len(body.Attributes), len(blocks))
	}
}

func check(t testing.TB, text, name string) {
	t.Helper()
	want, diags := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
	file, problems := Parse([]byte(text), name)
	if diff := cmp.Diff(diags, problems, same); diff != "" {
		t.Fatal(diff)
	}
	if len(diags) > 0 {
		return
	}
	lowered := file.Body.(*Body)
	holds(t, lowered, want.Body.(*hclsyntax.Body))
	loaded, err := Load([]byte(text), name, lowered.file.Tree())
	if err != nil {
		t.Fatal(err)
	}
	holds(t, loaded.Body(), want.Body.(*hclsyntax.Body))
}

const everything = `
a = 1
b = "x"
c = [1, "two", true, null, [], {}]
d = { e = "f", "g h" = -1, (i) = 2 }
j = k.l.m
n = o["p"].q
r = "${s} and ${t.u}"
v = <<-EOT
  a heredoc
    of ${w} lines
EOT
x = (
  1 + 2
)
y = [for z in a : z if z != null]
big = 123456789012345678901234567890
half = 0.5
comment = a /* here */ . b
splat = a.*.b
none = ""
ünï = ö.ä
two = { a = 1, a = 2 }
empty {}
block "with" "labels" {
  f = upper("x")
  inner { g = true }
  one { h = 1 }
}
`

func TestLower(t *testing.T) { check(t, everything, "everything.hcl") }

// A body has only what a schema names, or it has not, as Content says.
func TestOnly(t *testing.T) {
	file, _ := Parse([]byte(`a = [1, "x", { y = z }]
b = c.d
e = "${f}"
g "h" {
  i = 1
}
`), "x.hcl")
	names := func(attributes, blocks []string) *hcl.BodySchema {
		s := &hcl.BodySchema{}
		for _, name := range attributes {
			s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
		}
		for _, name := range blocks {
			s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: []string{"label"}})
		}
		return s
	}
	for _, s := range []*hcl.BodySchema{
		names([]string{"a", "b", "e"}, []string{"g"}), names([]string{"e", "b", "a", "x"}, []string{"x", "g"}),
		names([]string{"a", "b"}, []string{"g"}), names([]string{"a", "b", "e"}, nil), names(nil, nil),
		{Attributes: names([]string{"a", "b", "e"}, nil).Attributes, Blocks: []hcl.BlockHeaderSchema{{Type: "g"}}},
	} {
		_, diags := file.Body.Content(s)
		if body := file.Body.(*Body); body.Only(s) == diags.HasErrors() {
			t.Errorf("%v: %t, and %v", s, body.Only(s), diags)
		}
	}
}

// Every file of the examples and of the scripts is lowered to what it was.
func TestLowerExamples(t *testing.T) {
	count := 0
	for _, root := range []string{"../../examples", "../../cmd/accord/testdata"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".hcl") {
				return err
			}
			text, err := os.ReadFile(name)
			if err == nil {
				count++
				check(t, string(text), name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if count == 0 {
		t.Fatal("there is no file")
	}
}

func FuzzLower(f *testing.F) {
	f.Add(everything)
	for _, line := range strings.Split(everything, "\n") {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, text, "fuzz.hcl") })
}

// A damaged tree is an error or another file, and never more.
func TestDamaged(t *testing.T) {
	file, _ := Parse([]byte(everything), "x.hcl")
	tree := file.Body.(*Body).file.Tree()
	for n := range tree {
		_, _ = Load([]byte(everything), "x.hcl", tree[:n])
	}
}

// A tree holds names, and no text that is written in quotes: it may be a secret.
func TestNoText(t *testing.T) {
	file, _ := Parse([]byte(`a = "canary"
b = ["canary", { c = "canary" }]
d = "can\u0061ry canary"
e = <<EOT
canary
EOT
f { g = upper("canary") }
`), "x.hcl")
	if tree := file.Body.(*Body).file.Tree(); strings.Contains(string(tree), "canary") {
		t.Fatalf("%q", tree)
	}
}

// TestEncoding: a file in another encoding is told once, and not once a byte.
func TestEncoding(t *testing.T) {
	utf16 := []byte("\xff\xfe")
	for _, c := range everything {
		utf16 = append(utf16, byte(c), byte(c>>8))
	}
	for name, text := range map[string][]byte{"UTF-16": utf16, "Latin-1": []byte("a = 1\nb = [\"C\xf4te\", \"x\"]\n")} {
		_, diags := Parse(text, "main.hcl")
		if len(diags) != 1 || diags[0].Summary != "Invalid character encoding" {
			t.Errorf("%s: %d problems: %v", name, len(diags), diags)
		}
	}
}
