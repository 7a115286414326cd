package providertest

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
)

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
