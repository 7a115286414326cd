package providers

import (
	"encoding/json"
	"time"

	"accord/lang/addrs"
)

// Sync is all that a run needs, made from planned objects and never re-read.
type Sync struct {
	Addr   addrs.Instance `json:"addr"`  // who asks for it: the integration point
	Title  string         `json:"title"` // for people: "PromoMats-CRM: CLM Presentation Integration Point"
	Engine string         `json:"engine"`
	Active bool           `json:"active"`         // will be, once the plan is applied
	Idle   string         `json:"idle,omitempty"` // why it cannot run, when not Active: "the integration is inactive" (INT-3)
	Was    bool           `json:"was"`            // was active before the plan

	Source  End      `json:"source"`
	Target  End      `json:"target"`
	Variant string   `json:"variant,omitempty"` // of the source records it takes (CLM-1)
	Fields  []string `json:"fields,omitempty"`  // source fields that Rules read
	Rules   []Rule   `json:"rules,omitempty"`
	Route   Route    `json:"route"`

	// Standings says what a source record's standing means here. A standing
	// that is not in the table keeps the target as it is and is reported.
	Standings map[string]Meaning `json:"standings"`

	// Told are the standings of which somebody should know as long as they keep
	// what is at the target, and what to say of them.
	Told map[string]string `json:"told,omitempty"`

	// AtMost is how many members a container has room for at the target, by
	// part; a part that is not there: any number. One that names more is an
	// exception.
	AtMost map[string]int `json:"at_most,omitempty"`

	// Requires is a stream of what keeps a run from being made, read before
	// anything else of it: the fields of each record are a Diagnostic. A plan
	// tells of it; a run with any is refused, and nothing is transferred.
	Requires *End `json:"requires,omitempty"`

	// Exceptions is a stream of what cannot be moved, in the point's target
	// (ERR-4): the fields of each record are an Exception. accord writes its own
	// there; of another engine's sync it reads them.
	Exceptions *End `json:"exceptions,omitempty"`

	// Groups is a stream of the names that groups of source records may have, by
	// part as Record.Groups has them by name. It is read as a whole; the keys of a
	// routed part are what routing looks at.
	Groups *End `json:"groups,omitempty"`

	Policy     Policy           `json:"policy"`
	LRT        time.Time        `json:"lrt,omitzero"`
	LSRT       time.Time        `json:"lsrt,omitzero"`
	Now        time.Time        `json:"now,omitzero"`          // the clock of the vault that keeps LRT and LSRT
	Trigger    string           `json:"trigger,omitempty"`     // full_sync_trigger as planned (INT-6)
	TriggerWas string           `json:"trigger_was,omitempty"` // and before the plan
	After      []addrs.Instance `json:"after,omitempty"`       // syncs that run before it, when both run
	Needs      []addrs.Instance `json:"needs,omitempty"`       // objects that must be applied before it runs
	Permits    []addrs.Instance `json:"permits,omitempty"`     // so must these, though no content follows from them (PERM-5)

	// Inputs are named digests of what the content follows from: "filter",
	// "rules", "query_rule". A run remembers them; one that differs from the
	// last run's is a reason for a full run.
	Inputs map[string]string `json:"inputs,omitempty"`

	// Edited is when the inputs whose change waits (CTRY-7) were edited last, as
	// the system that holds them tells, by the clock of Now. Zero: they are yet
	// to be edited, or it is not known.
	Edited time.Time `json:"edited,omitzero"`

	// Before are Inputs as they are before the plan, of a sync whose engine is
	// not accord's: what that engine has taken into its runs is not remembered
	// here, so that only what a plan changes can be a reason.
	Before map[string]string `json:"before,omitempty"`
}

