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

	"accord/providers/plugin/waiting"
)

// Commands are those that work with vaults.
var Commands = []string{"apply", "destroy", "drift", "export", "graph", "import", "plan", "resume", "serve", "sync"}

// Provider is the built-in provider.
const Provider = "vault"

// Heap is how far the heap grows in large pages, in bytes.
const Heap = 96 << 20

func init() {
	switch word := Command(os.Args[min(1, len(os.Args)):]); {
	case word == "provider":
		enlarge()
	case slices.Contains(Commands, word) && !slices.ContainsFunc(os.Args, isHelp):
		started.Store(start())
		enlarge()
	}
}

// Command is the first word of a command line that is no flag; "" where there is
// none. A flag with its value apart is not seen through: its value is the word.
func Command(args []string) string {
	at := slices.IndexFunc(args, func(a string) bool { return a != "" && a[0] != '-' })
	if at < 0 {
		return ""
	}
	return args[at]
}

func isHelp(arg string) bool {
	name := strings.TrimLeft(arg, "-")
	return name != arg && (name == "h" || name == "help")
}

var started atomic.Pointer[waiting.Process]

// start starts the provider's process. That it cannot be done is told by whoever
// does it when its time has come.
func start() *waiting.Process {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	p, err := waiting.Start(self, os.Args[0], "provider", Provider)
	if err != nil {
		return nil
	}
	return p
}

// Take returns the process of a provider that was started early, once; nil where
// there is none.
func Take(provider string) *waiting.Process {
	if provider != Provider {
		return nil
	}
	return started.Swap(nil)
}

// Drop ends a process that nobody will take.
func Drop() {
	if p := started.Swap(nil); p != nil {
		p.Drop()
	}
}
