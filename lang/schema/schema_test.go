package schema

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

var provider = &Provider{
	Name: "test", Version: "1.2.3",
	Instances: []Type{{Name: "vault", Doc: "A vault.", Body: Block{Attributes: []Attribute{{Name: "id", Type: cty.Number, Computed: true}}}}},
	Resources: []Type{{
		Name: "permission_set", Version: 2, Identity: []string{"name"}, Removal: Revoke,
		Body: Block{
			Attributes: []Attribute{
				{Name: "vault", Type: cty.String, Required: true, Refers: []string{"vault"}},
				{Name: "name", Type: cty.String, Replace: true, OneOf: []string{"a", "b"}, NonEmpty: "write it", Deprecated: "no more"},
				{Name: "shape", Type: cty.ObjectWithOptionalAttrs(map[string]cty.Type{"a": cty.Set(cty.String), "b": cty.DynamicPseudoType}, []string{"b"})},
				{Name: "secret", Type: cty.Map(cty.String), Sensitive: true, Local: true, Default: json.RawMessage(`{"a":"b"}`)},
				{Name: "health", Type: cty.Bool, Volatile: true, Computed: true, ReadOnly: true},
			},
			Blocks: []Nested{
				{Name: "object", Label: "object name", Required: true, Body: Block{
					Blocks: []Nested{{Name: "field", Label: "field name", Body: Block{Attributes: []Attribute{{Name: "permission", Type: cty.String}}}}},
				}},
				{Name: "reference", Single: true},
			},
		},
	}},
	Streams: []Stream{{Name: "clm", Instance: "vault", Ordered: true, Write: true, Parts: []Part{{Name: "slide", Title: "slides"}, {Name: "presentation", Routed: true}}}},
}

// A schema crosses the plugin boundary as JSON, and loses nothing there.
func TestProviderThroughJSON(t *testing.T) {
	text, err := json.Marshal(provider)
	if err != nil {
		t.Fatal(err)
	}
	var back *Provider
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	types := cmp.Comparer(func(a, b cty.Type) bool { return a.Equals(b) })
	if diff := cmp.Diff(provider, back, types); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLookup(t *testing.T) {
	set, instance := provider.Type("permission_set")
	if set != &provider.Resources[0] || instance {
		t.Errorf("permission_set is %v, %t", set, instance)
	}
	if vault, instance := provider.Type("vault"); vault != &provider.Instances[0] || !instance {
		t.Errorf("vault is %v, %t", vault, instance)
	}
	if other, _ := provider.Type("other"); other != nil {
		t.Errorf("there is %v", other)
	}
	if provider.Stream("clm") != &provider.Streams[0] || provider.Stream("other") != nil {
		t.Error("there is one stream, clm")
	}
	object := set.Body.Nested("object")
	if object == nil || object.Body.Nested("field").Body.Attribute("permission") == nil || set.Body.Attribute("object") != nil || set.Body.Nested("vault") != nil {
		t.Error("attributes and blocks are found by name, each among its own")
	}
}
