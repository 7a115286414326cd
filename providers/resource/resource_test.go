package resource

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"
	"testing"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

type shop struct {
	URL string `json:"url" schema:"required" doc:"Where it is."`
}

type lid struct {
	Colour string  `json:"colour" schema:"required"`
	Locked *bool   `json:"locked" schema:"computed"`
	Maker  *string `json:"maker"`
}

type box struct {
	Shop    addrs.Instance `json:"shop" schema:"required,replace" refers:"shop"`
	Name    string         `json:"name" schema:"required,replace"`
	Tags    Set[string]    `json:"tags" nonempty:"say all_tags = true"`
	Order   []string       `json:"order"`
	Size    int            `json:"size" default:"3"`
	Mode    string         `json:"mode" default:"open" oneof:"open shut"`
	Note    *string        `json:"note" schema:"computed"`
	Trigger *string        `json:"trigger" schema:"local"`
	Secret  *string        `json:"secret" schema:"sensitive"`
	Code    string         `json:"code" schema:"readonly"`
	Opened  int            `json:"opened" schema:"volatile"`
	Lid     *lid           `json:"lid" schema:"block"`
	Shelves map[string]lid `json:"shelf" schema:"block" label:"shelf name"`
}

// store is the system that the test provider manages.
type store struct {
	mu    sync.Mutex
	boxes map[string]box
	calls []string
	crash string // panic at the item of that name
	leave string // no answer for the item of that name
}

func (s *store) call(format string, args ...any) {
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *store) provider() providers.Provider {
	return New(Provider{
		Name: "test", Version: "1",
		Instances: []Connectable{Instance[shop]{Name: "shop", Connect: Each(2, func(_ context.Context, env *Env, i *Item[shop]) {
			i.Found("shop-1", *i.Want)
		})}},
		Resources: []Resource{Type[box]{
			Name: "box", Doc: "A box.", Identity: []string{"shop", "name"}, Removal: schema.Delete,
			Validate: func(env *Env, items []*Item[box]) {
				for _, i := range items {
					if _, _, err := Ref[shop](env, i.Want.Shop); err != nil {
						i.Refuse("BOX-1", "/shop", err.Error(), "Declare it.")
					}
				}
			},
			Read: func(_ context.Context, env *Env, items []*Item[box]) {
				s.call("read %d", len(items))
				for _, i := range items {
					b, ok := s.boxes[i.Want.Name]
					switch {
					case i.Want.Name == s.crash:
						panic("the lid is stuck")
					case i.Want.Name == s.leave:
					case !ok:
						i.Missing()
					default:
						i.Found("id-"+b.Name, b)
					}
				}
			},
			Plan: func(_ context.Context, env *Env, changes []*Change[box]) {
				for _, c := range changes {
					if c.Planned != nil && c.Planned.Mode == "shut" {
						c.Consequence("%d tags are not seen", len(c.Planned.Tags))
						c.Set("note", ptr("shut"))
					}
					if c.Planned != nil && c.Live != nil && c.Changed("mode") {
						c.MarkUnknown("code")
					}
				}
			},
			Create: Each(4, func(_ context.Context, env *Env, c *Change[box]) { s.write("create", c) }),
			Update: Each(4, func(_ context.Context, env *Env, c *Change[box]) { s.write("update", c) }),
			Remove: Each(4, func(_ context.Context, env *Env, c *Change[box]) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.call("remove %s %s", c.Removal, c.ID)
				delete(s.boxes, c.Live.Name)
				c.Gone()
			}),
			List: func(_ context.Context, env *Env, shop addrs.Instance) iter.Seq2[Found[box], error] {
				return func(yield func(Found[box], error) bool) {
					for name, b := range s.boxes {
						if !yield(Found[box]{ID: "id-" + name, Body: b}, nil) {
							return
						}
					}
				}
			},
		}},
	})
}

func (s *store) write(verb string, c *Change[box]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call("%s %s", verb, c.Planned.Name)
	if c.Planned.Name == s.crash {
		panic("the lid is stuck")
	}
	b := *c.Planned
	b.Trigger = ptr("the system knows nothing of this")
	if b.Note == nil {
		b.Note = ptr("noted")
	}
	b.Code = "code of " + b.Mode
	s.boxes[b.Name] = b
	c.Done("id-"+b.Name, b)
}

func ptr[T any](v T) *T { return &v }

var (
	shopAddr = addrs.New("shop", "s")
	boxAddr  = addrs.NewKeyed("box", "b", "x")
)

