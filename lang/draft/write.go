package draft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/schema"
)

// layOut is a file in its canonical layout.
func layOut(text []byte) []byte {
	return append(bytes.TrimRight(hclwrite.Format(text), "\n"), '\n')
}

// block writes one block, and the local value that it repeats over.
func (w *writer) block(text *bytes.Buffer, b *block) {
	differing := b.differing()
	forEach := w.forEach(text, b, differing)
	fmt.Fprintf(text, "%s %s {\n", b.typ.Name, quoted(b.addr.Name))
	if forEach != "" {
		fmt.Fprintf(text, "for_each = %s\n", forEach)
	}
	first := b.items[0]
	for n := range b.typ.Body.Attributes {
		a := &b.typ.Body.Attributes[n]
		switch v := first.says[a.Name]; {
		case slices.Contains(differing, a.Name):
			fmt.Fprintf(text, "%s = %s\n", a.Name, w.each(b, a))
		case v == nil:
		case first.secret(a):
			fmt.Fprintf(text, "%s = %s\n", a.Name, w.secret(b, a))
		case len(a.Refers) > 0 && b.keys != nil && !b.sameReference(a.Name):
			fmt.Fprintf(text, "%s = %s[each.key]\n", a.Name, first.refs[a.Name].Block)
		default:
			fmt.Fprintf(text, "%s = %s\n", a.Name, w.value(a, v))
		}
	}
	w.nested(text, &b.typ.Body, first.says)
	text.WriteString("}\n\n")
}

// each is how a block says what differs from key to key.
func (w *writer) each(b *block, a *schema.Attribute) string {
	value := "each.value." + a.Name
	if slices.ContainsFunc(b.items, func(i *item) bool { return i.says[a.Name] == nil }) {
		value = fmt.Sprintf("try(%s, null)", value)
	}
	if len(a.Refers) > 0 {
		return fmt.Sprintf("%s[%s]", b.items[0].refs[a.Name].Block, value)
	}
	return value
}

// forEach is what a block repeats over, "" where it does not; the local value
// is written before it.
func (w *writer) forEach(text *bytes.Buffer, b *block, differing []string) string {
	if b.keys == nil {
		return ""
	}
	keys := strings.Join(b.keys, "\x00")
	if len(differing) == 0 {
		if known := w.keySets[keys]; known != "" {
			return known
		}
		name := w.unique(w.keysName(b))
		fmt.Fprintf(text, "locals {\n%s = toset(%s)\n}\n\n", name, listOf(quotedAll(b.keys)))
		w.keySets[keys] = "local." + name
		return "local." + name
	}
	name := w.unique(b.typ.Name + "_" + b.addr.Name)
	fmt.Fprintf(text, "locals {\n%s = {\n", name)
	for n, i := range b.items {
		var says []string
		for _, attribute := range differing {
			v := i.says[attribute]
			if v == nil {
				continue
			}
			a := b.typ.Body.Attribute(attribute)
			said := w.value(a, v)
			if len(a.Refers) > 0 {
				said = quoted(i.refs[attribute].Key)
			}
			says = append(says, fmt.Sprintf("%s = %s", attribute, said))
		}
		fmt.Fprintf(text, "%s = %s\n", key(b.keys[n]), objectOf(says))
	}
	text.WriteString("}\n}\n\n")
	if b.items[0].Fixed {
		w.keySets[keys] = "local." + name // what is under these goes by their keys
	}
	return "local." + name
}

// keysName is the name of a set of keys that blocks share: after what they
// belong to in the end, where that has these keys.
func (w *writer) keysName(b *block) string {
	for _, r := range b.items[0].roots {
		if r.Keyed && r.Key == b.keys[0] {
			return r.Name + "_keys"
		}
	}
	return b.addr.Name + "_keys"
}

// importOf writes the import of a block.
func (w *writer) importOf(b *block) {
	if b.items[0].ID == "" {
		return
	}
	if b.keys == nil {
		fmt.Fprintf(&w.imports, "import {\nto = %s\nid = %s\n}\n\n", b.addr, quoted(b.items[0].ID))
		return
	}
	w.imports.WriteString("import {\nfor_each = {\n")
	for n, i := range b.items {
		fmt.Fprintf(&w.imports, "%s = %s\n", key(b.keys[n]), quoted(i.ID))
	}
	fmt.Fprintf(&w.imports, "}\nto = %s[each.key]\nid = each.value\n}\n\n", b.addr)
}

