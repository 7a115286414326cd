package providers

import (
	"accord/lang/addrs"
	"accord/lang/schema"
)

// PlanRequest asks what objects will be.
type PlanRequest struct {
	Items []PlanItem `json:"items"`
	Refs  Refs       `json:"refs,omitempty"`
}

// PlanItem is one object as wanted, remembered and found.
type PlanItem struct {
	Addr     addrs.Instance `json:"addr"`
	Desired  *Object        `json:"desired,omitempty"`  // nil: the block is gone
	Recorded *Object        `json:"recorded,omitempty"` // nil: not in the state
	Live     *Object        `json:"live,omitempty"`     // nil: not there
	Removal  schema.Removal `json:"removal,omitempty"`  // with Desired nil: which word holds
}

// PlanResponse says what one object will be.
type PlanResponse struct {
	// Planned is the object after apply. It keeps every attribute of Desired;
	// what is left out there is filled from Live, or listed in Unknown.
	// Nil: it will be remembered no more.
	Planned *Object `json:"planned,omitempty"`

	Replace      []addrs.Path `json:"replace,omitempty"`      // what forces a new object
	Consequences []string     `json:"consequences,omitempty"` // in words: "312 published items stay as they are"
	After        []Ref        `json:"after,omitempty"`        // steps that must be done before this one, beyond references (CTRY-12)
	Diagnostics  []Diagnostic `json:"diagnostics,omitempty"`  // an error refuses the plan
}

// Ref names a step: an object's, or the run of its sync.
type Ref struct {
	Addr addrs.Instance `json:"addr"`
	Sync bool           `json:"sync,omitempty"`
}

// Action is what a step does to an object.
type Action string

// The actions.
const (
	NoAction Action = "no-op"
	Create   Action = "create"
	Update   Action = "update"
	Replace  Action = "replace" // delete, then create
	Adopt    Action = "adopt"   // found and not in the state: taken over, then updated where it differs
	Remove   Action = "remove"  // the block is gone; the removal says how
)

// ApplyRequest asks that planned objects be made so.
type ApplyRequest struct {
	Items []ApplyItem `json:"items"`
	Refs  Refs        `json:"refs,omitempty"`
}

// ApplyItem is one step.
type ApplyItem struct {
	Addr     addrs.Instance `json:"addr"`
	Action   Action         `json:"action"`
	Live     *Object        `json:"live,omitempty"`     // as read when planned
	Recorded *Object        `json:"recorded,omitempty"` // as remembered
	Planned  *Object        `json:"planned,omitempty"`  // without unknowns of the configuration; nil when removed
	Removal  schema.Removal `json:"removal,omitempty"`
}
