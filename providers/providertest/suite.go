package providertest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
)

// Target is what the suite needs to try a provider.
type Target struct {
	// New makes a fresh system to manage, that holds nothing but what Streams
	// says, and returns how to open a provider on it, not configured. A test
	// opens several, one after another or side by side.
	New func(t *testing.T) (open func(t *testing.T) providers.Provider)

	Config    providers.Config // connects the system; ReadOnly is the suite's
	Resources []Resource       // each after what it refers to
	Streams   []Stream
}

// Resource is an object to try its type with.
type Resource struct {
	Desired providers.Object // valid, and not there yet
	Changed providers.Object // the same, with something to update; zero: nothing can be
	Unlist  bool             // its type cannot be listed
}

// Stream is a stream to try.
type Stream struct {
	End     providers.End
	Records int // how many a full read yields at least

	// Of a target that holds nothing yet: what to write to it, batch after
	// batch, and the sync that asks for it.
	Sync   providers.Sync
	Writes [][]providers.Write
}

// Run tries a provider against the contract. Each case is a subtest on a fresh
// system.
func Run(t *testing.T, target Target) {
	t.Run("Schema", target.schema)
	t.Run("Configure", target.configure)
	t.Run("UnknownType", target.unknownType)
	for n := range target.Resources {
		r := target.Resources[n]
		t.Run(r.Desired.Addr.String(), func(t *testing.T) {
			for name, f := range map[string]func(*testing.T, *world, Resource){
				"Missing": missing, "Lifecycle": lifecycle, "Again": again, "Adopt": adopt, "Remove": remove,
				"Listed": listed, "ReadOnly": readOnly, "Unknown": unknown, "Order": order, "Cancelled": cancelled, "SideBySide": sideBySide,
			} {
				t.Run(name, func(t *testing.T) {
					w := target.open(t)
					for _, earlier := range target.Resources[:n] {
						w.create(t, earlier.Desired)
					}
					f(t, w, r)
				})
			}
		})
	}
	if len(target.Resources) > 0 {
		t.Run("Syncs", target.syncs)
	}
	for _, s := range target.Streams {
		t.Run("stream "+s.End.Stream, func(t *testing.T) { target.stream(t, s) })
	}
}

// world is a system with a configured provider, and what refers to what.
type world struct {
	open   func(t *testing.T) providers.Provider
	config providers.Config
	p      providers.Provider
	schema *schema.Provider
	refs   providers.Refs
}

func (target *Target) open(t *testing.T) *world {
	t.Helper()
	w := &world{open: target.New(t), config: target.Config, refs: providers.Refs{}}
	w.connect(t, false)
	return w
}

// connect opens another provider on the same system.
func (w *world) connect(t *testing.T, readOnly bool) {
	t.Helper()
	w.p = w.open(t)
	w.config.ReadOnly = readOnly
	var err error
	if w.schema, err = w.p.Schema(t.Context()); err != nil {
		t.Fatalf("schema: %v", err)
	}
	results := w.p.Configure(t.Context(), w.config)
	if len(results) != len(w.config.Instances) {
		t.Fatalf("configure: %d answers to %d instances", len(results), len(w.config.Instances))
	}
	for n, r := range results {
		asked := w.config.Instances[n]
		if r.Err != nil || r.Object == nil {
			t.Fatalf("configure %s: %+v", asked.Addr, r)
		}
		if r.Object.Addr != asked.Addr || r.Object.Type != asked.Type {
			t.Fatalf("configure: answer %d is of %s, not of %s", n, r.Object.Addr, asked.Addr)
		}
		w.refs[asked.Addr] = *r.Object
	}
}

func (w *world) typeOf(t *testing.T, o *providers.Object) *schema.Type {
	t.Helper()
	typ, _ := w.schema.Type(o.Type)
	if typ == nil {
		t.Fatalf("the schema has no type %s", o.Type)
	}
	return typ
}

func (w *world) read(t *testing.T, o providers.Object) providers.Result {
	t.Helper()
	results := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{o}, Refs: w.refs})
	if len(results) != 1 {
		t.Fatalf("read %s: %d answers to one object", o.Addr, len(results))
	}
	r := results[0]
	switch {
	case r.Err != nil:
		t.Fatalf("read %s: %v", o.Addr, r.Err)
	case r.Missing && (r.Object != nil || r.Same):
		t.Fatalf("read %s: missing, and there", o.Addr)
	case r.Same && r.Object == nil:
		r.Object = &o
	}
	if r.Object != nil {
		w.wellFormed(t, r.Object, o.Addr)
	}
	return r
}

// live reads an object that must be there.
func (w *world) live(t *testing.T, o providers.Object) *providers.Object {
	t.Helper()
	r := w.read(t, o)
	if r.Missing || r.Object == nil {
		t.Fatalf("read %s: it is not there", o.Addr)
	}
	return r.Object
}

