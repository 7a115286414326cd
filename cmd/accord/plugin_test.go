package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"accord/lang"
	"accord/providers/plugin"
	"accord/providers/providertest"
)

const notesExample = "../../examples/provider-notes"

// The example of a provider is a module of its own, which the tests of this
// one do not reach by themselves: it passes them, too.
func TestExampleOfAProvider(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it was tried by the long tests, and is not built otherwise")
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = notesExample
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %s in %s: %v\n%s", strings.Join(args, " "), notesExample, err, out)
		}
	}
}

// buildNotes builds the example of a provider: notes FILE VERSION.
func buildNotes(root string) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 2 {
			ts.Fatalf("usage: notes FILE VERSION")
		}
		cmd := exec.Command("go", "build", "-ldflags=-s -w -X main.version="+args[1], "-o", ts.MkAbs(args[0]), ".")
		cmd.Dir = filepath.Join(root, "examples/provider-notes")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("%v: %s", err, out)
		}
	}
}

// memoryProvider is the in-memory provider as a plugin that is not built in. Its
// data and faults are in the file that MEMORY names.
func memoryProvider() {
	memory, err := providertest.OpenMemory(os.Getenv("MEMORY"))
	if err == nil {
		err = plugin.Serve(memory.Provider)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// memoryCommand speaks to a memory that no provider has open: memory FILE VERB …
//
//	memory FILE fault JSON   arms a fault
//	memory FILE boxes        names and ids
func memoryCommand() {
	if err := memoryVerb(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func memoryVerb(path, verb string, args []string) error {
	m, err := providertest.OpenMemory(path)
	if err != nil {
		return err
	}
	switch verb {
	case "fault":
		var f providertest.Fault
		if err := json.Unmarshal([]byte(args[0]), &f); err != nil {
			return err
		}
		m.Fault(f)
		return nil
	case "boxes":
		for id, b := range m.System("north").Boxes {
			fmt.Println(b.Name, id)
		}
		return nil
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// noteStart writes the name of a built-in provider that is started into the file
// that STARTS names.
func noteStart() {
	path := os.Getenv("STARTS")
	if path == "" || len(os.Args) < 3 || os.Args[1] != "provider" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, os.Args[2])
}

func TestPluginCodeIsExplained(t *testing.T) {
	if explanations[codePlugin].advice == "" {
		t.Errorf("%s is not explained", codePlugin)
	}
}

// What a provider that is not built in is given of the environment.
func TestEnvironOfAPlugin(t *testing.T) {
	for _, name := range []string{"ACME_TOKEN", "OTHER_TOKEN", "ACCORD_VAR_secret", "ACCORD_CRM_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "https_proxy"} {
		t.Setenv(name, "x")
	}
	var names []string
	for _, entry := range environ(&lang.RequiredProvider{Env: []string{"ACME_TOKEN", "NOT_SET"}}) {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	for _, name := range []string{"PATH", "ACME_TOKEN", "https_proxy"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not given", name)
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, "ACCORD") || slices.Contains([]string{"OTHER_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"}, name) {
			t.Errorf("%s is given", name)
		}
	}
}

// flipScript changes one byte in the middle of a file: flip FILE.
func flipScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o755))
}
