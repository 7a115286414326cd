package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
	"accord/lang/lower"
	"accord/lang/schema"
)

// evaluation is the evaluation of one body, or of one output.
type evaluation struct {
	*evaluator
	mentions []mention                 // the blocks whose values it reads
	known    map[addrs.Instance]Object // what is known of them
	early    *hcl.EvalContext          // what is in scope but for them
	late     bool                      // volatile values may be used
	decl     *decl                     // whose body it is; nil for an output
	key      string                    // of the instance

	trail []string // of modules that were gone into, to find circles

	dangling bool // a reference leads to no instance, after a problem

	full    *hcl.EvalContext // all that is in scope; nil before it is needed
	depends []addrs.Instance
	encoder encoder
	diags   hcl.Diagnostics
}

func (ev *evaluation) report(diags ...*hcl.Diagnostic) { ev.diags = append(ev.diags, diags...) }

// dependencies are all instances met so far.
func (ev *evaluation) dependencies() []addrs.Instance {
	slices.SortFunc(ev.depends, addrs.Instance.Compare)
	return slices.Compact(ev.depends)
}

// scope is the early scope with the blocks that are mentioned, and of those
// only what is mentioned.
func (ev *evaluation) scope() *hcl.EvalContext {
	if ev.full != nil {
		return ev.full
	}
	if len(ev.mentions) == 0 {
		ev.full = ev.early
		return ev.full
	}
	objects := map[addrs.Block]map[addrs.Instance]cty.Value{}
	ev.full = ev.early.NewChild()
	ev.full.Variables = map[string]cty.Value{}
	var late map[string]cty.Value
	modules := false
	for n := range ev.mentions {
		m := &ev.mentions[n]
		switch m.root {
		case "module":
			modules = true
			continue
		case "var":
			if late == nil {
				late = maps.Clone(ev.vars)
			}
			late[m.name] = ev.variable(m.name)
			continue
		case "self":
			ev.full.Variables["self"] = ev.value(ev.decl.instance(ev.key))
			continue
		}
		block := objects[m.block()]
		if block == nil {
			block = map[addrs.Instance]cty.Value{}
			objects[m.block()] = block
		}
		for _, addr := range ev.depend(m) {
			if _, ok := block[addr]; !ok {
				block[addr] = ev.value(addr)
			}
		}
	}
	byType := map[string]map[string]cty.Value{}
	for b, instances := range objects {
		if byType[b.Type] == nil {
			byType[b.Type] = map[string]cty.Value{}
		}
		byType[b.Type][b.Name] = ev.blockValue(b, instances)
	}
	for typ, blocks := range byType {
		ev.full.Variables[typ] = cty.ObjectVal(blocks)
	}
	if late != nil {
		ev.full.Variables["var"] = cty.ObjectVal(late)
	}
	if modules {
		ev.full.Variables["module"] = cty.ObjectVal(ev.moduleValues())
	}
	return ev.full
}

// depend notes the instances that m names, and returns them. Those that are not
// there are reported.
func (ev *evaluation) depend(m *mention) []addrs.Instance {
	d := ev.lookup(m.root, m.name)
	if d == nil || !d.settled {
		return nil
	}
	all := ev.chosen(m, d)
	ev.depends = append(ev.depends, all...)
	return all
}

// chosen are the instances of d that m names.
func (ev *evaluation) chosen(m *mention, d *decl) []addrs.Instance {
	if m.key == nil && d.forEach != nil {
		return d.instances
	}
	addr, ok, diags := m.instance(d, ev.early)
	ev.report(diags...)
	if !ok {
		return nil
	}
	return []addrs.Instance{addr}
}

// dependOn notes what an element of depends_on names: instances, or all that
// is in a module.
func (ev *evaluation) dependOn(m *mention) {
	if m.root != "module" {
		ev.depend(m)
		return
	}
	if d := ev.lookup(m.root, m.name); d != nil && d.settled {
		for _, addr := range ev.chosen(m, d) {
			ev.depends = append(ev.depends, d.children[addr.Key].everything()...)
		}
	}
}