// wellFormed checks an object as a provider answers it.
func (w *world) wellFormed(t *testing.T, o *providers.Object, addr addrs.Instance) {
	t.Helper()
	typ := w.typeOf(t, o)
	if o.Addr != addr {
		t.Errorf("the answer to %s is of %s", addr, o.Addr)
	}
	canonical, err := schema.Canonical(o.Body, &typ.Body)
	if err != nil {
		t.Fatalf("%s: the body is not JSON: %v", addr, err)
	}
	if diff := cmp.Diff(string(canonical), string(o.Body)); diff != "" {
		t.Errorf("%s: the body is not canonical (-canonical +got)\n%s", addr, diff)
	}
	for name := range members(t, o) {
		if typ.Body.Attribute(name) == nil && typ.Body.Nested(name) == nil {
			t.Errorf("%s: the schema does not know %s", addr, name)
		}
	}
	for _, p := range o.Unknown {
		if _, known := members(t, o)[p.Root()]; known && len(p.Steps()) == 1 {
			t.Errorf("%s: %s is unknown, and in the body", addr, p)
		}
	}
}

func members(t *testing.T, o *providers.Object) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(o.Body, &m); err != nil {
		t.Fatalf("%s: %v", o.Addr, err)
	}
	return m
}

func (w *world) plan(t *testing.T, item providers.PlanItem) providers.PlanResponse {
	t.Helper()
	responses := w.p.Plan(t.Context(), providers.PlanRequest{Items: []providers.PlanItem{item}, Refs: w.refs})
	if len(responses) != 1 {
		t.Fatalf("plan %s: %d answers to one object", item.Addr, len(responses))
	}
	r := responses[0]
	for _, d := range r.Diagnostics {
		if d.Severity == providers.SeverityError {
			t.Fatalf("plan %s: %s: %s", item.Addr, d.Summary, d.Detail)
		}
	}
	if item.Desired == nil {
		return r
	}
	if r.Planned == nil {
		t.Fatalf("plan %s: nothing is planned", item.Addr)
	}
	w.wellFormed(t, r.Planned, item.Addr)
	typ := w.typeOf(t, item.Desired)
	planned := members(t, r.Planned)
	for name, want := range members(t, item.Desired) {
		if typ.Body.Nested(name) != nil {
			continue // may be filled within
		}
		if diff := cmp.Diff(string(want), string(planned[name])); diff != "" {
			t.Errorf("plan %s: %s is not as desired (-desired +planned)\n%s", item.Addr, name, diff)
		}
	}
	for _, p := range item.Desired.Unknown {
		if !slices.Contains(r.Planned.Unknown, p) {
			t.Errorf("plan %s: %s is unknown in the configuration, and not in the plan", item.Addr, p)
		}
	}
	return r
}

func (w *world) apply(t *testing.T, item providers.ApplyItem) *providers.Object {
	t.Helper()
	results := w.p.Apply(t.Context(), providers.ApplyRequest{Items: []providers.ApplyItem{item}, Refs: w.refs})
	if len(results) != 1 {
		t.Fatalf("%s %s: %d answers to one object", item.Action, item.Addr, len(results))
	}
	if results[0].Err != nil {
		t.Fatalf("%s %s: %v", item.Action, item.Addr, results[0].Err)
	}
	now := results[0].Object
	if item.Action == providers.Remove {
		return now
	}
	if now == nil || now.ID == "" {
		t.Fatalf("%s %s: nothing exists afterwards, or it has no id: %+v", item.Action, item.Addr, now)
	}
	w.wellFormed(t, now, item.Addr)
	if len(now.Unknown) > 0 {
		t.Errorf("%s %s: %v is still unknown", item.Action, item.Addr, now.Unknown)
	}
	typ := w.typeOf(t, now)
	got := members(t, now)
	for name, want := range members(t, item.Planned) {
		a := typ.Body.Attribute(name)
		unknown := slices.ContainsFunc(item.Planned.Unknown, func(p addrs.Path) bool { return p.Root() == name })
		if a == nil || a.Volatile || unknown {
			continue
		}
		if diff := cmp.Diff(string(want), string(got[name])); diff != "" {
			t.Errorf("%s %s: %s is not as planned (-planned +now)\n%s", item.Action, item.Addr, name, diff)
		}
	}
	w.refs[item.Addr] = *now
	return now
}

// create makes an object that is not there, as an engine does.
func (w *world) create(t *testing.T, desired providers.Object) *providers.Object {
	t.Helper()
	if r := w.read(t, desired); !r.Missing {
		t.Fatalf("%s is there before it is made", desired.Addr)
	}
	planned := w.plan(t, providers.PlanItem{Addr: desired.Addr, Desired: &desired}).Planned
	return w.apply(t, providers.ApplyItem{Addr: desired.Addr, Action: providers.Create, Planned: planned})
}

// steady is an object without its volatile attributes, to compare.
func (w *world) steady(t *testing.T, o *providers.Object) string {
	t.Helper()
	typ := w.typeOf(t, o)
	m := members(t, o)
	maps.DeleteFunc(m, func(name string, _ json.RawMessage) bool {
		a := typ.Body.Attribute(name)
		return a != nil && a.Volatile
	})
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return o.ID + " " + string(b)
}

