package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"accord/state"
)

func (c *cli) stateShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "show ADDRESS",
		Short:       "Show what is remembered of one object",
		Long:        `Shows everything that is remembered of one object, but for what is sensitive.`,
		Example:     `  accord state show 'vault.crm["us"]'`,
		Annotations: exits(),
		Args:        exactly(1),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateShow(cmd.Context(), args[0]) },
	}
}

func (c *cli) runStateShow(ctx context.Context, arg string) error {
	return c.readStore(ctx, func(store state.Store) error {
		st, err := store.Read(ctx)
		if err != nil {
			return err
		}
		found, err := pick(st, arg)
		if err != nil {
			return err
		}
		for _, o := range found {
			if c.json {
				_ = c.line("state_object", o.Addr.String(), map[string]any{"object": redacted(o)})
				continue
			}
			fmt.Fprintln(c.stdout, bold(o.Addr.String()))
			t := tabwriter.NewWriter(c.stdout, 2, 0, 2, ' ', 0)
			fmt.Fprintf(t, "    id\t%s\n    provider\t%s\n    protected\t%t\n", clean(o.ID), clean(o.Provider), o.Protect)
			for _, d := range o.DependsOn {
				fmt.Fprintf(t, "    follows\t%s\n", d)
			}
			for _, i := range st.Open {
				if i.Addr == o.Addr {
					fmt.Fprintf(t, "    begun\t%s, at %s, without a known outcome\n", clean(i.Action), i.At.Format(time.RFC3339))
				}
			}
			t.Flush()
			c.showBody(o)
		}
		return nil
	})
}
