package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// Acquire implements state.Journal.
func (j *Journal) Acquire(ctx context.Context, sync addrs.Instance, operation string, ttl time.Duration) (state.Lease, error) {
	mine, err := j.at.Mine()
	if err != nil {
		return state.Lease{}, fmt.Errorf("leasing %s: %w", sync, err)
	}
	lease := state.Lease{Sync: sync, Holder: j.at.Holder(operation, sync.String())}
	err = j.later(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		lease.Expires = now.Add(ttl)
		take := func(free string, more ...any) error {
			return tx.QueryRowContext(ctx, `
				INSERT INTO lease (sync, fence, holder, alive, expires) VALUES (?1, 1, ?2, ?3, ?4)
				ON CONFLICT (sync) DO UPDATE SET fence = lease.fence + 1, holder = ?2, alive = ?3, expires = ?4 WHERE `+free+` RETURNING fence`,
				append([]any{sync.String(), text(lease.Holder), mine, nanos(lease.Expires)}, more...)...).Scan(&lease.Fence)
		}
		if err := take("lease.alive = '' OR lease.expires <= ?5", nanos(now)); !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		other := state.Lease{Sync: sync}
		var holder, alive string
		var expires int64
		if err := tx.QueryRowContext(ctx, "SELECT fence, holder, alive, expires FROM lease WHERE sync = ?1", sync.String()).
			Scan(&other.Fence, &holder, &alive, &expires); err != nil {
			return err
		}
		if !j.at.Alive(alive) {
			return take("TRUE")
		}
		other.Expires = when(expires)
		if err := json.Unmarshal([]byte(holder), &other.Holder); err != nil {
			return err
		}
		return &state.LeasedError{Lease: other}
	})
	if err != nil {
		return state.Lease{}, j.fail("leasing "+sync.String(), err)
	}
	return lease, nil
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

func release(ctx context.Context, tx tx, sync string, fence uint64) error {
	_, err := tx.ExecContext(ctx, "UPDATE lease SET alive = '', expires = 0 WHERE sync = ?1 AND fence = ?2", sync, fence)
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
