package providertest

import (
	"slices"
	"testing"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

func (target *Target) schema(t *testing.T) {
	p := target.New(t)(t)
	declared, err := p.Schema(t.Context())
	if err != nil {
		t.Fatalf("before Configure: %v", err)
	}
	if declared.Name == "" || declared.Version == "" {
		t.Errorf("the provider has no name or version: %q %q", declared.Name, declared.Version)
	}
	seen := map[string]bool{}
	for _, list := range [][]schema.Type{declared.Instances, declared.Resources} {
		for n := range list {
			typ := &list[n]
			if typ.Name == "" || typ.Doc == "" || seen[typ.Name] {
				t.Errorf("type %q has no name, no doc, or has it twice", typ.Name)
			}
			seen[typ.Name] = true
			checkBlock(t, typ.Name, &typ.Body)
			for _, name := range typ.Identity {
				if a := typ.Body.Attribute(name); a == nil {
					t.Errorf("%s: its identity names %s, which it has not", typ.Name, name)
				} else if a.ReadOnly || a.Volatile {
					t.Errorf("%s: its identity names %s, which is not known when planned", typ.Name, name)
				}
			}
		}
	}
	for _, typ := range declared.Resources {
		if len(typ.Identity) == 0 || typ.Removal == "" {
			t.Errorf("%s: a resource needs an identity and a removal", typ.Name)
		}
	}
	refersToNothing(t, declared, seen)
	names := map[string]bool{}
	for _, s := range declared.Streams {
		if _, instance := declared.Type(s.Instance); names[s.Name] || len(s.Parts) == 0 || !instance {
			t.Errorf("stream %q has its name twice, no parts, or lives on no instance type", s.Name)
		}
		names[s.Name] = true
	}
	for _, d := range p.Validate(t.Context(), target.desired()) {
		if d.Severity == providers.SeverityError { // advice may look beyond the objects of the target
			t.Errorf("Validate before Configure: %+v", d)
		}
	}
}

func (target *Target) desired() []providers.Object {
	all := slices.Clone(target.Config.Instances)
	for _, r := range target.Resources {
		all = append(all, r.Desired)
	}
	return all
}

func checkBlock(t *testing.T, at string, b *schema.Block) {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range b.Attributes {
		here := at + "." + a.Name
		switch {
		case a.Name == "" || seen[a.Name]:
			t.Errorf("%s has no name, or has it twice", here)
		case a.Doc == "":
			t.Errorf("%s has no doc", here)
		case a.Required && (a.Computed || a.ReadOnly || a.Default != nil):
			t.Errorf("%s is required, and filled where it is left out", here)
		case a.ReadOnly && !a.Computed, a.Volatile && !a.ReadOnly:
			t.Errorf("%s: read_only implies computed, and volatile both", here)
		}
		seen[a.Name] = true
	}
	for n := range b.Blocks {
		nested := &b.Blocks[n]
		here := at + "." + nested.Name
		if nested.Name == "" || seen[nested.Name] || nested.Doc == "" || nested.Single && nested.Label != "" {
			t.Errorf("%s has no name or doc, has its name twice, or is single and labelled", here)
		}
		seen[nested.Name] = true
		checkBlock(t, here, &nested.Body)
	}
}

func refersToNothing(t *testing.T, p *schema.Provider, types map[string]bool) {
	t.Helper()
	var walk func(at string, b *schema.Block)
	walk = func(at string, b *schema.Block) {
		for _, a := range b.Attributes {
			for _, typ := range a.Refers {
				if !types[typ] {
					t.Errorf("%s.%s refers to %s, which is no type", at, a.Name, typ)
				}
			}
		}
		for n := range b.Blocks {
			walk(at+"."+b.Blocks[n].Name, &b.Blocks[n].Body)
		}
	}
	for _, list := range [][]schema.Type{p.Instances, p.Resources} {
		for n := range list {
			walk(list[n].Name, &list[n].Body)
		}
	}
}

func (target *Target) configure(t *testing.T) {
	w := target.open(t)
	if r := w.p.Read(t.Context(), providers.ReadRequest{}); len(r) != 0 {
		t.Errorf("read of nothing: %+v", r)
	}
	if r := w.p.Plan(t.Context(), providers.PlanRequest{}); len(r) != 0 {
		t.Errorf("plan of nothing: %+v", r)
	}
	if r := w.p.Apply(t.Context(), providers.ApplyRequest{}); len(r) != 0 {
		t.Errorf("apply of nothing: %+v", r)
	}
}

func (target *Target) unknownType(t *testing.T) {
	w := target.open(t)
	o := providers.Object{Addr: addrs.New("no_such_type", "x"), Type: "no_such_type", Body: []byte(`{}`)}
	if r := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{o}}); len(r) != 1 || providers.KindOf(errorOf(r[0].Err)) != providers.Invalid {
		t.Errorf("read of an unknown type: %+v", r)
	}
	if r := w.p.Apply(t.Context(), providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: o.Addr, Action: providers.Create, Planned: &o}}}); len(r) != 1 || r[0].Err == nil {
		t.Errorf("apply of an unknown type: %+v", r)
	}
	for _, err := range w.p.List(t.Context(), providers.ListRequest{Type: o.Type}) {
		if err == nil {
			t.Error("list of an unknown type yields an object")
		}
	}
	for _, err := range w.p.Records(t.Context(), providers.RecordsRequest{End: providers.End{Stream: "no_such_stream"}}) {
		if err == nil {
			t.Error("records of an unknown stream yields a batch")
		}
	}
}

func errorOf(e *providers.Error) error {
	if e == nil {
		return nil
	}
	return e
}
