package planner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// Operation is the last apply of a state: who asked for what, and how far it
// came. It is an entry of the state, so that the next command, wherever it runs,
// can go on with it.
type Operation struct {
	ID        string    `json:"id"`
	Command   string    `json:"command"` // "apply", "destroy", "apply canada.plan", "import ADDRESS ID"
	Who       string    `json:"who,omitempty"`
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended,omitzero"`
	Standing  Standing  `json:"standing"`
	ChangeRef string    `json:"change_ref,omitempty"`
	Plan      string    `json:"plan,omitempty"` // digest of the saved plan that was applied
	NoSync    bool      `json:"no_sync,omitempty"`
	Detach    bool      `json:"detach,omitempty"`

	// Approved is what was approved, until all of it is done: the steps without
	// their objects, and the sources to make them from. It holds no secret.
	Approved *plan.File `json:"approved,omitempty"`
}

// Standing is how far an operation came.
type Standing string

// The standings. One that is still begun when nobody holds the lock died.
const (
	Begun       Standing = "begun"
	Done        Standing = "done"
	Incomplete  Standing = "incomplete"  // something failed, or was skipped
	Interrupted Standing = "interrupted" // between two steps
	Waiting     Standing = "waiting"     // for the time of a run, without the lock (CTRY-7)
)

var operationAddr = addrs.New(ownType, "operation")

// LastOperation is the last apply that a state remembers, nil where there is
// none.
func LastOperation(s *state.State) *Operation {
	o := s.Objects[operationAddr]
	var op Operation
	if o == nil || json.Unmarshal(o.Body, &op) != nil {
		return nil
	}
	return &op
}

func (op *Operation) entry() *state.Object {
	body, _ := json.Marshal(op)
	return &state.Object{Addr: operationAddr, Type: ownType, Body: body}
}

// NewOperation begins the record of a command.
func NewOperation(command string, now time.Time) *Operation {
	return &Operation{ID: strings.ToLower(rand.Text()[:12]), Command: command, Started: now.UTC(), Standing: Begun}
}

// Resumable is what of a plan resume needs: which steps, and what the runs
// promised.
func Resumable(p *plan.Plan) *plan.Plan {
	kept := &plan.Plan{
		Tool: p.Tool, Created: p.Created, Lineage: p.Lineage, Serial: p.Serial,
		Destroy: p.Destroy, Allow: p.Allow, Target: p.Target, Exclude: p.Exclude, Replace: p.Replace,
	}
	for _, s := range p.Steps {
		step := plan.Step{Ref: s.Ref, Record: s.Record, Decision: s.Decision, Promise: s.Promise}
		if s.Item != nil {
			step.Item = &providers.ApplyItem{Addr: s.Item.Addr, Action: s.Item.Action, Removal: s.Item.Removal}
		}
		kept.Steps = append(kept.Steps, step)
	}
	return kept
}

// record notes in the state how an operation stands; with other outcomes, at
// once with them.
func (a *applying) record(ctx context.Context, outcomes ...state.Outcome) error {
	op := a.req.Operation
	if op != nil {
		op.Who = a.req.Lock.Holder().Who
		outcomes = append(outcomes, state.Outcome{Addr: operationAddr, Object: op.entry()})
	}
	if len(outcomes) == 0 {
		return nil
	}
	return a.req.Lock.Done(ctx, outcomes)
}

// stand notes how the operation ended.
func (a *applying) stand(ctx context.Context) error {
	op := a.req.Operation
	if op == nil {
		return nil
	}
	op.Ended = a.Now().UTC()
	switch {
	case a.waiting:
		op.Standing, op.Ended = Waiting, time.Time{}
	case a.report.Interrupted:
		op.Standing = Interrupted
	case a.report.Unfinished():
		op.Standing = Incomplete
	default:
		op.Standing, op.Approved = Done, nil
	}
	return a.record(ctx)
}
