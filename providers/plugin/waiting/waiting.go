// Package waiting starts a plugin's process before its host knows how: with what
// the host was started with, and not yet what the plugin is to have. The process
// waits in plugin.Serve for its host to tell it the rest.
//
// The package imports next to nothing, so that it can be used before a program has
// initialised itself. It does not know what is told, which is for package plugin.
package waiting

import "os"

// Variable is the environment variable that tells a process to wait.
const Variable = "ACCORD_PLUGIN_WAITS"

// Process is one that waits, with the host's ends of its pipes. It ends with its
// standard input.
type Process struct {
	*os.Process
	Stdin, Stdout, Stderr *os.File
}

// Start starts the program at a path, which finds args as its os.Args.
func Start(path string, args ...string) (*Process, error) {
	var ours, theirs [3]*os.File
	closeAll := func(files [3]*os.File) {
		for _, f := range files {
			_ = f.Close() // one that is not there says so
		}
	}
	defer func() { closeAll(theirs) }()
	for n := range ours {
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			return nil, err
		}
		if ours[n], theirs[n] = read, write; n == 0 {
			ours[n], theirs[n] = write, read
		}
	}
	p, err := os.StartProcess(path, args, &os.ProcAttr{Files: theirs[:], Env: append(os.Environ(), Variable+"=1")})
	if err != nil {
		closeAll(ours)
		return nil, err
	}
	return &Process{p, ours[0], ours[1], ours[2]}, nil
}

// Drop ends a process that is not needed.
func (p *Process) Drop() {
	for _, f := range []*os.File{p.Stdin, p.Stdout, p.Stderr} {
		_ = f.Close()
	}
	_ = p.Kill()
	_, _ = p.Wait()
}
