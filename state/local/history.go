package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"accord/state"

	"github.com/gofrs/flock"
)

// History implements state.Store.
func (s *Store) History(ctx context.Context) ([]state.Version, error) {
	versions, err := s.kept(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the history of the state: %w", err)
	}
	var all []state.Version
	for _, v := range versions {
		all = append(all, v.Version)
	}
	return all, nil
}

// At implements state.Store.
func (s *Store) At(ctx context.Context, serial uint64) (*state.State, error) {
	versions, err := s.kept(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the history of the state: %w", err)
	}
	for _, v := range versions {
		if v.Serial != serial {
			continue
		}
		data, err := os.ReadFile(v.path)
		if err != nil {
			return nil, fmt.Errorf("reading serial %d of the state: %w", serial, err)
		}
		st, err := state.DecodeWith(s.opts.Cipher, data)
		if errors.Is(err, state.ErrSealed) {
			return nil, fmt.Errorf("reading serial %d of the state, %s: %w", serial, v.path, err)
		}
		if err != nil {
			return nil, &state.DamagedError{Path: v.path, Reason: err.Error()}
		}
		return st, nil
	}
	return nil, state.ErrNoVersion
}

// Reseal implements state.Lock. Each version is replaced by a rename, and keeps
// its time.
func (l *lock) Reseal(ctx context.Context, always bool) (done state.Resealed, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.store
	if !state.Seals(s.opts.Cipher) || !always && !l.turned {
		return done, nil
	}
	versions, err := s.kept(ctx)
	if err != nil {
		return done, fmt.Errorf("encrypting earlier versions of the state: %w", err)
	}
	for _, v := range versions {
		if v.path == s.path {
			continue
		}
		sealed, err := s.reseal(v)
		switch {
		case err != nil:
			done.Left = append(done.Left, state.Unsealed{Serial: v.Serial, Err: err})
		case sealed:
			done.Done = append(done.Done, v.Serial)
		}
	}
	j, err := s.Journal(ctx)
	if err != nil {
		return done, err
	}
	return done, j.(*journal).Reseal(ctx)
}

func (s *Store) reseal(v version) (sealed bool, err error) {
	data, err := os.ReadFile(v.path)
	if err == nil {
		data, err = state.Reseal(s.opts.Cipher, data)
	}
	if err != nil || data == nil {
		return false, err
	}
	if err := s.writeFile(v.path, data); err != nil {
		return false, err
	}
	return true, os.Chtimes(v.path, v.Saved, v.Saved)
}

// version is a kept version and its file.
type version struct {
	state.Version
	path string
}

// kept returns the present version, and those before it, newest first.
func (s *Store) kept(ctx context.Context) ([]version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	got, err := s.load()
	var present uint64
	switch {
	case errors.Is(err, state.ErrSealed): // its versions are listed all the same
		data, err := os.ReadFile(s.path)
		if err != nil {
			return nil, err
		}
		_, present, _ = state.SealedTo(data)
	case err != nil && !errors.As(err, new(*state.DamagedError)): // that of a damaged state is what history is for
		return nil, err
	}
	var all []version
	add := func(path string, serial uint64) error {
		info, err := os.Stat(path)
		if err == nil {
			all = append(all, version{state.Version{Serial: serial, Saved: info.ModTime().UTC(), Size: info.Size()}, path})
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if got.saved != nil {
		present = got.saved.Serial
	}
	if got.saved != nil || present > 0 {
		if err := add(s.path, present); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Backward(s.backups()) {
		_, digits, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
		serial, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			continue // not ours
		}
		if slices.ContainsFunc(all, func(v version) bool { return v.Serial == serial }) {
			continue
		}
		if err := add(filepath.Join(s.backupDir(), name), serial); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ForceUnlock implements state.Store. The system frees the lock of a process
// that died, so that what is left to take away is its record.
func (s *Store) ForceUnlock(ctx context.Context, id string) error {
	if _, err := os.Stat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return state.ErrNotLocked
	}
	return s.gate(ctx, func() error {
		lock := flock.New(filepath.Join(s.dir, "lock"), flock.SetPermissions(0o600))
		free, err := lock.TryLock()
		if err != nil {
			return fmt.Errorf("looking at the state's lock: %w", err)
		}
		holder, err := s.record()
		if !free {
			return errors.Join(&state.LockedError{Holder: holder}, err)
		}
		defer lock.Close()
		if err != nil || holder.ID == "" {
			return errors.Join(state.ErrNotLocked, err)
		}
		if holder.ID != id {
			return &state.LockedError{Holder: holder}
		}
		return os.Remove(filepath.Join(s.dir, "holder.json"))
	})
}
