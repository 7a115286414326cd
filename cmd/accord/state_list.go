package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"accord/planner"
	"accord/state"
)

func (c *cli) stateListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [ADDRESS…]",
		Short: "List the addresses that are remembered",
		Long: `Lists what is remembered, by address; with addresses only these. An address without
a key means all of its block.`,
		Example: `  accord state list
  accord state list vault.crm`,
		Annotations: exits(),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateList(cmd.Context(), args) },
	}
}

func (c *cli) runStateList(ctx context.Context, args []string) error {
	return c.readStore(ctx, func(store state.Store) error {
		st, err := store.Read(ctx)
		if err != nil {
			return err
		}
		objects := planner.Remembered(st)
		if len(args) > 0 {
			if objects, err = pickAll(st, args); err != nil {
				return err
			}
		}
		for _, o := range objects {
			if c.json {
				_ = c.line("state_object", o.Addr.String(), map[string]any{"address": o.Addr, "id": o.ID, "provider": o.Provider, "protect": o.Protect})
				continue
			}
			fmt.Fprintln(c.stdout, o.Addr)
		}
		return nil
	})
}
