package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"accord/lang/addrs"
	"accord/lang/lower"
)

// mention is a place where an expression names something outside itself:
// var.crm, each.key, connection.crm["us"].name.
type mention struct {
	root string         // var | local | each | path | a block type
	name string         // what stands after the root; "" where nothing does
	key  hcl.Expression // the index after that, when it can be known early; else nil
	attr string         // the attribute read of that; "" for the whole
	rest hcl.Traversal  // all after root and name, as far as it is literal

	rng, nameRange, attrRange hcl.Range
}

func (m *mention) block() addrs.Block { return addrs.Block{Type: m.root, Name: m.name} }

// mentions finds all an expression names, those of its own for-loops aside, and
// the functions it calls.
func mentions(expr hcl.Expression) ([]mention, []*hclsyntax.FunctionCallExpr) {
	if e, ok := expr.(*lower.Expression); ok {
		if e.IsLiteral() {
			return nil, nil
		}
		expr = e.Syntax()
	}
	switch x := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return nil, nil
	case *hclsyntax.ScopeTraversalExpr:
		return []mention{mentionOf(x.Traversal)}, nil
	case hclsyntax.Expression:
		w := &mentionWalker{}
		hclsyntax.Walk(x, w)
		return w.found, w.calls
	}
	var found []mention
	for _, t := range expr.Variables() {
		found = append(found, mentionOf(t))
	}
	return found, nil
}

// mentionWalker gathers mentions from the outside in: an index and an
// attribute are met before what they are taken from.
type mentionWalker struct {
	found  []mention
	calls  []*hclsyntax.FunctionCallExpr
	locals []map[string]struct{} // names of the for-loops around
	attr   map[hclsyntax.Node]hcl.Traverser
	key    map[hclsyntax.Node]*hclsyntax.IndexExpr
}

func (w *mentionWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.locals = append(w.locals, n.LocalNames)
	case *hclsyntax.FunctionCallExpr:
		w.calls = append(w.calls, n)
	case *hclsyntax.RelativeTraversalExpr:
		if w.attr == nil {
			w.attr = map[hclsyntax.Node]hcl.Traverser{}
		}
		w.attr[n.Source] = n.Traversal[0]
	case *hclsyntax.IndexExpr:
		if w.early(n.Key) {
			if w.key == nil {
				w.key = map[hclsyntax.Node]*hclsyntax.IndexExpr{}
			}
			w.key[n.Collection] = n
		}
	case *hclsyntax.ScopeTraversalExpr:
		if w.bound(n.Traversal.RootName()) {
			return nil
		}
		m := mentionOf(n.Traversal)
		if index := w.key[n]; index != nil && len(n.Traversal) == 2 && !earlyRoots[m.root] {
			m.key, m.rng = index.Key, hcl.RangeBetween(m.rng, index.SrcRange)
			if attr, ok := w.attr[index].(hcl.TraverseAttr); ok {
				m.attr, m.attrRange = attr.Name, attr.SrcRange
			}
		}
		w.found = append(w.found, m)
	}
	return nil
}

func (w *mentionWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		w.locals = w.locals[:len(w.locals)-1]
	}
	return nil
}

func (w *mentionWalker) bound(name string) bool {
	for _, names := range w.locals {
		if _, ok := names[name]; ok {
			return true
		}
	}
	return false
}

// earlyRoots name what is known before any block is.
var earlyRoots = map[string]bool{"var": true, "local": true, "each": true, "path": true}

func (w *mentionWalker) early(key hclsyntax.Expression) bool {
	for _, t := range key.Variables() {
		if !earlyRoots[t.RootName()] || w.bound(t.RootName()) {
			return false
		}
	}
	return true
}

