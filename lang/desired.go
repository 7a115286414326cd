package lang

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/addrs"
	"accord/lang/schema"
)

// Desired is what a configuration wants.
type Desired struct {
	Settings  Settings
	Instances []*Resource // what providers connect to, by address
	Resources []*Resource // what they manage, by address
	Outputs   []*Output   // by name

	Checks   []*Condition // asserts, and what modules say of their variables and outputs
	Imports  []*Import
	Moves    []*Move
	Removals []*Removal

	root    *evaluator
	imports map[addrs.Instance]*Import
}

// Find returns the instance or the resource of an address, nil when there is
// none.
func (d *Desired) Find(addr addrs.Instance) *Resource {
	for _, all := range [][]*Resource{d.Resources, d.Instances} {
		if n, ok := slices.BinarySearchFunc(all, addr, func(r *Resource, addr addrs.Instance) int { return r.Addr.Compare(addr) }); ok {
			return all[n]
		}
	}
	return nil
}

// Names are those that are taken in the directory itself: of blocks, and of
// local values and variables.
func (d *Desired) Names() (blocks []addrs.Block, values []string) {
	for decl := range d.root.declared {
		blocks = append(blocks, decl.local())
	}
	for name := range d.root.module.locals {
		values = append(values, name)
	}
	for name := range d.root.module.variables {
		values = append(values, name)
	}
	return blocks, values
}

// Conditions are all that are about no single resource: asserts, and the
// preconditions of outputs.
func (d *Desired) Conditions() []*Condition {
	all := slices.Clone(d.Checks)
	for _, o := range d.Outputs {
		all = append(all, o.Conditions...)
	}
	return all
}

// Object is a body as far as it is known.
type Object struct {
	// Body is canonical JSON (schema.Canonical). A nested block is an object
	// under its name: by label, single, or in a list. A reference is an
	// address. What was left out, or is null or unknown, is absent.
	Body json.RawMessage

	Unknown   []addrs.Path // not known yet; sorted. A list or set with an unknown element is unknown as a whole.
	Sensitive []addrs.Path // never shown; sorted
}

// Resource is one instance of a block: a resource, or something that a
// provider connects to.
type Resource struct {
	Addr     addrs.Instance
	Type     *schema.Type
	Provider string

	// Object is what is known without reading anything: what the body reads
	// from resources is unknown.
	Object

	DependsOn     []addrs.Instance // all it refers to, and depends_on; sorted, without doubles
	Protect       bool
	IgnoreChanges []addrs.Path // "" is all
	Range         hcl.Range    // the header of the block

	Conditions []*Condition // preconditions and postconditions

	decl      *decl
	evaluator *evaluator
	dangling  bool // a reference leads to no instance, after a problem
}

// Reads reports whether the body reads other blocks, so that Resolve may answer
// with something else than Object.
func (r *Resource) Reads() bool { return len(r.decl.mentions) > 0 }

// Resolve evaluates the body again with the objects it reads as they are
// known: planned, with Unknown, or applied. An object that is not in known
// stays unknown. Where the body reads none, the answer is r.Object. Resolve may
// be called concurrently.
func (r *Resource) Resolve(known map[addrs.Instance]Object) (Object, hcl.Diagnostics) {
	if len(r.decl.mentions) == 0 {
		return r.Object, nil
	}
	ev := r.evaluation(known)
	object := ev.object(r.decl.body)
	return object, Arrange(ev.diags)
}

