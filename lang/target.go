package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"accord/lang/addrs"
)

// target is an address as it is written, perhaps with keys that are evaluated.
type target struct {
	steps []targetStep // module.x["k"] …, type.name["k"]
	rng   hcl.Range
}

type targetStep struct {
	typ, name string
	key       hcl.Expression
}

// target reads an expression as an address of this module. Keys are literal
// unless they may use each.
func (e *evaluator) target(expr hcl.Expression, each bool) (*target, bool) {
	t := &target{rng: expr.Range()}
	bad := func() (*target, bool) {
		e.report(&hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Not an address",
			Detail: "An address is written TYPE.NAME or TYPE.NAME[KEY], with module.NAME before it for what is in a module.", Subject: t.rng.Ptr(),
		})
		return nil, false
	}
	type part struct {
		name string
		key  hcl.Expression
	}
	var parts []part
	var walk func(expr hcl.Expression) bool
	traverse := func(traversal hcl.Traversal) bool {
		for _, step := range traversal {
			switch step := step.(type) {
			case hcl.TraverseRoot:
				parts = append(parts, part{name: step.Name})
			case hcl.TraverseAttr:
				parts = append(parts, part{name: step.Name})
			case hcl.TraverseIndex:
				parts = append(parts, part{key: hcl.StaticExpr(step.Key, step.SrcRange)})
			default:
				return false
			}
		}
		return true
	}
	walk = func(expr hcl.Expression) bool {
		switch x := expr.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			return traverse(x.Traversal)
		case *hclsyntax.RelativeTraversalExpr:
			return walk(x.Source) && traverse(x.Traversal)
		case *hclsyntax.IndexExpr:
			if !walk(x.Collection) {
				return false
			}
			_, diags := e.check(x.Key, sight{what: "An address", each: each})
			e.report(diags...)
			parts = append(parts, part{key: x.Key})
			return !diags.HasErrors()
		}
		return false
	}
	if !walk(static(expr)) {
		return bad()
	}
	for len(parts) > 0 {
		if len(parts) < 2 || parts[0].name == "" || parts[1].name == "" {
			return bad()
		}
		step := targetStep{typ: parts[0].name, name: parts[1].name}
		if parts = parts[2:]; len(parts) > 0 && parts[0].key != nil {
			step.key, parts = parts[0].key, parts[1:]
		}
		t.steps = append(t.steps, step)
		if step.typ != "module" && len(parts) > 0 {
			return bad()
		}
	}
	return t, len(t.steps) > 0
}

// targetAddr evaluates the keys of an address, and puts this module before it.
func (e *evaluator) targetAddr(t *target, ctx *hcl.EvalContext) (addr addrs.Instance, ok bool) {
	module := e.prefix
	for _, step := range t.steps {
		block := addrs.Block{Module: module, Type: step.typ, Name: step.name}
		addr = block.Single()
		if step.key != nil {
			m := mention{key: step.key, rng: t.rng}
			key, ok, diags := m.keyOf(ctx)
			if e.report(diags...); !ok {
				return addr, false
			}
			addr = block.Instance(key)
		}
		module = addr.String()
	}
	return addr, true
}

// staticTarget is target without keys that depend on anything.
func (e *evaluator) staticTarget(a *hcl.Attribute) (addrs.Instance, bool) {
	t, ok := e.target(a.Expr, false)
	if !ok {
		return addrs.Instance{}, false
	}
	last := t.steps[len(t.steps)-1].typ
	if last != "module" && e.types[last] == nil {
		e.report(&hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Unknown block type",
			Detail: fmt.Sprintf("No provider has the block type %q.%s", last, didYouMean(last, slices.Sorted(maps.Keys(e.types)))), Subject: t.rng.Ptr(),
		})
		return addrs.Instance{}, false
	}
	return e.targetAddr(t, e.root())
}