func object(t *testing.T, body string) *providers.Object {
	t.Helper()
	b := block(typeOfBox)
	raw, err := schema.Canonical([]byte(body), &b)
	if err != nil {
		t.Fatal(err)
	}
	return &providers.Object{Addr: boxAddr, Type: "box", Body: raw}
}

func configured(t *testing.T, s *store, readOnly bool) providers.Provider {
	t.Helper()
	if s.boxes == nil {
		s.boxes = map[string]box{}
	}
	p := s.provider()
	results := p.Configure(context.Background(), providers.Config{ReadOnly: readOnly, Instances: []providers.Object{
		{Addr: shopAddr, Type: "shop", Body: []byte(`{"url":"x"}`)},
	}})
	if len(results) != 1 || results[0].Err != nil || results[0].Object.ID != "shop-1" {
		t.Fatalf("configure: %+v", results)
	}
	return p
}

func TestDeriveSchema(t *testing.T) {
	got := block(typeOfBox)
	want := schema.Block{
		Attributes: []schema.Attribute{
			{Name: "shop", Type: cty.String, Required: true, Replace: true, Refers: []string{"shop"}},
			{Name: "name", Type: cty.String, Required: true, Replace: true},
			{Name: "tags", Type: cty.Set(cty.String), NonEmpty: "say all_tags = true"},
			{Name: "order", Type: cty.List(cty.String)},
			{Name: "size", Type: cty.Number, Default: []byte("3")},
			{Name: "mode", Type: cty.String, Default: []byte(`"open"`), OneOf: []string{"open", "shut"}},
			{Name: "note", Type: cty.String, Computed: true},
			{Name: "trigger", Type: cty.String, Local: true},
			{Name: "secret", Type: cty.String, Sensitive: true},
			{Name: "code", Type: cty.String, Computed: true, ReadOnly: true},
			{Name: "opened", Type: cty.Number, Computed: true, ReadOnly: true, Volatile: true},
		},
		Blocks: []schema.Nested{{Name: "lid", Single: true}, {Name: "shelf", Label: "shelf name"}},
	}
	for n := range want.Blocks {
		want.Blocks[n].Body.Attributes = []schema.Attribute{
			{Name: "colour", Type: cty.String, Required: true},
			{Name: "locked", Type: cty.Bool, Computed: true},
			{Name: "maker", Type: cty.String},
		}
	}
	equal := cmp.Comparer(func(a, b cty.Type) bool { return a.Equals(b) })
	if diff := cmp.Diff(want, got, equal, cmp.Transformer("list", func(s []string) string { return fmt.Sprintf("%q", s) })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDeriveRefuses(t *testing.T) {
	for name, try := range map[string]func(){
		"optional plain": func() {
			New(Provider{Resources: []Resource{Type[struct {
				A bool `json:"a"`
			}]{Read: noRead[struct {
				A bool `json:"a"`
			}]}}})
		},
		"no name": func() { block(typeOf[struct{ A *bool }]()) },
		"unknown flag": func() {
			block(typeOf[struct {
				A *bool `json:"a" schema:"requierd"`
			}]())
		},
		"address, no types": func() {
			block(typeOf[struct {
				A addrs.Instance `json:"a"`
			}]())
		},
		"types, no address": func() {
			block(typeOf[struct {
				A *string `json:"a" refers:"b"`
			}]())
		},
		"no form": func() {
			block(typeOf[struct {
				A chan int `json:"a"`
			}]())
		},
		"map block label": func() {
			block(typeOf[struct {
				A map[string]lid `json:"a" schema:"block"`
			}]())
		},
		"identity": func() { Type[shop]{Name: "s", Identity: []string{"id"}, Read: noRead[shop]}.assemble() },
		"no read":  func() { Type[shop]{Name: "s"}.assemble() },
		"twice": func() {
			s := Type[shop]{Name: "s", Read: noRead[shop]}
			New(Provider{Resources: []Resource{s, s}})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			try()
		}()
	}
}

func noRead[T any](context.Context, *Env, []*Item[T]) {}

func TestLeftOutIsNotEmpty(t *testing.T) {
	c := newCodec(typeOfBox)
	for _, x := range []struct {
		name string
		in   box
		want string
	}{
		{"nil and zero", box{Name: "n"}, `{"mode":"","name":"n","size":0}`},
		{"empty", box{Name: "n", Tags: Set[string]{}, Order: []string{}, Note: ptr("")}, `{"mode":"","name":"n","note":"","order":[],"size":0,"tags":[]}`},
		{"sets", box{Name: "n", Tags: Set[string]{"b", "a", "b"}, Order: []string{"b", "a"}, Shop: shopAddr},
			`{"mode":"","name":"n","order":["b","a"],"shop":"shop.s","size":0,"tags":["a","b"]}`},
		{"blocks", box{Name: "n", Lid: &lid{Colour: "red"}, Shelves: map[string]lid{"b": {Locked: ptr(false)}}},
			`{"lid":{"colour":"red"},"mode":"","name":"n","shelf":{"b":{"colour":"","locked":false}},"size":0}`},
	} {
		got, err := c.encode(x.in)
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		if diff := cmp.Diff(x.want, string(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", x.name, diff)
		}
	}
}

func TestPropose(t *testing.T) {
	b := block(typeOfBox)
	const desired = `{"shop":"shop.s","name":"x","mode":"open","size":3}`
	for _, x := range []struct {
		name                    string
		desired, recorded, live string
		unknown                 []addrs.Path
		want                    string
		wantUnknown             []addrs.Path
		replace                 []addrs.Path
		problems                int
	}{
		{name: "create", desired: desired,
			want: desired, wantUnknown: []addrs.Path{"/code", "/note", "/opened"}},
		{name: "create, computed given", desired: `{"note":"mine","lid":{"colour":"red"}}`,
			want: `{"note":"mine","lid":{"colour":"red"}}`, wantUnknown: []addrs.Path{"/code", "/lid/locked", "/opened"}},
		{name: "left out is filled", desired: desired, live: `{"shop":"shop.s","name":"x","mode":"shut","size":4,"tags":["a"],"note":"n","code":"c","opened":7,"lid":{"colour":"red"}}`,
			want: `{"shop":"shop.s","name":"x","mode":"open","size":3,"tags":["a"],"note":"n","code":"c","opened":7,"lid":{"colour":"red"}}`},
		{name: "empty is wanted empty", desired: `{"order":[]}`, live: `{"order":["a"]}`, want: `{"order":[]}`},
		{name: "a set in another order is the same", desired: `{"tags":["b","a"]}`, live: `{"tags":["a","b"]}`, want: `{"tags":["a","b"]}`},
		{name: "replace", desired: desired, live: `{"shop":"shop.s","name":"y","mode":"open","size":3}`,
			want: desired, replace: []addrs.Path{"/name"}},
		{name: "unknown that replaces", desired: `{"name":"x"}`, unknown: []addrs.Path{"/shop"}, live: `{"shop":"shop.s","name":"x"}`,
			want: `{"name":"x"}`, wantUnknown: []addrs.Path{"/shop"}, problems: 1},
		{name: "unknown is not filled", desired: `{"name":"x"}`, unknown: []addrs.Path{"/note", "/tags"}, live: `{"name":"x","note":"n","tags":["a"]}`,
			want: `{"name":"x"}`, wantUnknown: []addrs.Path{"/note", "/tags"}},
		{name: "local as desired, not as it was", desired: `{"trigger":"new"}`, recorded: `{"trigger":"old"}`, live: `{"trigger":"old"}`, want: `{"trigger":"new"}`},
		{name: "local taken out", desired: `{}`, recorded: `{"trigger":"old"}`, live: `{"trigger":"old"}`, want: `{}`},
		{name: "within a block", desired: `{"lid":{"colour":"red"}}`, live: `{"lid":{"colour":"blue","locked":true,"maker":"m"}}`,
			want: `{"lid":{"colour":"red","locked":true,"maker":"m"}}`},
		{name: "labels as desired", desired: `{"shelf":{"a":{"colour":"red"},"c":{"colour":"x"}}}`, live: `{"shelf":{"a":{"colour":"blue","locked":true},"b":{"colour":"y"}}}`,
			want: `{"shelf":{"a":{"colour":"red","locked":true},"c":{"colour":"x"}}}`, wantUnknown: []addrs.Path{"/shelf/c/locked"}},
	} {
		d := object(t, x.desired)
		d.Unknown = x.unknown
		var recorded, live *providers.Object
		if x.recorded != "" {
			recorded = object(t, x.recorded)
		}
		if x.live != "" {
			live = object(t, x.live)
			live.ID = "id"
		}
		planned, replace, problems, err := propose(&b, d, recorded, live)
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		want := object(t, x.want)
		want.Unknown = x.wantUnknown
		want.Sensitive = []addrs.Path{"/secret"}
		if live != nil {
			want.ID = "id"
		}
		if diff := cmp.Diff(want, planned); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", x.name, diff)
		}
		if diff := cmp.Diff(x.replace, replace); diff != "" {
			t.Errorf("%s: replace (-want +got)\n%s", x.name, diff)
		}
		if len(problems) != x.problems {
			t.Errorf("%s: %v", x.name, problems)
		}
	}
}

// What is proposed keeps all that is desired, and proposing again over it
// changes nothing.
func TestProposeIsStable(t *testing.T) {
	b := block(typeOfBox)
	c := newCodec(typeOfBox)
	words := rapid.SampledFrom([]string{"", "a", "b", "<é>"})
	maybe := rapid.Ptr(words, true)
	tags := rapid.Custom(func(t *rapid.T) Set[string] {
		if rapid.Bool().Draw(t, "nil") {
			return nil
		}
		return append(Set[string]{}, rapid.SliceOfN(words, 0, 3).Draw(t, "tags")...)
	})
	lids := rapid.Custom(func(t *rapid.T) lid {
		return lid{Colour: words.Draw(t, "colour"), Locked: rapid.Ptr(rapid.Bool(), true).Draw(t, "locked"), Maker: maybe.Draw(t, "maker")}
	})
	boxes := rapid.Custom(func(t *rapid.T) box {
		return box{Shop: shopAddr, Name: words.Draw(t, "name"), Tags: tags.Draw(t, "tags"), Note: maybe.Draw(t, "note"), Trigger: maybe.Draw(t, "trigger"),
			Code: words.Draw(t, "code"), Lid: rapid.Ptr(lids, true).Draw(t, "lid"), Shelves: rapid.MapOfN(words, lids, 0, 2).Draw(t, "shelves")}
	})
	rapid.Check(t, func(t *rapid.T) {
		make := func(label string) *providers.Object {
			body, err := c.encode(boxes.Draw(t, label))
			if err != nil {
				t.Fatal(err)
			}
			return &providers.Object{Addr: boxAddr, Type: "box", Body: body}
		}
		desired, live := make("desired"), make("live")
		planned, _, _, err := propose(&b, desired, nil, live)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := schema.Canonical(planned.Body, &b); err != nil || string(again) != string(planned.Body) {
			t.Fatalf("not canonical: %s", planned.Body)
		}
		want, _ := schema.Members(nil, desired.Body)
		for _, m := range want {
			name := string(m.Name)
			if nested := b.Nested(name); nested == nil && string(m.Value) != member(planned, name) {
				t.Fatalf("%s is not as desired: %s, planned %s", name, desired.Body, planned.Body)
			}
		}
		second, replace, _, err := propose(&b, desired, planned, planned)
		if err != nil || string(second.Body) != string(planned.Body) || len(replace) > 0 {
			t.Fatalf("planned again:\n%s\n%s\n%v %v", planned.Body, second.Body, replace, err)
		}
	})
}

func TestLifecycle(t *testing.T) {
	ctx := context.Background()
	s := &store{}
	p := configured(t, s, false)
	desired := object(t, `{"shop":"shop.s","name":"x","mode":"shut","size":3,"tags":["b","a"],"trigger":"t1"}`)

	read := p.Read(ctx, providers.ReadRequest{Objects: []providers.Object{*desired}})
	if !read[0].Missing {
		t.Fatalf("read before it exists: %+v", read[0])
	}
	plan := p.Plan(ctx, providers.PlanRequest{Items: []providers.PlanItem{{Addr: boxAddr, Desired: desired}}})[0]
	if diff := cmp.Diff(object(t, `{"shop":"shop.s","name":"x","mode":"shut","size":3,"tags":["b","a"],"trigger":"t1","note":"shut"}`).Body, plan.Planned.Body); diff != "" {
		t.Errorf("plan: (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2 tags are not seen"}, plan.Consequences); diff != "" {
		t.Errorf("plan: (-want +got)\n%s", diff)
	}
	done := p.Apply(ctx, providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: boxAddr, Action: providers.Create, Planned: plan.Planned}}})[0]
	if done.Err != nil {
		t.Fatal(done.Err)
	}
	want := object(t, `{"shop":"shop.s","name":"x","mode":"shut","size":3,"tags":["b","a"],"trigger":"t1","note":"shut","code":"code of shut"}`)
	want.ID, want.Sensitive = "id-x", []addrs.Path{"/secret"}
	if diff := cmp.Diff(want, done.Object); diff != "" {
		t.Errorf("apply: (-want +got)\n%s", diff)
	}

	s.calls = nil
	read = p.Read(ctx, providers.ReadRequest{Objects: []providers.Object{*done.Object, *desired}})
	if !read[0].Same || read[0].Object != nil {
		t.Errorf("read of what was recorded is not the same: %+v", read[0])
	}
	if diff := cmp.Diff(want, read[1].Object); diff != "" {
		t.Errorf("read by identity: (-want +got)\n%s", diff)
	}
	plan = p.Plan(ctx, providers.PlanRequest{Items: []providers.PlanItem{{Addr: boxAddr, Desired: desired, Recorded: done.Object, Live: done.Object}}})[0]
	if plan.Planned.Hash() != done.Object.Hash() || plan.Planned.ID != "id-x" {
		t.Errorf("nothing changed, and the plan is %s", plan.Planned.Body)
	}

	// a local attribute alone asks for nothing of the system
	desired = object(t, `{"shop":"shop.s","name":"x","mode":"shut","size":3,"tags":["b","a"],"trigger":"t2"}`)
	plan = p.Plan(ctx, providers.PlanRequest{Items: []providers.PlanItem{{Addr: boxAddr, Desired: desired, Recorded: done.Object, Live: done.Object}}})[0]
	update := providers.ApplyItem{Addr: boxAddr, Action: providers.Update, Planned: plan.Planned, Live: done.Object, Recorded: done.Object}
	s.calls = nil
	now := p.Apply(ctx, providers.ApplyRequest{Items: []providers.ApplyItem{update}})[0]
	if now.Err != nil || now.Object.ID != "id-x" || member(now.Object, "trigger") != `"t2"` || len(s.calls) > 0 {
		t.Errorf("local change: %+v, calls %v", now, s.calls)
	}

	// the mode changes: the code follows
	desired = object(t, `{"shop":"shop.s","name":"x","mode":"open","size":3}`)
	plan = p.Plan(ctx, providers.PlanRequest{Items: []providers.PlanItem{{Addr: boxAddr, Desired: desired, Recorded: now.Object, Live: now.Object}}})[0]
	if diff := cmp.Diff([]addrs.Path{"/code"}, plan.Planned.Unknown); diff != "" {
		t.Errorf("unknown: (-want +got)\n%s", diff)
	}
	now = p.Apply(ctx, providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: boxAddr, Action: providers.Update, Planned: plan.Planned, Live: now.Object}}})[0]
	if now.Err != nil || member(now.Object, "code") != `"code of open"` {
		t.Errorf("update: %+v", now)
	}

	// another name is another box: nothing of the old one is carried over
	renamed := object(t, `{"shop":"shop.s","name":"y","mode":"open","size":3}`)
	replaced := p.Plan(ctx, providers.PlanRequest{Items: []providers.PlanItem{{Addr: boxAddr, Desired: renamed, Recorded: now.Object, Live: now.Object}}})[0]
	want = object(t, `{"shop":"shop.s","name":"y","mode":"open","size":3}`)
	want.Unknown, want.Sensitive = []addrs.Path{"/code", "/note", "/opened"}, []addrs.Path{"/secret"}
	if diff := cmp.Diff(want, replaced.Planned); diff != "" || len(replaced.Replace) != 1 || replaced.Replace[0] != "/name" {
		t.Errorf("replace: %v (-want +got)\n%s", replaced.Replace, diff)
	}

	for _, change := range []struct {
		action  providers.Action
		removal schema.Removal
		calls   []string
	}{
		{providers.Remove, schema.Forget, nil},
		{providers.Replace, "", []string{"remove delete id-x", "create x"}},
		{providers.Remove, schema.Delete, []string{"remove delete id-x"}},
	} {
		s.calls = nil
		item := providers.ApplyItem{Addr: boxAddr, Action: change.action, Removal: change.removal, Live: now.Object, Recorded: now.Object}
		if change.action == providers.Replace {
			item.Planned = plan.Planned
		}
		r := p.Apply(ctx, providers.ApplyRequest{Items: []providers.ApplyItem{item}})[0]
		if r.Err != nil || (r.Object == nil) != (change.action == providers.Remove) {
			t.Errorf("%s %s: %+v", change.action, change.removal, r)
		}
		if diff := cmp.Diff(change.calls, s.calls); diff != "" {
			t.Errorf("%s %s: calls (-want +got)\n%s", change.action, change.removal, diff)
		}
	}
}

