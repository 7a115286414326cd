package lower

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Body is a lowered body.
type Body struct {
	file *File
	at   int
}

var _ hcl.Body = (*Body)(nil)

// Range is where the body stands, braces included.
func (b *Body) Range() hcl.Range {
	c := cursor{b.file, b.at}
	return c.rng()
}

// Each yields every attribute, then every block, in the order in which they are
// written.
func (b *Body) Each(attribute func(*hcl.Attribute), block func(*hcl.Block)) {
	c := cursor{b.file, b.at}
	c.skipRange()
	for range c.number() {
		attribute(c.attribute())
	}
	for range c.number() {
		block(c.block())
	}
}

func (c *cursor) attribute() *hcl.Attribute {
	both := &struct { // live and die together
		hcl.Attribute
		expr Expression
	}{}
	a, e := &both.Attribute, &both.expr
	a.Name, a.NameRange = c.word[c.number()], c.rng()
	a.Range = hcl.Range{Filename: c.name, Start: a.NameRange.Start, End: c.pos()}
	e.file, e.at = c.File, c.at
	e.rng = c.rng()
	a.Expr = e
	c.skipValue()
	return a
}

func (c *cursor) block() *hcl.Block {
	all := &struct { // live and die together
		hcl.Block
		body   Body
		label  [1]string
		ranges [1]hcl.Range
	}{}
	b := &all.Block
	b.Type, b.DefRange, b.TypeRange = c.word[c.number()], c.rng(), c.rng()
	switch n := c.number(); n {
	case 0:
	case 1:
		b.Labels, b.LabelRanges = all.label[:], all.ranges[:]
	default:
		b.Labels, b.LabelRanges = make([]string, n), make([]hcl.Range, n)
	}
	for n := range b.Labels {
		b.Labels[n], b.LabelRanges[n] = c.written(), c.rng()
	}
	size := c.size()
	all.body = Body{c.File, c.at}
	b.Body = &all.body
	c.at += size
	return b
}

// Content implements hcl.Body.
func (b *Body) Content(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	if content, ok := b.Fits(schema); ok {
		return content, nil
	}
	return b.Syntax().Content(schema)
}

// PartialContent implements hcl.Body.
func (b *Body) PartialContent(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	return b.Syntax().PartialContent(schema)
}

// Fits is Content of a body that is just as the schema says; ok is false where
// it is not, and the parser's own body says why.
func (b *Body) Fits(schema *hcl.BodySchema) (content *hcl.BodyContent, ok bool) {
	content = &hcl.BodyContent{Attributes: make(hcl.Attributes, 8), MissingItemRange: b.MissingItemRange()}
	ok = true
	b.Each(func(a *hcl.Attribute) {
		known := false
		for n := range schema.Attributes {
			known = known || schema.Attributes[n].Name == a.Name
		}
		ok = ok && known
		content.Attributes[a.Name] = a
	}, func(block *hcl.Block) {
		known := false
		for n := range schema.Blocks {
			s := &schema.Blocks[n]
			known = known || s.Type == block.Type && len(s.LabelNames) == len(block.Labels)
		}
		ok = ok && known
		content.Blocks = append(content.Blocks, block)
	})
	for n := range schema.Attributes {
		if a := &schema.Attributes[n]; a.Required && content.Attributes[a.Name] == nil {
			ok = false
		}
	}
	return content, ok
}

// Only reports whether the body has nothing but what a schema names. It is Fits
// for who does not need the content.
func (b *Body) Only(schema *hcl.BodySchema) bool {
	c := cursor{b.file, b.at}
	c.skipRange()
	for range c.number() {
		name := c.word[c.number()]
		if !slices.ContainsFunc(schema.Attributes, func(a hcl.AttributeSchema) bool { return a.Name == name }) {
			return false
		}
		c.skip(6 + 3 + 6) // where it stands, where it ends, where its expression stands
		c.skipValue()
	}
	for range c.number() {
		block := c.block()
		if !slices.ContainsFunc(schema.Blocks, func(s hcl.BlockHeaderSchema) bool {
			return s.Type == block.Type && len(s.LabelNames) == len(block.Labels)
		}) {
			return false
		}
	}
	return true
}

// JustAttributes implements hcl.Body.
func (b *Body) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	all := hcl.Attributes{}
	blocks := 0
	b.Each(func(a *hcl.Attribute) { all[a.Name] = a }, func(*hcl.Block) { blocks++ })
	if blocks > 0 {
		return b.Syntax().JustAttributes()
	}
	return all, nil
}

// MissingItemRange implements hcl.Body.
func (b *Body) MissingItemRange() hcl.Range {
	r := b.Range()
	r.End = r.Start
	return r
}

// Syntax is the body as the parser makes it: the file is parsed again, once.
func (b *Body) Syntax() *hclsyntax.Body {
	r := b.Range()
	found := b.file.parsed()
	for found.SrcRange != r {
		for _, inner := range found.Blocks {
			if s := inner.Body.SrcRange; s.Start.Byte <= r.Start.Byte && r.End.Byte <= s.End.Byte {
				found = inner.Body
				break
			}
		}
	}
	return found
}
