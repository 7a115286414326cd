package main

import (
	"github.com/spf13/cobra"
)

func (c *cli) destroyCommand() *cobra.Command {
	o := applyOptions{planOptions: planOptions{destroy: true}}
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Return everything managed to its safe default",
		Long: `Plans and applies the removal of everything managed: integrations are deactivated,
rules go back to their safe defaults, grants that accord made are taken back.
Published content stays as it is, and country filters are forgotten, not emptied.`,
		Example: `  accord plan -destroy
  accord destroy`,
		Annotations: exits(exitChanges, exitRecords, exitRefused, exitLocked, exitAccess, exitInterrupted),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runApply(cmd.Context(), o) },
	}
	o.planOptions.flags(cmd)
	o.flags(cmd)
	return cmd
}
