package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"accord/planner"
	"accord/state"
)

func (c *cli) stateHistoryCommand() *cobra.Command {
	var restore uint64
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the versions that are kept, or go back to one",
		Long: `Lists the versions of the state that the backend keeps, newest first. With -restore
an earlier one becomes the present one, under a serial of its own; the vaults stay
as they are, and the next plan says how they differ.`,
		Example: `  accord state history
  accord state history -restore=41`,
		Annotations: exits(exitLocked),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("restore") {
				return c.runStateHistory(cmd.Context())
			}
			return c.runStateRestore(cmd.Context(), restore)
		},
	}
	cmd.Flags().Uint64Var(&restore, "restore", 0, "make the version with this `SERIAL` the present one")
	return cmd
}

func (c *cli) runStateHistory(ctx context.Context) error {
	return c.readStore(ctx, func(store state.Store) error {
		versions, err := store.History(ctx)
		if err != nil {
			return err
		}
		made := madeBy(ctx, store, versions)
		if c.json {
			for n, v := range versions {
				_ = c.line("state_version", fmt.Sprintf("serial %d", v.Serial), map[string]any{"version": v, "present": n == 0, "command": made[n].Command, "who": made[n].Who, "change_ref": made[n].ChangeRef})
			}
			return nil
		}
		if len(versions) == 0 {
			fmt.Fprintln(c.stdout, "Nothing has been saved yet.")
			return nil
		}
		t := tabwriter.NewWriter(c.stdout, 2, 0, 2, ' ', 0)
		fmt.Fprintln(t, "serial\tsaved\tbytes\tby\tfor\twho\t")
		for n, v := range versions {
			present := ""
			if n == 0 {
				present = "\tpresent"
			}
			fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\t%s%s\n", v.Serial, v.Saved.UTC().Format(time.RFC3339), v.Size, clean(made[n].Command), clean(made[n].ChangeRef), clean(made[n].Who), present)
		}
		return t.Flush()
	})
}

// madeBy finds the apply that each version came from; the zero Operation where
// it came from none. Versions are newest first.
func madeBy(ctx context.Context, store state.Store, versions []state.Version) []planner.Operation {
	made := make([]planner.Operation, len(versions))
	for n, v := range versions {
		if st, err := store.At(ctx, v.Serial); err == nil {
			if op := planner.LastOperation(st); op != nil {
				made[n] = *op
			}
		}
	}
	type end struct {
		id string
		at time.Time
	}
	known := map[end]bool{}
	for n, op := range slices.Backward(made) {
		of := end{op.ID, op.Ended.UTC()}
		if known[of] {
			made[n] = planner.Operation{} // kept from an earlier version, or brought back with it
		}
		known[of] = true
	}
	return made
}

func (c *cli) runStateRestore(ctx context.Context, serial uint64) error {
	return c.changeState(ctx, "state history -restore", func(store state.Store, lock state.Lock) error {
		st, err := store.At(ctx, serial)
		if errors.Is(err, state.ErrNoVersion) {
			return misused("See: accord state history", "No version with serial %d is kept", serial)
		}
		if err != nil {
			return err
		}
		return c.replace(ctx, lock, st)
	})
}
