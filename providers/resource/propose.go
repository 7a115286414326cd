package resource

import (
	"bytes"
	"cmp"
	"encoding/json"
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
	p := proposal{addr: desired.Addr, unknown: slices.Clone(desired.Unknown)}
	merged, err := p.block(body, "", desired.Body, bodyOf(recorded), bodyOf(live))
	if err != nil {
		return nil, nil, nil, err
	}
	planned := &providers.Object{Addr: desired.Addr, Type: desired.Type, Body: merged, Unknown: sorted(p.unknown)}
	known := desired.Sensitive
	if live != nil {
		planned.ID = live.ID
		if len(live.Sensitive) > 0 {
			known = slices.Concat(known, live.Sensitive)
		}
	}
	planned.Sensitive = sensitive(body, known)
	return planned, p.replace, p.problems, nil
}

func bodyOf(o *providers.Object) json.RawMessage {
	if o == nil {
		return nil
	}
	return o.Body
}

type proposal struct {
	addr     addrs.Instance
	unknown  []addrs.Path
	replace  []addrs.Path
	problems []providers.Diagnostic
}

// sides are the members of a body as it is wanted, remembered and found. Some
// of them are nil.
type sides struct{ desired, recorded, live []schema.Member }

// block merges one block; a nil live body is one that does not exist. What
// becomes as it is shares the bytes of live.
func (p *proposal) block(b *schema.Block, at addrs.Path, desired, recorded, live json.RawMessage) (json.RawMessage, error) {
	var buffer [4][24]schema.Member // more than most bodies have
	var s sides
	var err [3]error
	s.desired, err[0] = schema.Members(buffer[0][:0], desired)
	s.recorded, err[1] = schema.Members(buffer[1][:0], recorded)
	s.live, err[2] = schema.Members(buffer[2][:0], live)
	if err := cmp.Or(err[:]...); err != nil {
		return nil, err
	}
	merged := buffer[3][:0]
	for n := range b.Attributes {
		var m schema.Member
		if a := &b.Attributes[n]; a.Local {
			m = p.local(a, at, &s)
		} else {
			m = p.attribute(a, at, &s, live != nil)
		}
		if m.Value != nil {
			merged = append(merged, m)
		}
	}
	for n := range b.Blocks {
		nested := &b.Blocks[n]
		want, is := schema.Find(s.desired, nested.Name), schema.Find(s.live, nested.Name)
		value, err := p.nested(nested, at, want.Value, schema.Find(s.recorded, nested.Name).Value, is.Value)
		if err != nil {
			return nil, err
		}
		if value != nil {
			merged = append(merged, schema.Member{Name: either(want, is).Name, Value: value})
		}
	}
	slices.SortFunc(merged, compareMembers)
	if slices.EqualFunc(merged, s.live, equalMembers) && live != nil {
		return live, nil
	}
	return schema.AppendObject(make([]byte, 0, max(len(desired), len(live))+64), merged), nil
}

func compareMembers(a, b schema.Member) int { return bytes.Compare(a.Name, b.Name) }

func equalMembers(a, b schema.Member) bool {
	return bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value)
}

// either is the first of two members that is there.
func either(a, b schema.Member) schema.Member {
	if a.Value != nil {
		return a
	}
	return b
}

func (p *proposal) local(a *schema.Attribute, at addrs.Path, s *sides) schema.Member {
	if m := schema.Find(s.desired, a.Name); m.Value != nil {
		return m
	}
	if m := schema.Find(s.recorded, a.Name); m.Value != nil && a.Computed && !p.isUnknown(a, at) {
		return m
	}
	return schema.Member{}
}

// isUnknown spares the place of an attribute where nothing is unknown.
func (p *proposal) isUnknown(a *schema.Attribute, at addrs.Path) bool {
	return len(p.unknown) > 0 && at.Child(a.Name).MeetsAny(p.unknown)
}

func (p *proposal) attribute(a *schema.Attribute, at addrs.Path, s *sides, exists bool) schema.Member {
	want, is := schema.Find(s.desired, a.Name), schema.Find(s.live, a.Name)
	unknown := p.isUnknown(a, at)
	switch {
	case want.Value != nil || unknown:
		if !a.Replace || !exists {
			return want
		}
		if unknown {
			place := at.Child(a.Name)
			p.problems = append(p.problems, providers.Diagnostic{
				Severity: providers.SeverityError, Addr: p.addr, Path: place,
				Summary: place.String() + " must be known when planned",
				Detail:  "A change of it replaces the object, so it may not depend on what another step will find out.",
			})
		} else if !bytes.Equal(want.Value, is.Value) {
			p.replace = append(p.replace, at.Child(a.Name))
		}
		return want
	case is.Value != nil:
		return is
	case !exists && a.Computed:
		p.unknown = append(p.unknown, at.Child(a.Name))
	}
	return schema.Member{}
}

// nested merges a nested block. Of a labelled block, the labels are as
// desired; a list is as desired altogether. Its place lies in at.
func (p *proposal) nested(n *schema.Nested, at addrs.Path, desired, recorded, live json.RawMessage) (json.RawMessage, error) {
	switch {
	case desired == nil:
		return live, nil
	case n.Single:
		return p.block(&n.Body, at.Child(n.Name), desired, recorded, live)
	case n.Label == "":
		return desired, nil
	}
	labels, err := schema.Members(nil, desired)
	if err != nil {
		return nil, err
	}
	for i := range labels {
		label := string(labels[i].Name)
		if labels[i].Value, err = p.block(&n.Body, at.Child(n.Name).Child(label), labels[i].Value, schema.ValueOf(recorded, label), schema.ValueOf(live, label)); err != nil {
			return nil, err
		}
	}
	return schema.AppendObject(nil, labels), nil
}

func without(paths []addrs.Path, at addrs.Path) []addrs.Path {
	return slices.DeleteFunc(slices.Clone(paths), func(p addrs.Path) bool { return p.Within(at) })
}

func sorted(paths []addrs.Path) []addrs.Path {
	slices.Sort(paths)
	return slices.Compact(paths)
}

// sensitive adds the places that the schema says are sensitive.
func sensitive(b *schema.Block, known []addrs.Path) []addrs.Path {
	known = slices.Clone(known)
	for n := range b.Attributes {
		if a := &b.Attributes[n]; a.Sensitive {
			known = append(known, addrs.Path("").Child(a.Name))
		}
	}
	return sorted(known)
}
