package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"accord/state"
)

// What a process left that died with the lock is taken away by its id alone.
func TestForceUnlockTheDead(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	if err := s.makeDirs(); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(s.dir, "holder.json")
	if err := os.WriteFile(record, []byte(`{"id":"dead","operation":"apply"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var locked *state.LockedError
	if err := s.ForceUnlock(t.Context(), "other"); !errors.As(err, &locked) || locked.Holder.ID != "dead" {
		t.Errorf("by another id: %v", err)
	}
	if err := s.ForceUnlock(t.Context(), "dead"); err != nil {
		t.Error(err)
	}
	if err := s.ForceUnlock(t.Context(), "dead"); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("again: %v", err)
	}
}

// A damaged state file is left out of the history that shall replace it.
func TestHistoryOfTheDamaged(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := errors.Join(lock.Done(t.Context(), []state.Outcome{outcome(key, `{}`)}), lock.Save(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(lock.Unlock(), os.Truncate(s.path, 20)); err != nil {
		t.Fatal(err)
	}
	versions, err := s.History(t.Context())
	if err != nil || len(versions) != 1 || versions[0].Serial != 1 {
		t.Fatalf("%v, %v", versions, err)
	}
	if st, err := s.At(t.Context(), 1); err != nil || len(st.Objects) != 1 {
		t.Errorf("%v, %v", st, err)
	}
}

// The lock of a process that lives is not taken away, not even by its id.
func TestForceUnlockTheLiving(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	lock, err := open(t, path, nil).Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	if err := open(t, path, nil).ForceUnlock(t.Context(), lock.Holder().ID); !errors.As(err, new(*state.LockedError)) {
		t.Errorf("it was taken away: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}
