package lang

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/lower"
	"accord/lang/schema"
)

// Kept returns the text of the files as it may be kept where whoever approves
// or repairs something can read it: null stands in place of every value that is
// written out where something sensitive belongs. That is the default of a
// sensitive variable, what a module call gives to one, an attribute that its
// type declares sensitive, and what sensitive(…) is called with. Lines stay
// where they are. cut are the files that are not whole any more, sorted.
func (c *Config) Kept(types []*schema.Provider) (texts map[string][]byte, cut []string) {
	texts = c.Sources()
	secrets := c.writtenOut(types)
	for name, text := range texts {
		spans := append(secrets[name], called(name, text)...)
		if len(spans) == 0 {
			continue
		}
		texts[name] = withNull(text, spans)
		cut = append(cut, name)
	}
	slices.Sort(cut)
	return texts, cut
}

// span is a part of a file's text.
type span struct{ start, end int }

// withNull puts null in place of each span, and keeps its line breaks.
func withNull(text []byte, spans []span) []byte {
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	var out bytes.Buffer
	at := 0
	for _, s := range spans {
		if s.start < at { // inside the one before
			continue
		}
		out.Write(text[at:s.start])
		out.WriteString("null")
		for range bytes.Count(text[s.start:s.end], []byte("\n")) {
			out.WriteByte('\n')
		}
		at = s.end
	}
	out.Write(text[at:])
	return out.Bytes()
}

// writtenOut finds the attributes that hold something sensitive and write it
// out, by file.
func (c *Config) writtenOut(types []*schema.Provider) map[string][]span {
	found := map[string][]span{}
	add := func(a *hcl.Attribute) {
		if a == nil || !writesOut(a.Expr) {
			return
		}
		name := a.Range.Filename
		s := span{a.Expr.Range().Start.Byte, max(a.Range.End.Byte, a.Expr.Range().End.Byte)} // of a heredoc, an expression is the first line only
		if strings.HasSuffix(name, jsonSuffix) {                                             // its expression is what the string says, not how it is written
			text := c.files[name].Bytes
			s.start = a.NameRange.End.Byte
			s.start += bytes.IndexByte(text[s.start:], ':') + 1
		}
		found[name] = append(found[name], s)
	}
	secret := sensitiveTypes(types)
	for _, m := range c.modules {
		for _, v := range m.variables {
			if v.sensitive {
				add(v.fallback)
			}
		}
		for _, call := range m.calls {
			for name, a := range call.arguments {
				if call.module != nil && call.module.variables[name] != nil && call.module.variables[name].sensitive {
					add(a)
				}
			}
		}
		for _, b := range m.blocks {
			if body := secret[b.Type]; body != nil {
				sensitiveAttributes(b.Body, body, add)
			}
		}
	}
	return found
}

// sensitiveTypes are the bodies of the types in which something is sensitive.
func sensitiveTypes(types []*schema.Provider) map[string]*schema.Block {
	secret := map[string]*schema.Block{}
	for _, p := range types {
		for _, all := range [][]schema.Type{p.Instances, p.Resources} {
			for n := range all {
				if hasSensitive(&all[n].Body) {
					secret[all[n].Name] = &all[n].Body
				}
			}
		}
	}
	return secret
}

func hasSensitive(b *schema.Block) bool {
	return slices.ContainsFunc(b.Attributes, func(a schema.Attribute) bool { return a.Sensitive }) ||
		slices.ContainsFunc(b.Blocks, func(n schema.Nested) bool { return hasSensitive(&n.Body) })
}

// sensitiveAttributes yields what a body writes of the attributes that are
// declared sensitive.
func sensitiveAttributes(body hcl.Body, declared *schema.Block, yield func(*hcl.Attribute)) {
	wanted := &hcl.BodySchema{}
	for _, a := range declared.Attributes {
		if a.Sensitive {
			wanted.Attributes = append(wanted.Attributes, hcl.AttributeSchema{Name: a.Name})
		}
	}
	for _, n := range declared.Blocks {
		if hasSensitive(&n.Body) {
			header := hcl.BlockHeaderSchema{Type: n.Name}
			if n.Label != "" {
				header.LabelNames = []string{n.Label}
			}
			wanted.Blocks = append(wanted.Blocks, header)
		}
	}
	content, _, _ := body.PartialContent(wanted)
	for _, a := range content.Attributes {
		yield(a)
	}
	for _, b := range content.Blocks {
		for n := range declared.Blocks {
			if declared.Blocks[n].Name == b.Type {
				sensitiveAttributes(b.Body, &declared.Blocks[n].Body, yield)
			}
		}
	}
}

// writesOut reports whether a text or a number stands in an expression, which
// may be a secret. Names, true, false, null and what is empty are none.
func writesOut(expr hcl.Expression) bool {
	x, ok := lower.Open(expr).(hclsyntax.Expression)
	if !ok { // of JSON
		x, _ = native(expr)
	}
	found := false
	_ = hclsyntax.VisitAll(x, func(n hclsyntax.Node) hcl.Diagnostics {
		if literal, is := n.(*hclsyntax.LiteralValueExpr); is && !literal.Val.IsNull() {
			switch literal.Val.Type() {
			case cty.String:
				found = found || literal.Val.AsString() != ""
			case cty.Number:
				found = true
			}
		}
		return nil
	})
	return found
}

// calledText is a string of JSON in which sensitive(…) is called.
var calledText = regexp.MustCompile(`"(?:[^"\\]|\\.)*\bsensitive\((?:[^"\\]|\\.)*"`)

// called finds the calls of sensitive(…) that write out what is sensitive.
func called(name string, text []byte) []span {
	if !bytes.Contains(text, []byte("sensitive(")) {
		return nil
	}
	var found []span
	if strings.HasSuffix(name, jsonSuffix) {
		for _, at := range calledText.FindAllIndex(text, -1) {
			found = append(found, span{at[0], at[1]})
		}
		return found
	}
	file, _ := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, is := n.(*hclsyntax.FunctionCallExpr); is && call.Name == "sensitive" && slices.ContainsFunc(call.Args, func(a hclsyntax.Expression) bool { return writesOut(a) }) {
			found = append(found, span{call.Range().Start.Byte, call.Range().End.Byte})
		}
		return nil
	})
	return found
}