// Decided is the sync without what no longer matters once it is decided what is
// written: its rules, what they read, and what made it run.
func (s *Sync) Decided() Sync {
	return Sync{
		Addr: s.Addr, Title: s.Title, Engine: s.Engine, Active: s.Active,
		Source: s.Source, Target: s.Target, Variant: s.Variant, Route: s.Route,
		LRT: s.LRT, LSRT: s.LSRT, Now: s.Now,
	}
}

// Engines (INT-7).
const (
	EngineAccord   = "accord"
	EnginePlatform = "platform"
)

// Meaning is what a standing means to a sync.
type Meaning string

// The meanings.
const (
	Publish  Meaning = "publish"
	Keep     Meaning = "keep"     // as it is there; reported with the standing
	Withdraw Meaning = "withdraw" // where it is there
)

// Route says which routed records a sync takes.
type Route struct {
	// All takes every record (CTRY-6). Otherwise a record is taken when one of
	// its Routes is among:
	All bool `json:"all,omitempty"`

	Values []string        `json:"values,omitempty"` // these values; or
	Table  *addrs.Instance `json:"table,omitempty"`  // the keys that this sync's target holds; or
	Lookup *Lookup         `json:"lookup,omitempty"` // the keys of these records

	// Within narrows a Table or a Lookup to the keys of these records, where that is
	// kept for others as well (CTRY-2).
	Within *Lookup `json:"within,omitempty"`
}

// Lookup is a route table that none of the syncs keeps: the keys of those records
// of a stream whose Routes hold one of Values (CONN-3); of those that are published,
// where Values is nil, since somebody else keeps them (CTRY-5).
type Lookup struct {
	End    End      `json:"end"`
	Values []string `json:"values"`
}

// Rule fills one target field of some parts.
type Rule struct {
	Addr      addrs.Instance    `json:"addr,omitzero"`   // the field_rule it comes from; zero: the stream's own
	Parts     []string          `json:"parts,omitempty"` // of the target; empty: all
	From      string            `json:"from,omitempty"`  // source field
	To        string            `json:"to"`              // target field
	Values    map[string]string `json:"values,omitempty"`
	Default   json.RawMessage   `json:"default,omitempty"`    // where the source is blank; with From "": a constant
	Once      bool              `json:"once,omitempty"`       // set on create only
	MaxLength int               `json:"max_length,omitempty"` // in characters, where the source may have more than the target takes
	Single    bool              `json:"single,omitempty"`     // the target takes one value, where the source may have several
	Required  bool              `json:"required,omitempty"`   // the target takes no blank, where the source may be
	Reference *Reference        `json:"reference,omitempty"`
}

// Reference says how a reference of the source becomes one of the target (RULE-2),
// or a value of a picklist (RULE-3).
type Reference struct {
	Object   string `json:"object,omitempty"`   // whose records are referred to
	Picklist string `json:"picklist,omitempty"` // or whose values, by name
	NoMatch  string `json:"no_match"`           // exception | blank

	// Records is a stream at the target, read by keys that are references as
	// the source gives them, each canonical JSON. A record's standing says
	// whether it is Matched or Linked there, has NoMatch, or ManyMatches.
	// Without a stream nothing is looked up before the write.
	Records End `json:"records,omitzero"`
}

// Policy is when a sync runs in full, and what holds it back.
type Policy struct {
	FullAfter     time.Duration `json:"full_after"`               // CLM-6: 15 days
	Delay         time.Duration `json:"delay,omitempty"`          // CTRY-7
	RetryAfter    time.Duration `json:"retry_after,omitempty"`    // CLM-14
	DelayedInputs []string      `json:"delayed_inputs,omitempty"` // inputs whose change waits for Delay
}

// Run is the end of a run, for Finish.
type Run struct {
	Sync    Sync      `json:"sync"` // settled
	ID      string    `json:"id"`
	Started time.Time `json:"started"` // becomes LRT
	Clean   bool      `json:"clean"`   // no errors: becomes LSRT too (CLM-8)
	Failed  int       `json:"failed,omitempty"`
}
