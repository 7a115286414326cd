package planner

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/draft"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// ExportRequest is what to write the files of.
type ExportRequest struct {
	Instances map[addrs.Instance]providers.Object // as Configure found them
	Of        []addrs.Instance                    // what these cover alone is listed; empty: all

	// What is under code: it is left out, and referred to by its address.
	// Alone, the files are a configuration of its own: what is under code here
	// is written all the same, and counted.
	Desired *lang.Desired
	State   *state.State
	Alone   bool

	// What the files join, unless they are alone, and how it is evaluated.
	Dir     string
	Sources map[string][]byte
	Options lang.Options
}

// Export is what instances hold, as the files of a configuration.
type Export struct {
	Files    map[string][]byte
	Blocks   int                      // that were written, those of instances included
	Objects  map[string]int           // that they declare, by type
	Managed  int                      // that were found and are under code here
	LeftOut  []LeftOut                // that were found, and are in no block
	Runs     []plan.SyncLine          // that an apply of the files would begin
	Fills    map[string]int           // how often an apply would fill what a provider keeps for itself: "country_filter.vault_crm_id"
	Unlisted map[addrs.Instance]error // instances that could not tell all
	Secrets  []string                 // the variables that must be set
}

// LeftOut is an object that no block was written for.
type LeftOut struct {
	Type     string         `json:"type"`
	ID       string         `json:"id"`
	Instance addrs.Instance `json:"instance,omitzero"` // where it was found
	Why      string         `json:"why"`
}

// Export lists all that the instances hold, writes the files for it, and plans
// these: a plan of theirs takes everything over, and changes nothing. What a
// plan would change or refuse is left out, and said. Nothing is written
// anywhere, and no content is read.
func (p *Planner) Export(ctx context.Context, req ExportRequest) (*Export, hcl.Diagnostics) {
	e := &exporting{Planner: p, req: req, out: &Export{Objects: map[string]int{}}, known: map[string]addrs.Instance{}, lost: map[addrs.Instance]bool{}, same: map[addrs.Instance]addrs.Instance{}}
	e.discover(ctx)
	for {
		if err := ctx.Err(); err != nil {
			return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Interrupted while exporting", Detail: "Nothing was written."}}
		}
		d := e.write()
		problems, diags := e.prove(ctx, d)
		if diags.HasErrors() {
			return nil, diags
		}
		if len(problems) == 0 {
			return e.finish(d), nil
		}
		for addr, why := range problems {
			e.leave(addr, why)
		}
	}
}

// exporting is one export being made.
type exporting struct {
	*Planner
	req    ExportRequest
	out    *Export
	found  []*finding
	passed []LeftOut                         // what nobody could manage
	lost   map[addrs.Instance]bool           // of found: left out from the beginning
	known  map[string]addrs.Instance         // what is under code, by identity
	same   map[addrs.Instance]addrs.Instance // the address under code of what was found

	runs  []plan.SyncLine // of the last proof
	fills map[string]int
}

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

// leave leaves an object out, with what refers to it.
func (e *exporting) leave(addr addrs.Instance, why string) {
	for _, f := range e.found {
		switch {
		case f.why != "":
		case f.Addr == addr:
			f.why = why
		case slices.Contains(references(f.typ, f.Body), addr):
			e.leave(f.Addr, "what it belongs to is left out")
		}
	}
}

// write writes the files for what is not left out.
func (e *exporting) write() *draft.Draft {
	req := draft.Request{Head: []string{"Written by accord export."}, Notes: map[string][]string{}}
	for _, addr := range slices.SortedFunc(maps.Keys(e.out.Unlisted), addrs.Instance.Compare) {
		req.Head = append(req.Head, fmt.Sprintf("It is not complete: what %s holds could not be found out.", addr))
	}
	if !e.req.Alone {
		req.Taken, req.Names = e.req.Desired.Names()
	}
	needed := e.needed()
	for _, f := range e.found {
		if f.why == "" && (!f.instance || needed[f.Addr]) {
			req.Objects = append(req.Objects, draft.Object{Addr: f.Addr, Fixed: f.instance, Type: f.typ, ID: f.importID(), Body: f.Body, Sensitive: f.Sensitive})
		}
	}
	for typ, left := range e.leftByType() {
		req.Notes[typ] = notes(left)
	}
	return draft.Write(req)
}

