package lang

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/lower"
)

const jsonSuffix = ".json"

// parseFile reads either syntax, by the file's name.
func parseFile(text []byte, name string, native parser) (*hcl.File, hcl.Diagnostics) {
	if !strings.HasSuffix(name, jsonSuffix) {
		return native(text, name)
	}
	file, diags := json.Parse(text, name)
	if file == nil {
		file = &hcl.File{Body: hcl.EmptyBody(), Bytes: text}
	}
	return file, diags
}

// topBlocks are the blocks of a file.
func topBlocks(file *hcl.File) ([]*hcl.Block, hcl.Diagnostics) {
	var blocks []*hcl.Block
	var diags hcl.Diagnostics
	attribute := func(a *hcl.Attribute) {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Attribute outside a block",
			Detail:   fmt.Sprintf("A file holds blocks. A value of your own goes into a locals block: locals { %s = … }.", a.Name),
			Subject:  a.NameRange.Ptr(),
			Context:  a.Range.Ptr(),
		})
	}
	switch body := file.Body.(type) {
	case *lower.Body:
		body.Each(attribute, func(b *hcl.Block) { blocks = append(blocks, b) })
	case *hclsyntax.Body: // with problems
		for _, a := range body.Attributes {
			attribute(a.AsHCLAttribute())
		}
		for _, b := range body.Blocks {
			blocks = append(blocks, b.AsHCLBlock())
		}
	default:
		return jsonBlocks(file.Body)
	}
	return blocks, diags
}

// isNative tells native syntax from JSON.
func isNative(body hcl.Body) bool {
	switch body.(type) {
	case *lower.Body, *hclsyntax.Body:
		return true
	}
	return false
}

// jsonBlocks takes every property of a JSON file as a block type. Those of
// providers have one label.
func jsonBlocks(body hcl.Body) ([]*hcl.Block, hcl.Diagnostics) {
	properties, diags := body.JustAttributes()
	schema := &hcl.BodySchema{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		labels, core := coreBlocks[name]
		if !core {
			labels = []string{"name"}
		}
		schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: labels})
	}
	content, more := body.Content(schema)
	return content.Blocks, append(diags, more...)
}

// attributesOf takes a body of attributes of anyone's choice.
func attributesOf(body hcl.Body) (hcl.Attributes, hcl.Diagnostics) {
	attributes, diags := body.JustAttributes()
	if !isNative(body) {
		diags = append(diags, nativeAll(attributes)...)
	}
	return attributes, diags
}

// nativeAll replaces the expressions of JSON by such as native syntax has, so
// that nothing else needs to know of two syntaxes.
func nativeAll(attributes hcl.Attributes) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range attributes {
		expr, more := native(a.Expr)
		a.Expr = expr
		diags = append(diags, more...)
	}
	return diags
}

// native makes an expression of a JSON value: a string is a template.
func native(expr hcl.Expression) (hclsyntax.Expression, hcl.Diagnostics) {
	rng := expr.Range()
	// As a list or a map a string is tried as an expression, so the value is
	// looked at first: without a scope it is the literal one.
	v, _ := expr.Value(nil)
	switch ty := v.Type(); {
	case ty.IsTupleType():
		list := &hclsyntax.TupleConsExpr{SrcRange: rng, OpenRange: rng}
		exprs, diags := hcl.ExprList(expr)
		for _, e := range exprs {
			element, more := native(e)
			list.Exprs = append(list.Exprs, element)
			diags = append(diags, more...)
		}
		return list, diags
	case ty.IsObjectType():
		object := &hclsyntax.ObjectConsExpr{SrcRange: rng, OpenRange: rng}
		pairs, diags := hcl.ExprMap(expr)
		for _, p := range pairs {
			key, more := native(p.Key)
			diags = append(diags, more...)
			value, more := native(p.Value)
			diags = append(diags, more...)
			object.Items = append(object.Items, hclsyntax.ObjectConsItem{KeyExpr: key, ValueExpr: value})
		}
		return object, diags
	case ty == cty.String && v.IsKnown() && !v.IsNull():
		start := rng.Start
		start.Column, start.Byte = start.Column+1, start.Byte+1 // after the quote
		return hclsyntax.ParseTemplate([]byte(v.AsString()), rng.Filename, start)
	default:
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: rng}, nil
	}
}

// static is an expression that is read, not evaluated: a reference or a type.
// In JSON it is the text of a string.
func static(expr hcl.Expression) hcl.Expression {
	expr = lower.Open(expr)
	switch x := expr.(type) {
	case *hclsyntax.TemplateWrapExpr:
		return x.Wrapped
	case *hclsyntax.TemplateExpr:
		rng := x.Range()
		if !strings.HasSuffix(rng.Filename, jsonSuffix) || !x.IsStringLiteral() {
			return expr
		}
		v, _ := x.Value(nil)
		text := []byte(v.AsString())
		if inner, diags := hclsyntax.ParseExpression(text, rng.Filename, rng.Start); !diags.HasErrors() && !bytes.ContainsRune(text, '\n') {
			return inner
		}
	}
	return expr
}

// staticList is static for each element of a list.
func staticList(expr hcl.Expression) ([]hcl.Expression, hcl.Diagnostics) {
	exprs, diags := hcl.ExprList(expr)
	list := make([]hcl.Expression, len(exprs))
	for n, e := range exprs {
		list[n] = static(e)
	}
	return list, diags
}
