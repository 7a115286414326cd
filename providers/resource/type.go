package resource

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// Type is a resource type whose bodies are Ts. Name, Doc, Removal and Read are
// required; Create and Update for what can be written, Remove unless the
// removal is to forget. Functions get a batch and answer each item of it; they
// may be called concurrently.
type Type[T any] struct {
	Name     string
	Doc      string // one paragraph, for the reference page
	Version  int    // of the recorded form
	Identity []string
	Removal  schema.Removal
	Removals []schema.Removal // what else a removed block may ask for

	// Validate checks the objects of this type against each other and against
	// env.Refs, which holds all objects, with Warn and Refuse. No calls.
	Validate func(env *Env, items []*Item[T])

	// Read finds each item by its ID, else by its identity. With AsRecorded, an item
	// is as it is recorded, where it is; of one that is not, no local attribute is
	// told.
	Read       func(ctx context.Context, env *Env, items []*Item[T])
	AsRecorded bool

	// Plan amends the kit's proposals. No side effects.
	Plan func(ctx context.Context, env *Env, changes []*Change[T])

	// Create makes what is not there. It is idempotent: what is there already
	// after all, by its identity, is taken and made as planned.
	Create func(ctx context.Context, env *Env, changes []*Change[T])

	// Update makes what is there as planned. What already is, is not given.
	Update func(ctx context.Context, env *Env, changes []*Change[T])

	// Remove does what the word of the change says, never forget. It is
	// idempotent: what is gone already is Gone.
	Remove func(ctx context.Context, env *Env, changes []*Change[T])

	// List finds all objects of the type on an instance.
	List func(ctx context.Context, env *Env, instance addrs.Instance) iter.Seq2[Found[T], error]
}

// Found is an object that List found; with Left, one of which no block can be
// made, and why.
type Found[T any] struct {
	ID   string
	Body T
	Left string
}

// Resource is a Type of any T.
type Resource interface {
	assemble() *resource
}

// resource is a Type without its T.
type resource struct {
	schema   schema.Type
	looks    bool     // validates objects beyond what they say alone
	refers   []string // to objects of these types
	validate func(*Env, []providers.Object) []providers.Diagnostic
	read     func(context.Context, *Env, []providers.Object) []providers.Result
	plan     func(context.Context, *Env, []providers.PlanItem) []providers.PlanResponse
	apply    func(context.Context, *Env, []providers.ApplyItem) []providers.Result
	list     func(context.Context, *Env, addrs.Instance) iter.Seq2[providers.Found, error]
}

func (t Type[T]) assemble() *resource {
	c := newCodec(reflect.TypeFor[T]())
	if t.Read == nil {
		panic("resource: " + t.Name + " has no Read")
	}
	for _, name := range t.Identity {
		if c.body.Attribute(name) == nil {
			panic("resource: " + t.Name + " has no attribute " + name + " for its identity")
		}
	}
	return &resource{
		looks:  t.Validate != nil,
		refers: refersTo(&c.body),
		schema: schema.Type{Name: t.Name, Doc: t.Doc, Body: c.body, Version: t.Version, Identity: t.Identity, Removal: t.Removal, Removals: t.Removals, AsRecorded: t.AsRecorded, Listed: t.List != nil},
		validate: func(env *Env, objects []providers.Object) []providers.Diagnostic {
			return validate(c, env, objects, t.Validate)
		},
		read: func(ctx context.Context, env *Env, objects []providers.Object) []providers.Result {
			return answer(ctx, c, env, objects, t.Read)
		},
		plan: func(ctx context.Context, env *Env, items []providers.PlanItem) []providers.PlanResponse {
			return t.planned(ctx, c, env, items)
		},
		apply: func(ctx context.Context, env *Env, items []providers.ApplyItem) []providers.Result {
			return t.applied(ctx, c, env, items)
		},
		list: func(ctx context.Context, env *Env, instance addrs.Instance) iter.Seq2[providers.Found, error] {
			return t.listed(ctx, c, env, instance)
		},
	}
}

// refersTo lists the types that a body may refer to.
func refersTo(b *schema.Block) (types []string) {
	for n := range b.Attributes {
		types = append(types, b.Attributes[n].Refers...)
	}
	for n := range b.Blocks {
		types = append(types, refersTo(&b.Blocks[n].Body)...)
	}
	return types
}

func validate[T any](c *codec, env *Env, objects []providers.Object, check func(*Env, []*Item[T])) []providers.Diagnostic {
	if check == nil {
		return readable[T](objects)
	}
	all, open := items[T](c, objects)
	if len(open) > 0 {
		if err := protect(func() { check(env, open) }); err != nil {
			return []providers.Diagnostic{{Severity: providers.SeverityError, Addr: open[0].Addr, Summary: err.Message, Detail: err.Stack}}
		}
	}
	var problems []providers.Diagnostic
	for _, i := range all {
		problems = append(problems, i.diagnostics...)
		if i.result.Err != nil {
			problems = append(problems, providers.Diagnostic{Severity: providers.SeverityError, Addr: i.Addr, Path: i.result.Err.Path, Summary: i.result.Err.Message})
		}
	}
	return problems
}

