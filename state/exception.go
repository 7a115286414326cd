package state

import (
	"time"

	"accord/lang/addrs"
)

// ExceptionType is what an exception is about.
type ExceptionType string

// The types.
const (
	Failing ExceptionType = ""        // ERR-2: an item that the sync cannot move
	Message ExceptionType = "message" // ERR-1: what keeps the whole sync from running
	Kept    ExceptionType = "kept"    // CLM-1: an item that does not fail, and stays as it is, which somebody should know
)

// Exception is something of a sync that people are told of until it is resolved,
// since FirstSeen and in Attempts runs. Only what is Failing is counted among the
// failures of a run and of a Memory.
type Exception struct {
	Sync addrs.Instance

	// The caller's:

	Type    ExceptionType
	Part    string
	Key     string
	Title   string
	Kind    string // the caller's word
	Message string
	Cause   addrs.Instance    // the block whose change would help, if any
	Routes  []string          // of the item: its countries, as the source names them
	Groups  map[string]string // of the item: its product and the like

	// The journal's:

	FirstSeen time.Time
	LastSeen  time.Time
	Attempts  int
	Run       string    // the last that met it; "": none did
	Ack       *Ack      // nil: nobody has acknowledged it
	Retried   time.Time // when somebody last wanted it to be tried again
	RetriedBy string
}

// Ack is that someone knows of an exception.
type Ack struct {
	Owner  string    `json:"owner"`          // who takes care of it
	Reason string    `json:"reason"`         // why it may stay so
	By     string    `json:"by"`             // who said so: user@host
	At     time.Time `json:"at"`             // set by Acknowledge
	Until  time.Time `json:"until,omitzero"` // when it counts no more; zero: as long as the exception lasts
}

// Holds reports whether an exception counts as acknowledged at a time.
func (a *Ack) Holds(now time.Time) bool {
	return a != nil && (a.Until.IsZero() || now.Before(a.Until))
}
