// Package remote is a state.Store over a place that other machines reach too:
// a database, an object store, a server. It holds the rules that all of these
// share; a backend says in a Place how bytes are kept there and who may write.
//
// It refuses to know what a place is, and a place does not know what the bytes
// mean. Start with Place, then Open.
package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"accord/state"
)

// Place keeps the bytes of one state: what was last saved, and a log of what
// was done since. Whoever holds the lock writes, and nobody else.
type Place interface {
	// Name is what people call it. It holds no secret.
	Name() string

	// Load returns what is kept at one moment.
	Load(ctx context.Context) (Kept, error)

	// Lock takes the lock, or returns a *state.LockedError at once. A lock that
	// has expired is taken over. The holder comes back with Expires set, where
	// locks expire here.
	Lock(ctx context.Context, h state.Holder) (state.Holder, error)

	// Renew sets Expires anew. ErrLockLost: another holds it, or nobody.
	Renew(ctx context.Context, h state.Holder) (state.Holder, error)

	// Unlock gives the lock up; one that is another's by now is left alone.
	Unlock(ctx context.Context, h state.Holder) error

	// ForceUnlock is that of state.Store.
	ForceUnlock(ctx context.Context, id string) error

	// Append adds entries to the log, which holds n. What was appended by a
	// call that failed may be there, and is appended again with the same n.
	// ErrLockLost: h does not hold the lock.
	Append(ctx context.Context, h state.Holder, n int, entries [][]byte) error

	// Save replaces what is saved and the log, both or none. ErrLockLost: h
	// does not hold the lock.
	Save(ctx context.Context, h state.Holder, s Saved) error

	// History, At and Journal are those of state.Store.
	History(ctx context.Context) ([]state.Version, error)
	At(ctx context.Context, serial uint64) ([]byte, error)
	Journal(ctx context.Context) (state.Journal, error)

	// Rewrite puts other bytes in the place of a version that At returns, which
	// say the same. An error where versions are never changed here.
	// ErrLockLost: h does not hold the lock.
	Rewrite(ctx context.Context, h state.Holder, serial uint64, data []byte) error

	Close() error
}

// Kept is what a place holds.
type Kept struct {
	State []byte   // as last saved; nil: never
	Log   [][]byte // entries since, in order
}

// Saved is what a place shall hold.
type Saved struct {
	State  []byte // nil: never saved
	Log    [][]byte
	Serial uint64
	New    bool // State is another version than the one before
}

// Options of Open. All may be zero but Tool.
type Options struct {
	Tool   string           // name and version, for records of who wrote
	Who    string           // user@host; found out when empty
	Now    func() time.Time // the clock; time.Now when nil
	Cipher state.Cipher     // seals what is kept; nil: nothing does
}

// Store is a state.Store.
type Store struct {
	place Place
	opts  Options

	mu     sync.Mutex
	locks  map[*lock]bool // held
	closed bool
}

var _ state.Store = (*Store)(nil)

// Open returns the store in a place, which it closes.
func Open(place Place, opts Options) *Store {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Store{place: place, opts: opts, locks: map[*lock]bool{}}
}

// NewHolder returns the record of who takes a lock or a lease.
func (o Options) NewHolder(operation, path string) state.Holder {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	h := state.Holder{ID: rand.Text(), Operation: operation, Who: o.Who, PID: os.Getpid(), Tool: o.Tool, Created: now().UTC(), Path: path}
	if h.Who == "" {
		h.Who = state.Who()
	}
	return h
}

// Read implements state.Store.
func (s *Store) Read(ctx context.Context) (*state.State, error) {
	got, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	return got.state, nil
}

// loaded is what the place holds, read.
type loaded struct {
	state   *state.State
	saved   *state.State // without the log
	kept    Kept
	entries []entry
}

func (s *Store) load(ctx context.Context) (got loaded, err error) {
	if got.kept, err = s.place.Load(ctx); err != nil {
		return got, fmt.Errorf("reading the state: %w", err)
	}
	for n, data := range got.kept.Log {
		e, err := s.parse(data)
		if errors.Is(err, state.ErrSealed) {
			return got, fmt.Errorf("reading entry %d of what was done since the state in %s was saved: %w", n+1, s.place.Name(), err)
		}
		if err != nil {
			return got, s.damaged(fmt.Sprintf("entry %d of what was done since it was saved cannot be read: %v", n+1, err))
		}
		got.entries = append(got.entries, e)
	}
	switch {
	case got.kept.State != nil:
		if got.saved, err = state.DecodeWith(s.opts.Cipher, got.kept.State); err != nil {
			if errors.Is(err, state.ErrSealed) {
				return got, fmt.Errorf("reading the state in %s: %w", s.place.Name(), err)
			}
			return got, s.damaged(err.Error())
		}
	case len(got.entries) > 0:
		got.saved = state.New(s.opts.Tool, got.entries[0].Lineage)
	default:
		got.saved = state.New(s.opts.Tool, newLineage())
	}
	got.state = got.saved.Clone()
	for _, e := range got.entries {
		e.replay(got.state)
	}
	return got, nil
}

func (s *Store) damaged(reason string) error {
	return &state.DamagedError{Path: s.place.Name(), Reason: reason,
		Advice: "what was saved last is in its history, if this backend keeps one; what was done since is found again in the vaults by the next plan"}
}

// Journal implements state.Store.
func (s *Store) Journal(ctx context.Context) (state.Journal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	return s.place.Journal(ctx)
}

// History implements state.Store.
func (s *Store) History(ctx context.Context) ([]state.Version, error) {
	versions, err := s.place.History(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the history of the state: %w", err)
	}
	return versions, nil
}

// At implements state.Store.
func (s *Store) At(ctx context.Context, serial uint64) (*state.State, error) {
	data, err := s.place.At(ctx, serial)
	if err != nil {
		return nil, fmt.Errorf("reading serial %d of the state: %w", serial, err)
	}
	st, err := state.DecodeWith(s.opts.Cipher, data)
	if errors.Is(err, state.ErrSealed) {
		return nil, fmt.Errorf("reading serial %d of the state in %s: %w", serial, s.place.Name(), err)
	}
	if err != nil {
		return nil, &state.DamagedError{Path: fmt.Sprintf("serial %d of %s", serial, s.place.Name()), Reason: err.Error()}
	}
	return st, nil
}

// ForceUnlock implements state.Store.
func (s *Store) ForceUnlock(ctx context.Context, id string) error {
	if err := s.place.ForceUnlock(ctx, id); err != nil {
		return fmt.Errorf("taking the lock away: %w", err)
	}
	return nil
}

// Close implements state.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var held []*lock
	for l := range s.locks {
		held = append(held, l)
	}
	s.mu.Unlock()
	var errs []error
	for _, l := range held {
		errs = append(errs, l.Unlock())
	}
	return errors.Join(append(errs, s.place.Close())...)
}

var errClosed = errors.New("the state's store is closed")

// newLineage returns a random uuid.
func newLineage() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
