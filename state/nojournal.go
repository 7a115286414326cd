package state

import (
	"context"
	"iter"
	"time"

	"accord/lang/addrs"
)

// NoJournal is the Journal of a place that keeps none: whatever it is asked,
// it answers ErrNoJournal.
type NoJournal struct{}

var _ Journal = NoJournal{}

// Memories implements Journal.
func (NoJournal) Memories(context.Context, []addrs.Instance) ([]Memory, error) {
	return nil, ErrNoJournal
}

// Remember implements Journal.
func (NoJournal) Remember(context.Context, Lease, Memory) error { return ErrNoJournal }

// Owe implements Journal.
func (NoJournal) Owe(context.Context, addrs.Instance, []string, Allowance) error { return ErrNoJournal }

// Rename implements Journal.
func (NoJournal) Rename(context.Context, Lease, Lease) error { return ErrNoJournal }

// Begin implements Journal.
func (NoJournal) Begin(context.Context, ...Run) error { return ErrNoJournal }

// Intend implements Journal.
func (NoJournal) Intend(context.Context, string, []Batch) error { return ErrNoJournal }

// Checkpoint implements Journal.
func (NoJournal) Checkpoint(context.Context, string, Checkpoint) error { return ErrNoJournal }

// End implements Journal.
func (NoJournal) End(context.Context, ...End) ([]Run, error) { return nil, ErrNoJournal }

// Open implements Journal.
func (NoJournal) Open(context.Context, addrs.Instance) ([]Batch, error) { return nil, ErrNoJournal }

// Exceptions implements Journal.
func (NoJournal) Exceptions(context.Context, addrs.Instance) iter.Seq2[Exception, error] {
	return func(yield func(Exception, error) bool) { yield(Exception{}, ErrNoJournal) }
}

// Unmatched implements Journal.
func (NoJournal) Unmatched(context.Context, addrs.Instance) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", ErrNoJournal) }
}

// Referring implements Journal.
func (NoJournal) Referring(context.Context, addrs.Instance, []string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) { yield(Item{}, ErrNoJournal) }
}

// Acknowledge implements Journal.
func (NoJournal) Acknowledge(context.Context, []Exception, *Ack) error { return ErrNoJournal }

// Retried implements Journal.
func (NoJournal) Retried(context.Context, addrs.Instance, []Item, string) error { return ErrNoJournal }

// Dismiss implements Journal.
func (NoJournal) Dismiss(context.Context, addrs.Instance, []Item) error { return ErrNoJournal }

// Untold implements Journal.
func (NoJournal) Untold(context.Context, string, int, time.Duration) ([]Untold, error) {
	return nil, ErrNoJournal
}

// Told implements Journal.
func (NoJournal) Told(context.Context, string, string, time.Time) error { return ErrNoJournal }

// LeaveAlone implements Journal.
func (NoJournal) LeaveAlone(context.Context, string, time.Time) error { return ErrNoJournal }

// Waiting implements Journal.
func (NoJournal) Waiting(context.Context, string) (int, time.Time, error) {
	return 0, time.Time{}, ErrNoJournal
}

// Runs implements Journal.
func (NoJournal) Runs(context.Context, addrs.Instance, int) ([]Run, error) { return nil, ErrNoJournal }

// Syncs implements Journal.
func (NoJournal) Syncs(context.Context) ([]addrs.Instance, error) { return nil, ErrNoJournal }

// Acquire implements Journal.
func (NoJournal) Acquire(context.Context, []addrs.Instance, string, time.Duration) ([]Lease, error) {
	return nil, ErrNoJournal
}

// Renew implements Journal.
func (NoJournal) Renew(context.Context, Lease, time.Duration) (Lease, error) {
	return Lease{}, ErrNoJournal
}

// Release implements Journal.
func (NoJournal) Release(context.Context, Lease) error { return ErrNoJournal }

// Revoke implements Journal: nobody holds anything.
func (NoJournal) Revoke(context.Context, []addrs.Instance) error { return nil }
