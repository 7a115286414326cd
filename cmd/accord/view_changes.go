package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
)

// unknown lists the objects of which a plan that failed cannot say what they
// will be.
func (v *planView) unknown() {
	all := v.plan.Unknown
	if len(all) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Not known (%d)", len(all)))
	const few = 12
	for i, u := range all {
		if i == few && len(all) > few+1 && !v.verbose {
			v.text("  ", faint(fmt.Sprintf("… and %s more (-verbose lists them)", number(len(all)-few))))
			return
		}
		v.text("  ", fmt.Sprintf("%s %s  %s  %s", yellow("?"), u.Addr, faint(u.At()), clean(u.Because)))
	}
}

func (v *planView) moves() {
	if len(v.plan.Moves) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Renamed (%d)", len(v.plan.Moves)))
	for _, m := range v.plan.Moves {
		v.line("  %s is now %s  %s", m.From, m.To, faint(m.At()))
	}
}

func (v *planView) drift() {
	if len(v.plan.Drift) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Changed outside this configuration (%d)", len(v.plan.Drift)))
	for _, d := range v.plan.Drift {
		if d.Action == providers.Remove {
			v.line("  %s %s is gone", yellow("!"), d.Addr)
			continue
		}
		v.line("  %s %s", yellow("!"), d.Addr)
		v.edits(v.told(d.Edits), "      ", eachKey(nil))
	}
}

// symbols, as Terraform users know them; adopt is ours.
var symbols = map[providers.Action]string{
	providers.Create: "+", providers.Update: "~", providers.Replace: "-/+", providers.Adopt: "<=", providers.Remove: "-",
}

func paint(action providers.Action, text string) string {
	switch action {
	case providers.Create:
		return green(text)
	case providers.Remove, providers.Replace:
		return red(text)
	default:
		return yellow(text)
	}
}

func (v *planView) changes() {
	if len(v.plan.Changes) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Configuration (%d to change, %d unchanged)", len(v.plan.Changes), v.plan.Unchanged))
	groups := alike(v.plan.Changes, v.verbose)
	names, words := 0, 0
	for _, group := range groups {
		names, words = max(names, columns(address(group))), max(words, len(word(group[0])))
	}
	for _, group := range groups {
		c := group[0]
		at := c.At()
		if names+words+len(at)+10 > v.width {
			names, words = 0, 0 // too narrow for columns
		}
		if visible(address(group))+len(word(c))+len(at)+10 > v.width {
			v.text("  ", paint(c.Action, symbols[c.Action])+" "+address(group))
			v.text("        ", strings.TrimSpace(word(c)+"  "+faint(at)))
			v.under(group)
			continue
		}
		head := fmt.Sprintf("  %s %s  %-*s  %s", paint(c.Action, fmt.Sprintf("%3s", symbols[c.Action])), padded(address(group), names), words, word(c), faint(at))
		why := c.Reason.Words()
		if width := visible(head); width+len(why)+2 <= v.width || why == "" {
			v.line("%s", strings.TrimRight(head+"  "+faint(why), " "))
		} else {
			v.line("%s", strings.TrimRight(head, " "))
			v.text("        ", faint(why))
		}
		v.under(group)
	}
}

// under is what stands below the line of a change.
func (v *planView) under(group []plan.Change) {
	c := group[0]
	v.edits(placed(group), "        ", eachKey(group))
	if c.Same > 0 && c.Action == providers.Update {
		v.line("        %s", faint(fmt.Sprintf("(%s unchanged)", count(c.Same, "attribute"))))
	}
	for _, text := range c.Consequences {
		v.text("        ", clean(text))
	}
}

// placed are the edits of a group, with the lines that all of it have in common.
func placed(group []plan.Change) []plan.Edit {
	edits := slices.Clone(group[0].Edits)
	for i := range edits {
		e := &edits[i]
		if e.Place == group[0].Place {
			e.Place = plan.Place{}
		}
		for _, c := range group[1:] {
			if c.Edits[i].Place != group[0].Edits[i].Place {
				e.Place = plan.Place{}
			}
			if a, b := c.Edits[i].Origin, e.Origin; a == nil || b == nil || *a != *b {
				e.Origin = nil
			}
		}
	}
	return edits
}

// eachKey writes a value of the first of a group as it stands for all.
func eachKey(group []plan.Change) func(string) string {
	return func(text string) string {
		if len(group) < 2 {
			return text
		}
		return strings.ReplaceAll(text, fmt.Sprintf("[%q]", group[0].Addr.Key), "[each.key]")
	}
}

// alike groups changes of one for_each block that differ in nothing but their
// key, so that a fleet reads as one line.
func alike(changes []plan.Change, verbose bool) [][]plan.Change {
	var groups [][]plan.Change
	find := map[string]int{}
	for _, c := range changes {
		key := fmt.Sprint(c.Addr.Block, c.Action, c.Removal, c.Consequences, c.Protected, c.Reason)
		for _, e := range c.Edits {
			key += fmt.Sprint(e.Path, withoutKey(e.Before, c.Addr), withoutKey(e.After, c.Addr), e.Unknown, e.Sensitive, e.Forces)
		}
		i, ok := find[key]
		if !ok || verbose {
			find[key] = len(groups)
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// withoutKey is a value in which references by the instance's own key look
// alike in all instances.
func withoutKey(value json.RawMessage, addr addrs.Instance) string {
	s := string(value)
	if !addr.Keyed {
		return s
	}
	return strings.ReplaceAll(s, `[\"`+addr.Key+`\"]`, "[each.key]")
}

func address(group []plan.Change) string {
	keys := make([]string, len(group))
	for i, c := range group {
		keys[i] = c.Addr.Key
	}
	return addrs.Several(group[0].Addr, keys)
}

func word(c plan.Change) string {
	switch c.Action {
	case providers.Remove:
		return string(c.Removal)
	case providers.Adopt:
		return "adopt"
	default:
		return string(c.Action)
	}
}
