package lang

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
	"accord/lang/lower"
	"accord/lang/schema"
)

// evaluator is one evaluation of a module: of the configuration itself, or of
// one instance of a module that is called. After Evaluate it is only read, and
// lives on in what was evaluated.
type evaluator struct {
	*shared
	module  *module
	order   []*decl               // of providers' types, as in the files
	called  []*decl               // modules, by name
	decls   map[addrs.Block]*decl // both by type and name in this module, once one is asked for
	named   sync.Once
	outputs map[string]*output
	context *hcl.EvalContext // root, before it has the local values
	locals  sync.Once        // evaluated
	paths   map[string]cty.Value
	vars    map[string]cty.Value

	varExprs map[string]hcl.Expression // where the values of vars are written

	// Of a module that is called:
	parent    *evaluator
	call      *decl
	key       string // of the instance of the call
	prefix    string // of addresses inside: module.eu["a"]
	arguments map[string]*argument
	after     []addrs.Instance // depends_on of the calls around
}

// shared is what the evaluators of all modules have in common.
type shared struct {
	config  *Config
	types   map[string]*blockType
	all     []*evaluator // callers before callees
	desired *Desired
	diags   hcl.Diagnostics

	memory  *memory     // of the last evaluation of the same; nil where there is none
	proof   *Proof      // nil where nothing may be remembered
	outside atomic.Bool // something was read that is no part of the configuration
}

func (e *shared) report(diags ...*hcl.Diagnostic) { e.diags = append(e.diags, diags...) }

// Evaluate holds the configuration against the schemas of the providers and
// says what is wanted. Where diags have errors, Desired is incomplete. It may
// be called again, with other options.
func (c *Config) Evaluate(providers []*schema.Provider, opts Options) (*Desired, hcl.Diagnostics) {
	e := &evaluator{module: c.module, shared: &shared{
		config:  c,
		types:   map[string]*blockType{},
		desired: &Desired{Settings: c.Settings, imports: map[addrs.Instance]*Import{}},
	}}
	e.desired.root = e
	e.addTypes(providers)
	abs, err := filepath.Abs(c.Dir)
	if err != nil {
		abs = c.Dir
	}
	e.paths = map[string]cty.Value{"module": cty.StringVal("."), "root": cty.StringVal("."), "cwd": cty.StringVal(filepath.ToSlash(abs))}

	var diags hcl.Diagnostics
	e.vars, e.varExprs, diags = c.evaluateVariables(opts)
	e.report(diags...)
	e.context = &hcl.EvalContext{
		Functions: functionTable(c.Dir, func() { e.outside.Store(true) }),
		Variables: map[string]cty.Value{
			"var":   cty.ObjectVal(e.vars),
			"path":  cty.ObjectVal(e.paths),
			"local": cty.EmptyObjectVal,
		},
	}
	key, keeps := e.memoryKey(providers)
	if keeps {
		e.memory = recall(c.memory, key)
	}
	e.expand()
	for _, m := range e.all {
		m.bindOutputs()
	}
	for _, m := range e.all {
		m.bind()
	}
	for _, m := range e.all {
		m.inherit()
	}
	e.evaluateAll()
	e.evaluateOutputs()
	for _, m := range e.all {
		m.evaluateChecks()
		m.evaluateTurns()
	}
	e.checkTurns()
	if e.memory == nil {
		e.checkCircles()
	}
	if keeps && len(e.diags) == 0 && (e.memory != nil || e.remember(c.memory, key)) {
		e.proof = &Proof{path: filepath.Join(filepath.Dir(c.memory), "checked"), key: key}
		e.release()
	}
	e.forget()
	if c.broken {
		e.diags = withoutConsequences(e.diags)
	}
	return e.desired, Arrange(e.diags)
}

// forget lets go of what was remembered, once it is in what is wanted.
func (e *evaluator) forget() {
	e.memory = nil
	for _, m := range e.all {
		for _, d := range m.order {
			d.recalled = nil
		}
	}
}

