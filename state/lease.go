package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"accord/lang/addrs"
)

// LeaseOf takes the lease of one sync.
func LeaseOf(ctx context.Context, j Journal, sync addrs.Instance, operation string, ttl time.Duration) (Lease, error) {
	l, err := j.Acquire(ctx, []addrs.Instance{sync}, operation, ttl)
	if err != nil {
		return Lease{}, err
	}
	return l[0], nil
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

// ErrFenced says that somebody else has acquired the sync since, or revoked its
// lease: stop at once.
var ErrFenced = errors.New("another process has taken the sync over, or stopped it")
