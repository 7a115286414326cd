package lang

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/addrs"
)

// module is what the files of one directory declare, once for all who call it.
type module struct {
	dir         string // as in the names of its files; "." is the configuration itself
	variables   map[string]*variable
	locals      map[string]*local
	outputs     map[string]*output
	calls       map[string]*call
	checks      map[string]*check
	blocks      []*hcl.Block // of providers, in the order of the files
	transitions []*hcl.Block // import, moved, removed
}

func newModule(dir string) *module {
	return &module{
		dir:       dir,
		variables: map[string]*variable{},
		locals:    map[string]*local{},
		outputs:   map[string]*output{},
		calls:     map[string]*call{},
		checks:    map[string]*check{},
	}
}

// call is a module block.
type call struct {
	name      string
	dir       string  // of the module
	module    *module // nil after a problem
	block     *hcl.Block
	source    hcl.Range
	meta      map[string]*hcl.Attribute // for_each, enabled, depends_on
	arguments hcl.Attributes
}

func (m *module) addCall(block *hcl.Block) hcl.Diagnostics {
	name := block.Labels[0]
	if first := m.calls[name]; first != nil {
		return hcl.Diagnostics{again(block.DefRange, fmt.Sprintf("a module %q", name), first.block.DefRange)}
	}
	c := &call{name: name, block: block, meta: map[string]*hcl.Attribute{}}
	attributes, diags := attributesOf(block.Body)
	c.arguments = attributes
	for _, meta := range []string{"for_each", "enabled", "depends_on"} {
		c.meta[meta] = attributes[meta]
		delete(c.arguments, meta)
	}
	m.calls[name] = c
	r := &reader{diags: diags}
	a := attributes["source"]
	if a == nil {
		return append(r.diags, missing("source", block.DefRange))
	}
	delete(c.arguments, "source")
	var source string
	r.into(a, &source)
	c.source = a.Expr.Range()
	switch {
	case source == "": // reported
		return r.diags
	case !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../"):
		r.problem(a, "Not a local module", "A module is a directory beside this one: source begins with \"./\" or \"../\".")
		return r.diags
	}
	c.dir = path.Join(m.dir, source)
	if c.dir == "." {
		r.problem(a, "A module in itself", "The source is the configuration itself.")
		c.dir = ""
	}
	return r.diags
}

// callList are the calls whose module is to be read, in order.
func (m *module) callList() []*call {
	var list []*call
	for _, name := range slices.Sorted(maps.Keys(m.calls)) {
		if c := m.calls[name]; c.dir != "" {
			list = append(list, c)
		}
	}
	return list
}

// checkNesting cuts calls that lead back to a module they come from.
func (m *module) checkNesting(way []*module) hcl.Diagnostics {
	var diags hcl.Diagnostics
	way = append(way[:len(way):len(way)], m)
	for _, c := range m.callList() {
		switch {
		case c.module == nil:
		case slices.Contains(way, c.module):
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "A module in itself",
				Detail: fmt.Sprintf("The module %s calls itself, by way of this block.", c.dir), Subject: c.source.Ptr(),
			})
			c.module = nil
		default:
			diags = append(diags, c.module.checkNesting(way)...)
		}
	}
	return diags
}

// argument is the value that a call gives a variable.
type argument struct {
	*hcl.Attribute
	reads []mention // of blocks; with any, the value is known late
}

// child makes the evaluator of one instance of a called module.
func (e *evaluator) child(d *decl, key string) *evaluator {
	c := &evaluator{
		shared: e.shared, module: d.call.module, parent: e, call: d, key: key,
		prefix: d.addr.Single().String(), arguments: map[string]*argument{},
	}
	if d.forEach != nil {
		c.prefix = d.addr.Instance(key).String()
	}
	c.paths = map[string]cty.Value{"module": cty.StringVal(c.module.dir), "root": e.paths["root"], "cwd": e.paths["cwd"]}
	d.children[key] = c
	early := e.eachContext(d, key)
	values := make(map[string]cty.Value, len(c.module.variables))
	c.varExprs = map[string]hcl.Expression{}
	for name, v := range c.module.variables {
		a := d.call.arguments[name]
		if a == nil {
			val, diags := v.value(given{}, false)
			if v.fallback == nil {
				diags = hcl.Diagnostics{missing(name, d.call.block.DefRange)}
			} else {
				c.varExprs[name] = v.fallback.Expr
			}
			e.report(diags...)
			values[name] = val
			continue
		}
		found, diags := e.check(a.Expr, sight{what: "A module", each: d.forEach != nil, blocks: true})
		e.report(diags...)
		arg := &argument{Attribute: a}
		c.arguments[name], c.varExprs[name] = arg, a.Expr
		values[name] = unknownOf(v.ty)
		if diags.HasErrors() {
			continue
		}
		if arg.reads = e.reading(found); len(arg.reads) > 0 {
			continue
		}
		val, diags := valueOf(a.Expr, early)
		if e.report(diags...); diags.HasErrors() {
			continue
		}
		values[name], diags = v.accept(val, "the argument", a.Expr.Range(), true)
		e.report(diags...)
	}
	c.vars = values
	c.context = &hcl.EvalContext{
		Functions: e.context.Functions,
		Variables: map[string]cty.Value{"var": cty.ObjectVal(values), "path": cty.ObjectVal(c.paths), "local": cty.EmptyObjectVal},
	}
	return c
}

