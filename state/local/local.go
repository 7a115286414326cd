// Package local keeps a state and its journal in files on one machine.
//
// Beside the state file (accord.state.json, say) stands the folder
// .accord/accord.state.json with the rest:
//
//	journal      intents and outcomes since the state file was last written
//	lock         held by whoever may change the state, and says who that is
//	backup/      the last versions of the state file
//	syncs.db     the journal of syncs, an SQLite database
//	alive/       one locked file for each process that holds leases
//
// The package refuses to know what a state holds beyond package state's own
// form. It is not for network file systems; other backends are. Start with Open.
package local

import (
	"context"
	"errors"
	"time"

	"accord/state"
)

// Options of Open. All may be zero.
type Options struct {
	Tool    string           // name and version, for records of who wrote
	Who     string           // user@host; found out when empty
	Now     func() time.Time // the clock; time.Now when nil
	Backups int              // versions of the state file to keep; 10 when zero
}

// Open returns the store of the state file at path. Nothing need exist, and
// nothing is made before there is something to write.
func Open(path string, opts Options) (*Store, error) { return nil, errors.New("not yet") }

// Store is a state.Store.
type Store struct{}

var _ state.Store = (*Store)(nil)

// Read implements state.Store.
func (s *Store) Read(ctx context.Context) (*state.State, error) { return nil, errors.New("not yet") }

// Lock implements state.Store.
func (s *Store) Lock(ctx context.Context, operation string) (state.Lock, error) {
	return nil, errors.New("not yet")
}

// Journal implements state.Store.
func (s *Store) Journal(ctx context.Context) (state.Journal, error) {
	return nil, errors.New("not yet")
}

// Close implements state.Store.
func (s *Store) Close() error { return nil }
