package state

import (
	"time"

	"accord/lang/addrs"
)

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

// Unmatched says that an item refers to something that is not there: once it is, the item
// has to be looked at again. It is a hint, and may outlive its item.
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
