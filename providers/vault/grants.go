package vault

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The grammar of the grants inside a Permissionset is documented nowhere in
// public; what stands here is ours, and the only place that knows it:
//
//	Vaultaction manage_connections__v(granted(true))
//	Objectpermission keyword__v(read(true), create(false), edit(false), delete(false))
//	Objecttypepermission connection_settings__v.clm_integration_settings__v(read(true), …)
//	Fieldpermission keyword__v.all(read(true), edit(false))
//
// A set is read as text, changed item by item, and sent back: what is not
// changed goes back byte for byte, and an item that cannot be read is never
// rewritten.

// grant is one thing that a permission set allows.
type grant struct {
	Kind string // Vaultaction, Objectpermission, Objecttypepermission, Fieldpermission
	Name string // manage_connections__v, keyword__v, connection_settings__v.clm_…__v, keyword__v.all
	Verb string // granted; read, create, edit, delete
}

const (
	grantAction = "Vaultaction"
	grantObject = "Objectpermission"
	grantType   = "Objecttypepermission"
	grantField  = "Fieldpermission"

	allFields = "all"
)

// grantVerbs in the order in which they are written.
var grantVerbs = map[string][]string{
	grantAction: {"granted"},
	grantObject: {"read", "create", "edit", "delete"},
	grantType:   {"read", "create", "edit", "delete"},
	grantField:  {"read", "edit"},
}

// grantWords are the kinds in the words of the language.
var grantWords = map[string]string{grantAction: "vault action", grantObject: "object", grantType: "object type", grantField: "field"}

// String is the form that plans show and the state keeps:
// "object keyword__v read", "vault action manage_connections__v".
func (g grant) String() string {
	if g.Kind == grantAction {
		return grantWords[g.Kind] + " " + g.Name
	}
	return grantWords[g.Kind] + " " + g.Name + " " + g.Verb
}

func parseGrant(s string) (grant, bool) {
	for kind, word := range grantWords {
		rest, ok := strings.CutPrefix(s, word+" ")
		if !ok {
			continue
		}
		if kind == grantAction {
			return grant{kind, rest, "granted"}, !strings.Contains(rest, " ")
		}
		if name, verb, ok := strings.Cut(rest, " "); ok && slices.Contains(grantVerbs[kind], verb) {
			return grant{kind, name, verb}, true
		}
	}
	return grant{}, false
}

// grants is a set of grants.
type grants map[grant]bool

func newGrants(list ...grant) grants {
	s := make(grants, len(list))
	for _, g := range list {
		s[g] = true
	}
	return s
}

func parseGrants(list []string) grants {
	s := grants{}
	for _, text := range list {
		if g, ok := parseGrant(text); ok {
			s[g] = true
		}
	}
	return s
}

// allows reports whether the set gives what g asks for, also in other words:
// edit, create and delete imply read, and all fields imply each (PERM-5).
func (s grants) allows(g grant) bool {
	if s[g] {
		return true
	}
	if g.Kind == grantField {
		object, field, _ := strings.Cut(g.Name, ".")
		if field != allFields && s.allows(grant{grantField, object + "." + allFields, g.Verb}) {
			return true
		}
	}
	if g.Verb != "read" {
		return false
	}
	for _, v := range grantVerbs[g.Kind] {
		if s[grant{g.Kind, g.Name, v}] {
			return true
		}
	}
	return false
}

// closed is the set with what it implies: whoever may edit, create or delete may
// read. It is the one form of equal access (PERM-5).
func (s grants) closed() grants {
	all := make(grants, len(s))
	for g := range s {
		all[g] = true
		if g.Kind != grantAction {
			all[grant{g.Kind, g.Name, "read"}] = true
		}
	}
	return all
}

// reads is what of the set only looks: vault actions, and rights to read.
func (s grants) reads() grants {
	looks := make(grants, len(s))
	for g := range s {
		if g.Kind == grantAction || g.Verb == "read" {
			looks[g] = true
		}
	}
	return looks
}

// without is the set less some of it.
func (s grants) without(less grants) grants {
	rest := make(grants, len(s))
	for g := range s {
		if !less[g] {
			rest[g] = true
		}
	}
	return rest
}