// release lets go of values that nothing is expected to ask for, once all that
// is wanted is known. Who asks all the same has them evaluated again, as where
// all was remembered: nothing was to be said of them.
func (e *evaluator) release() {
	if len(e.desired.Checks) > 0 {
		return
	}
	for _, m := range e.all {
		if len(m.outputs) > 0 {
			return
		}
		for d := range m.declared {
			if len(d.mentions)+len(d.conditions) > 0 {
				return
			}
		}
	}
	for _, m := range e.all {
		m.locals = sync.Once{}
		m.context.Variables["local"] = cty.EmptyObjectVal
		for d := range m.declared {
			d.values, d.valued = nil, sync.Once{}
		}
	}
}

// addTypes gathers the block types of the providers.
func (e *evaluator) addTypes(providers []*schema.Provider) {
	e.report(e.config.CheckProviders(providers)...)
	for _, p := range providers {
		eachType(p, func(t *schema.Type, instance bool) {
			if !ownType(t.Name) && e.types[t.Name] == nil {
				e.types[t.Name] = newBlockType(p.Name, t, instance)
			}
		})
	}
}

// CheckProviders holds the block types of providers against those of the core,
// and against each other: a type belongs to one. A provider that the accord
// block names is reported where it is named.
func (c *Config) CheckProviders(providers []*schema.Provider) (diags hcl.Diagnostics) {
	report := func(p, other, summary, detail string, args ...any) {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...)}
		for n := range c.Settings.Providers {
			if r := &c.Settings.Providers[n]; r.Name == p || r.Name == other && d.Subject == nil {
				d.Subject = r.SourceRange.Ptr()
			}
		}
		diags = append(diags, d)
	}
	owners := map[string]string{}
	for _, p := range providers {
		shared := map[string][]string{} // by the provider that has them already
		eachType(p, func(t *schema.Type, _ bool) {
			switch owner, claimed := owners[t.Name]; {
			case !hclsyntax.ValidIdentifier(t.Name):
				report(p.Name, "", "No name of a block type", "The provider %q declares the block type %q, which nobody could write.", p.Name, t.Name)
			case ownType(t.Name):
				report(p.Name, "", "Block type of the core", "The provider %q declares the block type %q, which is accord's own.", p.Name, t.Name)
			case claimed:
				shared[owner] = append(shared[owner], t.Name)
			default:
				owners[t.Name] = p.Name
			}
			badNames(&t.Body, true, func(name, problem string) {
				report(p.Name, "", "Block that cannot be", "The provider %q declares %q in its block type %q; %s.", p.Name, name, t.Name, problem)
			})
		})
		for _, owner := range slices.Sorted(maps.Keys(shared)) {
			report(p.Name, owner, "Block type of two providers", "The provider %q and the provider %q both declare %s. A block type belongs to one, so only one of them can be used here.", owner, p.Name, enumerate(shared[owner]))
		}
	}
	return diags
}

// badNames finds what a body declares and nobody could use, at any depth. The
// top is where accord has words of its own.
func badNames(b *schema.Block, top bool, bad func(name, problem string)) {
	check := func(name string) {
		switch {
		case !hclsyntax.ValidIdentifier(name):
			bad(name, "nobody could write that")
		case top && isMeta(name):
			bad(name, "that word is for accord in every block")
		}
	}
	for n := range b.Attributes {
		if check(b.Attributes[n].Name); b.Attributes[n].Type == cty.NilType {
			bad(b.Attributes[n].Name, "it has no type")
		}
	}
	for n := range b.Blocks {
		check(b.Blocks[n].Name)
		badNames(&b.Blocks[n].Body, false, bad)
	}
}

// ownType tells a name that is accord's own from what a provider may call a
// block type.
func ownType(name string) bool {
	_, core := coreBlocks[name]
	return core || earlyRoots[name] || name == "self"
}

func eachType(p *schema.Provider, f func(t *schema.Type, instance bool)) {
	for n := range p.Instances {
		f(&p.Instances[n], true)
	}
	for n := range p.Resources {
		f(&p.Resources[n], false)
	}
}

