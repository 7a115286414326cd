// Package local keeps a state and its journal in files on one machine.
//
// Beside the state file (accord.state.json, say) stands the folder
// .accord/accord.state.json with the rest:
//
//	journal      intents and outcomes since the state file was last written
//	lock         locked by whoever may change the state
//	holder.json  who that is
//	gate         locked for a moment, while the two above change
//	backup/      the last versions of the state file, by time and serial
//	syncs.db     the journal of syncs, an SQLite database
//	alive/       a locked file for each process that holds leases
//
// With a Cipher the state file, its versions, the journal of intents and what the
// journal of syncs says of items in words are sealed; the keys of items, which are
// the numbers of documents, and when which point ran are not.
//
// The package refuses to know what a state holds beyond package state's own
// form. It is not for network file systems; other backends are. Start with Open.
package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"accord/state"
)

// Options of Open. All may be zero.
type Options struct {
	Tool    string           // name and version, for records of who wrote
	Who     string           // user@host; found out when empty
	Now     func() time.Time // the clock; time.Now when nil
	Backups int              // versions of the state file to keep; 10 when zero
	Cipher  state.Cipher     // seals the state file, its versions and its journal; nil: nothing does
}

// Store is a state.Store.
type Store struct {
	opts Options
	path string // of the state file
	dir  string // of all the rest

	fsyncs atomic.Int64 // of the state's files

	mu      sync.Mutex
	locks   map[*lock]bool // held
	journal *journal       // nil: not opened
	closed  bool
}

var _ state.Store = (*Store)(nil)

// Open returns the store of the state file at path. Nothing need exist, and
// nothing is made before there is something to write.
func Open(path string, opts Options) (*Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, fmt.Errorf("opening the state: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("opening the state: %s is a folder", path)
	}
	if opts.Who == "" {
		opts.Who = state.Who()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Backups == 0 {
		opts.Backups = 10
	}
	return &Store{
		opts:  opts,
		path:  path,
		dir:   filepath.Join(filepath.Dir(path), ".accord", filepath.Base(path)),
		locks: map[*lock]bool{},
	}, nil
}

// resolve follows links, so that everyone finds the same lock beside the file.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path)), nil
	}
	return path, nil
}

// Read implements state.Store.
func (s *Store) Read(ctx context.Context) (*state.State, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	got, err := s.load()
	if err != nil {
		return nil, err
	}
	return got.state, nil
}

// Lock implements state.Store.
func (s *Store) Lock(ctx context.Context, operation string) (state.Lock, error) {
	l, err := s.lock(ctx, operation)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Journal implements state.Store.
func (s *Store) Journal(ctx context.Context) (state.Journal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.journal == nil {
		j, err := s.openJournal(ctx)
		if err != nil {
			return nil, err
		}
		s.journal = j
	}
	return s.journal, nil
}

// Close implements state.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	journal := s.journal
	s.journal = nil
	var held []*lock
	for l := range s.locks {
		held = append(held, l)
	}
	s.mu.Unlock()

	var errs []error
	for _, l := range held {
		errs = append(errs, l.Unlock())
	}
	if journal != nil {
		errs = append(errs, journal.close())
	}
	return errors.Join(errs...)
}

var errClosed = errors.New("the state's store is closed")

// loaded is what the files hold.
type loaded struct {
	state *state.State
	saved *state.State // as the state file has it, without the log
	log   contents

	sealed bool // the state file is sealed as it would be now
}

// load reads the state file and what the log adds to it. Without the lock the
// two may be replaced meanwhile; then they do not fit, and are read again.
func (s *Store) load() (loaded, error) {
	for attempt := 1; ; attempt++ {
		log, err := readLog(s.logPath(), s.opts.Cipher)
		if err != nil {
			return loaded{}, err
		}
		got, err := s.loadWith(log)
		if err == nil || attempt == 10 || !errors.As(err, new(*misfit)) {
			return got, err
		}
	}
}

func (s *Store) loadWith(log contents) (loaded, error) {
	file, err := readWhole(s.path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return loaded{}, fmt.Errorf("reading the state: %w", err)
	}
	if !missing {
		defer file.free()
	}
	data := file.data

	var saved *state.State
	switch {
	case !missing:
		if saved, err = state.DecodeWith(s.opts.Cipher, data); err != nil {
			if errors.Is(err, state.ErrSealed) {
				return loaded{}, fmt.Errorf("reading %s: %w", s.path, err)
			}
			return loaded{}, s.damaged(err.Error())
		}
	case log.exists():
		saved = state.New(s.opts.Tool, log.head.Lineage)
	default:
		saved = state.New(s.opts.Tool, newLineage())
	}
	got := loaded{state: saved, saved: saved, log: log, sealed: missing || state.SealedAsBy(s.opts.Cipher, data)}
	if !log.exists() {
		return got, nil
	}

	got.state = saved.Clone()

	// The log goes on from this very version, or became part of it when it was saved.
	included := log.savedIn(data)
	if included == 0 && (saved.Lineage != log.head.Lineage || saved.Serial != log.head.Serial) {
		return loaded{}, &misfit{&state.DamagedError{
			Path: s.logPath(),
			Reason: fmt.Sprintf("it holds what was done after serial %d of the state with lineage %s, but %s has serial %d and lineage %s",
				log.head.Serial, log.head.Lineage, s.path, saved.Serial, saved.Lineage),
			Advice: fmt.Sprintf("put the state file of serial %d back (versions are kept in %s), or, if the one there is right, move the journal away; "+
				"what it says was done is then found again in the vaults by the next plan", log.head.Serial, s.backupDir()),
		}}
	}
	log.replay(got.state, included)
	return got, nil
}

// misfit is a state file and a log that do not belong together.
type misfit struct{ *state.DamagedError }

func (e *misfit) Unwrap() error { return e.DamagedError }

func (s *Store) damaged(reason string) *state.DamagedError {
	advice := "put a good version back; none was kept in " + s.backupDir()
	if kept := s.backups(); len(kept) > 0 {
		advice = "put a good version back; the last that was kept is " + filepath.Join(s.backupDir(), kept[len(kept)-1])
	}
	return &state.DamagedError{Path: s.path, Reason: reason, Advice: advice}
}

func (s *Store) logPath() string   { return filepath.Join(s.dir, "journal") }
func (s *Store) backupDir() string { return filepath.Join(s.dir, "backup") }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// newLineage returns a random uuid.
func newLineage() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
