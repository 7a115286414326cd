package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/providers"
)

type driftOptions struct {
	inputs
	look
}

func (c *cli) driftCommand() *cobra.Command {
	var o driftOptions
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Show what differs outside from what was applied",
		Long: `Reads everything that was applied, and shows what was changed or taken away outside
since. What the files say otherwise is listed apart, as not applied yet; so is what
no file speaks of, and how far the syncs are behind. None of these is drift.

Nothing is written, and no lock is taken: the vaults are reached by clients without
writing methods, as the user of ACCORD_VAULT_X_READ_USER where one is set. A suppress
block in the accord block of the files takes a known difference out until its day is
over; it is listed all the same.`,
		Example: `  accord drift
  accord drift -verbose
  accord drift -format=markdown
  accord drift -json`,
		Annotations: exits(exitDrift, exitRefused, exitAccess, exitInterrupted),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runDrift(cmd.Context(), o) },
	}
	o.inputs.flags(cmd)
	cmd.Flags().BoolVar(&o.verbose, "verbose", false, "list everything")
	o.formatFlags(cmd)
	return cmd
}

func (c *cli) runDrift(ctx context.Context, o driftOptions) error {
	if err := o.look.check(c, "drift"); err != nil {
		return err
	}
	w, st, err := c.withState(ctx, o.inputs)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, ok := planner.AppliedSettings(st); !ok {
		return &providers.Error{Kind: providers.Invalid, Message: "nothing has been applied yet", Advice: "Drift is the difference from what was applied. Run: accord plan"}
	}
	req := planner.Request{Desired: w.desired, State: st}
	if req.Instances, err = w.connect(ctx, w.planner.DriftInstances(req), nil, true); err != nil {
		return err
	}
	progress := c.progress()
	w.planner.Events = progress.planner
	d, diags := w.planner.Drift(ctx, req)
	progress.clear()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case d == nil:
	case o.document():
		if err := c.showDriftDocument(d, o.look); err != nil {
			return err
		}
	default:
		c.showDrift(d, o.verbose)
	}
	if diags.HasErrors() {
		return w.planProblems(ctx, diags)
	}
	c.diagnostics(diags)
	if len(d.Changed) > 0 {
		return told(exitDrift)
	}
	return nil
}

func (c *cli) showDrift(d *planner.Drift, verbose bool) {
	if c.json {
		c.driftLines(d)
		return
	}
	v := driftView{planView: c.planView(documentOf(&plan.Plan{}), verbose), drift: d}
	v.line("Read %s in %s in %s, and wrote nothing.", count(d.Reads.Objects, "object"), count(d.Reads.Instances, "vault"), round(d.Reads.Took))
	v.changed()
	v.suppressed()
	v.pending()
	v.unmanaged()
	v.syncs()
	v.verdict()
}

// driftView prints drift for people.
type driftView struct {
	planView
	drift *planner.Drift
}

func (v *driftView) changed() {
	if len(v.drift.Changed) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Changed outside (%d)", len(v.drift.Changed)))
	for _, group := range alike(v.drift.Changed, v.verbose) {
		c := group[0]
		if c.Action == providers.Remove {
			v.line("  %s %s is gone  %s", red("-"), address(group), faint(c.At()))
		} else {
			v.line("  %s %s  %s", yellow("~"), address(group), faint(c.At()))
			v.edits(v.told(placed(group)), "      ", eachKey(group))
			for _, c := range group {
				if t := c.Touched; t != nil {
					v.text("      ", clean(touchText(c, t, len(group) > 1)))
				}
			}
		}
		for _, s := range v.drift.Expired {
			if s.Change.Addr == c.Addr {
				v.text("      ", fmt.Sprintf("! its suppression expired on %s (%s: %s, %s)", s.By.Expires.Format(time.DateOnly), clean(s.By.Owner), clean(s.By.Reason), placeText(s)))
			}
		}
	}
}

// touchText says who changed an object outside; of several, which.
func touchText(c plan.Change, t *providers.Touch, several bool) string {
	text := fmt.Sprintf("by %s, %s UTC", t.Who, t.At.UTC().Format(time.DateTime))
	if several {
		text = c.Addr.Key + ": " + text
	}
	if t.What != "" {
		text += ": " + t.What
	}
	if t.Entry != "" {
		text += fmt.Sprintf(" (audit trail, entry %s)", t.Entry)
	}
	return text
}

func placeText(s planner.Suppressed) string {
	return fmt.Sprintf("%s:%d", s.By.Range.Filename, s.By.Range.Start.Line)
}

func (v *driftView) suppressed() {
	if len(v.drift.Suppressed) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Changed outside, and suppressed (%d)", len(v.drift.Suppressed)))
	for _, s := range v.drift.Suppressed {
		what := ""
		if s.Change.Action == providers.Remove {
			what = " is gone"
		}
		v.line("  %s %s%s  %s", faint("~"), s.Change.Addr, what, faint(placeText(s)))
		v.edits(v.told(s.Change.Edits), "      ", eachKey(nil))
		v.text("      ", fmt.Sprintf("%s, %s: %s", clean(s.By.Owner), until(s), clean(s.By.Reason)))
	}
}

func until(s planner.Suppressed) string {
	if s.By.Expires.IsZero() {
		return "without an end"
	}
	return "until " + s.By.Expires.Format(time.DateOnly)
}

