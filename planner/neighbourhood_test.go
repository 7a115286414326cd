package planner

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/providertest"
)

// A request carries what hangs together with its objects, as wanted and as
// remembered, and no more.
func TestNeighbourhoods(t *testing.T) {
	sch, err := providertest.NewMemory().Provider().Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &Planner{Schemas: map[string]*schema.Provider{sch.Name: sch}}
	all := providers.Refs{}
	type planned = object
	object := func(name, body string) *providers.Object {
		addr, err := addrs.ParseInstance(name)
		if err != nil {
			t.Fatal(err)
		}
		return &providers.Object{Addr: addr, Type: addr.Type, Body: []byte(body)}
	}
	for name, body := range map[string]string{
		"shelf.north": `{"system":"north"}`,
		"shelf.south": `{"system":"south"}`,
		"box.a":       `{"name":"a","shelf":"shelf.north"}`,
		"box.b":       `{"name":"b","shelf":"shelf.north"}`,
		"box.c":       `{"name":"c","shelf":"shelf.north"}`,
		"label.a1":    `{"box":"box.a","text":"1"}`,
		"label.a2":    `{"box":"box.a","text":"2"}`,
		"label.b1":    `{"box":"box.b","text":"1"}`,
		"label.none":  `{"box":"box.gone","text":"1"}`,
	} {
		o := object(name, body)
		all[o.Addr] = *o
	}
	carried := func(n *neighbourhoods, some ...string) []string {
		var addresses []addrs.Instance
		for _, name := range some {
			addresses = append(addresses, object(name, "").Addr)
		}
		var names []string
		for addr := range n.of(slices.Values(addresses)) {
			if addr.Type != "shelf" {
				names = append(names, addr.String())
			}
		}
		slices.Sort(names)
		return names
	}
	n := p.neighbourhoods(all)
	moved := p.neighbourhoods(all, &planned{addr: object("label.a2", "").Addr, live: object("label.a2", `{"box":"box.b","text":"2"}`)})
	for _, c := range []struct {
		name string
		got  []string
		want []string
	}{
		{"a label", carried(n, "label.a1"), []string{"box.a", "label.a1", "label.a2"}},
		{"its box", carried(n, "box.a"), []string{"box.a", "label.a1", "label.a2"}},
		{"two of one", carried(n, "box.a", "label.a2"), []string{"box.a", "label.a1", "label.a2"}},
		{"two", carried(n, "label.b1", "box.c"), []string{"box.b", "label.b1"}},
		{"nothing that is known", carried(n, "box.new"), nil},
		{"what refers to nothing that is known", carried(n, "label.none"), []string{"label.none"}},
		{"where it was before", carried(moved, "box.b"), []string{"box.a", "box.b", "label.a1", "label.a2", "label.b1"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if refs := n.of(slices.Values([]addrs.Instance{object("box.c", "").Addr})); len(refs) != 2 {
		t.Errorf("a box carries %d objects beside itself; both shelves are 2", len(refs))
	}
}
