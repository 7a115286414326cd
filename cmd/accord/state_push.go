package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"accord/state"
)

func (c *cli) statePushCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "push FILE",
		Short: "Make a file the state",
		Long: `Makes what pull printed the state; - reads it from standard input. A file of another
lineage, or with a serial below the present one, is refused: it was made for
something else, or something was saved since. What was there before is kept in
the history.`,
		Example: `  accord state push before.json
  accord state push -force before.json`,
		Annotations: exits(exitRefused, exitLocked),
		Args:        exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runStatePush(cmd.Context(), args[0], force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "push another lineage, or a lower serial, too")
	return cmd
}

func (c *cli) runStatePush(ctx context.Context, name string, force bool) error {
	data, err := readInput(c.stdin, name)
	if err != nil {
		return err
	}
	next, err := state.Decode(data)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return c.changeState(ctx, "state push", func(_ state.Store, lock state.Lock) error {
		if err := lock.State().Succeeds(next); err != nil && !force {
			return refusal("pushing %s: %w. -force does it all the same", name, err)
		}
		return c.replace(ctx, lock, next)
	})
}

func readInput(stdin io.Reader, name string) ([]byte, error) {
	if name != "-" {
		return os.ReadFile(name)
	}
	if stdin == nil {
		return nil, errors.New("there is no standard input")
	}
	return io.ReadAll(stdin)
}
