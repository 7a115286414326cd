package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"accord/state"
)

func (c *cli) stateRmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm ADDRESS…",
		Short: "Forget objects, and leave them as they are in the vault",
		Long: `Forgets what is remembered. The vault keeps it as it is; while it stands in the
files, the next plan takes it over again. What is protected is refused: take the
protection away first, with a removed block that says unprotect.`,
		Example:     `  accord state rm 'vault.crm["us"]'`,
		Annotations: exits(exitRefused, exitLocked),
		Args:        atLeast(1),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateRm(cmd.Context(), args) },
	}
}

func (c *cli) runStateRm(ctx context.Context, args []string) error {
	return c.changeState(ctx, "state rm", func(_ state.Store, lock state.Lock) error {
		st := lock.State()
		objects, err := pickAll(st, args)
		if err != nil {
			return err
		}
		var outcomes []state.Outcome
		for _, o := range objects {
			if o.Protect {
				return refusal("the protection of %s would be forgotten with it", o.Addr)
			}
			if err := settled(st, o.Addr); err != nil {
				return err
			}
			outcomes = append(outcomes, state.Outcome{Addr: o.Addr, Forget: true})
		}
		if err := lock.Done(ctx, outcomes); err != nil {
			return err
		}
		for _, o := range objects {
			c.did("state_forgotten", fmt.Sprintf("%s is forgotten", o.Addr), map[string]any{"address": o.Addr})
		}
		return nil
	})
}
