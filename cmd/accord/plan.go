package main

import (
	"context"
	"errors"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

type planOptions struct {
	inputs
	look
	out          string
	allow        []string
	target       []string
	exclude      []string
	replace      []string
	refresh      bool
	destroy      bool
	detailedExit bool

	approved *plan.Plan // held against the plan that is made
	resume   bool       // which is what is left of the approved one
}

func (o *planOptions) flags(cmd *cobra.Command) {
	o.inputs.flags(cmd)
	cmd.Flags().StringArrayVar(&o.allow, "allow", nil, "lift a limit once, by name: `withdraw:ADDRESS=N` or publish:ADDRESS=N")
	cmd.Flags().StringArrayVar(&o.target, "target", nil, "only this `ADDRESS` (an object, a block, a module, a vault) and what it depends on; may be repeated")
	cmd.Flags().StringArrayVar(&o.exclude, "exclude", nil, "all but this `ADDRESS` and what depends on it; may be repeated")
	cmd.Flags().BoolVar(&o.refresh, "refresh", true, "read what is remembered again; with false the state is believed")
	cmd.Flags().BoolVar(&o.detailedExit, "detailed-exitcode", false, "exit 2 when there is something to do")
	o.look.flags(cmd)
}

// flagsBesideDestroy are those of plan and apply that destroy, which only takes away,
// does not have.
func (o *planOptions) flagsBesideDestroy(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.replace, "replace", nil, "delete what stands under this `ADDRESS`, and make it anew; may be repeated")
	cmd.Flags().BoolVar(&o.destroy, "destroy", false, "plan the removal of everything managed")
}

// request is what the planner is asked for.
func (o *planOptions) request(w *workspace, st *state.State) planner.Request {
	return planner.Request{
		Desired: w.desired, State: st, Destroy: o.destroy, Allow: o.allow,
		Target: o.target, Exclude: o.exclude, Replace: o.replace, Assume: !o.refresh,
		Freeze: o.out != "", Approved: o.approved, Resume: o.resume, Invalid: w.invalid, Advice: w.advice,
	}
}

func (c *cli) planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change, in the configuration and in the content",
		Long: `Compares the files with what was applied and with what is there, and shows what
would change: the configuration of the vaults, the content of each CRM vault, and
the syncs that would run, with the reason for each. Nothing is changed.

Of the items that change the first are named; with -verbose, -json, -format=json and
-format=html all are, and a plan that -out saves has the names that it was shown with.

-target and -exclude make a partial plan: a target takes along what it depends on,
what is excluded keeps what depends on it, and no sync runs whose objects are left
out. Only the vaults that the plan leads to are connected.

Where a vault does not answer, or something cannot be planned, the plan fails: what is
known all the same is shown, and what is not, and why. It cannot be saved or applied.`,
		Example: `  accord plan
  accord plan -out=canada.plan && accord apply canada.plan
  accord plan -target='country_filter.crm["a"]'
  accord plan -allow='publish:integration_point.clm_presentation["a"]=900'
  accord plan -detailed-exitcode -json`,
		Annotations: exits(exitChanges, exitRefused, exitAccess, exitInterrupted),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.out == "" && cmd.Flags().Changed("out") { // a variable that is not set
				return misused("Leave it out to save nothing.", "-out= names no file")
			}
			return c.runPlan(cmd.Context(), o)
		},
	}
	o.flags(cmd)
	o.formatFlags(cmd)
	o.sinceFlag(cmd)
	cmd.Flags().StringVar(&o.out, "out", "", "save the plan to a `FILE` for apply")
	o.flagsBesideDestroy(cmd)
	return cmd
}

// check refuses flags that no plan can follow, before anything is done for one.
func (o *planOptions) check(c *cli) error {
	if err := o.look.check(c, "a plan"); err != nil {
		return err
	}
	if err := planner.CheckAllow(o.allow); err != nil {
		return misused("A limit is lifted once, for one sync, up to so many items.", "-allow: %s", err)
	}
	return nil
}

func (c *cli) runPlan(ctx context.Context, o planOptions) error {
	if err := o.check(c); err != nil {
		return err
	}
	if o.out != "" {
		if err := planTarget(o.out); err != nil {
			return err
		}
	}
	o.inputs.lenient = true
	w, st, err := c.withState(ctx, o.inputs)
	if err != nil {
		return err
	}
	defer w.Close()
	p, err := w.propose(ctx, o, st, true)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := w.savePlan(p, o); err != nil {
			return err
		}
	}
	if o.detailedExit && p.Differs() {
		return told(exitChanges)
	}
	return nil
}

