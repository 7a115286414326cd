package lang

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Arrange puts diagnostics in the order of the source and keeps the first of
// those that differ in nothing a reader sees: the same mistake in each
// instance of a block is one mistake. Those of Load and of Evaluate are best
// arranged, and shown, together.
func Arrange(diags hcl.Diagnostics) hcl.Diagnostics {
	if len(diags) == 0 {
		return nil
	}
	type look struct {
		severity        hcl.DiagnosticSeverity
		summary, detail string
		subject         hcl.Range
	}
	seen := map[look]bool{}
	var kept hcl.Diagnostics
	for _, d := range diags {
		l := look{d.Severity, d.Summary, d.Detail, subject(d)}
		if !seen[l] {
			seen[l] = true
			kept = append(kept, d)
		}
	}
	slices.SortStableFunc(kept, func(a, b *hcl.Diagnostic) int {
		x, y := subject(a), subject(b)
		return cmp.Or(strings.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte), cmp.Compare(x.End.Byte, y.End.Byte))
	})
	return kept
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

// valueOf evaluates an expression. What a function says of sensitive arguments
// is left out: it may quote them.
func valueOf(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if t, ok := expr.(*hclsyntax.TemplateExpr); ok && len(t.Parts) == 1 {
		if part, ok := t.Parts[0].(*hclsyntax.LiteralValueExpr); ok && part.Val.Type() == cty.String {
			return part.Val, nil // most values are such texts
		}
	}
	v, diags := expr.Value(ctx)
	for _, d := range diags {
		extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if !ok || extra.FunctionCallError() == nil || d.Expression == nil {
			continue
		}
		given := []hclsyntax.Expression{}
		switch x := d.Expression.(type) {
		case *hclsyntax.FunctionCallExpr:
			given = x.Args
		case hclsyntax.Expression: // the argument
			given = append(given, x)
		}
		for _, arg := range given {
			if maySay(arg, d.EvalContext) {
				d.Detail = fmt.Sprintf("The function %q failed. Why is not shown, as it was given something sensitive.", extra.CalledFunctionName())
			}
		}
	}
	return v, diags
}

// maySay reports whether an error about an expression may quote something
// sensitive: its value is, or something that it mentions where it has no value.
func maySay(expr hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	v, diags := expr.Value(ctx)
	if !diags.HasErrors() {
		return isSensitive(v)
	}
	for _, t := range expr.Variables() {
		for ; len(t) > 0; t = t[:len(t)-1] { // the longest part that has a value
			if v, diags := t.TraverseAbs(ctx); !diags.HasErrors() {
				if isSensitive(v) {
					return true
				}
				break
			}
		}
		if len(t) == 0 {
			return true
		}
	}
	made := false
	hclsyntax.VisitAll(expr, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		made = made || ok && call.Name == "sensitive"
		return nil
	})
	return made
}

// isSensitive reports whether anything in v is.
func isSensitive(v cty.Value) bool {
	if !v.ContainsMarked() {
		return false
	}
	_, marks := v.UnmarkDeep()
	_, ok := marks[sensitive]
	return ok
}

// consequence marks a diagnostic that may follow from a file that could not be
// read: the name it misses may stand there.
type consequence struct{}

// withoutConsequences are diags but for those.
func withoutConsequences(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Extra == consequence{} })
}

// Facts are the values in scope that the expression of a diagnostic mentions,
// as sentences for below its snippet: `each.key is "us"`. Sensitive values are
// only described.
func Facts(d *hcl.Diagnostic) []string {
	if d.Expression == nil || d.EvalContext == nil {
		return nil
	}
	var facts []string
	for _, traversal := range d.Expression.Variables() {
		for len(traversal) > 0 { // the longest part that has a value
			v, diags := traversal.TraverseAbs(d.EvalContext)
			if !diags.HasErrors() {
				if fact := describe(v); fact != "" {
					facts = append(facts, traversalText(traversal)+" "+fact)
				}
				break
			}
			traversal = traversal[:len(traversal)-1]
		}
	}
	slices.Sort(facts)
	return slices.Compact(facts)
}

// describe says what a value is, briefly; "" where there is nothing to say.
func describe(v cty.Value) string {
	if v.HasMark(sensitive) {
		return "is sensitive"
	}
	v, _ = v.Unmark()
	ty := v.Type()
	switch {
	case ty == cty.DynamicPseudoType:
		return ""
	case !v.IsKnown():
		return "is a " + ty.FriendlyName() + ", known only after apply"
	case v.IsNull():
		return "is null"
	case ty == cty.String:
		s := v.AsString()
		if len(s) > 60 {
			return fmt.Sprintf("is a string of %d bytes", len(s))
		}
		return fmt.Sprintf("is %q", s)
	case ty == cty.Bool:
		return fmt.Sprintf("is %t", v.True())
	case ty == cty.Number:
		return "is " + v.AsBigFloat().Text('g', 12)
	case ty.IsObjectType(), ty.IsMapType():
		switch n := v.LengthInt(); n {
		case 0:
			return "is empty"
		case 1:
			return "has one element"
		default:
			return fmt.Sprintf("has %d elements", n)
		}
	case ty.IsCollectionType(), ty.IsTupleType():
		if v.LengthInt() == 0 {
			return "is empty"
		}
		return fmt.Sprintf("is a %s of %d", kindOf(ty), v.LengthInt())
	}
	return ""
}

func kindOf(ty cty.Type) string {
	switch {
	case ty.IsSetType():
		return "set"
	case ty.IsMapType(), ty.IsObjectType():
		return "map"
	default:
		return "list"
	}
}

// traversalText writes a traversal as the user wrote it.
func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				fmt.Fprintf(&b, "[%q]", step.Key.AsString())
			} else {
				fmt.Fprintf(&b, "[%s]", step.Key.AsBigFloat().Text('g', -1))
			}
		}
	}
	return b.String()
}