// evaluate fills r in.
func (r *Resource) evaluate() hcl.Diagnostics {
	r.IgnoreChanges = r.decl.ignore
	if r.recalled() {
		return nil
	}
	var problems hcl.Diagnostics
	if r.decl.body == nil {
		problems = r.evaluator.bindOne(r.decl)
	}
	ev := r.evaluation(nil)
	ev.report(problems...)
	r.Object = ev.object(r.decl.body)
	if r.decl.single() && len(r.decl.mentions) == 0 {
		r.decl.body = nil // nothing will make it another one
	}
	if p := r.decl.protect; p != nil {
		on, _, diags := decide(p, ev.early)
		r.Protect = on
		ev.report(diags...)
	}
	for _, m := range r.decl.dependsOn {
		ev.dependOn(&m)
	}
	for _, c := range r.decl.conditions {
		bound := &Condition{Kind: c.kind, Name: r.Addr.String(), Range: c.rng, condition: c, evaluator: r.evaluator, decl: r.decl, key: r.Addr.Key}
		diags := bound.touch()
		ev.report(diags...)
		ev.depends = append(ev.depends, bound.DependsOn...)
		r.Conditions = append(r.Conditions, bound)
	}
	ev.depends = append(ev.depends, r.evaluator.after...)
	r.DependsOn, r.dangling = ev.dependencies(), ev.dangling
	if slices.Contains(r.DependsOn, r.Addr) {
		ev.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Reference to itself",
			Detail:   fmt.Sprintf("%s refers to itself.", r.Addr),
			Subject:  r.Range.Ptr(),
		})
		r.DependsOn = slices.DeleteFunc(r.DependsOn, func(a addrs.Instance) bool { return a == r.Addr })
	}
	return ev.diags
}

func (r *Resource) evaluation(known map[addrs.Instance]Object) *evaluation {
	return &evaluation{evaluator: r.evaluator, mentions: r.decl.mentions, known: known, decl: r.decl, key: r.Addr.Key, early: r.evaluator.eachContext(r.decl, r.Addr.Key)}
}

// Diagnostic makes a problem with a place in the body one with a line in a
// file, and with the values in scope there. Path "" is the block itself.
func (r *Resource) Diagnostic(severity hcl.DiagnosticSeverity, path addrs.Path, summary, detail string) *hcl.Diagnostic {
	place := r.place(path)
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: place.rng.Ptr()}
	if place.attribute != nil {
		at := problemAt(place.attribute.expr, place.attribute.rng, r.evaluation(nil).scope(), place.rng, summary, detail)
		at.Severity = severity
		return at
	}
	return d
}

// Output is a value of the configuration that is shown and kept.
type Output struct {
	Name        string
	Description string
	Sensitive   bool
	DependsOn   []addrs.Instance // all it refers to
	Range       hcl.Range        // the header of the block
	Conditions  []*Condition     // preconditions

	output    *output
	evaluator *evaluator
}

// Value is what an output is.
type Value struct {
	JSON      json.RawMessage // nil where a part is not known yet
	Unknown   bool
	Sensitive bool
}

// Value evaluates the output with objects as they are known, as Resource.Resolve
// does.
func (o *Output) Value(known map[addrs.Instance]Object) (Value, hcl.Diagnostics) {
	ev := o.evaluation(known)
	v, diags := valueOf(o.output.value.Expr, ev.scope())
	diags = append(ev.diags, diags...)
	if diags.HasErrors() {
		return Value{Unknown: true, Sensitive: o.Sensitive}, Arrange(diags)
	}
	value, err := outputValue(v)
	value.Sensitive = value.Sensitive || o.Sensitive
	if err != nil {
		diags = append(diags, problemAt(o.output.value.Expr, o.output.value.Range, ev.scope(), o.output.value.Expr.Range(), "Wrong type", err.Error()))
	}
	if value.Sensitive && !o.Sensitive {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Sensitive output",
			Detail:   "The value follows from something sensitive. Write sensitive = true into the output, or nonsensitive(…) where it is no secret.",
			Subject:  o.output.value.Expr.Range().Ptr(),
			Context:  o.output.value.Range.Ptr(),
		})
	}
	return value, Arrange(diags)
}

func (o *Output) evaluation(known map[addrs.Instance]Object) *evaluation {
	return &evaluation{evaluator: o.evaluator, mentions: o.output.mentions, known: known, early: o.evaluator.root(), late: true}
}

func outputValue(v cty.Value) (Value, error) {
	plain, marks := v.UnmarkDeep()
	_, secret := marks[sensitive]
	if !plain.IsWhollyKnown() {
		return Value{Unknown: true, Sensitive: secret}, nil
	}
	text, err := plainJSON(plain)
	return Value{JSON: text, Sensitive: secret}, err
}