func (target *Target) schema(t *testing.T) {
	p := target.New(t)(t)
	declared, err := p.Schema(t.Context())
	if err != nil {
		t.Fatalf("before Configure: %v", err)
	}
	if declared.Name == "" || declared.Version == "" {
		t.Errorf("the provider has no name or version: %q %q", declared.Name, declared.Version)
	}
	seen := map[string]bool{}
	for _, list := range [][]schema.Type{declared.Instances, declared.Resources} {
		for n := range list {
			typ := &list[n]
			if typ.Name == "" || typ.Doc == "" || seen[typ.Name] {
				t.Errorf("type %q has no name, no doc, or has it twice", typ.Name)
			}
			seen[typ.Name] = true
			checkBlock(t, typ.Name, &typ.Body)
			for _, name := range typ.Identity {
				if a := typ.Body.Attribute(name); a == nil {
					t.Errorf("%s: its identity names %s, which it has not", typ.Name, name)
				} else if a.ReadOnly || a.Volatile {
					t.Errorf("%s: its identity names %s, which is not known when planned", typ.Name, name)
				}
			}
		}
	}
	for _, typ := range declared.Resources {
		if len(typ.Identity) == 0 || typ.Removal == "" {
			t.Errorf("%s: a resource needs an identity and a removal", typ.Name)
		}
	}
	refersToNothing(t, declared, seen)
	names := map[string]bool{}
	for _, s := range declared.Streams {
		if _, instance := declared.Type(s.Instance); names[s.Name] || len(s.Parts) == 0 || !instance {
			t.Errorf("stream %q has its name twice, no parts, or lives on no instance type", s.Name)
		}
		names[s.Name] = true
	}
	for _, d := range p.Validate(t.Context(), target.desired()) {
		if d.Severity == providers.SeverityError { // advice may look beyond the objects of the target
			t.Errorf("Validate before Configure: %+v", d)
		}
	}
}

func (target *Target) desired() []providers.Object {
	all := slices.Clone(target.Config.Instances)
	for _, r := range target.Resources {
		all = append(all, r.Desired)
	}
	return all
}

func checkBlock(t *testing.T, at string, b *schema.Block) {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range b.Attributes {
		here := at + "." + a.Name
		switch {
		case a.Name == "" || seen[a.Name]:
			t.Errorf("%s has no name, or has it twice", here)
		case a.Doc == "":
			t.Errorf("%s has no doc", here)
		case a.Required && (a.Computed || a.ReadOnly || a.Default != nil):
			t.Errorf("%s is required, and filled where it is left out", here)
		case a.ReadOnly && !a.Computed, a.Volatile && !a.ReadOnly:
			t.Errorf("%s: read_only implies computed, and volatile both", here)
		}
		seen[a.Name] = true
	}
	for n := range b.Blocks {
		nested := &b.Blocks[n]
		here := at + "." + nested.Name
		if nested.Name == "" || seen[nested.Name] || nested.Doc == "" || nested.Single && nested.Label != "" {
			t.Errorf("%s has no name or doc, has its name twice, or is single and labelled", here)
		}
		seen[nested.Name] = true
		checkBlock(t, here, &nested.Body)
	}
}

func refersToNothing(t *testing.T, p *schema.Provider, types map[string]bool) {
	t.Helper()
	var walk func(at string, b *schema.Block)
	walk = func(at string, b *schema.Block) {
		for _, a := range b.Attributes {
			for _, typ := range a.Refers {
				if !types[typ] {
					t.Errorf("%s.%s refers to %s, which is no type", at, a.Name, typ)
				}
			}
		}
		for n := range b.Blocks {
			walk(at+"."+b.Blocks[n].Name, &b.Blocks[n].Body)
		}
	}
	for _, list := range [][]schema.Type{p.Instances, p.Resources} {
		for n := range list {
			walk(list[n].Name, &list[n].Body)
		}
	}
}

func (target *Target) configure(t *testing.T) {
	w := target.open(t)
	if r := w.p.Read(t.Context(), providers.ReadRequest{}); len(r) != 0 {
		t.Errorf("read of nothing: %+v", r)
	}
	if r := w.p.Plan(t.Context(), providers.PlanRequest{}); len(r) != 0 {
		t.Errorf("plan of nothing: %+v", r)
	}
	if r := w.p.Apply(t.Context(), providers.ApplyRequest{}); len(r) != 0 {
		t.Errorf("apply of nothing: %+v", r)
	}
}

