package resource

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"

	"accord/lang/schema"
	"accord/providers"
)

// Provider is what New assembles a provider of.
type Provider struct {
	Name    string
	Version string

	Instances []Connectable
	Resources []Resource

	// Validate checks objects of several types together, beyond what the types
	// check. Optional; no calls.
	Validate func(env *Env, objects []providers.Object) []providers.Diagnostic

	Streams []schema.Stream
	Syncer  Syncer // required with Streams

	// Seen says what was read beside what was asked for. Optional; no calls.
	Seen func(ctx context.Context) ([]providers.Seen, error)

	// Lacks says what may not be done, of all that it takes to read these objects
	// and to run what they ask for. Optional.
	Lacks func(ctx context.Context, objects []providers.Object) ([]providers.Lack, error)

	Close func() error // optional
}

// Syncer is the half of the contract that syncs need, as providers.Provider
// says. Write and Finish are not called on a client that only reads.
type Syncer interface {
	Syncs(ctx context.Context, changes []providers.Change) ([]providers.Sync, error)
	Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error]
	Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult
	Finish(ctx context.Context, run providers.Run) error
}

// Engine is what a Syncer also is whose systems have an engine of their own.
type Engine = providers.Engine

// New assembles a provider. It panics where the declaration is wrong: that is
// a mistake in the code, and a test that calls New finds it.
func New(p Provider) providers.Provider {
	a := &assembled{Provider: p, instances: map[string]*instance{}, resources: map[string]*resource{}}
	a.schema = schema.Provider{Name: p.Name, Version: p.Version, Streams: p.Streams}
	for _, c := range p.Instances {
		i := c.assembleInstance()
		a.declare(i.schema.Name)
		a.instances[i.schema.Name] = i
		a.schema.Instances = append(a.schema.Instances, i.schema)
	}
	for _, r := range p.Resources {
		t := r.assemble()
		a.declare(t.schema.Name)
		a.resources[t.schema.Name] = t
		a.schema.Resources = append(a.schema.Resources, t.schema)
	}
	if len(p.Streams) > 0 && p.Syncer == nil {
		panic("resource: provider " + p.Name + " has streams and no Syncer")
	}
	return a
}

type assembled struct {
	Provider
	schema    schema.Provider
	instances map[string]*instance
	resources map[string]*resource
	config    atomic.Pointer[providers.Config]
}

func (a *assembled) declare(name string) {
	if a.instances[name] != nil || a.resources[name] != nil {
		panic("resource: provider " + a.Name + " declares the type " + name + " twice")
	}
}

func (a *assembled) Schema(context.Context) (*schema.Provider, error) { return &a.schema, nil }

func (a *assembled) Validate(_ context.Context, objects []providers.Object) []providers.Diagnostic {
	env := &Env{}
	if a.looks() {
		env.Refs = make(providers.Refs, len(objects))
		for _, o := range objects {
			env.Refs[o.Addr] = o
		}
	}
	var problems []providers.Diagnostic
	groups := group(objects, func(o *providers.Object) string { return o.Type })
	for _, g := range groups {
		switch {
		case a.instances[g.key] != nil:
			problems = append(problems, a.instances[g.key].validate(env, pick(objects, g.at))...)
		case a.resources[g.key] != nil:
			problems = append(problems, a.resources[g.key].validate(env, pick(objects, g.at))...)
		default:
			for _, n := range g.at {
				problems = append(problems, providers.Diagnostic{Severity: providers.SeverityError, Addr: objects[n].Addr, Summary: a.unknownType(g.key).Message})
			}
		}
	}
	if a.Provider.Validate != nil {
		if err := protect(func() { problems = append(problems, a.Provider.Validate(env, objects)...) }); err != nil {
			problems = append(problems, providers.Diagnostic{Severity: providers.SeverityError, Summary: err.Message, Detail: err.Stack})
		}
	}
	return problems
}

// looks reports whether anything validates objects beyond what they say alone.
func (a *assembled) looks() bool {
	looks := a.Provider.Validate != nil
	for _, t := range a.instances {
		looks = looks || t.looks
	}
	for _, t := range a.resources {
		looks = looks || t.looks
	}
	return looks
}

func (a *assembled) Configure(ctx context.Context, config providers.Config) []providers.Result {
	if !a.config.CompareAndSwap(nil, &config) && a.config.Load().ReadOnly != config.ReadOnly {
		return fill(len(config.Instances), providers.Result{Err: providers.Errorf(providers.Internal, "the provider is configured already, and with other rights")})
	}
	env := &Env{Config: config}
	return each(config.Instances, func(o *providers.Object) string { return o.Type }, func(typ string, objects []providers.Object) []providers.Result {
		if a.instances[typ] == nil {
			return fill(len(objects), providers.Result{Err: a.unknownType(typ)})
		}
		return a.instances[typ].connect(ctx, env, objects)
	})
}

