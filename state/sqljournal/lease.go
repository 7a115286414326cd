package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// Acquire implements state.Journal.
func (j *Journal) Acquire(ctx context.Context, syncs []addrs.Instance, operation string, ttl time.Duration) ([]state.Lease, error) {
	names := namesOf(syncs)
	mine, err := j.at.Mine()
	if err != nil {
		return nil, fmt.Errorf("leasing %s: %w", strings.Join(names, ", "), err)
	}
	leases := make([]state.Lease, len(syncs))
	err = j.later(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		before, err := scan(ctx, tx, scanLease, selectLeases, text(names))
		if err != nil {
			return err
		}
		fences := make(map[string]uint64, len(syncs))
		for _, of := range before {
			if of.alive != "" && now.Before(of.Expires) && j.at.Alive(of.alive) {
				return &state.LeasedError{Lease: of.Lease}
			}
			fences[of.Sync.String()] = of.Fence
		}
		for n, sync := range syncs {
			l := state.Lease{Sync: sync, Fence: fences[names[n]] + 1, Holder: j.at.Holder(operation, names[n]), Expires: now.Add(ttl)}
			if _, err := tx.ExecContext(ctx, takeLease, names[n], l.Fence, text(l.Holder), mine, nanos(l.Expires)); err != nil {
				return err
			}
			leases[n] = l
		}
		return nil
	})
	if err != nil {
		return nil, j.fail("leasing "+strings.Join(names, ", "), err)
	}
	return leases, nil
}

var (
	selectLeases = inEachRun("SELECT sync, fence, holder, alive, expires FROM lease WHERE sync IN " + these)

	takeLease = inEachRun(`
		INSERT INTO lease (sync, fence, holder, alive, expires) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (sync) DO UPDATE SET fence = ?2, holder = ?3, alive = ?4, expires = ?5`)

	giveLeaseUp = inEachRun("UPDATE lease SET alive = '', expires = 0 WHERE sync = ?1 AND fence = ?2")
)

// writtenLease is a lease as it is written, and by whom it is held; "": it was given up.
type writtenLease struct {
	state.Lease
	alive string
}

func scanLease(rows *sql.Rows) (l writtenLease, err error) {
	var sync, holder string
	var expires int64
	if err := rows.Scan(&sync, &l.Fence, &holder, &l.alive, &expires); err != nil {
		return l, err
	}
	l.Expires = when(expires)
	return l, errors.Join(l.Sync.UnmarshalText([]byte(sync)), json.Unmarshal([]byte(holder), &l.Holder))
}

// Renew implements state.Journal.
func (j *Journal) Renew(ctx context.Context, lease state.Lease, ttl time.Duration) (state.Lease, error) {
	var expires time.Time
	err := j.later(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		expires = now.Add(ttl)
		if err := held(ctx, tx, lease.Sync.String(), lease.Fence); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE lease SET expires = ?1 WHERE sync = ?2", nanos(expires), lease.Sync.String())
		return err
	})
	if err != nil {
		return state.Lease{}, j.fail("renewing the lease of "+lease.Sync.String(), err)
	}
	lease.Expires = expires
	return lease, nil
}

// Release implements state.Journal.
func (j *Journal) Release(ctx context.Context, lease state.Lease) error {
	ctx = context.WithoutCancel(ctx)
	err := j.later(ctx, func(tx tx) error { return release(ctx, tx, lease.Sync.String(), lease.Fence) })
	return j.fail("giving up the lease of "+lease.Sync.String(), err)
}

// Revoke implements state.Journal.
func (j *Journal) Revoke(ctx context.Context, syncs []addrs.Instance) error {
	if len(syncs) == 0 {
		return nil
	}
	names := namesOf(syncs)
	err := j.tx(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, revokeLeases, text(names))
		return errors.Join(err, interrupt(ctx, tx, names, now))
	})
	return j.fail("stopping runs", err)
}

const revokeLeases = "UPDATE lease SET alive = '', expires = 0 WHERE alive <> '' AND sync IN " + these

func release(ctx context.Context, tx tx, sync string, fence uint64) error {
	_, err := tx.ExecContext(ctx, giveLeaseUp, sync, fence)
	return err
}

// held returns ErrFenced unless the last lease of a sync is the one with this
// fence, and was not given up.
func held(ctx context.Context, tx tx, sync string, fence uint64) error {
	var n int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM lease WHERE sync = ?1 AND fence = ?2 AND alive <> ''", sync, fence).Scan(&n)
	if err == nil && n == 0 {
		err = state.ErrFenced
	}
	return err
}

// Abandon gives up all leases of one who is named, as Mine named him.
func (j *Journal) Abandon(ctx context.Context, name string) error {
	err := j.tx(context.WithoutCancel(ctx), func(tx tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE lease SET alive = '', expires = 0 WHERE alive = ?1", name)
		return err
	})
	return j.fail("giving up all leases", err)
}
