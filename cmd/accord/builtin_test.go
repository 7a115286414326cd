package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
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

// What is done early is done before the libraries that take long are initialised.
func TestEarlyIsEarly(t *testing.T) {
	cmd := exec.Command("accord", "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at := map[string]int{}
	for n, line := range strings.Split(string(out), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "init" {
			at[fields[1]] = n
		}
	}
	const early = "accord/cmd/accord/early"
	for _, slow := range []string{"accord/lang", "google.golang.org/grpc", "modernc.org/sqlite/lib", "github.com/aws/aws-sdk-go-v2/service/s3/internal/endpoints"} {
		if at[early] == 0 || at[slow] == 0 || at[early] > at[slow] {
			t.Errorf("%s is initialised at %d, and %s at %d", early, at[early], slow, at[slow])
		}
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
