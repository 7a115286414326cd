package lang

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
	"accord/lang/lower"
	"accord/lang/schema"
)

// Locate finds the place in the source that a place in the body comes from:
// the element of a collection, else the attribute, the nested block, or the
// block. An element that comes out of a variable, a local value or for_each is
// looked for where it is written.
func (r *Resource) Locate(path addrs.Path) hcl.Range { return r.place(path).rng }

// Origin finds where the value of an attribute is written: the argument, the
// default or the local value that the attribute names. It is Locate where the
// attribute says it itself.
func (r *Resource) Origin(path addrs.Path) hcl.Range {
	at := r.place(path)
	if at.attribute == nil || at.attribute.expr == nil || len(path.Steps()) != 1 {
		return at.rng
	}
	ev := r.evaluation(nil)
	s := &search{evaluation: ev, ctx: ev.early, through: true}
	if rng, ok := s.find(at.attribute.expr, nil); ok && rng.Filename != "" {
		return rng
	}
	return at.rng
}

// place is where something in a body is written; attribute is nil where it is
// not in one.
type place struct {
	rng       hcl.Range
	attribute *attribute
}

func (r *Resource) place(path addrs.Path) place {
	return r.placeIn(r.evaluator.bound(r.decl), path.Steps(), path)
}

// placeIn finds the place of the steps that are left of path, inside b.
func (r *Resource) placeIn(b *body, steps []string, path addrs.Path) place {
	if len(steps) == 0 {
		return place{rng: b.header}
	}
	for _, a := range b.attributes {
		if a.Name != steps[0] {
			continue
		}
		var element any
		if a.Type.IsSetType() && len(steps) == 2 {
			element = elementAt(r.Body, path)
		}
		return place{r.evaluation(nil).locate(a, steps[1:], element), a}
	}
	n := 0
	for _, nested := range b.nested {
		switch {
		case nested.Name != steps[0]:
			continue
		case nested.Single:
			return r.placeIn(nested.body, steps[1:], path)
		case len(steps) == 1: // the first of several
			return place{rng: nested.body.header}
		case nested.Label != "" && nested.label == steps[1], nested.Label == "" && strconv.Itoa(n) == steps[1]:
			return r.placeIn(nested.body, steps[2:], path)
		}
		n++
	}
	return place{rng: b.header}
}

