package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/providers"
)

func (c *cli) importCommand() *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use:   "import ADDRESS ID",
		Short: "Take over one object that exists, by its id",
		Long: `Finds the object that a block is about, makes sure that it has this id, and remembers
it as it is. Nothing is changed in the vault: what the block says otherwise is listed,
and is for the next plan. An import block does the same for many, as part of a plan.`,
		Example: `  accord import connection.promomats V1C000000000101
  accord import 'country_filter.crm["us"]' V3S000000000001`,
		Annotations: exits(exitRefused, exitLocked, exitAccess, exitInterrupted),
		Args:        exactly(2),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runImport(cmd.Context(), in, args[0], args[1]) },
	}
	in.flags(cmd)
	return cmd
}

func (c *cli) runImport(ctx context.Context, in inputs, address, id string) error {
	addr, err := addrs.ParseInstance(address)
	if err != nil {
		return misused(`An address is written as in the files, with quotes around a key, and for the shell around the whole: 'connection.crm["us"]'`, "%s", err)
	}
	w, err := c.evaluated(ctx, in)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.openState(ctx); err != nil {
		return err
	}
	command := fmt.Sprintf("import %s %s", addr, id)
	lock, err := w.store.Lock(ctx, command)
	if err != nil {
		return err
	}
	if err := settled(lock.State(), addr); err != nil {
		return err
	}
	req := planner.ImportRequest{Desired: w.desired, Addr: addr, ID: id, Lock: lock}
	needed, diags := w.planner.Importing(req, lock.State())
	if diags.HasErrors() {
		return w.planProblems(ctx, diags)
	}
	instances := slices.DeleteFunc(objectsOf(w.desired.Instances), func(o providers.Object) bool { return !needed[o.Addr] })
	if req.Instances, err = w.connect(ctx, instances, pairs(w.connections()), true); err != nil {
		return err
	}
	// One that is left open is what resume goes on with: it stays.
	if last := planner.LastOperation(lock.State()); last == nil || last.Standing == planner.Done {
		req.Operation = planner.NewOperation(command, w.planner.Now())
	}
	imported, diags := w.planner.Import(ctx, req)
	if diags.HasErrors() {
		return w.planProblems(ctx, diags)
	}
	c.showImported(imported)
	return nil
}

func (c *cli) showImported(i *planner.Imported) {
	if c.json {
		differs := i.Differs
		if differs == nil {
			differs = []plan.Edit{}
		}
		_ = c.line("imported", fmt.Sprintf("%s is imported", i.Addr), map[string]any{"address": i.Addr, "id": i.ID, "differs": differs})
		return
	}
	v := c.planView(documentOf(&plan.Plan{}), false)
	v.line("%s %s is the object with the id %s, and under code from now on. Nothing was changed in the vault.", bold("Imported:"), i.Addr, clean(i.ID))
	if len(i.Differs) == 0 {
		return
	}
	v.line("It is not as its block says; the next apply would change it:")
	v.edits(i.Differs, "    ", eachKey(nil))
}