// sorted lists the set in the order in which plans show it.
func (s grants) sorted() []grant {
	list := make([]grant, 0, len(s))
	for g := range s {
		list = append(list, g)
	}
	kinds := []string{grantAction, grantObject, grantType, grantField}
	slices.SortFunc(list, func(a, b grant) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			strings.Compare(a.Name, b.Name),
			cmp.Compare(slices.Index(grantVerbs[a.Kind], a.Verb), slices.Index(grantVerbs[b.Kind], b.Verb)))
	})
	return list
}

func (s grants) strings() []string {
	list := make([]string, 0, len(s))
	for _, g := range s.sorted() {
		list = append(list, g.String())
	}
	slices.Sort(list)
	return list
}

// grantChange is what a plan does to the grants of a set.
type grantChange struct {
	Add    grants
	Revoke grants
	Made   grants // afterwards: what there is that accord granted
}

// changeGrants decides PERM-4. wanted is what the configuration asks for, live
// what the set gives, made what accord granted before. Grants of others stay,
// unless the set is exact.
func changeGrants(wanted, live, made grants, exact bool) grantChange {
	c := grantChange{Add: grants{}, Revoke: grants{}, Made: grants{}}
	wanted = wanted.closed()
	for g := range made {
		if !wanted[g] && live[g] {
			c.Revoke[g] = true
		}
	}
	if exact {
		for g := range live {
			if !wanted.allows(g) {
				c.Revoke[g] = true
			}
		}
	}
	rest := live.without(c.Revoke)
	for g := range wanted {
		switch {
		case !rest.allows(g):
			c.Add[g], c.Made[g] = true, true
		case made[g]:
			c.Made[g] = true
		}
	}
	return c
}

// after is what a set gives once it is changed.
func (c grantChange) after(live grants) grants {
	s := live.without(c.Revoke)
	for g := range c.Add {
		s[g] = true
	}
	return s
}

// permissionText is a Permissionset as MDL, cut into its items.
type permissionText struct {
	head  string // up to and with the opening parenthesis
	items []permissionItem
	tail  string // from the white space before the closing parenthesis on
}

type permissionItem struct {
	text       string // as it is, without the comma that follows
	kind, name string // of a sub-component
	grants     grants // what it allows
	readable   bool   // it holds nothing but what grants says
}

// newPermissionText is a set that does not exist yet.
func newPermissionText(name, label string) *permissionText {
	return &permissionText{
		head: "RECREATE Permissionset " + name + " (",
		items: []permissionItem{
			{text: "\n   label(" + quoteMDL(label) + ")"},
			{text: "\n   active(true)"},
		},
		tail: "\n);",
	}
}

// parsePermissionText cuts text into items. String of the answer is text.
func parsePermissionText(text string) (*permissionText, error) {
	open := strings.IndexByte(text, '(')
	if open < 0 || !strings.HasPrefix(strings.TrimSpace(text[:open]), "RECREATE Permissionset ") {
		return nil, errors.New("the text does not begin with RECREATE Permissionset")
	}
	p := &permissionText{head: text[:open+1]}
	start := open + 1
	for depth, i := 1, start; i < len(text); i++ {
		switch text[i] {
		case '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a quote is not closed")
			}
			i += end + 1 // '' is a text that ends and one that begins at once
		case '(':
			depth++
		case ')':
			depth--
			if depth > 0 {
				continue
			}
			last := strings.TrimRight(text[start:i], " \t\r\n")
			if strings.TrimSpace(last) != "" {
				p.items = append(p.items, parsePermissionItem(last))
			}
			p.tail = text[start+len(last):]
			if rest := strings.TrimSpace(text[i+1:]); rest != "" && rest != ";" {
				return nil, fmt.Errorf("%q follows the end", rest)
			}
			if p.String() != text {
				return nil, errors.New("it does not read back as it is written")
			}
			return p, nil
		case ',':
			if depth == 1 {
				p.items = append(p.items, parsePermissionItem(text[start:i]))
				start = i + 1
			}
		}
	}
	return nil, errors.New("a parenthesis is not closed")
}

