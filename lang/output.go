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

	mentions   []mention
	conditions []*condition
}

var outputSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "value"}, {Name: "description"}, {Name: "sensitive"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}},
}

func (c *module) addOutput(block *hcl.Block) hcl.Diagnostics {
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
		if rule := r.rule(b); rule != nil {
			o.conditions = append(o.conditions, &condition{kind: Precondition, rule: rule, rng: b.DefRange})
		}
	}
	return r.diags
}

// bindOutputs holds every output against what it may refer to.
func (e *evaluator) bindOutputs() {
	e.outputs = make(map[string]*output, len(e.module.outputs))
	for _, name := range slices.Sorted(maps.Keys(e.module.outputs)) {
		bound := *e.module.outputs[name]
		if bound.value == nil {
			continue
		}
		s := sight{what: "An output", blocks: true}
		found, diags := e.check(bound.value.Expr, s)
		bound.conditions = nil
		for _, declared := range e.module.outputs[name].conditions {
			c := *declared
			diags = append(diags, c.bind(e, s)...)
			bound.conditions = append(bound.conditions, &c)
		}
		e.report(diags...)
		if !diags.HasErrors() {
			bound.mentions = e.reading(found)
			e.outputs[name] = &bound
		}
	}
}

// evaluateOutputs evaluates every output as far as it is known.
func (e *evaluator) evaluateOutputs() {
	for _, name := range slices.Sorted(maps.Keys(e.outputs)) {
		declared := e.outputs[name]
		o := &Output{Name: name, Description: declared.description, Sensitive: declared.sensitive, Range: declared.rng, output: declared, evaluator: e}
		ev := o.evaluation(nil)
		ev.scope()
		o.DependsOn = ev.dependencies()
		_, diags := o.Value(nil)
		e.report(diags...)
		o.Conditions = e.outputConditions(declared)
		e.desired.Outputs = append(e.desired.Outputs, o)
	}
}

// plainJSON is a value as JSON, as it is: null stays null.
func plainJSON(v cty.Value) (json.RawMessage, error) {
	return ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
}
