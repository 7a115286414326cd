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
	e.leaveUnwritten()
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

// leaveUnwritten leaves out what hangs on something that is remembered, and that
// no file says any more: the next plan takes that away.
func (e *exporting) leaveUnwritten() {
	if e.req.Alone {
		return
	}
	for _, f := range e.found {
		for _, on := range references(f.typ, f.Body) {
			if rec := e.req.State.Objects[on]; rec != nil && e.req.Desired.Find(on) == nil {
				e.leave(f.Addr, fmt.Sprintf("it belongs to %s, which the state remembers and no file has", on))
			}
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

func (p *Planner) schemas() []*schema.Provider {
	var all []*schema.Provider
	for _, name := range slices.Sorted(maps.Keys(p.Schemas)) {
		all = append(all, p.Schemas[name])
	}
	return all
}

func (e *exporting) finish(d *draft.Draft) *Export {
	if e.out.Blocks, e.out.Runs = d.Blocks, e.runs; d.Blocks > 0 {
		e.out.Files = d.Files
	}
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
