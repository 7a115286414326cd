package resource

import (
	"sync"

	"accord/lang/addrs"
	"accord/providers"
)

// Env is what a batch may look at beside its items.
type Env struct {
	Config providers.Config // as given to Configure; zero in Validate
	Refs   providers.Refs   // whom the batch refers to; in Validate, all objects

	Touched bool // Read: who touched each last is asked for

	decoded sync.Map // address and type → *T
}

// ReadOnly says that nothing may be written.
func (e *Env) ReadOnly() bool { return e.Config.ReadOnly }

// Ref returns the object that a reference leads to, as planned, or as
// configured or recorded; its ID is "" where it does not exist yet. A batch
// that refers often to one object decodes it once: do not change the value.
func Ref[T any](env *Env, addr addrs.Instance) (value *T, id string, err error) {
	o, ok := env.Refs[addr]
	if !ok {
		return nil, "", providers.Errorf(providers.Invalid, "%s is referred to, but it is not there", addr)
	}
	type key struct {
		addr addrs.Instance
		_    [0]*T
	}
	if v, ok := env.decoded.Load(key{addr: addr}); ok {
		return v.(*T), o.ID, nil
	}
	v, err := decode[T](&o)
	if err != nil {
		return nil, "", err
	}
	env.decoded.Store(key{addr: addr}, v)
	return v, o.ID, nil
}