// needed are the instances that the files declare: those that were chosen, and
// those that something leads to.
func (e *exporting) needed() map[addrs.Instance]bool {
	needed := map[addrs.Instance]bool{}
	for _, f := range e.found {
		switch {
		case f.why != "":
		case f.instance && e.chosen(f.Addr):
			needed[f.Addr] = true
		default:
			for _, to := range references(f.typ, f.Body) {
				needed[to] = true
			}
		}
	}
	return needed
}

// chosen reports whether what an instance holds is listed.
func (e *exporting) chosen(addr addrs.Instance) bool {
	return len(e.req.Of) == 0 || slices.ContainsFunc(e.req.Of, func(t addrs.Instance) bool { return t.Covers(addr) })
}

func (f *finding) importID() string {
	if f.instance {
		return ""
	}
	return f.ID
}

func (e *exporting) leftByType() map[string][]LeftOut {
	byType := map[string][]LeftOut{}
	for _, l := range e.leftOut() {
		byType[l.Type] = append(byType[l.Type], l)
	}
	return byType
}

func (e *exporting) leftOut() []LeftOut {
	var left []LeftOut
	for _, f := range e.found {
		if f.why != "" {
			left = append(left, LeftOut{Type: f.Type, ID: f.ID, Instance: f.on, Why: f.why})
		}
	}
	return left
}

// notes says what was left out of one type: a few by name, the rest by number.
func notes(left []LeftOut) []string {
	const few = 20
	lines := []string{fmt.Sprintf("Left out, since accord cannot manage them as they are: %d.", len(left))}
	for _, l := range left[:min(few, len(left))] {
		lines = append(lines, fmt.Sprintf("  %s in %s: %s", l.ID, l.Instance, l.Why))
	}
	if more := len(left) - few; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return lines
}

// prove plans the files. It returns what keeps objects from being taken over as
// they are, by the addresses under which they were found; diags are what is
// wrong with none of them.
func (e *exporting) prove(ctx context.Context, d *draft.Draft) (map[addrs.Instance]string, hcl.Diagnostics) {
	sources := maps.Clone(d.Files)
	opts, st, p := lang.Options{}, state.New(e.Tool, ""), *e.Planner
	if e.req.Alone {
		p.Journal = blankJournal{p.Journal}
	} else {
		for name := range d.Files {
			if _, there := e.req.Sources[name]; there {
				return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf("There is a file %s already", name), Detail: "Nothing is overwritten. Move it away, or write the export into another directory.",
					Extra: &Problem{Err: &providers.Error{Kind: providers.Refused}}}}
			}
		}
		maps.Copy(sources, e.req.Sources)
		opts, st = e.req.Options, e.req.State
	}
	opts.Vars = slices.Clone(opts.Vars)
	for _, name := range slices.Sorted(maps.Keys(d.Secrets)) {
		opts.Vars = append(opts.Vars, name+"="+d.Secrets[name])
	}
	at := &proof{exporting: e, draft: d, problems: map[addrs.Instance]string{}, was: map[addrs.Instance]addrs.Instance{}}
	for was, is := range d.Addrs {
		at.was[is] = was
	}
	config, diags := lang.Parse(e.req.Dir, sources)
	if diags.HasErrors() {
		return nil, diags
	}
	desired, diags := config.Evaluate(e.schemas(), opts)
	at.desired = desired
	if diags = p.Validate(ctx, desired, diags); diags.HasErrors() {
		return at.problems, at.blame(diags)
	}
	made, diags := p.Plan(ctx, Request{Desired: desired, State: st, Instances: e.req.Instances, Unread: true})
	if diags.HasErrors() {
		return at.problems, at.blame(diags)
	}
	at.judge(made)
	return at.problems, nil
}

func (p *Planner) schemas() []*schema.Provider {
	var all []*schema.Provider
	for _, name := range slices.Sorted(maps.Keys(p.Schemas)) {
		all = append(all, p.Schemas[name])
	}
	return all
}

