package planner

import (
	"context"
	"strings"
	"testing"

	"accord/planner/plan"
	"accord/providers"
	"accord/providers/providertest"
)

// tryRequest plans as flags ask for.
func (w *world) tryRequest(source string, req Request) (*plan.Plan, error) {
	w.t.Helper()
	s := w.session(source)
	req.Desired, req.State, req.Instances = s.desired, w.state(), s.instances
	needed, diags := s.VaultsOf(req)
	if diags.HasErrors() {
		return nil, diags
	}
	if needed != nil {
		for addr := range req.Instances {
			if !needed[addr] {
				delete(req.Instances, addr)
			}
		}
	}
	p, diags := s.Plan(context.Background(), req)
	if diags.HasErrors() {
		return nil, diags
	}
	return p, nil
}

func (w *world) request(source string, req Request) *plan.Plan {
	w.t.Helper()
	p, err := w.tryRequest(source, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// carryOut applies a plan that was made with flags.
func (w *world) carryOut(source string, req Request) *Report {
	w.t.Helper()
	lock, err := w.store.Lock(context.Background(), "apply")
	if err != nil {
		w.t.Fatal(err)
	}
	defer lock.Unlock()
	s := w.session(source)
	req.Desired, req.State, req.Instances = s.desired, lock.State(), s.instances
	p, diags := s.Plan(context.Background(), req)
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	r, err := s.Apply(context.Background(), ApplyRequest{Plan: p, Desired: s.desired, Lock: lock})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

const twoShelves = `
box "a" {
  shelf = shelf.north
  name  = "a"
  size  = 3
}
label "on_a" {
  box  = box.a
  text = "x"
}
box "b" {
  shelf = shelf.south
  name  = "b"
  size  = 3
}
`

func created(p *plan.Plan) string {
	var names []string
	for _, c := range p.Changes {
		names = append(names, string(c.Action)+" "+c.Addr.String())
	}
	return strings.Join(names, ", ")
}

func TestTarget(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		target, exclude []string
		want            string
	}{
		{target: []string{"label.on_a"}, want: "create box.a, create label.on_a"}, // with what it depends on
		{target: []string{"box.b"}, want: "create box.b"},
		{target: []string{"shelf.north"}, want: "create box.a, create label.on_a"}, // all that leads there
		{exclude: []string{"box.a"}, want: "create box.b"},                         // without what depends on it
		{exclude: []string{"label.on_a"}, want: "create box.a, create box.b"},
		{exclude: []string{"shelf.south"}, want: "create box.a, create label.on_a"},
		{target: []string{"label.on_a", "box.b"}, exclude: []string{"box.a"}, want: "create box.b"},
	} {
		p := w.request(twoShelves, Request{Target: c.target, Exclude: c.exclude})
		if got := created(p); got != c.want || !p.Partial() || p.LeftOut != 3-len(p.Changes) {
			t.Errorf("target %v, exclude %v: %s (%d left out), want %s", c.target, c.exclude, got, p.LeftOut, c.want)
		}
	}
	w.clean(w.carryOut(twoShelves, Request{Target: []string{"box.a"}}))
	if n := len(w.state().Objects); n != 4 { // box.a, both shelves, the settings
		t.Errorf("%d objects are remembered", n)
	}
	w.clean(w.apply(twoShelves))
	w.nothing(twoShelves)
}

// What is removed depends on what refers to it; what stays keeps what it needs.
func TestTargetOfARemoval(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(twoShelves))
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{Destroy: true, Target: []string{"box.a"}}, "remove box.a, remove label.on_a"},
		{Request{Destroy: true, Target: []string{"label.on_a"}}, "remove label.on_a"},
		{Request{Destroy: true, Exclude: []string{"label.on_a"}}, "remove box.b"},
		{Request{Destroy: true, Exclude: []string{"box.a"}}, "remove box.b"},
	} {
		if got := created(w.request(twoShelves, c.req)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.req, got, c.want)
		}
	}
	// Only what is left in the files: the rest stays remembered.
	r := w.carryOut("", Request{Exclude: []string{"box.a"}})
	w.clean(r)
	if r.Done[providers.Remove] != 1 || len(w.state().Objects) != 5 {
		t.Errorf("done %v, %d objects remembered", r.Done, len(w.state().Objects))
	}
	w.want(w.plan(""), "delete box.a", "deactivate label.on_a")
}

