package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// showReport says what really happened; cut, if not nil, is why it ended before
// its time. What is resumed may be of runs that did a part before.
func (c *cli) showReport(w *workspace, p *plan.Plan, r *planner.Report, resumed bool, cut error) {
	c.showFailures(w, r)
	verdict := "Apply complete"
	switch {
	case r.Interrupted:
		verdict = "Interrupted"
	case cut != nil:
		verdict = "Apply was cut short"
	case r.Overtaken != nil && len(r.Left)+len(r.Skipped) > 0:
		verdict = "Apply ended early"
	case len(r.Failed) > 0:
		verdict = "Apply finished with problems"
	case p.Empty():
		verdict = "Nothing was changed: no write call was made to any vault"
	}
	if c.json {
		for _, o := range r.Outcomes {
			c.outcomeLine(o)
		}
		c.leftLines(r.Left)
		for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
			v := r.Outputs[name]
			val := v.JSON
			if v.Sensitive {
				val = nil
			}
			_ = c.line("output", name, map[string]any{"name": name, "value": val, "sensitive": v.Sensitive})
		}
		_ = c.line("apply_complete", verdict, map[string]any{
			"done": r.Done, "renamed": r.Renamed, "failed": len(r.Failed), "skipped": len(r.Skipped), "interrupted": r.Interrupted, "took_ms": r.Took.Milliseconds(),
		})
		return
	}
	showResources(c.stdout, p, r)
	showOutcomes(c.stdout, r.Outcomes)
	if !resumed {
		showMovedOn(c.stdout, p, r.Outcomes)
	}
	showLeft(c.stdout, r.Left)
	for _, s := range r.Skipped {
		fmt.Fprintf(c.stdout, "  not done: %s, because %s\n", describeRef(s.Ref), s.Because)
	}
	showOutputs(c.stdout, r)
	text := bold(verdict)
	if !p.Empty() || cut != nil {
		text += fmt.Sprintf(": %s, in %s", doneText(r), round(r.Took))
		if len(r.Outcomes) > 0 {
			text += "; " + contentText(r.Outcomes)
		}
	}
	text += "."
	switch {
	case r.Interrupted:
		text += " What was done is on record. To go on: accord resume"
	case cut != nil:
		text += " When its cause is repaired, accord plan shows what is left."
	case r.Overtaken != nil && len(r.Left)+len(r.Skipped) > 0:
		text += " To go on: accord plan"
	case len(r.Failed) > 0 && r.Unfinished():
		text += " When its cause is repaired, go on: accord resume"
	case len(r.Failed) > 0:
		text += " Every run tries what failed again; what to do about it: accord exceptions list"
	case len(r.Skipped) > 0:
		text += " What was not done is done by: accord resume"
	case len(r.Left) > 0:
		text += " " + leftTo
	}
	fmt.Fprintf(c.stdout, "\n%s\n", wrap(text, "", screenWidth(c.stdout)))
}

// showResources prints a table of what became of the objects, by type, where
// not all went well; else the totals say it.
func showResources(w io.Writer, p *plan.Plan, r *planner.Report) {
	type tally struct{ done, failed, left int }
	byType := map[string]*tally{}
	failed, left := map[providers.Ref]bool{}, map[providers.Ref]bool{}
	for _, f := range r.Failed {
		failed[f.Ref] = true
	}
	for _, s := range r.Skipped {
		left[s.Ref] = true
	}
	trouble := false
	for _, s := range p.Steps {
		if s.Ref.Sync || s.Item == nil || s.Item.Action == providers.NoAction {
			continue
		}
		typ := s.Ref.Addr.Type
		if byType[typ] == nil {
			byType[typ] = &tally{}
		}
		switch t := byType[typ]; {
		case failed[s.Ref]:
			t.failed++
			trouble = true
		case left[s.Ref]:
			t.left++
			trouble = true
		default:
			t.done++
		}
	}
	if !trouble {
		return
	}
	fmt.Fprintf(w, "\n%s\n", bold("Resources"))
	t := table{head: []string{"", "done", "failed", "not begun"}}
	for _, typ := range slices.Sorted(maps.Keys(byType)) {
		t.add(typ, number(byType[typ].done), number(byType[typ].failed), number(byType[typ].left))
	}
	t.print(w, "  ", screenWidth(w))
}

// showFailures prints what went wrong in an apply.
func (c *cli) showFailures(w *workspace, r *planner.Report) {
	failed := slices.DeleteFunc(slices.Clone(r.Failed), func(f planner.Failure) bool {
		return errors.As(f.Err, new(*planner.ItemsFailed)) || r.Interrupted && errors.Is(f.Err, context.Canceled) // the table of runs tells
	})
	c.failures(failed, w.locate)
}

