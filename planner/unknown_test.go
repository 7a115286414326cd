package planner

import (
	"context"
	"strings"
	"testing"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// without is a plan made where an instance does not answer.
func (w *world) without(source string, shelf addrs.Instance, change func(*state.State)) (*plan.Plan, error) {
	w.t.Helper()
	s := w.session(source)
	st := w.state()
	if change != nil {
		change(st)
	}
	req := Request{Desired: s.desired, State: st, Instances: s.instances, Freeze: true}
	if !shelf.IsZero() {
		delete(req.Instances, shelf)
		req.Unreached = map[addrs.Instance]error{shelf: providers.Errorf(providers.Transient, "nobody is there")}
	}
	p, diags := s.Plan(context.Background(), req)
	if diags.HasErrors() {
		return p, diags
	}
	return p, nil
}

func unknownText(p *plan.Plan) string {
	var lines []string
	for _, u := range p.Unknown {
		lines = append(lines, u.Addr.String()+" "+u.Because)
	}
	return strings.Join(lines, "; ")
}

// Trap, no report after failure: a plan that fails says what changed outside, what
// would change, and what is not known; it has nothing to apply.
func TestFailedPlan(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(twoShelves))
	other := newWorldOn(w)
	other.clean(other.apply(strings.Replace(twoShelves, "size  = 3", "size  = 9", 1))) // of a, by hand

	p, err := w.without(twoShelves, addrs.New("shelf", "south"), nil)
	if err == nil || !strings.Contains(err.Error(), "obody is there") || p == nil || !p.Failed {
		t.Fatalf("%v, %+v", err, p)
	}
	if got, want := unknownText(p), "box.b shelf.south cannot be reached"; got != want {
		t.Errorf("not known: %q, want %q", got, want)
	}
	if len(p.Drift) != 1 || p.Drift[0].Addr != addrs.New("box", "a") || created(p) != "update box.a" {
		t.Errorf("drift %v, changes %s", p.Drift, created(p))
	}
	if len(p.Steps)+len(p.Syncs)+len(p.Content) > 0 || len(p.Errors) != 1 {
		t.Errorf("%d steps, %d errors", len(p.Steps), len(p.Errors))
	}

	p, err = w.without(twoShelves, addrs.New("shelf", "north"), nil)
	if got, want := unknownText(p), "box.a shelf.north cannot be reached; label.on_a it hangs on shelf.north"; err == nil || got != want {
		t.Errorf("not known: %q, want %q", got, want)
	}
	if len(p.Drift) > 0 || len(p.Changes) > 0 || p.Unchanged != 1 {
		t.Errorf("drift %v, changes %s, %d unchanged", p.Drift, created(p), p.Unchanged)
	}

	// What nobody wants any more hangs on its shelf as well.
	p, err = w.without("", addrs.New("shelf", "south"), nil)
	if got, want := unknownText(p), "box.b shelf.south cannot be reached"; err == nil || got != want {
		t.Errorf("not known: %q, want %q", got, want)
	}
	if got := created(p); got != "remove box.a, remove label.on_a" {
		t.Errorf("changes %s", got)
	}
}

// Of an object there may be nothing but a call that was begun: nobody is asked
// about it, and an apply forgets it.
func TestPlanWithACallAlone(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(twoShelves))
	for _, shelf := range []addrs.Instance{{}, addrs.New("shelf", "south")} {
		p, err := w.without(twoShelves, shelf, func(st *state.State) {
			st.Open = append(st.Open, state.Intent{Seq: 99, Addr: addrs.New("box", "ghost"), Action: "create"})
		})
		if p == nil || (err == nil) != shelf.IsZero() {
			t.Errorf("%s: %v", shelf, err)
		}
		if err == nil && (len(p.Steps) != 1 || !p.Steps[0].Record) {
			t.Errorf("%d steps", len(p.Steps))
		}
	}
}
