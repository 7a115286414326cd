package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Member is one member of an object, its value as it is written.
type Member struct {
	Name  []byte // without quotes and escapes
	Value json.RawMessage
}

// Members appends the members of an object to a list, in the order of their
// names. It does not read the values; of a canonical object, all share its
// bytes. No bytes at all have no members.
func Members(list []Member, body []byte) ([]Member, error) {
	if len(body) == 0 {
		return list, nil
	}
	if all, ok := canonicalMembers(list, body); ok {
		return all, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("reading a body: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		list = append(list, Member{[]byte(name), members[name]})
	}
	return list, nil
}

// ValueOf is the value of one member, nil where there is none.
func ValueOf(body []byte, name string) json.RawMessage {
	var buffer [memberCount]Member
	members, err := Members(buffer[:0], body)
	if err != nil {
		return nil
	}
	return Find(members, name).Value
}

// Find is one of the members that Members lists; its value is nil where there
// is none of the name.
func Find(members []Member, name string) Member {
	for n := range members {
		if string(members[n].Name) == name {
			return members[n]
		}
	}
	return Member{}
}

// memberCount is more than most bodies have.
const memberCount = 24

// AppendObject appends an object of members that stand in the order of their
// names and whose values are canonical.
func AppendObject(dst []byte, members []Member) []byte {
	dst = append(dst, '{')
	for n := range members {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, members[n].Name), ':')
		dst = append(dst, members[n].Value...)
	}
	return append(dst, '}')
}

// canonicalMembers lists the members of what it can tell to be canonical
// without reading the values. The list is not to be used where ok is false.
func canonicalMembers(list []Member, body []byte) (all []Member, ok bool) {
	before := len(list)
	if list, ok = Written(list, body); !ok {
		return nil, false
	}
	for n := before + 1; n < len(list); n++ {
		if bytes.Compare(list[n-1].Name, list[n].Name) >= 0 {
			return nil, false
		}
	}
	return list, true
}

// Written appends the members of an object to a list, in the order in which
// they are written, without reading the values: they share its bytes. ok is
// false where it cannot be sure of them: no object, space between tokens, an
// escape in a name. The list is not to be used then.
func Written(list []Member, body []byte) (all []Member, ok bool) {
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' {
		return nil, false
	}
	if len(body) == 2 {
		return list, true
	}
	for at := 1; ; at++ {
		key := at + 1
		for at = key; at < len(body) && body[at] != '"'; at++ {
			if body[at] == '\\' {
				return nil, false
			}
		}
		if body[key-1] != '"' || at+2 >= len(body) || body[at+1] != ':' {
			return nil, false
		}
		name, value := body[key:at:at], at+2
		if at = valueEnd(body, value); at < 0 || at == value {
			return nil, false
		}
		list = append(list, Member{name, body[value:at:at]})
		switch {
		case at == len(body)-1:
			return list, true
		case body[at] != ',':
			return nil, false
		}
	}
}

// valueEnd is where a value that begins at a place ends: at the comma or brace
// behind it. It is -1 where there is space between tokens, or no end.
func valueEnd(body []byte, at int) int {
	depth := 0
	for ; at < len(body); at++ {
		switch body[at] {
		case '"':
			if at = stringEnd(body, at+1); at < 0 {
				return -1
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

// stringEnd is where the quote stands that ends a string, -1 where none does.
func stringEnd(body []byte, at int) int {
	for {
		n := bytes.IndexByte(body[at:], '"')
		if n < 0 {
			return -1
		}
		escapes := 0
		for n > escapes && body[at+n-escapes-1] == '\\' {
			escapes++
		}
		if at += n; escapes%2 == 0 {
			return at
		}
		at++
	}
}