// mentionOf takes a traversal apart.
func mentionOf(t hcl.Traversal) mention {
	m := mention{root: t.RootName(), rng: t.SourceRange(), nameRange: t.SourceRange()}
	if len(t) < 2 {
		return m
	}
	name, ok := t[1].(hcl.TraverseAttr)
	if !ok {
		return m
	}
	m.name, m.nameRange, m.rest = name.Name, name.SrcRange, t[2:]
	rest := m.rest
	if len(rest) > 0 {
		if index, ok := rest[0].(hcl.TraverseIndex); ok {
			m.key = hcl.StaticExpr(index.Key, index.SrcRange)
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		if attr, ok := rest[0].(hcl.TraverseAttr); ok {
			m.attr, m.attrRange = attr.Name, attr.SrcRange
		}
	}
	return m
}

// sight is what an expression may refer to.
type sight struct {
	what   string // whose it is, for messages: "A local value"
	each   bool
	blocks bool       // instances and resources
	self   *blockType // of the instance itself
	depth  int        // of modules that a reference was followed through
}

// check returns what an expression mentions, and reports what of it is not
// there, or not in sight.
func (e *evaluator) check(expr hcl.Expression, s sight) ([]mention, hcl.Diagnostics) {
	found, calls := mentions(expr)
	return found, append(checkCalls(calls, e.context.Functions), e.checkMentions(found, s)...)
}

// checkCalls reports calls of functions that are not in the table.
func checkCalls(calls []*hclsyntax.FunctionCallExpr, table map[string]function.Function) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, call := range calls {
		if _, ok := table[call.Name]; !ok {
			hint := didYouMean(call.Name, slices.Sorted(maps.Keys(table)))
			if why := absentFunctions[call.Name]; why != "" {
				hint = " " + why
			}
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unknown function",
				Detail:   fmt.Sprintf("There is no function %q.%s", call.Name, hint),
				Subject:  call.NameRange.Ptr(),
				Context:  call.Range().Ptr(),
			})
		}
	}
	return diags
}

func (e *evaluator) checkMentions(found []mention, s sight) hcl.Diagnostics {
	var diags hcl.Diagnostics
	problem := func(at hcl.Range, summary, format string, args ...any) {
		d := &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  summary,
			Detail:   fmt.Sprintf(format, args...),
			Subject:  at.Ptr(),
		}
		if summary == "Unknown variable" || summary == "Unknown local value" {
			d.Extra = consequence{}
		}
		diags = append(diags, d)
	}
	for _, m := range found {
		switch m.root {
		case "self":
			diags = append(diags, e.checkSelf(&m, s)...)
		case "var":
			if e.late(m.name) && !s.blocks {
				problem(m.rng, "Refers to a block", "%s is settled before anything is read; the module is given a value for %q that comes from a block.", s.what, m.name)
			}
			if e.module.variables[m.name] == nil {
				problem(m.nameRange, "Unknown variable", "There is no variable %q.%s", m.name, didYouMean(m.name, e.module.variableNames()))
			}
		case "local":
			if e.module.locals[m.name] == nil {
				problem(m.nameRange, "Unknown local value", "There is no local value %q.%s", m.name,
					didYouMean(m.name, slices.Sorted(maps.Keys(e.module.locals))))
			}
		case "each":
			switch {
			case !s.each:
				problem(m.rng, "Nothing to go through", "%s has no for_each, so there is no each.key and no each.value.", s.what)
			case m.name != "key" && m.name != "value":
				problem(m.nameRange, "Unknown name", "There is each.key and each.value.%s", didYouMean(m.name, []string{"key", "value"}))
			}
		case "path":
			if _, ok := e.paths[m.name]; !ok {
				problem(m.nameRange, "Unknown name", "There is path.module, path.root and path.cwd.%s", didYouMean(m.name, slices.Sorted(maps.Keys(e.paths))))
			}
		default:
			diags = append(diags, e.checkBlock(&m, s)...)
		}
	}
	return diags
}

