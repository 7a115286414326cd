package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"accord/lang/addrs"
)

// Kind is what kind of condition something is.
type Kind string

// The kinds. A failed Assert is a warning, the others are errors.
const (
	Precondition  Kind = "precondition"  // before an object is changed, or an output is evaluated
	Postcondition Kind = "postcondition" // after an object was changed; it may read itself as self
	Assert        Kind = "assert"        // of a check block: about everything, at the end
)

// Condition is something that must hold of what is planned, and of what was
// applied.
type Condition struct {
	Kind      Kind
	Name      string           // what it is about: an address, output.x, or check.x
	DependsOn []addrs.Instance // all it reads but the object itself
	Range     hcl.Range        // the header of its block

	condition *condition
	evaluator *evaluator
	decl      *decl // nil where it is not a resource's
	key       string
}

// Verdict is what came of a condition.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota // something it reads is not known yet
	Holds
	Fails
)

// Check evaluates the condition with objects as they are known, as
// Resource.Resolve does. Where it fails, or cannot be evaluated, the diagnostics
// say why at its line: as warnings for an Assert.
func (c *Condition) Check(known map[addrs.Instance]Object) (Verdict, hcl.Diagnostics) {
	ev := c.evaluation(known)
	verdict, diags := c.condition.rule.judge(ev.scope(), c.summary())
	diags = Arrange(append(ev.diags, diags...))
	if diags.HasErrors() {
		verdict = Fails
	}
	if c.Kind == Assert {
		for _, d := range diags {
			d.Severity = hcl.DiagWarning
			if d.Summary != c.summary() {
				d.Summary = fmt.Sprintf("%s cannot be checked: %s", c.Name, d.Summary)
			}
		}
	}
	return verdict, diags
}

// CheckEarly holds every condition against what is known without reading
// anything; those that need more are passed over.
func (d *Desired) CheckEarly() hcl.Diagnostics {
	all := d.Conditions()
	for _, r := range slices.Concat(d.Instances, d.Resources) {
		all = append(all, r.Conditions...)
	}
	var diags hcl.Diagnostics
	for _, c := range all {
		_, more := c.Check(nil)
		diags = append(diags, more...)
	}
	return Arrange(diags)
}

func (c *Condition) summary() string {
	switch c.Kind {
	case Assert:
		return c.Name + " does not hold"
	default:
		return fmt.Sprintf("A %s of %s does not hold", c.Kind, c.Name)
	}
}

func (c *Condition) evaluation(known map[addrs.Instance]Object) *evaluation {
	return &evaluation{evaluator: c.evaluator, mentions: c.condition.mentions, known: known, decl: c.decl, key: c.key, early: c.evaluator.eachContext(c.decl, c.key), late: true}
}

// touch finds what the condition depends on.
func (c *Condition) touch() hcl.Diagnostics {
	ev := c.evaluation(nil)
	ev.scope()
	c.DependsOn = ev.dependencies()
	return ev.diags
}

// condition is a condition as written; bound, it knows what it reads.
type condition struct {
	kind     Kind
	rule     *rule
	rng      hcl.Range
	mentions []mention
}

// bind holds the condition against what it may refer to.
func (c *condition) bind(e *evaluator, s sight) hcl.Diagnostics {
	if c.kind != Postcondition {
		s.self = nil
	}
	found, diags := e.check(c.rule.condition, s)
	more, problems := e.check(c.rule.message, s)
	if diags = append(diags, problems...); diags.HasErrors() {
		c.rule, c.mentions = unknownRule, nil
		return diags
	}
	c.mentions = e.reading(append(found, more...))
	return diags
}

// unknownRule stands for one that cannot be evaluated.
var unknownRule = &rule{
	condition: &hclsyntax.LiteralValueExpr{Val: unknownOf(boolType)},
	message:   &hclsyntax.LiteralValueExpr{Val: unknownOf(stringType)},
}

// outputConditions are the preconditions of an output.
func (e *evaluator) outputConditions(o *output) []*Condition {
	var all []*Condition
	for _, c := range o.conditions {
		bound := &Condition{Kind: c.kind, Name: e.inside("output." + o.name), Range: c.rng, condition: c, evaluator: e}
		e.report(bound.touch()...)
		all = append(all, bound)
	}
	return all
}

// inside is a name as it is seen from the root.
func (e *evaluator) inside(name string) string {
	if e.prefix == "" {
		return name
	}
	return e.prefix + "." + name
}

// check is a check block.
type check struct {
	name       string
	conditions []*condition
	rng        hcl.Range
}

var checkSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: string(Assert)}}}

func (m *module) addCheck(block *hcl.Block) hcl.Diagnostics {
	name := block.Labels[0]
	if first := m.checks[name]; first != nil {
		return hcl.Diagnostics{again(block.DefRange, fmt.Sprintf("a check %q", name), first.rng)}
	}
	c := &check{name: name, rng: block.DefRange}
	m.checks[name] = c
	content, diags := contentOf(block.Body, checkSchema)
	r := &reader{diags: diags}
	for _, b := range content.Blocks {
		if rule := r.rule(b); rule != nil {
			c.conditions = append(c.conditions, &condition{kind: Assert, rule: rule, rng: b.DefRange})
		}
	}
	if len(content.Blocks) == 0 {
		r.diags = append(r.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Missing block", Detail: "A check needs an assert block.", Subject: block.DefRange.Ptr()})
	}
	return r.diags
}

// evaluateChecks binds the asserts of a module, and the conditions of its
// variables and outputs: all that is about no single resource.
func (e *evaluator) evaluateChecks() {
	for _, name := range slices.Sorted(maps.Keys(e.module.checks)) {
		for _, declared := range e.module.checks[name].conditions {
			c := *declared
			diags := c.bind(e, sight{what: "A check", blocks: true})
			bound := &Condition{Kind: Assert, Name: e.inside("check." + name), Range: c.rng, condition: &c, evaluator: e}
			e.report(append(diags, bound.touch()...)...)
			e.desired.Checks = append(e.desired.Checks, bound)
		}
	}
	if e.parent == nil {
		return // its outputs have their own
	}
	e.validateLate()
	for _, name := range slices.Sorted(maps.Keys(e.outputs)) {
		e.desired.Checks = append(e.desired.Checks, e.outputConditions(e.outputs[name])...)
	}
}

// validateLate makes conditions of the validations of variables whose values are
// known only late.
func (e *evaluator) validateLate() {
	for _, name := range slices.Sorted(maps.Keys(e.arguments)) {
		if !e.late(name) {
			continue
		}
		for _, rule := range e.module.variables[name].validations {
			if rule == nil {
				continue
			}
			c := &condition{kind: Precondition, rule: rule, rng: rule.condition.Range()}
			diags := c.bind(e, sight{what: "The validation of a variable", blocks: true})
			bound := &Condition{Kind: Precondition, Name: e.inside("var." + name), Range: c.rng, condition: c, evaluator: e}
			e.report(append(diags, bound.touch()...)...)
			e.desired.Checks = append(e.desired.Checks, bound)
		}
	}
}

// instance is the instance of a block with a key; without for_each the key is "".
func (d *decl) instance(key string) addrs.Instance {
	if d.forEach == nil {
		return d.addr.Single()
	}
	return d.addr.Instance(key)
}
