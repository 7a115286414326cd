package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
)

// Import takes over an object that exists, by its id.
type Import struct {
	To    addrs.Instance // is in the configuration
	ID    string
	Range hcl.Range // of the id
}

// Import returns the import of an object, nil where there is none.
func (d *Desired) Import(addr addrs.Instance) *Import { return d.imports[addr] }

var importSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "to"}, {Name: "id"}}}

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
	if v.IsMarked() {
		e.report(problemAt(a.Expr, a.Range, ctx, a.Expr.Range(), "Sensitive "+a.Name, "It is shown everywhere. Where it is no secret, write nonsensitive(…)."))
		return "", false
	}
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
