// Package lower keeps of a file of native HCL syntax what evaluation needs, in
// a few hundred bytes a block: the syntax tree, ten kilobytes a block, is let
// go. What is written in this form can be kept on disk and be read again
// without parsing.
//
// It knows no schema and no block type. What it does not know how to lower, it
// parses again from the text when someone asks for it, so that nothing is lost:
// Open gives back the very expression that the parser made. Start with Parse,
// then Body and Expression.
package lower

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// File is one lowered file. It may be read concurrently.
type File struct {
	name string
	text []byte
	tree []byte   // names, then the body
	body int      // where that begins in tree
	word []string // names of attributes, types of blocks

	kept map[int]hclsyntax.Expression // by place in tree: parsed, and not lowered
	once sync.Once
	full *hclsyntax.Body // the whole file, parsed again
}

// Parse reads a file and lowers it. A file with problems is not lowered: its
// body is what the parser could make of it.
func Parse(text []byte, name string) (*hcl.File, hcl.Diagnostics) {
	file, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok || len(diags) > 0 {
		return file, causes(diags)
	}
	return &hcl.File{Body: lower(text, name, body).Body(), Bytes: text}, nil
}

// Tree is the lowered form, for Load.
func (f *File) Tree() []byte { return f.tree }

// Load makes a file of its text and the tree that was once made of it. The file
// shares the bytes of the tree.
func Load(text []byte, name string, tree []byte) (f *File, err error) {
	defer func() {
		if recover() != nil {
			f, err = nil, errors.New("the tree of "+name+" is damaged")
		}
	}()
	f = &File{name: name, text: text, tree: tree}
	c := cursor{f, 0}
	f.word = make([]string, c.number())
	for n := range f.word {
		f.word[n] = c.written()
	}
	f.body = c.at
	return f, nil
}

// Body is the body of the whole file.
func (f *File) Body() *Body { return &Body{f, f.body} }

// parsed is the whole file's body, as the parser makes it.
func (f *File) parsed() *hclsyntax.Body {
	f.once.Do(func() {
		file, _ := hclsyntax.ParseConfig(f.text, f.name, hcl.InitialPos)
		f.full, _ = file.Body.(*hclsyntax.Body)
	})
	return f.full
}

// cursor reads a tree. A damaged one makes it panic.
type cursor struct {
	*File
	at int
}

func (c *cursor) number() int {
	if b := c.tree[c.at]; b < 0x80 {
		c.at++
		return int(b)
	}
	n, size := binary.Uvarint(c.tree[c.at:])
	if size <= 0 {
		panic("lower: a number is damaged")
	}
	c.at += size
	return int(n)
}

func (c *cursor) signed() int64 {
	n, size := binary.Varint(c.tree[c.at:])
	if size <= 0 {
		panic("lower: a number is damaged")
	}
	c.at += size
	return n
}

// size is how many bytes follow.
func (c *cursor) size() int {
	n := binary.LittleEndian.Uint32(c.tree[c.at:])
	c.at += sizeSize
	return int(n)
}

func (c *cursor) written() string {
	n := c.number()
	s := string(c.tree[c.at : c.at+n])
	c.at += n
	return s
}

func (c *cursor) pos() hcl.Pos {
	return hcl.Pos{Line: c.number(), Column: c.number(), Byte: c.number()}
}

func (c *cursor) rng() hcl.Range { return hcl.Range{Filename: c.name, Start: c.pos(), End: c.pos()} }

func (c *cursor) skipRange() { c.skip(6) }

// skip skips numbers.
func (c *cursor) skip(n int) {
	for ; n > 0; c.at++ {
		if c.tree[c.at] < 0x80 {
			n--
		}
	}
}
