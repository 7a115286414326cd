package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"accord/providers/plugin/pin"
)

// The tool is a command of the test binary, and so are the processes that it
// starts again: its provider and the development server.
func TestMain(m *testing.M) {
	// Most of the time a test waits, for a process that starts, or for a disk, or for
	// a moment.
	_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	testscript.Main(m, map[string]func(){
		"accord": func() {
			executable = func() (string, error) { return exec.LookPath("accord") }
			noteStart()
			mishap()
			arm()
			for name, wait := range map[string]*time.Duration{"ACCORD_TEST_LANDING": &landing, "ACCORD_TEST_HEARTBEAT": &heartbeat} {
				if d, err := time.ParseDuration(os.Getenv(name)); err == nil {
					*wait = d
				}
			}
			os.Exit(Main(os.Args[1:], os.Stdin, panickingSink(stdoutOf(os.Args), "stdout"), panickingSink(os.Stderr, "stderr")))
		},
		"empty":    func() {},
		"vault":    vaultCommand,
		"author":   authorCommand,
		"memory":   memoryCommand,
		"receiver": receiverCommand,

		"accord-provider-memory": memoryProvider,
	})
}

var update = flag.Bool("update", false, "rewrite what scripts compare with")

func TestScripts(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", filepath.Join(root, "examples"))
			env.Setenv("SMALL", filepath.Join(root, "cmd/accord/testdata/small"))
			env.Setenv("STORY", filepath.Join(root, "cmd/accord/testdata/story"))
			memory, err := exec.LookPath("accord-provider-memory")
			if err != nil {
				return err
			}
			env.Setenv("PLATFORM", pin.Platform())
			env.Setenv("PROVIDERS", filepath.Dir(memory))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await":    awaitScript,
			"until":    untilScript,
			"later":    laterScript,
			"edit":     editScript,
			"copydir":  copyDirScript,
			"exits":    exitsScript,
			"agekey":   ageKeyScript,
			"lines":    linesScript,
			"named":    namedScript,
			"document": documentScript,
			"keep":     keepScript,
			"absent":   absentScript,
			"notes":    buildNotes(root),
			"flip":     flipScript,
		},
	})
}

// Trap, crash looks like changes: a crash is never a 2. That would say that a plan has changes.
func TestCrashExits11(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	if code := Main([]string{"version"}, nil, brokenWriter{}, &stderr); code != exitCrash {
		t.Errorf("exit code %d, want %d", code, exitCrash)
	}
	if !strings.Contains(stderr.String(), "accord crashed: a bug") {
		t.Errorf("stderr: %s", stderr.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { panic("a bug") }
