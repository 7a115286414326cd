package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// uiVersion is the version of the lines that -json prints. Consumers ignore
// types they do not know, and can always print @message.
const uiVersion = "1.0"

// line prints one JSON object on a line of its own.
func (c *cli) line(typ, message string, data map[string]any) error {
	m := map[string]any{"@timestamp": time.Now().UTC().Format(time.RFC3339Nano), "@message": message, "type": typ}
	maps.Copy(m, data)
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = c.stdout.Write(append(b, '\n'))
	return err
}

// planLines prints a plan for machines: what drifted, what changes, what
// happens to the content, which syncs run, and the totals.
func (c *cli) planLines(p *plan.Plan) {
	_ = c.line("version", "accord "+Version, map[string]any{"accord": Version, "ui": uiVersion})
	if p.Partial() {
		_ = c.line("partial", fmt.Sprintf("This plan is partial: %d objects are left out", p.LeftOut), map[string]any{"target": p.Target, "exclude": p.Exclude, "left_out": p.LeftOut})
	}
	if p.Assumed {
		_ = c.line("assumed", "What the state remembers was not read again", nil)
	}
	for _, mv := range p.Moves {
		_ = c.line("resource_moved", fmt.Sprintf("%s is now %s", mv.From, mv.To), map[string]any{"from": mv.From, "to": mv.To})
	}
	for _, d := range p.Drift {
		_ = c.line("resource_drift", fmt.Sprintf("%s changed outside", d.Addr), map[string]any{"change": d})
	}
	for _, ch := range p.Changes {
		_ = c.line("planned_change", fmt.Sprintf("%s: %s", ch.Addr, ch.Action), map[string]any{"change": ch})
	}
	for _, ct := range p.Content {
		t := ct.Impact.Total
		_ = c.line("impact", fmt.Sprintf("%s: %d in, %d out", ct.Vault, t.Published(), t.Withdrawn), map[string]any{"content": ct})
	}
	for _, s := range p.Syncs {
		_ = c.line("sync_planned", fmt.Sprintf("%s: %s", s.Addr, modeText(s.Decision)), map[string]any{"sync": s})
	}
	for _, r := range p.Refusals {
		_ = c.line("refused", r.Summary, map[string]any{"refusal": r})
	}
	n := p.Count()
	_ = c.line("change_summary", "Plan", map[string]any{"changes": map[string]int{
		"create": n.Create, "update": n.Update, "replace": n.Replace, "adopt": n.Adopt, "remove": n.Remove,
		"drift": len(p.Drift), "full_syncs": n.Full, "in": n.In, "out": n.Out, "steps": len(p.Steps),
	}})
}

// outcomeLine prints how one run ended.
func (c *cli) outcomeLine(o syncer.Outcome) {
	data := map[string]any{
		"addr": o.Addr, "run": o.Run, "status": o.Status, "decision": o.Decision, "done": o.Done,
		"failed": o.Failed, "new_failures": o.NewFailures, "failures": o.Failures, "calls": o.Calls,
		"started": o.Started, "ended": o.Ended,
	}
	if o.Err != nil {
		data["error"] = o.Err.Error()
		data["kind"] = providers.KindOf(o.Err)
	}
	_ = c.line("sync_complete", fmt.Sprintf("%s: %s", o.Addr, o.Status), data)
}
