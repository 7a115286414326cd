package lower

import (
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// lower writes the tree of a file.
func lower(source []byte, name string, body *hclsyntax.Body) *File {
	w := &writer{text: source, number: map[string]int{}, kept: map[int]hclsyntax.Expression{}}
	w.body(body)
	head := binary.AppendUvarint(nil, uint64(len(w.words)))
	for _, word := range w.words {
		head = appendText(head, word)
	}
	f := &File{name: name, text: source, word: w.words, body: len(head), kept: make(map[int]hclsyntax.Expression, len(w.kept))}
	f.tree = slices.Concat(head, w.tree)
	for at, expr := range w.kept {
		f.kept[at+len(head)] = expr
	}
	return f
}

type writer struct {
	text   []byte
	tree   []byte
	words  []string
	number map[string]int
	kept   map[int]hclsyntax.Expression
}

func (w *writer) count(n int) { w.tree = binary.AppendUvarint(w.tree, uint64(n)) }

func appendText(tree []byte, s string) []byte {
	return append(binary.AppendUvarint(tree, uint64(len(s))), s...)
}

func (w *writer) word(s string) {
	n, ok := w.number[s]
	if !ok {
		n = len(w.words)
		w.number[s] = n
		w.words = append(w.words, s)
	}
	w.count(n)
}

func (w *writer) pos(p hcl.Pos) {
	w.count(p.Line)
	w.count(p.Column)
	w.count(p.Byte)
}

func (w *writer) rng(r hcl.Range) {
	w.pos(r.Start)
	w.pos(r.End)
}

func (w *writer) body(b *hclsyntax.Body) {
	w.rng(b.SrcRange)
	attributes := make([]*hclsyntax.Attribute, 0, len(b.Attributes))
	for _, a := range b.Attributes {
		attributes = append(attributes, a)
	}
	slices.SortFunc(attributes, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	w.count(len(attributes))
	for _, a := range attributes {
		w.word(a.Name)
		w.rng(a.NameRange)
		w.pos(a.SrcRange.End)
		w.expression(a.Expr)
	}
	w.count(len(b.Blocks))
	for _, b := range b.Blocks {
		w.block(b.AsHCLBlock(), b.Body)
	}
}

func (w *writer) block(b *hcl.Block, body *hclsyntax.Body) {
	w.word(b.Type)
	w.rng(b.DefRange)
	w.rng(b.TypeRange)
	w.count(len(b.Labels))
	for n, label := range b.Labels {
		w.tree = appendText(w.tree, label)
		w.rng(b.LabelRanges[n])
	}
	w.sized(func() { w.body(body) })
}

// sized writes how many bytes follow before it writes them.
func (w *writer) sized(write func()) {
	start := len(w.tree)
	w.tree = append(w.tree, make([]byte, sizeSize)...)
	write()
	binary.LittleEndian.PutUint32(w.tree[start:], uint32(len(w.tree)-start-sizeSize))
}

const sizeSize = 4

// expression writes an expression's range, its kind and its value.
func (w *writer) expression(expr hclsyntax.Expression) {
	at := len(w.tree)
	w.rng(expr.Range())
	start := len(w.tree)
	switch {
	case w.literal(expr):
	case w.isNames(expr):
		w.tree = append(w.tree[:start], traversal)
	default:
		w.tree = append(w.tree[:start], source)
		w.kept[at] = expr
	}
}

// isNames reports whether an expression is names with dots between, and nothing
// else.
func (w *writer) isNames(expr hclsyntax.Expression) bool {
	x, ok := expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return false
	}
	size := len(x.Traversal) - 1
	for _, step := range x.Traversal {
		name := ""
		switch step := step.(type) {
		case hcl.TraverseRoot:
			name = step.Name
		case hcl.TraverseAttr:
			name = step.Name
		}
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return false
		}
		size += len(name)
	}
	return size == x.SrcRange.End.Byte-x.SrcRange.Start.Byte
}

// literal writes the value of a literal. Where it is none, what it has written
// is not to be used.
func (w *writer) literal(expr hclsyntax.Expression) bool {
	switch x := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return w.scalar(x.Val)
	case *hclsyntax.TemplateExpr:
		return w.quoted(x)
	case *hclsyntax.TupleConsExpr:
		w.tree = append(w.tree, tuple)
		ok := true
		w.sized(func() {
			w.count(len(x.Exprs))
			for _, e := range x.Exprs {
				ok = ok && w.literal(e)
			}
		})
		return ok
	case *hclsyntax.ObjectConsExpr:
		w.tree = append(w.tree, object)
		ok := true
		w.sized(func() {
			w.count(len(x.Items))
			for _, item := range x.Items {
				name, is := nameOf(item.KeyExpr)
				if ok = ok && is; ok {
					w.tree = appendText(w.tree, name)
					ok = w.literal(item.ValueExpr)
				}
			}
		})
		return ok
	}
	return false
}

// quoted writes where a string stands, and not what it says: the text says it,
// and what is secret has no second place. One with escapes is no literal.
func (w *writer) quoted(x *hclsyntax.TemplateExpr) bool {
	if !x.IsStringLiteral() {
		return false
	}
	r := x.Parts[0].Range()
	v, diags := x.Value(nil)
	if len(diags) > 0 || v.AsString() != string(w.text[r.Start.Byte:r.End.Byte]) {
		return false
	}
	w.tree = append(w.tree, text)
	w.count(r.Start.Byte)
	w.count(r.End.Byte - r.Start.Byte)
	return true
}

// nameOf is the name of a member that is written out.
func nameOf(key hclsyntax.Expression) (string, bool) {
	if k, ok := key.(*hclsyntax.ObjectConsKeyExpr); !ok || k.ForceNonLiteral {
		return "", false
	}
	if word := hcl.ExprAsKeyword(key); word != "" {
		return word, true
	}
	t, ok := key.(*hclsyntax.ObjectConsKeyExpr).Wrapped.(*hclsyntax.TemplateExpr)
	if !ok || !t.IsStringLiteral() {
		return "", false
	}
	v, diags := t.Value(nil)
	return v.AsString(), len(diags) == 0
}

func (w *writer) scalar(v cty.Value) bool {
	switch {
	case v.IsNull():
		w.tree = append(w.tree, null)
	case v.Type() == cty.Bool && v.True():
		w.tree = append(w.tree, yes)
	case v.Type() == cty.Bool:
		w.tree = append(w.tree, no)
	case v.Type() == cty.Number:
		n, accuracy := v.AsBigFloat().Int64()
		if accuracy != big.Exact {
			return false
		}
		w.tree = binary.AppendVarint(append(w.tree, integer), n)
	default:
		return false
	}
	return true
}
