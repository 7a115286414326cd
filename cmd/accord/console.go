package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
)

func (c *cli) consoleCommand() *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Evaluate expressions of the configuration",
		Long: `Reads expressions, one a line, and prints their values. They may use variables,
local values, functions, and blocks as the last apply recorded them. An open
bracket goes on in the next line. No vault is asked. "exit" ends it; without a
terminal it reads to the end of its input, and an expression that is wrong is
exit code 1.`,
		Example: `  accord console
  echo 'length(var.crm)' | accord console
  accord console -json < expressions.txt`,
		Annotations: exits(exitRefused),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runConsole(cmd.Context(), in) },
	}
	in.flags(cmd)
	return cmd
}

func (c *cli) runConsole(ctx context.Context, in inputs) error {
	w, st, err := c.withState(ctx, in)
	if err != nil {
		return err
	}
	defer w.Close()
	known := map[addrs.Instance]lang.Object{}
	for _, o := range planner.Remembered(st) {
		known[o.Addr] = lang.Object{Body: o.Body, Sensitive: o.Sensitive}
	}
	return c.converse(func(text, name string) (lang.Answer, hcl.Diagnostics) { return w.desired.Ask(text, name, known) })
}

// converse answers expressions until the input ends.
func (c *cli) converse(ask func(text, name string) (lang.Answer, hcl.Diagnostics)) error {
	prompt := func(string) {}
	if f, ok := c.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) && !c.json {
		prompt = func(s string) { fmt.Fprint(c.stderr, s) }
	}
	if c.stdin == nil {
		return nil
	}
	lines := bufio.NewReader(c.stdin)
	failed := false
	text, number, begun := "", 0, 0
	for prompt("> "); ; {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("read an expression: %w", err)
		}
		end := err == io.EOF
		if number++; text == "" {
			begun = number
		}
		text += line
		word := strings.TrimSpace(text)
		switch {
		case word == "exit" || word == "quit":
			end = true
		case word == "":
			text = ""
		case lang.Unfinished(text) && !end:
			prompt("… ")
			continue
		default:
			failed = !c.answer(ask, text, fmt.Sprintf("<line %d>", begun)) || failed
			text = ""
		}
		if end {
			if failed {
				return told(exitError)
			}
			return nil
		}
		prompt("> ")
	}
}

func (c *cli) answer(ask func(text, name string) (lang.Answer, hcl.Diagnostics), text, name string) bool {
	if c.sources == nil {
		c.sources = map[string]*hcl.File{}
	}
	c.sources[name] = &hcl.File{Bytes: []byte(text)}
	a, diags := ask(text, name)
	c.diagnostics(diags)
	if diags.HasErrors() {
		return false
	}
	if c.json {
		data := map[string]any{"known": !a.Unknown, "sensitive": a.Sensitive}
		if !a.Unknown && !a.Sensitive {
			data["value"] = a.JSON
		}
		_ = c.line("value", strings.TrimSpace(text), data)
		return true
	}
	fmt.Fprintln(c.stdout, wrapLines(" "+a.Text, 1<<20)[1:])
	return true
}