// decl is a block of a provider's type, or a call of a module, once for all its
// instances.
type decl struct {
	addr    addrs.Block
	typ     *blockType
	block   *hcl.Block
	content *hcl.BodyContent

	forEach, enabled, protect *hcl.Attribute
	dependsOn                 []mention
	ignore                    []addrs.Path

	body     *body     // nil before it is bound, and once it is no longer needed
	mentions []mention // of other blocks, whose values the body reads

	conditions []*condition // preconditions, then postconditions

	call     *call                 // nil for a block of a provider
	children map[string]*evaluator // of a call, by key

	remembered bool       // it was evaluated before, and is not again
	recalled   []recalled // what it came to, until that is in what is wanted

	settled bool                 // false after an error: whatever refers to it follows from that
	keys    []string             // with for_each: sorted
	values  map[string]cty.Value // with for_each: each.value; nil before it is asked for, where it was recalled
	valued  sync.Once
	off     map[string]bool // switched off by enabled, by key

	instances []addrs.Instance // all, in order; none before it is settled
	one       [1]addrs.Instance
	resources []Resource // of instances
}

// local is the block's name in its own module.
func (d *decl) local() addrs.Block { return addrs.Block{Type: d.addr.Type, Name: d.addr.Name} }

// declared are all blocks of providers' types, and all modules that are called.
func (e *evaluator) declared(yield func(*decl) bool) {
	for _, all := range [][]*decl{e.order, e.called} {
		for _, d := range all {
			if !yield(d) {
				return
			}
		}
	}
}

// lookup finds a block, or a call of a module, by its name in this module; nil
// where there is none.
func (e *evaluator) lookup(typ, name string) *decl {
	e.named.Do(func() {
		e.decls = make(map[addrs.Block]*decl, max(len(e.order)+len(e.called), len(e.module.blocks)))
		for d := range e.declared {
			e.decls[d.local()] = d
		}
	})
	return e.decls[addrs.Block{Type: typ, Name: name}]
}

// has reports whether d has an instance of a key.
func (d *decl) has(key string) bool {
	_, ok := slices.BinarySearch(d.keys, key)
	return ok
}

// declare finds the type of every block.
func (e *evaluator) declare() {
	all := make([]decl, 0, len(e.module.blocks))
	for _, block := range e.module.blocks {
		typ := e.types[block.Type]
		if typ == nil {
			names := append(slices.Collect(maps.Keys(e.types)), slices.Collect(maps.Keys(coreBlocks))...)
			slices.Sort(names)
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unknown block type",
				Detail:   fmt.Sprintf("No provider has the block type %q.%s", block.Type, didYouMean(block.Type, names)),
				Subject:  block.TypeRange.Ptr(),
				Context:  block.DefRange.Ptr(),
			})
			continue
		}
		all = append(all, decl{addr: addrs.Block{Module: e.prefix, Type: block.Type, Name: block.Labels[0]}, typ: typ, block: block})
	}
	e.order = make([]*decl, 0, len(all))
	for n := range all {
		d := &all[n]
		if e.memory == nil { // what is remembered had no name twice
			if first := e.lookup(d.addr.Type, d.addr.Name); first != nil {
				e.report(again(d.block.DefRange, "the block "+first.local().String(), first.block.DefRange))
				continue
			}
			e.decls[d.local()] = d
		}
		e.order = append(e.order, d)
	}
	problems := make([]hcl.Diagnostics, len(e.order))
	parallel(len(e.order), func(n int) { problems[n] = e.order[n].read() })
	for _, diags := range problems {
		e.report(diags...)
	}
}

// read takes the meta-arguments out of the block.
func (d *decl) read() hcl.Diagnostics {
	if lowered, ok := d.block.Body.(*lower.Body); ok && lowered.Only(d.typ.body.syntax) {
		return nil // most blocks have none
	}
	content, diags := contentOf(d.block.Body, d.typ.body.top)
	if _, lowered := d.block.Body.(*lower.Body); !lowered {
		d.content = content // else it is cheap to have again
	}
	d.forEach = content.Attributes["for_each"]
	d.enabled = content.Attributes["enabled"]
	diags = append(diags, d.readDependsOn(content.Attributes["depends_on"])...)
	first := hcl.Range{}
	for _, b := range content.Blocks.OfType("lifecycle") {
		if first != (hcl.Range{}) {
			diags = append(diags, again(b.DefRange, "a lifecycle block", first))
			continue
		}
		first = b.DefRange
		diags = append(diags, d.readLifecycle(b)...)
	}
	return diags
}

