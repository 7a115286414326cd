package draft

import (
	"encoding/json"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/lang/schema"
)

// item is an object with what its block will say.
type item struct {
	*Object
	says  map[string]json.RawMessage // attributes and nested blocks, by name
	refs  map[string]addrs.Instance  // what its attributes refer to, where it is now
	words []string                   // that tell it from its siblings, beside what it refers to
	roots []addrs.Instance           // what it leads to in the end
	order string
}

func (w *writer) item(o *Object) *item {
	i := &item{Object: o, refs: map[string]addrs.Instance{}}
	i.says = said(&o.Type.Body, o.Body)
	if o.Fixed {
		i.roots = []addrs.Instance{o.Addr}
		i.order = "/" + o.Addr.String()
		return i
	}
	for n := range o.Type.Body.Attributes {
		a := &o.Type.Body.Attributes[n]
		if len(a.Refers) > 0 && i.says[a.Name] != nil {
			to := w.lead(i.says[a.Name])
			i.refs[a.Name] = to
			i.order += "/" + to.String()
			for _, r := range w.leadsTo(to) {
				if !slices.Contains(i.roots, r) {
					i.roots = append(i.roots, r)
				}
			}
		}
	}
	for _, name := range o.Type.Identity {
		if _, refers := i.refs[name]; refers {
			continue
		}
		v := i.says[name]
		if a := o.Type.Body.Attribute(name); v == nil && a != nil {
			v = a.Default
		}
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		i.words = append(i.words, s)
		i.order += "/" + s
	}
	i.order += "/" + o.ID
	return i
}

// lead is where a reference leads now.
func (w *writer) lead(raw json.RawMessage) addrs.Instance {
	var addr addrs.Instance
	if json.Unmarshal(raw, &addr) != nil {
		return addr
	}
	if now, ok := w.draft.Addrs[addr]; ok {
		return now
	}
	return addr
}

func (w *writer) leadsTo(addr addrs.Instance) []addrs.Instance {
	if roots := w.roots[addr]; len(roots) > 0 {
		return roots
	}
	return []addrs.Instance{addr}
}

// said is what a block says of a body: what may be written, and is not as it is
// when it is left out. accord's own settings are in no vault.
func said(body *schema.Block, raw json.RawMessage) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	says := map[string]json.RawMessage{}
	for n := range body.Attributes {
		a := &body.Attributes[n]
		v := all[a.Name]
		switch {
		case v == nil, a.ReadOnly, a.Volatile, a.Local:
		case !a.Required && a.Default != nil && sameJSON(a.Default, v):
		default:
			says[a.Name] = v
		}
	}
	for n := range body.Blocks {
		nested := &body.Blocks[n]
		v := all[nested.Name]
		if v == nil {
			continue
		}
		if kept := saidNested(nested, v); kept != nil {
			says[nested.Name] = kept
		}
	}
	return says
}

// saidNested is said of a nested block in its form: by label, single, a list.
func saidNested(n *schema.Nested, raw json.RawMessage) json.RawMessage {
	within := func(raw json.RawMessage) any { return said(&n.Body, raw) }
	var kept any
	switch {
	case n.Label != "":
		var labelled map[string]json.RawMessage
		if json.Unmarshal(raw, &labelled) != nil {
			return nil
		}
		m := map[string]any{}
		for label, v := range labelled {
			m[label] = within(v)
		}
		kept = m
	case n.Single:
		kept = within(raw)
	default:
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			return nil
		}
		all := make([]any, len(list))
		for k, v := range list {
			all[k] = within(v)
		}
		kept = all
	}
	out, err := json.Marshal(kept)
	if err != nil {
		return nil
	}
	return out
}

func sameJSON(a, b json.RawMessage) bool {
	x, err := schema.Canonical(a, nil)
	if err != nil {
		return false
	}
	y, err := schema.Canonical(b, nil)
	return err == nil && string(x) == string(y)
}

// secret reports whether a value is for a variable.
func (i *item) secret(a *schema.Attribute) bool {
	at := addrs.Path("").Child(a.Name)
	return a.Sensitive || slices.ContainsFunc(i.Sensitive, func(p addrs.Path) bool { return p.Within(at) })
}

// block is one block of the draft, of one object, or of several by key.
type block struct {
	typ   *schema.Type
	items []*item
	keys  []string // of the items; nil: it has no for_each
	addr  addrs.Block
}

// differing are the attributes that are not the same for all items, but for
// references to what has the item's own key.
func (b *block) differing() []string {
	var names []string
	for n := range b.typ.Body.Attributes {
		a := &b.typ.Body.Attributes[n]
		if b.items[0].secret(a) {
			continue
		}
		if len(a.Refers) > 0 {
			if !b.sameReference(a.Name) && !b.ownKey(a.Name) {
				names = append(names, a.Name)
			}
			continue
		}
		first := b.items[0].says[a.Name]
		if slices.ContainsFunc(b.items, func(i *item) bool { return string(i.says[a.Name]) != string(first) }) {
			names = append(names, a.Name)
		}
	}
	return names
}