// Trap, selector ignored: an address that matches nothing is an error, and says
// what there is.
func TestAddressThatMatchesNothing(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(twoShelves))
	for _, req := range []Request{
		{Target: []string{"box.z"}}, {Exclude: []string{"box.z"}}, {Replace: []string{"box.z"}}, {Target: []string{"box.a", "nonsense"}},
		{Target: []string{"module.none"}}, {Replace: []string{"shelf.north"}}, {Target: []string{`box.a["k"]`}}, {Destroy: true, Replace: []string{"box.a"}},
		{Target: []string{"box.a"}, Replace: []string{"box.b"}}, {Exclude: []string{"box.b"}, Replace: []string{"box.b"}},
	} {
		_, err := w.tryRequest(twoShelves, req)
		if err == nil {
			t.Errorf("%+v should be an error", req)
		}
	}
	_, err := w.tryRequest(twoShelves, Request{Target: []string{"box.z"}})
	if _, err := w.tryRequest(twoShelves, Request{Target: []string{"box.a"}, Replace: []string{"box.b"}}); err == nil || !strings.Contains(err.Error(), "-replace=box.b: -target or -exclude leaves it out") {
		t.Errorf("what is to be made anew is left out: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), "-target=box.z") || !strings.Contains(err.Error(), "There are: box.a, box.b.") {
		t.Errorf("an error names the flag, and what there is: %v", err)
	}
}

// A vault that cannot be reached is no hindrance to a plan that leaves it out.
func TestPartialPlanAsksOnlyItsVaults(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(twoShelves))
	w.memory.Fault(providertest.Fault{Method: "read", Match: "b", Kind: providers.Transient})
	edited := strings.Replace(twoShelves, "size  = 3", "size  = 4", 1)
	if _, err := w.tryRequest(edited, Request{}); err == nil {
		t.Fatal("a whole plan needs every object")
	}
	w.want(w.request(edited, Request{Exclude: []string{"shelf.south"}}), "update box.a size:3→4")
	w.want(w.request(edited, Request{Target: []string{"box.a"}}), "update box.a size:3→4")
}

func TestReplaceOnDemand(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(twoShelves))
	before := w.state().Objects
	p := w.request(twoShelves, Request{Replace: []string{"box.b"}})
	if got := created(p); got != "replace box.b" {
		t.Fatalf("plan: %s", got)
	}
	r := w.carryOut(twoShelves, Request{Replace: []string{"box.b"}})
	w.clean(r)
	for addr, o := range w.state().Objects {
		if same := before[addr].ID == o.ID; same == (addr.String() == "box.b") {
			t.Errorf("%s had the id %s, and has %s", addr, before[addr].ID, o.ID)
		}
	}
	w.nothing(twoShelves)
	if _, err := w.tryRequest(twoShelves, Request{Replace: []string{"label.on_a"}}); err == nil || !strings.Contains(err.Error(), "cannot be replaced") {
		t.Errorf("what cannot be deleted cannot be replaced: %v", err)
	}
	protected := strings.Replace(twoShelves, "name  = \"b\"", "name  = \"b\"\n  lifecycle {\n    protect = true\n  }", 1)
	w.clean(w.apply(protected))
	if p := w.request(protected, Request{Replace: []string{"box.b"}}); len(p.Refusals) != 1 {
		t.Errorf("refusals: %v", p.Refusals)
	}
}