func TestFailuresAreOfTheirItem(t *testing.T) {
	ctx := context.Background()
	s := &store{boxes: map[string]box{"a": {Name: "a"}, "z": {Name: "z"}}}
	p := configured(t, s, false)
	batch := func(names ...string) (objects []providers.Object, items []providers.ApplyItem) {
		for _, n := range names {
			o := object(t, `{"shop":"shop.s","name":"`+n+`"}`)
			o.Addr.Key = n
			objects = append(objects, *o)
			items = append(items, providers.ApplyItem{Addr: o.Addr, Action: providers.Create, Planned: o})
		}
		return objects, items
	}
	kinds := func(results []providers.Result) (kinds []providers.Kind) {
		for _, r := range results {
			kind := providers.Kind("")
			if r.Err != nil {
				kind = r.Err.Kind
			}
			kinds = append(kinds, kind)
		}
		return kinds
	}
	objects, items := batch("a", "stuck", "z")

	s.leave = "stuck"
	if diff := cmp.Diff([]providers.Kind{"", providers.Internal, ""}, kinds(p.Read(ctx, providers.ReadRequest{Objects: objects}))); diff != "" {
		t.Errorf("no answer: (-want +got)\n%s", diff)
	}
	s.leave, s.crash = "", "stuck"
	results := p.Read(ctx, providers.ReadRequest{Objects: objects})
	if diff := cmp.Diff([]providers.Kind{"", providers.Internal, providers.Internal}, kinds(results)); diff != "" {
		t.Errorf("a batch that panics keeps what it had answered: (-want +got)\n%s", diff)
	}
	if results[1].Err.Stack == "" || results[1].Err.Addr != objects[1].Addr {
		t.Errorf("panic: %+v", results[1].Err)
	}
	if diff := cmp.Diff([]providers.Kind{"", providers.Internal, ""}, kinds(p.Apply(ctx, providers.ApplyRequest{Items: items}))); diff != "" {
		t.Errorf("one of Each that panics: (-want +got)\n%s", diff)
	}
	objects[1].Body = []byte(`{"name":1}`)
	if diff := cmp.Diff([]providers.Kind{"", providers.Invalid, ""}, kinds(p.Read(ctx, providers.ReadRequest{Objects: objects}))); diff != "" {
		t.Errorf("a body that cannot be read: (-want +got)\n%s", diff)
	}
	objects[1].Type = "crate"
	if diff := cmp.Diff([]providers.Kind{"", providers.Invalid, ""}, kinds(p.Read(ctx, providers.ReadRequest{Objects: objects}))); diff != "" {
		t.Errorf("an unknown type among others: (-want +got)\n%s", diff)
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	s := &store{}
	p := configured(t, s, true)
	o := object(t, `{"shop":"shop.s","name":"x"}`)
	r := p.Apply(context.Background(), providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: boxAddr, Action: providers.Create, Planned: o}}})[0]
	if r.Err == nil || r.Err.Kind != providers.Refused || len(s.calls) > 0 {
		t.Errorf("%+v, calls %v", r, s.calls)
	}
}

