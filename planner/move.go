package planner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/planner/syncer"
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

func (j renamedJournal) Memories(ctx context.Context, syncs []addrs.Instance) ([]state.Memory, error) {
	before := slices.Clone(syncs)
	for _, m := range j.moves {
		for n := range syncs {
			if syncs[n] == m.To {
				before[n] = m.From
			}
		}
	}
	return j.Journal.Memories(ctx, before)
}

// Rename gives what is recorded other names, with all that refers to it: in what
// is remembered of syncs, then in the state. It may be called again after it was
// cut short.
func (p *Planner) Rename(ctx context.Context, lock state.Lock, moves []plan.Move) error {
	names := map[addrs.Instance]addrs.Instance{}
	for _, m := range moves {
		names[m.From] = m.To
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

// renameSync hands the memory of a sync over to its new name. The list of its
// failures stays behind: a full run, which is owed instead, finds them again.
func (p *Planner) renameSync(ctx context.Context, m plan.Move) error {
	memory, err := state.MemoryOf(ctx, p.Journal, m.From)
	if errors.Is(err, state.ErrNoJournal) {
		return nil // no sync was ever run
	}
	if err != nil || memory.LastStart.IsZero() && len(memory.Owed) == 0 {
		return err
	}
	lease, err := state.LeaseOf(ctx, p.Journal, m.To, "move", leaseTime)
	if err != nil {
		return err
	}
	defer p.Journal.Release(context.WithoutCancel(ctx), lease)
	if err := p.Journal.Remember(ctx, lease, memory); err != nil {
		return err
	}
	owed := memory.Owed
	if memory.Failures > 0 {
		owed = append(owed, string(syncer.Requested))
	}
	if len(owed) > 0 {
		if err := p.Journal.Owe(ctx, m.To, owed, memory.Allowed); err != nil {
			return err
		}
	}
	old, err := state.LeaseOf(ctx, p.Journal, m.From, "move", leaseTime)
	if err != nil {
		return err
	}
	defer p.Journal.Release(context.WithoutCancel(ctx), old)
	return p.Journal.Forget(ctx, old)
}

// leaseTime is more than renaming takes.
const leaseTime = time.Minute