func (target *Target) unknownType(t *testing.T) {
	w := target.open(t)
	o := providers.Object{Addr: addrs.New("no_such_type", "x"), Type: "no_such_type", Body: []byte(`{}`)}
	if r := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{o}}); len(r) != 1 || providers.KindOf(errorOf(r[0].Err)) != providers.Invalid {
		t.Errorf("read of an unknown type: %+v", r)
	}
	if r := w.p.Apply(t.Context(), providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: o.Addr, Action: providers.Create, Planned: &o}}}); len(r) != 1 || r[0].Err == nil {
		t.Errorf("apply of an unknown type: %+v", r)
	}
	for _, err := range w.p.List(t.Context(), providers.ListRequest{Type: o.Type}) {
		if err == nil {
			t.Error("list of an unknown type yields an object")
		}
	}
	for _, err := range w.p.Records(t.Context(), providers.RecordsRequest{End: providers.End{Stream: "no_such_stream"}}) {
		if err == nil {
			t.Error("records of an unknown stream yields a batch")
		}
	}
}

func errorOf(e *providers.Error) error {
	if e == nil {
		return nil
	}
	return e
}

func missing(t *testing.T, w *world, r Resource) {
	if got := w.read(t, r.Desired); !got.Missing {
		t.Errorf("it is there before it is made: %+v", got.Object)
	}
	gone := r.Desired
	gone.ID = "no-such-id"
	if got := w.read(t, gone); !got.Missing {
		t.Errorf("an id that is not there: %+v", got.Object)
	}
}

func lifecycle(t *testing.T, w *world, r Resource) {
	made := w.create(t, r.Desired)
	live := w.live(t, *made)
	if diff := cmp.Diff(w.steady(t, made), w.steady(t, live)); diff != "" {
		t.Errorf("what was made is not what is read (-made +read)\n%s", diff)
	}
	if volatile(w.typeOf(t, made)) == 0 && !w.read(t, *live).Same {
		t.Errorf("a read of what is there is not answered as the same")
	}
	byIdentity := r.Desired
	if diff := cmp.Diff(w.steady(t, withLocal(t, w, live, nil)), w.steady(t, withLocal(t, w, w.live(t, byIdentity), nil))); diff != "" {
		t.Errorf("found by identity it is another (-by id +by identity)\n%s", diff)
	}

	planned := w.plan(t, providers.PlanItem{Addr: made.Addr, Desired: &r.Desired, Recorded: made, Live: live})
	if planned.Planned.Hash() != live.Hash() || len(planned.Replace) > 0 {
		t.Errorf("nothing changed, and there is a plan: replace %v (-live +planned)\n%s", planned.Replace, cmp.Diff(string(live.Body), string(planned.Planned.Body)))
	}
	w.connect(t, false) // as after a restart
	if diff := cmp.Diff(w.steady(t, made), w.steady(t, w.live(t, *made))); diff != "" {
		t.Errorf("after a restart it is another (-made +read)\n%s", diff)
	}
	if r.Changed.Body == nil {
		return
	}

	live = w.live(t, *made)
	change := w.plan(t, providers.PlanItem{Addr: made.Addr, Desired: &r.Changed, Recorded: made, Live: live})
	if change.Planned.Hash() == live.Hash() {
		t.Fatalf("a change, and nothing is planned")
	}
	if len(change.Replace) > 0 {
		t.Fatalf("the change should be an update, and %v replaces", change.Replace)
	}
	now := w.apply(t, providers.ApplyItem{Addr: made.Addr, Action: providers.Update, Planned: change.Planned, Live: live, Recorded: made})
	if now.ID != made.ID {
		t.Errorf("an update gave it another id: %s, was %s", now.ID, made.ID)
	}
	read := w.live(t, *now)
	if diff := cmp.Diff(w.steady(t, now), w.steady(t, read)); diff != "" {
		t.Errorf("what was updated is not what is read (-updated +read)\n%s", diff)
	}
	if planned := w.plan(t, providers.PlanItem{Addr: made.Addr, Desired: &r.Changed, Recorded: now, Live: read}).Planned; planned.Hash() != read.Hash() {
		t.Errorf("after the update there is still a plan (-live +planned)\n%s", cmp.Diff(string(read.Body), string(planned.Body)))
	}
}

func volatile(typ *schema.Type) (n int) {
	for _, a := range typ.Body.Attributes {
		if a.Volatile {
			n++
		}
	}
	return n
}

// withLocal is an object with the local attributes of another, or none.
func withLocal(t *testing.T, w *world, o, from *providers.Object) *providers.Object {
	t.Helper()
	m := members(t, o)
	var other map[string]json.RawMessage
	if from != nil {
		other = members(t, from)
	}
	for _, a := range w.typeOf(t, o).Body.Attributes {
		if a.Local {
			delete(m, a.Name)
			if v, ok := other[a.Name]; ok {
				m[a.Name] = v
			}
		}
	}
	out := *o
	out.Body, _ = json.Marshal(m)
	return &out
}