// blockValue is what the name of a block stands for.
func (ev *evaluation) blockValue(b addrs.Block, instances map[addrs.Instance]cty.Value) cty.Value {
	d := ev.lookup(b.Type, b.Name)
	switch {
	case d == nil || !d.settled:
		return cty.DynamicVal
	case d.forEach == nil:
		if v, ok := instances[d.addr.Single()]; ok {
			return v
		}
		return cty.DynamicVal // reported
	case len(instances) == 0 && len(d.keys) > 0:
		return cty.DynamicVal // reported
	}
	byKey := make(map[string]cty.Value, len(instances))
	for addr, v := range instances {
		byKey[addr.Key] = v
	}
	return cty.ObjectVal(byKey)
}

// value is an instance as an expression reads it.
func (ev *evaluation) value(addr addrs.Instance) cty.Value {
	typ := ev.types[addr.Type]
	dec := decoder{}
	if object, ok := ev.known[addr]; ok {
		dec.Object = object
	} else if r := ev.desired.Find(addr); typ.instance && r != nil {
		dec.Object, dec.open = r.Object, true
	} else {
		return typ.unknown
	}
	v, err := dec.object(typ.body)
	if err != nil {
		ev.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unreadable object",
			Detail:   fmt.Sprintf("What is known of %s does not fit its schema: %v.", addr, err),
			Subject:  ev.lookup(addr.Type, addr.Name).block.DefRange.Ptr(),
		})
		return typ.unknown
	}
	return v
}

// object evaluates a whole body.
func (ev *evaluation) object(b *body) Object {
	ev.encoder.late = ev.late
	members := ev.body(b, "")
	text, err := schema.AppendCanonical(make([]byte, 0, 256), members, b.schema.Block)
	if err != nil {
		ev.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unwritable object",
			Detail:   fmt.Sprintf("The body has no canonical form: %v.", err),
			Subject:  b.header.Ptr(),
		})
	}
	object := Object{Body: text, Unknown: ev.encoder.unknown, Sensitive: ev.encoder.sensitive}
	slices.Sort(object.Unknown)
	slices.Sort(object.Sensitive)
	object.Sensitive = slices.Compact(object.Sensitive)
	return object
}

func (ev *evaluation) body(b *body, path addrs.Path) map[string]any {
	members := make(map[string]any, len(b.attributes)+len(b.nested))
	for _, a := range b.attributes {
		if v := ev.attribute(a, path); v != nil {
			members[a.Name] = v
		}
	}
	for name, fallback := range b.schema.defaults {
		if members[name] == nil && (len(ev.encoder.unknown) == 0 || !slices.Contains(ev.encoder.unknown, path.Child(name))) {
			members[name] = fallback
		}
	}
	for _, n := range b.nested {
		at := path.Child(n.Name)
		switch {
		case n.Label != "":
			byLabel, _ := members[n.Name].(map[string]any)
			if byLabel == nil {
				byLabel = map[string]any{}
				members[n.Name] = byLabel
			}
			byLabel[n.label] = ev.body(n.body, at.Child(n.label))
		case n.Single:
			members[n.Name] = ev.body(n.body, at)
		default:
			list, _ := members[n.Name].([]any)
			members[n.Name] = append(list, ev.body(n.body, at.Index(len(list))))
		}
	}
	return members
}

// attribute evaluates one attribute of what stands at a place; nil where it is
// left out, unknown or wrong.
func (ev *evaluation) attribute(a *attribute, in addrs.Path) any {
	if a.reference != nil {
		addr, ok, diags := a.reference.resolve(ev.evaluator, ev.early)
		ev.report(diags...)
		switch {
		case !ok:
			ev.dangling = true
			return nil
		case addr == (addrs.Instance{}):
			if a.Required {
				ev.report(missingValue(a, ev.early))
			}
			return nil
		}
		ev.depends = append(ev.depends, addr)
		return addr.String()
	}
	if v := literalOf(a); v != nil {
		if a.Sensitive {
			ev.encoder.sensitive = append(ev.encoder.sensitive, in.Child(a.Name))
		}
		ev.checkValue(a, v, a.Sensitive, ev.early)
		return v
	}
	path, ctx := in.Child(a.Name), ev.scope()
	v, diags := valueOf(a.expr, ctx)
	ev.report(diags...)
	if diags.HasErrors() {
		return nil
	}
	problem := func(at []string, summary, detail string) any {
		ev.report(problemAt(a.expr, a.rng, ctx, ev.locate(a, at, nil), summary, detail))
		return nil
	}
	if !v.Type().Equals(a.Type) {
		converted, err := convert.Convert(v, a.Type)
		if err != nil {
			detail := fmt.Sprintf("%s is %s: %s.", a.Name, article(typeText(a.Type)), problemText(err))
			if err, ok := err.(cty.PathError); ok {
				return problem(steps(err.Path), "Wrong type", detail)
			}
			return problem(nil, "Wrong type", detail)
		}
		v = converted
	}
	if a.Sensitive {
		v = v.Mark(sensitive)
	}
	value, err := ev.encoder.value(v, path)
	if err, ok := err.(*valueError); ok {
		return problem(err.path.Steps()[len(path.Steps()):], err.summary, err.detail)
	}
	switch known, _ := v.Unmark(); {
	case !known.IsKnown():
	case known.IsNull():
		if a.Required {
			ev.report(missingValue(a, ctx))
		}
	default:
		ev.checkValue(a, value, isSensitive(v), ctx)
	}
	return value
}