// readDependsOn reads the references of depends_on, if it is written.
func (d *decl) readDependsOn(a *hcl.Attribute) hcl.Diagnostics {
	if a == nil {
		return nil
	}
	exprs, diags := staticList(a.Expr)
	for _, expr := range exprs {
		found, _ := mentions(expr)
		if len(found) == 0 || !isInstance(expr) || found[0].attr != "" || earlyRoots[found[0].root] {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Not a reference",
				Detail:   "depends_on lists blocks, written as TYPE.NAME or TYPE.NAME[KEY].",
				Subject:  expr.Range().Ptr(),
			})
			continue
		}
		d.dependsOn = append(d.dependsOn, found[0])
	}
	return diags
}

var lifecycleSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "protect"}, {Name: "ignore_changes"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}, {Type: "postcondition"}},
}

func (d *decl) readLifecycle(block *hcl.Block) hcl.Diagnostics {
	content, diags := contentOf(block.Body, lifecycleSchema)
	r := &reader{diags: diags}
	d.protect = content.Attributes["protect"]
	for _, b := range content.Blocks {
		if rule := r.rule(b); rule != nil {
			d.conditions = append(d.conditions, &condition{kind: Kind(b.Type), rule: rule, rng: b.DefRange})
		}
	}
	a := content.Attributes["ignore_changes"]
	if a == nil {
		return r.diags
	}
	if hcl.ExprAsKeyword(static(a.Expr)) == "all" {
		d.ignore = []addrs.Path{""}
		return r.diags
	}
	exprs, more := staticList(a.Expr)
	r.diags = append(r.diags, more...)
	for _, expr := range exprs {
		t, more := hcl.RelTraversalForExpr(expr)
		if more.HasErrors() {
			r.diags = append(r.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Not an attribute",
				Detail:   "ignore_changes is all, or a list of attributes of this block, without quotes.",
				Subject:  expr.Range().Ptr(),
			})
			continue
		}
		path, more := d.typ.path(t)
		r.diags = append(r.diags, more...)
		if path != "" {
			d.ignore = append(d.ignore, path)
		}
	}
	return r.diags
}

// path turns a traversal inside a block into a path.
func (t *blockType) path(traversal hcl.Traversal) (addrs.Path, hcl.Diagnostics) {
	var path addrs.Path
	for n, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			if n == 0 && t.Body.Attribute(step.Name) == nil && t.Body.Nested(step.Name) == nil {
				return "", hcl.Diagnostics{{
					Severity: hcl.DiagError,
					Summary:  "Unknown attribute",
					Detail:   fmt.Sprintf("%s has no attribute %q.%s", capital(article(t.Name)), step.Name, didYouMean(step.Name, t.names())),
					Subject:  step.SrcRange.Ptr(),
				}}
			}
			path = path.Child(step.Name)
		case hcl.TraverseIndex:
			key, err := convert.Convert(step.Key, cty.String)
			if err == nil {
				path = path.Child(key.AsString())
			}
		}
	}
	return path, nil
}

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

// bind holds every body against its schema, but for those that are bound when
// their only instance is evaluated.
func (e *evaluator) bind() {
	problems := make([]hcl.Diagnostics, len(e.order))
	parallel(len(e.order), func(n int) {
		if d := e.order[n]; !d.single() && !d.remembered {
			problems[n] = e.bindOne(d)
		}
	})
	for _, diags := range problems {
		e.report(diags...)
	}
}

// single reports whether d has one instance and no for_each.
func (d *decl) single() bool { return d.forEach == nil && len(d.instances) == 1 }

