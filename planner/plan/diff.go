package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"sort"
	"strconv"

	"accord/lang/addrs"
	"accord/lang/schema"
)

// Edit is one place of a body that differs.
type Edit struct {
	Path      addrs.Path      `json:"path"`
	Before    json.RawMessage `json:"before,omitempty"` // nil: was not there
	After     json.RawMessage `json:"after,omitempty"`  // nil: will not be there
	Unknown   bool            `json:"unknown,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"` // Before and After are then nil
	Forces    bool            `json:"forces_replacement,omitempty"`
	Computed  bool            `json:"computed,omitempty"` // the provider's own, not the configuration's

	// Place is the line of the attribute that asks for it; Origin, where the
	// attribute names something, the line of its value.
	Place
	Origin *Place `json:"origin,omitempty"`
}

// Diff lists the places where two canonical bodies differ, outermost place
// first and in order. Objects are compared attribute by attribute; everything
// else, lists of scalars among them, as one value. Either body may be nil.
// Same counts the top-level attributes that are equal in both.
func Diff(before, after json.RawMessage, unknown, sensitive []addrs.Path) (edits []Edit, same int) {
	if len(unknown) == 0 && bytes.Equal(before, after) {
		return nil, len(members(before))
	}
	d := differ{unknown: unknown, sensitive: sensitive}
	d.object("", before, after)
	for _, p := range unknown {
		if !slices.ContainsFunc(d.edits, func(e Edit) bool { return e.Path == p }) {
			d.edits = append(d.edits, Edit{Path: p, Unknown: true})
		}
	}
	sort.SliceStable(d.edits, func(i, j int) bool { return d.edits[i].Path < d.edits[j].Path })
	return d.edits, d.same
}

type differ struct {
	unknown, sensitive []addrs.Path
	edits              []Edit
	same               int
}

func (d *differ) object(at addrs.Path, before, after json.RawMessage) {
	b, a := members(before), members(after)
	for len(b) > 0 || len(a) > 0 {
		var was, now json.RawMessage
		var name string
		switch c := compareNames(b, a); {
		case c < 0:
			name, was, b = string(b[0].Name), b[0].Value, b[1:]
		case c > 0:
			name, now, a = string(a[0].Name), a[0].Value, a[1:]
		default:
			name, was, now, b, a = string(b[0].Name), b[0].Value, a[0].Value, b[1:], a[1:]
		}
		d.value(at.Child(name), was, now)
	}
}

// compareNames compares the names of the first of two lists; an empty list
// comes last.
func compareNames(a, b []schema.Member) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return bytes.Compare(a[0].Name, b[0].Name)
}

func (d *differ) value(at addrs.Path, before, after json.RawMessage) {
	switch {
	case slices.Contains(d.unknown, at):
		d.edits = append(d.edits, Edit{Path: at, Before: before, Unknown: true})
	case bytes.Equal(before, after):
		if len(at.Steps()) == 1 {
			d.same++
		}
	case slices.ContainsFunc(d.sensitive, func(p addrs.Path) bool { return at.Within(p) }):
		d.edits = append(d.edits, Edit{Path: at, Sensitive: true})
	case isObject(before) && isObject(after), d.hides(at):
		d.object(at, before, after)
	default:
		d.edits = append(d.edits, Edit{Path: at, Before: before, After: after})
	}
}

// hides reports whether something sensitive lies below at, so that the value
// cannot be shown as a whole.
func (d *differ) hides(at addrs.Path) bool {
	return slices.ContainsFunc(d.sensitive, func(p addrs.Path) bool { return p.Within(at) })
}

func isObject(v json.RawMessage) bool { return len(v) > 0 && v[0] == '{' }

// members splits a JSON object; a list becomes an object of its indexes; nil
// and scalars have no members.
func members(v json.RawMessage) []schema.Member {
	var list []schema.Member
	switch {
	case isObject(v):
		list, _ = schema.Members(make([]schema.Member, 0, 16), v)
	case len(v) > 0 && v[0] == '[':
		var elements []json.RawMessage
		_ = json.Unmarshal(v, &elements)
		for i, e := range elements {
			list = append(list, schema.Member{Name: []byte(strconv.Itoa(i)), Value: e})
		}
		slices.SortFunc(list, func(a, b schema.Member) int { return bytes.Compare(a.Name, b.Name) })
	}
	return list
}

// Without returns a canonical body less the named top-level attributes. It
// returns the same bytes where none of them is there.
func Without(body json.RawMessage, names ...string) json.RawMessage {
	if len(body) == 0 {
		return json.RawMessage("{}")
	}
	if len(names) == 0 {
		return body
	}
	var buffer [memberCount]schema.Member
	all, _ := schema.Members(buffer[:0], body)
	count := len(all)
	kept := slices.DeleteFunc(all, func(m schema.Member) bool { return named(names, m) })
	if len(kept) == count {
		return body
	}
	return schema.AppendObject(make([]byte, 0, len(body)), kept)
}

// memberCount is more than most bodies have.
const memberCount = 24

func named(names []string, m schema.Member) bool {
	for _, name := range names {
		if name == string(m.Name) {
			return true
		}
	}
	return false
}

// With returns a canonical body in which the named top-level attributes are as
// in other: set, or absent where other has none. It returns the same bytes
// where they already are.
func With(body, other json.RawMessage, names ...string) json.RawMessage {
	if len(body) == 0 {
		body = json.RawMessage("{}")
	}
	if len(names) == 0 || bytes.Equal(body, other) {
		return body
	}
	var buffer [2][memberCount]schema.Member
	all, _ := schema.Members(buffer[0][:0], body)
	from, _ := schema.Members(buffer[1][:0], other)
	same := true
	for _, name := range names {
		same = same && bytes.Equal(schema.Find(all, name).Value, schema.Find(from, name).Value)
	}
	if same {
		return body
	}
	all = slices.DeleteFunc(all, func(m schema.Member) bool { return named(names, m) })
	for _, m := range from {
		if named(names, m) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b schema.Member) int { return bytes.Compare(a.Name, b.Name) })
	return schema.AppendObject(make([]byte, 0, len(body)+64), all)
}