// failures prints errors; what went wrong alike, once. locate may return nil.
func (c *cli) failures(failed []planner.Failure, locate func(addrs.Instance) planner.Locator) {
	var order []string
	alike := map[string][]planner.Failure{}
	for _, f := range failed {
		text := f.Err.Error()
		if cause := causeOf(f.Err); cause != nil {
			text = cause.Message
		}
		if alike[text] == nil {
			order = append(order, text)
		}
		alike[text] = append(alike[text], f)
	}
	for _, text := range order {
		first := alike[text][0]
		var refs []providers.Ref
		for _, f := range alike[text] {
			refs = append(refs, f.Ref)
		}
		err := first.Err
		if cause := causeOf(err); cause != nil && slices.ContainsFunc(alike[text], func(f planner.Failure) bool { return f.Err.Error() != err.Error() }) {
			err = cause // which is all that they have in common
		}
		at := locate(first.Ref.Addr)
		var perr *providers.Error
		if errors.As(err, &perr) {
			if cause := locate(perr.Addr); cause != nil { // what a run is refused for may be another block's
				at = cause
			}
		}
		c.diagnosticsOf(at, describeRefs(refs), err)
	}
}

// describeRefs names objects and runs, those of one block together.
func describeRefs(refs []providers.Ref) string {
	type group struct {
		first providers.Ref
		keys  []string
	}
	var groups []*group
	for _, ref := range refs {
		n := slices.IndexFunc(groups, func(g *group) bool {
			return ref.Addr.Keyed && g.first.Addr.Keyed && g.first.Sync == ref.Sync && g.first.Addr.Block == ref.Addr.Block
		})
		if n < 0 {
			n, groups = len(groups), append(groups, &group{first: ref})
		}
		groups[n].keys = append(groups[n].keys, ref.Addr.Key)
	}
	var names []string
	for _, g := range groups {
		name := addrs.Several(g.first.Addr, g.keys)
		if g.first.Sync {
			name = "run of " + name
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// causeOf is the provider's error that err comes from, nil where none is.
func causeOf(err error) *providers.Error {
	var cause *providers.Error
	errors.As(err, &cause)
	return cause
}

func describeRef(ref providers.Ref) string {
	if ref.Sync {
		return "run of " + ref.Addr.String()
	}
	return ref.Addr.String()
}

func doneText(r *planner.Report) string {
	var parts []string
	for _, a := range []struct {
		action providers.Action
		word   string
	}{
		{providers.Create, "created"}, {providers.Adopt, "adopted"}, {providers.Update, "changed"},
		{providers.Replace, "replaced"}, {providers.Remove, "removed"},
	} {
		if n := r.Done[a.action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, a.word))
		}
	}
	if r.Renamed > 0 {
		parts = append(parts, fmt.Sprintf("%d renamed", r.Renamed))
	}
	if len(parts) == 0 {
		return "no configuration changed"
	}
	return strings.Join(parts, ", ")
}

// showOutcomes prints a table of runs, and the first failures of each.
func showOutcomes(w io.Writer, outcomes []syncer.Outcome) {
	if len(outcomes) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", bold("Runs"))
	t := table{head: []string{"", "mode", "outcome", "published", "updated", "withdrawn", "failed", "calls", "time"}}
	for _, o := range outcomes {
		mode := string(o.Decision.Mode)
		if mode == "" {
			mode = "—"
		}
		of := func(n int) string { // what another engine does is not counted one by one
			if o.Decision.Engine != "" {
				return "–"
			}
			return number(n)
		}
		t.add(o.Addr.String(), mode, string(o.Status),
			of(o.Done.Published()), of(o.Done.Updated), of(o.Done.Withdrawn), number(o.Failed), of(o.Calls), round(o.Ended.Sub(o.Started)).String())
	}
	t.print(w, "  ", screenWidth(w))
	if slices.ContainsFunc(outcomes, func(o syncer.Outcome) bool { return o.Status == syncer.Skipped }) {
		fmt.Fprintln(w, "\n  skipped: another run, of accord serve or of another command, has done it since")
	}
	for _, o := range outcomes {
		showFollowed(w, o)
		if withheld(o) || len(o.Failures) > 0 || len(keptOf(o)) > 0 {
			fmt.Fprintf(w, "\n  %s\n", o.Addr)
		}
		if withheld(o) {
			fmt.Fprintf(w, "    %s %s\n", red("nothing is withdrawn:"), clean(o.Impact.Withheld))
		}
		showFailedItems(w, o)
		showKept(w, o)
	}
}

// withheld reports whether a run withdrew nothing, since what it routes by may lack
// something: a reason by itself for not being clean.
func withheld(o syncer.Outcome) bool {
	return o.Status == syncer.Faulty && o.Impact.Withheld != ""
}

// showMovedOn says what the plan showed of runs that found something else to do.
func showMovedOn(w io.Writer, p *plan.Plan, outcomes []syncer.Outcome) {
	for _, o := range outcomes {
		step := p.Step(providers.Ref{Addr: o.Addr, Sync: true})
		if step == nil || step.Promise == nil || o.Status != syncer.Clean && o.Status != syncer.Faulty || o.Decision.Engine != "" {
			continue
		}
		shown, found := step.Promise, o.Impact.Total
		if shown.Published == found.Published() && shown.Updated == found.Updated && shown.Withdrawn == found.Withdrawn {
			continue
		}
		text := fmt.Sprintf("%s: the plan showed %s published, %s updated, %s withdrawn; the vaults have moved on since", o.Addr, number(shown.Published), number(shown.Updated), number(shown.Withdrawn))
		fmt.Fprintf(w, "  %s\n", wrap(text, "    ", screenWidth(w)))
	}
}

// showKept names what stays in the target and calls for somebody. A member that
// stays is not named: what holds it is, here or among the failures.
func showKept(w io.Writer, o syncer.Outcome) {
	var titles []string
	total := 0
	for _, p := range o.Impact.Parts {
		if p.Routed {
			total += p.Kept
		}
	}
	for _, it := range keptOf(o) {
		if len(titles) < 3 {
			titles = append(titles, fmt.Sprintf("%s (%s)", it.Title, it.Reason))
		}
	}
	if len(titles) == 0 {
		return
	}
	more := ""
	if total > len(titles) {
		more = fmt.Sprintf(" … and %s more", number(total-len(titles)))
	}
	fmt.Fprintf(w, "    %s %s%s\n", yellow("kept as they are:"), clean(strings.Join(titles, "; ")), more)
}

// keptOf are the first routed items that a run kept.
func keptOf(o syncer.Outcome) []syncer.Item {
	var kept []syncer.Item
	for _, it := range o.Impact.Names[syncer.Kept] {
		if slices.ContainsFunc(o.Impact.Parts, func(p syncer.PartImpact) bool { return p.Part == it.Part && p.Routed }) {
			kept = append(kept, it)
		}
	}
	return kept
}

// showLeft prints the runs that are owed, and when they may begin.
func showLeft(w io.Writer, left []planner.Left) {
	if len(left) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", bold("Runs that are left"))
	t := table{head: []string{"", "mode", "why"}}
	for _, l := range left {
		t.add(l.Addr.String(), string(l.Decision.Mode), syncText(l.Decision))
	}
	t.print(w, "  ", screenWidth(w))
}

// leftTo says who begins a run that was left, and when.
const leftTo = "accord serve begins what was left when it may; without it, run: accord sync"

func (c *cli) leftLines(left []planner.Left) {
	for _, l := range left {
		_ = c.line("sync_left", fmt.Sprintf("%s is left: %s", l.Addr, syncText(l.Decision)), map[string]any{"addr": l.Addr, "decision": l.Decision})
	}
}

// showFailedItems lists the first items that failed in a run; what failed for
// one reason, in one line.
func showFailedItems(w io.Writer, o syncer.Outcome) {
	shown := 0
	for lines := 0; lines < 5 && shown < len(o.Failures); lines++ {
		f, alike := o.Failures[shown], 1
		for shown+alike < len(o.Failures) && o.Failures[shown+alike].Message == f.Message {
			alike++
		}
		shown += alike
		title := clean(f.Title)
		if alike > 1 {
			title = fmt.Sprintf("%s and %d more", title, alike-1)
		}
		fmt.Fprintf(w, "    %s %s: %s\n", red("failed:"), title, clean(f.Message))
	}
	if more := o.Failed - shown; more > 0 {
		fmt.Fprintf(w, "    … and %s more of %s\n", number(more), o.Addr)
	}
}

// contentText adds up what runs did to the content, and by itself what they did to
// the tables that it is routed by. What the platform's engine does is not counted one
// by one (INT-7), and not said to be nothing.
func contentText(outcomes []syncer.Outcome) string {
	var content, tables syncer.Counts
	failed, followed, title := 0, 0, ""
	for _, o := range outcomes {
		failed += o.Failed
		if o.Decision.Engine != "" {
			followed++
			continue
		}
		if !o.Impact.Within {
			content = content.Plus(o.Done)
			continue
		}
		tables = tables.Plus(o.Done)
		for _, p := range o.Impact.Parts {
			title = p.Title
		}
	}
	var runs []string
	if own := len(outcomes) - followed; own > 0 || followed == 0 {
		runs = append(runs, fmt.Sprintf("%s: %s published, %s updated, %s withdrawn", count(own, "run"), number(content.Published()), number(content.Updated), number(content.Withdrawn)))
	}
	if followed > 0 {
		runs = append(runs, count(followed, "run")+" by the platform's engine")
	}
	text := strings.Join(runs, "; ")
	if failed > 0 {
		text += fmt.Sprintf(", %s failed", number(failed))
	}
	if tables.Written() > 0 {
		text += "; " + title + " " + signed(tables)
	}
	return text
}