// checkBlock is check for a mention of another block.
func (e *evaluator) checkBlock(m *mention, s sight) hcl.Diagnostics {
	problem := func(at hcl.Range, summary, format string, args ...any) hcl.Diagnostics {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  summary,
			Detail:   fmt.Sprintf(format, args...),
			Subject:  at.Ptr(),
			Context:  m.rng.Ptr(),
		}}
	}
	typ := e.types[m.root]
	if typ == nil && m.root != "module" {
		names := append(slices.Sorted(maps.Keys(e.types)), slices.Sorted(maps.Keys(earlyRoots))...)
		hint := didYouMean(m.root, names)
		if hint == "" && m.name == "" {
			hint = fmt.Sprintf(" A text is written in quotes: %q.", m.root)
		}
		return problem(m.rng, "Unknown name", "There is no block type and no value %q.%s", m.root, hint)
	}
	if !s.blocks {
		return problem(m.rng, "Refers to a block", "%s is settled before anything is read; it may use variables and local values only.", s.what)
	}
	if m.root == "module" {
		return e.checkModule(m)
	}
	if m.name == "" {
		return problem(m.rng, "Incomplete reference", "A block is named by its type and its name: %s.NAME.", m.root)
	}
	d := e.lookup(m.root, m.name)
	if d == nil {
		var names []string
		for _, d := range e.order {
			if d.addr.Type == m.root {
				names = append(names, d.addr.Name)
			}
		}
		slices.Sort(names)
		diags := problem(m.nameRange, "Unknown reference", "There is no %s %q.%s", m.root, m.name, didYouMean(m.name, names))
		diags[0].Extra = consequence{}
		return diags
	}
	if !d.settled {
		return nil
	}
	switch {
	case m.key != nil && d.forEach == nil:
		return problem(m.rng, "Key without for_each", "%s has no for_each; write it without a key.", d.addr)
	case m.key == nil && d.forEach != nil && m.attr != "":
		return problem(m.rng, "Several instances", "%s has for_each; say which instance: %s.", d.addr, d.keyHint())
	}
	if m.attr == "" || typ.Body.Attribute(m.attr) != nil || typ.Body.Nested(m.attr) != nil {
		return nil
	}
	return problem(m.attrRange, "Unknown attribute", "%s has no attribute %q.%s", capital(article(m.root)), m.attr, didYouMean(m.attr, typ.names()))
}

// checkModule is checkBlock for a module.
func (e *evaluator) checkModule(m *mention) hcl.Diagnostics {
	problem := func(at hcl.Range, summary, format string, args ...any) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr(), Context: m.rng.Ptr()}}
	}
	c := e.module.calls[m.name]
	if c == nil {
		return problem(m.nameRange, "Unknown module", "There is no module %q.%s", m.name, didYouMean(m.name, slices.Sorted(maps.Keys(e.module.calls))))
	}
	d := e.lookup(m.root, m.name)
	if c.module == nil || !d.settled {
		return nil // reported
	}
	switch {
	case m.key != nil && d.forEach == nil:
		return problem(m.rng, "Key without for_each", "%s has no for_each; write it without a key.", d.addr)
	case m.key == nil && d.forEach != nil && m.attr != "":
		return problem(m.rng, "Several instances", "%s has for_each; say which instance: %s.", d.addr, d.keyHint())
	case m.attr != "" && c.module.outputs[m.attr] == nil:
		return problem(m.attrRange, "Unknown output", "The module %q has no output %q.%s", m.name, m.attr, didYouMean(m.attr, slices.Sorted(maps.Keys(c.module.outputs))))
	}
	return nil
}

// checkSelf is checkBlock for the instance itself.
func (e *evaluator) checkSelf(m *mention, s sight) hcl.Diagnostics {
	switch {
	case s.self == nil:
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "No self", Detail: "self is the object itself, in its postconditions only.", Subject: m.rng.Ptr(),
		}}
	case m.name != "" && s.self.Body.Attribute(m.name) == nil && s.self.Body.Nested(m.name) == nil:
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Unknown attribute", Subject: m.nameRange.Ptr(),
			Detail: fmt.Sprintf("%s has no attribute %q.%s", capital(article(s.self.Name)), m.name, didYouMean(m.name, s.self.names())),
		}}
	}
	return nil
}

// keyHint lists what can be written in place of d as a whole.
func (d *decl) keyHint() string {
	if len(d.keys) == 0 {
		return "it has none at present"
	}
	const few = 5
	var names []string
	for _, key := range d.keys[:min(few, len(d.keys))] {
		names = append(names, d.addr.Instance(key).String())
	}
	if more := len(d.keys) - few; more > 0 {
		return strings.Join(names, ", ") + fmt.Sprintf(" or one of %d more", more)
	}
	return strings.Join(names, ", ")
}

