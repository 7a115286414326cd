package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/state"
)

func (c *cli) resumeCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Go on with what was interrupted",
		Long: `Goes on with an apply or a run that was interrupted, or whose process died. It says
what that was, finds out what came of calls whose answer was lost, and does what is
left of what was approved: the same sources, whatever the files say by now, and
for each run no more than its plan showed. Nobody is asked again. What the approved
plan did not show is refused.`,
		Example: `  accord resume
  accord resume -json`,
		Annotations: exits(exitRecords, exitRefused, exitLocked, exitStale, exitAccess, exitInterrupted),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runResume(cmd.Context(), o) },
	}
	detachFlag(cmd, &o.detach)
	o.failOn.flag(cmd)
	return cmd
}

func (c *cli) runResume(ctx context.Context, o applyOptions) error {
	st, encryption, err := c.peek(ctx)
	if err != nil {
		return err
	}
	op := planner.LastOperation(st)
	switch {
	case op != nil && op.Standing != planner.Done && op.Approved != nil:
		return c.resumeApply(ctx, op, encryption, o)
	case len(st.Open) > 0:
		return misused("Run accord plan to see what is left, then accord apply: both find out what came of it.",
			"%s was begun without a known end, and what was approved is not on record", count(len(st.Open), "change"))
	}
	return c.resumeRuns(ctx, op, o)
}

// peek reads the state as it is now, and who may read it from now on.
func (c *cli) peek(ctx context.Context) (*state.State, lang.Encryption, error) {
	w, err := c.load()
	if err != nil {
		return nil, lang.Encryption{}, err
	}
	defer w.Close()
	if err := w.openStore(ctx); err != nil {
		return nil, lang.Encryption{}, err
	}
	st, err := w.store.Read(ctx)
	return st, w.config.Settings.Encryption, err
}

// resumeApply brings an apply to its end, as it was approved. The keys are those of
// now: a recipient that was taken out meanwhile reads nothing of what is left.
func (c *cli) resumeApply(ctx context.Context, op *planner.Operation, encryption lang.Encryption, o applyOptions) error {
	w, err := c.thaw(ctx, op.Approved)
	if err != nil {
		return err
	}
	defer w.Close()
	w.config.Settings.Encryption = encryption
	if err := w.openState(ctx); err != nil {
		return err
	}
	lock, err := w.store.Lock(ctx, "resume "+op.Command)
	if err != nil {
		return err
	}
	if now := planner.LastOperation(lock.State()); now == nil || now.ID != op.ID || now.Standing == planner.Done {
		return nothingToResume()
	}
	o.planOptions = approved(op.Approved.Plan)
	o.resume, o.noSync, o.detach = true, op.NoSync, o.detach || op.Detach
	p, warnings, err := w.plan(ctx, o.planOptions, lock.State(), false)
	if err != nil {
		return err
	}
	c.diagnostics(warnings)
	c.resuming(op, p)
	if len(p.Refusals) > 0 {
		return c.refused(w, p)
	}
	if more := plan.Exceeds(op.Approved.Plan, p); more != "" {
		return &exit{code: exitStale, err: fmt.Errorf("what is left is not what was approved: %s. Plan again, and apply that", more)}
	}
	op.Standing, op.Ended = planner.Begun, time.Time{}
	return w.apply(ctx, p, lock, op, o)
}

// resuming says what was interrupted, and what was found of it.
func (c *cli) resuming(op *planner.Operation, p *plan.Plan) {
	how := map[planner.Standing]string{planner.Begun: "was cut short", planner.Interrupted: "was interrupted", planner.Incomplete: "did not do everything", planner.Waiting: "waited for the time of a run"}[op.Standing]
	ref := ""
	if op.ChangeRef != "" {
		ref = " (" + clean(op.ChangeRef) + ")"
	}
	left := 0
	for _, s := range p.Steps {
		if op.Approved.Plan.Step(s.Ref) != nil {
			left++
		}
	}
	text := fmt.Sprintf("accord %s%s, begun at %s, %s: %s of %d left", clean(op.Command), ref, op.Started.Format(time.RFC3339), how, count(left, "step"), len(op.Approved.Plan.Steps))
	if c.json {
		_ = c.line("resuming", text, map[string]any{"command": op.Command, "change_ref": op.ChangeRef, "started": op.Started, "standing": op.Standing, "steps": len(op.Approved.Plan.Steps), "left": left})
		for _, r := range p.Resolved {
			_ = c.line("resolved", resolvedText(r), map[string]any{"resolved": r})
		}
		return
	}
	fmt.Fprintln(c.stdout, wrap(text+".", "", screenWidth(c.stdout)))
	v := c.planView(documentOf(p), false)
	v.resolved()
}

