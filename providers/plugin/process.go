package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	"accord/providers"
)

// process is the plugin's process, as go-plugin runs it.
type process struct {
	command Command
	cmd     *exec.Cmd
	child   *os.Process    // nil: it is yet to be started
	stdin   io.WriteCloser // open for as long as this process lives
	stdout  io.ReadCloser
	stderr  io.ReadCloser
	words   lastWords
	folder  string // of its socket; "" where go-plugin made none

	attached int // the id of a process that lives on its own, of which no more is known

	mu      sync.Mutex // start and kill
	started bool
	killed  bool

	done   chan struct{} // closed when it has ended, and all it said is heard
	once   sync.Once
	status string // how it ended; after done
}

func newProcess(c Command) *process { return &process{command: c, done: make(chan struct{})} }

// prepare makes the command with what go-plugin wants in its environment.
func (p *process) prepare(environment []string) (err error) {
	p.cmd = exec.Command(p.command.Path, p.command.Args...)
	p.cmd.Env = p.command.Environ
	if p.cmd.Env == nil {
		p.cmd.Env = os.Environ()
	}
	p.cmd.Env = slices.Concat(p.cmd.Env, environment, p.command.Env)
	p.cmd.Env = append(p.cmd.Env, envStdin+"=1", envLog+"="+p.command.level())
	if w := p.command.Waiting; w != nil {
		if tell(w, p.cmd.Env, p.command.Within) == nil {
			p.child, p.stdin, p.stdout, p.stderr = w.Process, w.Stdin, w.Stdout, w.Stderr
			return nil
		}
		w.Drop() // it is gone, perhaps: another is started
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return err
	}
	p.stderr, err = p.cmd.StderrPipe()
	return err
}

func (p *process) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	switch {
	case p.killed:
		if err = context.Canceled; p.child != nil {
			p.command.Waiting.Drop()
		}
	case p.child == nil:
		if err = p.cmd.Start(); err == nil {
			p.child = p.cmd.Process
		}
	}
	if err != nil {
		var where *fs.PathError
		if errors.As(err, &where) {
			err = where.Err // the path is a copy's, perhaps
		}
		p.ended(fmt.Sprintf("it could not be started: %v", err))
	}
	p.started = err == nil
	return err
}

// Wait is called once, after all output was read.
func (p *process) Wait(context.Context) error {
	if p.cmd.Process != nil {
		err := p.cmd.Wait()
		p.ended(p.cmd.ProcessState.String())
		return err
	}
	state, err := p.child.Wait()
	p.ended(state.String())
	_ = p.stdout.Close()
	_ = p.stderr.Close()
	return err
}

func (p *process) ended(status string) {
	p.once.Do(func() {
		p.status = status
		close(p.done)
	})
}

// Kill ends it, or keeps it from being started.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, dead := p.dead()
	p.killed = p.killed || !dead
	if !p.started {
		return nil
	}
	err := p.child.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// wasKilled reports whether it was ended, and did not end by itself.
func (p *process) wasKilled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

func (p *process) Stdout() io.ReadCloser           { return p.stdout }
func (p *process) Stderr() io.ReadCloser           { return p.stderr }
func (p *process) Name() string                    { return p.command.Path }
func (p *process) Diagnose(context.Context) string { return "" }

func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		return ""
	}
	return strconv.Itoa(p.pid())
}

func (p *process) pid() int {
	if p.attached != 0 {
		return p.attached
	}
	return p.child.Pid
}

func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// dead reports whether the process has ended, and how.
func (p *process) dead() (string, bool) {
	select {
	case <-p.done:
		return p.status, true
	default:
		return "", false
	}
}

// lastWords keeps what is worth telling of standard error: the beginning of a
// crash, else the last lines.
type lastWords struct {
	mu    sync.Mutex
	part  []byte // of a line
	last  []string
	crash []string
}

const (
	lastLines  = 10
	crashLines = 12
	lineLength = 500
)

func (w *lastWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part = append(w.part, b...)
	for {
		line, rest, found := bytes.Cut(w.part, []byte{'\n'})
		if !found {
			break
		}
		w.line(string(line))
		w.part = rest
	}
	if len(w.part) > lineLength && (!isRecord(w.part) || len(w.part) > mostRecord) {
		w.line(string(w.part))
		w.part = nil
	}
	return len(b), nil
}

func (w *lastWords) line(s string) {
	s = strings.TrimRight(s, "\r ")
	if s == "" || noise(s) {
		return
	}
	if len(s) > lineLength {
		s = s[:lineLength] + "…"
	}
	begins := strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: ")
	if begins || len(w.crash) > 0 && len(w.crash) < crashLines {
		w.crash = append(w.crash, s)
	}
	if w.last = append(w.last, s); len(w.last) > lastLines {
		w.last = w.last[1:]
	}
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.crash) > 0 {
		return strings.Join(w.crash, "\n")
	}
	return strings.Join(w.last, "\n")
}

// stack is what a plugin wrote that panicked; "" for one that ended otherwise.
func (w *lastWords) stack() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.crash, "\n")
}

// obituary says how a plugin ended.
func (p *process) obituary(kind providers.Kind) *providers.Error {
	status, _ := p.dead()
	s := fmt.Sprintf("plugin %s died (%s)", p.command.Name, status)
	if words := p.words.String(); words != "" {
		s += ", and its last words were:\n" + words
	}
	return &providers.Error{Kind: kind, Message: s, Stack: p.words.stack(), Advice: "What was begun is on record. Run the same command again; it goes on from there."}
}