// keyOf evaluates the key of a mention; ok is false where it cannot be used,
// and diags say why.
func (m *mention) keyOf(ctx *hcl.EvalContext) (key string, ok bool, diags hcl.Diagnostics) {
	v, diags := valueOf(m.key, ctx)
	if diags.HasErrors() {
		return "", false, diags
	}
	if v.HasMark(sensitive) {
		return "", false, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Sensitive key",
			Detail:  "A key is part of an address, which is shown everywhere.",
			Subject: m.key.Range().Ptr(), Context: m.rng.Ptr(), Expression: m.key, EvalContext: ctx,
		})
	}
	v, _ = v.Unmark()
	s, err := convert.Convert(v, cty.String)
	if err != nil || s.IsNull() {
		return "", false, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Bad key",
			Detail:  "The key of an instance is a string.",
			Subject: m.key.Range().Ptr(), Context: m.rng.Ptr(), Expression: m.key, EvalContext: ctx,
		})
	}
	if !s.IsKnown() {
		return "", false, diags // follows from what is reported
	}
	return s.AsString(), true, diags
}

// instance finds the one instance that m names among those of d. ok is false
// where there is none, and diags say why.
func (m *mention) instance(d *decl, ctx *hcl.EvalContext) (addr addrs.Instance, ok bool, diags hcl.Diagnostics) {
	if !d.settled {
		return addr, false, nil
	}
	problem := func(summary, format string, args ...any) (addrs.Instance, bool, hcl.Diagnostics) {
		p := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: m.rng.Ptr()}
		if m.key != nil && len(m.key.Variables()) > 0 {
			p.Expression, p.EvalContext = m.key, ctx
		}
		return addr, false, append(diags, p)
	}
	addr = d.addr.Single()
	if m.key != nil {
		var key string
		if key, ok, diags = m.keyOf(ctx); !ok {
			return addr, false, diags
		}
		addr = d.addr.Instance(key)
	}
	switch {
	case m.key == nil && d.forEach != nil:
		return problem("Several instances", "One %s is needed here, and %s has for_each; say which instance: %s.", d.addr.Type, d.addr, d.keyHint())
	case d.off[addr.Key]:
		return problem("Reference to a block that is switched off", "%s is switched off by enabled = false at %s:%d.", addr, d.enabled.Range.Filename, d.enabled.Range.Start.Line)
	case m.key != nil && !d.has(addr.Key):
		hint := didYouMean(addr.Key, d.keys)
		switch {
		case hint != "":
		case len(d.keys) == 0:
			hint = " It has none at present."
		default:
			hint = fmt.Sprintf(" It has %s.", enumerate(d.keys))
		}
		return problem("Unknown instance", "%s has no instance %q.%s", d.addr, addr.Key, hint)
	}
	return addr, true, diags
}

// reference is the expression of an attribute that refers to another block.
// It is an address, settled before anything is read: TYPE.NAME, TYPE.NAME[KEY],
// null, or a condition that chooses among these.
type reference struct {
	null              bool
	to                mention
	condition         hcl.Expression
	whenTrue, whenNot *reference

	argument *reference // by a variable of a module: in the module that calls it
	allowed  []string   // to is an output of a module; these are the types it may be
	depth    int
}

