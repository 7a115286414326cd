package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/planner/plan"
)

func (v *planView) edits(edits []plan.Edit, indent string, each func(string) string) {
	width := 0
	if !v.verbose {
		edits = slices.DeleteFunc(slices.Clone(edits), func(e plan.Edit) bool { return e.Computed })
	}
	for _, e := range edits {
		width = max(width, columns(e.Path.String()))
	}
	for _, e := range edits {
		forces := ""
		if e.Forces {
			forces = red("   forces replacement")
		}
		at := e.At()
		if e.Origin != nil {
			at = strings.TrimPrefix(at+" ← "+e.Origin.At(), " ")
		}
		if at != "" {
			at = faint("  " + at)
		}
		what := each(editText(e, v.verbose))
		text := indent + padded(e.Path.String(), width) + "  " + what + forces + at
		if visible(text) > min(v.width, 2*defaultWidth) {
			v.line("%s%s", indent, e.Path)
			v.text(indent+"  ", what+forces+at)
			continue
		}
		v.line("%s", text)
	}
}

// told are the edits of a change outside that are shown: what only the provider fills
// follows from the rest, unless it is all there is.
func (v *planView) told(edits []plan.Edit) []plan.Edit {
	written := slices.ContainsFunc(edits, func(e plan.Edit) bool { return !e.Computed })
	shown := slices.Clone(edits)
	if written && !v.verbose {
		shown = slices.DeleteFunc(shown, func(e plan.Edit) bool { return e.Computed })
	}
	for i := range shown {
		shown[i].Computed = false
	}
	return shown
}

// editText is an edit on one line; of a long list the first of what comes and of
// what goes, or all of it.
func editText(e plan.Edit, all bool) string {
	switch {
	case e.Sensitive:
		return "(sensitive)"
	case e.Unknown:
		return "(known after apply)"
	case e.Before == nil && all:
		return value(e.After)
	case e.Before == nil:
		return firstMembers(e.After)
	case e.After == nil:
		return value(e.Before) + red(" → left out")
	}
	if text, ok := setText(e.Before, e.After, all); ok {
		return text
	}
	return value(e.Before) + " → " + value(e.After)
}

// setText shows a list as what comes and what goes.
func setText(before, after json.RawMessage, all bool) (string, bool) {
	gone, come, same, ok := setChanges(before, after)
	if !ok {
		return "", false
	}
	var parts []string
	some := func(members []json.RawMessage, mark string, paint func(...any) string) {
		for n, v := range members {
			if n == fewMembers && len(members) > fewMembers+1 && !all {
				parts = append(parts, paint(fmt.Sprintf("%s … and %s more", mark, number(len(members)-fewMembers))))
				return
			}
			parts = append(parts, paint(mark+" "+value(v)))
		}
	}
	some(gone, "-", red)
	some(come, "+", green)
	if len(parts) == 0 {
		return "(another order)", true
	}
	if same > 0 {
		parts = append(parts, faint(fmt.Sprintf("(%d stay)", same)))
	}
	return strings.Join(parts, "  "), true
}

// fewMembers is how many members of a list are shown without -verbose.
const fewMembers = 8

// firstMembers is a value of which, if it is a long list, the first members are shown.
func firstMembers(v json.RawMessage) string {
	var list []json.RawMessage
	if json.Unmarshal(v, &list) != nil || len(list) <= fewMembers+1 {
		return value(v)
	}
	parts := make([]string, fewMembers)
	for n := range parts {
		parts[n] = value(list[n])
	}
	return fmt.Sprintf("[%s … and %s more]", strings.Join(parts, ", "), number(len(list)-fewMembers))
}

// setChanges are the members of two lists that only one has, and how many
// both have; ok is false where either is no list.
func setChanges(before, after json.RawMessage) (gone, come []json.RawMessage, same int, ok bool) {
	var b, a []json.RawMessage
	if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
		return nil, nil, 0, false
	}
	has := func(list []json.RawMessage, v json.RawMessage) bool {
		return slices.ContainsFunc(list, func(o json.RawMessage) bool { return bytes.Equal(o, v) })
	}
	for _, v := range b {
		if has(a, v) {
			same++
		} else {
			gone = append(gone, v)
		}
	}
	for _, v := range a {
		if !has(b, v) {
			come = append(come, v)
		}
	}
	return gone, come, same, true
}

// value prints JSON on one line as a file would say it, addresses without
// quotes.
func value(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		if _, err := addrs.ParseInstance(s); err == nil {
			return clean(s)
		}
		return fmt.Sprintf("%q", clean(s))
	}
	var list []json.RawMessage
	if json.Unmarshal(v, &list) == nil {
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = value(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(v, &object) == nil && object != nil {
		parts := make([]string, 0, len(object))
		for _, k := range slices.Sorted(maps.Keys(object)) {
			parts = append(parts, clean(k)+" = "+value(object[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return clean(shorten(string(v), 120))
}
