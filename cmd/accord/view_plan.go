package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// planView prints a plan for people.
type planView struct {
	w       io.Writer
	width   int
	plan    *document
	verbose bool
}

func (c *cli) planView(d *document, verbose bool) planView {
	return planView{w: c.stdout, width: screenWidth(c.stdout), plan: d, verbose: verbose}
}

func (c *cli) planText(d *document, l look) {
	v := c.planView(d, l.verbose)
	v.failed()
	v.newly()
	v.scope()
	v.resolved()
	v.since()
	if !l.concise {
		v.reads()
		v.drift()
		v.moves()
		v.changes()
		v.unknown()
		v.content()
		v.syncs()
		v.outputs()
	}
	v.verdict()
}

func (v *planView) line(format string, args ...any) { fmt.Fprintf(v.w, format+"\n", args...) }

func (v *planView) heading(text string) { v.line("\n%s", bold(wrap(text, "  ", v.width))) }

// text prints a paragraph, its further lines indented like the first.
func (v *planView) text(indent, s string) { v.line("%s%s", indent, wrap(s, indent, v.width)) }

// failed says that this is no plan.
func (v *planView) failed() {
	if v.plan.Failed {
		v.line("%s", red(wrap("! The plan failed, and nothing can be applied. What is known all the same:", "  ", v.width)))
	}
}

// scope says loudly what the plan is not about.
func (v *planView) scope() {
	p := v.plan
	if p.Partial() {
		var flags []string
		for _, t := range p.Target {
			flags = append(flags, "-target="+clean(t))
		}
		for _, t := range p.Exclude {
			flags = append(flags, "-exclude="+clean(t))
		}
		v.line("%s", yellow(wrap(fmt.Sprintf("! This plan is partial (%s). Left out, and as they are afterwards: %s.", strings.Join(flags, " "), count(p.LeftOut, "object")), "  ", v.width)))
	}
	if p.Assumed {
		v.line("%s", yellow(wrap("! As remembered (-refresh=false): what the state remembers was not read again, so what changed in the vaults since is not seen.", "  ", v.width)))
	}
}

// resolved says what came of calls whose answer was lost.
func (v *planView) resolved() {
	for _, r := range v.plan.Resolved {
		v.text("  ", yellow("! ")+resolvedText(r))
	}
}

func (v *planView) reads() {
	r := v.plan.Reads
	text := fmt.Sprintf("Read %s, %s", count(r.Instances, "vault"), count(r.Objects, "object"))
	if r.Records > 0 {
		text += fmt.Sprintf(" and %s of content", count(r.Records, "record"))
	}
	v.line("%s", faint(wrap(fmt.Sprintf("%s%s in %s.", text, byCalls(r.Calls), round(time.Duration(r.Took)*time.Millisecond)), "", v.width)))
}

// verdict is the last line, and the one to grep for.
func (v *planView) verdict() {
	if v.plan.Nothing {
		v.line("\n%s", wrap(bold(v.plan.Verdict), "", v.width))
		return
	}
	word := "Plan:"
	if v.plan.Failed {
		word = "No plan:"
	}
	for _, a := range v.plan.Allow {
		v.line("")
		v.text("", bold("Limit")+" lifted once: -allow="+clean(a))
	}
	v.line("\n%s", wrap(bold(word)+" "+v.plan.Verdict+".", "", v.width))
}
