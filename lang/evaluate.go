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

	"accord/lang/addrs"
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
		m.evaluateTransitions()
	}
	e.checkMoves()
	e.checkRemovals()
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
