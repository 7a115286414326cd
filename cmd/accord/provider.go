package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"accord/providers"
	"accord/providers/plugin"
	"accord/providers/vault"
)

// makers are the providers that this binary contains.
var makers = map[string]func() providers.Provider{
	"vault": vault.New,
}

func init() {
	if os.Getenv(envBench) != "" {
		makers = map[string]func() providers.Provider{"bench": newBenchProvider}
	}
}

func builtins() []string {
	names := make([]string, 0, len(makers))
	for name := range makers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// executable is this program, to be started again.
var executable = os.Executable

// startBuiltin starts a built-in provider as a plugin process of this binary.
func (c *cli) startBuiltin(ctx context.Context, name string) (providers.Provider, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	p, err := plugin.Open(ctx, plugin.Command{Name: name, Path: self, Args: []string{"provider", name}, Log: c.logger()})
	if err != nil {
		return nil, fmt.Errorf("start provider %s: %w", name, err)
	}
	return veiled{p, &c.veil}, nil
}

func (c *cli) providerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "provider NAME",
		Short:  "Serve a built-in provider to another accord process",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			maker, ok := makers[args[0]]
			if !ok {
				return fmt.Errorf("there is no built-in provider %q", args[0])
			}
			return plugin.Serve(maker)
		},
	}
}