func (b *block) sameReference(name string) bool {
	first := b.items[0].refs[name]
	return !slices.ContainsFunc(b.items, func(i *item) bool { return i.refs[name] != first })
}

// ownKey reports whether each item refers to the instance of its own key.
func (b *block) ownKey(name string) bool {
	if b.keys == nil {
		return false
	}
	for n, i := range b.items {
		if to := i.refs[name]; !to.Keyed || to.Key != b.keys[n] {
			return false
		}
	}
	return true
}

const (
	fewest = 3 // siblings under one object that make a for_each
	most   = 4 // attributes that may differ among siblings
)

// fold finds what becomes one block: first what repeats from vault to vault,
// then many alike of one object. Items are sorted.
func fold(items []*item) []*block {
	var blocks []*block
	if items[0].Fixed {
		for _, group := range grouped(items, func(i *item) string { return i.Addr.Block.String() }) {
			blocks = append(blocks, fixedBlock(group))
		}
		return blocks
	}
	var single []*item
	for _, group := range grouped(items, func(i *item) string { return i.kin(false) }) {
		if b := across(group); b != nil {
			blocks = append(blocks, b)
		} else {
			single = append(single, group...)
		}
	}
	for _, group := range grouped(single, func(i *item) string { return i.kin(true) }) {
		if b := siblings(group); b != nil {
			blocks = append(blocks, b)
			continue
		}
		for _, i := range group {
			blocks = append(blocks, &block{typ: i.Type, items: []*item{i}})
		}
	}
	slices.SortStableFunc(blocks, func(a, b *block) int { return strings.Compare(a.items[0].order, b.items[0].order) })
	return blocks
}

func grouped(items []*item, key func(*item) string) [][]*item {
	var groups [][]*item
	at := map[string]int{}
	for _, i := range items {
		k := key(i)
		n, ok := at[k]
		if !ok {
			n = len(groups)
			at[k] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

func fixedBlock(group []*item) *block {
	b := &block{typ: group[0].Type, items: group, addr: group[0].Addr.Block}
	if group[0].Addr.Keyed {
		for _, i := range group {
			b.keys = append(b.keys, i.Addr.Key)
		}
	}
	return b
}

// kin is what items have in common that may share a block: nested blocks and
// secrets; and what tells them apart on one object, or, of siblings, that object.
func (i *item) kin(siblings bool) string {
	parts := []string{i.Addr.Module}
	for n := range i.Type.Body.Attributes {
		a := &i.Type.Body.Attributes[n]
		switch to, refers := i.refs[a.Name]; {
		case refers && siblings:
			parts = append(parts, to.String())
		case refers && to.Keyed:
			parts = append(parts, to.Block.String()+"[]")
		case refers:
			parts = append(parts, to.String())
		case i.secret(a) && i.says[a.Name] != nil:
			parts = append(parts, "secret "+a.Name)
		default:
			parts = append(parts, "")
		}
	}
	for n := range i.Type.Body.Blocks {
		parts = append(parts, string(i.says[i.Type.Body.Blocks[n].Name]))
	}
	if !siblings {
		parts = append(parts, i.words...)
	}
	return strings.Join(parts, "\x00")
}

// across makes one block of what is the same on several instances of another
// block; nil where it is not.
func across(group []*item) *block {
	if len(group) < 2 || len(group[0].Type.Identity) == 0 {
		return nil
	}
	b := &block{typ: group[0].Type, items: group}
	var keyed []string
	for n := range b.typ.Body.Attributes {
		if name := b.typ.Body.Attributes[n].Name; group[0].refs[name].Keyed {
			keyed = append(keyed, name)
		}
	}
	for _, name := range keyed {
		if keys := keysOf(group, func(i *item) string { return i.refs[name].Key }); keys != nil {
			b.keys = keys
			return b
		}
	}
	if len(keyed) > 1 {
		b.keys = keysOf(group, func(i *item) string {
			var parts []string
			for _, name := range keyed {
				parts = append(parts, i.refs[name].Key)
			}
			return strings.Join(parts, "_")
		})
	}
	if b.keys == nil {
		return nil
	}
	return b
}

// siblings makes one block of many that differ in little, on one object.
func siblings(group []*item) *block {
	if len(group) < fewest || len(group[0].words) == 0 || len(group[0].refs) == 0 {
		return nil
	}
	b := &block{typ: group[0].Type, items: group}
	b.keys = keysOf(group, func(i *item) string { return slug(i.words...) })
	if b.keys == nil || len(b.differing()) > most {
		return nil
	}
	return b
}

// keysOf are the keys of items, nil where two have one, or one has none.
func keysOf(items []*item, key func(*item) string) []string {
	seen := map[string]bool{"": true}
	keys := make([]string, len(items))
	for n, i := range items {
		k := key(i)
		if seen[k] {
			return nil
		}
		seen[k], keys[n] = true, k
	}
	return keys
}
