package lang

import (
	"cmp"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"accord/lang/lower"
)

// contentOf takes a body apart as its schema says, and reports what the schema
// does not name. The content is never nil.
func contentOf(body hcl.Body, schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	if lowered, ok := body.(*lower.Body); ok {
		if content, ok := lowered.Fits(schema); ok {
			return content, nil
		}
		body = lowered.Syntax()
	}
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		content, diags := body.Content(schema)
		return content, append(diags, nativeAll(content.Attributes)...)
	}
	content, _, diags := native.PartialContent(schema)
	for name, a := range native.Attributes {
		if content.Attributes[name] == nil {
			diags = append(diags, unknownName(name, "attribute", a.NameRange, a.SrcRange, schema))
		}
	}
	known := map[string]bool{}
	for _, b := range schema.Blocks {
		known[b.Type] = true
	}
	for _, b := range native.Blocks {
		if !known[b.Type] {
			diags = append(diags, unknownName(b.Type, "block", b.TypeRange, b.DefRange(), schema))
		}
	}
	return content, diags
}

// unknownName reports an attribute or a block that a body may not have.
func unknownName(name, what string, at, context hcl.Range, schema *hcl.BodySchema) *hcl.Diagnostic {
	var attributes, names []string
	for _, a := range schema.Attributes {
		attributes = append(attributes, a.Name)
	}
	names = attributes
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown " + what, Subject: at.Ptr(), Context: context.Ptr()}
	for _, b := range schema.Blocks {
		names = append(names, b.Type)
		if b.Type == name && what == "attribute" {
			d.Detail = fmt.Sprintf("%s is a block here, written without the equals sign: %s { … }.", name, name)
			return d
		}
	}
	for _, a := range attributes {
		if a == name {
			d.Detail = fmt.Sprintf("%s is an attribute here, written with an equals sign: %s = ….", name, name)
			return d
		}
	}
	d.Detail = fmt.Sprintf("There is no %s %q here.%s", what, name, cmp.Or(elsewhere[what+" "+name], didYouMean(name, names)))
	return d
}

// elsewhere is what is written here in place of words that others know.
var elsewhere = map[string]string{
	"attribute count": ` Instances have keys, which stay as others come and go: write for_each, and enabled = false for none.`,
	"block dynamic":   " Nested blocks are written one by one; blocks at the top repeat with for_each.",
}
