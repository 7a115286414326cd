package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord/lang"
	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/providertest"
)

// export exports what the memory holds, with nothing but the shelves in files.
func (w *world) export(alone bool, of ...string) *Export {
	w.t.Helper()
	sources := map[string][]byte{"main.hcl": []byte(shelves)}
	s := w.sessionOf(sources, lang.Options{})
	st, err := w.store.Read(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	req := ExportRequest{Instances: s.instances, Desired: s.desired, State: st, Alone: alone, Dir: w.dir, Sources: sources}
	for _, text := range of {
		target, err := addrs.ParseTarget(text)
		if err != nil {
			w.t.Fatal(err)
		}
		req.Of = append(req.Of, target)
	}
	e, diags := s.Export(context.Background(), req)
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	return e
}

// takeOver plans and applies the files of an export: nothing is changed by it,
// and there is nothing left to do.
func (w *world) takeOver(e *Export, alone bool, vars ...string) {
	w.t.Helper()
	sources := map[string][]byte{}
	if !alone {
		sources["main.hcl"] = []byte(shelves)
	}
	for name, text := range e.Files {
		sources[name] = text
	}
	opts := lang.Options{Vars: vars}
	lock, err := w.store.Lock(context.Background(), "apply")
	if err != nil {
		w.t.Fatal(err)
	}
	defer lock.Unlock()
	objects := 0
	for _, n := range e.Objects {
		objects += n
	}
	for round, want := range []int{objects, 0} {
		s := w.sessionOf(sources, opts)
		p, diags := s.Plan(context.Background(), Request{Desired: s.desired, State: lock.State(), Instances: s.instances})
		if diags.HasErrors() {
			w.t.Fatalf("round %d: %v\n%s", round, diags, all(e.Files))
		}
		if len(p.Changes) != want || len(p.Refusals) > 0 {
			w.t.Fatalf("round %d: %d changes, want %d; refused %v\n%s\n%s", round, len(p.Changes), want, p.Refusals, actions(p), all(e.Files))
		}
		for _, c := range p.Changes {
			if c.Action != providers.Adopt {
				w.t.Fatalf("%s %s\n%s", c.Action, c.Addr, all(e.Files))
			}
			for _, edit := range c.Edits {
				if !slices.Contains([]string{"trigger", "full_sync_trigger"}, edit.Path.Root()) {
					w.t.Fatalf("%s: %s changes\n%s", c.Addr, edit.Path, all(e.Files))
				}
			}
		}
		w.memory.ResetCalls()
		report, err := s.Apply(context.Background(), ApplyRequest{Plan: p, Desired: s.desired, Lock: lock, NoSync: true})
		if err != nil {
			w.t.Fatal(err)
		}
		w.clean(report)
		if n := w.memory.Count("apply"); n > 0 {
			w.t.Fatalf("taking over changed something: %v", w.memory.Calls())
		}
	}
}

func all(files map[string][]byte) string {
	var b strings.Builder
	for name, text := range files {
		fmt.Fprintf(&b, "--- %s\n%s", name, text)
	}
	return b.String()
}

// Whatever a configuration made, its export takes over, and changes nothing.
func TestExportOfAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorldFor(t)
		made := wishes(rt, wishes(rt, wish{feed: "inactive"}))
		made.table = false // a feed in memory remembers by which address it routes
		w.apply(made.hcl())
		fresh := newWorldOn(w)
		defer func() { w.store.Close(); fresh.store.Close() }() // of thousands, so many files may not be open
		alone := rapid.Bool().Draw(rt, "alone")
		e := fresh.export(alone)
		if len(e.LeftOut) > 0 {
			rt.Fatalf("left out: %v", e.LeftOut)
		}
		if diff := cmp.Diff(e.Files, fresh.export(alone).Files); diff != "" {
			rt.Fatalf("two exports differ\n%s", diff)
		}
		if n := e.Objects["box"]; n != len(made.boxes) {
			rt.Fatalf("%d boxes of %d", n, len(made.boxes))
		}
		if n := e.Objects["sign"]; n != len(made.signs) {
			rt.Fatalf("%d signs of %d", n, len(made.signs))
		}
		fresh.takeOver(e, alone)
	})
}

// A secret is in no file: a variable stands for it, and must be given.
func TestExportOfSecrets(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(`
box "safe" {
  shelf = shelf.north
  name  = "safe"
  code  = "canary-5T1"
}
box "open" {
  shelf = shelf.north
  name  = "open"
}
`))
	fresh := newWorldOn(w)
	e := fresh.export(false)
	if text := all(e.Files); strings.Contains(text, "canary") || !strings.Contains(text, "= var.box_safe_code") || !strings.Contains(text, "sensitive = true") {
		t.Errorf("the files:\n%s", text)
	}
	if diff := cmp.Diff([]string{"box_safe_code"}, e.Secrets); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	fresh.takeOver(e, false, "box_safe_code=canary-5T1")
}

// What is under code already is left out, and what is new refers to it.
func TestExportBesideWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(`
box "a" {
  shelf = shelf.north
  name  = "a"
}
label "x" {
  box  = box.a
  text = "x"
}
`))
	s := w.session(`
box "mine" {
  shelf = shelf.north
  name  = "a"
}
`)
	st, _ := newWorldOn(w).store.Read(context.Background())
	e, diags := s.Export(context.Background(), ExportRequest{Instances: s.instances, Desired: s.desired, State: st, Dir: w.dir, Sources: map[string][]byte{"main.hcl": []byte(shelves + `
box "mine" {
  shelf = shelf.north
  name  = "a"
}
`)}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if text := string(e.Files["label.hcl"]); e.Managed != 1 || !strings.Contains(text, "box  = box.mine") {
		t.Errorf("%d under code\n%s", e.Managed, text)
	}
}

// One shelf that does not answer is said to lack; the rest is there.
func TestExportWithoutAnAnswer(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply("sign \"s\" {\n  shelf = shelf.south\n  name = \"s\"\n}\nbox \"b\" {\n  shelf = shelf.south\n  name = \"b\"\n}\n"))
	fresh := newWorldOn(w)
	fresh.memory.Fault(providertest.Fault{Method: "list", Match: "box", Kind: providers.Permission})
	e := fresh.export(true)
	if len(e.Unlisted) != 2 || e.Objects["sign"] != 1 || e.Objects["box"] != 0 {
		t.Errorf("%v, unlisted %v", e.Objects, e.Unlisted)
	}
	if !strings.Contains(string(e.Files["sign.hcl"]), "# It is not complete: what shelf.north holds could not be found out.") {
		t.Errorf("%s", e.Files["sign.hcl"])
	}
}
