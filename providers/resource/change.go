package resource

import (
	"fmt"
	"reflect"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// Change is one object of a batch to plan or apply.
//
// In Plan, Planned is the kit's proposal; the function may amend it with Set
// and MarkUnknown, and say more with the other methods. In Create, Update and
// Remove, the function must call Done, Gone or Fail on each.
type Change[T any] struct {
	Addr    addrs.Instance
	Action  providers.Action // of apply: Create for Create, and so on
	Removal schema.Removal   // with Planned nil: the word that holds
	ID      string           // of what exists; "" when nothing does

	Desired  *T // as configured; nil: the block is gone. Nil in apply
	Recorded *T // as remembered; nil: not in the state
	Live     *T // as read; nil: not there
	Planned  *T // as it will be; nil: it will be remembered no more

	codec    *codec
	desired  *providers.Object // plan only, as is recorded
	recorded *providers.Object
	live     *providers.Object
	planned  *providers.Object
	response providers.PlanResponse
	result   providers.Result
	answered bool
}

// Subject is what a change is about: the object as it will be, or, where it is
// removed, as it was.
func (c *Change[T]) Subject() *T {
	switch {
	case c.Action != providers.Remove:
		return c.Planned
	case c.Live != nil:
		return c.Live
	}
	return c.Recorded
}

// Set amends an attribute of the plan, such as one that follows from others
// when it is left out; a nil value leaves it out. Planned is not read again.
func (c *Change[T]) Set(name string, value any) {
	members, err := schema.Members(nil, c.planned.Body)
	if err != nil {
		panic(err)
	}
	members = slices.DeleteFunc(members, func(m schema.Member) bool { return string(m.Name) == name })
	if v := reflect.ValueOf(value); v.IsValid() && !(nilable(v.Type()) && v.IsNil()) {
		written, err := c.codec.member(name, v)
		if err != nil {
			panic(err)
		}
		members = append(members, written...)
		slices.SortFunc(members, compareMembers)
	}
	c.planned.Body = schema.AppendObject(nil, members)
	c.planned.Unknown = without(c.planned.Unknown, addrs.Path("").Child(name))
}

// MarkUnknown says that an attribute will be known after apply only.
func (c *Change[T]) MarkUnknown(name string) {
	c.Set(name, nil)
	c.planned.Unknown = sorted(append(c.planned.Unknown, addrs.Path("").Child(name)))
}

// ReplaceFor says that the object must be replaced, because of a place. The
// proposal becomes that of a new object, so call it before Set.
func (c *Change[T]) ReplaceFor(at addrs.Path) {
	c.response.Replace = append(c.response.Replace, at)
	c.anew()
}

// anew proposes a new object in place of the live one.
func (c *Change[T]) anew() {
	if planned, _, _, err := propose(&c.codec.body, c.desired, c.recorded, nil); err == nil {
		c.planned = planned
	}
}

// Consequence says in words what follows from the change.
func (c *Change[T]) Consequence(format string, args ...any) {
	c.response.Consequences = append(c.response.Consequences, fmt.Sprintf(format, args...))
}

// AfterStep says that another step must be done first, beyond references.
func (c *Change[T]) AfterStep(step providers.Ref) { c.response.After = append(c.response.After, step) }

// Warn adds a warning at a place of the body.
func (c *Change[T]) Warn(code string, at addrs.Path, summary, detail string) {
	c.Diagnose(providers.Diagnostic{Severity: providers.SeverityWarning, Code: code, Path: at, Summary: summary, Detail: detail})
}

// Refuse adds an error at a place of the body; it refuses the plan.
func (c *Change[T]) Refuse(code string, at addrs.Path, summary, detail string) {
	c.Diagnose(providers.Diagnostic{Severity: providers.SeverityError, Code: code, Path: at, Summary: summary, Detail: detail})
}

// Diagnose adds a diagnostic about this object.
func (c *Change[T]) Diagnose(d providers.Diagnostic) {
	d.Addr = c.Addr
	c.response.Diagnostics = append(c.response.Diagnostics, d)
}

// IsUnknown reports whether a place of the planned body, or one within it, is
// not known yet.
func (c *Change[T]) IsUnknown(at addrs.Path) bool {
	return c.planned != nil && at.MeetsAny(c.planned.Unknown)
}

// Changed reports whether an attribute or block of the plan differs from what
// is there.
func (c *Change[T]) Changed(name string) bool {
	return member(c.live, name) != member(c.planned, name) || c.IsUnknown(addrs.Path("").Child(name))
}

// Done answers with what exists now.
func (c *Change[T]) Done(id string, now T) { c.finishWith(id, &now, nil) }

// Fail answers with an error; what exists now is not known, or nothing does.
// An error without a kind becomes Internal, an ended context Ambiguous.
func (c *Change[T]) Fail(err error) {
	c.answered = true
	c.result = providers.Result{Err: asError(err, c.verb(), c.Addr, providers.Ambiguous)}
}

// Gone answers that a removal is done, whatever its word left in place.
func (c *Change[T]) Gone() {
	c.answered = true
	c.result = providers.Result{}
}

// Note adds a warning beside the answer of an apply.
func (c *Change[T]) Note(summary, detail string) {
	c.result.Diagnostics = append(c.result.Diagnostics, providers.Diagnostic{
		Severity: providers.SeverityWarning, Addr: c.Addr, Summary: summary, Detail: detail,
	})
}

func (c *Change[T]) finishWith(id string, now *T, failure *providers.Error) {
	of := c.planned
	if of == nil {
		of = c.live
	}
	o, err := c.codec.object(of, id, now, of)
	if err != nil {
		c.Fail(err)
		return
	}
	c.answered = true
	c.result.Object, c.result.Err = o, failure
}

func (c *Change[T]) crashed(err *providers.Error) {
	if !c.answered {
		c.Fail(err)
	}
}

func (c *Change[T]) verb() string {
	switch c.Action {
	case providers.Create:
		return "creating"
	case providers.Remove:
		return "removing"
	case "":
		return "planning"
	default:
		return "updating"
	}
}

func member(o *providers.Object, name string) string { return string(schema.ValueOf(bodyOf(o), name)) }