// checkArguments reports arguments that the module does not have.
func (e *evaluator) checkArguments(c *call) {
	for name, a := range c.arguments {
		if c.module.variables[name] == nil {
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Unknown argument",
				Detail:  fmt.Sprintf("The module %q has no variable %q.%s", c.name, name, didYouMean(name, c.module.variableNames())),
				Subject: a.NameRange.Ptr(), Context: a.Range.Ptr(),
			})
		}
	}
}

// expand evaluates what is known early in a module, and in those it calls:
// variables and locals, and which instances every block has.
func (e *evaluator) expand() {
	e.all = append(e.all, e)
	if e.memory == nil {
		e.root() // all that is wrong is told, needed or not
	}
	e.validateVariables()
	e.declare()
	for _, d := range e.order {
		e.settle(d)
	}
	for _, name := range slices.Sorted(maps.Keys(e.module.calls)) {
		c := e.module.calls[name]
		d := &decl{addr: addrs.Block{Module: e.prefix, Type: "module", Name: name}, block: c.block, call: c, children: map[string]*evaluator{}}
		e.called = append(e.called, d)
		if e.decls != nil {
			e.decls[d.local()] = d
		}
		d.forEach, d.enabled = c.meta["for_each"], c.meta["enabled"]
		if c.module == nil {
			continue
		}
		e.report(d.readDependsOn(c.meta["depends_on"])...)
		e.checkArguments(c)
		if e.settle(d); !d.settled {
			continue
		}
		for _, inst := range d.instances {
			e.child(d, inst.Key).expand()
		}
	}
}

// late reports whether a variable's value is known only when blocks are read.
func (e *evaluator) late(name string) bool {
	a := e.arguments[name]
	return a != nil && len(a.reads) > 0
}

// reading are the mentions whose values are known only late.
func (e *evaluator) reading(found []mention) []mention {
	var reads []mention
	for _, m := range found {
		if !earlyRoots[m.root] || m.root == "var" && e.late(m.name) {
			reads = append(reads, m)
		}
	}
	return reads
}

// everything are all instances inside a module and those it calls.
func (e *evaluator) everything() []addrs.Instance {
	var all []addrs.Instance
	for d := range e.declared {
		if d.call == nil {
			all = append(all, d.instances...)
		}
		for _, c := range d.children {
			all = append(all, c.everything()...)
		}
	}
	return all
}

// into goes into another module for a value: the caller's for a variable,
// the callee's for an output. read evaluates there.
func (ev *evaluation) into(to *evaluation, step string, at hcl.Range, read func(*evaluation) cty.Value) cty.Value {
	if slices.Contains(ev.trail, step) {
		ev.report(&hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "References go in a circle",
			Detail: fmt.Sprintf("Each of them needs the next: %s.", strings.Join(append(ev.trail, step), " → ")), Subject: at.Ptr(),
		})
		return cty.DynamicVal
	}
	to.trail = append(ev.trail[:len(ev.trail):len(ev.trail)], step)
	to.known, to.late = ev.known, ev.late
	v := read(to)
	ev.depends = append(ev.depends, to.depends...)
	ev.report(to.diags...)
	return v
}

// variable is the value of a variable that is known late.
func (ev *evaluation) variable(name string) cty.Value {
	e, v := ev.evaluator, ev.module.variables[name]
	a := e.arguments[name]
	to := &evaluation{evaluator: e.parent, mentions: a.reads, decl: e.call, key: e.key, early: e.parent.eachContext(e.call, e.key)}
	return ev.into(to, e.prefix+".var."+name, a.Expr.Range(), func(to *evaluation) cty.Value {
		val, diags := valueOf(a.Expr, to.scope())
		if to.report(diags...); diags.HasErrors() {
			return unknownOf(v.ty)
		}
		val, diags = v.accept(val, "the argument", a.Expr.Range(), true)
		to.report(diags...)
		return val
	})
}

