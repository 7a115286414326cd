// Package early does what is better done before this program has initialised
// itself. That takes longer than anything else that a small command does, nearly
// all of it in libraries; and a command that works with vaults is two processes,
// of which the second would begin when the first is done with it. So both
// initialise themselves side by side, and both have a heap of large pages.
//
// It works by being initialised before nearly all other packages, which is so as
// long as it imports next to nothing: Go goes by what imports what, and then by
// the alphabet. Nothing depends on it: where nothing was done early, it is done
// when its time has come. It knows the words of the command line, and neither
// configurations nor providers. Start with init, in this file.
package early

import (
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// Commands are those that work with vaults.
var Commands = []string{"apply", "destroy", "drift", "export", "graph", "import", "plan", "resume", "serve", "sync"}

// Provider is the built-in provider.
const Provider = "vault"

// waits tells a process that it was started early: package plugin has it.
const waits = "ACCORD_PLUGIN_WAITS=1"

func init() {
	switch word := commandOf(os.Args); {
	case word == "provider":
		enlarge()
	case slices.Contains(Commands, word):
		started.Store(start("provider", Provider))
		enlarge()
	}
}

// commandOf is the first word of a command line that is no flag; "" where help
// is asked for.
func commandOf(args []string) string {
	found := ""
	for _, a := range args[min(1, len(args)):] {
		switch {
		case strings.HasPrefix(a, "-"):
			if name := strings.TrimLeft(a, "-"); name == "help" || name == "h" {
				return ""
			}
		case found == "":
			found = a
		}
	}
	return found
}

// Process is one of this program that was started early. It waits for its
// standard input to say what it is for, and ends with it.
type Process struct {
	Args                  []string // without the name
	Process               *os.Process
	Stdin, Stdout, Stderr *os.File // the ends of this process
}

var started atomic.Pointer[Process]

// Take returns the process that was started early with these arguments, once;
// nil where there is none.
func Take(args ...string) *Process {
	if p := started.Load(); p != nil && slices.Equal(p.Args, args) && started.CompareAndSwap(p, nil) {
		return p
	}
	return nil
}

// Drop ends a process that nobody will take.
func Drop() {
	p := started.Swap(nil)
	if p == nil {
		return
	}
	for _, f := range []*os.File{p.Stdin, p.Stdout, p.Stderr} {
		_ = f.Close()
	}
	_ = p.Process.Kill()
	_, _ = p.Process.Wait()
}

// start starts this program once more. That it cannot be done is told by whoever
// does it when its time has come.
func start(args ...string) *Process {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	p := &Process{Args: args}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	for n, mine := range []**os.File{&p.Stdin, &p.Stdout, &p.Stderr} {
		read, write, err := os.Pipe()
		if err != nil {
			return nil
		}
		if n == 0 {
			theirs, *mine = append(theirs, read), write
		} else {
			theirs, *mine = append(theirs, write), read
		}
	}
	p.Process, err = os.StartProcess(self, append([]string{os.Args[0]}, args...), &os.ProcAttr{Files: theirs, Env: append(os.Environ(), waits)})
	if err != nil {
		return nil
	}
	return p
}