// readable reports bodies that cannot be read, and keeps none.
func readable[T any](objects []providers.Object) []providers.Diagnostic {
	var problems []providers.Diagnostic
	for n := range objects {
		if _, err := decode[T](&objects[n]); err != nil {
			e := asError(err, "reading", objects[n].Addr, providers.Transient)
			problems = append(problems, providers.Diagnostic{Severity: providers.SeverityError, Addr: objects[n].Addr, Path: e.Path, Summary: e.Message})
		}
	}
	return problems
}

// answer runs a function that finds what is there over a batch.
func answer[T any](ctx context.Context, c *codec, env *Env, objects []providers.Object, find func(context.Context, *Env, []*Item[T])) []providers.Result {
	all, open := items[T](c, objects)
	if len(open) > 0 {
		run(ctx, env, open, find)
	}
	results := make([]providers.Result, len(all))
	for n, i := range all {
		results[n] = i.finish()
	}
	return results
}

func (t *Type[T]) planned(ctx context.Context, c *codec, env *Env, items []providers.PlanItem) []providers.PlanResponse {
	changes := make([]*Change[T], len(items))
	for n, item := range items {
		ch := &Change[T]{Addr: item.Addr, Removal: item.Removal, codec: c, live: item.Live}
		changes[n] = ch
		if item.Live != nil {
			ch.ID = item.Live.ID
		}
		if item.Desired != nil {
			var err error
			ch.desired, ch.recorded = item.Desired, item.Recorded
			ch.planned, ch.response.Replace, ch.response.Diagnostics, err = propose(&c.body, item.Desired, item.Recorded, item.Live)
			if err != nil {
				ch.Refuse("", "", "planning: "+err.Error(), "")
			}
			if len(ch.response.Replace) > 0 {
				ch.anew()
			}
		}
		if t.Plan == nil {
			continue
		}
		if err := decodeAll(
			into(&ch.Desired, item.Desired), into(&ch.Recorded, item.Recorded), into(&ch.Live, item.Live), into(&ch.Planned, ch.planned),
		); err != nil {
			ch.Refuse("", "", err.Error(), "")
		}
	}
	if t.Plan != nil {
		run(ctx, env, changes, t.Plan)
	}
	responses := make([]providers.PlanResponse, len(changes))
	for n, ch := range changes {
		if ch.result.Err != nil {
			ch.Diagnose(providers.Diagnostic{Severity: providers.SeverityError, Summary: ch.result.Err.Error(), Detail: ch.result.Err.Advice})
		}
		ch.response.Planned = ch.planned
		responses[n] = ch.response
	}
	return responses
}

func (t *Type[T]) applied(ctx context.Context, c *codec, env *Env, items []providers.ApplyItem) []providers.Result {
	changes := make([]*Change[T], len(items))
	for n, item := range items {
		ch := &Change[T]{Addr: item.Addr, Action: item.Action, Removal: item.Removal, codec: c, live: item.Live, planned: item.Planned}
		changes[n] = ch
		switch {
		case item.Live != nil:
			ch.ID = item.Live.ID
		case item.Recorded != nil && item.Action == providers.Remove:
			ch.ID, ch.live = item.Recorded.ID, item.Recorded
		}
		switch err := decodeAll(into(&ch.Recorded, item.Recorded), into(&ch.Live, item.Live), into(&ch.Planned, item.Planned)); {
		case err != nil:
			ch.Fail(err)
		case env.ReadOnly() && item.Action != providers.NoAction:
			ch.Fail(providers.Errorf(providers.Refused, "this client only reads"))
		default:
			ch.settle()
		}
	}
	replace := open(changes, providers.Replace)
	for _, ch := range replace {
		ch.Action, ch.Removal = providers.Remove, schema.Delete
	}
	t.do(ctx, env, t.Remove, open(changes, providers.Remove))
	replace = slices.DeleteFunc(replace, func(ch *Change[T]) bool { return ch.result.Err != nil })
	for _, ch := range replace {
		*ch = Change[T]{Addr: ch.Addr, Action: providers.Create, codec: c, planned: ch.planned, Recorded: ch.Recorded, Planned: ch.Planned}
	}
	t.do(ctx, env, t.Create, open(changes, providers.Create))
	for _, ch := range replace {
		ch.result.Missing = ch.result.Err != nil && ch.result.Object == nil && !unclear(ch.result.Err)
	}
	t.do(ctx, env, t.Update, open(changes, providers.Update, providers.Adopt))

	results := make([]providers.Result, len(changes))
	for n, ch := range changes {
		if !ch.answered {
			ch.Fail(providers.Errorf(providers.Internal, "the provider gave no answer"))
		}
		results[n] = ch.result
	}
	return results
}

// unclear reports whether it may have been done in spite of an error.
func unclear(err *providers.Error) bool {
	return err.Kind == providers.Ambiguous || err.Kind == providers.Internal
}