// again applies a create whose answer was lost.
func again(t *testing.T, w *world, r Resource) {
	planned := w.plan(t, providers.PlanItem{Addr: r.Desired.Addr, Desired: &r.Desired}).Planned
	item := providers.ApplyItem{Addr: r.Desired.Addr, Action: providers.Create, Planned: planned}
	first := w.apply(t, item)
	count := len(w.list(t, r))
	second := w.apply(t, item)
	if first.ID != second.ID {
		t.Errorf("made twice: %s and %s", first.ID, second.ID)
	}
	if now := len(w.list(t, r)); now != count {
		t.Errorf("there were %d, and now are %d", count, now)
	}
}

func adopt(t *testing.T, w *world, r Resource) {
	made := w.create(t, r.Desired)
	w.connect(t, false)
	desired := r.Desired
	if r.Changed.Body != nil {
		desired = r.Changed
	}
	live := w.live(t, desired)
	planned := w.plan(t, providers.PlanItem{Addr: made.Addr, Desired: &desired, Live: live})
	now := w.apply(t, providers.ApplyItem{Addr: made.Addr, Action: providers.Adopt, Planned: planned.Planned, Live: live})
	if now.ID != made.ID {
		t.Errorf("adopted as %s, it was %s", now.ID, made.ID)
	}
	if diff := cmp.Diff(w.steady(t, now), w.steady(t, w.live(t, *now))); diff != "" {
		t.Errorf("adopted (-answer +read)\n%s", diff)
	}
}

func remove(t *testing.T, w *world, r Resource) {
	made := w.create(t, r.Desired)
	live := w.live(t, *made)
	word := w.typeOf(t, made).Removal
	plan := w.plan(t, providers.PlanItem{Addr: made.Addr, Recorded: made, Live: live, Removal: word})
	if plan.Planned != nil {
		t.Errorf("it is taken out, and remembered as %s", plan.Planned.Body)
	}
	item := providers.ApplyItem{Addr: made.Addr, Action: providers.Remove, Live: live, Recorded: made, Removal: word}
	for _, attempt := range []string{"once", "again"} {
		w.apply(t, item)
		after := w.read(t, *made)
		switch word {
		case schema.Delete:
			if !after.Missing {
				t.Errorf("%s: deleted, and still there", attempt)
			}
		case schema.Forget:
			if after.Missing || w.steady(t, after.Object) != w.steady(t, live) {
				t.Errorf("%s: forgotten, and not as it was", attempt)
			}
		default:
			if after.Missing {
				t.Errorf("%s: %s, and gone", attempt, word)
			}
		}
	}
}

func (w *world) list(t *testing.T, r Resource) map[string]providers.Object {
	t.Helper()
	all := map[string]providers.Object{}
	if r.Unlist {
		return all
	}
	for _, instance := range w.config.Instances {
		for o, err := range w.p.List(t.Context(), providers.ListRequest{Type: r.Desired.Type, Instance: instance.Addr, Refs: w.refs}) {
			if err != nil {
				t.Fatalf("list %s on %s: %v", r.Desired.Type, instance.Addr, err)
			}
			if o.Left != "" {
				if o.ID == "" || len(o.Body) > 0 {
					t.Errorf("list: what cannot be managed has an id, and nothing else: %+v", o)
				}
				continue
			}
			if o.ID == "" || o.Type != r.Desired.Type || !o.Addr.IsZero() {
				t.Errorf("list: an object without id, of another type, or with an address: %+v", o)
			}
			w.wellFormed(t, &o.Object, addrs.Instance{})
			all[o.ID] = o.Object
		}
	}
	return all
}

func listed(t *testing.T, w *world, r Resource) {
	if r.Unlist {
		t.Skip("its type cannot be listed")
	}
	made := w.create(t, r.Desired)
	if _, ok := w.list(t, r)[made.ID]; !ok {
		t.Errorf("%s is not among what is listed", made.ID)
	}
	for range w.p.List(t.Context(), providers.ListRequest{Type: r.Desired.Type, Instance: w.config.Instances[0].Addr, Refs: w.refs}) {
		break // must not hang
	}
}

func readOnly(t *testing.T, w *world, r Resource) {
	planned := w.plan(t, providers.PlanItem{Addr: r.Desired.Addr, Desired: &r.Desired}).Planned
	w.connect(t, true)
	results := w.p.Apply(t.Context(), providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: r.Desired.Addr, Action: providers.Create, Planned: planned}}, Refs: w.refs})
	if len(results) != 1 || results[0].Err == nil || results[0].Err.Kind != providers.Refused {
		t.Errorf("a client that only reads has written: %+v", results)
	}
	if got := w.read(t, r.Desired); !got.Missing {
		t.Errorf("refused, and done: %s", got.Object.Body)
	}
}

// unknown plans with an attribute that another step will give.
func unknown(t *testing.T, w *world, r Resource) {
	typ := w.typeOf(t, &r.Desired)
	m := members(t, &r.Desired)
	for name := range m {
		a := typ.Body.Attribute(name)
		if a == nil || slices.Contains(typ.Identity, name) || len(a.Refers) > 0 {
			continue
		}
		rest := maps.Clone(m)
		delete(rest, name)
		desired := r.Desired
		desired.Body, _ = json.Marshal(rest)
		desired.Unknown = []addrs.Path{addrs.Path("").Child(name)}
		w.plan(t, providers.PlanItem{Addr: desired.Addr, Desired: &desired})
	}
}

