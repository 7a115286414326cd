package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/draft"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// proof is the plan of a draft being judged.
type proof struct {
	*exporting
	draft    *draft.Draft
	desired  *lang.Desired
	was      map[addrs.Instance]addrs.Instance // where what was found is in the draft, the other way round
	problems map[addrs.Instance]string
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

// blankJournal is the journal of a configuration that was never applied.
type blankJournal struct{ state.Journal }

// Memories implements state.Journal.
func (blankJournal) Memories(_ context.Context, syncs []addrs.Instance) ([]state.Memory, error) {
	return make([]state.Memory, len(syncs)), nil
}
