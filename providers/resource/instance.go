package resource

import (
	"context"
	"reflect"

	"accord/lang/schema"
	"accord/providers"
)

// Instance is an instance type whose bodies are Ts: something the provider
// connects to.
type Instance[T any] struct {
	Name string
	Doc  string

	// Validate checks the instances against each other. No calls.
	Validate func(env *Env, items []*Item[T])

	// Connect connects each instance, as env.Config says, and answers with
	// Found and what was learned about it, or Fail. It writes nothing.
	Connect func(ctx context.Context, env *Env, items []*Item[T])
}

// Connectable is an Instance of any T.
type Connectable interface {
	assembleInstance() *instance
}

type instance struct {
	schema   schema.Type
	looks    bool // validates objects beyond what they say alone
	validate func(*Env, []providers.Object) []providers.Diagnostic
	connect  func(context.Context, *Env, []providers.Object) []providers.Result
}

func (t Instance[T]) assembleInstance() *instance {
	c := newCodec(reflect.TypeFor[T]())
	if t.Connect == nil {
		panic("resource: " + t.Name + " has no Connect")
	}
	return &instance{
		looks:  t.Validate != nil,
		schema: schema.Type{Name: t.Name, Doc: t.Doc, Body: c.body},
		validate: func(env *Env, objects []providers.Object) []providers.Diagnostic {
			return validate(c, env, objects, t.Validate)
		},
		connect: func(ctx context.Context, env *Env, objects []providers.Object) []providers.Result {
			results := answer(ctx, c, env, objects, t.Connect)
			for n := range results {
				if results[n].Same {
					results[n] = providers.Result{Object: &objects[n], Diagnostics: results[n].Diagnostics}
				}
			}
			return results
		},
	}
}