// blankJournal is the journal of a configuration that was never applied.
type blankJournal struct{ state.Journal }

// Memory implements state.Journal.
func (blankJournal) Memory(context.Context, addrs.Instance) (state.Memory, error) {
	return state.Memory{}, nil
}

// proof is the plan of a draft being judged.
type proof struct {
	*exporting
	draft    *draft.Draft
	desired  *lang.Desired
	was      map[addrs.Instance]addrs.Instance // where what was found is in the draft, the other way round
	problems map[addrs.Instance]string
}

// blame finds whose the errors are; it returns those that are nobody's.
func (at *proof) blame(diags hcl.Diagnostics) hcl.Diagnostics {
	var rest hcl.Diagnostics
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		whose := at.whose(d)
		for _, addr := range whose {
			at.problem(addr, d.Summary)
		}
		if len(whose) == 0 {
			rest = append(rest, d)
		}
	}
	if len(at.problems) > 0 {
		return nil // the rest may follow from these
	}
	return rest
}

// whose are the objects of the draft that a problem is about.
func (at *proof) whose(d *hcl.Diagnostic) []addrs.Instance {
	if p, ok := d.Extra.(*Problem); ok {
		for _, addr := range []addrs.Instance{p.Addr, errAddr(p)} {
			if _, ours := at.was[addr]; ours {
				return []addrs.Instance{addr}
			}
		}
	}
	if d.Subject == nil || at.draft.Files[d.Subject.Filename] == nil {
		return nil
	}
	var whose []addrs.Instance
	line := 0
	for _, r := range at.desired.Resources { // the last block that begins before it
		if _, ours := at.was[r.Addr]; !ours || r.Range.Filename != d.Subject.Filename || r.Range.Start.Line > d.Subject.Start.Line || r.Range.Start.Line < line {
			continue
		}
		if r.Range.Start.Line > line {
			whose, line = nil, r.Range.Start.Line
		}
		whose = append(whose, r.Addr)
	}
	return whose
}

func errAddr(p *Problem) addrs.Instance {
	if p.Err == nil {
		return addrs.Instance{}
	}
	return p.Err.Addr
}

func (at *proof) problem(addr addrs.Instance, why string) {
	if was, ours := at.was[addr]; ours && at.problems[was] == "" {
		at.problems[was] = why
	}
}

// judge wants everything to be taken over as it is.
func (at *proof) judge(made *plan.Plan) {
	at.runs, at.fills = nil, map[string]int{}
	for _, r := range made.Refusals {
		at.problem(r.Addr, r.Summary)
	}
	changes := map[addrs.Instance]*plan.Change{}
	for i := range made.Changes {
		changes[made.Changes[i].Addr] = &made.Changes[i]
	}
	for addr := range at.was {
		_, typ, instance := at.typeOf(addr.Type)
		if instance {
			continue
		}
		switch c := changes[addr]; {
		case c == nil:
			at.problem(addr, "a plan would not take it over")
		case c.Action != providers.Adopt:
			at.problem(addr, fmt.Sprintf("a plan would %s it", c.Action))
		default:
			for _, edit := range c.Edits {
				switch a := typ.Body.Attribute(edit.Path.Root()); {
				case a != nil && a.Local:
				case a != nil && a.ReadOnly:
					at.fills[typ.Name+"."+a.Name]++
				default:
					at.problem(addr, fmt.Sprintf("a plan would change its %s", edit.Path))
				}
			}
		}
	}
	for _, s := range made.Syncs {
		if _, ours := at.was[s.Addr]; ours && s.Decision.Step {
			at.runs = append(at.runs, s)
		}
	}
}

func (e *exporting) finish(d *draft.Draft) *Export {
	e.out.Files, e.out.Blocks, e.out.Runs = d.Files, d.Blocks, e.runs
	e.out.Fills = e.fills
	e.out.LeftOut = append(e.leftOut(), e.passed...)
	e.out.Secrets = slices.Sorted(maps.Keys(d.Secrets))
	for _, f := range e.found {
		if f.why == "" && !f.instance {
			e.out.Objects[f.Type]++
		}
	}
	return e.out
}