// settle answers a change that asks for nothing of the system.
func (c *Change[T]) settle() {
	switch {
	case c.Action == providers.Remove && c.Removal == schema.Forget:
		c.Gone()
	case c.planned == nil && c.Action != providers.Remove:
		c.Fail(providers.Errorf(providers.Internal, "there is no plan to apply"))
	case c.Action == providers.NoAction, (c.Action == providers.Update || c.Action == providers.Adopt) && c.asPlanned():
		o := *c.planned
		o.ID = c.ID
		c.answered, c.result = true, providers.Result{Object: &o}
	}
}

// notCompared are attributes that no system is asked to change.
func notCompared(a *schema.Attribute) bool { return a.Local || a.Volatile }

// asPlanned reports whether nothing differs that a system could change.
func (c *Change[T]) asPlanned() bool {
	if c.live == nil || len(c.planned.Unknown) > 0 {
		return false
	}
	body := c.planned.Body
	if has(&c.codec.body, notCompared) {
		var err error
		if body, err = taking(&c.codec.body, notCompared, body, c.live); err != nil {
			return false
		}
	}
	return string(body) == string(c.live.Body)
}

func (t *Type[T]) do(ctx context.Context, env *Env, f func(context.Context, *Env, []*Change[T]), changes []*Change[T]) {
	if len(changes) == 0 {
		return
	}
	if f == nil {
		for _, ch := range changes {
			ch.Fail(providers.Errorf(providers.Invalid, "%s %s is not something this provider does", ch.verb(), t.Name))
		}
		return
	}
	run(ctx, env, changes, f)
}

// open returns the changes of some actions that still need an answer.
func open[T any](changes []*Change[T], actions ...providers.Action) []*Change[T] {
	var some []*Change[T]
	for _, ch := range changes {
		for _, a := range actions {
			if ch.Action == a && !ch.answered {
				some = append(some, ch)
			}
		}
	}
	return some
}

func (t *Type[T]) listed(ctx context.Context, c *codec, env *Env, instance addrs.Instance) iter.Seq2[providers.Found, error] {
	return func(yield func(providers.Found, error) bool) {
		if t.List == nil {
			yield(providers.Found{}, providers.Errorf(providers.Invalid, "objects of type %s cannot be listed", t.Name))
			return
		}
		elsewhere := false // a panic of whom we yield to is not ours
		defer func() {
			if elsewhere {
				return
			}
			if v := recover(); v != nil {
				yield(providers.Found{}, providers.Panicked(v))
			}
		}()
		for found, err := range t.List(ctx, env, instance) {
			o := &providers.Object{Type: t.Name, ID: found.ID}
			if err == nil && found.Left == "" {
				o, err = c.object(o, found.ID, &found.Body, nil)
			}
			elsewhere = true
			if err != nil {
				yield(providers.Found{}, asError(err, "listing "+t.Name, addrs.Instance{}, providers.Transient))
				return
			}
			if !yield(providers.Found{Object: *o, Left: found.Left}, nil) {
				return
			}
			elsewhere = false
		}
	}
}

// Each makes a batch function of one for a single item, called for up to limit
// items at once, as Spread does. A panic is the error of its item alone.
func Each[E interface{ crashed(*providers.Error) }](limit int, f func(ctx context.Context, env *Env, item E)) func(context.Context, *Env, []E) {
	return func(ctx context.Context, env *Env, items []E) {
		Spread(limit, len(items), func(n int) {
			if err := protect(func() { f(ctx, env, items[n]) }); err != nil {
				items[n].crashed(err)
			}
		})
	}
}

// run calls a batch function; a panic answers what it left unanswered.
func run[E interface{ crashed(*providers.Error) }](ctx context.Context, env *Env, items []E, f func(context.Context, *Env, []E)) {
	if err := protect(func() { f(ctx, env, items) }); err != nil {
		for _, i := range items {
			i.crashed(err)
		}
	}
}

// protect turns a panic into an error with its stack as trace.
func protect(f func()) (err *providers.Error) {
	defer func() {
		if v := recover(); v != nil {
			err = providers.Panicked(v)
		}
	}()
	f()
	return nil
}

func into[T any](v **T, o *providers.Object) func() error {
	return func() (err error) {
		*v, err = decode[T](o)
		return err
	}
}

func decodeAll(decoders ...func() error) error {
	for _, d := range decoders {
		if err := d(); err != nil {
			return err
		}
	}
	return nil
}

// asError gives an error what it lacks: an operation, an address, a kind.
func asError(err error, op string, addr addrs.Instance, ended providers.Kind) *providers.Error {
	var e *providers.Error
	switch {
	case errors.As(err, &e):
		whole := *e
		e = &whole
		if _, direct := err.(*providers.Error); !direct {
			e.Op, e.Message, e.Trace = "", err.Error(), "" // the message says it, too
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = providers.Errorf(ended, "%v", err)
	default:
		e = providers.Errorf(providers.Internal, "%v", err)
	}
	if e.Op == "" {
		e.Op = op
	}
	if e.Addr.IsZero() {
		e.Addr = addr
	}
	return e
}
