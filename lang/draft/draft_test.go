package draft

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/addrs"
	"accord/lang/schema"
)

var shelf = &schema.Type{Name: "shelf", Body: schema.Block{Attributes: []schema.Attribute{{Name: "system", Type: cty.String, Required: true}}}}

var box = &schema.Type{Name: "box", Identity: []string{"shelf", "name"}, Body: schema.Block{
	Attributes: []schema.Attribute{
		{Name: "shelf", Type: cty.String, Required: true, Refers: []string{"shelf"}},
		{Name: "name", Type: cty.String, Required: true},
		{Name: "size", Type: cty.Number, Default: json.RawMessage("1")},
		{Name: "tags", Type: cty.Map(cty.String)},
		{Name: "serial", Type: cty.String, ReadOnly: true},
		{Name: "trigger", Type: cty.String, Local: true},
	},
	Blocks: []schema.Nested{{Name: "slot", Label: "slot name", Body: schema.Block{Attributes: []schema.Attribute{{Name: "key", Type: cty.String}}}}},
}}

func onShelf(n int, key, name, more string) Object {
	to := addrs.New("shelf", key)
	if key != "" && !strings.HasPrefix(key, "one") {
		to = addrs.NewKeyed("shelf", "all", key)
	}
	ref, _ := json.Marshal(to)
	text, _ := json.Marshal(name)
	return Object{Addr: addrs.NewKeyed("box", "found", fmt.Sprintf("%04d", n)), Type: box, ID: fmt.Sprintf("id-%d", n),
		Body: json.RawMessage(fmt.Sprintf(`{"name":%s,"serial":"s","shelf":%s,"size":1%s}`, text, ref, more))}
}

// write drafts objects, and parses what comes out.
func write(t *testing.T, req Request) (*Draft, string) {
	t.Helper()
	d := Write(req)
	var all strings.Builder
	for _, name := range []string{"shelf.hcl", "box.hcl", ImportsFile, VariablesFile} {
		text, ok := d.Files[name]
		if !ok {
			continue
		}
		if _, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos); diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
		fmt.Fprintf(&all, "--- %s\n%s", name, text)
	}
	return d, all.String()
}

// What is the same on several shelves is one block; what differs is in a map;
// defaults, what only the provider says, and accord's own settings are not written.
func TestFold(t *testing.T) {
	_, got := write(t, Request{Objects: []Object{
		onShelf(1, "a", "tools", `,"trigger":"x"`), onShelf(2, "b", "tools", `,"tags":{"for":"${x}"}`), onShelf(3, "a", "nails", ""), onShelf(4, "b", "nails", ""),
		onShelf(5, "a", "odd", `,"slot":{"left":{"key":"k"}}`),
	}})
	want := `--- box.hcl
locals {
  all_keys = toset(["a", "b"])
}

box "nails" {
  for_each = local.all_keys
  shelf    = shelf.all[each.key]
  name     = "nails"
}

box "odd" {
  shelf = shelf.all["a"]
  name  = "odd"

  slot "left" {
    key = "k"
  }
}

locals {
  box_tools = {
    a = {}
    b = { tags = { "for" = "$${x}" } }
  }
}

box "tools" {
  for_each = local.box_tools
  shelf    = shelf.all[each.key]
  name     = "tools"
  tags     = try(each.value.tags, null)
}
`
	before, _, _ := strings.Cut(got, "--- imports.hcl")
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !strings.Contains(got, "to = box.nails[each.key]\n  id = each.value") || !strings.Contains(got, "to = box.odd\n  id = \"id-5\"") {
		t.Errorf("the imports:\n%s", got)
	}
}

// Names are valid and unique, whatever objects are called.
func TestNames(t *testing.T) {
	var objects []Object
	for n, name := range []string{"for", "null", "Équipe terrain", "équipe-terrain", "作用機序", "123", "!!!", "", "a b", "a_b", "each", "${x}"} {
		objects = append(objects, onShelf(n, fmt.Sprintf("one%d", n), name, ""))
	}
	d, text := write(t, Request{Objects: objects, Taken: []addrs.Block{{Type: "box", Name: "each"}}})
	seen := map[addrs.Instance]bool{}
	for was, is := range d.Addrs {
		if seen[is] || !hclsyntax.ValidIdentifier(is.Name) {
			t.Errorf("%s is %s", was, is)
		}
		seen[is] = true
		if back, err := addrs.ParseInstance(is.String()); err != nil || back != is {
			t.Errorf("%s cannot be read again: %v", is, err)
		}
	}
	if len(seen) != len(objects) || seen[addrs.New("box", "each")] {
		t.Errorf("%d names of %d\n%s", len(seen), len(objects), text)
	}
	for _, name := range []string{"equipe_terrain", "for", "null", "作用機序", "_123"} {
		found := false
		for is := range seen {
			found = found || is.Name == name || strings.HasPrefix(is.Name, name+"_")
		}
		if !found {
			t.Errorf("nothing is called %s: %v", name, seen)
		}
	}
}

// Many of one shelf that differ in little are one block, too.
func TestSiblings(t *testing.T) {
	d, text := write(t, Request{Objects: []Object{onShelf(1, "one", "x", ""), onShelf(2, "one", "for", `,"tags":{"t":"1"}`), onShelf(3, "one", "z", "")}})
	if d.Blocks != 1 || !strings.Contains(text, `"for" = { name = "for"`) || !strings.Contains(text, "name     = each.value.name") {
		t.Errorf("%d blocks\n%s", d.Blocks, text)
	}
}

// A block that is there keeps its name, and gives its keys.
func TestFixed(t *testing.T) {
	fixed := func(key string) Object {
		return Object{Addr: addrs.NewKeyed("shelf", "all", key), Fixed: true, Type: shelf, Body: json.RawMessage(`{"system":"s-` + key + `"}`)}
	}
	d, text := write(t, Request{Objects: []Object{fixed("a"), fixed("b"), onShelf(1, "a", "x", ""), onShelf(2, "b", "x", "")}})
	if !strings.Contains(text, "for_each = local.shelf_all\n  shelf    = shelf.all[each.key]") || strings.Contains(string(d.Files[ImportsFile]), "shelf.all") {
		t.Errorf("%s", text)
	}
}

// FuzzName: whatever an object is called, the files parse, and say its name.
func FuzzName(f *testing.F) {
	for _, s := range []string{"a", "for", "%{if}", "\"\\\n", "é", "\u2028"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, name, tag string) {
		more, _ := json.Marshal(map[string]string{tag: name})
		d, text := write(t, Request{Objects: []Object{onShelf(1, "a", name, `,"tags":`+string(more)), onShelf(2, "b", name, "")}, Head: []string{name}})
		if len(d.Addrs) != 2 {
			t.Errorf("%v\n%s", d.Addrs, text)
		}
	})
}
