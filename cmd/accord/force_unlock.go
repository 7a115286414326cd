package main

import (
	"github.com/spf13/cobra"

	"accord/state"
)

func (c *cli) forceUnlockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "force-unlock ID",
		Short: "Take the lock away from someone who is gone for good",
		Long: `Takes the state's lock away. ID is that of the lock, as the message says that it is
in the way; another one is refused. Do so only if its process is gone for good: one
that still runs would write at the same time. A local state needs this hardly ever,
since the system frees the lock of a process that ends; and where a lock expires it
is taken over without this.`,
		Example:     `  accord force-unlock 4KSWAHBXTZ2N5UJQ3MVEY6RDFC`,
		Annotations: exits(exitLocked),
		Args:        exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return c.readStore(ctx, func(store state.Store) error {
				if err := store.ForceUnlock(ctx, args[0]); err != nil {
					return err
				}
				c.did("state_unlocked", "The lock was taken away", map[string]any{"id": args[0]})
				return nil
			})
		},
	}
}
