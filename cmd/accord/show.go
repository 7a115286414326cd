package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/planner"
	"accord/planner/plan"
	"accord/state"
)

func (c *cli) showCommand() *cobra.Command {
	var l look
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show the state, or a saved plan",
		Long: `Shows what the last apply recorded, or with FILE what a saved plan would do. No
vault is asked.`,
		Example: `  accord show
  accord show canada.plan`,
		Annotations: exits(),
		Args:        upTo(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.runShowPlan(args[0], l)
			}
			return c.runShowState(cmd.Context(), l)
		},
	}
	l.flags(cmd)
	l.formatFlags(cmd)
	l.sinceFlag(cmd)
	return cmd
}

func (c *cli) runShowPlan(name string, l look) error {
	if err := l.check(c, "a plan"); err != nil {
		return err
	}
	f, err := readPlan(name)
	if err != nil {
		return err
	}
	if !l.document() {
		for _, warning := range f.Plan.Warnings {
			c.diagnostics(hcl.Diagnostics{planner.Place(nil, warning)})
		}
	}
	return c.showPlan(f.Plan, l)
}

func (c *cli) runShowState(ctx context.Context, l look) error {
	if err := l.check(c, "a state"); err != nil {
		return err
	}
	if l.since != "" {
		return misused("Name a saved plan: accord show FILE -since="+l.since, "A state is not compared with a plan")
	}
	if l.format == "markdown" || l.format == "html" {
		return misused("Name a saved plan: accord show FILE -format="+l.format, "A state is shown as text or json, not as %s", l.format)
	}
	st, done, err := c.readState(ctx)
	if err != nil {
		return err
	}
	defer done()
	if l.format == "json" {
		return c.stateDocument(st)
	}
	objects := planner.Remembered(st)
	if c.json {
		_ = c.line("state", "State "+strconv.FormatUint(st.Serial, 10), map[string]any{"serial": st.Serial, "lineage": st.Lineage})
		for _, o := range objects {
			_ = c.line("object", o.Addr.String(), map[string]any{"object": redacted(o)})
		}
		return nil
	}
	if len(objects) == 0 {
		fmt.Fprintln(c.stdout, "Nothing has been applied yet.")
		return nil
	}
	for _, o := range objects {
		protected := ""
		if o.Protect {
			protected = faint("   protected")
		}
		fmt.Fprintf(c.stdout, "%s%s\n", bold(o.Addr.String()), protected)
		c.showBody(o)
	}
	return nil
}

// stateDocument is what -format=json prints of a state: all that is recorded,
// but for what is sensitive and what is accord's own.
type stateDocument struct {
	FormatVersion string                     `json:"format_version" doc:"major.minor; additions raise the minor number"`
	Kind          string                     `json:"kind" doc:"state"`
	Lineage       string                     `json:"lineage"`
	Serial        uint64                     `json:"serial"`
	Objects       []*state.Object            `json:"objects"`
	Outputs       map[string]json.RawMessage `json:"outputs" doc:"without sensitive ones"`
}

func (c *cli) stateDocument(st *state.State) error {
	d := stateDocument{FormatVersion: uiVersion, Kind: "state", Lineage: st.Lineage, Serial: st.Serial, Objects: []*state.Object{}, Outputs: map[string]json.RawMessage{}}
	for _, o := range planner.Remembered(st) {
		d.Objects = append(d.Objects, redacted(o))
	}
	for name, o := range st.Outputs {
		if !o.Sensitive {
			d.Outputs[name] = o.Value
		}
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	_, err = c.stdout.Write(append(harmless(b), '\n'))
	return err
}

// readState reads the state of the directory without its providers.
func (c *cli) readState(ctx context.Context) (*state.State, func(), error) {
	w, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	if err := w.openStore(ctx); err != nil {
		w.Close()
		return nil, nil, err
	}
	st, err := w.store.Read(ctx)
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return st, w.Close, nil
}

// showBody prints what is recorded of an object; of what is sensitive, that it is there.
func (c *cli) showBody(o *state.Object) {
	edits, _ := plan.Diff(nil, redacted(o).Body, nil, nil)
	for _, p := range o.Sensitive {
		edits = append(edits, plan.Edit{Path: p, Sensitive: true})
	}
	slices.SortStableFunc(edits, func(a, b plan.Edit) int { return strings.Compare(string(a.Path), string(b.Path)) })
	v := c.planView(nil, false)
	v.edits(edits, "    ", eachKey(nil))
}

// redacted is an object without what is sensitive in it.
func redacted(o *state.Object) *state.Object {
	if len(o.Sensitive) == 0 {
		return o
	}
	r := *o
	for _, p := range o.Sensitive {
		r.Body = plan.Without(r.Body, p.Root())
	}
	return &r
}
