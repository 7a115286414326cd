package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/schema"
)

// blockType is a type of a provider, made ready for evaluation.
type blockType struct {
	*schema.Type
	provider string
	instance bool // something a provider connects to
	body     *bodySchema
	unknown  cty.Value // an object of which nothing is known yet
}

// bodySchema is a schema.Block, made ready for evaluation.
type bodySchema struct {
	*schema.Block
	syntax *hcl.BodySchema // of the body
	top    *hcl.BodySchema // of the body with the meta-arguments
	nested map[string]*bodySchema

	defaults map[string]any // decoded, by attribute
}

// metaArguments are what every block of a provider's type may say to accord.
var metaArguments = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "enabled"}, {Name: "depends_on"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}},
}

// isMeta tells a name that no type may give to what it declares itself.
func isMeta(name string) bool {
	return slices.ContainsFunc(metaArguments.Attributes, func(a hcl.AttributeSchema) bool { return a.Name == name }) ||
		slices.ContainsFunc(metaArguments.Blocks, func(b hcl.BlockHeaderSchema) bool { return b.Type == name })
}

func newBlockType(provider string, t *schema.Type, instance bool) *blockType {
	b := &blockType{Type: t, provider: provider, instance: instance, body: newBodySchema(&t.Body)}
	b.body.top = &hcl.BodySchema{
		Attributes: append(slices.Clone(b.body.syntax.Attributes), metaArguments.Attributes...),
		Blocks:     append(slices.Clone(b.body.syntax.Blocks), metaArguments.Blocks...),
	}
	b.unknown = unknownObject(b.body)
	return b
}

func newBodySchema(block *schema.Block) *bodySchema {
	s := &bodySchema{Block: block, syntax: &hcl.BodySchema{}, nested: map[string]*bodySchema{}, defaults: map[string]any{}}
	for _, a := range block.Attributes {
		s.syntax.Attributes = append(s.syntax.Attributes, hcl.AttributeSchema{Name: a.Name})
		if v := elementAt(a.Default, ""); v != nil {
			s.defaults[a.Name] = v
		}
	}
	for n := range block.Blocks {
		nested := &block.Blocks[n]
		header := hcl.BlockHeaderSchema{Type: nested.Name}
		if nested.Label != "" {
			header.LabelNames = []string{nested.Label}
		}
		s.syntax.Blocks = append(s.syntax.Blocks, header)
		s.nested[nested.Name] = newBodySchema(&nested.Body)
	}
	return s
}

// names are all attributes and nested blocks of the type.
func (t *blockType) names() []string {
	var names []string
	for _, a := range t.Body.Attributes {
		names = append(names, a.Name)
	}
	for _, n := range t.Body.Blocks {
		names = append(names, n.Name)
	}
	return names
}

// body is a body as written, held against its schema once for all instances.
type body struct {
	schema     *bodySchema
	header     hcl.Range
	attributes []*attribute
	nested     []*nestedBody
}

// attribute is one that the body writes.
type attribute struct {
	*schema.Attribute
	expr      hcl.Expression
	rng       hcl.Range
	reference *reference // for an attribute that refers; expr is not evaluated then
}

// nestedBody is one nested block that the body writes.
type nestedBody struct {
	*schema.Nested
	label string
	body  *body
}

// binder binds the bodies of one block.
type binder struct {
	*evaluator
	sight sight
	read  []mention // of other blocks, in attributes that do not refer
	diags hcl.Diagnostics
}

func (b *binder) problem(severity hcl.DiagnosticSeverity, at hcl.Range, summary, format string, args ...any) {
	b.diags = append(b.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr()})
}

// bind holds content against its schema. What is wrong is reported and left
// out of the body.
func (b *binder) bind(content *hcl.BodyContent, s *bodySchema, header hcl.Range) *body {
	bound := &body{schema: s, header: header}
	for n := range s.Attributes {
		declared := &s.Attributes[n]
		a := content.Attributes[declared.Name]
		switch {
		case a == nil && declared.Required:
			b.diags = append(b.diags, missing(declared.Name, header))
		case a == nil:
		case declared.ReadOnly || declared.Volatile:
			b.problem(hcl.DiagError, a.NameRange, "Read-only attribute", "%s is found out, not set. It can be read from elsewhere.", a.Name)
		default:
			if declared.Deprecated != "" {
				b.problem(hcl.DiagWarning, a.NameRange, "Deprecated attribute", "%s", declared.Deprecated)
			}
			if attr := b.attribute(a, declared); attr != nil {
				bound.attributes = append(bound.attributes, attr)
			}
		}
	}
	for n := range s.Blocks {
		bound.nested = append(bound.nested, b.nested(content, s, &s.Blocks[n], header)...)
	}
	return bound
}

func (b *binder) attribute(a *hcl.Attribute, declared *schema.Attribute) *attribute {
	attr := &attribute{Attribute: declared, expr: a.Expr, rng: a.Range}
	if len(declared.Refers) > 0 {
		ref, diags := b.parseReference(a.Expr, declared.Refers, b.sight)
		b.diags = append(b.diags, diags...)
		attr.reference = ref
		if ref == nil {
			return nil
		}
		return attr
	}
	found, diags := b.check(a.Expr, b.sight)
	b.diags = append(b.diags, diags...)
	if diags.HasErrors() {
		return nil
	}
	b.read = append(b.read, b.reading(found)...)
	return attr
}

// nested binds all blocks of one kind.
func (b *binder) nested(content *hcl.BodyContent, s *bodySchema, declared *schema.Nested, header hcl.Range) []*nestedBody {
	var bound []*nestedBody
	first := map[string]hcl.Range{}
	for _, block := range content.Blocks {
		if block.Type != declared.Name {
			continue
		}
		label, what := "", article(declared.Name)+" block"
		if declared.Label != "" {
			label = block.Labels[0]
			what = fmt.Sprintf("%s %q", article(declared.Name), label)
		}
		if other, ok := first[label]; ok && (declared.Label != "" || declared.Single) {
			b.diags = append(b.diags, again(block.DefRange, what, other))
			continue
		}
		first[label] = block.DefRange
		inner, diags := contentOf(block.Body, s.nested[declared.Name].syntax)
		b.diags = append(b.diags, diags...)
		bound = append(bound, &nestedBody{Nested: declared, label: label, body: b.bind(inner, s.nested[declared.Name], block.DefRange)})
	}
	if declared.Required && len(bound) == 0 {
		b.problem(hcl.DiagError, header, "Missing block", "This block needs %s block.", article(declared.Name))
	}
	return bound
}
