package resource

import (
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// Item is one object of a batch to validate, connect or read. A function that
// reads must call Found, Missing or Fail on each; one it leaves alone is
// answered with an internal error, for doubt is not absence.
type Item[T any] struct {
	Addr addrs.Instance
	ID   string // as recorded; "" when it must be found by its identity
	Want *T     // as configured or recorded; what is Unknown is zero here

	Unknown []addrs.Path

	codec       *codec
	object      *providers.Object
	result      providers.Result
	answered    bool
	diagnostics []providers.Diagnostic
}

// Found answers with what is there.
func (i *Item[T]) Found(id string, now T) {
	o, err := i.codec.object(i.object, id, &now, i.object)
	if err != nil {
		i.Fail(err)
		return
	}
	i.answered = true
	i.result = providers.Result{Object: o}
}

// Touch adds who touched it last to the answer; nil adds nothing.
func (i *Item[T]) Touch(t *providers.Touch) { i.result.Touched = t }

// Missing answers that it is certainly not there.
func (i *Item[T]) Missing() {
	i.answered = true
	i.result = providers.Result{Missing: true}
}

// Fail answers with an error. One without a kind becomes Internal.
func (i *Item[T]) Fail(err error) {
	i.answered = true
	i.result = providers.Result{Err: asError(err, "reading", i.Addr, providers.Transient)}
}

// Warn adds a warning at a place of the body, beside the answer or, in
// Validate, alone.
func (i *Item[T]) Warn(code string, at addrs.Path, summary, detail string) {
	i.diagnose(providers.SeverityWarning, code, at, summary, detail)
}

// Refuse adds an error at a place of the body. Only Validate hears it.
func (i *Item[T]) Refuse(code string, at addrs.Path, summary, detail string) {
	i.diagnose(providers.SeverityError, code, at, summary, detail)
}

// IsUnknown reports whether a place of the body, or one within it, is not
// known yet.
func (i *Item[T]) IsUnknown(at addrs.Path) bool { return at.MeetsAny(i.Unknown) }

func (i *Item[T]) diagnose(s providers.Severity, code string, at addrs.Path, summary, detail string) {
	i.diagnostics = append(i.diagnostics, providers.Diagnostic{
		Severity: s, Code: code, Addr: i.Addr, Path: at, Summary: summary, Detail: detail,
	})
}

func (i *Item[T]) crashed(err *providers.Error) {
	if !i.answered {
		i.Fail(err)
	}
}

func (i *Item[T]) finish() providers.Result {
	if !i.answered {
		i.Fail(providers.Errorf(providers.Internal, "the provider gave no answer"))
	}
	i.result.Diagnostics = i.diagnostics
	if o := i.result.Object; o != nil && same(i.object, o) {
		i.result.Object, i.result.Same = nil, true
	}
	return i.result
}

func same(asked, found *providers.Object) bool {
	return asked.ID == found.ID && string(asked.Body) == string(found.Body) && len(asked.Unknown) == 0
}

// items wraps a batch; an item whose body cannot be read is answered already
// and not among the second result.
func items[T any](c *codec, objects []providers.Object) (all, open []*Item[T]) {
	all = make([]*Item[T], len(objects))
	for n := range objects {
		o := &objects[n]
		i := &Item[T]{Addr: o.Addr, ID: o.ID, Unknown: o.Unknown, codec: c, object: o}
		all[n] = i
		var err error
		if i.Want, err = decode[T](o); err != nil {
			i.Fail(err)
			continue
		}
		open = append(open, i)
	}
	return all, open
}

// object makes the object of an answer: now, with the local attributes of
// another body of the same object.
func (c *codec) object(of *providers.Object, id string, now any, local *providers.Object) (*providers.Object, error) {
	body, err := c.encode(now)
	if err != nil {
		return nil, providers.Errorf(providers.Internal, "writing the body of a %s: %v", of.Type, err)
	}
	if has(&c.body, isLocal) {
		if body, err = taking(&c.body, isLocal, body, local); err != nil {
			return nil, err
		}
	}
	o := &providers.Object{Addr: of.Addr, Type: of.Type, ID: id, Body: body}
	o.Sensitive = sensitive(&c.body, of.Sensitive)
	return o, nil
}

func isLocal(a *schema.Attribute) bool { return a.Local }

func has(b *schema.Block, flag func(*schema.Attribute) bool) bool {
	for n := range b.Attributes {
		if flag(&b.Attributes[n]) {
			return true
		}
	}
	return false
}

// taking is a body with some attributes as another object has them.
func taking(b *schema.Block, flag func(*schema.Attribute) bool, body []byte, from *providers.Object) ([]byte, error) {
	members, err := schema.Members(nil, body)
	if err != nil {
		return nil, err
	}
	kept, err := schema.Members(nil, bodyOf(from))
	if err != nil {
		return nil, err
	}
	flagged := func(m schema.Member) bool {
		a := b.Attribute(string(m.Name))
		return a != nil && flag(a)
	}
	members = slices.DeleteFunc(members, flagged)
	for _, m := range kept {
		if flagged(m) {
			members = append(members, m)
		}
	}
	slices.SortFunc(members, compareMembers)
	return schema.AppendObject(nil, members), nil
}
