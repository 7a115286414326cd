package lang

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/addrs"
)

// Answer is the value of an expression that was asked for.
type Answer struct {
	Value
	Text string // as the language writes it; what is sensitive or unknown in it is only named
}

// Ask evaluates an expression in the scope of the configuration: with its
// variables and local values, and its blocks as they are known. name stands for
// a file in the ranges of diagnostics.
func (d *Desired) Ask(text, name string, known map[addrs.Instance]Object) (Answer, hcl.Diagnostics) {
	expr, diags := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	if diags.HasErrors() {
		return Answer{}, diags
	}
	e := d.root
	found, diags := e.check(expr, sight{what: "An expression", blocks: true})
	if diags.HasErrors() {
		return Answer{}, diags
	}
	ev := &evaluation{evaluator: e, mentions: e.reading(found), known: known, early: e.root(), late: true}
	v, diags := valueOf(expr, ev.scope())
	if diags = Arrange(append(ev.diags, diags...)); diags.HasErrors() {
		return Answer{}, diags
	}
	value, err := outputValue(v)
	if err != nil {
		return Answer{}, append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unwritable value", Detail: err.Error(), Subject: expr.Range().Ptr()})
	}
	var b strings.Builder
	writeValue(&b, v, "")
	return Answer{Value: value, Text: b.String()}, diags
}

// Unfinished reports whether an expression goes on after its last line: a
// bracket or a template is still open.
func Unfinished(text string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(text), "", hcl.InitialPos)
	open := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl, hclsyntax.TokenOHeredoc:
			open++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCHeredoc:
			open--
		}
	}
	return open > 0
}

// writeValue writes a value as the language does.
func writeValue(b *strings.Builder, v cty.Value, indent string) {
	if v.HasMark(sensitive) {
		b.WriteString("(sensitive)")
		return
	}
	v, _ = v.Unmark()
	ty := v.Type()
	switch {
	case !v.IsKnown():
		b.WriteString("(not known yet)")
	case v.IsNull():
		b.WriteString("null")
	case ty == cty.String:
		b.WriteString(quoted(v.AsString()))
	case ty == cty.Bool:
		b.WriteString(strconv.FormatBool(v.True()))
	case ty == cty.Number:
		fmt.Fprint(b, number(v.AsBigFloat()))
	case ty.IsObjectType(), ty.IsMapType():
		writeElements(b, v, indent, "{", "}", func(key cty.Value) string {
			name := key.AsString()
			if !hclsyntax.ValidIdentifier(name) {
				name = quoted(name)
			}
			return name + " = "
		}, "")
	case ty.IsSetType():
		b.WriteString("toset(")
		writeElements(b, v, indent, "[", "]", nil, ",")
		b.WriteString(")")
	case ty.IsListType(), ty.IsTupleType():
		writeElements(b, v, indent, "[", "]", nil, ",")
	default:
		fmt.Fprintf(b, "(%s)", ty.FriendlyName())
	}
}

func writeElements(b *strings.Builder, v cty.Value, indent, first, last string, name func(cty.Value) string, separator string) {
	b.WriteString(first)
	n := 0
	for it := v.ElementIterator(); it.Next(); n++ {
		key, element := it.Element()
		b.WriteString("\n" + indent + "  ")
		if name != nil {
			b.WriteString(name(key))
		}
		writeValue(b, element, indent+"  ")
		b.WriteString(separator)
	}
	if n > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(last)
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "${", "$${", "%{", "%%{")

func quoted(s string) string { return `"` + quoter.Replace(s) + `"` }
