package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exitMeanings are the words for exit codes, the same in every help text.
var exitMeanings = map[int]string{
	exitOK:          "success",
	exitError:       "error",
	exitChanges:     "there is something to do (only with -detailed-exitcode)",
	exitDrift:       "something changed outside",
	exitRecords:     "finished, but records failed that were not failing before (-fail-on=any: any)",
	exitRefused:     "refused by a check, a protection or a limit",
	exitLocked:      "locked by someone else",
	exitStale:       "the saved plan is stale",
	exitAccess:      "credentials, or the wrong vault",
	exitInterrupted: "interrupted; run it again to go on",
	exitCrash:       "accord crashed, or a provider did",
}

// exits are a command's annotations that say in its help how it ends, besides
// with success, an error, or a crash.
func exits(codes ...int) map[string]string {
	var b strings.Builder
	for _, code := range slices.Concat([]int{exitOK, exitError}, codes, []int{exitCrash}) {
		fmt.Fprintf(&b, "\n  %-3d %s", code, exitMeanings[code])
	}
	return map[string]string{"exits": b.String()}
}

const usageTemplate = `{{if .HasExample}}Examples:
{{.Example}}
{{end}}
Usage: {{usage .}}{{if .HasAvailableSubCommands}} COMMAND{{end}}{{if .HasAvailableLocalFlags}} [flags]{{end}}
{{- if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}
{{- end}}
{{- with flags .NonInheritedFlags}}

Flags, with one dash or with two:
{{.}}{{end}}
{{- with flags .InheritedFlags}}

Everywhere:
{{.}}{{end}}
{{- with .Annotations.exits}}

Exit codes:{{.}}{{end}}
{{- if not .HasParent}}

For one command: accord COMMAND -help{{end}}
`

func init() {
	cobra.AddTemplateFunc("flags", flagTable)
	cobra.AddTemplateFunc("usage", usage)
}

// helpCommand is `accord help COMMAND`, which is accord COMMAND -help.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Help about a command",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return misused("See: accord -help", "There is no command %q", strings.Join(args, " "))
			}
			return about.Help()
		},
	}
}

// usage is how a command is written, with those above it.
func usage(cmd *cobra.Command) string {
	return cmd.CommandPath() + strings.TrimPrefix(cmd.Use, cmd.Name())
}

// flagTable lists flags as they are typed here, with one dash.
func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', 0)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" {
			value = "=" + value
		}
		fmt.Fprintf(t, "  -%s%s\t%s\n", f.Name, value, usage)
	})
	t.Flush()
	return strings.TrimRight(b.String(), "\n")
}

// misused is a mistake on the command line: what is wrong, and what to do.
func misused(detail, summary string, args ...any) error {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf(summary, args...), Detail: detail}}
}

// noArguments is for commands that take flags alone.
func noArguments(cmd *cobra.Command, args []string) error { return upTo(0)(cmd, args) }

// upTo takes at most n arguments.
func upTo(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		takes := "no arguments"
		if n > 0 {
			takes = "at most " + count(n, "argument")
		}
		return misused("See: "+cmd.CommandPath()+" -help", "%s takes %s, and %q is one too many", cmd.CommandPath(), takes, args[n])
	}
}

// exactly takes n arguments.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return upTo(n)(cmd, args)
		}
		return atLeast(n)(cmd, args)
	}
}

// atLeast takes n arguments or more.
func atLeast(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return misused("See: "+cmd.CommandPath()+" -help", "It is written so: %s", usage(cmd))
	}
}

// unknownCommand suggests the command that was meant.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	detail := "See: " + cmd.CommandPath() + " -help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		detail = fmt.Sprintf("Did you mean %q? %s", near[0], detail)
	}
	return misused(detail, "There is no command %q", strings.TrimPrefix(cmd.CommandPath()+" ", "accord ")+args[0])
}

// badFlag suggests the flag that was meant.
func badFlag(cmd *cobra.Command, err error) error {
	detail := "See: accord " + strings.TrimPrefix(cmd.CommandPath()+" ", "accord ") + "-help"
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) && wrong.GetFlag().Value.Type() == "bool" {
		return misused(detail, "-%s is true or false, and not %q", wrong.GetFlag().Name, wrong.GetValue())
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return misused(detail, "%s", sentence(strings.ReplaceAll(err.Error(), "--", "-")))
	}
	name := unknown.GetSpecifiedName()
	if near := nearestFlag(cmd, name); near != "" {
		detail = fmt.Sprintf("Did you mean -%s? %s", near, detail)
	}
	return misused(detail, "%s has no flag -%s", cmd.CommandPath(), name)
}

// nearestFlag lets cobra's measure for commands compare flags.
func nearestFlag(cmd *cobra.Command, name string) string {
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	near := names.SuggestionsFor(name)
	slices.Sort(near)
	if len(near) == 0 {
		return ""
	}
	return near[0]
}