// -refresh=false reads nothing that is remembered, and sees no drift.
func TestAssumedPlan(t *testing.T) {
	w := newWorld(t)
	library(w)
	source := twoShelves + feeds
	w.clean(w.apply(source))
	other := newWorldOn(w)
	other.clean(other.apply(strings.Replace(twoShelves, "size  = 3", "size  = 9", 1)))
	w.memory.ResetCalls()
	p := w.request(source, Request{Assume: true})
	if !p.Assumed || len(p.Changes)+len(p.Drift)+len(p.Steps) > 0 {
		t.Errorf("plan: %s, drift %v, %d steps", actions(p), p.Drift, len(p.Steps))
	}
	if n := w.memory.Count("read"); n > 0 {
		t.Errorf("%d reads", n)
	}
	edited := strings.Replace(source, "size  = 3", "size  = 4", 1)
	w.want(w.request(edited, Request{Assume: true}), "update box.a size:3→4")
	// What is not remembered may be there: it is read.
	fresh := newWorldOn(w)
	if got := created(fresh.request(twoShelves, Request{Assume: true})); got != "adopt box.a, adopt label.on_a, adopt box.b" && got != "adopt box.a, adopt box.b, adopt label.on_a" {
		t.Errorf("plan: %s", got)
	}
}

// No sync runs whose objects are left out. The country feed that is left out
// before it was ever applied must not look like none: everything would go out.
func TestRunsOfAPartialPlan(t *testing.T) {
	w := newWorld(t)
	library(w)
	loose := strings.Replace(feeds, "  depends_on = [feed.country]\n", "", 1)
	for _, req := range []Request{{Target: []string{"feed.country"}}, {Exclude: []string{"feed.books"}}} {
		p := w.request(loose, req)
		if len(p.Content) != 1 || p.Content[0].Addr.Name != "country" {
			t.Errorf("%+v: content %+v", req, p.Content)
		}
	}
	w.clean(w.apply(loose))
	wider := strings.Replace(loose, `routes = ["us"]`, `routes = ["us", "ca"]`, 1)
	if p := w.request(wider, Request{Exclude: []string{"feed.country"}}); len(p.Content) != 0 {
		t.Errorf("content: %+v", p.Content)
	}
	if p := w.request(wider, Request{Target: []string{"feed.country"}}); len(p.Content) != 1 {
		t.Errorf("content: %+v", p.Content)
	}
	w.clean(w.carryOut(wider, Request{Target: []string{"feed.country"}}))
	w.clean(w.apply(wider))
	w.nothing(wider)
}

// A block that was renamed, and no moved block says so: nothing is done to the
// object under its old name, since the new one keeps it.
func TestRenamedWithoutAWord(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(twoShelves))
	renamed := strings.NewReplacer(`box "a"`, `box "first"`, "box.a", "box.first").Replace(twoShelves)
	p := w.plan(renamed)
	if len(p.Refusals) == 0 || p.Refusals[0].Code != "RENAMED" || !p.Refusals[0].Refused || !strings.Contains(p.Refusals[0].Detail, "with from = box.a and to = box.first") {
		t.Errorf("refusals: %+v", p.Refusals)
	}
	moved := renamed + "\nmoved {\n  from = box.a\n  to   = box.first\n}\n"
	if p := w.plan(moved); len(p.Refusals) > 0 || len(p.Changes) > 0 {
		t.Errorf("refusals %+v, changes %s", p.Refusals, actions(p))
	}
	// Only the name is to go.
	forgotten := renamed + "\nremoved {\n  from = box.a\n  then = \"forget\"\n}\n"
	if p := w.plan(forgotten); len(p.Refusals) > 0 {
		t.Errorf("refusals: %+v", p.Refusals)
	}
	w.clean(w.apply(moved))
	w.nothing(moved)
}

// What is only ever forgotten cannot be replaced by another: the plan says so,
// and not the apply.
func TestRepointed(t *testing.T) {
	w := newWorld(t)
	sign := "sign \"s\" {\n  shelf = shelf.north\n  name  = \"s\"\n}\n"
	w.clean(w.apply(sign))
	p := w.plan(strings.Replace(sign, "shelf.north", "shelf.south", 1))
	if len(p.Refusals) != 1 || p.Refusals[0].Code != "REPOINTED" || p.Refusals[0].Path.Root() != "shelf" {
		t.Errorf("refusals: %+v", p.Refusals)
	}
	other := strings.NewReplacer(`sign "s"`, `sign "t"`, "shelf.north", "shelf.south").Replace(sign)
	w.clean(w.apply(other))
	w.nothing(other)
}
