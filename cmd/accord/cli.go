package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fatih/color"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"accord/planner/graph"
	"accord/providers"
	"accord/state"
)

// Exit codes, as in the help of every command.
const (
	exitOK          = 0
	exitError       = 1
	exitChanges     = 2 // only with -detailed-exitcode
	exitDrift       = 3
	exitRecords     = 4 // finished, records failed that were not failing before
	exitRefused     = 5 // a check, a protection or a limit
	exitLocked      = 6
	exitStale       = 7
	exitAccess      = 8 // credentials or wrong vault
	exitInterrupted = 9
	exitCrash       = 11
)

// Version is what `accord version` prints.
var Version = "0.1.0"

// cli is what every command is given: streams and global flags.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	chdir   string
	json    bool
	debug   bool
	noColor bool

	clock func() time.Time // nil: the system's

	lines sync.Mutex // one line of -json at a time
	begun bool       // the first one has been printed

	heart  chan struct{} // closed to stop saying that the command goes on
	beside graph.Group   // what says so, and what has lines move

	showing atomic.Pointer[progress] // what tells the user what goes on, if anything does

	sources map[string]*hcl.File // of the configuration, for snippets in diagnostics
	veil    veil                 // over what providers say
}

// exit carries an exit code out of a command. Shown says that the user
// has been told already.
type exit struct {
	code  int
	err   error
	shown bool
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// told ends a command with a code after everything has been printed.
func told(code int) error {
	if code == exitOK {
		return nil
	}
	return &exit{code: code, shown: true}
}

// root is accord with the command that args name, or else with all of them.
func (c *cli) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "accord",
		Short: "Configuration as code for Veeva Vault content integrations",
		Long: `accord keeps the integrations between Veeva Vaults as files declare them, and
says beforehand what each change does to the content in the field.`,
		Example: `  accord plan      what would change, in the configuration and in the content
  accord apply     does exactly that
  accord sync      runs integration points now, as they were applied`,
		Args:                       unknownCommand,
		RunE:                       func(cmd *cobra.Command, args []string) error { return cmd.Help() },
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if c.noColor || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || c.json || !isTerminal(c.stdout) || !isTerminal(c.stderr) {
				color.NoColor = true
			} else {
				color.NoColor = false
			}
			// Everything is relative to DIR, files of other flags included.
			if err := os.Chdir(c.chdir); err != nil {
				return fmt.Errorf("-chdir=%s: there is no such directory", c.chdir)
			}
			c.chdir = "."
			c.startHeart(strings.TrimPrefix(cmd.CommandPath(), "accord "))
			return nil
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	flags := root.PersistentFlags()
	flags.StringVar(&c.chdir, "chdir", ".", "run as if started in `DIR`")
	flags.BoolVar(&c.json, "json", false, "machine-readable output: one JSON object a line")
	flags.BoolVar(&c.debug, "debug", false, "log every call to stderr, bodies redacted")
	flags.BoolVar(&c.noColor, "no-color", false, "no colour; NO_COLOR does the same")
	root.SetFlagErrorFunc(badFlag)
	root.SetUsageTemplate(usageTemplate)
	helpText := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if !c.json {
			helpText(cmd, args)
			return
		}
		var text strings.Builder
		cmd.SetOut(&text)
		helpText(cmd, args)
		_ = c.line("help", cmd.Short, map[string]any{"command": cmd.CommandPath(), "text": text.String()})
	})
	root.SetHelpCommand(helpCommand())
	all := c.commands()
	if named, ok := all[commandIn(args, flags)]; ok {
		root.AddCommand(named()) // to make the others takes longer than what some of them do
		root.CompletionOptions.DisableDefaultCmd = true
		return root
	}
	for _, command := range all {
		root.AddCommand(command())
	}
	return root
}

// commands are all that accord does, by name.
func (c *cli) commands() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"init": c.initCommand, "validate": c.validateCommand, "plan": c.planCommand, "drift": c.driftCommand, "apply": c.applyCommand,
		"destroy": c.destroyCommand, "resume": c.resumeCommand, "show": c.showCommand, "state": c.stateCommand, "output": c.outputCommand,
		"import": c.importCommand, "export": c.exportCommand, "force-unlock": c.forceUnlockCommand, "sync": c.syncCommand,
		"exceptions": c.exceptionsCommand, "serve": c.serveCommand, "dev": c.devCommand, "version": c.versionCommand, "fmt": c.fmtCommand,
		"console": c.consoleCommand, "graph": c.graphCommand, "schema": c.schemaCommand, "explain": c.explainCommand,
		"provider": c.providerCommand, "bench": c.benchCommand,
	}
}

// commandIn is the first word of args that is no flag of the root, nor the value
// of one; "" where another flag comes before it, which only cobra can tell from
// its value.
func commandIn(args []string, flags *pflag.FlagSet) string {
	for n := 0; n < len(args); n++ {
		flag, isFlag := strings.CutPrefix(args[n], "--")
		if !isFlag {
			return args[n]
		}
		name, _, hasValue := strings.Cut(flag, "=")
		known := flags.Lookup(name)
		if known == nil {
			return ""
		}
		if !hasValue && known.NoOptDefVal == "" {
			n++
		}
	}
	return ""
}

// doubleDashes lets long flags be written with one dash, as Terraform's are.
func doubleDashes(args []string) []string {
	out := make([]string, 0, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out, args[i:]...)
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			a = "-" + a
		}
		out = append(out, a)
	}
	return out
}

// fail prints an error once and returns its exit code. After an interrupt that
// is all there is to say: what was cut short failed for no other reason.
func (c *cli) fail(ctx context.Context, err error) int {
	code := exitCode(err)
	var e *exit
	shown := errors.As(err, &e) && e.shown
	switch {
	case ctx.Err() != nil && !shown:
		c.diagnostics(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Interrupted", Detail: "Run the same command again to go on."}})
		return exitInterrupted
	case ctx.Err() != nil:
		return exitInterrupted
	case shown:
		return code
	}
	var diags hcl.Diagnostics
	if !errors.As(err, &diags) {
		diags = hcl.Diagnostics{diagnosticOf(err)}
	}
	c.diagnostics(diags)
	return code
}

// exitCode finds the code for an error by its kind.
func exitCode(err error) int {
	var e *exit
	var locked *state.LockedError
	var leased *state.LeasedError
	var perr *providers.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &locked), errors.As(err, &leased):
		return exitLocked
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &perr):
		switch {
		case perr.Crashed():
			return exitCrash
		case perr.Kind == providers.Access:
			return exitAccess
		case perr.Kind == providers.Refused:
			return exitRefused
		}
	}
	return exitError
}

// diagnosticOf presents an error without a place in the files.
func diagnosticOf(err error) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: sentence(err.Error())}
	var perr *providers.Error
	if errors.As(err, &perr) {
		d.Detail = perr.Advice
	}
	var locked *state.LockedError
	if errors.As(err, &locked) {
		d.Detail = "Wait until it has finished. A lock whose process is gone is taken over by itself."
		switch {
		case locked.Stays && locked.Holder.ID != "":
			d.Detail = "Wait until it has finished. This backend does not know when its process is gone; then: accord force-unlock " + locked.Holder.ID
		case locked.Stays:
			d.Detail = "Wait until it has finished. This backend does not know when its process is gone; then the lock is taken away at the server."
		}
	}
	return d
}

// sentence begins with a capital, unless it begins with a name.
func sentence(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || strings.ContainsAny(strings.TrimRight(first, ":"), "._/:-[") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