func (v *driftView) pending() {
	n := len(v.drift.Pending) + len(v.drift.Moves)
	if n == 0 {
		return
	}
	v.heading(fmt.Sprintf("Not applied yet (%d); not drift", n))
	for _, m := range v.drift.Moves {
		v.line("    %s is now %s  %s", m.From, m.To, faint(m.At()))
	}
	for _, group := range alike(v.drift.Pending, v.verbose) {
		c := group[0]
		v.line("  %s %s  %s  %s", paint(c.Action, symbols[c.Action]), address(group), faint(c.At()), faint(c.Reason.Words()))
		v.edits(placed(group), "      ", eachKey(group))
	}
}

func (v *driftView) unmanaged() {
	if n := len(v.drift.Unmanaged); n > 0 {
		v.heading(fmt.Sprintf("Not under code (%d); not drift", n))
		byType := map[string]int{}
		for _, o := range v.drift.Unmanaged {
			byType[o.Type]++
		}
		for _, typ := range slices.Sorted(maps.Keys(byType)) {
			v.line("    %s %s", number(byType[typ]), typ)
			if v.verbose {
				for _, o := range v.drift.Unmanaged {
					if o.Type == typ {
						v.line("        %s  %s", clean(o.ID), faint(shorten(clean(string(o.Body)), v.width-12)))
					}
				}
			}
		}
		v.text("    ", faint("accord export writes the blocks for them."))
	}
	for _, addr := range slices.SortedFunc(maps.Keys(v.drift.Unlisted), addrs.Instance.Compare) {
		v.text("  ", fmt.Sprintf("? what is not under code in %s could not be found out: %s", addr, clean(v.drift.Unlisted[addr].Error())))
	}
}

func (v *driftView) syncs() {
	var late []planner.SyncStanding
	for _, s := range v.drift.Syncs {
		if s.Late() || v.verbose {
			late = append(late, s)
		}
	}
	if len(late) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Syncs (%d of %d behind); not drift", lateSyncs(v.drift), len(v.drift.Syncs)))
	for _, s := range late {
		text := []string{s.Addr.String(), syncText(s.Decision)}
		if s.Failures > 0 {
			text = append(text, count(s.Failures, "item")+" failed and waiting")
		}
		if s.LastSuccess.IsZero() {
			text = append(text, "never succeeded")
		} else {
			text = append(text, "last success "+s.LastSuccess.UTC().Format(time.DateTime)+" UTC")
		}
		v.text("    ", clean(strings.Join(text, "; ")))
	}
}

func lateSyncs(d *planner.Drift) int {
	n := 0
	for i := range d.Syncs {
		if d.Syncs[i].Late() {
			n++
		}
	}
	return n
}

func gone(changes []plan.Change) int {
	n := 0
	for _, c := range changes {
		if c.Action == providers.Remove {
			n++
		}
	}
	return n
}

func (v *driftView) verdict() {
	more := ""
	if len(v.drift.Changed) > 0 {
		more = " accord plan shows what apply would put back."
	}
	v.line("\n%s%s", bold(driftVerdict(v.drift)+"."), more)
}

func (c *cli) driftLines(d *planner.Drift) {
	for _, ch := range d.Changed {
		_ = c.line("drift", fmt.Sprintf("%s changed outside", ch.Addr), map[string]any{"change": ch})
	}
	for _, list := range []struct {
		of      []planner.Suppressed
		expired bool
	}{{d.Suppressed, false}, {d.Expired, true}} {
		for _, s := range list.of {
			data := map[string]any{"change": s.Change, "owner": s.By.Owner, "reason": s.By.Reason, "expired": list.expired}
			if !s.By.Expires.IsZero() {
				data["until"] = s.By.Expires.Format(time.DateOnly)
			}
			_ = c.line("drift_suppressed", fmt.Sprintf("%s: %s", s.Change.Addr, s.By.Reason), data)
		}
	}
	for _, mv := range d.Moves {
		_ = c.line("resource_moved", fmt.Sprintf("%s is now %s", mv.From, mv.To), map[string]any{"from": mv.From, "to": mv.To})
	}
	for _, ch := range d.Pending {
		_ = c.line("drift_pending", fmt.Sprintf("%s is not applied yet", ch.Addr), map[string]any{"change": ch})
	}
	for _, o := range d.Unmanaged {
		_ = c.line("drift_unmanaged", fmt.Sprintf("%s %s is not under code", o.Type, o.ID), map[string]any{"object": o})
	}
	for _, s := range d.Syncs {
		data := map[string]any{"addr": s.Addr, "title": s.Title, "vault": s.Vault, "decision": s.Decision, "failures": s.Failures}
		if !s.LastSuccess.IsZero() {
			data["last_success"] = s.LastSuccess
		}
		_ = c.line("sync_standing", fmt.Sprintf("%s: %s", s.Addr, modeText(s.Decision)), data)
	}
	lost := gone(d.Changed)
	_ = c.line("drift_summary", fmt.Sprintf("%d changed outside, %d gone", len(d.Changed)-lost, lost), map[string]any{
		"changed": len(d.Changed) - lost, "gone": lost, "suppressed": len(d.Suppressed), "expired": len(d.Expired), "pending": len(d.Pending),
		"unmanaged": len(d.Unmanaged), "syncs_late": lateSyncs(d), "objects": d.Reads.Objects, "unread": d.Unread, "instances": d.Reads.Instances,
	})
}
