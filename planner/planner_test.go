package planner

import (
	"context"
	"fmt"
	"maps"

	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
	"accord/state"
	"accord/state/local"
)

// world is a configuration directory with a provider in memory.
type world struct {
	t      testing.TB
	dir    string
	memory *providertest.Memory
	store  state.Store
	limits Settings // of the last session
	events []string
	mu     sync.Mutex
}

const shelves = `
shelf "north" { system = "north" }
shelf "south" { system = "south" }
`

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newWorldFor(t)
}

// newWorldFor is newWorld for one of many in a test.
func newWorldFor(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), memory: providertest.NewMemory()}
	w.open()
	t.Cleanup(func() { w.store.Close() })
	return w
}

// open opens the store again, as another process would.
func (w *world) open() {
	w.t.Helper()
	if w.store != nil {
		w.store.Close()
	}
	store, err := local.Open(filepath.Join(w.dir, "accord.state.json"), local.Options{Tool: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = store
}

// session is one command's planner on the world.
type session struct {
	*Planner
	desired   *lang.Desired
	instances map[addrs.Instance]providers.Object
}

func (w *world) session(source string) *session {
	w.t.Helper()
	return w.sessionOf(map[string][]byte{"main.hcl": []byte(shelves + source)}, lang.Options{})
}

func (w *world) sessionOf(sources map[string][]byte, opts lang.Options) *session {
	w.t.Helper()
	ctx := context.Background()
	provider := w.memory.Provider()
	sch, err := provider.Schema(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	config, diags := lang.Parse(w.dir, sources)
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	desired, diags := config.Evaluate([]*schema.Provider{sch}, opts)
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	journal, err := w.store.Journal(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &Planner{
		Providers: map[string]providers.Provider{sch.Name: provider}, Schemas: map[string]*schema.Provider{sch.Name: sch},
		Journal: journal, Tool: "test", Now: time.Now, Events: w.watch,
	}
	w.limits = SettingsOf(desired.Settings)
	p.Syncer = w.syncerOf(p, provider)
	var instances []providers.Object
	for _, r := range desired.Instances {
		instances = append(instances, providers.Object{Addr: r.Addr, Type: r.Type.Name, Body: r.Body})
	}
	st, err := w.store.Read(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	instances = append(instances, p.LeftInstances(st, desired)...)
	found, errs := p.Configure(ctx, providers.Config{Instances: instances})
	if len(errs) > 0 {
		w.t.Fatal(errs)
	}
	return &session{Planner: p, desired: desired, instances: found}
}

// syncerOf is a syncer for a planner's settings.
func (w *world) syncerOf(p *Planner, provider providers.Provider) *syncer.Syncer {
	w.t.Helper()
	var sch *schema.Provider
	for _, sch = range p.Schemas {
	}
	s, err := syncer.New(syncer.Options{
		Provider: func(addrs.Instance) (providers.Provider, *schema.Provider) { return provider, sch },
		Journal:  p.Journal, WorkDir: w.dir, Now: time.Now,
		Limits: syncer.Limits{
			MaxWithdrawn: syncer.Limit{Set: true, Share: w.limits.MaxWithdrawn.Share, Place: w.limits.MaxWithdrawn.Place},
			MaxPublished: syncer.Limit{Set: true, Share: w.limits.MaxPublished.Share, Place: w.limits.MaxPublished.Place},
			IgnoreBelow:  w.limits.IgnoreBelow,
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return s
}

func (w *world) watch(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := e.(type) {
	case StepDone:
		w.events = append(w.events, "done "+describe(e.Ref))
	case StepFailed:
		w.events = append(w.events, "failed "+describe(e.Ref))
	}
}

func (w *world) plan(source string) *plan.Plan {
	w.t.Helper()
	p, err := w.tryPlan(source, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) tryPlan(source string, destroy bool) (*plan.Plan, error) {
	w.t.Helper()
	st, err := w.store.Read(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	s := w.session(source)
	p, diags := s.Plan(context.Background(), Request{Desired: s.desired, State: st, Destroy: destroy, Instances: s.instances})
	if diags.HasErrors() {
		return nil, diags
	}
	return p, nil
}

func (w *world) apply(source string) *Report {
	return w.applyContext(context.Background(), source, false)
}

func (w *world) destroy(source string) *Report {
	return w.applyContext(context.Background(), source, true)
}

func (w *world) applyContext(ctx context.Context, source string, destroy bool) *Report {
	w.t.Helper()
	lock, err := w.store.Lock(context.Background(), "apply")
	if err != nil {
		w.t.Fatal(err)
	}
	defer lock.Unlock()
	s := w.session(source)
	p, diags := s.Plan(context.Background(), Request{Desired: s.desired, State: lock.State(), Destroy: destroy, Instances: s.instances})
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	if len(p.Refusals) > 0 {
		w.t.Fatalf("refused: %v", p.Refusals)
	}
	w.events = nil
	report, err := s.Apply(ctx, ApplyRequest{Plan: p, Desired: s.desired, Lock: lock})
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// actions prints a plan's changes and runs, one a line.
func actions(p *plan.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		line := fmt.Sprintf("%s %s", c.Action, c.Addr)
		if c.Removal != "" {
			line = fmt.Sprintf("%s %s", c.Removal, c.Addr)
		}
		for _, e := range c.Edits {
			line += fmt.Sprintf(" %s:%s→%s", e.Path, e.Before, e.After)
		}
		lines = append(lines, line)
	}
	for _, s := range p.Steps {
		if s.Ref.Sync {
			lines = append(lines, fmt.Sprintf("run %s %v", s.Ref.Addr, s.Decision.Reasons))
		}
	}
	return strings.Join(lines, "\n")
}

func (w *world) want(p *plan.Plan, lines ...string) {
	w.t.Helper()
	if diff := cmp.Diff(strings.Join(lines, "\n"), actions(p)); diff != "" {
		w.t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func (w *world) nothing(source string) {
	w.t.Helper()
	if p := w.plan(source); !p.Empty() || len(p.Changes) > 0 || len(p.Drift) > 0 {
		w.t.Errorf("a plan should have nothing to do, and says:\n%s\ndrift %v, %d steps", actions(p), p.Drift, len(p.Steps))
	}
}

func (w *world) clean(r *Report) {
	w.t.Helper()
	for _, f := range r.Failed {
		w.t.Errorf("%s: %v", describe(f.Ref), f.Err)
	}
	if len(r.Skipped) > 0 {
		w.t.Errorf("skipped: %v", r.Skipped)
	}
}

const oneBox = `
box "a" {
  shelf = shelf.north
  name  = "a"
  size  = 3
}
`

func TestApplyThenNothing(t *testing.T) {
	w := newWorld(t)
	p := w.plan(oneBox)
	if got := actions(p); !strings.HasPrefix(got, "create box.a") {
		t.Fatalf("plan: %s", got)
	}
	w.clean(w.apply(oneBox))
	w.nothing(oneBox)

	// A second apply writes nothing, and does not move the state.
	before, _ := w.store.Read(context.Background())
	w.memory.ResetCalls()
	w.clean(w.apply(oneBox))
	if n := w.memory.Changes(); n != 0 {
		t.Errorf("a second apply made %d changing calls", n)
	}
	after, _ := w.store.Read(context.Background())
	if before.Serial != after.Serial {
		t.Errorf("a second apply moved the serial from %d to %d", before.Serial, after.Serial)
	}
}

func TestUpdateAndDrift(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	edited := strings.Replace(oneBox, "size  = 3", "size  = 4", 1)
	w.want(w.plan(edited), "update box.a size:3→4")
	w.clean(w.apply(edited))

	// Somebody changes it outside: shown as drift, and put back.
	other := newWorldOn(w)
	other.clean(other.apply(strings.Replace(oneBox, "size  = 3", "size  = 9", 1)))
	p := w.plan(edited)
	w.want(p, "update box.a size:9→4")
	if len(p.Drift) != 1 || p.Drift[0].Edits[0].Path != "/size" {
		t.Errorf("drift: %+v", p.Drift)
	}
}

// newWorldOn is a second configuration directory on the same systems.
func newWorldOn(w *world) *world {
	o := &world{t: w.t, dir: w.t.TempDir(), memory: w.memory}
	o.open()
	w.t.Cleanup(func() { o.store.Close() })
	return o
}

func TestAdopt(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	o := newWorldOn(w)
	edited := strings.Replace(oneBox, "size  = 3", "size  = 5", 1)
	o.want(o.plan(edited), "adopt box.a size:3→5")
	o.clean(o.apply(edited))
	o.nothing(edited)
}

func TestReplace(t *testing.T) {
	w := newWorld(t)
	source := oneBox + `
label "l" {
  box  = box.a
  text = "x"
}
`
	w.clean(w.apply(source))
	edited := strings.Replace(source, `text = "x"`, `text = "y"`, 1)
	p := w.plan(edited)
	if got := actions(p); !strings.HasPrefix(got, "replace label.l") {
		t.Errorf("plan: %s", got)
	}
	w.clean(w.apply(edited))
	w.nothing(edited)
}

func TestRemovalSaysItsWord(t *testing.T) {
	w := newWorld(t)
	source := oneBox + `
label "l" {
  box  = box.a
  text = "x"
}
sign "s" {
  shelf = shelf.north
  name  = "s"
  text  = "way out"
}
`
	w.clean(w.apply(source))
	w.want(w.plan(oneBox), "deactivate label.l", "forget sign.s")
	w.clean(w.apply(oneBox))
	w.nothing(oneBox)
	w.clean(w.destroy(oneBox))
	st, _ := w.store.Read(context.Background())
	if len(st.Objects) != 0 {
		t.Errorf("after destroy the state still has %d objects", len(st.Objects))
	}
}

func TestRemovalComesBeforeWhatItRefersTo(t *testing.T) {
	w := newWorld(t)
	source := oneBox + `
label "l" {
  box  = box.a
  text = "x"
}
`
	w.clean(w.apply(source))
	w.clean(w.destroy(source))
	l, b := slices.Index(w.events, "done label.l"), slices.Index(w.events, "done box.a")
	if l < 0 || b < 0 || l > b {
		t.Errorf("order of removal: %v", w.events)
	}
}

func TestProtectIsRememberedWithoutItsBlock(t *testing.T) {
	w := newWorld(t)
	protected := strings.Replace(oneBox, "size  = 3", "size  = 3\n  lifecycle {\n    protect = true\n  }", 1)
	w.clean(w.apply(protected))
	p := w.plan("")
	if len(p.Refusals) != 1 || !strings.Contains(p.Refusals[0].Summary, "box.a is protected") {
		t.Fatalf("taking out a protected block should be refused: %v", p.Refusals)
	}
	if p, _ := w.tryPlan(protected, true); len(p.Refusals) != 1 {
		t.Errorf("destroying it should be refused: %v", p.Refusals)
	}
	// Lifting it is a change that a reviewer sees.
	w.want(w.plan(oneBox), "update box.a")
	w.clean(w.apply(oneBox))
	w.nothing(oneBox)
	w.clean(w.apply(""))
}

func TestIgnoreChanges(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	ignoring := strings.Replace(oneBox, "size  = 3", "size  = 7\n  lifecycle {\n    ignore_changes = [size]\n  }", 1)
	w.nothing(ignoring)
}

func TestLocalSettingChangesOnlyTheState(t *testing.T) {
	w := newWorld(t)
	w.clean(w.apply(oneBox))
	edited := strings.Replace(oneBox, "size  = 3", "size  = 3\n  trigger = \"again\"", 1)
	p := w.plan(edited)
	if got := actions(p); !strings.Contains(got, `trigger:→"again"`) {
		t.Errorf("plan: %s", got)
	}
	w.memory.ResetCalls()
	w.clean(w.apply(edited))
	if n := w.memory.Changes(); n != 0 {
		t.Errorf("a setting of accord's own made %d changing calls", n)
	}
	w.nothing(edited)
}

func TestUnknownIsFilledWhenApplied(t *testing.T) {
	w := newWorld(t)
	source := oneBox + `
label "first" {
  box  = box.a
  text = "x"
}
label "second" {
  box  = box.a
  text = label.first.box_id
}
`
	w.clean(w.apply(source))
	w.nothing(source)
	st, _ := w.store.Read(context.Background())
	first, second := st.Objects[addrs.New("label", "first")], st.Objects[addrs.New("label", "second")]
	if first == nil || second == nil || !strings.Contains(string(second.Body), `"text":"`) || strings.Contains(string(second.Body), `"text":""`) {
		t.Errorf("state: %s / %s", first.Body, second.Body)
	}
}

func TestFailureStopsWhatDependsOnItAndNothingElse(t *testing.T) {
	w := newWorld(t)
	source := `
box "bad" {
  shelf = shelf.north
  name  = "bad"
}
label "on_bad" {
  box  = box.bad
  text = "x"
}
box "good" {
  shelf = shelf.south
  name  = "good"
}
label "on_good" {
  box  = box.good
  text = "x"
}
`
	w.memory.Fault(providertest.Fault{Method: "apply", Match: "bad", Kind: providers.Permission})
	r := w.apply(source)
	if len(r.Failed) != 1 || r.Failed[0].Ref.Addr.Name != "bad" {
		t.Errorf("failed: %v", r.Failed)
	}
	if len(r.Skipped) != 1 || r.Skipped[0].Ref.Addr.Name != "on_bad" || !strings.Contains(r.Skipped[0].Because, "box.bad failed") {
		t.Errorf("skipped: %v", r.Skipped)
	}
	if r.Done[providers.Create] != 2 {
		t.Errorf("done: %v", r.Done)
	}
	w.memory.ClearFaults()
	w.clean(w.apply(source))
	w.nothing(source)
}

// A create that was done and reported as failed is found by the next plan, and
// is ours: the intent is on record.
func TestLostAnswerIsFoundAgain(t *testing.T) {
	w := newWorld(t)
	w.memory.Fault(providertest.Fault{Method: "apply", Match: "a", Kind: providers.Ambiguous, Done: true})
	r := w.apply(oneBox)
	if len(r.Failed) != 1 {
		t.Fatalf("failed: %v", r.Failed)
	}
	w.memory.ClearFaults()
	w.open()
	p := w.plan(oneBox)
	if len(p.Changes) != 0 {
		t.Errorf("what was created should be known again, not: %s", actions(p))
	}
	w.memory.ResetCalls()
	w.clean(w.apply(oneBox))
	if n := w.memory.Changes(); n != 0 {
		t.Errorf("it was written %d times again", n)
	}
	w.nothing(oneBox)
}

func TestManyObjectsAreFewCalls(t *testing.T) {
	w := newWorld(t)
	source := `
box "many" {
  for_each = toset([for n in concat(range(600), range(600, 1200)) : format("b%04d", n)])
  shelf    = shelf.north
  name     = each.key
}
`
	w.memory.ResetCalls()
	w.clean(w.apply(source))
	// Three batches of 500 each for read and apply.
	if n := w.memory.Count("read"); n != 3 {
		t.Errorf("%d read calls for 1200 objects", n)
	}
	// More only where the machine is so busy that steps do not get ready together.
	if n := w.memory.Count("apply"); n > 12 {
		t.Errorf("%d apply calls for 1200 objects", n)
	}
	w.nothing(source)
}

const feeds = `
accord {
  sync {
    filter_delay = "0s"
  }
}
feed "country" {
  from   = shelf.north
  to     = shelf.south
  name   = "country"
  kind   = "countries"
  status = "active"
  routes = ["us"]
}
feed "books" {
  from       = shelf.north
  to         = shelf.south
  name       = "books"
  kind       = "books"
  status     = "active"
  table      = feed.country
  depends_on = [feed.country]
}
`

func library(w *world) {
	s := w.memory.System("north")
	s.Put(providertest.Country("US", "United States", "us"), providertest.Country("CA", "Canada", "ca"), providertest.Country("GL", "Global", "us", "ca"))
	for n := range 12 {
		key := fmt.Sprintf("p%02d", n)
		s.Put(providertest.Page(key, "Page "+key))
		route := []string{"US", "CA", "GL"}[n%3]
		s.Put(providertest.Book(fmt.Sprintf("b%02d", n), "Book "+key, []string{route}, key))
	}
}

// The first plan is right although the route table is still empty; apply does
// what it promised; a second sync has nothing to do (CTRY-10, CLM-4).
func TestRunsFollowTheResources(t *testing.T) {
	w := newWorld(t)
	library(w)
	p := w.plan(feeds)
	if len(p.Content) != 2 {
		t.Fatalf("content: %+v", p.Content)
	}
	var books syncer.Impact
	for _, c := range p.Content {
		if c.Addr.Name == "books" {
			books = c.Impact
		}
	}
	if got := books.Total.Published(); got != 16 { // 8 books of US and GL, with a page each
		t.Errorf("the plan promises %d items, want 16", got)
	}
	r := w.apply(feeds)
	w.clean(r)
	if len(r.Outcomes) != 2 {
		t.Fatalf("outcomes: %+v", r.Outcomes)
	}
	for _, o := range r.Outcomes {
		if o.Status != syncer.Clean {
			t.Errorf("%s ended as %s: %v", o.Addr, o.Status, o.Err)
		}
	}
	held := 0
	for _, c := range w.memory.System("south").Held("books") {
		if c.Standing == providers.Published {
			held++
		}
	}
	if held != 16 {
		t.Errorf("%d items arrived, want 16", held)
	}
	w.nothing(feeds)
}

// CTRY-12: where the country run fails, what comes after it is not begun.
func TestFailedTableRunStopsTheRunsBehindIt(t *testing.T) {
	w := newWorld(t)
	library(w)
	w.memory.Fault(providertest.Fault{Method: "records", Match: providertest.StreamCountries, Skip: 1, Times: 9, Kind: providers.Permission})
	st, _ := w.store.Lock(context.Background(), "apply")
	s := w.session(feeds)
	p, diags := s.Plan(context.Background(), Request{Desired: s.desired, State: st.State(), Instances: s.instances})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	w.memory.ResetCalls()
	r, err := s.Apply(context.Background(), ApplyRequest{Plan: p, Desired: s.desired, Lock: st})
	if err != nil {
		t.Fatal(err)
	}
	st.Unlock()
	if len(r.Failed) == 0 {
		t.Fatalf("nothing failed: %+v", r)
	}
	for _, c := range w.memory.Calls() {
		if c.Method == "write" && !strings.HasPrefix(c.String(), "write exceptions") { // that it failed is told (ERR-1)
			t.Errorf("a write was made: %+v", c)
		}
	}
	// What was promised is owed: the next plan runs it.
	w.memory.ClearFaults()
	w.clean(w.apply(feeds))
	w.nothing(feeds)
}

func TestLimitRefusesThePlan(t *testing.T) {
	w := newWorld(t)
	library(w)
	source := strings.Replace(feeds, "accord {", "accord {\n  limits {\n    max_published = \"10%\"\n    max_withdrawn = \"10%\"\n    ignore_below  = 1\n  }", 1)
	w.clean(w.apply(source))
	wider := strings.Replace(source, `routes = ["us"]`, `routes = ["us", "ca"]`, 1)
	p := w.plan(wider)
	if len(p.Refusals) == 0 {
		t.Fatalf("should be refused:\n%s", actions(p))
	}
	d := p.Refusals[len(p.Refusals)-1]
	if d.Code != "LIMIT" || !strings.Contains(d.Detail, `max_published = "10%"`) || !strings.Contains(d.Detail, "main.hcl:") {
		t.Errorf("a refusal names the line to change: %+v", d)
	}
}

func TestInterruptSavesWhatIsDone(t *testing.T) {
	w := newWorld(t)
	source := oneBox + `
label "l" {
  box  = box.a
  text = "x"
}
`
	ctx, cancel := context.WithCancel(context.Background())
	held := make(chan struct{}, 1)
	hold := make(chan struct{})
	w.memory.Fault(providertest.Fault{Method: "apply", Match: "a", Hold: hold, Held: held, Times: 1})
	go func() {
		<-held
		cancel()
		close(hold)
	}()
	r := w.applyContext(ctx, source, false)
	if !r.Interrupted || r.Done[providers.Create] != 1 {
		t.Errorf("report: %+v", r)
	}
	w.clean(w.apply(source))
	w.nothing(source)
}

func TestSavedPlan(t *testing.T) {
	w := newWorld(t)
	library(w)
	p := w.plan(oneBox + feeds)
	b, err := (&plan.File{Plan: p, Sources: map[string][]byte{"main.hcl": []byte("x")}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	f, err := plan.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := plan.Moved(f.Plan, w.plan(oneBox+feeds)); diff != "" {
		t.Errorf("nothing moved, and yet: %s", diff)
	}
	if diff := plan.Moved(f.Plan, w.plan(feeds)); diff == "" {
		t.Error("a box less should be noticed")
	}
}

// A plan file that is cut off anywhere, or has one bit flipped anywhere, is a
// clean error.
func TestDamagedPlanFile(t *testing.T) {
	t.Parallel()
	b, err := (&plan.File{Plan: &plan.Plan{Tool: "test", Objects: []providers.Object{}}, Sources: map[string][]byte{"main.hcl": []byte("x")}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Decode(b); err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := plan.Decode(b[:n]); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(b))
		}
		for bit := range 8 {
			flipped := slices.Clone(b)
			flipped[n] ^= 1 << bit
			if _, err := plan.Decode(flipped); err == nil {
				t.Errorf("accepted with bit %d of byte %d flipped: %q", bit, n, flipped[n])
			}
		}
	}
	if _, err := plan.Decode(append(slices.Clone(b), 'x')); err == nil {
		t.Error("accepted with something behind it")
	}
	other := []byte(strings.Replace(string(b), "accord plan 1", "accord plan 2", 1))
	if _, err := plan.Decode(other); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("another format: %v", err)
	}
}

// A vault that is taken out of the files together with all that is on it is
// still reached, so that its objects can be removed; then it is forgotten.
func TestInstanceTakenOutWithItsObjects(t *testing.T) {
	w := newWorld(t)
	west := `
shelf "west" { system = "west" }
box "w" {
  shelf = shelf.west
  name  = "w"
}
`
	w.clean(w.apply(oneBox + west))
	w.want(w.plan(oneBox), "delete box.w")
	w.clean(w.apply(oneBox))
	w.nothing(oneBox)
	st, _ := w.store.Read(context.Background())
	if st.Objects[addrs.New("shelf", "west")] != nil || st.Objects[addrs.New("shelf", "north")] == nil {
		t.Errorf("instances remembered: %v", slices.Collect(maps.Keys(st.Objects)))
	}
}

// What is sensitive is in the vault, and in nothing that accord keeps.
func TestSensitiveValuesAreNotKept(t *testing.T) {
	w := newWorld(t)
	source := `
variable "code" {
  default   = "canary-4711"
  sensitive = true
}
variable "again" {
  default   = "canary-0815"
  sensitive = true
}
box "a" {
  shelf   = shelf.north
  name    = "a"
  code    = var.code
  trigger = var.again
}
`
	p := w.plan(source)
	b, err := (&plan.File{Plan: p.Redacted()}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "canary") {
		t.Error("a saved plan holds a sensitive value")
	}
	w.clean(w.apply(source))
	w.nothing(source)
	for _, o := range w.state().Objects {
		if strings.Contains(string(o.Body), "canary") {
			t.Errorf("the state holds a sensitive value: %s", o.Body)
		}
	}
	edited := strings.Replace(source, "canary-4711", "canary-4712", 1)
	w.want(w.plan(edited), "update box.a code:→")
	w.clean(w.apply(edited))
	w.nothing(edited)
}

func (w *world) state() *state.State {
	w.t.Helper()
	st, err := w.store.Read(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}
