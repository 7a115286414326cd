package vaultapi

import "time"

// Event is what a client tells its observer: one of Called, Waiting, LoggedIn.
type Event interface{ event() }

// Called says that one call was sent and answered, or not.
type Called struct {
	Op       string
	Method   string
	Path     string // without host and parameters
	Write    bool
	Attempt  int // 1 for the first
	Duration time.Duration
	Err      error // nil when it succeeded
}

// Waiting says that a call now waits. It is said once for each pause.
type Waiting struct {
	Op     string
	Reason Reason
	For    time.Duration // at most; 0 when nobody knows
	Err    error         // what is to be retried, for Backoff
}

// LoggedIn says that there is a new session.
type LoggedIn struct {
	VaultID int64
	UserID  int64
	Again   bool // an earlier one had ended
}

func (Called) event()   {}
func (Waiting) event()  {}
func (LoggedIn) event() {}

// Reason is why a call waits.
type Reason string

const (
	Pacing   Reason = "pacing"   // the vault's burst limit
	Downtime Reason = "downtime" // the vault announced maintenance
	Backoff  Reason = "backoff"  // before another attempt
	Polling  Reason = "polling"  // between two looks at a job
	Queue    Reason = "queue"    // enough queries in flight
)

// Stats are counts since Open.
type Stats struct {
	Calls   int64 // attempts sent, logins included
	Writes  int64 // those of them that may change the vault
	Retries int64
	Logins  int64
}
