package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"accord/lang/addrs"
)

// Journal is what is remembered of syncs. A sync is named by the address of
// who asks for it. Everything acknowledged is seen by everybody and outlives
// every process; everything that a call says is kept together or not at all.
//
// It is durable, too, but for what no call to a system depends upon: a machine
// that goes down may forget the last that was said by Acquire, Renew, Release and
// Begin (what a run writes it says by Intend), by a Checkpoint of a batch without
// failures, which is then found open, and by an End that is Light, whose run is then
// found cut short. What is said by anything else makes durable all that was said
// before.
//
// A run goes like this: Acquire; Begin; for each batch Intend, the writes,
// Checkpoint; End, with which the lease is given up. What a run says is refused
// with ErrFenced once somebody else has acquired its sync. What many runs begin or
// end with at a time they say together.
type Journal interface {
	// Memories returns what is remembered of syncs, in their order, as of one
	// moment; of one never heard of, the zero Memory.
	Memories(ctx context.Context, syncs []addrs.Instance) ([]Memory, error)

	// Remember replaces the part of the Memory that is the caller's, without
	// a run, for the holder of the sync's lease.
	Remember(ctx context.Context, lease Lease, m Memory) error

	// Owe promises a full run, for reasons that are added to those that are
	// owed, and what it may do beyond the limits: that lasts as long as one of these
	// reasons is owed. It needs no lease.
	Owe(ctx context.Context, sync addrs.Instance, reasons []string, allowed Allowance) error

	// Forget drops the memory, what is owed, the open batches, the exceptions and
	// the unmatched references of a sync that is no more. The history of its runs
	// stays. For the holder of its lease.
	Forget(ctx context.Context, lease Lease) error

	// Begin records the starts of runs, of all or of none; Fence is that of a run's
	// lease, ID is unique. Runs of their syncs that were begun and not ended are ended
	// as Interrupted.
	Begin(ctx context.Context, runs ...Run) error

	// Intend records batches that a run is about to write: of several all may be
	// said before the first. Seq is the caller's, unique in the run.
	Intend(ctx context.Context, run string, batches []Batch) error

	// Checkpoint records what came of a batch. Said twice, it counts once.
	Checkpoint(ctx context.Context, run string, c Checkpoint) error

	// End records the ends of runs, of all or of none, and returns them with their
	// counts.
	End(ctx context.Context, ends ...End) ([]Run, error)

	// Open returns the batches that were begun and have no checkpoint, by run
	// and Seq: of runs that were cut short, of the one that runs, and what a
	// run has left for the next (Await). They stay until a later run of the
	// sync has ended as Clean or Faulty, which thus must have looked at their
	// keys.
	Open(ctx context.Context, sync addrs.Instance) ([]Batch, error)

	// Exceptions yields what is open of a sync, by part and key; of all syncs for
	// the zero address. The journal may be written to meanwhile.
	Exceptions(ctx context.Context, sync addrs.Instance) iter.Seq2[Exception, error]

	// Unmatched yields the references of a sync that had no match when a run last
	// met them (RULE-2), each once, in an order of the journal's.
	Unmatched(ctx context.Context, sync addrs.Instance) iter.Seq2[string, error]

	// Referring yields the items that some run met such a reference in.
	Referring(ctx context.Context, sync addrs.Instance, reference string) iter.Seq2[Item, error]

	// Acknowledge says of exceptions that someone knows of them; nil takes it
	// back. One that the journal has not met, since only its vault tells of it,
	// is kept from now on. It ends with the exception, and once that becomes one
	// of another kind. It needs no lease.
	Acknowledge(ctx context.Context, exceptions []Exception, ack *Ack) error

	// Retried records that somebody wants items to be tried again; unknown
	// ones are ignored. It needs no lease.
	Retried(ctx context.Context, sync addrs.Instance, items []Item, by string) error

	// Dismiss drops exceptions without a run; unknown ones are ignored. It needs
	// no lease: what still fails is found again by the next run.
	Dismiss(ctx context.Context, sync addrs.Instance, items []Item) error

	// Untold returns the runs, oldest first and at most n, that a target is to
	// be told of and may be told of now (CONN-6). For the time of hold nobody
	// else is given them: whoever dies meanwhile leaves them to the next.
	Untold(ctx context.Context, target string, n int, hold time.Duration) ([]Untold, error)

	// Told records what came of telling a target of a run: it was told, or is to
	// be told again, not before a moment. It is told at least once.
	Told(ctx context.Context, target, run string, again time.Time) error

	// Waiting returns how many runs a target is still to be told of, and when
	// the first may be told.
	Waiting(ctx context.Context, target string) (n int, first time.Time, err error)

	// Runs returns the last n runs of a sync, of all for the zero address,
	// newest first.
	Runs(ctx context.Context, sync addrs.Instance, n int) ([]Run, error)

	// Syncs returns the addresses of all syncs that are remembered or owed.
	Syncs(ctx context.Context) ([]addrs.Instance, error)

	// Acquire takes the leases of syncs for a time, of all or of none: where one is
	// held it returns a *LeasedError at once. A lease that has expired, or whose
	// holder is certainly dead, is taken over. Fence is higher than that of every
	// lease of this sync before.
	Acquire(ctx context.Context, syncs []addrs.Instance, operation string, ttl time.Duration) ([]Lease, error)

	// Renew makes a lease last for ttl from now. A lease that was taken over,
	// or released, is refused with ErrFenced; one that merely expired is not.
	Renew(ctx context.Context, lease Lease, ttl time.Duration) (Lease, error)

	// Release gives a lease up. One that is held by somebody else by now is
	// left alone, without an error.
	Release(ctx context.Context, lease Lease) error
}

