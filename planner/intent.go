package planner

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"accord/lang/schema"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// openIntents gives every object what was begun of it without a known end. One
// that neither the configuration nor the state knows any more is looked for all
// the same: it may be there, and then it is ours.
func (m *making) openIntents() {
	for _, in := range m.req.State.Open {
		addr := in.Addr
		for _, move := range m.plan.Moves {
			if move.From == addr {
				addr = move.To
			}
		}
		o := m.object(addr)
		if o == nil {
			provider, typ, instance := m.typeOf(addr.Type)
			if typ == nil || instance {
				continue
			}
			o = &object{addr: addr, provider: provider, typ: typ}
			m.add(o)
		}
		if o.desired == nil && o.recorded == nil && in.Object != nil {
			begun := *in.Object
			begun.Addr, begun.ID = addr, in.ID
			o.recorded = &begun
		}
		o.open = append(o.open, in)
	}
}

// readElsewhere looks once more for those that were not found, under every other
// identity that they may have: as something begun would have made them, and as
// the configuration says. What was made is ours, whatever it is called by now.
func (m *making) readElsewhere(ctx context.Context, read []*object, failed map[*object]*providers.Error) {
	others := map[*object][]*providers.Object{}
	for _, o := range read {
		if o.missing && failed[o] == nil {
			others[o] = o.otherQuestions()
		}
	}
	for {
		var again []*object
		for _, o := range read {
			if list := others[o]; len(list) > 0 && failed[o] == nil && o.missing {
				o.elsewhere, others[o] = list[0], list[1:]
				o.missing = false
				again = append(again, o)
			}
		}
		if len(again) == 0 {
			break
		}
		maps.Copy(failed, m.read(ctx, again, m.around, nil))
	}
	for _, o := range read {
		o.elsewhere = nil
	}
}

// otherQuestions are all by which an object may be found, but for the first.
func (o *object) otherQuestions() []*providers.Object {
	asked := o.question()
	var list []*providers.Object
	add := func(q *providers.Object) {
		if string(q.Body) != string(asked.Body) {
			list = append(list, q)
		}
	}
	for _, in := range o.open {
		if in.Object != nil && in.Action != string(providers.Remove) {
			begun := remembered(in.Object)
			begun.Addr, begun.ID = o.addr, "" // by its identity
			add(begun)
		}
	}
	if o.desired != nil && o.moved() {
		add(boundary(o.addr, o.typ.Name, "", o.desired.Object))
	}
	return list
}

// moved reports whether the configuration asks for another object than the one
// that is remembered: that one is looked for first.
func (o *object) moved() bool {
	if o.recorded == nil || o.adrift {
		return false
	}
	for _, e := range o.forcing() {
		if !e.Sensitive {
			return true
		}
	}
	return false
}

// forcing lists what differs in the configuration, of what makes another object.
func (o *object) forcing() []plan.Edit {
	var buffer [2][24]schema.Member // more than most bodies have
	was, _ := schema.Members(buffer[0][:0], o.recorded.Body)
	is, _ := schema.Members(buffer[1][:0], o.desired.Object.Body)
	names := flagged(o.typ, func(a *schema.Attribute) bool {
		return a.Replace && slices.Contains(o.typ.Identity, a.Name) && !bytes.Equal(schema.Find(was, a.Name).Value, schema.Find(is, a.Name).Value)
	})
	if len(names) == 0 {
		return nil
	}
	edits, _ := plan.Diff(plan.With(nil, o.recorded.Body, names...), plan.With(nil, o.desired.Object.Body, names...), o.desired.Object.Unknown, nil)
	return slices.DeleteFunc(edits, func(e plan.Edit) bool { return e.Unknown })
}

// resolve finds out, from what was read, what came of what was begun: done, and
// then it is remembered as intended; or not, and then it is planned again.
// Neither is a change that somebody made outside.
func (m *making) resolve(o *object) {
	if o.left {
		return
	}
	for _, in := range o.open {
		line := plan.Resolved{Addr: o.addr, Action: providers.Action(in.Action), At: in.At, Found: plan.NotDone}
		switch {
		case in.Action == string(providers.Remove):
			if o.missing {
				line.Found = plan.WasDone
			}
		case o.live != nil && in.Object != nil && o.as(in.Object):
			line.Found = plan.WasDone
			intended := *in.Object
			intended.Addr, intended.ID = o.addr, o.live.ID
			o.recorded = &intended
		case o.live != nil && in.Object != nil && (o.recorded == nil || in.Action == string(providers.Replace)):
			line.Found = plan.HalfDone
			intended := *in.Object
			intended.Addr, intended.ID = o.addr, o.live.ID
			o.recorded = &intended // made by us, and not finished
		case o.missing && o.recorded != nil, o.live != nil && o.recorded != nil && !o.as(o.recorded):
			line.Found = plan.HalfDone
		}
		m.plan.Resolved = append(m.plan.Resolved, line)
	}
	if len(o.open) > 0 && o.recorded != nil && o.desired == nil {
		o.removal = m.removalOf(o)
	}
}

// as reports whether the object is as an entry says, apart from what is
// volatile, accord's own, or not kept.
func (o *object) as(entry *state.Object) bool {
	skip := flagged(o.typ, func(a *schema.Attribute) bool { return a.Volatile || a.Local })
	want := remembered(entry)
	want.Body = plan.Without(entry.Body, skip...)
	got := *o.live
	got.Body = plan.Without(o.live.Body, skip...)
	return len(refinement(want, &got)) == 0
}
