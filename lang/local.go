package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// local is a named value of the configuration's own.
type local struct {
	expr hcl.Expression
	rng  hcl.Range
}

func (c *module) addLocals(block *hcl.Block) hcl.Diagnostics {
	attributes, diags := attributesOf(block.Body)
	for name, a := range attributes {
		if first := c.locals[name]; first != nil {
			diags = append(diags, again(a.NameRange, fmt.Sprintf("a local value %q", name), first.rng))
			continue
		}
		c.locals[name] = &local{expr: a.Expr, rng: a.NameRange}
	}
	return diags
}

// root is what is in scope everywhere in the module, with the local values,
// which are evaluated when they are first asked for.
func (e *evaluator) root() *hcl.EvalContext {
	e.locals.Do(e.evaluateLocals)
	return e.context
}

// evaluateLocals gives every local its value, in whatever order they are
// written.
func (e *evaluator) evaluateLocals() {
	w := &localWalk{evaluator: e, values: map[string]cty.Value{}}
	for _, name := range slices.Sorted(maps.Keys(e.module.locals)) {
		w.visit(name)
	}
	e.context.Variables["local"] = cty.ObjectVal(w.values)
}

type localWalk struct {
	*evaluator
	values map[string]cty.Value
	way    []string // from the first that was asked for to the present one
}

func (w *localWalk) visit(name string) {
	if _, done := w.values[name]; done {
		return
	}
	l := w.module.locals[name]
	if n := slices.Index(w.way, name); n >= 0 {
		var names []string
		for _, name := range append(w.way[n:], name) {
			names = append(names, "local."+name)
		}
		w.values[name] = cty.DynamicVal
		w.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Local values go in a circle",
			Detail:   fmt.Sprintf("Each of them needs the next: %s.", strings.Join(names, " → ")),
			Subject:  l.rng.Ptr(),
		})
		return
	}
	w.way = append(w.way, name)
	defer func() { w.way = w.way[:len(w.way)-1] }()

	found, diags := w.check(l.expr, sight{what: "A local value"})
	if diags.HasErrors() {
		w.report(diags...)
		w.values[name] = cty.DynamicVal
		return
	}
	needed := map[string]cty.Value{}
	for _, m := range found {
		if m.root == "local" {
			w.visit(m.name)
			needed[m.name] = w.values[m.name]
		}
	}
	if _, done := w.values[name]; done { // part of a circle
		return
	}
	ctx := w.context.NewChild()
	ctx.Variables = map[string]cty.Value{"local": cty.ObjectVal(needed)}
	v, more := valueOf(l.expr, ctx)
	w.report(more...)
	if more.HasErrors() {
		v = cty.DynamicVal
	}
	w.values[name] = v
}