// resolvedText says what came of a call.
func resolvedText(r plan.Resolved) string {
	found := map[plan.Finding]string{plan.WasDone: "it was done", plan.NotDone: "it was not done", plan.HalfDone: "it was done in part"}[r.Found]
	return fmt.Sprintf("%s: the answer to %s, begun at %s, was lost; %s", r.Addr, r.Action, r.At.UTC().Format(time.RFC3339), found)
}

func nothingToResume() error {
	return misused("What is due is run by: accord sync", "There is nothing to resume: no apply and no run was interrupted")
}

// resumeRuns goes on with the runs that were cut short, and does those that are
// owed.
func (c *cli) resumeRuns(ctx context.Context, op *planner.Operation, o applyOptions) error {
	w, err := c.remembering(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	st, err := w.store.Read(ctx)
	if err != nil {
		return err
	}
	cut, err := w.cutShort(ctx, op)
	if err != nil {
		return err
	}
	if _, applied := planner.AppliedSettings(st); len(cut) == 0 || !applied {
		return nothingToResume()
	}
	said := map[addrs.Instance]bool{}
	say := func(addr addrs.Instance, why string) {
		if !said[addr] {
			said[addr] = true
			c.resumingRun(addr, why)
		}
	}
	choose := func(tasks []syncer.Task) error {
		for i := range tasks {
			t := &tasks[i]
			why, is := cut[t.Sync.Addr]
			if !is {
				t.Decision = syncer.Decision{At: t.Decision.At}
				continue
			}
			last := t.Memory.Last
			if last != nil && last.Mode == state.Withdrawal && last.Outcome != state.Clean && last.Outcome != state.Faulty {
				t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{Withdraw: true}, w.planner.Now())
				t.Allow.Withdraw = math.MaxInt // all of it was approved
				say(t.Sync.Addr, why)
				continue
			}
			t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{}, w.planner.Now()) // a full run that was cut short is owed
			say(t.Sync.Addr, why)
		}
		syncer.TablesFirst(tasks)
		return nil
	}
	meant := func(a addrs.Instance) bool { return cut[a] != "" }
	return w.placed(w.runDue(ctx, st, choose, syncOptions{failOn: o.failOn, detach: o.detach, meant: meant}))
}

// resumingRun says which run is begun again, and why.
func (c *cli) resumingRun(addr addrs.Instance, why string) {
	text := fmt.Sprintf("%s: %s", addr, why)
	if c.json {
		_ = c.line("resuming_run", text, map[string]any{"addr": addr, "why": why})
		return
	}
	fmt.Fprintln(c.stdout, wrap(text+".", "", screenWidth(c.stdout)))
}

// cutShort finds the runs that did not come to their end, and those that are
// owed, with the words for it. What -no-sync left is owed to accord sync.
func (w *workspace) cutShort(ctx context.Context, op *planner.Operation) (map[addrs.Instance]string, error) {
	syncs, err := w.journal.Syncs(ctx)
	if errors.Is(err, state.ErrNoJournal) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	memories, err := w.journal.Memories(ctx, syncs)
	if err != nil {
		return nil, err
	}
	cut := map[addrs.Instance]string{}
	for n, addr := range syncs {
		m := memories[n]
		open, err := w.journal.Open(ctx, addr)
		if err != nil {
			return nil, err
		}
		open = slices.DeleteFunc(open, func(b state.Batch) bool { return b.Verb == state.Await })
		last := m.Last
		switch {
		case last != nil && last.Outcome == "":
			cut[addr] = fmt.Sprintf("its %s run of %s came to no end", last.Mode, last.Started.UTC().Format(time.RFC3339))
		case last != nil && last.Outcome == state.Interrupted:
			cut[addr] = fmt.Sprintf("its %s run of %s was interrupted", last.Mode, last.Started.UTC().Format(time.RFC3339))
		case len(open) > 0:
			cut[addr] = count(len(open), "batch") + " of an earlier run without a known end"
		case len(m.Owed) > 0 && (op == nil || !op.NoSync):
			cut[addr] = "a full run is owed (" + syncer.Decision{Reasons: syncer.Owed(m)}.Why() + ")"
		}
	}
	return cut, nil
}
