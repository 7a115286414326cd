package local

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

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
