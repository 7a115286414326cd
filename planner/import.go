package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// Imported is an object that was taken over.
type Imported struct {
	Addr    addrs.Instance
	ID      string
	Differs []plan.Edit // how its block would change it
}

// ImportRequest asks that one object be taken over by its id. It needs the
// instances that Importing names, and the state's lock.
type ImportRequest struct {
	Desired   *lang.Desired
	Addr      addrs.Instance
	ID        string
	Instances map[addrs.Instance]providers.Object
	Lock      state.Lock
	Operation *Operation
}

func (req *ImportRequest) request(st *state.State) Request {
	return Request{Desired: req.Desired, State: st, Target: []string{req.Addr.String()}, Instances: req.Instances, Unread: true,
		Import: &lang.Import{To: req.Addr, ID: req.ID, Range: req.Desired.Find(req.Addr).Range}}
}

// Importing says whether an object can be imported at all, and which instances
// are needed for it. It asks no system.
func (p *Planner) Importing(req ImportRequest, st *state.State) (needed map[addrs.Instance]bool, diags hcl.Diagnostics) {
	problem := func(at *hcl.Range, summary, detail string) (map[addrs.Instance]bool, hcl.Diagnostics) {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: at}}
	}
	r := req.Desired.Find(req.Addr)
	if r == nil {
		return problem(nil, fmt.Sprintf("The files have no %s", req.Addr), p.nearby(req.Desired, req.Addr))
	}
	if _, _, instance := p.typeOf(r.Type.Name); instance {
		return problem(&r.Range, fmt.Sprintf("%s is not something to import", req.Addr), fmt.Sprintf("accord connects to what a %s block says, and manages nothing of it: there is nothing to take over.", r.Type.Name))
	}
	if rec := st.Objects[req.Addr]; rec != nil {
		return problem(&r.Range, fmt.Sprintf("%s is under code already, as the object with the id %q", req.Addr, rec.ID), "To take over another one in its place, forget this one first: accord state rm "+shellQuoted(req.Addr.String()))
	}
	var missing []string
	for _, on := range r.DependsOn {
		if _, _, instance := p.typeOf(on.Type); !instance && st.Objects[on] == nil {
			missing = append(missing, on.String())
		}
	}
	if len(missing) > 0 {
		return problem(&r.Range, fmt.Sprintf("%s follows what is not under code yet: %s", req.Addr, strings.Join(missing, ", ")), "What it refers to comes first. Import that, or write import blocks for all of it, and apply.")
	}
	return p.VaultsOf(req.request(st))
}

// nearby says which addresses there are like one that there is not.
func (p *Planner) nearby(d *lang.Desired, addr addrs.Instance) string {
	var block, typ []string
	for _, r := range d.Resources {
		switch {
		case r.Addr.Block == addr.Block:
			block = append(block, r.Addr.String())
		case r.Addr.Type == addr.Type:
			typ = append(typ, r.Addr.String())
		}
	}
	const few = 5
	list := func(names []string) string {
		if more := len(names) - few; more > 0 {
			names = append(slices.Clone(names[:few]), fmt.Sprintf("%d more", more))
		}
		return strings.Join(names, ", ")
	}
	switch {
	case len(block) > 0:
		return fmt.Sprintf("Its block has %s. A key is written in quotes, and the shell needs quotes of its own around the whole: %s", list(block), shellQuoted(block[0]))
	case len(typ) > 0:
		return fmt.Sprintf("Write its block first. There is: %s.", list(typ))
	}
	return fmt.Sprintf("Write its block first: %s %q { … }.", addr.Type, addr.Name)
}

func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Import finds an object by its id and remembers it as it is. Nothing is changed
// in any system: what its block says otherwise is for the next plan.
func (p *Planner) Import(ctx context.Context, req ImportRequest) (*Imported, hcl.Diagnostics) {
	made, diags := p.Plan(ctx, req.request(req.Lock.State()))
	if diags.HasErrors() {
		return nil, diags
	}
	step := made.Step(providers.Ref{Addr: req.Addr})
	if step == nil || step.Item.Action != providers.Adopt || step.Item.Live == nil {
		return nil, append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("%s was not found", req.Addr), Detail: "The plan would not take it over. This is a bug."})
	}
	out := &Imported{Addr: req.Addr, ID: step.Item.Live.ID}
	_, typ, _ := p.typeOf(step.Item.Live.Type)
	local := flagged(typ, isLocal)
	for _, c := range made.Changes {
		for _, e := range c.Edits {
			if c.Addr == req.Addr && !slices.Contains(local, e.Path.Root()) {
				out.Differs = append(out.Differs, e)
			}
		}
	}
	if slices.ContainsFunc(out.Differs, func(e plan.Edit) bool { return !e.Computed }) { // the rest follows
		out.Differs = slices.DeleteFunc(out.Differs, func(e plan.Edit) bool { return e.Computed })
	}
	// As it is, with accord's own settings as they will be.
	is := *step.Item.Live
	is.Body = plan.With(plan.Without(is.Body, flagged(typ, isVolatile)...), step.Item.Planned.Body, local...)
	is.Sensitive = step.Item.Planned.Sensitive
	record := *step
	item := *step.Item
	item.Planned, record.Item, record.Record, record.After = &is, &item, true, nil
	made.Steps = []plan.Step{record}
	if _, err := p.Apply(ctx, ApplyRequest{Plan: made, Desired: req.Desired, Lock: req.Lock, NoSync: true, Operation: req.Operation}); err != nil {
		return nil, append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "The state could not be saved", Detail: capital(err.Error()) + "."})
	}
	return out, diags
}

// checkImport holds what was found against the id that an import block names.
func (m *making) checkImport(o *object) {
	if o.imported == nil || o.recorded != nil {
		return
	}
	problem := func(summary, detail string) {
		m.diags = append(m.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: o.imported.Range.Ptr(), Extra: &Problem{Addr: o.addr}})
	}
	switch {
	case o.live == nil:
		problem("Nothing to import", fmt.Sprintf("There is no object with the id %q for %s.", o.imported.ID, o.addr))
	case o.live.ID != o.imported.ID:
		problem("Another object is there", fmt.Sprintf("%s is the object with the id %q, not %q.", o.addr, o.live.ID, o.imported.ID))
	}
}
