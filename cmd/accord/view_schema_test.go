package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"accord/lang/core"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"
)

// compiled are the two readings of the output schema: as it is published, and
// strict, in which a type or a member that is not declared is wrong.
func compiled(strict bool, part string) (*jsonschema.Schema, error) {
	b, err := json.Marshal(outputSchema(strict))
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("accord.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("accord.json#/$defs/" + part)
}

var strictLine = sync.OnceValues(func() (*jsonschema.Schema, error) { return compiled(true, "line") })

// checkLine says what is wrong with one line of -json, read strictly.
func checkLine(line []byte) error {
	s, err := strictLine()
	if err != nil {
		return err
	}
	return checkJSON(s, line)
}

func checkJSON(s *jsonschema.Schema, b []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("not JSON: %w: %q", err, b)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%w\n%s", err, b)
	}
	for _, r := range string(b) {
		if commands(r) && r != '\n' {
			return fmt.Errorf("a control character %U in %q", r, b)
		}
	}
	return nil
}

// stdoutOf is standard output of a command in a script, checked with -json.
func stdoutOf(args []string) io.Writer {
	if slices.Contains(args, "-json") || slices.Contains(args, "--json") {
		return &checked{w: os.Stdout}
	}
	return os.Stdout
}

// checked is standard output of a command with -json in a script: what is not
// whole lines that the schema declares, the version first, ends the process
// with a code that no script expects.
type checked struct {
	w     io.Writer
	begun bool
}

func (c *checked) Write(b []byte) (int, error) {
	if !bytes.HasSuffix(b, []byte("\n")) || bytes.Count(b, []byte("\n")) != 1 {
		c.fail("a write with -json is not one line: %q", b)
	}
	if err := checkLine(b); err != nil {
		c.fail("a line that is not as declared: %v", err)
	}
	if !c.begun && !bytes.Contains(b, []byte(`"type":"version"`)) {
		c.fail("the first line is no version: %s", b)
	}
	c.begun = true
	return c.w.Write(b)
}

func (c *checked) fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "\n"+format+"\n", args...)
	os.Exit(99)
}

// documentScript wants the last stdout to be a document that the schema
// declares, and nothing else: document plan|state.
func documentScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: document NAME")
	}
	s, err := compiled(true, args[0])
	ts.Check(err)
	ts.Check(checkJSON(s, []byte(ts.ReadFile("stdout"))))
}

// Every type of line that is printed somewhere is declared, and every declared
// one is printed somewhere.
func TestLineTypesAreDeclared(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]token.Position{}
	files := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"line", "did", "print"}, sel.Sel.Name) {
				return true
			}
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if typ, err := strconv.Unquote(lit.Value); err == nil && regexp.MustCompile(`^[a-z_]+$`).MatchString(typ) {
					printed[typ] = files.Position(call.Pos())
				}
			}
			return true
		})
	}
	declared := map[string]bool{}
	for _, l := range lineTypes {
		if declared[l.name] {
			t.Errorf("%s is declared twice in view_lines.go", l.name)
		}
		declared[l.name] = true
		if l.doc == "" {
			t.Errorf("%s has no doc in view_lines.go", l.name)
		}
		if _, ok := printed[l.name]; !ok {
			t.Errorf("%s is declared in view_lines.go, and printed nowhere", l.name)
		}
	}
	for typ, at := range printed {
		if !declared[typ] {
			t.Errorf("%s: lines of the type %q are not declared: add it to lineTypes in view_lines.go", at, typ)
		}
	}
}

// What a later minor version adds is valid for who has this version's schema;
// what this version prints wrongly is not.
func TestOutputSchema(t *testing.T) {
	t.Parallel()
	published, err := compiled(false, "line")
	if err != nil {
		t.Fatal(err)
	}
	strict, err := compiled(true, "line")
	if err != nil {
		t.Fatal(err)
	}
	const head = `"@timestamp":"2026-11-28T10:00:00Z","@message":"m",`
	for _, tc := range []struct {
		line              string
		published, strict bool
	}{
		{`{` + head + `"type":"saved","file":"a","digest":"b"}`, true, true},
		{`{` + head + `"type":"saved","file":"a","digest":"b","new":1}`, true, false},
		{`{` + head + `"type":"of_tomorrow","x":[]}`, true, false},
		{`{` + head + `"type":"saved","file":"a"}`, false, false},
		{`{` + head + `"type":"saved","file":1,"digest":"b"}`, false, false},
		{`{"@message":"m","type":"saved","file":"a","digest":"b"}`, false, false},
		{`{"@timestamp":"today","@message":"m","type":"of_tomorrow"}`, false, false},
		{`{` + head + `"type":"diagnostic","diagnostic":{"severity":"fatal","summary":"s","detail":""}}`, true, false},
		{`{` + head + `"type":"diagnostic","diagnostic":{"severity":"error","detail":""}}`, false, false},
	} {
		for _, s := range []struct {
			name string
			of   *jsonschema.Schema
			want bool
		}{{"published", published, tc.published}, {"strict", strict, tc.strict}} {
			if err := checkJSON(s.of, []byte(tc.line)); (err == nil) != s.want {
				t.Errorf("%s: %s: %v, want valid: %t", s.name, tc.line, err, s.want)
			}
		}
	}
}

// wordless are commands that nothing for machines can be expected of.
var wordless = map[string]string{
	"provider":              "speaks the plugin protocol on its standard output",
	"completion bash":       "prints a script for a shell",
	"completion fish":       "prints a script for a shell",
	"completion powershell": "prints a script for a shell",
	"completion zsh":        "prints a script for a shell",
}

// Every command is run with -json in a script, once well and once in error;
// what it prints there is checked as in every script.
func TestEveryCommandPrintsJSON(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	names, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		script += string(b)
	}
	var visit func(cmd *cobra.Command, path string)
	visit = func(cmd *cobra.Command, path string) {
		for _, sub := range cmd.Commands() {
			visit(sub, strings.TrimSpace(path+" "+sub.Name()))
		}
		if !cmd.Runnable() || path == "" || wordless[path] != "" || strings.HasPrefix(path, "bench") { // bench is for the makers
			return
		}
		ran := func(how string) bool {
			line := regexp.MustCompile(`(?m)^` + how + ` accord( -\S+)* ` + regexp.QuoteMeta(path) + `( .*)?$`)
			return slices.ContainsFunc(line.FindAllString(script, -1), func(s string) bool { return strings.Contains(s, " -json") })
		}
		// A local lock cannot be held by a machine that is gone; serve has tests of its own.
		if path != "force-unlock" && path != "serve" && !ran("(exec|exits [023])") {
			t.Errorf("no script runs: exec accord -json %s; json-commands.txtar is a place for it", path)
		}
		if !ran("exits [1456789]") {
			t.Errorf("no script has an error of: exits N accord -json %s", path)
		}
	}
	root := (&cli{}).root(nil)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	visit(root, "")
}

// The reference page of the state block is what its backends take.
func TestEveryBackendSettingIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, typ := range core.Blocks() {
		if b := typ.Body.Nested("state"); typ.Name == "accord" && b != nil {
			for _, a := range b.Body.Attributes {
				documented[a.Name] = false
			}
		}
	}
	for name, backend := range backends {
		for _, setting := range backend.settings {
			if _, ok := documented[setting]; !ok {
				t.Errorf("%s of state %q is not documented", setting, name)
			}
			documented[setting] = true
		}
	}
	for setting, taken := range documented {
		if !taken {
			t.Errorf("no backend takes %s", setting)
		}
	}
}