func TestBeforeConfigure(t *testing.T) {
	ctx := context.Background()
	p := (&store{}).provider()
	o := object(t, `{"shop":"shop.s","name":"x"}`)
	if r := p.Read(ctx, providers.ReadRequest{Objects: []providers.Object{*o}}); len(r) != 1 || providers.KindOf(r[0].Err) != providers.Internal {
		t.Errorf("%+v", r)
	}
	problems := p.Validate(ctx, []providers.Object{*o})
	if len(problems) != 1 || problems[0].Code != "BOX-1" || problems[0].Path != "/shop" || problems[0].Addr != boxAddr {
		t.Errorf("%+v", problems)
	}
}

func TestAsErrorKeepsTheKind(t *testing.T) {
	inner := providers.Errorf(providers.Throttled, "later")
	for _, x := range []struct {
		in   error
		want providers.Kind
		text string
	}{
		{inner, providers.Throttled, "reading: later"},
		{fmt.Errorf("logging in: %w", inner), providers.Throttled, "reading: logging in: later"},
		{errors.New("odd"), providers.Internal, "reading: odd"},
		{context.Canceled, providers.Ambiguous, "reading: context canceled"},
	} {
		got := asError(x.in, "reading", boxAddr, providers.Ambiguous)
		if got.Kind != x.want || got.Error() != x.text || got.Addr != boxAddr {
			t.Errorf("%v: %+v", x.in, got)
		}
	}
	if inner.Op != "" {
		t.Error("the error that was given has changed")
	}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

var typeOfBox = typeOf[box]()
