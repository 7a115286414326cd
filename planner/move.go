package planner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/state"
	"accord/state/failpoint"
)

// move gives what is recorded the names that moved blocks give it. The plan goes
// by the new names; apply renames before its first step.
func (m *making) move(context.Context) {
	if m.req.Destroy || len(m.req.Desired.Moves) == 0 {
		return
	}
	names := map[addrs.Instance]addrs.Instance{}
	for _, rec := range m.req.State.Sorted() {
		to := m.req.Desired.Moved(rec.Addr)
		if to == rec.Addr {
			continue
		}
		if m.req.State.Objects[to] != nil || slices.Contains(slices.Collect(maps.Values(names)), to) {
			m.diags = append(m.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: fmt.Sprintf("%s cannot be moved", rec.Addr),
				Detail:  fmt.Sprintf("There is another object recorded as %s. Take one of them out first, with a removed block or with: accord state rm", to),
				Subject: m.movedBy(rec.Addr).Range.Ptr(),
			})
			continue
		}
		names[rec.Addr] = to
		m.plan.Moves = append(m.plan.Moves, plan.Move{From: rec.Addr, To: to, Place: placeOf(m.movedBy(rec.Addr).Range)})
	}
	if len(names) == 0 {
		return
	}
	renamed := m.req.State.Clone()
	for _, o := range m.renamings(m.req.State, names) {
		delete(renamed.Objects, o.from)
		renamed.Objects[o.Addr] = o.Object
	}
	m.req.State = renamed
	moved := *m.Planner
	moved.Journal = renamedJournal{m.Journal, m.plan.Moves}
	m.Planner = &moved
}

// movedBy is the moved block that leads an address on.
func (m *making) movedBy(addr addrs.Instance) *lang.Move {
	for _, move := range m.req.Desired.Moves {
		if to, ok := move.Moved(addr); ok && to != addr {
			return move
		}
	}
	return &lang.Move{}
}

// renaming is an object under its new name, or with new names in it.
type renaming struct {
	*state.Object
	from addrs.Instance
}

// renamings lists the objects that new names change, those that only refer to a
// renamed one included. Removals of old names come first.
func (p *Planner) renamings(s *state.State, names map[addrs.Instance]addrs.Instance) []renaming {
	now := func(addr addrs.Instance) addrs.Instance {
		if to, ok := names[addr]; ok {
			return to
		}
		return addr
	}
	var out []renaming
	for _, rec := range s.Sorted() {
		o := *rec
		o.Addr = now(rec.Addr)
		o.DependsOn = slices.Clone(rec.DependsOn)
		for n, on := range o.DependsOn {
			o.DependsOn[n] = now(on)
		}
		slices.SortFunc(o.DependsOn, addrs.Instance.Compare)
		if _, typ, _ := p.typeOf(rec.Type); typ != nil {
			o.Body = rereferred(typ, rec.Body, now)
		}
		if !rec.Equal(&o) {
			out = append(out, renaming{&o, rec.Addr})
		}
	}
	return out
}

// rereferred is a body whose references go by new names.
func rereferred(typ *schema.Type, body json.RawMessage, now func(addrs.Instance) addrs.Instance) json.RawMessage {
	for _, a := range typ.Body.Attributes {
		if len(a.Refers) == 0 {
			continue
		}
		var text string
		if json.Unmarshal(schema.ValueOf(body, a.Name), &text) != nil || text == "" {
			continue
		}
		addr, err := addrs.ParseInstance(text)
		if err != nil || now(addr) == addr {
			continue
		}
		renamed, err := json.Marshal(map[string]addrs.Instance{a.Name: now(addr)})
		if err == nil {
			body = plan.With(body, renamed, a.Name)
		}
	}
	return body
}

// renamedJournal answers for syncs under their new names.
type renamedJournal struct {
	state.Journal
	moves []plan.Move
}

