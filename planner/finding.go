package planner

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// finding is an object that was found, under an address of its own until it
// gets its name.
type finding struct {
	providers.Object
	typ      *schema.Type
	on       addrs.Instance // where it was found
	instance bool           // it is what providers connect to
	why      string         // it is left out; "": it is not
}

// discover lists type by type, so that what was found of one type is known
// when those that refer to it are listed.
func (e *exporting) discover(ctx context.Context) {
	refs := providers.Refs{}
	for _, addr := range slices.SortedFunc(maps.Keys(e.req.Instances), addrs.Instance.Compare) {
		inst := e.req.Instances[addr]
		refs[addr] = inst
		_, typ, _ := e.typeOf(inst.Type)
		if e.req.Alone {
			f := &finding{Object: inst, typ: typ, on: addr, instance: true}
			if addr.Module != "" {
				f.why = "it is in a module: export from the directory that declares it"
			}
			e.found = append(e.found, f)
		}
	}
	e.underCode(refs)
	chosen := maps.Clone(e.req.Instances)
	maps.DeleteFunc(chosen, func(addr addrs.Instance, _ providers.Object) bool { return !e.chosen(addr) })
	e.out.Unlisted = map[addrs.Instance]error{}
	met := map[string]bool{}
	for _, typ := range e.listable() {
		for _, addr := range slices.SortedFunc(maps.Keys(chosen), addrs.Instance.Compare) {
			objects, failed := e.List(ctx, typ, map[addrs.Instance]providers.Object{addr: chosen[addr]}, refs)
			maps.Copy(e.out.Unlisted, failed)
			for _, found := range objects {
				o := found.Object
				if found.Left != "" {
					e.passed = append(e.passed, LeftOut{Type: typ.Name, ID: o.ID, Instance: addr, Why: found.Left})
					continue
				}
				o.Addr = addrs.NewKeyed(typ.Name, "found", fmt.Sprintf("%07d", len(e.found)))
				if id := e.identityAs(&o); met[id] {
					continue
				} else if met[id] = true; e.managed(&o, id) && !e.req.Alone {
					o.Addr = e.same[o.Addr]
					refs[o.Addr] = o // as it is, with its id
					continue
				}
				f := &finding{Object: o, typ: typ, on: addr, why: e.unsayable(typ, o.Body)}
				e.found, e.lost[o.Addr] = append(e.found, f), f.why != ""
				refs[o.Addr] = o
			}
		}
	}
}

// underCode notes what is applied or in the files; unless the export is alone,
// what is found may refer to it.
func (e *exporting) underCode(refs providers.Refs) {
	note := func(o *providers.Object) {
		e.known[e.identityOf(o)] = o.Addr
		if !e.req.Alone {
			refs[o.Addr] = *o
		}
	}
	for _, o := range e.recordedObjects(e.req.State) {
		note(remembered(o.recorded))
	}
	for _, r := range e.req.Desired.Resources {
		note(boundary(r.Addr, r.Type.Name, "", r.Object))
	}
}

// managed reports whether an object is under code, and remembers as what.
func (e *exporting) managed(o *providers.Object, identity string) bool {
	addr, ok := e.known[identity]
	if ok {
		e.out.Managed++
		e.same[o.Addr] = addr
	}
	return ok
}

// identityAs is the identity of what was found in the words of what is under
// code.
func (e *exporting) identityAs(o *providers.Object) string {
	_, typ, _ := e.typeOf(o.Type)
	as := *o
	for _, to := range references(typ, o.Body) {
		if addr, ok := e.same[to]; ok {
			as.Body = renamed(as.Body, to, addr)
		}
	}
	return e.identityOf(&as)
}

// renamed is a body that refers to another object at the top.
func renamed(body json.RawMessage, from, to addrs.Instance) json.RawMessage {
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil {
		return body
	}
	was, _ := json.Marshal(from)
	is, _ := json.Marshal(to)
	for name, v := range top {
		if string(v) == string(was) {
			top[name] = is
		}
	}
	out, err := json.Marshal(top)
	if err != nil {
		return body
	}
	return out
}

// unsayable says why no block of the directory can speak of a body; "": one can.
func (e *exporting) unsayable(typ *schema.Type, body json.RawMessage) string {
	for _, to := range references(typ, body) {
		if to.Module != "" {
			return fmt.Sprintf("it belongs to %s, which is in a module, where no block outside can refer to it", to)
		}
		if e.lost[to] {
			return "what it belongs to is left out"
		}
	}
	return ""
}

func (f *finding) importID() string {
	if f.instance {
		return ""
	}
	return f.ID
}
