package main

import "github.com/spf13/cobra"

func (c *cli) exceptionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exceptions",
		Short: "What cannot be synced: list, acknowledge, reprocess, withdraw",
		Long: `Exceptions are what cannot be synced. A message is a general error: the target vault
cannot take what comes in, and something must be configured otherwise. An item is
one document's failure. Both are tried again by every run, by themselves, and are
gone once they succeed. What is kept does not fail: a presentation that stays published
although its source does not have it approved, or at all, any more, and no rule says that
it is withdrawn. It is listed as long as that is so, and withdrawn by name.

They are one list: what accord's runs remember, and the User Exception Messages and
Items in the vaults, of whichever engine. Each has a class, which says who can do
something: fix the configuration (with the line to change), fix the document, or
wait.`,
		Example: `  accord exceptions list
  accord exceptions list -class=document -country=Canada -format=csv
  accord exceptions ack k3v9q2x7ab -owner="Ana" -reason="the agency mends it" -until=7d
  accord exceptions reprocess k3v9q2x7ab
  accord exceptions withdraw k3v9q2x7ab`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(c.exceptionsListCommand(), c.exceptionsShowCommand(), c.exceptionsAckCommand(), c.exceptionsReprocessCommand(), c.exceptionsWithdrawCommand())
	return cmd
}