func order(t *testing.T, w *world, r Resource) {
	made := w.create(t, r.Desired)
	absent := r.Desired
	absent.Addr.Key, absent.Addr.Keyed = "absent", true
	absent.Body = elsewhere(t, w, &absent)
	asked := []providers.Object{absent, *made, absent, r.Desired}
	results := w.p.Read(t.Context(), providers.ReadRequest{Objects: asked, Refs: w.refs})
	if len(results) != len(asked) {
		t.Fatalf("%d answers to %d objects", len(results), len(asked))
	}
	for n, want := range []bool{true, false, true, false} {
		if results[n].Missing != want || results[n].Err != nil {
			t.Errorf("answer %d: missing is %v, want %v (%v)", n, results[n].Missing, want, results[n].Err)
		}
	}
}

// elsewhere is a body with another identity.
func elsewhere(t *testing.T, w *world, o *providers.Object) json.RawMessage {
	t.Helper()
	typ := w.typeOf(t, o)
	m := members(t, o)
	for _, name := range typ.Identity {
		if a := typ.Body.Attribute(name); len(a.Refers) == 0 && len(a.OneOf) == 0 {
			m[name] = json.RawMessage(`"no_such_thing__c"`)
			b, _ := json.Marshal(m)
			return b
		}
	}
	t.Skip("its identity follows from references alone")
	return nil
}

func cancelled(t *testing.T, w *world, r Resource) {
	planned := w.plan(t, providers.PlanItem{Addr: r.Desired.Addr, Desired: &r.Desired}).Planned
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reads := w.p.Read(ctx, providers.ReadRequest{Objects: []providers.Object{r.Desired, r.Desired}, Refs: w.refs})
	if len(reads) != 2 {
		t.Errorf("%d answers to two objects", len(reads))
	}
	for _, got := range reads {
		if got.Err != nil && got.Err.Kind != providers.Transient || got.Err == nil && !got.Missing {
			t.Errorf("a cancelled read: %+v", got)
		}
	}
	applied := w.p.Apply(ctx, providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: r.Desired.Addr, Action: providers.Create, Planned: planned}}, Refs: w.refs})
	if len(applied) != 1 {
		t.Fatalf("%d answers to one object", len(applied))
	}
	if err := applied[0].Err; err != nil && err.Kind != providers.Transient && err.Kind != providers.Ambiguous {
		t.Errorf("a cancelled apply: %+v", err)
	} else if err != nil && err.Kind == providers.Transient && !w.read(t, r.Desired).Missing {
		t.Errorf("a cancelled apply says that nothing was done, and it was")
	}
}

func sideBySide(t *testing.T, w *world, r Resource) {
	made := w.create(t, r.Desired)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{*made}, Refs: w.refs})
			if len(got) != 1 || got[0].Err != nil || got[0].Missing {
				t.Errorf("%+v", got)
			}
			w.p.Plan(t.Context(), providers.PlanRequest{Items: []providers.PlanItem{{Addr: made.Addr, Desired: &r.Desired, Recorded: made, Live: made}}, Refs: w.refs})
		})
	}
	wg.Wait()
}

