package planner

import (
	"context"
	"strings"
	"sync"
	"testing"

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
		s := w.session(source)
		provider := &asked{Provider: s.Providers["memory"]}
		s.Providers["memory"] = provider
		st, err := w.store.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, diags := s.Plan(t.Context(), Request{Desired: s.desired, State: st, Instances: s.instances})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
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