// elementAt is the decoded value at a path of a body; nil where there is none.
func elementAt(text json.RawMessage, path addrs.Path) any {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	for _, step := range path.Steps() {
		switch inner := v.(type) {
		case map[string]any:
			v = inner[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(inner) {
				return nil
			}
			v = inner[n]
		default:
			return nil
		}
	}
	return v
}

// locate finds where a part of an attribute's value is written; a set has no
// order of its own, so there the element itself is searched for.
func (ev *evaluation) locate(a *attribute, steps []string, element any) hcl.Range {
	if len(steps) > 0 {
		s := &search{evaluation: ev, ctx: ev.early}
		if element != nil {
			s.element, _ = schema.AppendCanonical(nil, element, nil)
		}
		if rng, ok := s.find(a.expr, steps); ok {
			return rng
		}
	}
	return a.expr.Range()
}

// search follows an expression to where a part of its value is written.
type search struct {
	*evaluation
	ctx     *hcl.EvalContext // of the expression at hand
	element []byte           // canonical: what the last step leads to in a set
	depth   int
	through bool // names are followed to the end, not only for a part of their value
}

// find returns the place that steps lead to inside the value of expr.
func (s *search) find(expr hcl.Expression, steps []string) (hcl.Range, bool) {
	if len(steps) == 0 && !s.through {
		return expr.Range(), true
	}
	if rng, ok := s.inside(expr, steps); ok || len(steps) > 0 {
		return rng, ok
	}
	return expr.Range(), true
}

// inside looks into an expression.
func (s *search) inside(expr hcl.Expression, steps []string) (hcl.Range, bool) {
	if s.depth++; s.depth > 32 {
		return hcl.Range{}, false
	}
	switch x := lower.Open(expr).(type) {
	case *hclsyntax.ParenthesesExpr:
		return s.find(x.Expression, steps)
	case *hclsyntax.FunctionCallExpr:
		if len(x.Args) == 1 && (s.element != nil || s.through || x.Name == "tolist" || x.Name == "tomap" || x.Name == "sensitive" || x.Name == "nonsensitive") {
			return s.find(x.Args[0], steps)
		}
	case *hclsyntax.ConditionalExpr:
		if v, diags := x.Condition.Value(s.ctx); !diags.HasErrors() {
			if v, _ = v.Unmark(); v.Type() == cty.Bool && v.IsKnown() && !v.IsNull() {
				if v.True() {
					return s.find(x.TrueResult, steps)
				}
				return s.find(x.FalseResult, steps)
			}
		}
	case *hclsyntax.TupleConsExpr:
		if s.element != nil && len(steps) == 1 {
			for _, inner := range x.Exprs {
				if s.is(inner) {
					return inner.Range(), true
				}
			}
			return hcl.Range{}, false
		}
		if len(steps) == 0 {
			break
		}
		if n, err := strconv.Atoi(steps[0]); err == nil && n >= 0 && n < len(x.Exprs) {
			return s.find(x.Exprs[n], steps[1:])
		}
	case *hclsyntax.ObjectConsExpr:
		if len(steps) == 0 {
			break
		}
		for _, item := range x.Items {
			if key, ok := s.text(item.KeyExpr); ok && key == steps[0] {
				return s.find(item.ValueExpr, steps[1:])
			}
		}
	case *hclsyntax.ScopeTraversalExpr:
		return s.follow(mentionOf(x.Traversal), steps)
	case *hclsyntax.RelativeTraversalExpr:
		return s.find(x.Source, append(s.stepsOf(x.Traversal), steps...))
	case *hclsyntax.IndexExpr:
		if key, ok := s.text(x.Key); ok {
			return s.find(x.Collection, append([]string{key}, steps...))
		}
	}
	return hcl.Range{}, false
}

// follow goes on where a name stands for.
func (s *search) follow(m mention, steps []string) (hcl.Range, bool) {
	steps = append(s.stepsOf(m.rest), steps...)
	outside := *s
	outside.ctx = s.root()
	switch m.root {
	case "var":
		expr := s.varExprs[m.name]
		if expr == nil {
			break
		}
		if s.arguments[m.name] != nil { // of a module: written where it is called
			up := *s.evaluation
			up.evaluator, up.decl, up.key = s.parent, s.call, s.evaluator.key
			outside.evaluation, outside.ctx = &up, s.parent.eachContext(s.call, s.evaluator.key)
		}
		return outside.find(expr, steps)
	case "local":
		if l := s.module.locals[m.name]; l != nil {
			return outside.find(l.expr, steps)
		}
	case "each":
		if s.decl != nil && s.decl.forEach != nil && m.name == "value" {
			return outside.find(s.decl.forEach.Expr, append([]string{s.key}, steps...))
		}
	}
	return hcl.Range{}, false
}

func (s *search) stepsOf(t hcl.Traversal) []string {
	var steps []string
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			steps = append(steps, step.Name)
		case hcl.TraverseIndex:
			if key, err := convert.Convert(step.Key, cty.String); err == nil && key.IsKnown() && !key.IsNull() {
				steps = append(steps, key.AsString())
			}
		}
	}
	return steps
}

func (s *search) text(expr hcl.Expression) (string, bool) {
	v, diags := expr.Value(s.ctx)
	if diags.HasErrors() {
		return "", false
	}
	v, _ = v.Unmark()
	v, err := convert.Convert(v, cty.String)
	if err != nil || !v.IsKnown() || v.IsNull() {
		return "", false
	}
	return v.AsString(), true
}

// is reports whether an expression is the element that is searched for.
func (s *search) is(expr hcl.Expression) bool {
	v, diags := expr.Value(s.ctx)
	if diags.HasErrors() {
		return false
	}
	v, _ = v.UnmarkDeep()
	enc := encoder{}
	plain, err := enc.value(v, "")
	if err != nil || plain == nil {
		return false
	}
	text, err := schema.AppendCanonical(nil, plain, nil)
	return err == nil && bytes.Equal(text, s.element)
}