// Preparing is a Journal that can be readied for being written to while something
// else is done: what the first to write would wait for.
type Preparing interface {
	Prepare(ctx context.Context) error
}

// Memory is what is remembered of one sync.
type Memory struct {
	// The caller's: what Remember and End keep.

	Horizon     time.Time         `json:"horizon,omitzero"`      // where the next incremental read begins, by the source's clock
	HorizonFull time.Time         `json:"horizon_full,omitzero"` // the start of the last full read that came to its end, by the source's clock
	Inputs      map[string]string `json:"inputs,omitempty"`      // named digests that the last run used
	LastStart   time.Time         `json:"last_start,omitzero"`   // LRT
	LastSuccess time.Time         `json:"last_success,omitzero"` // LSRT
	Errors      int               `json:"errors,omitempty"`      // of the last run that came to its end
	Seen        []byte            `json:"seen,omitempty"`        // digests of recent changes that the last run has dealt with; the caller's own form
	Asked       *Asked            `json:"asked,omitempty"`       // INT-7: a run of another engine that was asked for, and not seen to its end

	// The journal's own: ignored by Remember and End.

	Owed     []string  `json:"-"` // reasons of a full run that was promised and is not yet done; sorted
	Allowed  Allowance `json:"-"` // what that run may do beyond the limits
	Last     *Run      `json:"-"` // the last run, ended or not; nil: none
	LastFull *Run      `json:"-"` // the last run of mode Full that ended as Clean or Faulty; nil: none
	Failures int       `json:"-"` // open ones, of items
	Kept     int       `json:"-"` // items that stay as they are, and are told of
	Open     int       `json:"-"` // batches: see Journal.Open

	Unmatched int `json:"-"` // references: see Journal.Unmatched
}

// Allowance lifts limits once, up to a number of items.
type Allowance struct {
	Withdraw int `json:"withdraw,omitempty"`
	Publish  int `json:"publish,omitempty"`
}

// Or is the more that one of two allows.
func (a Allowance) Or(b Allowance) Allowance {
	return Allowance{Withdraw: max(a.Withdraw, b.Withdraw), Publish: max(a.Publish, b.Publish)}
}

// Asked is that a run of another engine was asked for.
type Asked struct {
	At   time.Time `json:"at"`            // by the clock of the vault that was asked
	Last time.Time `json:"last,omitzero"` // LRT until then
}

// MemoryOf returns what is remembered of one sync.
func MemoryOf(ctx context.Context, j Journal, sync addrs.Instance) (Memory, error) {
	m, err := j.Memories(ctx, []addrs.Instance{sync})
	if err != nil {
		return Memory{}, err
	}
	return m[0], nil
}

