package providertest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
)

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