// checkValue holds a value against what the schema says beside its type.
func (ev *evaluation) checkValue(a *attribute, value any, secret bool, ctx *hcl.EvalContext) {
	switch {
	case a.NonEmpty != "" && isEmpty(value):
		ev.report(problemAt(a.expr, a.rng, ctx, ev.locate(a, nil, nil), "Empty "+a.Name, a.NonEmpty))
	case len(a.OneOf) > 0:
		ev.checkChoice(a, value, secret, ctx)
	}
}

// literalOf is the value of an attribute that is written out in the form that
// its type has; nil for every other, which is evaluated and converted. A set is
// a list here, in the order in which it is written.
func literalOf(a *attribute) any {
	e, ok := a.expr.(*lower.Expression)
	if !ok || !e.IsLiteral() {
		return nil
	}
	v, _ := e.Literal()
	if !hasType(v, a.Type) {
		return nil
	}
	return v
}

// hasType reports whether a literal needs no conversion, nor says anything about
// which it would have to be complained.
func hasType(v any, t cty.Type) bool {
	switch v := v.(type) {
	case string:
		return t == cty.String
	case bool:
		return t == cty.Bool
	case int64:
		return t == cty.Number
	case []any:
		if !t.IsListType() && !t.IsSetType() {
			return false
		}
		for _, element := range v {
			if !hasType(element, t.ElementType()) {
				return false
			}
		}
		return true
	case map[string]any:
		if !t.IsMapType() {
			return false
		}
		for _, element := range v {
			if !hasType(element, t.ElementType()) {
				return false
			}
		}
		return true
	}
	return false
}

func missingValue(a *attribute, ctx *hcl.EvalContext) *hcl.Diagnostic {
	return problemAt(a.expr, a.rng, ctx, a.expr.Range(), "Missing attribute", fmt.Sprintf("%s must have a value, and this is null.", a.Name))
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// checkChoice holds a string, or each string of a collection, against the
// strings that are allowed.
func (ev *evaluation) checkChoice(a *attribute, value any, secret bool, ctx *hcl.EvalContext) {
	check := func(v any, at []string) {
		s, ok := v.(string)
		if !ok || slices.Contains(a.OneOf, s) {
			return
		}
		if secret {
			ev.report(problemAt(a.expr, a.rng, ctx, a.expr.Range(), "Unknown word", fmt.Sprintf("%s is one of %s, and this sensitive value is not.", a.Name, enumerate(a.OneOf))))
			return
		}
		var element any
		if a.Type.IsSetType() {
			element = s
		}
		ev.report(problemAt(a.expr, a.rng, ctx, ev.locate(a, at, element), "Unknown word",
			fmt.Sprintf("%s is one of %s; %q is not.%s", a.Name, enumerate(a.OneOf), s, didYouMean(s, a.OneOf))))
	}
	switch value := value.(type) {
	case []any:
		for n, v := range value {
			check(v, []string{fmt.Sprint(n)})
		}
	case map[string]any:
		for key, v := range value {
			check(v, []string{key})
		}
	default:
		check(value, nil)
	}
}

// steps are those of a path inside a value.
func steps(path cty.Path) []string {
	var steps []string
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			steps = append(steps, step.Name)
		case cty.IndexStep:
			if !step.Key.IsKnown() || step.Key.IsNull() {
				return steps
			}
			key, err := convert.Convert(step.Key, cty.String)
			if err != nil {
				return steps
			}
			steps = append(steps, key.AsString())
		}
	}
	return steps
}
