// Package draft writes the files of a configuration for objects that exist.
//
// What repeats becomes one block with for_each over a map of what differs; what
// one object says of another becomes a reference; what is secret becomes a
// variable; and each object gets a name, and an import. The same objects make
// the same bytes.
//
// It refuses to know where the objects come from, and whether a plan of the
// files is empty: who plans them finds out. Start with Write; then fold.go,
// which decides what becomes one block, and name.go.
package draft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/lang/schema"
)

// Object is one object that exists.
type Object struct {
	// Addr is the name by which others refer to it. Where it is Fixed, its block
	// has that name; else the draft finds one.
	Addr  addrs.Instance
	Fixed bool

	Type      *schema.Type
	ID        string          // of its import; "": it has none
	Body      json.RawMessage // canonical JSON
	Sensitive []addrs.Path
}

// Request is what to write. Objects of a type come after those of the types
// that it refers to.
type Request struct {
	Objects []Object

	Taken []addrs.Block // blocks that there are besides; their names are not given again
	Names []string      // locals and variables that there are

	Head  []string            // lines of the comment that every file begins with
	Notes map[string][]string // lines about what is left out, by type
}

// Draft is what Write wrote.
type Draft struct {
	Files  map[string][]byte                 // by name
	Addrs  map[addrs.Instance]addrs.Instance // where each object is now
	Blocks int                               // with a name

	// Secrets are the values of the variables that stand for what is sensitive,
	// as -var takes them. They are in no file.
	Secrets map[string]string
}

// ImportsFile holds the imports, and nothing else: it is of no use once they
// are applied. VariablesFile declares what is secret.
const (
	ImportsFile   = "imports.hcl"
	VariablesFile = "variables.hcl"
)

// Write writes the files.
func Write(req Request) *Draft {
	w := &writer{
		Request: req,
		draft:   &Draft{Files: map[string][]byte{}, Addrs: map[addrs.Instance]addrs.Instance{}, Secrets: map[string]string{}},
		blocks:  map[addrs.Block]bool{}, names: map[string]bool{}, keySets: map[string]string{}, roots: map[addrs.Instance][]addrs.Instance{},
	}
	for _, b := range req.Taken {
		w.blocks[b] = true
	}
	for _, n := range req.Names {
		w.names[n] = true
	}
	for _, objects := range byType(req.Objects) {
		w.writeType(objects)
	}
	for _, typ := range slices.Sorted(maps.Keys(req.Notes)) {
		if w.draft.Files[typ+".hcl"] == nil && len(req.Notes[typ]) > 0 {
			w.file(typ+".hcl", typ, "")
		}
	}
	if w.imports.Len() > 0 {
		w.file(ImportsFile, "", "# These take over what exists. Once they are applied, this file can go.\n\n"+w.imports.String())
	}
	if w.variables.Len() > 0 {
		w.file(VariablesFile, "", "# What is secret is in no file: set each by ACCORD_VAR_NAME, or in a file for -var-file.\n\n"+w.variables.String())
	}
	return w.draft
}

// byType parts objects by their types, in the order of the first of each.
func byType(objects []Object) [][]*Object {
	var parts [][]*Object
	at := map[string]int{}
	for i := range objects {
		o := &objects[i]
		n, ok := at[o.Type.Name]
		if !ok {
			n = len(parts)
			at[o.Type.Name] = n
			parts = append(parts, nil)
		}
		parts[n] = append(parts[n], o)
	}
	return parts
}

type writer struct {
	Request
	draft *Draft

	blocks  map[addrs.Block]bool                // whose name is taken
	names   map[string]bool                     // of locals and variables, taken
	keySets map[string]string                   // the expression of a set or map that has these keys
	roots   map[addrs.Instance][]addrs.Instance // what an object leads to in the end

	imports, variables bytes.Buffer
}

func (w *writer) writeType(objects []*Object) {
	items := make([]*item, len(objects))
	for n, o := range objects {
		items[n] = w.item(o)
	}
	slices.SortStableFunc(items, func(a, b *item) int { return strings.Compare(a.order, b.order) })
	folded := fold(items)
	w.name(folded)
	var text bytes.Buffer
	for _, b := range folded {
		for n, i := range b.items {
			addr := b.addr.Single()
			if b.keys != nil {
				addr = b.addr.Instance(b.keys[n])
			}
			w.draft.Addrs[i.Addr] = addr
			w.roots[addr] = i.roots
		}
		w.block(&text, b)
		w.importOf(b)
	}
	w.draft.Blocks += len(folded)
	typ := objects[0].Type.Name
	w.file(typ+".hcl", typ, text.String())
}

// file lays a file out.
func (w *writer) file(name, typ, text string) {
	var b strings.Builder
	for _, line := range w.Head {
		fmt.Fprintln(&b, strings.TrimRight("# "+comment(line), " "))
	}
	if notes := w.Notes[typ]; typ != "" && len(notes) > 0 {
		fmt.Fprintln(&b, "#")
		for _, line := range notes {
			fmt.Fprintln(&b, "# "+comment(line))
		}
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString(text)
	w.draft.Files[name] = layOut([]byte(b.String()))
}

// comment is a text that stays within the line of a comment.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, s)
}
