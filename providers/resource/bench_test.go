package resource

import (
	"context"
	"fmt"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
)

// BenchmarkNoChange reads and plans a batch of 500 objects in which nothing
// changed, as most plans do.
func BenchmarkNoChange(b *testing.B) {
	boxes := map[string]box{}
	p := New(Provider{
		Name: "bench", Instances: []Connectable{Instance[shop]{Name: "shop", Connect: Each(1, func(_ context.Context, _ *Env, i *Item[shop]) { i.Found("", *i.Want) })}},
		Resources: []Resource{Type[box]{Name: "box", Read: func(_ context.Context, _ *Env, items []*Item[box]) {
			for _, i := range items {
				i.Found("id-"+i.Want.Name, boxes[i.Want.Name])
			}
		}}},
	})
	p.Configure(b.Context(), providers.Config{})
	read := providers.ReadRequest{}
	plan := providers.PlanRequest{}
	c := newCodec(typeOfBox)
	for n := range 500 {
		name := fmt.Sprint("box ", n)
		boxes[name] = box{Shop: shopAddr, Name: name, Mode: "open", Size: 3, Note: ptr("a note"), Code: "code", Tags: Set[string]{"a", "b", "c"}, Lid: &lid{Colour: "red", Locked: ptr(true)}}
		body, err := c.encode(boxes[name])
		if err != nil {
			b.Fatal(err)
		}
		live := providers.Object{Addr: addrs.NewKeyed("box", "b", name), Type: "box", ID: "id-" + name, Body: body}
		desired := live
		desired.Body = []byte(`{"lid":{"colour":"red"},"mode":"open","name":"` + name + `","shop":"shop.s","size":3,"tags":["a","b","c"]}`)
		read.Objects = append(read.Objects, live)
		plan.Items = append(plan.Items, providers.PlanItem{Addr: live.Addr, Desired: &desired, Recorded: &live, Live: &live})
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range p.Read(b.Context(), read) {
			if !r.Same {
				b.Fatal(r)
			}
		}
		for n, r := range p.Plan(b.Context(), plan) {
			if string(r.Planned.Body) != string(plan.Items[n].Live.Body) {
				b.Fatalf("%s", r.Planned.Body)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/500, "µs/object")
}