func (a *assembled) Read(ctx context.Context, req providers.ReadRequest) []providers.Result {
	env, err := a.env(a.among(req))
	if err != nil {
		return fill(len(req.Objects), providers.Result{Err: err})
	}
	env.Touched = req.Touched
	return each(req.Objects, func(o *providers.Object) string { return o.Type }, func(typ string, objects []providers.Object) []providers.Result {
		if a.resources[typ] == nil {
			return fill(len(objects), providers.Result{Err: a.unknownType(typ)})
		}
		return a.resources[typ].read(ctx, env, objects)
	})
}

// among is whom the objects of a request refer to, with themselves where they
// may refer to each other.
func (a *assembled) among(req providers.ReadRequest) providers.Refs {
	types := map[string]bool{}
	for n := range req.Objects {
		types[req.Objects[n].Type] = true
	}
	for typ := range types {
		r := a.resources[typ]
		if r == nil || !slices.ContainsFunc(r.refers, func(to string) bool { return types[to] }) {
			continue
		}
		refs := make(providers.Refs, len(req.Refs)+len(req.Objects))
		maps.Copy(refs, req.Refs)
		for _, o := range req.Objects {
			refs[o.Addr] = o
		}
		return refs
	}
	return req.Refs
}

func (a *assembled) Plan(ctx context.Context, req providers.PlanRequest) []providers.PlanResponse {
	refuse := func(n int, err *providers.Error) []providers.PlanResponse {
		return fill(n, providers.PlanResponse{Diagnostics: []providers.Diagnostic{{Severity: providers.SeverityError, Summary: err.Message}}})
	}
	env, err := a.env(req.Refs)
	if err != nil {
		return refuse(len(req.Items), err)
	}
	typeOf := func(i *providers.PlanItem) string { return firstType(i.Desired, i.Live, i.Recorded) }
	return each(req.Items, typeOf, func(typ string, items []providers.PlanItem) []providers.PlanResponse {
		if a.resources[typ] == nil {
			return refuse(len(items), a.unknownType(typ))
		}
		return a.resources[typ].plan(ctx, env, items)
	})
}

func (a *assembled) Seen(ctx context.Context) (seen []providers.Seen, err error) {
	if a.Provider.Seen == nil {
		return nil, nil
	}
	if crash := protect(func() { seen, err = a.Provider.Seen(ctx) }); crash != nil {
		return nil, crash
	}
	return seen, err
}

func (a *assembled) Lacks(ctx context.Context, objects []providers.Object) (lacks []providers.Lack, err error) {
	if a.Provider.Lacks == nil {
		return nil, nil
	}
	if crash := protect(func() { lacks, err = a.Provider.Lacks(ctx, objects) }); crash != nil {
		return nil, crash
	}
	return lacks, err
}

func (a *assembled) Apply(ctx context.Context, req providers.ApplyRequest) []providers.Result {
	env, err := a.env(req.Refs)
	if err != nil {
		return fill(len(req.Items), providers.Result{Err: err})
	}
	typeOf := func(i *providers.ApplyItem) string { return firstType(i.Planned, i.Live, i.Recorded) }
	return each(req.Items, typeOf, func(typ string, items []providers.ApplyItem) []providers.Result {
		if a.resources[typ] == nil {
			return fill(len(items), providers.Result{Err: a.unknownType(typ)})
		}
		return a.resources[typ].apply(ctx, env, items)
	})
}

func (a *assembled) List(ctx context.Context, req providers.ListRequest) iter.Seq2[providers.Found, error] {
	env, err := a.env(req.Refs)
	if err == nil && a.resources[req.Type] == nil {
		err = a.unknownType(req.Type)
	}
	if err != nil {
		return func(yield func(providers.Found, error) bool) { yield(providers.Found{}, err) }
	}
	return a.resources[req.Type].list(ctx, env, req.Instance)
}

func (a *assembled) Syncs(ctx context.Context, changes []providers.Change) (syncs []providers.Sync, err error) {
	if a.Syncer == nil {
		return nil, nil
	}
	if crash := protect(func() { syncs, err = a.Syncer.Syncs(ctx, changes) }); crash != nil {
		return nil, crash
	}
	return syncs, err
}

func (a *assembled) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	if len(req.Also) > 0 {
		return providers.Beside(ctx, req, a.Records)
	}
	if a.schema.Stream(req.End.Stream) == nil {
		return func(yield func(providers.Batch, error) bool) {
			yield(providers.Batch{}, providers.Errorf(providers.Invalid, "provider %s has no stream %q", a.Name, req.End.Stream))
		}
	}
	return func(yield func(providers.Batch, error) bool) {
		elsewhere := false // a panic of whom we yield to is not ours
		defer func() {
			if elsewhere {
				return
			}
			if v := recover(); v != nil {
				yield(providers.Batch{}, providers.Panicked(v))
			}
		}()
		for b, err := range a.Syncer.Records(ctx, req) {
			elsewhere = true
			more := yield(b, err)
			elsewhere = false
			if !more || err != nil {
				return
			}
		}
	}
}

