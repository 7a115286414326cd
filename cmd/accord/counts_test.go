package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// benched runs the tool with the benchmarks' provider in a folder, and returns
// what the provider was asked; nothing where it was not started.
func benched(t *testing.T, dir string, args ...string) (count benchCount) {
	t.Helper()
	calls := filepath.Join(dir, benchCalls)
	if err := os.Remove(calls); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	cmd := exec.Command("accord", append([]string{"-chdir=" + dir}, args...)...) // the test binary, see TestMain
	cmd.Env = append(os.Environ(), envBench+"="+dir, "NO_COLOR=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("accord %v: %v\n%s", args, err, out[max(0, len(out)-2000):])
	}
	data, err := os.ReadFile(calls)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		t.Fatal(err)
	default:
		if err := json.Unmarshal(data, &count); err != nil {
			t.Fatal(err)
		}
	}
	return count
}

// Whatever there are, a command starts its plugin once and asks it a hundredth
// as often as there are objects, by batches of 500. What needs no provider
// starts none. Ten thousand are tried in the hardest shape, and with ACCORD_LONG
// in all.
func TestCounts(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	for _, shape := range []string{"flat", "for_each", "chain"} {
		n := 2000
		switch {
		case long(), shape == "chain":
			n = 10_000
		}
		batches := n / 500
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := benchFiles(dir, shape, n); err != nil {
				t.Fatal(err)
			}
			check := func(what string, count benchCount, reads, plans, applies int) {
				t.Helper()
				t.Logf("%s of %d: %v", what, n, count.Calls)
				if count.Starts != 1 {
					t.Errorf("%s: %d plugins were started", what, count.Starts)
				}
				if total := count.total() - count.Calls["apply"]; total > n/100 {
					t.Errorf("%s: %d calls for %d objects", what, total, n)
				}
				for method, most := range map[string]int{"schema": 1, "configure": 1, "validate": 1, "read": reads, "plan": plans, "apply": applies, "syncs": 0} {
					if count.Calls[method] > most {
						t.Errorf("%s: %d calls of %s, of at most %d", what, count.Calls[method], method, most)
					}
				}
			}
			levels := 1
			if shape == "chain" {
				levels = 5 // each of which is planned when the one before is known
			}
			check("an apply", benched(t, dir, "apply", "-auto-approve", "-concise"), batches, batches+levels, 3*batches+levels)
			check("a plan", benched(t, dir, "plan", "-concise", "-detailed-exitcode"), batches, batches+levels, 0)
			again := benched(t, dir, "plan", "-concise", "-out="+filepath.Join(dir, "saved"))
			check("a plan that is saved", again, batches, batches+levels, 0)
			if again.Calls["validate"] != 0 {
				t.Error("what was checked without a word is checked again")
			}
			if err := os.WriteFile(filepath.Join(dir, "more.hcl"), []byte("locals {\n  more = 1\n}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if count := benched(t, dir, "plan", "-concise"); count.Calls["validate"] != 1 {
				t.Error("another configuration is not checked")
			}
			for _, args := range [][]string{{"show", filepath.Join(dir, "saved")}, {"state", "list"}, {"version"}} {
				if count := benched(t, dir, args...); count.Starts != 0 {
					t.Errorf("%v starts a plugin", args)
				}
			}
		})
	}
}

// version costs hardly more than a program that is linked with the same
// packages, and does nothing.
func TestVersionIsQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("it is a matter of milliseconds, and of what else runs")
	}
	quickest := map[string]time.Duration{}
	measure := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		started := time.Now()
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); quickest[name] == 0 || took < quickest[name] {
			quickest[name] = took
		}
	}
	for round := range 100 { // the machine may be busy with something else
		measure("empty")
		measure("accord", "version")
		if round >= 20 && quickest["accord"] <= quickest["empty"]*13/10 {
			t.Logf("version: %v, an empty program: %v", quickest["accord"], quickest["empty"])
			return
		}
	}
	t.Errorf("version takes %v, and an empty program %v", quickest["accord"], quickest["empty"])
}
