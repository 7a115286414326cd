package planner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// ListAll finds all objects of all types that can be listed, in the instances
// that are connected, without what is volatile. Types that others refer to come
// first. refs are the objects that are under code, by which lists are made: the
// integrations of a vault are those of the connections in refs. What an
// instance could not tell is in failed; the rest is found all the same.
func (p *Planner) ListAll(ctx context.Context, instances map[addrs.Instance]providers.Object, refs providers.Refs) (found []providers.Found, failed map[addrs.Instance]error) {
	failed = map[addrs.Instance]error{}
	for _, typ := range p.listable() {
		list, errs := p.List(ctx, typ, instances, refs)
		found = append(found, list...)
		maps.Copy(failed, errs)
	}
	return found, failed
}

// List is ListAll of one type.
func (p *Planner) List(ctx context.Context, typ *schema.Type, instances map[addrs.Instance]providers.Object, refs providers.Refs) (found []providers.Found, failed map[addrs.Instance]error) {
	failed = map[addrs.Instance]error{}
	owner, _, _ := p.typeOf(typ.Name)
	for _, addr := range slices.SortedFunc(maps.Keys(instances), addrs.Instance.Compare) {
		if of, _, _ := p.typeOf(addr.Type); of != owner {
			continue
		}
		p.emit(Reading{Type: typ.Name, Count: 0})
		for o, err := range p.Providers[owner].List(ctx, providers.ListRequest{Type: typ.Name, Instance: addr, Refs: refs}) {
			var perr *providers.Error
			if errors.As(err, &perr) {
				perr.Addr = addr
				failed[addr] = perr
				break
			}
			if err != nil {
				failed[addr] = fmt.Errorf("list %s of %s: %w", typ.Name, addr, err)
				break
			}
			found = append(found, o)
		}
	}
	return found, failed
}

// listable are the types that can be listed, in the order of their references.
func (p *Planner) listable() []*schema.Type {
	var all []*schema.Type
	for _, name := range slices.Sorted(maps.Keys(p.Schemas)) {
		for i := range p.Schemas[name].Resources {
			if t := &p.Schemas[name].Resources[i]; t.Listed {
				all = append(all, t)
			}
		}
	}
	var ordered []*schema.Type
	placed := map[string]bool{}
	var place func(t *schema.Type)
	place = func(t *schema.Type) {
		if placed[t.Name] {
			return
		}
		placed[t.Name] = true // also where types refer to each other in a circle
		for _, a := range t.Body.Attributes {
			for _, name := range a.Refers {
				if i := slices.IndexFunc(all, func(o *schema.Type) bool { return o.Name == name }); i >= 0 {
					place(all[i])
				}
			}
		}
		ordered = append(ordered, t)
	}
	for _, t := range all {
		place(t)
	}
	return ordered
}
