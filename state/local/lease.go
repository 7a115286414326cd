package local

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"github.com/gofrs/flock"
)

// Acquire implements state.Journal.
func (j *journal) Acquire(ctx context.Context, sync addrs.Instance, operation string, ttl time.Duration) (state.Lease, error) {
	mine, err := j.alive.mine()
	if err != nil {
		return state.Lease{}, fmt.Errorf("leasing %s: %w", sync, err)
	}
	now := j.store.opts.Now().UTC()
	lease := state.Lease{Sync: sync, Fence: 1, Holder: j.store.newHolder(operation, sync.String()), Expires: now.Add(ttl)}
	err = j.tx(ctx, func(tx *sql.Tx) error {
		other := state.Lease{Sync: sync}
		var holder, alive string
		var expires int64
		err := tx.QueryRowContext(ctx, "SELECT fence, holder, alive, expires FROM lease WHERE sync = ?", sync.String()).
			Scan(&other.Fence, &holder, &alive, &expires)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case alive != "" && now.Before(when(expires)) && j.alive.is(alive):
			other.Expires = when(expires)
			if err := json.Unmarshal([]byte(holder), &other.Holder); err != nil {
				return err
			}
			return &state.LeasedError{Lease: other}
		default:
			lease.Fence = other.Fence + 1
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO lease (sync, fence, holder, alive, expires) VALUES (?, ?, ?, ?, ?)",
			sync.String(), lease.Fence, text(lease.Holder), mine, nanos(lease.Expires))
		return err
	})
	if err != nil {
		return state.Lease{}, j.fail("leasing "+sync.String(), err)
	}
	return lease, nil
}

// Renew implements state.Journal.
func (j *journal) Renew(ctx context.Context, lease state.Lease, ttl time.Duration) (state.Lease, error) {
	expires := j.store.opts.Now().UTC().Add(ttl)
	err := j.tx(ctx, func(tx *sql.Tx) error {
		if err := held(ctx, tx, lease.Sync.String(), lease.Fence); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE lease SET expires = ? WHERE sync = ?", nanos(expires), lease.Sync.String())
		return err
	})
	if err != nil {
		return state.Lease{}, j.fail("renewing the lease of "+lease.Sync.String(), err)
	}
	lease.Expires = expires
	return lease, nil
}

// Release implements state.Journal.
func (j *journal) Release(ctx context.Context, lease state.Lease) error {
	ctx = context.WithoutCancel(ctx)
	_, err := j.db.ExecContext(ctx, "UPDATE lease SET alive = '', expires = 0 WHERE sync = ? AND fence = ?", lease.Sync.String(), lease.Fence)
	return j.fail("giving up the lease of "+lease.Sync.String(), err)
}

// held returns ErrFenced unless the last lease of a sync is the one with this
// fence, and was not given up.
func held(ctx context.Context, tx *sql.Tx, sync string, fence uint64) error {
	var n int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM lease WHERE sync = ? AND fence = ? AND alive <> ''", sync, fence).Scan(&n)
	if err == nil && n == 0 {
		err = state.ErrFenced
	}
	return err
}

// alive tells whether the holder of a lease still lives, without trusting
// process numbers: each has a file that the system unlocks when it dies.
type alive struct {
	dir string

	mu   sync.Mutex
	file *flock.Flock // ours; nil: not needed yet
}

func (s *Store) aliveDir() string { return filepath.Join(s.dir, "alive") }

// mine returns the name of this process's file, which is locked from now on.
func (a *alive) mine() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		f := flock.New(filepath.Join(a.dir, rand.Text()), flock.SetPermissions(0o600))
		if _, err := f.TryLock(); err != nil {
			return "", err
		}
		a.file = f
	}
	return filepath.Base(a.file.Path()), nil
}

// is reports whether the process with this file may still live.
func (a *alive) is(name string) bool {
	path := filepath.Join(a.dir, name)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return false
	}
	f := flock.New(path, flock.SetFlag(os.O_RDWR))
	free, err := f.TryLock()
	if err != nil || !free {
		return !errors.Is(err, os.ErrNotExist)
	}
	os.Remove(path)
	f.Close()
	return false
}

func (a *alive) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	os.Remove(a.file.Path())
	return a.file.Close()
}
