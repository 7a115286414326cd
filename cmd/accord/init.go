package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Prepare a directory",
		Long: `Checks that the directory can be worked in: its providers are there and its
state can be opened. With built-in providers alone nothing needs preparing, and
every command does without it.`,
		Example:     "  accord init",
		Annotations: exits(),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runInit(cmd.Context()) },
	}
}

func (c *cli) runInit(ctx context.Context) error {
	w, err := c.load()
	if err != nil {
		return err
	}
	defer w.Close()
	for _, p := range w.config.Settings.Providers {
		return fmt.Errorf("provider %q: only built-in providers (%s) are supported yet", p.Name, strings.Join(builtins(), ", "))
	}
	if err := w.openProviders(ctx); err != nil {
		return err
	}
	if err := w.openState(ctx); err != nil {
		return err
	}
	st, err := w.store.Read(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.line("initialised", "Ready", map[string]any{"providers": builtins(), "serial": st.Serial})
	}
	fmt.Fprintf(c.stdout, "Ready. Providers: %s (built in). State: %s, %d objects.\n", strings.Join(builtins(), ", "), w.config.Settings.Backend.Type, len(st.Objects))
	return nil
}
