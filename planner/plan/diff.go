package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"sort"

	"accord/lang/addrs"
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
	for _, name := range keys(b, a) {
		d.value(at.Child(name), b[name], a[name])
	}
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
func members(v json.RawMessage) map[string]json.RawMessage {
	if m, ok := canonicalMembers(v); ok {
		return m
	}
	m := map[string]json.RawMessage{}
	switch {
	case isObject(v):
		_ = json.Unmarshal(v, &m)
	case len(v) > 0 && v[0] == '[':
		var list []json.RawMessage
		_ = json.Unmarshal(v, &list)
		for i, e := range list {
			m[addrs.Path("").Index(i).Root()] = e
		}
	}
	return m
}

// canonicalMembers splits an object that it can tell to be canonical, without
// reading the values: most of what comparing bodies costs. The values share
// the bytes of v.
func canonicalMembers(v json.RawMessage) (map[string]json.RawMessage, bool) {
	if len(v) < 2 || v[0] != '{' || v[len(v)-1] != '}' {
		return nil, false
	}
	m := make(map[string]json.RawMessage, 16)
	if len(v) == 2 {
		return m, true
	}
	for at := 1; ; at++ {
		key := at + 1
		for at = key; at < len(v) && v[at] != '"'; at++ {
			if v[at] == '\\' {
				return nil, false
			}
		}
		if v[key-1] != '"' || at+2 >= len(v) || v[at+1] != ':' {
			return nil, false
		}
		name, value := string(v[key:at]), at+2
		if at = valueEnd(v, value); at < 0 || at == value {
			return nil, false
		}
		m[name] = v[value:at:at]
		switch {
		case at == len(v)-1:
			return m, true
		case v[at] != ',':
			return nil, false
		}
	}
}

// valueEnd is where a value that begins at a place ends: at the comma or brace
// behind it. It is -1 where there is space between tokens, or no end.
func valueEnd(v []byte, at int) int {
	depth := 0
	for ; at < len(v); at++ {
		switch v[at] {
		case '"':
			for at++; at < len(v) && v[at] != '"'; at++ {
				if v[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return at
			}
		case '}', ']':
			if depth == 0 {
				return at
			}
			depth--
		case ' ', '\n', '\t', '\r':
			return -1
		}
	}
	return -1
}

func keys(a, b map[string]json.RawMessage) []string {
	var names []string
	for k := range a {
		names = append(names, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// Without returns a canonical body less the named top-level attributes. It
// returns the same bytes where none of them is there.
func Without(body json.RawMessage, names ...string) json.RawMessage {
	if len(names) == 0 && len(body) > 0 {
		return body
	}
	return edit(body, func(m map[string]json.RawMessage) bool {
		found := false
		for _, n := range names {
			if _, ok := m[n]; ok {
				delete(m, n)
				found = true
			}
		}
		return found
	})
}

// With returns a canonical body in which the named top-level attributes are as
// in other: set, or absent where other has none.
func With(body, other json.RawMessage, names ...string) json.RawMessage {
	if len(names) == 0 && len(body) > 0 {
		return body
	}
	from := members(other)
	return edit(body, func(m map[string]json.RawMessage) bool {
		changed := false
		for _, n := range names {
			v, ok := from[n]
			switch {
			case ok && !bytes.Equal(m[n], v):
				m[n], changed = v, true
			case !ok && m[n] != nil:
				delete(m, n)
				changed = true
			}
		}
		return changed
	})
}

func edit(body json.RawMessage, change func(map[string]json.RawMessage) bool) json.RawMessage {
	if len(body) == 0 {
		body = json.RawMessage("{}")
	}
	m := members(body)
	if !change(m) {
		return body
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for i, k := range keys(m, nil) {
		if i > 0 {
			out.WriteByte(',')
		}
		name, _ := json.Marshal(k)
		out.Write(name)
		out.WriteByte(':')
		out.Write(m[k])
	}
	out.WriteByte('}')
	return out.Bytes()
}
