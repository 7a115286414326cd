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

// Rules that are built so far; a doc text may name those of the records, metrics,
// email and Align that are not.
var ruleNamed = regexp.MustCompile(`\b(CONN|PERM|INT|RULE|CTRY|CLM|ERR)-[0-9]+\b`)

// The landmines of the domain, as far as it is built, each under a code that is
// explained and that something gives.
func TestLandminesHaveCodes(t *testing.T) {
	t.Parallel()
	for mine, codes := range map[string][]string{
		"a filter edit causes a full sync after five minutes, several edits one":   {"CTRY-7"},
		"when a run is full, which points are retried, and what clearing does":     {"CLM-6", "CLM-8", "INT-6"},
		"an active point under an inactive integration":                            {"INT-3"},
		"a filter country that no country holds; Global flows to everybody":        {"CTRY-9", "CTRY-2", "CTRY-5"},
		"only Yes is published, No or Obsolete is withdrawn, drafts in production": {"CLM-1", "RULE-4"},
		"the mapping of document types is fixed":                                   {"CLM-3"},
		"a sandbox never populates production; connections across domains":         {"CONN-2", "CONN-3"},
		"a refreshed sandbox":                                        {"CTRY-13"},
		"permission differences that mean the same access":           {"PERM-4", "PERM-5"},
		"deactivating leaves content; withdrawing is something else": {"INT-4"},
		"a narrowed filter, and one that is emptied":                 {"CTRY-8", "CTRY-11", "LIMIT"},
	} {
		for _, code := range codes {
			if explanations[code].advice == "" {
				t.Errorf("%s: %s is not explained", mine, code)
			}
		}
	}
}

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
			// Rules that a message or a doc text names are asked for, too.
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					for _, rule := range ruleNamed.FindAllString(lit.Value, -1) {
						if explanations[rule].rule == "" {
							t.Errorf("%s: no explanation for %s", set.Position(lit.Pos()), rule)
						}
					}
				}
				return true
			})
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
		p := makers[name].declare()
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
