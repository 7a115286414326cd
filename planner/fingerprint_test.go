package planner

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/planner/plan"
	"accord/providers"
	"accord/providers/providertest"
)

// saved is a plan as it comes out of its file.
func (w *world) saved(source string, req Request) *plan.Plan {
	w.t.Helper()
	req.Freeze = true
	b, err := (&plan.File{Plan: w.request(source, req).Redacted()}).Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	f, err := plan.Decode(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return f.Plan
}

func movedText(p *plan.Plan) string {
	var lines []string
	for _, d := range p.Moved {
		lines = append(lines, strings.TrimSpace(d.Addr.String()+" "+d.Path.String()+" "+string(d.Before)+"→"+string(d.Now)+" "+d.What))
	}
	return strings.Join(lines, "; ")
}

// What was read for a plan, changed or not, may not move before it is applied.
func TestApprovedPlanIsHeldAgainstWhatIsThere(t *testing.T) {
	w := newWorld(t)
	library(w)
	source := twoShelves + feeds
	w.clean(w.apply(source))
	edited := strings.Replace(source, `name  = "b"`+"\n  size  = 3", `name  = "b"`+"\n  size  = 4", 1)
	approved := w.saved(edited, Request{})
	if n := len(approved.Fingerprints); n != 7 { // two shelves, two boxes, a label, two feeds
		t.Errorf("%d fingerprints", n)
	}
	if p := w.request(edited, Request{Approved: approved}); len(p.Moved) > 0 || plan.Moved(approved, p) != "" {
		t.Errorf("nothing moved, and yet: %s %s", movedText(p), plan.Moved(approved, p))
	}

	// A run moves what is volatile, and that is no difference.
	w.memory.Pass(time.Hour)
	w.system("north").Put(providertest.Book("b99", "Book 99", []string{"US"}, "p01"))
	if p := w.request(edited, Request{Approved: approved}); len(p.Moved) > 0 {
		t.Errorf("moved: %s", movedText(p))
	}

	// What the plan does not touch moves, too.
	other := newWorldOn(w)
	other.clean(other.apply(strings.Replace(twoShelves, "size  = 3", "size  = 9", 1)))
	p := w.request(edited, Request{Approved: approved})
	if got, want := movedText(p), "box.a size 3→9"; got != want {
		t.Errorf("moved: %q, want %q", got, want)
	}
	if len(p.Changes)+len(p.Steps) > 0 {
		t.Error("nothing else counts then")
	}
	other.clean(other.apply(twoShelves))
	other.clean(other.carryOut(twoShelves, Request{Replace: []string{"box.a"}}))
	if got := movedText(w.request(edited, Request{Approved: approved})); !strings.Contains(got, "another object is there") {
		t.Errorf("moved: %s", got)
	}
	other.clean(other.destroy(twoShelves))
	if got := movedText(w.request(edited, Request{Approved: approved})); !strings.Contains(got, "box.a  → it is gone") {
		t.Errorf("moved: %s", got)
	}
}

// system is a system of the memory.
func (w *world) system(name string) *providertest.System { return w.memory.System(name) }

// The vault under a name is another one than it was: that is no stale plan, but
// a wrong vault, and the exit code says so.
func TestApprovedPlanForAnotherVault(t *testing.T) {
	w := newWorld(t)
	approved := w.saved(oneBox, Request{})
	for i := range approved.Fingerprints {
		if f := &approved.Fingerprints[i]; f.Addr.Type == "shelf" {
			f.ID = "another"
		}
	}
	_, err := w.tryRequest(oneBox, Request{Approved: approved})
	var diags hcl.Diagnostics
	if !errors.As(err, &diags) || len(diags) == 0 {
		t.Fatalf("err: %v", err)
	}
	problem, ok := diags[0].Extra.(*Problem)
	if !ok || problem.Err == nil || problem.Err.Kind != providers.Access || !strings.Contains(err.Error(), "another") {
		t.Errorf("problem: %+v, %v", diags[0], err)
	}
}

// A plan that assumes what the state says is stale only by what it read.
func TestApprovedPlanReadsJustWhatItRead(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	edited := strings.Replace(oneBox, "size  = 3", "size  = 4", 1) + "box \"new\" {\n  shelf = shelf.north\n  name  = \"new\"\n}\n"
	approved := w.saved(edited, Request{Assume: true})
	if n := len(approved.Fingerprints); n != 3 { // two shelves, and the box that the state does not know
		t.Errorf("%d fingerprints: %+v", n, approved.Fingerprints)
	}
	w.memory.ResetCalls()
	if p := w.request(edited, Request{Assume: true, Approved: approved}); len(p.Moved) > 0 || plan.Moved(approved, p) != "" {
		t.Errorf("moved: %s", movedText(p))
	}
	if n := w.memory.Count("read"); n != 1 {
		t.Errorf("%d reads", n)
	}
}

// A fingerprint holds nothing that is sensitive.
func TestFingerprintsHoldNoSecret(t *testing.T) {
	w := newWorld(t)
	source := "variable \"code\" {\n  default = \"canary-4711\"\n  sensitive = true\n}\nbox \"a\" {\n  shelf = shelf.north\n  name = \"a\"\n  code = var.code\n}\n"
	w.clean(w.apply(source))
	b, err := json.Marshal(w.request(source, Request{Freeze: true}).Fingerprints)
	if err != nil || strings.Contains(string(b), "canary") || !strings.Contains(string(b), "box.a") {
		t.Errorf("fingerprints: %s, %v", b, err)
	}
}

// Content is looked at again: what was not shown is refused, before anything
// is done (CTRY-8).
func TestApprovedContent(t *testing.T) {
	w := newWorld(t)
	library(w)
	source := strings.Replace(feeds, "accord {", "accord {\n  limits {\n    max_published = \"100%\"\n    max_withdrawn = \"100%\"\n  }", 1)
	w.clean(w.apply(source))
	narrower := strings.Replace(strings.Replace(source, `routes = ["us"]`, `routes = ["ca"]`, 1), "", "", 1)
	approved := w.saved(narrower, Request{})
	refusals := func() string {
		var all []string
		for _, r := range w.request(narrower, Request{Approved: approved}).Refusals {
			all = append(all, r.Code+" "+r.Summary)
		}
		return strings.Join(all, "; ")
	}
	if got := refusals(); got != "" {
		t.Fatalf("refused: %s", got)
	}
	// Another country newly holds the value.
	w.system("north").Put(providertest.Country("MX", "Mexico", "ca"), providertest.Book("mx", "Libro", []string{"MX"}, "p01"))
	if got := refusals(); !strings.Contains(got, "PROMISE") || !strings.Contains(got, "newly receive") {
		t.Errorf("refused: %q", got)
	}
	// A run that the plan did not show.
	approved.Steps = nil
	if got := refusals(); !strings.Contains(got, "feed.books would now run in full") {
		t.Errorf("refused: %q", got)
	}
}

// What a run will ask of the vaults is said beside why it runs.
func TestExpectedCalls(t *testing.T) {
	w := newWorld(t)
	library(w)
	for _, s := range w.plan(feeds).Syncs {
		if s.Calls == nil || s.Calls.Writes == 0 || s.Calls.Share != float64(s.Calls.Reads+s.Calls.Writes)/2000 {
			t.Errorf("%s: %+v", s.Addr, s.Calls)
		}
	}
	for _, flag := range []string{"delete:feed.books=3", "withdraw:feed.none=3", "withdraw:feed.books", "withdraw:feed.books=-1"} {
		if _, err := w.tryRequest(feeds, Request{Allow: []string{flag}}); err == nil {
			t.Errorf("-allow=%s should be an error", flag)
		}
	}
}

// What was read beside the objects may not move either, before the plan is
// applied: it is asked for once, and only for a plan that is saved or was.
func TestApprovedPlanIsHeldAgainstWhatWasSeen(t *testing.T) {
	w := newWorld(t)
	library(w)
	w.system("north").Rule("opening", "9 to 5")
	w.clean(w.apply(twoShelves))
	edited := strings.Replace(twoShelves, "size  = 3", "size  = 4", 1)
	w.memory.ResetCalls()
	w.request(edited, Request{})
	if n := w.memory.Count("seen"); n != 0 {
		t.Errorf("asked %d times what was seen, for a plan that nobody keeps", n)
	}
	approved := w.saved(edited, Request{})
	if n := w.memory.Count("seen"); n != 1 {
		t.Errorf("asked %d times what was seen", n)
	}
	held := func(want string) {
		t.Helper()
		if got := movedText(w.request(edited, Request{Approved: approved})); got != want {
			t.Errorf("moved: %q, want %q", got, want)
		}
	}
	held("")
	w.system("south").Rule("noise", "none")
	held("shelf.south  → rule noise is new")
	delete(w.system("south").Rules, "noise")
	w.system("north").Rule("opening", "9 to 6")
	held("shelf.north  → rule opening has changed: text")
	w.system("north").Rule("opening", "9 to 5")
	w.system("north").Rule("dogs", "on a lead")
	held("shelf.north  → rule dogs is new")
	if p := w.request(edited, Request{Approved: planWithout(approved)}); len(p.Moved) > 0 {
		t.Errorf("nothing was seen for the plan, and yet: %s", movedText(p))
	}
}

// planWithout is a plan for which nothing else was seen.
func planWithout(p *plan.Plan) *plan.Plan {
	out := *p
	out.Sightings = nil
	return &out
}
