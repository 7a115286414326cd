package early

import (
	"errors"
	"os"
	"testing"
)

func TestCommandOf(t *testing.T) {
	for _, c := range []struct {
		line []string
		want string
	}{
		{nil, ""},
		{[]string{"accord"}, ""},
		{[]string{"accord", "sync"}, "sync"},
		{[]string{"accord", "-json", "-chdir=dir", "plan", "-out", "apply"}, "plan"},
		{[]string{"accord", "-chdir", "dir", "plan"}, "dir"}, // nothing is done early
		{[]string{"accord", "plan", "-help"}, ""},
		{[]string{"accord", "--help", "plan"}, ""},
		{[]string{"accord", "apply", "-h"}, ""},
		{[]string{"accord", "sync", "-"}, "sync"},
	} {
		if got := commandOf(c.line); got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

// A process is given away once, and to whoever wants just that.
func TestTake(t *testing.T) {
	p := &Process{Args: []string{"provider", "vault"}}
	started.Store(p)
	if got := Take("provider", "other"); got != nil {
		t.Error("given to somebody else")
	}
	if got := Take("provider", "vault"); got != p {
		t.Error("not given")
	}
	if got := Take("provider", "vault"); got != nil {
		t.Error("given twice")
	}
}

// What nobody takes is ended, and leaves nothing behind.
func TestDrop(t *testing.T) {
	p := start("-test.run=^$")
	if p == nil {
		t.Fatal("it could not be started")
	}
	started.Store(p)
	Drop()
	Drop()
	if err := p.Process.Signal(os.Kill); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("it is still there: %v", err)
	}
	if Take(p.Args...) != nil {
		t.Error("it can still be taken")
	}
}
