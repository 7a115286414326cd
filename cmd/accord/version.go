package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Print the version",
		Long:        "Prints the version of accord.",
		Example:     "  accord version",
		Annotations: exits(),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.json {
				return c.line("version", "accord "+Version, versionData())
			}
			fmt.Fprintf(c.stdout, "accord %s\n", Version)
			return nil
		},
	}
}
