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

	"accord/lang/addrs"
	"accord/lang/schema"
)

// Import takes over an object that exists, by its id.
type Import struct {
	To    addrs.Instance // is in the configuration
	ID    string
	Range hcl.Range // of the id
}

// Move says that an object, a block or a module has another name now. One
// without a key stands for all its instances, unless the other side has a key.
// A module has the Type "module".
type Move struct {
	From, To addrs.Instance
	Range    hcl.Range // the header of the block
}

// Removal says what happens to an object, or to all instances of a block, that
// was taken out of the configuration.
type Removal struct {
	From      addrs.Instance
	Then      schema.Removal // "": the type's own
	Unprotect bool           // its protection is lifted
	Range     hcl.Range      // the header of the block
}

// Moved is where a move leads an address; ok is false where it is not about it.
func (m *Move) Moved(addr addrs.Instance) (to addrs.Instance, ok bool) {
	if m.From.Type != "module" {
		switch {
		case addr == m.From:
			return m.To, true
		case !m.From.Keyed && !m.To.Keyed && addr.Block == m.From.Block:
			return addrs.Instance{Block: m.To.Block, Key: addr.Key, Keyed: addr.Keyed}, true
		}
		return addr, false
	}
	rest, ok := strings.CutPrefix(addr.Module, m.From.String())
	switch {
	case !ok:
		return addr, false
	case rest == "", rest[0] == '.':
	case rest[0] == '[' && !m.From.Keyed && !m.To.Keyed: // all instances of the module
	default:
		return addr, false
	}
	addr.Module = m.To.String() + rest
	return addr, true
}

// Moved follows all moves from where an object was to where it is now.
func (d *Desired) Moved(addr addrs.Instance) addrs.Instance {
	for range d.Moves { // at most once each: they go in no circle
		before := addr
		for _, m := range d.Moves {
			if to, ok := m.Moved(addr); ok {
				addr = to
				break
			}
		}
		if addr == before {
			break
		}
	}
	return addr
}

// Removal returns what is written about an object that was taken out; nil where
// nothing is.
func (d *Desired) Removal(addr addrs.Instance) *Removal {
	for _, r := range d.Removals {
		if r.Covers(addr) {
			return r
		}
	}
	return nil
}

// Covers reports whether r is about an object.
func (r *Removal) Covers(addr addrs.Instance) bool { return r.From.Covers(addr) }

// Import returns the import of an object, nil where there is none.
func (d *Desired) Import(addr addrs.Instance) *Import { return d.imports[addr] }

var (
	importSchema  = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "to"}, {Name: "id"}}}
	movedSchema   = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "from"}, {Name: "to"}}}
	removedSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "from"}, {Name: "then"}, {Name: "unprotect"}}}
)

// evaluateTurns evaluates the import, moved and removed blocks of a module.
func (e *evaluator) evaluateTurns() {
	for _, block := range e.module.turns {
		switch block.Type {
		case "import":
			e.evaluateImport(block)
		case "moved":
			e.evaluateMoved(block)
		case "removed":
			e.evaluateRemoved(block)
		}
	}
}

// required takes a block apart; ok is false where something is missing.
func (e *evaluator) required(block *hcl.Block, schema *hcl.BodySchema, names ...string) (*hcl.BodyContent, bool) {
	content, diags := contentOf(block.Body, schema)
	for _, name := range names {
		if content.Attributes[name] == nil {
			diags = append(diags, missing(name, block.DefRange))
		}
	}
	e.report(diags...)
	return content, !diags.HasErrors()
}

func (e *evaluator) evaluateImport(block *hcl.Block) {
	content, ok := e.required(block, importSchema, "to", "id")
	if !ok {
		return
	}
	to, id := content.Attributes["to"], content.Attributes["id"]
	d := &decl{addr: addrs.Block{Type: "import"}, block: block, forEach: content.Attributes["for_each"]}
	s := sight{what: "An import", each: d.forEach != nil}
	if _, diags := e.check(id.Expr, s); diags.HasErrors() {
		e.report(diags...)
		return
	}
	if e.settle(d); !d.settled {
		return
	}
	target, ok := e.target(to.Expr, d.forEach != nil)
	if !ok {
		return
	}
	for _, inst := range d.instances {
		ctx := e.eachContext(d, inst.Key)
		addr, ok := e.targetAddr(target, ctx)
		if !ok {
			continue
		}
		text, ok := e.text(id, ctx)
		if !ok {
			continue
		}
		i := &Import{To: addr, ID: text, Range: id.Expr.Range()}
		switch r, other := e.desired.Find(addr), e.desired.Import(addr); {
		case other != nil:
			e.report(again(block.DefRange, "an import to "+addr.String(), other.Range))
		case r == nil || r.decl.typ.instance:
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Import to nowhere",
				Detail:  fmt.Sprintf("The configuration has no resource %s; write its block first.", addr),
				Subject: to.Expr.Range().Ptr(), Expression: to.Expr, EvalContext: ctx,
			})
		default:
			e.desired.Imports = append(e.desired.Imports, i)
			e.desired.imports[addr] = i
		}
	}
}