func (e *evaluator) bindOne(d *decl) hcl.Diagnostics {
	b := e.binder(d)
	content := d.content
	if content == nil {
		content, _ = contentOf(d.block.Body, d.typ.body.top)
	}
	d.body, d.content = b.bind(content, d.typ.body, d.block.DefRange), nil
	d.mentions = b.read
	for _, c := range d.conditions {
		own := b.sight
		own.self = d.typ
		b.diags = append(b.diags, c.bind(e, own)...)
	}
	d.dependsOn = slices.DeleteFunc(d.dependsOn, func(m mention) bool {
		diags := e.checkMentions([]mention{m}, b.sight)
		if m.key != nil {
			_, more := e.check(m.key, b.sight)
			diags = append(diags, more...)
		}
		b.diags = append(b.diags, diags...)
		return diags.HasErrors()
	})
	if d.protect != nil {
		_, diags := e.check(d.protect.Expr, sight{what: "The protection of a block", each: b.sight.each})
		b.diags = append(b.diags, diags...)
		if diags.HasErrors() {
			d.protect = nil
		}
	}
	return b.diags
}

func (e *evaluator) binder(d *decl) *binder {
	s := sight{what: d.block.Type + "." + d.block.Labels[0], each: d.forEach != nil, blocks: !d.typ.instance}
	if d.typ.instance {
		s.what = capital(article(d.addr.Type))
	}
	return &binder{evaluator: e, sight: s}
}

// bound is the body of d, bound again where it is not kept.
func (e *evaluator) bound(d *decl) *body {
	if d.body != nil {
		return d.body
	}
	content, _ := contentOf(d.block.Body, d.typ.body.top)
	return e.binder(d).bind(content, d.typ.body, d.block.DefRange)
}

// evaluateAll evaluates every instance: first those that providers connect to,
// which resources may read.
func (e *evaluator) evaluateAll() {
	count := map[bool]int{}
	for _, m := range e.all {
		for _, d := range m.order {
			count[d.typ.instance] += len(d.instances)
		}
	}
	for _, instance := range []bool{true, false} {
		all := make([]Resource, 0, count[instance])
		for _, m := range e.all {
			for _, d := range m.order {
				if d.typ.instance != instance {
					continue
				}
				for _, addr := range d.instances {
					all = append(all, Resource{Addr: addr, Type: d.typ.Type, Provider: d.typ.provider, Range: d.block.DefRange, decl: d, evaluator: m})
				}
				d.resources = all[len(all)-len(d.instances):]
			}
		}
		wanted := make([]*Resource, len(all))
		for n := range all {
			wanted[n] = &all[n]
		}
		problems := make([]hcl.Diagnostics, len(wanted))
		parallel(len(wanted), func(n int) { problems[n] = wanted[n].evaluate() })
		for _, diags := range problems {
			e.report(diags...)
		}
		slices.SortFunc(wanted, func(a, b *Resource) int { return a.Addr.Compare(b.Addr) })
		if instance {
			e.desired.Instances = wanted
		} else {
			e.desired.Resources = wanted
		}
	}
}

// checkCircles finds resources that refer to each other in a circle.
func (e *evaluator) checkCircles() {
	const (
		open = iota + 1
		done
	)
	seen := make(map[*Resource]int, len(e.desired.Resources))
	var way []*Resource
	var visit func(r *Resource)
	visit = func(r *Resource) {
		switch seen[r] {
		case done:
			return
		case open:
			n := slices.Index(way, r)
			var names []string
			for _, r := range append(way[n:len(way):len(way)], r) {
				names = append(names, r.Addr.String())
			}
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "References go in a circle",
				Detail:   fmt.Sprintf("Each of them needs the next: %s.", strings.Join(names, " → ")),
				Subject:  r.Range.Ptr(),
			})
			return
		}
		seen[r] = open
		way = append(way, r)
		for _, addr := range r.DependsOn {
			if to := e.desired.Find(addr); to != nil {
				visit(to)
			}
		}
		way = way[:len(way)-1]
		seen[r] = done
	}
	for _, r := range e.desired.Resources {
		visit(r)
	}
}
