package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"accord/planner/plan"
	"accord/providers"
)

// asked notes the requests for plans.
type asked struct {
	providers.Provider
	mu    sync.Mutex
	plans []providers.PlanRequest
}

func (a *asked) Plan(ctx context.Context, req providers.PlanRequest) []providers.PlanResponse {
	a.mu.Lock()
	a.plans = append(a.plans, req)
	a.mu.Unlock()
	return a.Provider.Plan(ctx, req)
}

// planBy plans with the provider that is made of the one in memory.
func (w *world) planBy(t *testing.T, source string, by func(memory providers.Provider) providers.Provider) *plan.Plan {
	t.Helper()
	s := w.session(source)
	s.Providers["memory"] = by(s.Providers["memory"])
	st, err := w.store.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, diags := s.Plan(t.Context(), Request{Desired: s.desired, State: st, Instances: s.instances})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

// foreseeing says of each object that stays as it is remembered that it does, as
// a plugin may, and notes beside what.
type foreseeing struct {
	asked
	stay []providers.Refs
}

func (f *foreseeing) Read(ctx context.Context, req providers.ReadRequest) []providers.Result {
	results := f.Provider.Read(ctx, req)
	if req.Stay == nil {
		return results
	}
	f.mu.Lock()
	f.stay = append(f.stay, req.Stay)
	f.mu.Unlock()
	for n := range results {
		r := &results[n]
		r.Stays = r.Err == nil && !r.Missing && (r.Object == nil || string(r.Object.Body) == string(req.Recorded[n]))
	}
	return results
}

// Where nothing is to be expected, and the provider says with its answers that
// nothing is, it is asked for the plans of the others alone. What it said counts
// for nothing where one object was found otherwise, and it is asked for nothing
// where the files want something else.
func TestStaysWithoutAPlan(t *testing.T) {
	const source = `
box "a" {
  shelf = shelf.north
  name  = "a"
  size  = 3
}
label "l" {
  box  = box.a
  text = "first"
}
label "m" {
  box  = box.a
  text = "second"
}
`
	w := newWorld(t)
	w.clean(w.apply(source))
	plan := func(source string) (changes []string, planned []string, stay []providers.Refs) {
		t.Helper()
		provider := &foreseeing{}
		p := w.planBy(t, source, func(memory providers.Provider) providers.Provider { provider.Provider = memory; return provider })
		for _, c := range p.Changes {
			changes = append(changes, c.Addr.String()+" "+string(c.Action))
		}
		if len(p.Objects) < 3 {
			t.Errorf("the plan knows %d objects", len(p.Objects))
		}
		for _, req := range provider.plans {
			for _, item := range req.Items {
				planned = append(planned, item.Addr.String())
			}
		}
		slices.Sort(planned)
		return changes, planned, provider.stay
	}
	changes, planned, stay := plan(source)
	if len(changes) > 0 || fmt.Sprint(planned) != "[box.a]" { // which has what is volatile
		t.Errorf("%v, asked for %v", changes, planned)
	}
	for _, refs := range stay {
		for addr, o := range refs {
			if addr.Type == "box" && (!strings.Contains(string(o.Body), `"serial":`) || o.ID == "") {
				t.Errorf("beside %s as it is wanted, not as it is remembered: %s", addr, o.Body)
			}
		}
	}
	if len(stay) != 2 {
		t.Errorf("%d requests asked for plans", len(stay))
	}
	all := "[box.a label.l label.m]"
	for _, b := range w.memory.System("north").Boxes {
		b.Size = 7 // somebody was at the box
	}
	if changes, planned, _ = plan(source); fmt.Sprint(changes) != "[box.a update]" || fmt.Sprint(planned) != all {
		t.Errorf("%v, asked for %v", changes, planned)
	}
	for _, b := range w.memory.System("north").Boxes {
		b.Size = 3
	}
	for name, edited := range map[string]string{
		"another size":       strings.Replace(source, "= 3", "= 4", 1),
		"a label more":       source + "label \"n\" {\n  box  = box.a\n  text = \"third\"\n}\n",
		"protected":          strings.Replace(source, "= 3", "= 3\n  lifecycle {\n    protect = true\n  }", 1),
		"a label less":       source[:strings.Index(source, `label "m"`)],
		"what another knows": strings.Replace(source, `"first"`, `"${box.a.serial}"`, 1),
	} {
		changes, _, stay = plan(edited)
		if wrong := len(stay) > 0 && name != "protected"; len(changes) == 0 || wrong {
			t.Errorf("%s: %v, %d requests asked for plans", name, changes, len(stay))
		}
	}
}

// Where nothing differs all objects are planned at once, with those that they
// refer to as they are. Where something does, each is planned with the others
// as they will be; so it is where only the provider finds that out.
func TestForesee(t *testing.T) {
	const source = `
box "a" {
  shelf = shelf.north
  name  = "a"
  size  = 3
}
label "l" {
  box  = box.a
  text = "first"
  size = box.a.size
}
`
	w := newWorld(t)
	w.clean(w.apply(source))
	plan := func(source string) (lines []string, box string, requests int) {
		t.Helper()
		provider := &asked{}
		p := w.planBy(t, source, func(memory providers.Provider) providers.Provider { provider.Provider = memory; return provider })
		for _, c := range p.Changes {
			line := c.Addr.String() + " " + string(c.Action)
			for _, e := range c.Edits {
				line += " " + string(e.Path) + "=" + string(e.After)
			}
			lines = append(lines, line)
		}
		for _, req := range provider.plans {
			for _, item := range req.Items {
				if item.Desired.Type == "label" {
					for addr, o := range req.Refs {
						if addr.Type == "box" {
							box = string(o.Body)
						}
					}
				}
			}
		}
		return lines, box, len(provider.plans)
	}
	lines, box, requests := plan(source)
	if len(lines) > 0 || requests != 2 || !strings.Contains(box, `"serial":`) || strings.Contains(box, `"opened":`) {
		t.Errorf("%d requests, with %s: %v", requests, box, lines)
	}
	lines, box, requests = plan(strings.Replace(source, "= 3", "= 4", 1))
	if got := strings.Join(lines, "; "); got != "box.a update /size=4; label.l update /size=4" || requests != 2 || !strings.Contains(box, `"size":4`) {
		t.Errorf("%d requests, with %s: %s", requests, box, got)
	}
	resize := func(size int) {
		for _, b := range w.memory.System("north").Boxes {
			b.Size = size
		}
	}
	resize(7) // somebody was at the box
	lines, _, requests = plan(source)
	if got := strings.Join(lines, "; "); got != "box.a update /size=3" || requests != 2 {
		t.Errorf("%d requests: %s", requests, got)
	}
	resize(3)
	lines, _, requests = plan(source + "box \"b\" {\n  shelf = shelf.south\n  name  = \"b\"\n}\n")
	if got := strings.Join(lines, "; "); !strings.HasPrefix(got, "box.b create") || len(lines) != 1 || requests != 2 {
		t.Errorf("%d requests: %s", requests, got)
	}
}
