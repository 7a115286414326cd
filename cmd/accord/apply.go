package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

type applyOptions struct {
	planOptions
	autoApprove bool
	noSync      bool
	detach      bool
	failOn      failOn
	changeRef   string // of a ticket or a change, kept beside what was done
}

func (c *cli) applyCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply [FILE]",
		Short: "Make it so",
		Long: `Plans, asks for yes, and does exactly what the plan says: the configuration of the
vaults first, then the syncs that follow from it. With a saved plan it does that
plan, and takes no option that would change it.

What fails stops what depends on it and nothing else. Everything begun is on
record; after an interruption or a crash, accord resume goes on.

A run that follows from an edited country filter begins five minutes after the edit
(filter_delay), and apply waits for it. With -detach it does not: that run is left to
the next apply, sync or serve, none of which begins it earlier.`,
		Example: `  accord apply
  accord apply -auto-approve -json
  accord plan -out=canada.plan && accord apply canada.plan`,
		Annotations: exits(exitChanges, exitRecords, exitRefused, exitLocked, exitStale, exitAccess, exitInterrupted),
		Args:        upTo(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.runApply(cmd.Context(), o)
			}
			if err := onlyWithoutPlan(cmd); err != nil {
				return err
			}
			return c.runApplyFile(cmd.Context(), args[0], o)
		},
	}
	o.planOptions.flags(cmd)
	o.flagsBesideDestroy(cmd)
	o.flags(cmd)
	detachFlag(cmd, &o.detach)
	cmd.Flags().BoolVar(&o.noSync, "no-sync", false, "leave all runs to the next sync; they stay owed")
	return cmd
}

func detachFlag(cmd *cobra.Command, detach *bool) {
	cmd.Flags().BoolVar(detach, "detach", false, "do not wait for runs that may not begin yet; the next apply, sync or serve begins them")
}

// withPlan are the flags that apply takes beside a saved plan.
var withPlan = []string{"auto-approve", "detach", "change-ref", "fail-on"}

// onlyWithoutPlan refuses every flag that would make another plan of the one
// that was approved, or that means nothing beside it.
func onlyWithoutPlan(cmd *cobra.Command) error {
	var bad []string
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && !slices.Contains(withPlan, f.Name) {
			bad = append(bad, "-"+f.Name)
		}
	})
	if len(bad) == 0 {
		return nil
	}
	return misused("Plan again with it, and approve that plan.", "%s cannot be given with a saved plan: it would not be the plan that was approved", strings.Join(bad, ", "))
}

func (o *applyOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.autoApprove, "auto-approve", false, "do not ask for yes")
	cmd.Flags().StringVar(&o.changeRef, "change-ref", "", "a `TEXT` that is kept with this change, such as the number of its ticket")
	o.failOn.flag(cmd)
}

// failOn says which failed records end a command with exit 4: new ones, those
// that were not failing before, or any.
type failOn string

func (f *failOn) flag(cmd *cobra.Command) {
	*f = "new"
	cmd.Flags().Var(f, "fail-on", "exit 4 on records that fail: `new` ones, or any")
}

func (f *failOn) String() string { return string(*f) }

func (f *failOn) Type() string { return "string" }

func (f *failOn) Set(s string) error {
	if s != "new" && s != "any" {
		return errors.New("it is new or any")
	}
	*f = failOn(s)
	return nil
}

func (c *cli) runApply(ctx context.Context, o applyOptions) error {
	if err := o.check(c); err != nil {
		return err
	}
	w, err := c.evaluated(ctx, o.inputs)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.openState(ctx); err != nil {
		return err
	}
	operation := "apply"
	if o.destroy {
		operation = "destroy"
	}
	lock, err := w.store.Lock(ctx, operation)
	if err != nil {
		return err
	}
	p, err := w.propose(ctx, o.planOptions, lock.State(), false)
	if err != nil {
		return err
	}
	if !p.Empty() && !o.autoApprove {
		what := "Do this?"
		if o.destroy {
			what = "Return everything to its safe defaults?"
		}
		if err := c.ask(what, unasked); err != nil {
			return err
		}
	}
	op, err := w.operation(operation, p, lock.State(), o)
	if err != nil {
		return err
	}
	return w.apply(ctx, p, lock, op, o)
}

