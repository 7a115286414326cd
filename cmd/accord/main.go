// Command accord is configuration as code for Veeva Vault content integrations.
//
// This package is the door: it is the only place that knows which concrete
// providers, state backends and views exist, and it decides nothing about
// content. One file holds one command (help text, options, run); workspace.go
// holds what commands share about a configuration directory; files named
// view_* turn values into text. Start with main, then plan.go.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/hashicorp/hcl/v2"

	"accord/cmd/accord/early"
)

func main() {
	switch word := early.Command(os.Args[1:]); {
	case word == "bench" && slices.Contains(os.Args, "bare"): // which is bare
	case word == "provider":
		collectLate(collectFromProvider)
	default:
		collectLate(collectFrom)
	}
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Main runs accord and returns its exit code. A panic is never a 2: it is
// reported and exits 11.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	cli := &cli{stdin: stdin, stdout: stdout, stderr: stderr}
	defer func() {
		if r := recover(); r != nil {
			cli.crashed(r)
			fmt.Fprintf(stderr, "\nError: accord crashed: %v\n\nThis is a bug in accord, not in your configuration. What was known has been recorded; run the command again.\n\n%s", r, debug.Stack())
			code = exitCrash
		}
	}()
	defer leavePeak(args)
	defer profile(args)()
	ctx, stop := interruptible(stderr)
	defer stop()

	defer cli.stopHeart()
	words := doubleDashes(args)
	root := cli.root(words)
	cli.json = slices.Contains(words, "--json") // for a mistake in the flags, too
	root.SetArgs(words)
	if err := root.ExecuteContext(ctx); err != nil {
		return cli.fail(ctx, err)
	}
	if cli.json && !cli.begun { // there was nothing to say: the stream is whole all the same
		_ = cli.print("version", "accord "+Version, versionData())
	}
	return exitOK
}

// crashed ends the lines of -json with what happened, where that is possible.
func (c *cli) crashed(reason any) {
	defer func() { _ = recover() }() // it may be printing that crashed
	if c.json && c.lines.TryLock() {
		c.lines.Unlock()
		c.diagnosticLine(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("accord crashed: %v", reason),
			Detail: "This is a bug in accord, not in your configuration. What was known has been recorded; run the command again."})
	}
}

// interruptible returns a context that the first interrupt cancels; a second
// one ends the process at once, since every effect is recorded before and after.
func interruptible(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-signals:
		}
		fmt.Fprintln(stderr, "\nInterrupted: what is in flight ends, then all is saved. Interrupt again to stop at once.")
		cancel()
		select {
		case <-done:
		case <-signals:
			fmt.Fprintln(stderr, "\nStopped at once. What was begun and not confirmed will be looked up by the next run.")
			os.Exit(exitInterrupted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