// outputOf is the value of an output of an instance of a module.
func (ev *evaluation) outputOf(c *evaluator, name string) cty.Value {
	o := c.outputs[name]
	if o == nil {
		return cty.DynamicVal // reported
	}
	to := &evaluation{evaluator: c, mentions: o.mentions, early: c.root()}
	return ev.into(to, c.prefix+"."+name, o.rng, func(to *evaluation) cty.Value {
		v, diags := valueOf(o.value.Expr, to.scope())
		if to.report(diags...); diags.HasErrors() {
			return cty.DynamicVal
		}
		if o.sensitive {
			v = v.Mark(sensitive)
		}
		return v
	})
}

// moduleValues are what the names of the modules that are mentioned stand for:
// of each, the outputs that are mentioned.
func (ev *evaluation) moduleValues() map[string]cty.Value {
	wanted := map[string]map[string]map[string]bool{} // call, key, output
	for n := range ev.mentions {
		m := &ev.mentions[n]
		d := ev.lookup(m.root, m.name)
		if m.root != "module" || d == nil || !d.settled {
			continue
		}
		if wanted[m.name] == nil {
			wanted[m.name] = map[string]map[string]bool{}
		}
		for _, addr := range ev.chosen(m, d) {
			outputs := wanted[m.name][addr.Key]
			if outputs == nil {
				outputs = map[string]bool{}
				wanted[m.name][addr.Key] = outputs
			}
			if m.attr != "" {
				outputs[m.attr] = true
				continue
			}
			for name := range d.call.module.outputs {
				outputs[name] = true
			}
		}
	}
	values := map[string]cty.Value{}
	for name, byKey := range wanted {
		d := ev.lookup("module", name)
		objects := map[string]cty.Value{}
		for key, outputs := range byKey {
			attrs := map[string]cty.Value{}
			for output := range outputs {
				attrs[output] = ev.outputOf(d.children[key], output)
			}
			objects[key] = cty.ObjectVal(attrs)
		}
		switch single, ok := objects[""]; {
		case d.forEach != nil && (len(objects) > 0 || len(d.keys) == 0):
			values[name] = cty.ObjectVal(objects)
		case ok:
			values[name] = single
		default:
			values[name] = cty.DynamicVal // reported
		}
	}
	return values
}

// passed follows a reference through a variable to the argument of the call.
func (e *evaluator) passed(m mention, allowed []string, s sight) (*reference, hcl.Diagnostics) {
	a, v := e.arguments[m.name], e.module.variables[m.name]
	if a == nil {
		if v != nil && v.fallback != nil {
			return e.parseReference(v.fallback.Expr, allowed, s)
		}
		return nil, nil // reported: the argument is missing
	}
	inner, diags := e.parent.parseReference(a.Expr, allowed, sight{what: "A module", each: e.call.forEach != nil, blocks: true, depth: s.depth + 1})
	if inner == nil {
		return nil, diags
	}
	return &reference{argument: inner}, diags
}

// passedOut follows a reference to an output into the module.
func (e *evaluator) passedOut(m mention, allowed []string, s sight) (*reference, hcl.Diagnostics) {
	d := e.lookup(m.root, m.name)
	ref := &reference{to: m, allowed: allowed, depth: s.depth + 1}
	if d == nil {
		return nil, nil // reported
	}
	for _, c := range d.children {
		if o := c.outputs[m.attr]; o != nil {
			inner, diags := c.parseReference(o.value.Expr, allowed, sight{what: "An output", blocks: true, depth: s.depth + 1})
			if inner == nil {
				return nil, diags
			}
			break // the same text in each of them
		}
	}
	return ref, nil
}

// resolveOutput finds the instance that an output of a module refers to.
func (r *reference) resolveOutput(e *evaluator, ctx *hcl.EvalContext) (addr addrs.Instance, ok bool, diags hcl.Diagnostics) {
	d := e.lookup(r.to.root, r.to.name)
	inst, ok, diags := r.to.instance(d, ctx)
	if !ok {
		return addr, false, diags
	}
	c := d.children[inst.Key]
	o := c.outputs[r.to.attr]
	if o == nil {
		return addr, false, diags
	}
	inner, more := c.parseReference(o.value.Expr, r.allowed, sight{what: "An output", blocks: true, depth: r.depth})
	if inner == nil {
		return addr, false, append(diags, more...)
	}
	return inner.resolve(c, c.root())
}

// isVariable reports whether an expression is just a variable.
func isVariable(expr hclsyntax.Expression) bool {
	t, ok := expr.(*hclsyntax.ScopeTraversalExpr)
	return ok && len(t.Traversal) == 2 && t.Traversal.RootName() == "var"
}
