package early

import (
	"errors"
	"os"
	"testing"

	"accord/providers/plugin/waiting"
)

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		line []string
		want string
		help bool
	}{
		{line: nil, want: ""},
		{line: []string{"sync"}, want: "sync"},
		{line: []string{"-json", "-chdir=dir", "plan", "-out", "apply"}, want: "plan"},
		{line: []string{"-chdir", "dir", "plan"}, want: "dir"}, // nothing is done early
		{line: []string{"", "sync", "-"}, want: "sync"},
		{line: []string{"plan", "-help"}, want: "plan", help: true},
		{line: []string{"--help", "plan"}, want: "plan", help: true},
		{line: []string{"apply", "-h"}, want: "apply", help: true},
		{line: []string{"apply", "help"}, want: "apply"},
	} {
		help := false
		for _, a := range c.line {
			help = help || isHelp(a)
		}
		if got := Command(c.line); got != c.want || help != c.help {
			t.Errorf("%q: %q, help %t; want %q, %t", c.line, got, help, c.want, c.help)
		}
	}
}

// A process is given away once, and to whoever wants just that.
func TestTake(t *testing.T) {
	p := &waiting.Process{}
	started.Store(p)
	if got := Take("other"); got != nil {
		t.Error("given to somebody else")
	}
	if got := Take(Provider); got != p {
		t.Error("not given")
	}
	if got := Take(Provider); got != nil {
		t.Error("given twice")
	}
}

// What nobody takes is ended, and leaves nothing behind.
func TestDrop(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := waiting.Start(self, self, "-test.run=^$")
	if err != nil {
		t.Fatal(err)
	}
	started.Store(p)
	Drop()
	Drop()
	if err := p.Signal(os.Kill); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("it is still there: %v", err)
	}
	if Take(Provider) != nil {
		t.Error("it can still be taken")
	}
}