// unasked is what to do where nobody can answer about a plan.
const unasked = "Give -auto-approve, or approve a saved plan: accord plan -out=FILE, then accord apply FILE."

// ask wants the literal yes. advice is what to do where nobody can answer.
func (c *cli) ask(what, advice string) error {
	if c.json || c.stdin == nil {
		return misused(advice, "Nobody is asked with -json, so nothing was changed")
	}
	fmt.Fprintf(c.stdout, "\n%s Only yes is taken for an answer: ", what)
	answer, err := bufio.NewReader(c.stdin).ReadString('\n')
	if err != nil && strings.TrimSpace(answer) == "" {
		fmt.Fprintln(c.stdout)
		return misused(advice, "Nobody was there to answer, so nothing was changed")
	}
	if strings.TrimSpace(answer) != "yes" {
		fmt.Fprintln(c.stdout, "\nNothing was changed.")
		return told(exitError)
	}
	fmt.Fprintln(c.stdout)
	return nil
}

func (c *cli) runApplyFile(ctx context.Context, name string, o applyOptions) error {
	file, err := readPlan(name)
	if err != nil {
		return err
	}
	w, err := c.thaw(ctx, file)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.openState(ctx); err != nil {
		return err
	}
	lock, err := w.store.Lock(ctx, "apply "+name)
	if err != nil {
		return err
	}
	if err := w.fits(ctx, file, lock.State()); err != nil {
		return err
	}
	// What was read for the plan is read again; anything that moved makes it stale.
	o.planOptions = approved(file.Plan)
	now, warnings, err := w.plan(ctx, o.planOptions, lock.State(), false)
	if err != nil {
		return err
	}
	if len(now.Moved) > 0 {
		return c.moved(now)
	}
	c.diagnostics(warnings)
	if len(now.Refusals) > 0 {
		return c.refused(w, now)
	}
	if diff := plan.Moved(file.Plan, now); diff != "" {
		return stale("%s. Plan again", diff)
	}
	op := planner.NewOperation("apply "+name, w.planner.Now())
	op.Plan, op.ChangeRef = file.Digest(), o.changeRef
	op.Approved = &plan.File{Plan: planner.Resumable(file.Plan), Sources: file.Sources, Whole: file.Whole, Vars: file.Vars, VarFiles: file.VarFiles, Desired: file.Desired, Lock: file.Lock}
	return w.apply(ctx, now, lock, op, o)
}

// approved are the options that a plan was made with.
func approved(p *plan.Plan) planOptions {
	return planOptions{destroy: p.Destroy, allow: p.Allow, target: p.Target, exclude: p.Exclude, replace: p.Replace, refresh: !p.Assumed, approved: p}
}

// apply carries a plan out and reports what really happened.
func (w *workspace) apply(ctx context.Context, p *plan.Plan, lock state.Lock, op *planner.Operation, o applyOptions) error {
	progress := w.cli.progress()
	w.planner.Events = progress.planner
	w.planner.Syncer.Close()
	w.named = false
	if err := w.openSyncer(planner.SettingsOf(w.desired.Settings), progress.syncer); err != nil {
		return err
	}
	if op != nil {
		op.NoSync, op.Detach = o.noSync, o.detach
	}
	relock := func(ctx context.Context) (state.Lock, error) {
		again, err := w.store.Lock(ctx, lock.Holder().Operation)
		if err == nil {
			lock = again
		}
		return again, err
	}
	report, err := w.planner.Apply(ctx, planner.ApplyRequest{Plan: p, Desired: w.desired, Lock: lock, NoSync: o.noSync, Detach: o.detach, Relock: relock, Operation: op})
	w.dismiss()
	progress.clear()
	w.cli.showReport(w, p, report, o.resume, err)
	w.cli.diagnostics(w.unsaid(report.Checks))
	w.cli.overtaken(report)
	if err != nil {
		return err
	}
	if err := errors.Join(w.cli.reseal(ctx, lock, false), lock.Unlock()); err != nil {
		return err
	}
	w.tell(ctx)
	code := reportCode(report, o.failOn)
	if code == exitOK && o.detailedExit && p.Differs() {
		code = exitChanges
	}
	return told(code)
}

