package local

import (
	"path/filepath"
	"testing"
	"time"

	"accord/state"
	"accord/state/statetest"
)

func TestSuite(t *testing.T) {
	statetest.Run(t, func(t *testing.T) statetest.Place {
		path := filepath.Join(t.TempDir(), "a folder, 100% #1?", "accord.state.json")
		return func(t *testing.T, now func() time.Time) state.Store { return open(t, path, now) }
	})
}

func open(t testing.TB, path string, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(path, Options{Tool: "accord test", Who: "someone@here", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
