package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
)

type exceptionsListOptions struct {
	exceptionFilter
	format string
}

func (c *cli) exceptionsListCommand() *cobra.Command {
	var o exceptionsListOptions
	cmd := &cobra.Command{
		Use:   "list [ID…]",
		Short: "List what cannot be synced, and who can do something about it",
		Long: `Lists messages, then items, with the line of the configuration that would mend them.
An id may be shortened as long as it is of one exception. It changes nothing. A vault
that does not answer is warned of, and what accord remembers of it is listed.

csv is for spreadsheets, which will not take a title for a formula; json is one
document; -json is a line for each.`,
		Example: `  accord exceptions list
  accord exceptions list -vault='vault.crm["us"]' -acknowledged=no -since=7d
  accord exceptions list -format=csv >exceptions.csv`,
		Annotations: exits(exitAccess, exitInterrupted),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runExceptionsList(cmd.Context(), args, o) },
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.format, "format", "text", "text, csv or json: `FORMAT`")
	return cmd
}

func (c *cli) runExceptionsList(ctx context.Context, ids []string, o exceptionsListOptions) error {
	if !slices.Contains([]string{"text", "csv", "json"}, o.format) {
		return misused("Formats are text, csv and json.", "There is no format %q", o.format)
	}
	if c.json && o.format != "text" {
		return misused("-json prints a line for each, -format=json one document.", "-json and -format=%s exclude each other", o.format)
	}
	x, picked, err := c.chosen(ctx, reading, ids, o.exceptionFilter, false)
	if err != nil {
		return err
	}
	defer x.Close()
	return c.exceptionsList(picked, o.format)
}
