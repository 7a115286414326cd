package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/core"
	"accord/lang/schema"
)

func (c *cli) schemaCommand() *cobra.Command {
	var format string
	var output bool
	cmd := &cobra.Command{
		Use:   "schema [TYPE]",
		Short: "Print the reference pages of blocks",
		Long: `Prints what every block may say: its attributes, their types, and what they mean;
with TYPE those of one block type. First those of accord itself; the others are made
from the schemas of the providers: those that are built in, and those that the
configuration names, where there is one.

With -json-output it is the JSON Schema (draft 2020-12) of what accord itself prints
for machines: every line of -json, and the documents of -format=json.`,
		Example: `  accord schema country_filter
  accord schema -format=markdown > reference.md
  accord schema -format=json
  accord schema -json-output > accord.schema.json`,
		Annotations: exits(exitRefused),
		Args:        upTo(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output {
				return c.printOutputSchema(args)
			}
			return c.runSchema(cmd.Context(), args, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "markdown", "`FORMAT`: markdown or json")
	cmd.Flags().BoolVar(&output, "json-output", false, "the JSON Schema of what -json and -format=json print")
	return cmd
}

func (c *cli) runSchema(ctx context.Context, args []string, format string) error {
	if format != "json" && format != "markdown" {
		return misused("It is markdown or json.", "There is no format %q of a schema", format)
	}
	w := &workspace{cli: c, dir: c.chdir}
	w.config, _ = lang.Load(c.chdir) // it is asked for because of mistakes, too
	c.sources = w.config.Files()
	defer w.Close()
	if err := w.openProviders(ctx); err != nil {
		return err
	}
	blocks := core.Blocks()
	if len(args) > 0 {
		blocks = slices.DeleteFunc(blocks, func(t schema.Type) bool { return t.Name != args[0] })
	}
	var all []*schema.Provider
	found := len(args) == 0 || len(blocks) > 0
	for _, sch := range w.schemas() {
		p := *sch
		if len(args) > 0 {
			only := func(t schema.Type) bool { return t.Name != args[0] }
			p.Instances = slices.DeleteFunc(slices.Clone(p.Instances), only)
			p.Resources = slices.DeleteFunc(slices.Clone(p.Resources), only)
			p.Streams = nil
			found = found || len(p.Instances)+len(p.Resources) > 0
		}
		all = append(all, &p)
	}
	if !found {
		return misused("All of them: accord schema", "There is no block type %q", args[0])
	}
	if c.json {
		if len(blocks) > 0 {
			_ = c.line("core_schema", "accord", map[string]any{"blocks": blocks})
		}
		for _, p := range all {
			_ = c.line("provider_schema", p.Name, map[string]any{"provider": p})
		}
		return nil
	}
	if format == "json" {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"format_version": uiVersion, "core": blocks, "providers": all})
	}
	if len(blocks) > 0 {
		writeCore(c.stdout, blocks)
	}
	for _, p := range all {
		if len(args) == 0 || len(p.Instances)+len(p.Resources) > 0 {
			writeReference(c.stdout, p)
		}
	}
	return nil
}

// printOutputSchema prints the JSON Schema of what accord prints for machines.
func (c *cli) printOutputSchema(args []string) error {
	if len(args) > 0 {
		return misused("Leave it out: the schema is one.", "-json-output is about no block, and %q names one", args[0])
	}
	b, err := json.MarshalIndent(outputSchema(false), "", "  ")
	if err != nil {
		return err
	}
	if c.json {
		return c.line("json_schema", "Version "+uiVersion, map[string]any{"schema": json.RawMessage(b)})
	}
	_, err = c.stdout.Write(append(b, '\n'))
	return err
}

// writeCore writes the reference page of the language's own blocks.
func writeCore(w io.Writer, blocks []schema.Type) {
	fmt.Fprintln(w, "# Blocks of accord")
	for n := range blocks {
		fmt.Fprintf(w, "\n## %s\n\n%s\n", blocks[n].Name, blocks[n].Doc)
		writeBlock(w, &blocks[n].Body, blocks[n].Name)
	}
	fmt.Fprintln(w)
}

// writeReference writes the reference page of a provider.
func writeReference(w io.Writer, p *schema.Provider) {
	fmt.Fprintf(w, "# Blocks of the provider %s\n", p.Name)
	page := func(t *schema.Type, instance bool) {
		fmt.Fprintf(w, "\n## %s\n\n%s\n", t.Name, t.Doc)
		if instance {
			fmt.Fprintln(w, "\nConnected to, never managed.")
		} else {
			fmt.Fprintf(w, "\nTaking the block out: %s.", t.Removal)
			if words := t.RemovalWords(); words != "" {
				fmt.Fprintf(w, " A `removed` block may say: %s.", words)
			}
			fmt.Fprintln(w)
			if len(t.Identity) > 0 {
				fmt.Fprintf(w, "Found by: `%s`.\n", strings.Join(t.Identity, "`, `"))
			}
		}
		writeBlock(w, &t.Body, t.Name)
	}
	for n := range p.Instances {
		page(&p.Instances[n], true)
	}
	for n := range p.Resources {
		page(&p.Resources[n], false)
	}
}

func writeBlock(w io.Writer, b *schema.Block, place string) {
	if len(b.Attributes) > 0 {
		fmt.Fprint(w, "\n| attribute | type | |\n|---|---|---|\n")
		for n := range b.Attributes {
			a := &b.Attributes[n]
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", a.Name, typeWords(a), cell(attributeWords(a)))
		}
	}
	for n := range b.Blocks {
		nested := &b.Blocks[n]
		header := nested.Name
		if nested.Label != "" {
			header += fmt.Sprintf(" \"%s\"", strings.ToUpper(strings.ReplaceAll(nested.Label, " ", "_")))
		}
		inside := place + " → " + nested.Name
		fmt.Fprintf(w, "\n### %s\n\n`%s { … }`", inside, header)
		switch {
		case nested.Required:
			fmt.Fprint(w, ", required")
		case nested.Single:
			fmt.Fprint(w, ", at most one")
		}
		fmt.Fprintf(w, ". %s\n", nested.Doc)
		writeBlock(w, &nested.Body, inside)
	}
}

// typeWords is the type as a user writes it, or what it refers to.
func typeWords(a *schema.Attribute) string {
	if len(a.Refers) > 0 {
		return "a `" + strings.Join(a.Refers, "` or `") + "`"
	}
	return "`" + typeexpr.TypeString(a.Type) + "`"
}

// attributeWords is the doc of an attribute with what its flags mean.
func attributeWords(a *schema.Attribute) string {
	words := []string{a.Doc}
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(a.Required, "Required.")
	add(len(a.OneOf) > 0, "One of: `%s`.", strings.Join(a.OneOf, "`, `"))
	add(len(a.Default) > 0, "Default: `%s`.", a.Default)
	add(a.Volatile, "Read only, and changes by itself: for outputs and checks.")
	add(a.ReadOnly && !a.Volatile, "Read only.")
	add(a.Computed && !a.ReadOnly && !a.Volatile, "Found out where it is left out.")
	add(a.Replace, "A change replaces the object.")
	add(a.Local, "Known to accord alone.")
	add(a.Sensitive, "Sensitive.")
	add(a.NonEmpty != "", "Never empty: %s", a.NonEmpty)
	add(a.Deprecated != "", "Deprecated: %s", a.Deprecated)
	return strings.Join(words, " ")
}

// cell makes a text fit a table.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