func (target *Target) syncs(t *testing.T) {
	w := target.open(t)
	var changes []providers.Change
	for _, r := range target.Resources {
		made := w.create(t, r.Desired)
		changes = append(changes, providers.Change{Addr: made.Addr, After: made, Live: made})
	}
	syncs, err := w.p.Syncs(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syncs {
		for _, end := range []providers.End{s.Source, s.Target} {
			if _, ok := w.refs[end.Instance]; w.schema.Stream(end.Stream) == nil || !ok {
				t.Errorf("%s: stream %s on %s is not there", s.Addr, end.Stream, end.Instance)
			}
		}
		if _, ok := w.refs[s.Addr]; !ok || s.Title == "" || s.Engine == "" {
			t.Errorf("%s: a sync needs an owner, a title and an engine: %+v", s.Addr, s)
		}
		if !s.Active && s.Idle == "" {
			t.Errorf("%s is not active, and does not say why", s.Addr)
		}
		if s.Was {
			t.Errorf("%s was active before it was made", s.Addr)
		}
		if s.Policy.FullAfter <= 0 {
			t.Errorf("%s never runs in full", s.Addr)
		}
	}
}

func (target *Target) stream(t *testing.T, s Stream) {
	w := target.open(t)
	declared := w.schema.Stream(s.End.Stream)
	if declared == nil {
		t.Fatalf("the schema has no stream %s", s.End.Stream)
	}
	all := providers.RecordsRequest{End: s.End}
	records := w.records(t, declared, all)
	if len(records) < s.Records {
		t.Errorf("%d records, want at least %d", len(records), s.Records)
	}
	if again := w.records(t, declared, all); cmp.Diff(records, again) != "" {
		t.Errorf("read twice, it is another (-first +second)\n%s", cmp.Diff(records, again))
	}

	if len(records) > 1 {
		keys := make([]string, len(records))
		for n, r := range records {
			keys[n] = r.Key
		}
		slices.Sort(keys)
		middle := keys[(len(keys)-1)/2]
		low, high := all, all
		low.UpTo, high.After = middle, middle
		sum := append(w.records(t, declared, low), w.records(t, declared, high)...)
		if diff := cmp.Diff(lines(records), lines(sum)); diff != "" {
			t.Errorf("two ranges are not the whole (-whole +ranges)\n%s", diff)
		}
		one := all
		one.Keys, one.Only = []providers.Member{{Part: records[0].Part, Key: records[0].Key}}, true
		for _, r := range w.records(t, declared, one) {
			if r.Part != records[0].Part || r.Key != records[0].Key {
				t.Errorf("asked for %s alone, got %s too", records[0].Key, r.Key)
			}
		}
	}
	w.beside(t, all, records)
	for range w.p.Records(t.Context(), all) {
		break // must not hang
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := false
	var failure error
	for b, err := range w.p.Records(ctx, all) {
		ended, failure = b.End, err
	}
	if !ended && failure == nil {
		t.Error("a cancelled read stops without End and without an error")
	}
	if len(s.Writes) > 0 {
		target.writes(t, w, declared, s)
	}
}

// beside reads an end twice in one request, beside one that is not there: it is
// what it is alone, and the other keeps nobody from being read.
func (w *world) beside(t *testing.T, req providers.RecordsRequest, alone []providers.Record) {
	nowhere := req.End
	nowhere.Stream = "no_such_stream"
	req.Also = []providers.End{nowhere, req.End}
	var got [3][]providers.Record
	var over [3]bool
	for b, err := range w.p.Records(t.Context(), req) {
		if err != nil {
			t.Fatalf("reading several ends: %v", err)
		}
		if b.Of < 0 || b.Of >= len(got) || over[b.Of] {
			t.Fatalf("reading several ends: a batch of end %d, which is over or was not asked for", b.Of)
		}
		if over[b.Of] = b.End || b.Err != nil; b.Of == 1 && b.Err == nil || b.Of != 1 && b.Err != nil {
			t.Errorf("reading end %d of several: %v", b.Of, b.Err)
		}
		got[b.Of] = append(got[b.Of], b.Records...)
	}
	for n, end := range []int{0, 2} {
		if !over[end] || cmp.Diff(lines(alone), lines(got[end])) != "" {
			t.Errorf("read beside others (%d), it is another (-alone +beside)\n%s", n, cmp.Diff(lines(alone), lines(got[end])))
		}
	}
	if !over[1] {
		t.Error("reading several ends: nothing is said of the one that is not there")
	}
	for range w.p.Records(t.Context(), req) {
		break // must not hang
	}
}

func lines(records []providers.Record) []string {
	var all []string
	for _, r := range records {
		b, _ := json.Marshal(r)
		all = append(all, string(b))
	}
	slices.Sort(all)
	return all
}

// records reads a stream to its end, and checks what arrives.
func (w *world) records(t *testing.T, declared *schema.Stream, req providers.RecordsRequest) (all []providers.Record) {
	t.Helper()
	parts := map[string]bool{}
	for _, p := range declared.Parts {
		parts[p.Name] = true
	}
	before := map[string]string{}
	seen := map[string]bool{}
	ended := false
	for b, err := range w.p.Records(t.Context(), req) {
		if err != nil {
			t.Fatalf("reading %s: %v", declared.Name, err)
		}
		if ended {
			t.Errorf("reading %s: a batch follows the end", declared.Name)
		}
		if ended = b.End; ended && b.Horizon.IsZero() {
			t.Errorf("reading %s: the end has no horizon", declared.Name)
		}
		for _, r := range b.Records {
			if !parts[r.Part] || r.Key == "" || r.Standing == "" {
				t.Errorf("reading %s: a record of no part, without key or standing: %+v", declared.Name, r)
			}
			if declared.Ordered && r.Key < before[r.Part] {
				t.Errorf("reading %s: %s %s comes after %s", declared.Name, r.Part, r.Key, before[r.Part])
			}
			before[r.Part] = r.Key
			if id := fmt.Sprintf("%s %s %v", r.Part, r.Key, r.Variants); seen[id] {
				t.Errorf("reading %s: %s comes twice", declared.Name, id)
			} else {
				seen[id] = true
			}
			if r.Fields != nil {
				if canonical, err := schema.Canonical(r.Fields, nil); err != nil || string(canonical) != string(r.Fields) {
					t.Errorf("reading %s: fields of %s are not canonical: %s", declared.Name, r.Key, r.Fields)
				}
			}
			all = append(all, r)
		}
	}
	if !ended {
		t.Errorf("reading %s: it stopped without an end", declared.Name)
	}
	return all
}

func (target *Target) writes(t *testing.T, w *world, declared *schema.Stream, s Stream) {
	if !declared.Write {
		t.Fatalf("stream %s cannot be written", declared.Name)
	}
	all := providers.RecordsRequest{End: s.Sync.Target}
	if held := w.records(t, declared, all); len(held) > 0 {
		t.Fatalf("the target holds something before it is written to: %+v", held)
	}
	write := func(p providers.Provider, verb providers.Verb, batch []providers.Write) []providers.WriteResult {
		t.Helper()
		batch = slices.Clone(batch)
		for n := range batch {
			batch[n].Verb = verb
		}
		results := p.Write(t.Context(), providers.WriteRequest{Sync: s.Sync, Run: "run", Writes: batch})
		if len(results) != len(batch) {
			t.Fatalf("%s: %d answers to %d writes", verb, len(results), len(batch))
		}
		return results
	}
	held := func() map[string]string {
		t.Helper()
		m := map[string]string{}
		for _, r := range w.records(t, declared, all) {
			m[r.Part+" "+r.Key] = r.ID + " " + r.Standing + " " + r.Title
		}
		return m
	}

	// a client that only reads writes nothing
	writer := w.p
	w.connect(t, true)
	for _, r := range write(w.p, providers.WriteCreate, s.Writes[0]) {
		if r.Err == nil || r.Err.Kind != providers.Refused {
			t.Errorf("a client that only reads has written: %+v", r)
		}
	}
	if err := w.p.Finish(t.Context(), providers.Run{Sync: s.Sync, ID: "run"}); providers.KindOf(err) != providers.Refused {
		t.Errorf("a client that only reads has finished a run: %v", err)
	}
	if got := held(); len(got) > 0 {
		t.Errorf("refused, and written: %v", got)
	}
	w.p = writer

	want := map[string]string{}
	for _, batch := range s.Writes {
		for n, r := range write(w.p, providers.WriteCreate, batch) {
			if r.Err != nil || r.ID == "" {
				t.Fatalf("create %s %s: %+v", batch[n].Part, batch[n].Key, r)
			}
			want[batch[n].Part+" "+batch[n].Key] = r.ID + " " + providers.Published + " " + batch[n].Title
		}
	}
	if diff := cmp.Diff(want, held()); diff != "" {
		t.Errorf("created (-want +got)\n%s", diff)
	}
	for _, batch := range s.Writes {
		for n, r := range write(w.p, providers.WriteCreate, batch) {
			if r.Err != nil || !strings.HasPrefix(want[batch[n].Part+" "+batch[n].Key], r.ID+" ") {
				t.Errorf("created again: %s %s: %+v", batch[n].Part, batch[n].Key, r)
			}
		}
	}
	if diff := cmp.Diff(want, held()); diff != "" {
		t.Errorf("created again (-want +got)\n%s", diff)
	}
	for range 2 {
		for _, batch := range slices.Backward(s.Writes) {
			for _, r := range write(w.p, providers.WriteWithdraw, batch) {
				if r.Err != nil {
					t.Errorf("withdraw: %v", r.Err)
				}
			}
		}
		for key, got := range held() {
			if !strings.Contains(got, " "+providers.Withdrawn+" ") {
				t.Errorf("withdrawn, and %s is %s", key, got)
			}
		}
	}
	deletes := len(held()) == 0
	for _, batch := range s.Writes {
		verb := providers.WriteRestore
		if deletes {
			verb = providers.WriteCreate
		}
		for _, r := range write(w.p, verb, batch) {
			if r.Err != nil {
				t.Errorf("%s: %v", verb, r.Err)
			}
		}
	}
	for key, got := range held() {
		if !deletes && got != want[key] || !strings.Contains(got, " "+providers.Published+" ") {
			t.Errorf("restored: %s is %s, was %s", key, got, want[key])
		}
	}
	engine(t, w.p, s.Sync)
	run := providers.Run{Sync: s.Sync, ID: "run", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Clean: true}
	for range 2 {
		if err := w.p.Finish(t.Context(), run); err != nil {
			t.Errorf("finish: %v", err)
		}
	}
}

// engine checks that what is asked of a system's own engine has one answer for
// each sync, and that following it is no asking.
func engine(t *testing.T, p providers.Provider, sync providers.Sync) {
	t.Helper()
	for range 2 {
		states := p.Follow(t.Context(), []providers.Sync{sync, sync})
		if len(states) != 2 {
			t.Fatalf("follow gave %d answers to 2 syncs", len(states))
		}
		if diff := cmp.Diff(states[0].LSRT, states[1].LSRT); diff != "" || states[0].Err != nil && states[0].Err.Message == "" {
			t.Errorf("following twice differs: %s %v", diff, states[0].Err)
		}
	}
	if states := p.Ask(t.Context(), []providers.Sync{}); len(states) != 0 {
		t.Errorf("ask gave %d answers to no syncs", len(states))
	}
}
