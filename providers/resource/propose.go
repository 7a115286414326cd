package resource

import (
	"encoding/json"
	"fmt"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// propose says what an object will be, from what the schema knows: every
// attribute as desired; what is left out as it is; with nothing there, what
// the provider fills unknown. Local attributes are as desired, computed ones
// of them as remembered. It names the places that force a replace, and refuses
// one of those that is not known.
func propose(body *schema.Block, desired, recorded, live *providers.Object) (*providers.Object, []addrs.Path, []providers.Diagnostic, error) {
	var bodies [3]map[string]any
	for n, o := range []*providers.Object{desired, recorded, live} {
		if o == nil {
			continue
		}
		var err error
		if bodies[n], err = split(o.Body); err != nil {
			return nil, nil, nil, err
		}
	}
	p := proposal{addr: desired.Addr, unknown: slices.Clone(desired.Unknown)}
	merged, err := p.block(body, "", bodies[0], bodies[1], bodies[2])
	if err != nil {
		return nil, nil, nil, err
	}
	planned := &providers.Object{Addr: desired.Addr, Type: desired.Type, Unknown: sorted(p.unknown)}
	if planned.Body, err = schema.AppendCanonical(nil, merged, nil); err != nil {
		return nil, nil, nil, err
	}
	known := slices.Clone(desired.Sensitive)
	if live != nil {
		planned.ID = live.ID
		known = append(known, live.Sensitive...)
	}
	planned.Sensitive = sensitive(body, planned.Body, known)
	return planned, p.replace, p.problems, nil
}

type proposal struct {
	addr     addrs.Instance
	unknown  []addrs.Path
	replace  []addrs.Path
	problems []providers.Diagnostic
}

// block merges one block; a nil live body is one that does not exist.
func (p *proposal) block(b *schema.Block, at addrs.Path, desired, recorded, live map[string]any) (map[string]any, error) {
	merged := make(map[string]any, len(desired)+len(live))
	for n := range b.Attributes {
		if a := &b.Attributes[n]; a.Local {
			p.local(a, at.Child(a.Name), merged, desired, recorded)
		} else {
			p.attribute(a, at.Child(a.Name), merged, desired, live)
		}
	}
	for n := range b.Blocks {
		nested := &b.Blocks[n]
		value, err := p.nested(nested, at.Child(nested.Name), desired[nested.Name], recorded[nested.Name], live[nested.Name])
		if err != nil {
			return nil, err
		}
		if value != nil {
			merged[nested.Name] = value
		}
	}
	return merged, nil
}

func (p *proposal) local(a *schema.Attribute, at addrs.Path, merged, desired, recorded map[string]any) {
	if v, ok := desired[a.Name]; ok {
		merged[a.Name] = v
	} else if v, ok := recorded[a.Name]; ok && a.Computed && !anyWithin(p.unknown, at) {
		merged[a.Name] = v
	}
}

func (p *proposal) attribute(a *schema.Attribute, at addrs.Path, merged, desired, live map[string]any) {
	want, wanted := desired[a.Name]
	is, there := live[a.Name]
	unknown := anyWithin(p.unknown, at)
	switch {
	case wanted || unknown:
		if wanted {
			merged[a.Name] = want
		}
		if !a.Replace || live == nil {
			return
		}
		if unknown {
			p.problems = append(p.problems, providers.Diagnostic{
				Severity: providers.SeverityError, Addr: p.addr, Path: at,
				Summary: at.String() + " must be known when planned",
				Detail:  "A change of it replaces the object, so it may not depend on what another step will find out.",
			})
		} else if !there || string(want.(json.RawMessage)) != string(is.(json.RawMessage)) {
			p.replace = append(p.replace, at)
		}
	case there:
		merged[a.Name] = is
	case live == nil && a.Computed:
		p.unknown = append(p.unknown, at)
	}
}

// nested merges a nested block. Of a labelled block, the labels are as
// desired; a list is as desired altogether.
func (p *proposal) nested(n *schema.Nested, at addrs.Path, desired, recorded, live any) (any, error) {
	if desired == nil {
		return live, nil
	}
	if n.Label == "" && !n.Single {
		return desired, nil
	}
	want, err := split(desired)
	if err != nil {
		return nil, err
	}
	was, err := split(recorded)
	if err != nil {
		return nil, err
	}
	is, err := split(live)
	if err != nil {
		return nil, err
	}
	if n.Single {
		return p.block(&n.Body, at, want, was, is)
	}
	for label := range want {
		value, err := p.label(n, at.Child(label), want[label], was[label], is[label])
		if err != nil {
			return nil, err
		}
		want[label] = value
	}
	return want, nil
}

func (p *proposal) label(n *schema.Nested, at addrs.Path, desired, recorded, live any) (any, error) {
	single := *n
	single.Single = true
	return p.nested(&single, at, desired, recorded, live)
}

// split reads the members of a canonical object without reading them; nil is
// no object.
func split(body any) (map[string]any, error) {
	var raw json.RawMessage
	switch b := body.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		raw = b
	case []byte:
		raw = b
	}
	if m, ok := splitCanonical(raw); ok {
		return m, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("reading a body: %w", err)
	}
	m := make(map[string]any, len(members))
	for name, v := range members {
		m[name] = v
	}
	return m, nil
}

