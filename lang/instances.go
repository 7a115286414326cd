package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
)

// settle decides which instances a block has.
func (e *evaluator) settle(d *decl) {
	if e.recallInstances(d) {
		return
	}
	if d.forEach != nil {
		v, ok := e.collection(d)
		if !ok {
			return
		}
		d.values = v
		d.keys = slices.Sorted(maps.Keys(v))
	}
	if d.enabled != nil && !e.switchOff(d) {
		return
	}
	d.settled = true
	switch {
	case d.forEach != nil:
		d.instances = make([]addrs.Instance, len(d.keys))
		for n, key := range d.keys {
			d.instances[n] = d.addr.Instance(key)
		}
	case !d.off[""]:
		d.one[0] = d.addr.Single()
		d.instances = d.one[:]
	}
}

// collection evaluates for_each, once.
func (e *evaluator) collection(d *decl) (map[string]cty.Value, bool) {
	expr := d.forEach.Expr
	if _, diags := e.check(expr, sight{what: "The for_each of a block"}); diags.HasErrors() {
		e.report(diags...)
		return nil, false
	}
	v, diags := valueOf(expr, e.root())
	e.report(diags...)
	if diags.HasErrors() {
		return nil, false
	}
	problem := func(summary, format string, args ...any) (map[string]cty.Value, bool) {
		e.report(&hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...),
			Subject: expr.Range().Ptr(), Context: d.forEach.Range.Ptr(), Expression: expr, EvalContext: e.root(),
		})
		return nil, false
	}
	if v.IsMarked() {
		return problem("Sensitive for_each", "Its keys become addresses, which are shown everywhere. Where they are no secret, write nonsensitive(…).")
	}
	ty := v.Type()
	switch {
	case !v.IsKnown() || ty == cty.DynamicPseudoType && !v.IsNull():
		return nil, false // follows from what is reported
	case v.IsNull():
		return problem("Null for_each", "A map or a set of strings is needed; an empty one for no instances.")
	case ty.IsMapType(), ty.IsObjectType():
		values := v.AsValueMap()
		if values == nil {
			values = map[string]cty.Value{}
		}
		return values, true
	case ty.IsSetType() && ty.ElementType() == cty.String, ty.IsSetType() && v.LengthInt() == 0:
		if !v.IsWhollyKnown() {
			return nil, false
		}
		values := make(map[string]cty.Value, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			if element.IsNull() {
				return problem("Null in for_each", "A key of an instance cannot be null.")
			}
			values[element.AsString()] = element
		}
		return values, true
	case ty.IsListType(), ty.IsTupleType():
		return problem("List in for_each", "A map or a set of strings is needed, so that instances keep their names when one is added. For a set of this list, write toset(…).")
	default:
		return problem("Wrong type in for_each", "A map or a set of strings is needed, and this is a %s.", ty.FriendlyName())
	}
}

// switchOff evaluates enabled, once or for each instance, and drops those that
// it switches off.
func (e *evaluator) switchOff(d *decl) bool {
	expr := d.enabled.Expr
	found, diags := e.check(expr, sight{what: "The enabled of a block", each: d.forEach != nil})
	if diags.HasErrors() {
		e.report(diags...)
		return false
	}
	d.off = map[string]bool{}
	if d.forEach == nil || !slices.ContainsFunc(found, func(m mention) bool { return m.root == "each" }) {
		on, ok, diags := decide(d.enabled, e.root())
		e.report(diags...)
		if ok && !on {
			for _, key := range d.keys {
				d.off[key] = true
			}
			if d.forEach == nil {
				d.off[""] = true
			}
			d.keys = nil
			e.warnStatus(d)
		}
		return ok
	}
	var kept []string
	for _, key := range d.keys {
		on, ok, diags := decide(d.enabled, e.eachContext(d, key))
		e.report(diags...)
		if !ok {
			return false
		}
		if on {
			kept = append(kept, key)
		} else {
			d.off[key] = true
		}
	}
	if d.keys = kept; len(d.off) > 0 {
		e.warnStatus(d)
	}
	return true
}

// warnStatus proposes the gentler way to switch something off.
func (e *evaluator) warnStatus(d *decl) {
	if d.typ == nil || d.typ.Body.Attribute("status") == nil {
		return
	}
	e.report(&hcl.Diagnostic{
		Severity: hcl.DiagWarning,
		Summary:  "Switched off as if deleted",
		Detail:   fmt.Sprintf("enabled = false is the same as deleting %s. To keep it and make it inactive, write status = \"inactive\".", d.addr),
		Subject:  d.enabled.Range.Ptr(),
	})
}

// decide evaluates a bool that must be known now; ok is false where it is not,
// and diags say why.
func decide(a *hcl.Attribute, ctx *hcl.EvalContext) (on, ok bool, diags hcl.Diagnostics) {
	v, diags := valueOf(a.Expr, ctx)
	if diags.HasErrors() {
		return false, false, diags
	}
	v, _ = v.Unmark()
	v, err := convert.Convert(v, cty.Bool)
	if err != nil || v.IsNull() {
		return false, false, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Wrong type", Detail: fmt.Sprintf("%s is true or false.", a.Name),
			Subject: a.Expr.Range().Ptr(), Context: a.Range.Ptr(), Expression: a.Expr, EvalContext: ctx,
		})
	}
	if !v.IsKnown() {
		return false, false, diags // follows from what is reported
	}
	return v.True(), true, diags
}

// eachContext is the scope of an instance of d, without other blocks.
func (e *evaluator) eachContext(d *decl, key string) *hcl.EvalContext {
	if d == nil || d.forEach == nil {
		return e.root()
	}
	ctx := e.root().NewChild()
	ctx.Variables = map[string]cty.Value{
		"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": e.eachValue(d, key)}),
	}
	return ctx
}

// eachValue is each.value of an instance.
func (e *evaluator) eachValue(d *decl, key string) cty.Value {
	d.valued.Do(func() {
		if d.values == nil {
			d.values, _ = e.collection(d)
		}
	})
	return d.values[key]
}

// inherit finds what depends_on of the calls around says.
func (e *evaluator) inherit() {
	if e.parent == nil {
		return
	}
	ev := &evaluation{evaluator: e.parent, early: e.parent.eachContext(e.call, e.key)}
	s := sight{what: "A module", each: e.call.forEach != nil, blocks: true}
	for _, m := range e.call.dependsOn {
		diags := e.parent.checkMentions([]mention{m}, s)
		if e.report(diags...); !diags.HasErrors() {
			ev.dependOn(&m)
		}
	}
	e.report(ev.diags...)
	e.after = slices.Concat(e.parent.after, ev.dependencies())
}