// secret declares a variable for what is sensitive, and refers to it.
func (w *writer) secret(b *block, a *schema.Attribute) string {
	name := w.unique(b.typ.Name + "_" + b.addr.Name + "_" + a.Name)
	typ, expr := a.Type, "var."+name
	value := w.value(a, b.items[0].says[a.Name])
	if b.keys == nil && typ == cty.String {
		_ = json.Unmarshal(b.items[0].says[a.Name], &value)
	}
	if b.keys != nil {
		typ, expr = cty.Map(typ), expr+"[each.key]"
		var says []string
		for n, i := range b.items {
			says = append(says, fmt.Sprintf("%s = %s", key(b.keys[n]), w.value(a, i.says[a.Name])))
		}
		value = "{ " + strings.Join(says, ", ") + " }"
	}
	w.draft.Secrets[name] = value
	fmt.Fprintf(&w.variables, "variable %s {\ntype = %s\nsensitive = true\n}\n\n", quoted(name), typeexpr.TypeString(typ))
	return expr
}

// nested writes the nested blocks of a body. A secret in one is left out: left
// out is not managed.
func (w *writer) nested(text *bytes.Buffer, body *schema.Block, says map[string]json.RawMessage) {
	for n := range body.Blocks {
		nested := &body.Blocks[n]
		v := says[nested.Name]
		if v == nil {
			continue
		}
		one := func(label string, raw json.RawMessage) {
			fmt.Fprintf(text, "\n%s%s {\n", nested.Name, label)
			var within map[string]json.RawMessage
			_ = json.Unmarshal(raw, &within) // said made it
			for k := range nested.Body.Attributes {
				a := &nested.Body.Attributes[k]
				if within[a.Name] != nil && !a.Sensitive {
					fmt.Fprintf(text, "%s = %s\n", a.Name, w.value(a, within[a.Name]))
				}
			}
			w.nested(text, &nested.Body, within)
			text.WriteString("}\n")
		}
		var labelled map[string]json.RawMessage
		var list []json.RawMessage
		switch {
		case nested.Label != "":
			_ = json.Unmarshal(v, &labelled)
			for _, label := range slices.Sorted(maps.Keys(labelled)) {
				one(" "+quoted(label), labelled[label])
			}
		case nested.Single:
			one("", v)
		default:
			_ = json.Unmarshal(v, &list)
			for _, raw := range list {
				one("", raw)
			}
		}
	}
}

// value writes what an attribute is.
func (w *writer) value(a *schema.Attribute, raw json.RawMessage) string {
	if len(a.Refers) > 0 {
		return w.lead(raw).String()
	}
	return literal(raw)
}

// literal writes a value of JSON.
func literal(raw json.RawMessage) string {
	var s string
	var list []json.RawMessage
	var object map[string]json.RawMessage
	switch {
	case json.Unmarshal(raw, &s) == nil && raw[0] == '"':
		return quoted(s)
	case json.Unmarshal(raw, &list) == nil && raw[0] == '[':
		elements := make([]string, len(list))
		for n, v := range list {
			elements[n] = literal(v)
		}
		return listOf(elements)
	case json.Unmarshal(raw, &object) == nil && raw[0] == '{':
		var says []string
		for _, name := range slices.Sorted(maps.Keys(object)) {
			says = append(says, fmt.Sprintf("%s = %s", key(name), literal(object[name])))
		}
		return objectOf(says)
	}
	return string(raw)
}

// width is how long a value may be on one line.
const width = 90

func listOf(elements []string) string {
	if line := "[" + strings.Join(elements, ", ") + "]"; fits(line) {
		return line
	}
	return "[\n" + strings.Join(elements, ",\n") + ",\n]"
}

func objectOf(says []string) string {
	if line := "{ " + strings.Join(says, ", ") + " }"; len(says) == 0 || fits(line) {
		if len(says) == 0 {
			return "{}"
		}
		return line
	}
	return "{\n" + strings.Join(says, "\n") + "\n}"
}

func fits(line string) bool { return len(line) <= width && !strings.Contains(line, "\n") }

// quoted writes a text as HCL does.
func quoted(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

func quotedAll(list []string) []string {
	out := make([]string, len(list))
	for n, s := range list {
		out[n] = quoted(s)
	}
	return out
}

// words mean something of their own where a key stands.
var words = []string{"for", "in", "if", "else", "endif", "endfor", "null", "true", "false"}

// key writes the key of a map.
func key(name string) string {
	if hclsyntax.ValidIdentifier(name) && !slices.Contains(words, name) {
		return name
	}
	return quoted(name)
}
