package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"time"
	"unicode/utf8"

	"accord/planner/syncer"
	"accord/providers"
)

// line prints one JSON object on a line of its own, of a type that lineTypes
// declares. It is one write, so that what was printed before a crash is whole
// lines, and lines of several goroutines do not mix. The first line of all is
// the version.
func (c *cli) line(typ, message string, data map[string]any) error {
	c.lines.Lock()
	defer c.lines.Unlock()
	if !c.begun && typ != "version" {
		if err := c.print("version", "accord "+Version, versionData()); err != nil {
			return err
		}
	}
	return c.print(typ, message, data)
}

func (c *cli) print(typ, message string, data map[string]any) error {
	c.begun = true
	m := map[string]any{"@timestamp": c.now().UTC().Format(time.RFC3339Nano), "@message": message, "type": typ}
	maps.Copy(m, data)
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("print a line of the type %s: %w", typ, err)
	}
	_, err = c.stdout.Write(append(harmless(b), '\n'))
	return err
}

func versionData() map[string]any {
	return map[string]any{"accord": Version, "ui": uiVersion, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
}

// now is the time by the clock that was passed in.
func (c *cli) now() time.Time {
	if c.clock == nil {
		return time.Now()
	}
	return c.clock()
}

// harmless takes out of JSON the characters that a terminal would obey, those
// written as escapes among them, since text in it may have come from a vault.
// Ends of lines and tabs stay escaped.
func harmless(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] == '\\' && i+1 < len(b) {
			n, drop := 2, false
			switch b[i+1] {
			case 'b', 'f', 'r':
				drop = true
			case 'u':
				if code, err := strconv.ParseUint(string(b[i+2:min(i+6, len(b))]), 16, 16); err == nil {
					n, drop = 6, commands(rune(code)) && code != '\n' && code != '\t'
				}
			}
			if !drop {
				out = append(out, b[i:i+n]...)
			}
			i += n
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == '\n' || !commands(r) { // between members: in a text it is an escape
			out = append(out, b[i:i+n]...)
		}
		i += n
	}
	return out
}

// planLines prints a plan for machines: what drifted, what changes, what
// happens to the content, which syncs run, and the totals.
func (c *cli) planLines(p *document) {
	c.newlyLines(p)
	if p.Partial() {
		_ = c.line("partial", fmt.Sprintf("This plan is partial: %d objects are left out", p.LeftOut), map[string]any{"target": p.Target, "exclude": p.Exclude, "left_out": p.LeftOut})
	}
	if p.Assumed {
		_ = c.line("assumed", "What the state remembers was not read again", nil)
	}
	for _, r := range p.Resolved {
		_ = c.line("resolved", resolvedText(r), map[string]any{"resolved": r})
	}
	if s := p.Since; s != nil {
		_ = c.line("since", fmt.Sprintf("%s: %s", s.Title(), count(len(s.Lines), "difference")), map[string]any{"since": s})
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
	for _, u := range p.Unknown {
		_ = c.line("unknown", fmt.Sprintf("%s: %s", u.Addr, u.Because), map[string]any{"unknown": u})
	}
	c.contentLines(p)
	for _, o := range p.Outputs {
		_ = c.line("planned_output", fmt.Sprintf("output %s: %s", o.Name, o.Action), map[string]any{"output": o})
	}
	for _, r := range p.Refusals {
		_ = c.line("refused", r.Summary, map[string]any{"refusal": r})
	}
	summary := map[string]any{"changes": p.Totals}
	if p.Failed {
		summary["failed"] = true
	}
	_ = c.line("change_summary", p.Verdict, summary)
}

// newlyLines print which countries a vault receives for the first time.
func (c *cli) newlyLines(p *document) {
	for _, n := range p.Newly {
		_ = c.line("newly_receives", fmt.Sprintf("%s newly receives %s%s", n.Vault, n.Title, n.by()), map[string]any{"newly": n})
	}
}

// contentLines print what happens to the content, and by which runs.
func (c *cli) contentLines(p *document) {
	for _, ct := range p.Content {
		_ = c.line("impact", fmt.Sprintf("%s: %s", ct.Vault, inAndOut(ct.Impact)), map[string]any{"content": ct})
	}
	for _, s := range p.Syncs {
		_ = c.line("sync_planned", fmt.Sprintf("%s: %s", s.Addr, modeText(s.Decision)), map[string]any{"sync": s})
	}
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
	if kept := keptOf(o); len(kept) > 0 {
		data["kept"] = kept
	}
	if withheld(o) {
		data["withheld"] = o.Impact.Withheld
	}
	if o.Followed != nil {
		data["followed"] = o.Followed
	}
	_ = c.line("sync_complete", fmt.Sprintf("%s: %s", o.Addr, o.Status), data)
}
