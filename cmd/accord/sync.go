package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"

	"github.com/hashicorp/hcl/v2"
)

type syncOptions struct {
	full    bool
	preview bool
	verbose bool
	detach  bool

	// meant are the syncs that shall run; nil: whatever is due, and where a vault
	// does not answer, what needs it is left out.
	meant func(addrs.Instance) bool

	withdrawAll bool
	autoApprove bool

	allow  []string
	failOn failOn
}

func (c *cli) syncCommand() *cobra.Command {
	var o syncOptions
	cmd := &cobra.Command{
		Use:   "sync [ADDRESS…]",
		Short: "Run integration points now, as they were applied",
		Long: `Runs what is due: in full where the rules ask for it, else what changed since the
last run, and what failed then. It runs what was applied, never the files. With
addresses only these points run; an address without a key means all of its block.
Where a vault does not answer, the points that need it are left out, and sync ends
with its error, unless other points were named: these run.

A run that follows from an edited country filter may not begin before its delay is
over (CTRY-7), and sync waits for it when the others have run; an interrupt leaves it
to the next run. With -detach sync does not wait: it says when that run may begin, and
leaves it to the next apply, sync or serve.

With -withdraw-all nothing is synced: all content that accord published through these
points is withdrawn from their CRM vaults, whether or not they are active. It is counted
first, the limits hold (-allow), and only yes is taken for an answer. What others made
in these vaults is not touched. Content of an active point comes back with its next
full run, which is owed from then on; make it inactive first to keep it away.`,
		Example: `  accord sync
  accord sync -preview
  accord sync -detach
  accord sync -full 'integration_point.clm_presentation["us"]'
  accord sync -withdraw-all -preview 'integration_point.clm_presentation["us"]'`,
		Annotations: exits(exitRecords, exitRefused, exitLocked, exitAccess, exitInterrupted),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runSync(cmd.Context(), args, o) },
	}
	cmd.Flags().BoolVar(&o.full, "full", false, "read everything, not only what changed")
	cmd.Flags().BoolVar(&o.withdrawAll, "withdraw-all", false, "withdraw all that was published, and sync nothing")
	cmd.Flags().BoolVar(&o.autoApprove, "auto-approve", false, "with -withdraw-all: do not ask for yes")
	detachFlag(cmd, &o.detach)
	cmd.Flags().BoolVar(&o.preview, "preview", false, "count what would be done, and do nothing")
	cmd.Flags().BoolVar(&o.verbose, "verbose", false, "list everything")
	cmd.Flags().StringArrayVar(&o.allow, "allow", nil, "lift a limit once, by name: `withdraw:ADDRESS=N` or publish:ADDRESS=N")
	o.failOn.flag(cmd)
	return cmd
}