// LeaseOf takes the lease of one sync.
func LeaseOf(ctx context.Context, j Journal, sync addrs.Instance, operation string, ttl time.Duration) (Lease, error) {
	l, err := j.Acquire(ctx, []addrs.Instance{sync}, operation, ttl)
	if err != nil {
		return Lease{}, err
	}
	return l[0], nil
}

// Modes of a run.
const (
	Full        = "full"
	Incremental = "incremental"
	Withdrawal  = "withdrawal" // all that the sync published is withdrawn
)

// RunOutcome is how a run ended; "" for one that has not.
type RunOutcome string

// The outcomes of runs.
const (
	Clean       RunOutcome = "clean"       // it came to its end without errors
	Faulty      RunOutcome = "faulty"      // it came to its end, and some items failed
	Failed      RunOutcome = "failed"      // it gave up
	Interrupted RunOutcome = "interrupted" // it was stopped, or its process died
)

// Run is one run of a sync.
type Run struct {
	ID      string
	Sync    addrs.Instance
	Mode    string
	Reasons []string
	Fence   uint64
	Started time.Time

	// Said to Begin alone.

	Owes []string // why the sync is to run in full, from now on and until a run settles it; see Owe
	Tell []string // who is to be told, if it comes to something; see End.Worth

	// Kept by the journal, ignored by Begin.

	Seq      uint64 // rises over all runs
	Ended    time.Time
	Outcome  RunOutcome
	Counts   map[string]int64 // sums of the checkpoints' and the end's
	Failures int              // items that failed in this run, and were not resolved in it
	New      int              // those among them that were not failing before
	Message  string           // why it gave up, for people
}

// Await is the verb of a batch by which nothing is written: a later run has to
// look at its keys.
const Await = "await"

// Batch is a number of writes of one run.
type Batch struct {
	Run  string
	Seq  uint64
	Part string
	Verb string
	Keys []string
	At   time.Time // of Open: when one of the run was said last, by Intend or a Checkpoint; none is written long after
}

// Checkpoint is what came of a batch.
type Checkpoint struct {
	Seq      uint64           // of the batch; 0: exceptions and counts that belong to none, not protected against being said twice
	Counts   map[string]int64 // in the caller's words; added to the run's
	Met      []Exception      // what is the caller's of it
	Resolved []Item           // exceptions no more; unknown ones are ignored

	Unmatched []Unmatched // said again, they are there once
}

// Unmatched is that an item is as it is for want of what it refers to: should that
// come to be, somebody has to look at it again. It is a hint: it may outlive its
// item.
type Unmatched struct {
	Item
	Reference string // in the caller's words
}

// Item names one thing that a sync moves.
type Item struct {
	Part string `json:"part"`
	Key  string `json:"key"`
}

// End is the end of a run.
type End struct {
	Run     string
	Outcome RunOutcome
	At      time.Time
	Message string
	Counts  map[string]int64
	Memory  *Memory  // replaces the caller's part; nil: stays as it is
	Settled []string // reasons that are owed no more
	Sweep   bool     // the run saw everything: exceptions that it did not meet are resolved
	Matched []string // references that are not Unmatched any more; after a run that is not Incremental and saw everything, none is that it did not meet

	// Worth: it did something that people are told of. They are told of what
	// failed for the first time, of a run that gave up for another reason than
	// the one before, and of one whose process died.
	Worth bool

	Release bool // the run's lease is given up with it
	Light   bool // the next run does what is left, should this be forgotten
}

// Untold is a run that a target is to be told of.
type Untold struct {
	Run      Run
	New      []Exception // the first of what failed for the first time in it, and still does
	NewCount int         // of all of these
	Attempts int         // that came to nothing
}

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

// Lease is the right to run a sync, until Expires. The holder writes nothing
// that could outlast it.
type Lease struct {
	Sync    addrs.Instance
	Fence   uint64
	Holder  Holder
	Expires time.Time
}

// LeasedError says that someone else is running a sync, and who.
type LeasedError struct {
	Lease Lease
}

func (e *LeasedError) Error() string {
	return fmt.Sprintf("%s is being synced by %s, until %s unless renewed",
		e.Lease.Sync, e.Lease.Holder, e.Lease.Expires.UTC().Format(time.RFC3339))
}

// ErrFenced says that somebody else has acquired the sync since: stop at once.
var ErrFenced = errors.New("the sync was taken over by another process")