// parseReference takes an expression as a reference to a block of one of the
// allowed types; nil where it is none, and diags say why.
func (e *evaluator) parseReference(expr hcl.Expression, allowed []string, s sight) (*reference, hcl.Diagnostics) {
	problem := func(summary, format string, args ...any) (*reference, hcl.Diagnostics) {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: expr.Range().Ptr()}}
	}
	what := article(strings.Join(allowed, " or "))
	if s.depth > 100 {
		return problem("References go in a circle", "A reference that modules pass on leads back to itself.")
	}
	expr = static(expr)
	switch x := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return e.parseReference(x.Expression, allowed, s)
	case *hclsyntax.ConditionalExpr:
		early := s
		early.blocks, early.what = false, "The choice of a reference"
		_, diags := e.check(x.Condition, early)
		whenTrue, more := e.parseReference(x.TrueResult, allowed, s)
		diags = append(diags, more...)
		whenNot, more := e.parseReference(x.FalseResult, allowed, s)
		diags = append(diags, more...)
		if diags.HasErrors() {
			return nil, diags
		}
		return &reference{condition: x.Condition, whenTrue: whenTrue, whenNot: whenNot}, diags
	case *hclsyntax.LiteralValueExpr:
		if x.Val.IsNull() {
			return &reference{null: true}, nil
		}
	case *hclsyntax.TemplateExpr:
		if v, diags := x.Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() {
			if _, err := addrs.ParseInstance(v.AsString()); err == nil {
				return problem("A text in place of a reference", "A reference is written without quotes: %s.", v.AsString())
			}
		}
	case *hclsyntax.ScopeTraversalExpr, *hclsyntax.IndexExpr, *hclsyntax.RelativeTraversalExpr:
		found, diags := e.check(expr, s)
		if diags.HasErrors() {
			return nil, diags
		}
		if t, ok := x.(*hclsyntax.ScopeTraversalExpr); ok && e.parent != nil && isVariable(t) {
			return e.passed(found[0], allowed, s)
		}
		if len(found) > 0 && found[0].root == "var" && e.parent != nil {
			return problem("Not a reference", "%s is needed here, and a variable of a module passes on a single one. Give the module block for_each, and one of them to each of its instances.", capital(what))
		}
		if len(found) == 0 || earlyRoots[found[0].root] || !isInstance(expr) {
			break
		}
		switch m := found[0]; {
		case m.root == "module" && m.attr != "":
			return e.passedOut(m, allowed, s)
		case m.attr != "":
			return problem("Refers to an attribute", "%s itself is needed here, not its attribute %s; leave that out.", capital(what), m.attr)
		case !slices.Contains(allowed, m.root):
			return problem("Reference to the wrong type", "%s is needed here, and %s is %s.", capital(what), m.block(), article(m.root))
		default:
			return &reference{to: m}, nil
		}
	}
	return problem("Not a reference", "%s is needed here, written as %s.NAME or %s.NAME[KEY].", capital(what), allowed[0], allowed[0])
}

// isInstance reports whether an expression has the form of one instance, or of
// an attribute of one.
func isInstance(expr hcl.Expression) bool {
	switch x := lower.Open(expr).(type) {
	case *hclsyntax.ScopeTraversalExpr:
		m := mentionOf(x.Traversal)
		steps := len(m.rest)
		if m.key != nil {
			steps--
		}
		return m.name != "" && (steps == 0 || m.attr != "")
	case *hclsyntax.IndexExpr:
		m, _ := mentions(x)
		t, ok := x.Collection.(*hclsyntax.ScopeTraversalExpr)
		return ok && len(t.Traversal) == 2 && len(m) > 0 && m[0].key != nil
	case *hclsyntax.RelativeTraversalExpr:
		return isInstance(x.Source)
	}
	return false
}

func article(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// resolve finds the instance referred to; the zero one is null. ok is false after
// a problem, which is in diags or is that of a block that is referred to.
func (r *reference) resolve(e *evaluator, ctx *hcl.EvalContext) (addr addrs.Instance, ok bool, diags hcl.Diagnostics) {
	switch {
	case r.null:
		return addr, true, nil
	case r.argument != nil:
		return r.argument.resolve(e.parent, e.parent.eachContext(e.call, e.key))
	case r.allowed != nil:
		return r.resolveOutput(e, ctx)
	case r.condition != nil:
		v, diags := valueOf(r.condition, ctx)
		if diags.HasErrors() {
			return addr, false, diags
		}
		v, _ = v.Unmark()
		v, err := convert.Convert(v, cty.Bool)
		if err != nil || v.IsNull() {
			return addr, false, append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Wrong type", Detail: "A condition is true or false.",
				Subject: r.condition.Range().Ptr(), Expression: r.condition, EvalContext: ctx,
			})
		}
		switch {
		case !v.IsKnown():
			return addr, false, diags
		case v.True():
			return r.whenTrue.resolve(e, ctx)
		default:
			return r.whenNot.resolve(e, ctx)
		}
	}
	return r.to.instance(e.lookup(r.to.root, r.to.name), ctx)
}
