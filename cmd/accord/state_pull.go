package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"accord/state"
)

func (c *cli) statePullCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pull",
		Short: "Print the whole state",
		Long: `Prints the state as JSON, in the form that push takes: whole, unencrypted, with what
is sensitive in it.`,
		Example:     `  accord state pull > before.json`,
		Annotations: exits(),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.readStore(cmd.Context(), func(store state.Store) error {
				st, err := store.Read(cmd.Context())
				if err != nil {
					return err
				}
				data, err := state.Encode(st)
				if err != nil {
					return err
				}
				if c.json {
					return c.line("state_pulled", fmt.Sprintf("State %d", st.Serial), map[string]any{"state": json.RawMessage(data)})
				}
				_, err = c.stdout.Write(data)
				return err
			})
		},
	}
}
