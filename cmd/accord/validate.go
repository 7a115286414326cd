package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
)

func (c *cli) validateCommand() *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check everything that can be known without a vault",
		Long: `Checks the files of the directory: syntax, blocks, attributes, references,
and the rules that need no vault. All mistakes are reported at once.`,
		Example: `  accord validate
  accord validate -var-file=production.vars.hcl`,
		Annotations: exits(exitRefused),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runValidate(cmd.Context(), in) },
	}
	in.flags(cmd)
	return cmd
}

// flags adds -var and -var-file.
func (in *inputs) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&in.vars, "var", nil, "set a variable: `NAME=VALUE`")
	cmd.Flags().StringArrayVar(&in.varFiles, "var-file", nil, "set variables from a `FILE`")
}

func (c *cli) runValidate(ctx context.Context, in inputs) error {
	in.thorough = true
	var warnings hcl.Diagnostics
	w, err := c.opened(ctx, func(w *workspace) (err error) {
		if err = w.openProviders(ctx); err == nil {
			warnings, err = w.evaluate(ctx, in)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer w.Close()
	checks := w.desired.CheckEarly()
	if checks.HasErrors() {
		return c.problems(append(warnings, checks...))
	}
	c.diagnostics(append(warnings, checks...))
	if c.json {
		return c.line("validated", "The configuration is valid", map[string]any{"valid": true, "resources": len(w.desired.Resources), "instances": len(w.desired.Instances)})
	}
	fmt.Fprintf(c.stdout, "The configuration is valid: %d %s on %d %s.\n",
		len(w.desired.Resources), plural(len(w.desired.Resources), "resource"), len(w.desired.Instances), plural(len(w.desired.Instances), "vault"))
	return nil
}