// splitCanonical is split for what it can tell to be canonical without reading
// the values: several times faster, and most of what planning costs.
func splitCanonical(raw []byte) (map[string]any, bool) {
	if len(raw) < 2 || raw[0] != '{' || raw[len(raw)-1] != '}' {
		return nil, false
	}
	m := make(map[string]any, 16)
	if len(raw) == 2 {
		return m, true
	}
	for at := 1; ; {
		key := at + 1
		for at = key; at < len(raw) && raw[at] != '"'; at++ {
			if raw[at] == '\\' {
				return nil, false
			}
		}
		if raw[key-1] != '"' || at+2 >= len(raw) || raw[at+1] != ':' {
			return nil, false
		}
		value := at + 2
		end, ok := valueEnd(raw, value)
		if !ok {
			return nil, false
		}
		m[string(raw[key:at])] = json.RawMessage(raw[value:end:end])
		if end == len(raw)-1 {
			return m, true
		}
		if raw[end] != ',' {
			return nil, false
		}
		at = end + 1
	}
}

// valueEnd finds where a value ends: at the comma or brace behind it.
func valueEnd(raw []byte, at int) (int, bool) {
	depth := 0
	for ; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			for at++; at < len(raw) && raw[at] != '"'; at++ {
				if raw[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return at, true
			}
		case '}', ']':
			if depth == 0 {
				return at, true
			}
			depth--
		case ' ', '\n', '\t', '\r':
			return 0, false
		}
	}
	return 0, false
}

// anyWithin reports whether a path lies at or below a place, or above it.
func anyWithin(paths []addrs.Path, at addrs.Path) bool {
	return slices.ContainsFunc(paths, func(p addrs.Path) bool { return p.Within(at) || at.Within(p) })
}

func without(paths []addrs.Path, at addrs.Path) []addrs.Path {
	return slices.DeleteFunc(slices.Clone(paths), func(p addrs.Path) bool { return p.Within(at) })
}

func sorted(paths []addrs.Path) []addrs.Path {
	slices.Sort(paths)
	return slices.Compact(paths)
}

// sensitive adds the places that the schema says are sensitive.
func sensitive(b *schema.Block, body []byte, known []addrs.Path) []addrs.Path {
	known = slices.Clone(known)
	for n := range b.Attributes {
		if a := &b.Attributes[n]; a.Sensitive {
			known = append(known, addrs.Path("").Child(a.Name))
		}
	}
	return sorted(known)
}