// before is the name that a sync still goes by.
func (j renamedJournal) before(sync addrs.Instance) addrs.Instance {
	for _, m := range j.moves {
		if sync == m.To {
			return m.From
		}
	}
	return sync
}

// Memories implements state.Journal.
func (j renamedJournal) Memories(ctx context.Context, syncs []addrs.Instance) ([]state.Memory, error) {
	before := make([]addrs.Instance, len(syncs))
	for n, sync := range syncs {
		before[n] = j.before(sync)
	}
	return j.Journal.Memories(ctx, before)
}

// Open implements state.Journal.
func (j renamedJournal) Open(ctx context.Context, sync addrs.Instance) ([]state.Batch, error) {
	return j.Journal.Open(ctx, j.before(sync))
}

// Exceptions implements state.Journal.
func (j renamedJournal) Exceptions(ctx context.Context, sync addrs.Instance) iter.Seq2[state.Exception, error] {
	return j.Journal.Exceptions(ctx, j.before(sync))
}

// Unmatched implements state.Journal.
func (j renamedJournal) Unmatched(ctx context.Context, sync addrs.Instance) iter.Seq2[string, error] {
	return j.Journal.Unmatched(ctx, j.before(sync))
}

// Referring implements state.Journal.
func (j renamedJournal) Referring(ctx context.Context, sync addrs.Instance, references []string) iter.Seq2[state.Item, error] {
	return j.Journal.Referring(ctx, j.before(sync), references)
}

// Runs implements state.Journal.
func (j renamedJournal) Runs(ctx context.Context, sync addrs.Instance, n int) ([]state.Run, error) {
	return j.Journal.Runs(ctx, j.before(sync), n)
}

// Rename gives what is recorded other names, with all that refers to it: in what
// is remembered of syncs, then in the state. It may be called again after it was
// cut short.
func (p *Planner) Rename(ctx context.Context, lock state.Lock, moves []plan.Move) error {
	syncs, err := p.Journal.Syncs(ctx)
	if err != nil && !errors.Is(err, state.ErrNoJournal) { // without one, no sync was ever run
		return err
	}
	names := map[addrs.Instance]addrs.Instance{}
	for _, m := range moves {
		names[m.From] = m.To
		if !slices.Contains(syncs, m.From) { // it is no sync, or one that nothing is remembered of
			continue
		}
		if err := p.renameSync(ctx, m); err != nil {
			return fmt.Errorf("rename what is remembered of %s: %w", m.From, err)
		}
	}
	failpoint.Reach(failpoint.SyncsRenamed)
	var outcomes []state.Outcome
	for _, o := range p.renamings(lock.State(), names) {
		if o.from != o.Addr {
			outcomes = append(outcomes, state.Outcome{Addr: o.from, Forget: true})
		}
		outcomes = append(outcomes, state.Outcome{Addr: o.Addr, Object: o.Object})
	}
	if len(outcomes) == 0 {
		return nil
	}
	return lock.Done(ctx, outcomes)
}

// rename carries out the moves of the plan.
func (a *applying) rename(ctx context.Context) error {
	if len(a.req.Plan.Moves) == 0 {
		return nil
	}
	if err := a.Rename(ctx, a.req.Lock, a.req.Plan.Moves); err != nil {
		return err
	}
	a.report.Renamed = len(a.req.Plan.Moves)
	return nil
}

// renameSync has the journal call a sync by its new name.
func (p *Planner) renameSync(ctx context.Context, m plan.Move) error {
	leases, err := p.Journal.Acquire(ctx, []addrs.Instance{m.From, m.To}, "move", leaseTime)
	if err != nil {
		return err
	}
	for _, l := range leases {
		defer p.Journal.Release(context.WithoutCancel(ctx), l)
	}
	return p.Journal.Rename(ctx, leases[0], leases[1])
}

// leaseTime is more than renaming takes.
const leaseTime = time.Minute
