package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
)

func (c *cli) graphCommand() *cobra.Command {
	var in inputs
	var format string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Print which block refers to which",
		Long: `Prints the blocks of the configuration and an arrow from each to those that it
needs, as apply orders them. A block with for_each is one node. No vault is
asked.`,
		Example: `  accord graph | dot -Tsvg > graph.svg
  accord graph -format=mermaid`,
		Annotations: exits(exitRefused),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runGraph(cmd.Context(), in, format) },
	}
	in.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "dot", "`FORMAT`: dot or mermaid")
	return cmd
}

func (c *cli) runGraph(ctx context.Context, in inputs, format string) error {
	write, ok := map[string]func(io.Writer, map[addrs.Block][]addrs.Block){"dot": writeDot, "mermaid": writeMermaid}[format]
	if !ok {
		return misused("It is dot or mermaid.", "There is no format %q of a graph", format)
	}
	w, err := c.evaluated(ctx, in)
	if err != nil {
		return err
	}
	defer w.Close()
	needs := blockGraph(w.desired)
	if c.json {
		for _, b := range sortedBlocks(needs) {
			_ = c.line("block", b.String(), map[string]any{"block": b.String(), "needs": blockNames(needs[b])})
		}
		return nil
	}
	write(c.stdout, needs)
	return nil
}

// blockGraph says which blocks each block needs, sorted.
func blockGraph(d *lang.Desired) map[addrs.Block][]addrs.Block {
	needs := map[addrs.Block][]addrs.Block{}
	for _, r := range slices.Concat(d.Instances, d.Resources) {
		on := needs[r.Addr.Block]
		for _, addr := range r.DependsOn {
			if addr.Block != r.Addr.Block {
				on = append(on, addr.Block)
			}
		}
		slices.SortFunc(on, compareBlocks)
		needs[r.Addr.Block] = slices.Compact(on)
	}
	return needs
}

func compareBlocks(a, b addrs.Block) int { return a.Single().Compare(b.Single()) }

func sortedBlocks(needs map[addrs.Block][]addrs.Block) []addrs.Block {
	return slices.SortedFunc(maps.Keys(needs), compareBlocks)
}

func blockNames(blocks []addrs.Block) []string {
	names := make([]string, len(blocks))
	for n, b := range blocks {
		names[n] = b.String()
	}
	return names
}

func writeDot(w io.Writer, needs map[addrs.Block][]addrs.Block) {
	fmt.Fprintln(w, "digraph accord {\n  rankdir = \"RL\"\n  node [shape = \"box\"]")
	for _, b := range sortedBlocks(needs) {
		fmt.Fprintf(w, "  %s\n", dotName(b))
		for _, on := range needs[b] {
			fmt.Fprintf(w, "  %s -> %s\n", dotName(b), dotName(on))
		}
	}
	fmt.Fprintln(w, "}")
}

func dotName(b addrs.Block) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(b.String()) + `"`
}

func writeMermaid(w io.Writer, needs map[addrs.Block][]addrs.Block) {
	fmt.Fprintln(w, "flowchart RL")
	blocks := sortedBlocks(needs)
	number := make(map[addrs.Block]int, len(blocks))
	for n, b := range blocks {
		number[b] = n
		fmt.Fprintf(w, "  n%d[\"%s\"]\n", n, strings.ReplaceAll(b.String(), `"`, "#quot;"))
	}
	for _, b := range blocks {
		for _, on := range needs[b] {
			fmt.Fprintf(w, "  n%d --> n%d\n", number[b], number[on])
		}
	}
}