func (c *cli) runSync(ctx context.Context, args []string, o syncOptions) error {
	switch {
	case o.withdrawAll && o.full:
		return misused("-full brings over what there is, -withdraw-all takes back what was brought.", "-full and -withdraw-all exclude each other")
	case o.withdrawAll && o.detach:
		return misused("What is withdrawn is withdrawn now; only runs that wait can be left.", "-detach and -withdraw-all exclude each other")
	}
	targets, err := parseTargets(args)
	if err != nil {
		return err
	}
	w, err := c.remembering(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	st, err := w.store.Read(ctx)
	if err != nil {
		return err
	}
	if len(targets) > 0 {
		o.meant = func(a addrs.Instance) bool { return covered(targets, a) }
	}
	if o.withdrawAll {
		return w.placed(w.runWithdrawal(ctx, st, targets, o))
	}
	return w.placed(w.runDue(ctx, st, func(tasks []syncer.Task) error { return w.choose(tasks, targets, o) }, o))
}

// runDue runs what choose makes of the syncs as they were applied: at once what
// may begin, and what may not begin yet (CTRY-7) when it may. What was waited for
// is decided anew then: of several edits meanwhile the last one counts.
func (w *workspace) runDue(ctx context.Context, st *state.State, choose func([]syncer.Task) error, o syncOptions) (failed error) {
	instances := w.planner.AppliedInstances(st)
	if _, ok := planner.AppliedSettings(st); !ok {
		return &providers.Error{Kind: providers.Invalid, Message: "nothing has been applied yet", Advice: "Syncs run what was applied. Run: accord apply"}
	}
	found, errs, err := w.reach(ctx, instances, nil, o.preview)
	if err != nil {
		return err
	}
	var missed error
	defer func() { failed = orMissed(failed, missed) }()
	progress := w.cli.progress()
	w.named = o.preview && (o.verbose || w.cli.json)
	var all, later []syncer.Task
	var outcomes []syncer.Outcome
	for {
		settings, _ := planner.AppliedSettings(st)
		if err := w.openSyncer(settings, progress.syncer); err != nil {
			return err
		}
		tasks, cutOff, err := w.appliedTasks(ctx, st, found, errs)
		if err == nil && later == nil {
			missed, err = w.tellAway(errs, cutOff, o.meant)
		}
		if err != nil {
			return err
		}
		if err := choose(tasks); err != nil {
			return err
		}
		if o.preview {
			return w.previewSync(ctx, tasks, progress, o)
		}
		if later != nil { // the others had their turn
			keep(tasks, later)
		}
		var start time.Time
		later, start = syncer.Postpone(tasks, w.planner.Now())
		outcomes = append(outcomes, w.planner.Syncer.Run(ctx, tasks)...)
		all = append(all, tasks...)
		if len(later) == 0 || ctx.Err() != nil || o.detach {
			break
		}
		for _, t := range later {
			progress.syncer(syncer.Waiting{Addr: t.Sync.Addr, Until: cmp.Or(t.Decision.EarliestStart, start), Why: syncer.AfterEdit})
		}
		if syncer.Sleep(ctx, start.Sub(w.planner.Now())) != nil {
			break
		}
		if st, err = w.store.Read(ctx); err != nil {
			return err
		}
		if !slices.EqualFunc(instances, w.planner.AppliedInstances(st), sameInstance) {
			return &providers.Error{Kind: providers.Invalid, Message: "another configuration was applied while a run was waited for, and it has other vaults", Advice: "Nothing is lost. Run: accord sync"}
		}
	}
	w.dismiss()
	progress.clear()
	all = append(all, later...)
	if err := w.oweUnfinished(ctx, all, outcomes); err != nil {
		return err
	}
	var left []planner.Left
	if o.detach && ctx.Err() == nil {
		for _, t := range later {
			left = append(left, planner.Left{Addr: t.Sync.Addr, Decision: t.Decision})
		}
	}
	err = w.syncReport(ctx, all, outcomes, left, o)
	w.tell(ctx)
	return err
}

// appliedTasks are the syncs as they were applied; where vaults do not answer, those
// that hang together with none of them, and what hangs together with one. What else
// cannot be read ends it.
func (w *workspace) appliedTasks(ctx context.Context, st *state.State, found map[addrs.Instance]providers.Object, away []error) (tasks []syncer.Task, cutOff []addrs.Instance, err error) {
	if len(away) == 0 {
		tasks, err = w.planner.AppliedTasks(ctx, st, found, syncer.Request{})
		return tasks, nil, err
	}
	if len(found) == 0 {
		return nil, nil, w.accessProblems(away)
	}
	survey, err := w.planner.Survey(ctx, st, found)
	if err != nil {
		return nil, nil, err
	}
	cutOff = slices.SortedFunc(maps.Keys(survey.Unread), addrs.Instance.Compare)
	for _, addr := range cutOff {
		if err := survey.Unread[addr]; providers.KindOf(err) != providers.Access {
			return nil, nil, err
		}
	}
	return survey.Tasks, cutOff, nil
}

// tellAway tells of vaults that do not answer. Where all is meant the rest goes on,
// which is no success: missed is its end. Where that which is meant hangs together
// with one of them, nothing does.
func (w *workspace) tellAway(away []error, cutOff []addrs.Instance, meant func(addrs.Instance) bool) (missed, err error) {
	switch {
	case len(away) == 0:
		return nil, nil
	case meant == nil:
		return w.accessProblems(away), nil
	case slices.ContainsFunc(cutOff, meant):
		return nil, w.accessProblems(away)
	default:
		w.accessWarnings(away)
		return nil, nil
	}
}

// orMissed is how a command ended that did all but what it missed.
func orMissed(failed, missed error) error {
	if missed != nil && (failed == nil || exitCode(failed) == exitRecords) {
		return missed
	}
	return failed
}

// keep leaves only those runs among tasks that are among others.
func keep(tasks, others []syncer.Task) {
	for i := range tasks {
		t := &tasks[i]
		if !slices.ContainsFunc(others, func(o syncer.Task) bool { return o.Sync.Addr == t.Sync.Addr }) {
			t.Decision = syncer.Decision{At: t.Decision.At}
		}
	}
}

// oweUnfinished promises the full runs that an interrupt kept from beginning.
func (w *workspace) oweUnfinished(ctx context.Context, tasks []syncer.Task, outcomes []syncer.Outcome) error {
	if ctx.Err() == nil {
		return nil
	}
	ended := map[addrs.Instance]bool{}
	for _, o := range outcomes {
		ended[o.Addr] = o.Status == syncer.Clean || o.Status == syncer.Faulty || o.Status == syncer.Skipped
	}
	for _, t := range tasks {
		if t.Decision.Mode != syncer.Full || ended[t.Sync.Addr] {
			continue
		}
		if err := syncer.Owe(context.WithoutCancel(ctx), w.journal, t.Sync.Addr, t.Decision.Reasons, t.Allow); err != nil {
			return fmt.Errorf("record what is left to do: %w", err)
		}
	}
	return nil
}

func parseTargets(args []string) (targets []addrs.Instance, err error) {
	for _, a := range args {
		target, err := addrs.ParseTarget(a)
		if err != nil {
			return nil, err
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func covered(targets []addrs.Instance, a addrs.Instance) bool {
	return slices.ContainsFunc(targets, func(target addrs.Instance) bool { return target.Covers(a) })
}

// choose narrows the tasks to the targets that were given, and asks for a full run
// of these where -full says so. The others stay as route tables.
func (w *workspace) choose(tasks []syncer.Task, targets []addrs.Instance, o syncOptions) error {
	for _, target := range targets {
		if !slices.ContainsFunc(tasks, func(t syncer.Task) bool { return target.Covers(t.Sync.Addr) }) {
			var known []string
			for _, t := range tasks {
				known = append(known, t.Sync.Addr.String())
			}
			return fmt.Errorf("%s is no sync that was applied; there are: %s", target, strings.Join(known, ", "))
		}
	}
	if err := planner.CheckAllowFor(o.allow, tasks); err != nil {
		return misused("It is about one sync: withdraw:ADDRESS=N or publish:ADDRESS=N.", "-allow: %s", err)
	}
	for i := range tasks {
		t := &tasks[i]
		chosen := len(targets) == 0 || covered(targets, t.Sync.Addr)
		t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{Full: o.full && chosen, Withdraw: o.withdrawAll}, w.planner.Now())
		if o.withdrawAll && chosen && len(targets) == 0 {
			chosen = betweenVaults(t.Sync) // where it was not named, it is not meant
		}
		if o.withdrawAll && chosen && !betweenVaults(t.Sync) {
			return &providers.Error{Kind: providers.Refused, Addr: t.Sync.Addr,
				Message: fmt.Sprintf("%s publishes no content: it keeps records that content is routed by", t.Sync.Addr),
				Advice:  "Name the point that publishes: accord sync -withdraw-all 'integration_point.NAME'"}
		}
		if !chosen {
			t.Decision = syncer.Decision{At: t.Decision.At}
		} else if o.withdrawAll && t.Sync.Engine == providers.EnginePlatform && len(targets) > 0 {
			return &providers.Error{Kind: providers.Refused, Addr: t.Sync.Addr,
				Message: fmt.Sprintf("%s has engine = \"platform\": what that engine published is not accord's to withdraw", t.Sync.Addr),
				Advice:  "Set Publish for CRM (CLM) to No in the content vault, or withdraw it in the CRM vault itself."}
		} else if t.Sync.Engine == providers.EnginePlatform && len(targets) > 0 && t.Sync.Active && t.Decision.Mode == syncer.None {
			return runsByItself(t.Sync.Addr)
		}
		allow, err := planner.Allowance(o.allow, t.Sync.Addr)
		if err != nil {
			return err
		}
		t.Allow = allow
	}
	syncer.TablesFirst(tasks)
	return nil
}

// runsByItself is why a point of the platform's own engine is not run for what changed.
func runsByItself(point addrs.Instance) error {
	return &providers.Error{Kind: providers.Refused, Addr: point,
		Message: fmt.Sprintf("%s has engine = \"platform\": that engine runs what changed by itself, and can be asked for a full run only", point),
		Advice:  "Ask for one, and follow it: accord sync -full '" + point.String() + "'"}
}

// betweenVaults: from one vault to another. What stays within one is a table that
// others route by.
func betweenVaults(s providers.Sync) bool { return s.Source.Instance != s.Target.Instance }

func (w *workspace) previewSync(ctx context.Context, tasks []syncer.Task, progress *progress, o syncOptions) error {
	impacts, err := w.planner.Syncer.Preview(ctx, tasks)
	w.dismiss()
	progress.clear()
	if err != nil {
		return err
	}
	for _, i := range impacts { // a run turns full where its route table does
		if at := slices.IndexFunc(tasks, func(t syncer.Task) bool { return t.Sync.Addr == i.Addr }); at >= 0 {
			tasks[at].Decision = i.Decision
		}
	}
	w.cli.showImpacts(tasks, impacts, o.verbose)
	refused := w.obstacles(impacts)
	if err := w.verdicts(impacts); err != nil || !refused {
		return err
	}
	return told(exitRefused)
}

// syncReport prints how the runs ended, and which were left, and picks the exit
// code.
func (w *workspace) syncReport(ctx context.Context, tasks []syncer.Task, outcomes []syncer.Outcome, left []planner.Left, o syncOptions) error {
	c, code := w.cli, exitOK
	var failed []planner.Failure
	var blocked []providers.Ref // by others that are among these
	var err error
	for _, out := range outcomes {
		if out.Err == nil || ctx.Err() != nil && out.Status != syncer.Refused {
			continue // after an interrupt, that is all there is to say
		}
		if out.Status == syncer.Blocked {
			blocked = append(blocked, providers.Ref{Addr: out.Addr, Sync: true})
			err = out.Err
		} else {
			failed = append(failed, planner.Failure{Ref: providers.Ref{Addr: out.Addr, Sync: true}, Err: out.Err})
		}
		if got := exitCode(out.Err); out.Status != syncer.Blocked && (got != exitError || code == exitOK) { // what blocks it counts
			code = got
		}
	}
	if len(blocked) > 1 {
		err = providers.Errorf(providers.Refused, "they did not run, since the runs that go before them did not come to their end")
	}
	c.failures(failed, w.locate)
	if err != nil {
		c.diagnosticsOf(w.locate(blocked[0].Addr), describeRefs(blocked), err)
	}
	switch {
	case c.json:
		for _, out := range outcomes {
			c.outcomeLine(out)
		}
		c.leftLines(left)
		for _, t := range tasks {
			if t.Decision.Idle != "" {
				_ = c.line("sync_idle", fmt.Sprintf("%s does not run: %s", t.Sync.Addr, t.Decision.Idle), map[string]any{"addr": t.Sync.Addr, "why": t.Decision.Idle})
			}
		}
		_ = c.line("sync_summary", contentText(outcomes), map[string]any{"runs": len(outcomes)})
	case len(outcomes) == 0 && len(left) > 0:
		fmt.Fprintln(c.stdout, "Nothing may run yet.")
	case len(outcomes) == 0:
		fmt.Fprintln(c.stdout, "Nothing is due.")
		showIdle(c.stdout, tasks)
	default:
		showOutcomes(c.stdout, outcomes)
		if showsIdle(tasks) {
			fmt.Fprintln(c.stdout)
			showIdle(c.stdout, tasks)
		}
		fmt.Fprintf(c.stdout, "\n%s %s.\n", bold("Sync:"), contentText(outcomes))
	}
	if len(left) > 0 && !c.json {
		showLeft(c.stdout, left)
		fmt.Fprintf(c.stdout, "\n%s\n", leftTo)
	}
	switch {
	case ctx.Err() != nil:
		if !c.json {
			fmt.Fprintf(c.stdout, "\n%s What was done is on record. To go on: accord resume\n", bold("Interrupted."))
		}
		return told(exitInterrupted)
	case code != exitOK:
		return told(code)
	}
	return told(outcomesCode(outcomes, o.failOn))
}

func showsIdle(tasks []syncer.Task) bool {
	return slices.ContainsFunc(tasks, func(t syncer.Task) bool { return t.Decision.Idle != "" })
}

// showIdle says what does not run, and why.
func showIdle(to io.Writer, tasks []syncer.Task) {
	for _, t := range tasks {
		if t.Decision.Idle != "" {
			fmt.Fprintf(to, "  %s does not run: %s\n", t.Sync.Addr, clean(t.Decision.Idle))
		}
	}
}

// diagnosticsOf prints an error that has a subject but perhaps no line.
func (c *cli) diagnosticsOf(at planner.Locator, subject string, err error) {
	var d providers.Diagnostic
	var leased *state.LeasedError
	if errors.As(err, &leased) {
		err, subject = leased, ""
	}
	var perr *providers.Error
	if errors.As(err, &perr) {
		d = providers.Diagnostic{Severity: providers.SeverityError, Addr: perr.Addr, Path: perr.Path, Summary: sentence(perr.Error()), Detail: perr.Advice}
	} else {
		d = providers.Diagnostic{Severity: providers.SeverityError, Summary: sentence(err.Error())}
	}
	if subject != "" && !strings.Contains(d.Summary, subject) {
		d.Summary = subject + ": " + err.Error()
	}
	diag := planner.Place(at, d)
	c.diagnostics(hcl.Diagnostics{diag})
}
