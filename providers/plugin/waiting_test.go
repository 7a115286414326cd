package plugin

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
)

// startedEarly starts this binary as one that waits, with an environment of its own.
func startedEarly(t *testing.T, c Command) *Waiting {
	t.Helper()
	w := &Waiting{}
	in, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.Stdin, w.Stdout, w.Stderr = stdin, stdout, stderr
	w.Process, err = os.StartProcess(c.Path, []string{c.Path}, &os.ProcAttr{
		Files: []*os.File{in, out, log}, Env: slices.Concat(os.Environ(), c.Env, []string{envWaits + "=1", "EARLY=1"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{in, out, log} {
		_ = f.Close()
	}
	return w
}

// A process that was started early is the plugin, in the folder of the host, with
// the environment that the command says, and nothing of the one that it waited in.
func TestWaiting(t *testing.T) {
	c := command(t, "environment", "LATE=1")
	c.Waiting = startedEarly(t, c)
	t.Chdir(t.TempDir())
	p, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.PID() != c.Waiting.Process.Pid {
		t.Errorf("the plugin is process %d; %d waited", p.PID(), c.Waiting.Process.Pid)
	}
	s, err := p.Schema(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(s.Version)
	if !slices.Contains(names, "LATE") || slices.Contains(names, "EARLY") || slices.Contains(names, envWaits) {
		t.Errorf("it has %v in its environment", names)
	}
	if here, err := os.Getwd(); err != nil || !strings.HasSuffix(s.Name, " in "+here) {
		t.Errorf("it works %s, and not in %s (%v)", s.Name, here, err)
	}
	_ = p.Close()
	if status, dead := p.process.dead(); !dead || status != "exit status 0" {
		t.Errorf("closed, it is dead: %t (%s)", dead, status)
	}
}

// Where the process that waited is gone, another is started.
func TestWaitedAndDied(t *testing.T) {
	c := command(t, "environment")
	c.Waiting = startedEarly(t, c)
	_ = c.Waiting.Process.Kill()
	if _, err := c.Waiting.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	p, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.PID() == c.Waiting.Process.Pid {
		t.Error("the plugin is the process that died")
	}
}

// A process that nobody needs ends with the host that might have.
func TestWaitedForNothing(t *testing.T) {
	w := startedEarly(t, command(t, "environment"))
	_ = w.Stdin.Close()
	state, err := w.Process.Wait()
	if err != nil || state.ExitCode() != 1 {
		t.Errorf("it ended with %v, %v", state, err)
	}
}
