package main

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"accord/lang/schema"
)

var codePattern = regexp.MustCompile(`^[A-Z]{3,}(-[0-9]+)?$`)

// Every code that is given anywhere has an explanation: those in a Code field,
// and those that are the first argument of Warn or Refuse.
func TestCodesAreExplained(t *testing.T) {
	t.Parallel()
	found := 0
	for _, dir := range []string{"../../providers/vault", "../../planner", "../../lang"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				return err
			}
			code := func(e ast.Expr) {
				lit, ok := e.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil || text == "" {
					return
				}
				found++
				if explanations[text].rule == "" {
					t.Errorf("%s: no explanation for %q", set.Position(lit.Pos()), text)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
						code(n.Value)
					}
				case *ast.CallExpr:
					if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Warn" || f.Sel.Name == "Refuse") && len(n.Args) > 3 {
						code(n.Args[0])
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 20 {
		t.Errorf("found %d codes, which cannot be all", found)
	}
	for code, e := range explanations {
		if !codePattern.MatchString(code) || e.title == "" || e.rule == "" || e.advice == "" {
			t.Errorf("%s is not explained in full: %+v", code, e)
		}
	}
}

// Every attribute and block of every built-in provider says what it is.
func TestEverythingIsDocumented(t *testing.T) {
	t.Parallel()
	var block func(place string, b *schema.Block)
	doc := func(place, text string) {
		if len(strings.Fields(text)) < 2 || !strings.HasSuffix(strings.TrimRight(text, "`)"), ".") {
			t.Errorf("%s says %q", place, text)
		}
	}
	block = func(place string, b *schema.Block) {
		for _, a := range b.Attributes {
			doc(place+"."+a.Name, a.Doc)
		}
		for n := range b.Blocks {
			inner := &b.Blocks[n]
			doc(place+"."+inner.Name, inner.Doc)
			block(place+"."+inner.Name, &inner.Body)
		}
	}
	for _, name := range builtins() {
		p := makers[name]()
		sch, err := p.Schema(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, types := range [][]schema.Type{sch.Instances, sch.Resources} {
			for n := range types {
				doc(types[n].Name, types[n].Doc)
				block(types[n].Name, &types[n].Body)
			}
		}
	}
}
