package draft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"

	"accord/lang/addrs"
)

// name gives the blocks of one type their names: after what tells them from
// their siblings, else after what they belong to; and where several would have
// one name, with what these lead to.
func (w *writer) name(blocks []*block) {
	var order []string
	same := map[string][]*block{}
	for _, b := range blocks {
		if b.items[0].Fixed {
			w.blocks[b.addr] = true
			continue
		}
		base := b.base()
		if same[base] == nil {
			order = append(order, base)
		}
		same[base] = append(same[base], b)
	}
	for _, base := range order {
		alike := same[base]
		slices.SortStableFunc(alike, func(a, b *block) int { return len(b.items) - len(a.items) })
		for _, b := range alike {
			candidates := []string{base}
			if more := b.qualifier(alike); more != "" && len(alike) > 1 {
				candidates = []string{joined(base, more), base}
			}
			b.addr = w.free(b, candidates)
		}
	}
}

// free is the first name that is not taken; with a number, where all are.
func (w *writer) free(b *block, candidates []string) addrs.Block {
	typ := b.typ.Name
	for n := 1; ; n++ {
		for _, name := range candidates {
			if n > 1 {
				name += "_" + strconv.Itoa(n)
			}
			addr := addrs.Block{Type: typ, Name: name}
			if !w.blocks[addr] {
				w.blocks[addr] = true
				return addr
			}
		}
	}
}

// unique is a name for a local value or a variable.
func (w *writer) unique(name string) string {
	for n := 1; ; n++ {
		candidate := name
		if n > 1 {
			candidate += "_" + strconv.Itoa(n)
		}
		if !w.names[candidate] {
			w.names[candidate] = true
			return candidate
		}
	}
}

// base is the name of a block if there were no other.
func (b *block) base() string {
	first := b.items[0]
	if !b.siblings() {
		if name := identifier(slug(first.words...)); name != "" {
			return name
		}
	}
	for n := range b.typ.Body.Attributes {
		if to, ok := first.refs[b.typ.Body.Attributes[n].Name]; ok {
			if name := identifier(to.Name); name != "" {
				return name
			}
		}
	}
	return b.typ.Name
}

// siblings reports whether the keys tell what the words of each item are.
func (b *block) siblings() bool {
	return b.keys != nil && len(b.items) > 1 && slug(b.items[0].words...) != slug(b.items[1].words...)
}

// qualifier says what a block leads to and others do not; "" where that is too
// much to say.
func (b *block) qualifier(alike []*block) string {
	if len(b.items) > 1 {
		if b.siblings() {
			return rootWords(b.items[0], alike)
		}
		return ""
	}
	return rootWords(b.items[0], alike)
}

func rootWords(i *item, alike []*block) string {
	var words []string
	for _, r := range i.roots {
		everywhere := !slices.ContainsFunc(alike, func(b *block) bool {
			return slices.ContainsFunc(b.items, func(o *item) bool { return !slices.Contains(o.roots, r) })
		})
		if everywhere {
			continue
		}
		if r.Keyed {
			words = append(words, r.Key)
		} else {
			words = append(words, r.Name)
		}
	}
	return slug(words...)
}

// joined puts two names together; what the first ends with and the second
// begins with is said once.
func joined(a, b string) string {
	left, right := strings.Split(a, "_"), strings.Split(b, "_")
	for n := min(len(left), len(right)); n > 0; n-- {
		if slices.Equal(left[len(left)-n:], right[:n]) {
			return strings.Join(append(left, right[n:]...), "_")
		}
	}
	return a + "_" + b
}

// slug is a short readable form of words: small letters and digits of any
// script, with underscores between; each word once in a row.
func slug(words ...string) string {
	var parts []string
	for _, word := range words {
		for _, suffix := range []string{"__c", "__v", "__sys"} {
			word = strings.TrimSuffix(word, suffix)
		}
		part := plain(word)
		if part != "" && (len(parts) == 0 || parts[len(parts)-1] != part) {
			parts = append(parts, part)
		}
	}
	return norm.NFC.String(strings.Join(parts, "_"))
}

func plain(word string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(word) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue // an accent
		case unicode.IsLetter(r), unicode.IsDigit(r):
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(unicode.ToLower(r))
		default:
			gap = true
		}
	}
	return b.String()
}

// identifier is a name that a block can have, "" where there is nothing of it.
func identifier(name string) string {
	if name = slug(name); name == "" {
		return ""
	}
	if !hclsyntax.ValidIdentifier(name) {
		name = "_" + name
	}
	if !hclsyntax.ValidIdentifier(name) {
		return ""
	}
	if _, err := addrs.ParseInstance(fmt.Sprintf("x.%s", name)); err != nil {
		return ""
	}
	return name
}
