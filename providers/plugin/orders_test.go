package plugin

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/providers/plugin/waiting"
)

// startedEarly starts this binary as one that waits, with an environment of its own.
func startedEarly(t *testing.T, c Command) *waiting.Process {
	t.Helper()
	t.Setenv("EARLY", "1")
	t.Setenv(envMode, c.Name)
	w, err := waiting.Start(c.Path, c.Path)
	if err != nil {
		t.Fatal(err)
	}
	os.Unsetenv("EARLY")
	os.Unsetenv(envMode)
	t.Cleanup(w.Drop)
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
	if p.PID() != c.Waiting.Pid {
		t.Errorf("the plugin is process %d; %d waited", p.PID(), c.Waiting.Pid)
	}
	s, err := p.Schema(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(s.Version)
	if !slices.Contains(names, "LATE") || slices.Contains(names, "EARLY") || slices.Contains(names, waiting.Variable) {
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
	_ = c.Waiting.Kill()
	if _, err := c.Waiting.Wait(); err != nil {
		t.Fatal(err)
	}
	p, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.PID() == c.Waiting.Pid {
		t.Error("the plugin is the process that died")
	}
}

// A process that nobody needs ends with the host that might have.
func TestWaitedForNothing(t *testing.T) {
	w := startedEarly(t, command(t, "environment"))
	_ = w.Stdin.Close()
	state, err := w.Wait()
	if err != nil || state.ExitCode() != 1 {
		t.Errorf("it ended with %v, %v", state, err)
	}
}

// Nobody waits for ever to be heard by a process that does not listen.
func TestTellingTheDeaf(t *testing.T) {
	w := startedEarly(t, command(t, "deaf"))
	err := tell(w, []string{"LONG=" + strings.Repeat("x", 1<<20)}, 50*time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("told a process that does not listen: %v", err)
	}
}