// text evaluates a string that must be known now.
func (e *evaluator) text(a *hcl.Attribute, ctx *hcl.EvalContext) (string, bool) {
	v, diags := valueOf(a.Expr, ctx)
	e.report(diags...)
	if diags.HasErrors() {
		return "", false
	}
	v, _ = v.Unmark()
	s, err := convert.Convert(v, cty.String)
	if err != nil || s.IsNull() || s.IsKnown() && s.AsString() == "" {
		e.report(problemAt(a.Expr, a.Range, ctx, a.Expr.Range(), "Wrong type", fmt.Sprintf("%s is a text, and not empty.", a.Name)))
		return "", false
	}
	if !s.IsKnown() {
		return "", false // follows from what is reported
	}
	return s.AsString(), true
}

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

func (e *evaluator) evaluateMoved(block *hcl.Block) {
	content, ok := e.required(block, movedSchema, "from", "to")
	if !ok {
		return
	}
	from, ok := e.staticTarget(content.Attributes["from"])
	to, ok2 := e.staticTarget(content.Attributes["to"])
	if !ok || !ok2 {
		return
	}
	problem := func(summary, format string, args ...any) {
		e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: block.DefRange.Ptr()})
	}
	switch {
	case from.Type != to.Type:
		problem("A move to another type", "%s cannot become %s.", from, to)
	case from == to:
		problem("A move to itself", "%s is on both sides.", from)
	default:
		e.desired.Moves = append(e.desired.Moves, &Move{From: from, To: to, Range: block.DefRange})
	}
}

func (e *evaluator) evaluateRemoved(block *hcl.Block) {
	content, ok := e.required(block, removedSchema, "from")
	if !ok {
		return
	}
	from, ok := e.staticTarget(content.Attributes["from"])
	if !ok {
		return
	}
	r := &Removal{From: from, Range: block.DefRange}
	read := &reader{}
	read.flag(content.Attributes["unprotect"], &r.Unprotect)
	if a := content.Attributes["then"]; a != nil {
		var word string
		if read.into(a, &word); word != "" {
			words := []string{string(schema.Forget), string(schema.Reset), string(schema.Delete)}
			if !slices.Contains(words, word) {
				read.problem(a, "Unknown word", fmt.Sprintf("then is one of %s; %q is not.%s", enumerate(words), word, didYouMean(word, words)))
			}
			r.Then = schema.Removal(word)
		}
	}
	if e.report(read.diags...); read.diags.HasErrors() {
		return
	}
	e.desired.Removals = append(e.desired.Removals, r)
}

// checkTurns holds moves and removals against each other and against what is
// there.
func (e *evaluator) checkTurns() {
	problem := func(at hcl.Range, summary, format string, args ...any) {
		e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr()})
	}
	declared := func(covers func(addrs.Instance) bool) *Resource {
		for _, r := range e.desired.Resources {
			if covers(r.Addr) {
				return r
			}
		}
		return nil
	}
	for n, m := range e.desired.Moves {
		for _, other := range e.desired.Moves[:n] {
			if other.From == m.From {
				e.report(again(m.Range, "a move from "+m.From.String(), other.Range))
			}
		}
		leads := func(addr addrs.Instance) bool {
			to, ok := m.Moved(addr)
			return ok && to != addr
		}
		if r := declared(leads); r != nil {
			problem(m.Range, "A move from what is there", "%s is still in the configuration, at %s:%d.", r.Addr, r.Range.Filename, r.Range.Start.Line)
		}
		// A circle comes back to where it began.
		at := m.To
		for range e.desired.Moves {
			if at == m.From {
				problem(m.Range, "Moves go in a circle", "What is moved from %s comes back there.", m.From)
				break
			}
			for _, next := range e.desired.Moves {
				if next.From == at {
					at = next.To
					break
				}
			}
		}
	}
	for _, removal := range e.desired.Removals {
		if r := declared(removal.Covers); r != nil {
			problem(removal.Range, "Removed and there", "%s is still in the configuration, at %s:%d. Take that block out, or this one.", r.Addr, r.Range.Filename, r.Range.Start.Line)
		}
	}
}
