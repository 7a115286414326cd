package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"accord/planner"
	"accord/planner/plan"
	"accord/providers"
)

// outputs lists the outputs that an apply records otherwise.
func (v *planView) outputs() {
	if len(v.plan.Outputs) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Outputs (%s)", count(len(v.plan.Outputs), "change")))
	width := 0
	for _, o := range v.plan.Outputs {
		width = max(width, columns(clean(o.Name)))
	}
	for _, o := range v.plan.Outputs {
		at := ""
		if o.At() != "" {
			at = faint("  " + o.At())
		}
		mark := paint(o.Action, fmt.Sprintf("%3s", symbols[o.Action]))
		text := fmt.Sprintf("  %s %s  %s%s", mark, padded(clean(o.Name), width), outputText(o), at)
		if visible(text) > v.width {
			v.line("  %s %s", mark, clean(o.Name))
			v.text("        ", outputText(o)+at)
			continue
		}
		v.line("%s", text)
	}
}

func outputText(o plan.Output) string {
	if e := o.Edit(); o.Action != providers.Remove || o.Sensitive {
		return editText(e, true)
	}
	return value(o.Before)
}

// outputWords is outputText without colours.
func outputWords(o plan.Output) string {
	if o.Action == providers.Update && !o.Unknown && !o.Sensitive {
		return value(o.Before) + " → " + value(o.After)
	}
	return outputText(o)
}

// showOutputs prints the outputs as an apply has recorded them.
func showOutputs(w io.Writer, r *planner.Report) {
	if len(r.Outputs) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", bold("Outputs"))
	for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
		v := r.Outputs[name]
		text := clean(string(v.JSON))
		if v.Sensitive {
			text = "(sensitive)"
		}
		fmt.Fprintf(w, "  %s = %s\n", name, text)
	}
}
