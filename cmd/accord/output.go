package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

func (c *cli) outputCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "output [NAME]",
		Short: "Print the outputs of the last apply",
		Long:  `Prints the outputs as the last apply recorded them; with NAME the value alone.`,
		Example: `  accord output
  accord output synced`,
		Annotations: exits(),
		Args:        upTo(1),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runOutput(cmd.Context(), args) },
	}
}

func (c *cli) runOutput(ctx context.Context, args []string) error {
	st, done, err := c.readState(ctx)
	if err != nil {
		return err
	}
	defer done()
	if len(args) == 1 {
		out, ok := st.Outputs[args[0]]
		switch {
		case !ok:
			return fmt.Errorf("there is no output %q", args[0])
		case out.Sensitive:
			return fmt.Errorf("output %q is sensitive, and its value is not kept", args[0])
		case c.json:
			return c.line("output", args[0], map[string]any{"name": args[0], "value": out.Value, "sensitive": false})
		}
		fmt.Fprintln(c.stdout, clean(string(out.Value)))
		return nil
	}
	if c.json {
		values, hidden := map[string]json.RawMessage{}, []string{}
		for _, name := range slices.Sorted(maps.Keys(st.Outputs)) {
			if o := st.Outputs[name]; o.Sensitive {
				hidden = append(hidden, name)
			} else {
				values[name] = o.Value
			}
		}
		return c.line("outputs", count(len(st.Outputs), "output"), map[string]any{"outputs": values, "sensitive": hidden})
	}
	if len(st.Outputs) == 0 {
		fmt.Fprintln(c.stdout, "There are no outputs.")
	}
	for _, name := range slices.Sorted(maps.Keys(st.Outputs)) {
		text := clean(string(st.Outputs[name].Value))
		if st.Outputs[name].Sensitive {
			text = "(sensitive)"
		}
		fmt.Fprintf(c.stdout, "%s = %s\n", name, text)
	}
	return nil
}
