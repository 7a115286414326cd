package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// runWithdrawal withdraws everything that accord published through the points
// that were named (INT-4): counted first, under the limits, and upon a yes. What
// an interrupted one has left is withdrawn by the next, or by accord resume.
func (w *workspace) runWithdrawal(ctx context.Context, st *state.State, targets []addrs.Instance, o syncOptions) error {
	settings, ok := planner.AppliedSettings(st)
	if !ok {
		return &providers.Error{Kind: providers.Invalid, Message: "nothing has been applied yet", Advice: "Syncs run what was applied. Run: accord apply"}
	}
	found, away, err := w.reach(ctx, w.planner.AppliedInstances(st), nil, o.preview)
	if err != nil {
		return err
	}
	progress := w.cli.progress()
	w.named = o.verbose || o.preview && w.cli.json
	if err := w.openSyncer(settings, progress.syncer); err != nil {
		return err
	}
	tasks, cutOff, err := w.appliedTasks(ctx, st, found, away)
	if err != nil {
		return err
	}
	missed, err := w.tellAway(away, cutOff, o.meant)
	if err != nil {
		return err
	}
	if err := w.choose(tasks, targets, o); err != nil {
		return err
	}
	return orMissed(w.withdraw(ctx, tasks, progress, o), missed)
}

// withdraw shows what runs that withdraw would do, asks, and has it done.
func (w *workspace) withdraw(ctx context.Context, tasks []syncer.Task, progress *progress, o syncOptions) error {
	impacts, err := w.planner.Syncer.Preview(ctx, tasks)
	progress.clear()
	if err != nil {
		return err
	}
	w.cli.showImpacts(tasks, impacts, o.verbose)
	refused := w.obstacles(impacts)
	if err := w.verdicts(impacts); err != nil {
		return err
	}
	items, vaults := 0, map[addrs.Instance]bool{}
	for i := range impacts {
		if n := impacts[i].Total.Withdrawn; n > 0 {
			items += n
			vaults[impacts[i].Target] = true
		}
	}
	w.cli.afterWithdrawal(tasks, impacts)
	switch {
	case o.preview && refused:
		return told(exitRefused)
	case o.preview:
		return nil
	case items == 0:
		return w.syncReport(ctx, tasks, nil, nil, o)
	}
	if !o.autoApprove {
		err := w.cli.ask(fmt.Sprintf("Withdraw %s from %s?", count(items, "item"), count(len(vaults), "vault")), "Give -auto-approve, after the same with -preview.")
		if err != nil {
			return err
		}
	}
	for i := range tasks {
		t := &tasks[i]
		for n := range impacts {
			if impacts[n].Addr == t.Sync.Addr {
				t.Promise = impacts[n].Promise()
			}
		}
	}
	outcomes := w.planner.Syncer.Run(ctx, tasks)
	progress.clear()
	err = w.syncReport(ctx, tasks, outcomes, nil, o)
	w.tell(ctx)
	return err
}

// afterWithdrawal says of each point whether its content stays away.
func (c *cli) afterWithdrawal(tasks []syncer.Task, impacts []syncer.Impact) {
	for _, i := range impacts {
		for _, t := range tasks {
			if t.Sync.Addr != i.Addr || i.Total.Withdrawn == 0 || t.Decision.Has(syncer.WithdrawKept) {
				continue
			}
			text := fmt.Sprintf("%s is inactive: this content stays away until the point is activated; then a full sync publishes what the rules ask for (INT-5)", i.Addr)
			if t.Sync.Active {
				text = fmt.Sprintf("%s is active: the next apply, sync or serve publishes again what the rules ask for. To keep it away, set status = \"inactive\" and apply that first", i.Addr)
			}
			if c.json {
				_ = c.line("withdrawal", text, map[string]any{"addr": i.Addr, "vault": i.Target, "items": i.Total.Withdrawn, "returns": t.Sync.Active})
				continue
			}
			fmt.Fprintf(c.stdout, "\n%s\n", wrap(text+".", "", screenWidth(c.stdout)))
		}
	}
}

// showImpacts prints what runs would do to the content.
func (c *cli) showImpacts(tasks []syncer.Task, impacts []syncer.Impact, verbose bool) {
	p := &plan.Plan{}
	for _, t := range tasks {
		p.Syncs = append(p.Syncs, plan.SyncLine{Addr: t.Sync.Addr, Title: t.Sync.Title, Vault: t.Sync.Target.Instance, Decision: t.Decision})
	}
	for _, i := range impacts {
		p.Content = append(p.Content, plan.Content{Addr: i.Addr, Vault: i.Target, Title: i.Title, Impact: i})
	}
	if c.json {
		c.newlyLines(documentOf(p))
		c.contentLines(documentOf(p))
		return
	}
	v := c.planView(documentOf(p), verbose)
	v.newly()
	v.content()
	v.syncs()
}

// obstacles tells once of what would keep runs from being made, however many; refused is
// whether it is more than a warning.
func (w *workspace) obstacles(impacts []syncer.Impact) (refused bool) {
	told := map[string]bool{}
	for _, i := range impacts {
		for _, d := range i.Obstacles {
			if !told[d.Summary] {
				told[d.Summary], refused = true, refused || d.Severity == providers.SeverityError
				w.cli.diagnostics(hcl.Diagnostics{planner.Place(w.locate(d.Addr), d)})
			}
		}
	}
	return refused
}

// verdicts says which limits runs would break, and how one is lifted.
func (w *workspace) verdicts(impacts []syncer.Impact) error {
	broken := false
	for _, i := range impacts {
		for _, v := range i.Verdicts {
			broken = true
			w.cli.diagnostics(hcl.Diagnostics{planner.Place(w.locate(i.Addr), providers.Diagnostic{Severity: providers.SeverityError, Code: "LIMIT", Addr: i.Addr, Refused: true, Summary: v.Message,
				Detail: fmt.Sprintf("The line to change is %s. To lift the limit once, for this sync alone: -allow='%s'", v.Place, v.Allow)})})
		}
	}
	if broken {
		return told(exitRefused)
	}
	return nil
}