func (a *assembled) Write(ctx context.Context, req providers.WriteRequest) (results []providers.WriteResult) {
	env, err := a.env(nil)
	switch stream := a.schema.Stream(req.Sync.Target.Stream); {
	case err != nil:
	case env.ReadOnly():
		err = providers.Errorf(providers.Refused, "this client only reads")
	case stream == nil || !stream.Write:
		err = providers.Errorf(providers.Invalid, "provider %s has no stream %q to write to", a.Name, req.Sync.Target.Stream)
	default:
		err = protect(func() { results = a.Syncer.Write(ctx, req) })
	}
	if err != nil {
		return fill(len(req.Writes), providers.WriteResult{Err: err})
	}
	return results
}

func (a *assembled) Finish(ctx context.Context, run providers.Run) (err error) {
	env, problem := a.env(nil)
	switch {
	case problem != nil:
		return problem
	case env.ReadOnly():
		return providers.Errorf(providers.Refused, "this client only reads")
	case a.Syncer == nil:
		return providers.Errorf(providers.Invalid, "provider %s has no syncs", a.Name)
	}
	if crash := protect(func() { err = a.Syncer.Finish(ctx, run) }); crash != nil {
		return crash
	}
	return err
}

func (a *assembled) Ask(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	if env, err := a.env(nil); err == nil && env.ReadOnly() {
		return failedStates(syncs, providers.Errorf(providers.Refused, "this client only reads"))
	}
	return a.states(syncs, func(e Engine) []providers.EngineState { return e.Ask(ctx, syncs) })
}

func (a *assembled) Follow(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	return a.states(syncs, func(e Engine) []providers.EngineState { return e.Follow(ctx, syncs) })
}

func (a *assembled) states(syncs []providers.Sync, of func(Engine) []providers.EngineState) (states []providers.EngineState) {
	if _, err := a.env(nil); err != nil {
		return failedStates(syncs, err)
	}
	engine, ok := a.Syncer.(Engine)
	if !ok {
		return failedStates(syncs, providers.Errorf(providers.Invalid, "what provider %s manages has no engine of its own", a.Name))
	}
	if crash := protect(func() { states = of(engine) }); crash != nil {
		return failedStates(syncs, crash)
	}
	return states
}

func failedStates(syncs []providers.Sync, err *providers.Error) []providers.EngineState {
	return fill(len(syncs), providers.EngineState{Err: err})
}

func (a *assembled) Close() error {
	if a.Provider.Close == nil {
		return nil
	}
	return a.Provider.Close()
}

func (a *assembled) env(refs providers.Refs) (*Env, *providers.Error) {
	config := a.config.Load()
	if config == nil {
		return nil, providers.Errorf(providers.Internal, "the provider is not configured")
	}
	return &Env{Config: *config, Refs: refs}, nil
}

func (a *assembled) unknownType(typ string) *providers.Error {
	return providers.Errorf(providers.Invalid, "provider %s has no type %q", a.Name, typ)
}

func firstType(objects ...*providers.Object) string {
	for _, o := range objects {
		if o != nil {
			return o.Type
		}
	}
	return ""
}

// batch is the places of the elements that belong together.
type batch struct {
	key string
	at  []int
}

func group[E any](elements []E, key func(*E) string) []batch {
	var groups []batch
	index := map[string]int{}
	for n := range elements {
		k := key(&elements[n])
		g, ok := index[k]
		if !ok {
			g = len(groups)
			index[k] = g
			groups = append(groups, batch{key: k})
		}
		groups[g].at = append(groups[g].at, n)
	}
	return groups
}

// each answers elements group by group, in the order of the elements.
func each[E, R any](elements []E, key func(*E) string, answer func(key string, some []E) []R) []R {
	groups := group(elements, key)
	if len(groups) == 1 {
		return answer(groups[0].key, elements)
	}
	all := make([]R, len(elements))
	for _, g := range groups {
		results := answer(g.key, pick(elements, g.at))
		if len(results) != len(g.at) {
			panic(fmt.Sprintf("%d answers to %d elements", len(results), len(g.at)))
		}
		for n, at := range g.at {
			all[at] = results[n]
		}
	}
	return all
}

func pick[E any](elements []E, at []int) []E {
	some := make([]E, len(at))
	for n, i := range at {
		some[n] = elements[i]
	}
	return some
}

func fill[R any](n int, r R) []R {
	all := make([]R, n)
	for i := range all {
		all[i] = r
	}
	return all
}