// propose makes a plan and shows it; a refused one is an error.
func (w *workspace) propose(ctx context.Context, o planOptions, st *state.State, readOnly bool) (*plan.Plan, error) {
	p, warnings, err := w.plan(ctx, o, st, readOnly)
	if err != nil {
		return nil, err
	}
	if readOnly {
		w.dismiss()
	}
	w.cli.diagnostics(warnings)
	if err := w.cli.showPlan(p, o.look); err != nil {
		return nil, err
	}
	if len(p.Refusals) > 0 {
		return nil, w.cli.refused(w, p)
	}
	return p, nil
}

// plan makes the plan of what the files want, which have been evaluated. A
// refused plan is returned too. Where it is only to be read, one that fails is
// shown as far as it is known.
func (w *workspace) plan(ctx context.Context, o planOptions, st *state.State, readOnly bool) (*plan.Plan, hcl.Diagnostics, error) {
	req := o.request(w, st)
	instances := append(objectsOf(w.desired.Instances), w.planner.LeftInstances(st, w.desired)...)
	needed, diags := w.planner.VaultsOf(req)
	if diags.HasErrors() {
		return nil, nil, w.planProblems(ctx, diags)
	}
	if needed != nil {
		instances = slices.DeleteFunc(instances, func(inst providers.Object) bool { return !needed[inst.Addr] })
	}
	found, errs, err := w.reach(ctx, instances, pairs(w.connections()), readOnly)
	if err != nil {
		return nil, nil, err
	}
	var named bool
	if req.Unreached, named = byInstance(errs); len(errs) > 0 && (!readOnly || !named) {
		return nil, nil, w.accessProblems(errs)
	}
	progress := w.cli.progress()
	w.planner.Events = progress.planner
	if !readOnly { // what is planned now is done at once
		if err := w.landed(ctx, st, progress); err != nil {
			return nil, nil, err
		}
	}
	w.named = o.verbose || w.cli.json || o.format == "json" || o.format == "html"
	if err := w.openSyncer(planner.SettingsOf(w.desired.Settings), progress.syncer); err != nil {
		return nil, nil, err
	}
	req.Instances = found
	p, diags := w.planner.Plan(ctx, req)
	progress.clear()
	if diags.HasErrors() {
		if p != nil && readOnly {
			if err := w.cli.showPlan(p, o.look); err != nil {
				return nil, nil, err
			}
		}
		if p != nil { // what else stands in the way, once that is mended
			diags = append(diags, w.refusals(p)...)
		}
		return nil, nil, w.planProblems(ctx, diags)
	}
	if !o.destroy { // what is to be removed needs no advice
		diags = append(slices.Clone(w.advice), diags...)
	}
	w.warned = diags
	return p, diags, nil
}

// byInstance sorts what went wrong while connecting by whose it is; named is
// false where nobody is named.
func byInstance(errs []error) (by map[addrs.Instance]error, named bool) {
	by = make(map[addrs.Instance]error, len(errs))
	for _, err := range errs {
		var perr *providers.Error
		if !errors.As(err, &perr) || perr.Addr.IsZero() {
			return nil, false
		}
		by[perr.Addr] = err
	}
	return by, true
}

// planProblems prints the problems of planning and picks the exit code that
// fits the gravest.
func (w *workspace) planProblems(ctx context.Context, diags hcl.Diagnostics) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.cli.diagnostics(diags)
	code := exitError
	for _, d := range diags {
		if p, ok := d.Extra.(*planner.Problem); ok && p.Err != nil {
			code = max(code, exitCode(p.Err))
		}
	}
	return told(code)
}

// refused prints why a plan cannot be applied.
func (c *cli) refused(w *workspace, p *plan.Plan) error {
	c.diagnostics(w.refusals(p))
	return told(exitRefused)
}

// refusals are what forbids a plan, each at its line.
func (w *workspace) refusals(p *plan.Plan) (diags hcl.Diagnostics) {
	for _, r := range p.Refusals {
		diags = append(diags, planner.Place(w.locate(r.Addr), r))
	}
	return diags
}
