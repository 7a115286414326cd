package planner

import (
	"fmt"
	"strings"
	"testing"

	"accord/planner/plan"
	"accord/providers"
	"accord/providers/providertest"
)

// What came of a call whose answer was lost is found out by reading: for every
// action, done or not, whatever the files say by then. It is no drift, and in
// the end nothing is open, doubled or lost.
func TestLostAnswers(t *testing.T) {
	const label = "label \"l\" {\n  box  = box.a\n  text = \"x\"\n}\n"
	with := func(size int, more string) string {
		return strings.Replace(oneBox, "size  = 3", fmt.Sprintf("size  = %d", size), 1) + more
	}
	for name, c := range map[string]struct {
		before string // applied first; "" nothing
		during string // whose call's answer is lost
		match  string
	}{
		"create":              {"", with(3, ""), "a"},
		"update":              {with(3, ""), with(4, ""), "a"},
		"delete":              {with(3, "sign \"s\" {\n  shelf = shelf.north\n  name = \"s\"\n  text = \"t\"\n}\n"), "", "a"},
		"replace":             {with(3, label), with(3, strings.Replace(label, `"x"`, `"y"`, 1)), ""},
		"adopt with a change": {"", with(5, ""), "a"},
	} {
		for _, done := range []bool{true, false} {
			for _, after := range []string{"the same", "as before", "gone"} {
				t.Run(fmt.Sprintf("%s, done=%t, then %s", name, done, after), func(t *testing.T) {
					w := newWorld(t)
					if strings.HasPrefix(name, "adopt") {
						other := newWorldOn(w)
						other.clean(other.apply(with(3, "")))
					}
					if c.before != "" {
						w.clean(w.apply(c.before))
					}
					w.memory.Fault(providertest.Fault{Method: "apply", Match: c.match, Kind: providers.Ambiguous, Done: done, Times: 1})
					r := w.apply(c.during)
					if len(r.Failed) != 1 || len(w.state().Open) != 1 {
						t.Fatalf("failed %v, open %v", r.Failed, w.state().Open)
					}
					w.memory.ClearFaults()
					w.open()
					source := map[string]string{"the same": c.during, "as before": c.before, "gone": ""}[after]
					p := w.plan(source)
					if len(p.Drift) > 0 {
						t.Errorf("what was begun is no drift: %+v", p.Drift)
					}
					if len(p.Resolved) != 1 {
						t.Fatalf("resolved: %+v", p.Resolved)
					}
					if found := p.Resolved[0].Found; done && found == plan.NotDone || !done && found == plan.WasDone {
						t.Errorf("done=%t, and found: %s", done, found)
					}
					w.clean(w.apply(source))
					if open := w.state().Open; len(open) > 0 {
						t.Errorf("still open: %v", open)
					}
					w.nothing(source)
					if after == "the same" && done && (name == "create" || name == "update" || name == "delete") {
						w.memory.ResetCalls()
						w.clean(w.apply(source))
						if n := w.memory.Changes(); n > 0 {
							t.Errorf("%d changing calls", n)
						}
					}
				})
			}
		}
	}
}
