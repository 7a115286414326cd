package lower

import (
	"strings"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Expression is a lowered expression.
type Expression struct {
	file *File
	at   int
	rng  hcl.Range
	open atomic.Pointer[hclsyntax.Expression]
}

var _ hcl.Expression = (*Expression)(nil)

// The kinds of lowered values.
const (
	source    = iota // as it is written: parsed again
	traversal        // names with dots between
	null
	no
	yes
	integer
	text
	tuple
	object
)

// Open is an expression as the parser makes it, whether it was lowered or not.
func Open(expr hcl.Expression) hcl.Expression {
	if e, ok := expr.(*Expression); ok {
		return e.Syntax()
	}
	return expr
}

// Syntax is the expression as the parser makes it.
func (e *Expression) Syntax() hclsyntax.Expression {
	if open := e.open.Load(); open != nil {
		return *open
	}
	expr, ok := e.file.kept[e.at]
	if !ok {
		expr = e.parse()
		e.open.Store(&expr)
	}
	return expr
}

// parse makes the expression from its text.
func (e *Expression) parse() hclsyntax.Expression {
	if e.kind() == traversal {
		return e.names()
	}
	expr, diags := hclsyntax.ParseExpression(e.file.text[e.rng.Start.Byte:e.rng.End.Byte], e.file.name, e.rng.Start)
	if len(diags) == 0 && expr.Range() == e.rng {
		return expr
	}
	return attributeAt(e.file.parsed(), e.rng) // it needs what stands around it
}

// attributeAt finds the expression of an attribute by where it stands.
func attributeAt(body *hclsyntax.Body, r hcl.Range) hclsyntax.Expression {
	for _, a := range body.Attributes {
		if a.Expr.Range() == r {
			return a.Expr
		}
	}
	for _, b := range body.Blocks {
		if s := b.Body.SrcRange; s.Start.Byte <= r.Start.Byte && r.End.Byte <= s.End.Byte {
			return attributeAt(b.Body, r)
		}
	}
	panic("lower: an expression is not where it was")
}

// names makes the traversal a.b.c, which is plain ASCII.
func (e *Expression) names() hclsyntax.Expression {
	words := strings.Split(string(e.file.text[e.rng.Start.Byte:e.rng.End.Byte]), ".")
	steps := make(hcl.Traversal, len(words))
	at := e.rng.Start
	for n, word := range words {
		size := len(word)
		if n > 0 {
			size++ // the dot
		}
		r := hcl.Range{Filename: e.file.name, Start: at, End: hcl.Pos{Line: at.Line, Column: at.Column + size, Byte: at.Byte + size}}
		at = r.End
		if n == 0 {
			steps[n] = hcl.TraverseRoot{Name: word, SrcRange: r}
		} else {
			steps[n] = hcl.TraverseAttr{Name: word, SrcRange: r}
		}
	}
	return &hclsyntax.ScopeTraversalExpr{Traversal: steps, SrcRange: e.rng}
}

func (e *Expression) cursor() cursor {
	c := cursor{e.file, e.at}
	c.skipRange()
	return c
}

func (e *Expression) kind() int {
	c := e.cursor()
	return c.number()
}

// IsLiteral reports whether the value is written out, without any name in it.
func (e *Expression) IsLiteral() bool { return e.kind() >= null }

// Literal is the value of a literal as map[string]any, []any, string, bool,
// int64 or nil; ok is false for what is none.
func (e *Expression) Literal() (v any, ok bool) {
	c := e.cursor()
	return c.natural()
}

// Value implements hcl.Expression.
func (e *Expression) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	c := e.cursor()
	if v, ok := c.value(); ok {
		return v, nil
	}
	return e.Syntax().Value(ctx)
}

// Variables implements hcl.Expression.
func (e *Expression) Variables() []hcl.Traversal {
	if e.IsLiteral() {
		return nil
	}
	return e.Syntax().Variables()
}

// Range implements hcl.Expression.
func (e *Expression) Range() hcl.Range { return e.rng }

// StartRange implements hcl.Expression.
func (e *Expression) StartRange() hcl.Range { return e.Syntax().StartRange() }

// UnwrapExpression lets hcl see what the expression is.
func (e *Expression) UnwrapExpression() hcl.Expression { return e.Syntax() }

func (c *cursor) skipValue() {
	switch c.number() {
	case integer:
		c.signed()
	case text:
		c.number()
		c.number()
	case tuple, object:
		n := c.size()
		c.at += n
	}
}

// quoted is a string that stands in the text of the file.
func (c *cursor) quoted() string {
	at := c.number()
	size := c.number()
	return string(c.text[at : at+size])
}

func (c *cursor) natural() (any, bool) {
	switch c.number() {
	case null:
		return nil, true
	case no:
		return false, true
	case yes:
		return true, true
	case integer:
		return c.signed(), true
	case text:
		return c.quoted(), true
	case tuple:
		c.size()
		list := make([]any, c.number())
		for n := range list {
			list[n], _ = c.natural()
		}
		return list, true
	case object:
		c.size()
		n := c.number()
		members := make(map[string]any, n)
		for range n {
			name := c.written()
			members[name], _ = c.natural()
		}
		return members, true
	}
	return nil, false
}

func (c *cursor) value() (cty.Value, bool) {
	switch c.number() {
	case null:
		return cty.NullVal(cty.DynamicPseudoType), true
	case no:
		return cty.False, true
	case yes:
		return cty.True, true
	case integer:
		return cty.NumberIntVal(c.signed()), true
	case text:
		return cty.StringVal(c.quoted()), true
	case tuple:
		c.size()
		list := make([]cty.Value, c.number())
		for n := range list {
			list[n], _ = c.value()
		}
		return cty.TupleVal(list), true
	case object:
		c.size()
		n := c.number()
		members := make(map[string]cty.Value, n)
		for range n {
			name := c.written()
			members[name], _ = c.value()
		}
		return cty.ObjectVal(members), true
	}
	return cty.NilVal, false
}
