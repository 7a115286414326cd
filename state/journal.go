package state

import (
	"context"
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

	// Rename gives a sync another name: all that is remembered of it, and the
	// history of its runs, goes by that from then on. A run of it that has no end is
	// ended as Interrupted, and fenced. What was remembered under the other name is
	// dropped, but for the history of its runs. Said again, it does nothing. For the
	// holder of both leases.
	Rename(ctx context.Context, from, to Lease) error

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

	// Referring yields the items that some run met any of such references in.
	Referring(ctx context.Context, sync addrs.Instance, references []string) iter.Seq2[Item, error]

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

	// LeaveAlone records that a target asks to be told nothing before a moment,
	// neither of what waits nor of what ends meanwhile.
	LeaveAlone(ctx context.Context, target string, until time.Time) error

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

	// Revoke gives up the leases of syncs, whoever holds them: runs that are under way
	// are Interrupted, and refused with ErrFenced at their next word. So are those whose
	// process died. Syncs that nobody runs are ignored.
	Revoke(ctx context.Context, syncs []addrs.Instance) error
}

// Preparing is a Journal that can be readied for being written to while something
// else is done: what the first to write would wait for.
type Preparing interface {
	Prepare(ctx context.Context) error
}
