package main

import "github.com/spf13/cobra"

func (c *cli) exceptionsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "show ID…",
		Short:       "Show all that is known of an exception",
		Long:        `Shows what is wrong, since when, what it is about, and what to do. It changes nothing.`,
		Example:     `  accord exceptions show k3v9q2x7ab`,
		Annotations: exits(exitAccess, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, picked, err := c.chosen(cmd.Context(), reading, args, exceptionFilter{}, true)
			if err != nil {
				return err
			}
			defer x.Close()
			c.exceptionsShow(picked)
			return nil
		},
	}
}
