package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The tool is a command of the test binary, and so are the processes that it
// starts again: its provider and the development server.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"accord": func() {
			executable = func() (string, error) { return exec.LookPath("accord") }
			mishap()
			os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
		"vault": vaultCommand,
	})
}

var update = flag.Bool("update", false, "rewrite what scripts compare with")

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs("../..")
			if err != nil {
				return err
			}
			env.Setenv("EXAMPLES", filepath.Join(root, "examples"))
			env.Setenv("SMALL", filepath.Join(root, "cmd/accord/testdata/small"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await":   awaitScript,
			"edit":    editScript,
			"copydir": copyDirScript,
			"exits":   exitsScript,
			"agekey":  ageKeyScript,
			"lines":   linesScript,
			"keep":    keepScript,
			"absent":  absentScript,
		},
	})
}
