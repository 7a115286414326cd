package lang

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// output is an output block.
type output struct {
	name, description string
	sensitive         bool
	value             *hcl.Attribute // nil after a problem
	rng               hcl.Range

	mentions []mention
}

var outputSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "value"}, {Name: "description"}, {Name: "sensitive"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}},
}

func (c *Config) addOutput(block *hcl.Block) hcl.Diagnostics {
	name := block.Labels[0]
	if first := c.outputs[name]; first != nil {
		return hcl.Diagnostics{again(block.DefRange, fmt.Sprintf("an output %q", name), first.rng)}
	}
	o := &output{name: name, rng: block.DefRange}
	c.outputs[name] = o
	content, diags := contentOf(block.Body, outputSchema)
	r := &reader{diags: diags}
	if o.value = content.Attributes["value"]; o.value == nil {
		r.diags = append(r.diags, missing("value", block.DefRange))
	}
	r.flag(content.Attributes["sensitive"], &o.sensitive)
	if a := content.Attributes["description"]; a != nil {
		r.into(a, &o.description)
	}
	for _, b := range content.Blocks {
		r.rule(b)
		r.diags = append(r.diags, notYet(b.DefRange, "a precondition"))
	}
	return r.diags
}

// evaluateOutputs checks every output, and evaluates it as far as it is known.
func (e *evaluator) evaluateOutputs() {
	for _, name := range slices.Sorted(maps.Keys(e.config.outputs)) {
		declared := *e.config.outputs[name]
		if declared.value == nil {
			continue
		}
		found, diags := e.check(declared.value.Expr, sight{what: "An output", blocks: true})
		e.report(diags...)
		if diags.HasErrors() {
			continue
		}
		declared.mentions = slices.DeleteFunc(found, func(m mention) bool { return earlyRoots[m.root] })
		o := &Output{Name: name, Description: declared.description, Sensitive: declared.sensitive, Range: declared.rng, output: &declared, evaluator: e}
		ev := o.evaluation(nil)
		ev.scope()
		o.DependsOn = ev.dependencies()
		_, diags = o.Value(nil)
		e.report(diags...)
		e.desired.Outputs = append(e.desired.Outputs, o)
	}
}

// plainJSON is a value as JSON, as it is: null stays null.
func plainJSON(v cty.Value) (json.RawMessage, error) {
	return ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
}
