//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/state"
	"accord/state/remote"
	"accord/state/statetest"
)

var schemas atomic.Int64

// fresh returns a schema that nobody uses.
func fresh(t *testing.T) Config {
	t.Helper()
	return Config{URL: database(t), Schema: fmt.Sprintf(`accord "%d"`, schemas.Add(1))}
}

func TestSuite(t *testing.T) {
	statetest.Run(t, func(t *testing.T) statetest.Place {
		config := fresh(t)
		return func(t *testing.T, now func() time.Time) state.Store {
			s, err := Open(t.Context(), config, remote.Options{Tool: "accord test", Who: "someone@here", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

// Many open an empty database at once, and all of them find the same tables.
func TestMigratedOnce(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, err := Open(t.Context(), config, remote.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestLaterVersion(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	p, err := open(t.Context(), config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.execute(t, "UPDATE format SET version = 99")
	var damaged *state.DamagedError
	if _, err := Open(t.Context(), config, remote.Options{}); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("tables of a later accord: %v", err)
	}
}

// The clock that counts is the database's: whose own is wrong neither expires
// early nor holds for ever.
func TestDatabaseClock(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	s, err := Open(t.Context(), config, remote.Options{Tool: "accord test"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	h := lock.Holder()
	if left := h.Expires.Sub(h.Created); left != time.Minute {
		t.Errorf("it lasts %s", left)
	}
	if _, err := s.Lock(t.Context(), "apply"); !errors.As(err, new(*state.LockedError)) {
		t.Errorf("a second lock: %v", err)
	}
	p, err := open(t.Context(), config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.execute(t, "UPDATE lock SET expires = (extract(epoch FROM clock_timestamp()) * 1e9)::bigint - 1")
	second, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Save(t.Context()); err != nil {
		t.Errorf("nothing to save: %v", err)
	}
	if err := lock.Intend(t.Context(), []state.Intent{{}}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("what was taken over: %v", err)
	}
	if err := second.Unlock(); err != nil {
		t.Error(err)
	}
}

// Whose machine has gone in the middle of a transaction holds up others for as long as
// its lock would last, and not until the server finds out.
func TestGoneInATransaction(t *testing.T) {
	t.Parallel()
	config := fresh(t)
	config.TTL = 500 * time.Millisecond
	gone, err := open(t.Context(), config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	for _, held := range []string{"SELECT id FROM lock FOR UPDATE", "SELECT version FROM format FOR UPDATE"} {
		tx, err := gone.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), held); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), config, remote.Options{Tool: "accord test"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
	journal, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.Owe(t.Context(), addrs.New("integration_point", "clm"), []string{"because"}, state.Allowance{}); err != nil {
		t.Error(err)
	}
}

// A password does not belong in a file, and is repeated in no error.
func TestNoPassword(t *testing.T) {
	for _, url := range []string{
		"postgres://accord:canary@localhost/accord", "host=localhost password=canary", "postgres://localhost/accord?password=canary",
		"postgres://accord:canary@[::bad/x",
	} {
		_, err := Open(t.Context(), Config{URL: url}, remote.Options{})
		if !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
