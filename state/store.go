package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"
)

// Store is a place where one state and its journal are kept. It may be used
// by many goroutines, and the place by many processes at once.
type Store interface {
	// Read returns the state as it is now, with every acknowledged outcome,
	// those of a lock that is held at the moment included. Where nothing
	// exists yet it is empty, with a lineage of its own that is not yet
	// written. The state belongs to the caller; its objects are shared.
	Read(ctx context.Context) (*State, error)

	// Lock makes the caller the only one that may change the state, or returns
	// a *LockedError at once. operation is for the others to read: "apply".
	Lock(ctx context.Context, operation string) (Lock, error)

	// Journal opens the journal of syncs, which needs no lock. It is closed
	// with the Store, and may be asked for again. ErrNoJournal: this kind of
	// place keeps none.
	Journal(ctx context.Context) (Journal, error)

	// History returns the versions that are kept, newest first; the first is
	// the present one, unless nothing was ever saved. ErrNoHistory: this kind
	// of place keeps none.
	History(ctx context.Context) ([]Version, error)

	// At returns the state as it was saved with a serial, without anything
	// that was done later. ErrNoVersion: that one is not kept, or never was.
	At(ctx context.Context, serial uint64) (*State, error)

	// ForceUnlock takes the lock away from the holder with this id, who is
	// gone for good. ErrNotLocked: nobody holds it. A *LockedError: someone
	// else does, or, where the system frees the locks of the dead, someone
	// alive.
	ForceUnlock(ctx context.Context, id string) error

	// Close gives up everything that is open, a held lock included. What was
	// acknowledged stays.
	Close() error
}

// Lock is the right to change the state. It may be used by many goroutines.
//
// Every side effect goes like this: Intend, and only when that has returned,
// the call; then Done with what came of it. An intent whose outcome cannot be
// known is left without one, and is found in State.Open from then on.
type Lock interface {
	// Holder is this lock's own record.
	Holder() Holder

	// State returns the state with all outcomes so far. It belongs to the
	// caller; its objects are shared.
	State() *State

	// Intend makes intents durable, all or none. Seq and At are set by it.
	// After an error nothing may be begun.
	Intend(ctx context.Context, intents []Intent) error

	// Done makes outcomes durable, all or none, and closes all intents of
	// their addresses. It costs as much as the batch is large, not the state.
	// After an error the outcomes are still in State and a later Save may
	// keep them, but nothing is promised.
	Done(ctx context.Context, outcomes []Outcome) error

	// SetOutputs makes these the outputs, durably. The values of sensitive
	// ones are dropped.
	SetOutputs(ctx context.Context, outputs map[string]Output) error

	// Save writes the whole state, with Serial one higher, if it differs from
	// what was written before; else it writes nothing. Without Save nothing
	// acknowledged is lost either; it gives the state a version.
	Save(ctx context.Context) error

	// Replace makes s the state, and saves it. Its serial becomes the next one,
	// or stays its own if that is higher still. Open intents stay open: what
	// they were about to do is out there.
	Replace(ctx context.Context, s *State) error

	// Reseal seals the kept versions of the state, and what the journal of syncs
	// says of items, as what is written now. Without always it does so only
	// where this lock was the first to seal to these recipients. It goes on past
	// a version that it cannot seal.
	Reseal(ctx context.Context, always bool) (Resealed, error)

	// Unlock gives the lock up, and nothing else. A second call does nothing.
	Unlock() error
}

// Holder is the record of who holds a lock or a lease.
type Holder struct {
	ID        string    `json:"id"` // of this one holding; random
	Operation string    `json:"operation"`
	Who       string    `json:"who"` // user@host
	PID       int       `json:"pid"`
	Tool      string    `json:"tool"`
	Created   time.Time `json:"created"`
	Path      string    `json:"path,omitempty"` // of what is held, as the holder names it

	// Expires is when others may take over what is held, unless it is renewed;
	// zero where the operating system knows whether the holder lives.
	Expires time.Time `json:"expires,omitzero"`
}

func (h Holder) String() string {
	if h.ID == "" {
		return "someone who left no record"
	}
	var parts []string // another program may leave less
	if h.Operation != "" {
		parts = append(parts, h.Operation)
	}
	if h.PID != 0 {
		parts = append(parts, fmt.Sprintf("process %d", h.PID))
	}
	if h.Tool != "" {
		parts = append(parts, h.Tool)
	}
	if !h.Created.IsZero() {
		parts = append(parts, "since "+h.Created.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s (%s)", cmp.Or(h.Who, "someone"), strings.Join(append(parts, "id "+h.ID), ", "))
}

// Who is the user who runs this process, and where: user@host.
func Who() string {
	name, host := "someone", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// LockedError says that someone else holds the state's lock, and who.
type LockedError struct {
	Holder Holder // the other one, never the caller
	Stays  bool   // nobody can tell whether the holder lives
}

func (e *LockedError) Error() string { return "the state is locked by " + e.Holder.String() }

// DamagedError says that something kept cannot be read, or not safely. It was
// left as it is.
type DamagedError struct {
	Path   string // the file, or the name of the place
	Reason string // what is wrong
	Advice string // what to do
}

func (e *DamagedError) Error() string {
	var b strings.Builder
	b.WriteString(e.Path + ": " + e.Reason)
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// ErrNoJournal is returned by a Store that keeps a state but no journal.
var ErrNoJournal = errors.New("this state backend keeps no journal of syncs: integration points need one that does, local or postgres")

// ErrUnlocked is returned by a Lock that has been given up.
var ErrUnlocked = errors.New("the state's lock was given up")

// ErrLockLost is returned by a Lock that somebody else took over, after it had
// expired or by force: begin nothing more.
var ErrLockLost = errors.New("the state's lock was taken over by another process")

// ErrNotLocked says that there is no lock to take away.
var ErrNotLocked = errors.New("the state is not locked")

// ErrNoHistory is returned by a Store that keeps the present version alone.
var ErrNoHistory = errors.New("this backend keeps no earlier versions of the state")

// ErrNoVersion is returned for a serial that is not kept.
var ErrNoVersion = errors.New("no version with this serial is kept")
