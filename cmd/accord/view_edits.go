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
		width = max(width, len(e.Path.String()))
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
		text := fmt.Sprintf("%s%-*s  %s%s%s", indent, width, e.Path, each(editText(e)), forces, at)
		if visible(text) > v.width {
			v.line("%s%s", indent, e.Path)
			v.text(indent+"  ", each(editText(e))+forces+at)
			continue
		}
		v.line("%s", text)
	}
}

func editText(e plan.Edit) string {
	switch {
	case e.Sensitive:
		return "(sensitive)"
	case e.Unknown:
		return "(known after apply)"
	case e.Before == nil:
		return value(e.After)
	case e.After == nil:
		return value(e.Before) + red(" → left out")
	}
	if text, ok := setText(e.Before, e.After); ok {
		return text
	}
	return value(e.Before) + " → " + value(e.After)
}

// setText shows a list as what comes and what goes.
func setText(before, after json.RawMessage) (string, bool) {
	gone, come, same, ok := setChanges(before, after)
	if !ok {
		return "", false
	}
	var parts []string
	for _, v := range gone {
		parts = append(parts, red("- "+value(v)))
	}
	for _, v := range come {
		parts = append(parts, green("+ "+value(v)))
	}
	if len(parts) == 0 {
		return "(another order)", true
	}
	if same > 0 {
		parts = append(parts, faint(fmt.Sprintf("(%d stay)", same)))
	}
	return strings.Join(parts, "  "), true
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
