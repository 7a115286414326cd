package main

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zclconf/go-cty/cty"

	"accord/cmd/accord/early"
)

// What is done early is done for commands that there are, and the process that
// is started is that of a built-in provider.
func TestWhatIsDoneEarly(t *testing.T) {
	root := (&cli{stdout: t.Output(), stderr: t.Output()}).root(nil)
	for _, word := range early.Commands {
		if found, _, err := root.Find([]string{word}); err != nil || found.Name() != word || !found.Runnable() {
			t.Errorf("accord %s is no command: %v", word, err)
		}
	}
	if want := []string{early.Provider}; !slices.Equal(builtins(), want) {
		t.Errorf("the built-in providers are %v; early it is %v that is started", builtins(), want)
	}
}

// What a built-in provider declares is the same whether this process asks itself or
// the one that serves it.
func TestBuiltinsDeclareWhatTheyServe(t *testing.T) {
	before := executable
	defer func() { executable = before }()
	executable = func() (string, error) { return exec.LookPath("accord") }
	c := &cli{stdout: t.Output(), stderr: t.Output()}
	for _, name := range builtins() {
		b := c.builtin(t.Context(), name)
		defer b.Close()
		known, err := b.declared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b.begun.Load() {
			t.Errorf("%s is started to be asked for its schema", name)
		}
		p, err := known.process.arrive()
		if err != nil {
			t.Fatal(err)
		}
		served, err := p.Schema(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(served, known.schema, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b cty.Type) bool { return a.Equals(b) })); diff != "" {
			t.Errorf("%s declares (+) other than it serves (-):\n%s", name, diff)
		}
	}
}
