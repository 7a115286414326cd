package planner

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/planner/plan"
)

// A move renames what is recorded, and asks nothing of the provider.
func TestMoved(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	moved := `
moved {
  from = box.a
  to   = box.b["k"]
}
box "b" {
  for_each = { k = "a" }
  shelf    = shelf.north
  name     = each.value
  size     = 3
}
`
	p := w.plan(moved)
	w.want(p)
	if diff := cmp.Diff([]plan.Move{{From: addrs.New("box", "a"), To: addrs.NewKeyed("box", "b", "k"), Place: plan.Place{File: "main.hcl", Line: 5}}}, p.Moves); diff != "" || p.Empty() || len(p.Steps) > 0 {
		t.Errorf("%d steps, moves (-want +got):\n%s", len(p.Steps), diff)
	}
	w.memory.ResetCalls()
	w.clean(w.apply(moved))
	if n := w.memory.Changes(); n != 0 {
		t.Errorf("a move made %d changing calls", n)
	}
	w.nothing(moved)
	if st, _ := w.store.Read(context.Background()); st.Objects[addrs.New("box", "a")] != nil || st.Objects[addrs.NewKeyed("box", "b", "k")] == nil {
		t.Errorf("recorded: %v", st.Objects)
	}
}

// What refers to a renamed object goes by the new name, in its body too.
func TestRenamings(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox + "label \"l\" {\n  box  = box.a\n  text = \"x\"\n}\n"))
	st, _ := w.store.Read(context.Background())
	to := addrs.NewKeyed("box", "b", "k")
	var got []string
	for _, r := range w.session("").renamings(st, map[addrs.Instance]addrs.Instance{addrs.New("box", "a"): to}) {
		got = append(got, r.from.String()+" "+r.Addr.String())
		if r.Type == "label" && (!strings.Contains(string(r.Body), `"box":"box.b[\"k\"]"`) || !slices.Equal(r.DependsOn, []addrs.Instance{to})) {
			t.Errorf("%s after %v", r.Body, r.DependsOn)
		}
	}
	if diff := cmp.Diff([]string{`box.a box.b["k"]`, "label.l label.l"}, got); diff != "" {
		t.Errorf("renamed (-want +got):\n%s", diff)
	}
}

// A move may come with a change, and may not lead where something else is.
func TestMovedAndChanged(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	moved := `
moved {
  from = box.a
  to   = box.b
}
` + strings.NewReplacer(`box "a"`, `box "b"`, "size  = 3", "size  = 4").Replace(oneBox)
	w.want(w.plan(moved), "update box.b size:3→4")
	w.clean(w.apply(moved))
	w.nothing(moved)

	two := oneBox + strings.NewReplacer(`box "a"`, `box "b"`, `"a"`, `"b"`).Replace(oneBox)
	o := newWorldOn(w)
	o.clean(o.apply(two))
	if _, err := o.tryPlan(moved, false); err == nil || !strings.Contains(err.Error(), "box.a cannot be moved") {
		t.Errorf("a move onto another object: %v", err)
	}
}

// A sync that moves is remembered under its new name: nothing runs again.
func TestMovedSync(t *testing.T) {
	w := newWorld(t)
	library(w)
	w.clean(w.apply(feeds))
	w.nothing(feeds)
	renamed := strings.NewReplacer(`feed "books"`, `feed "new"`).Replace(feeds)
	moved := renamed + "moved {\n  from = feed.books\n  to   = feed.new\n}\n"
	w.want(w.plan(moved))
	w.clean(w.apply(moved))
	w.nothing(moved)
	w.nothing(renamed)
}

// then overrides the type's own word; unprotect lifts the protection.
func TestRemoved(t *testing.T) {
	w := newWorld(t)
	protected := strings.Replace(oneBox, "size  = 3", "size  = 3\n  lifecycle { protect = true }", 1)
	w.clean(w.apply(protected))
	if p := w.plan(""); len(p.Refusals) != 1 {
		t.Errorf("refusals: %v", p.Refusals)
	}
	removed := func(then string) string {
		return "removed {\n  from = box.a\n  then = \"" + then + "\"\n  unprotect = true\n}\n"
	}
	if _, err := w.tryPlan(removed("reset"), false); err == nil || !strings.Contains(err.Error(), "forget, delete") {
		t.Errorf("a box has no safe default: %v", err)
	}
	p := w.plan(removed("forget"))
	w.want(p, "forget box.a")
	if len(p.Refusals) > 0 {
		t.Errorf("refused: %v", p.Refusals)
	}
	w.clean(w.apply(removed("forget")))
	w.nothing("")
	w.want(newWorldOn(w).plan(oneBox), "adopt box.a") // it is still there
}

// An import is by its id, and by no other.
func TestImport(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	st, _ := w.store.Read(context.Background())
	id := st.Objects[addrs.New("box", "a")].ID
	o := newWorldOn(w)
	source := func(id string) string { return "import {\n  to = box.a\n  id = \"" + id + "\"\n}\n" + oneBox }
	if _, err := o.tryPlan(source("nowhere"), false); err == nil || !strings.Contains(err.Error(), "main.hcl:") {
		t.Errorf("an import of nothing: %v", err)
	}
	o.want(o.plan(source(id)), "adopt box.a")
	o.clean(o.apply(source(id)))
	o.nothing(source(id))
}

// A precondition is held when planned where it is known, a check is a warning,
// and a postcondition stops what depends on the object.
func TestConditions(t *testing.T) {
	w := newWorld(t)
	with := func(lifecycle string) string {
		return strings.Replace(oneBox, "size  = 3", "size  = 3\n  lifecycle {\n"+lifecycle+"\n}", 1)
	}
	failing := with(`precondition {
    condition     = shelf.north.system == "south"
    error_message = "Wrong shelf."
  }`)
	if _, err := w.tryPlan(failing, false); err == nil || !strings.Contains(err.Error(), "Wrong shelf.") {
		t.Errorf("a failing precondition: %v", err)
	}
	failing = with(`postcondition {
    condition     = self.size > 3
    error_message = "${self.size} is too small."
  }`)
	if _, err := w.tryPlan(failing, false); err == nil || !strings.Contains(err.Error(), "3 is too small.") {
		t.Errorf("a failing postcondition: %v", err)
	}
	check := oneBox + `
check "size" {
  assert {
    condition     = box.a.size > 3
    error_message = "It is small."
  }
}
`
	r := w.apply(check)
	w.clean(r)
	if len(r.Checks) != 1 || r.Checks.HasErrors() || r.Checks[0].Detail != "It is small." {
		t.Errorf("checks: %v", r.Checks)
	}
}