func parsePermissionItem(text string) permissionItem {
	item := permissionItem{text: text}
	trimmed := strings.TrimSpace(text)
	open := strings.IndexByte(trimmed, '(')
	if open < 0 || !strings.HasSuffix(trimmed, ")") {
		return item
	}
	head := strings.Fields(trimmed[:open])
	if len(head) != 2 || grantVerbs[head[0]] == nil {
		return item
	}
	item.kind, item.name, item.grants, item.readable = head[0], head[1], grants{}, true
	for attribute := range strings.SplitSeq(trimmed[open+1:len(trimmed)-1], ",") {
		attribute = strings.TrimSpace(attribute)
		if attribute == "" {
			continue
		}
		verb, value, ok := strings.Cut(strings.TrimSuffix(attribute, ")"), "(")
		switch {
		case !ok || !slices.Contains(grantVerbs[item.kind], verb):
			item.readable = false
		case value == "true":
			item.grants[grant{item.kind, item.name, verb}] = true
		case value != "false":
			item.readable = false
		}
	}
	return item
}

func (p *permissionText) String() string {
	var b strings.Builder
	b.WriteString(p.head)
	for i, item := range p.items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item.text)
	}
	b.WriteString(p.tail)
	return b.String()
}

// grants is all that the set gives.
func (p *permissionText) grants() grants {
	all := grants{}
	for _, item := range p.items {
		for g := range item.grants {
			all[g] = true
		}
	}
	return all
}

// label is the set's label.
func (p *permissionText) label() string {
	for _, item := range p.items {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(item.text), "label("); ok && item.kind == "" {
			rest = strings.TrimSpace(strings.TrimSuffix(rest, ")"))
			return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(rest, "'"), "'"), "''", "'")
		}
	}
	return ""
}

func (p *permissionText) setLabel(label string) {
	for i, item := range p.items {
		if item.kind == "" && strings.HasPrefix(strings.TrimSpace(item.text), "label(") {
			p.items[i].text = item.text[:strings.Index(item.text, "label(")] + "label(" + quoteMDL(label) + ")"
			return
		}
	}
	p.items = slices.Insert(p.items, 0, permissionItem{text: "\n   label(" + quoteMDL(label) + ")"})
}

// change adds and revokes. It fails, and changes nothing, when an item that
// must change holds what this code does not know.
func (p *permissionText) change(add, revoke grants) error {
	type target struct{ kind, name string }
	touched := map[target]bool{}
	for _, set := range []grants{add, revoke} {
		for g := range set {
			touched[target{g.Kind, g.Name}] = true
		}
	}
	for _, item := range p.items {
		if touched[target{item.kind, item.name}] && !item.readable {
			return fmt.Errorf("%s %s is written in a way that is not known here, and is not rewritten", item.kind, item.name)
		}
	}
	items := make([]permissionItem, 0, len(p.items))
	for _, item := range p.items {
		at := target{item.kind, item.name}
		if !touched[at] {
			items = append(items, item)
			continue
		}
		delete(touched, at)
		next := grants{}
		for g := range item.grants {
			next[g] = !revoke[g]
		}
		for g := range add {
			if g.Kind == at.kind && g.Name == at.name {
				next[g] = true
			}
		}
		if text := itemText(at.kind, at.name, next); text != "" {
			items = append(items, parsePermissionItem(text))
		}
	}
	for _, g := range add.sorted() {
		at := target{g.Kind, g.Name}
		if !touched[at] {
			continue
		}
		delete(touched, at)
		items = append(items, parsePermissionItem(itemText(g.Kind, g.Name, add)))
	}
	p.items = items
	return nil
}

// itemText writes one sub-component, "" when nothing is allowed by it.
func itemText(kind, name string, set grants) string {
	var given []string
	for _, verb := range grantVerbs[kind] {
		if set[grant{kind, name, verb}] {
			given = append(given, "\n      "+verb+"(true)")
		}
	}
	if len(given) == 0 {
		return ""
	}
	return "\n   " + kind + " " + name + "(" + strings.Join(given, ",") + "\n   )"
}

func quoteMDL(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