// unsaid leaves out the warnings that the plan has shown: what it said of a
// check, its apply finds again.
func (w *workspace) unsaid(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool {
		return slices.ContainsFunc(w.warned, func(o *hcl.Diagnostic) bool {
			return d.Severity == hcl.DiagWarning && o.Severity == d.Severity && o.Summary == d.Summary && o.Detail == d.Detail && d.Subject != nil && o.Subject != nil && *o.Subject == *d.Subject
		})
	})
}

// operation is the record of a plan that is about to be applied. Where there is
// nothing to do it is kept only to close one that was left open.
func (w *workspace) operation(command string, p *plan.Plan, st *state.State, o applyOptions) (*planner.Operation, error) {
	if last := planner.LastOperation(st); p.Empty() && o.changeRef == "" && (last == nil || last.Standing == planner.Done) {
		return nil, nil
	}
	op := planner.NewOperation(command, w.planner.Now())
	op.ChangeRef = o.changeRef
	var err error
	op.Approved, err = w.frozen(planner.Resumable(p), o.inputs)
	return op, err
}

// overtaken says who changed the state while an apply waited without its lock.
func (c *cli) overtaken(r *planner.Report) {
	if r.Overtaken == nil {
		return
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Somebody else changed the state while this apply waited",
		Detail: fmt.Sprintf("It was %s; the state has the serial %d now. The runs that this apply waited for have been made. Nothing is left to do.", clean(r.Overtaken.By), r.Overtaken.Serial)}
	if len(r.Left)+len(r.Skipped) > 0 {
		d.Detail = fmt.Sprintf("It was %s; the state has the serial %d now. What this apply did until then is done. What is left may not be what was approved any more: plan again.", clean(r.Overtaken.By), r.Overtaken.Serial)
	}
	c.diagnostics(hcl.Diagnostics{d})
}

// reportCode picks the exit code: an interruption, then refusals and access,
// then errors, then failed records.
func reportCode(r *planner.Report, which failOn) int {
	code := exitOK
	for _, f := range r.Failed {
		var items *planner.ItemsFailed
		blocked := slices.ContainsFunc(r.Outcomes, func(o syncer.Outcome) bool {
			return f.Ref.Sync && o.Addr == f.Ref.Addr && o.Status == syncer.Blocked // what blocks it counts
		})
		if blocked || errors.As(f.Err, &items) {
			continue
		}
		c := exitError
		if errors.As(f.Err, new(*providers.Error)) || errors.As(f.Err, new(*state.LeasedError)) {
			c = exitCode(f.Err)
		}
		if c != exitError || code == exitOK {
			code = c
		}
	}
	if code == exitOK && r.Checks.HasErrors() {
		code = exitError
	}
	if r.Interrupted {
		return exitInterrupted
	}
	if r.Overtaken != nil && len(r.Left)+len(r.Skipped) > 0 {
		return exitStale
	}
	if code != exitOK {
		return code
	}
	return outcomesCode(r.Outcomes, which)
}

// outcomesCode is exitRecords where records failed that count.
func outcomesCode(outcomes []syncer.Outcome, which failOn) int {
	for _, o := range outcomes {
		if o.NewFailures > 0 || which == "any" && o.Failed > 0 {
			return exitRecords
		}
	}
	return exitOK
}
