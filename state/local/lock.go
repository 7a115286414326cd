package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/state"
	"accord/state/failpoint"

	"github.com/gofrs/flock"
)

// lock is a state.Lock. The operating system frees it when the process dies;
// the record of who holds it then stays until the next one takes it.
type lock struct {
	store  *Store
	holder state.Holder
	file   *flock.Flock

	mu      sync.Mutex
	state   *state.State
	log     *log // nil: nothing to write down yet
	written struct {
		objects map[addrs.Instance]*state.Object // as the state file has them, of those that were touched since
		outputs map[string]state.Output
	}
	sealed bool // the state file is sealed as it would be now
	turned bool // it was not, and this lock has written it anew
	seq    uint64
	over   bool
}

func (s *Store) lock(ctx context.Context, operation string) (_ *lock, err error) {
	l := &lock{
		store:  s,
		holder: s.newHolder(operation, s.path),
		file:   flock.New(filepath.Join(s.dir, "lock"), flock.SetPermissions(0o600)),
	}
	if err := s.register(l); err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		if also := l.Unlock(); also != nil {
			err = errors.Join(err, also)
		}
	}()
	if err := s.makeDirs(); err != nil {
		return nil, fmt.Errorf("locking the state: %w", err)
	}
	if err := s.gate(ctx, l.take); err != nil {
		return nil, err
	}
	return l, l.load()
}

func (s *Store) register(l *lock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.locks[l] = true
	return nil
}

// gate calls fn while no other process is in its gate. So a lock and the
// record of its holder are seen together or not at all.
func (s *Store) gate(ctx context.Context, fn func() error) error {
	gate := flock.New(filepath.Join(s.dir, "gate"), flock.SetPermissions(0o600))
	if _, err := gate.TryLockContext(ctx, 2*time.Millisecond); err != nil {
		return fmt.Errorf("waiting for %s: %w", gate.Path(), err)
	}
	return errors.Join(fn(), gate.Close())
}

// take takes the lock and leaves the holder's record, inside the gate.
func (l *lock) take() error {
	record := filepath.Join(l.store.dir, "holder.json")
	taken, err := l.file.TryLock()
	if err != nil {
		return fmt.Errorf("locking the state: %w", err)
	}
	if !taken {
		other, err := l.store.record()
		return errors.Join(&state.LockedError{Holder: other}, err)
	}
	failpoint.Reach(failpoint.LockTaken)
	data, err := json.Marshal(l.holder)
	if err == nil {
		err = os.WriteFile(record, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("leaving a record of who holds the lock: %w", err)
	}
	failpoint.Reach(failpoint.LockRecorded)
	return nil
}

// record reads who holds the lock; the zero Holder where nobody left one.
func (s *Store) record() (h state.Holder, err error) {
	data, err := os.ReadFile(filepath.Join(s.dir, "holder.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	return h, err
}

func (l *lock) load() error {
	got, err := l.store.load()
	if err != nil {
		return err
	}
	l.state, l.sealed = got.state, got.sealed
	l.forgetTouched()
	if !got.log.exists() {
		return nil
	}

	l.written.outputs = got.saved.Outputs
	for _, e := range got.log.entries {
		for _, o := range e.Outcomes {
			l.written.objects[o.Addr] = got.saved.Objects[o.Addr]
		}
	}
	for _, i := range got.state.Open {
		l.seq = max(l.seq, i.Seq)
	}
	if l.log, err = l.store.openLog(len(got.log.entries)+1, got.log.size); err != nil {
		return fmt.Errorf("going on with the state's journal: %w", err)
	}
	return nil
}

// Holder implements state.Lock.
func (l *lock) Holder() state.Holder { return l.holder }

// State implements state.Lock.
func (l *lock) State() *state.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Clone()
}

// Intend implements state.Lock.
func (l *lock) Intend(ctx context.Context, intents []state.Intent) error {
	if err := ctx.Err(); err != nil || len(intents) == 0 {
		return err
	}
	l.mu.Lock()
	now := l.store.opts.Now().UTC()
	for n := range intents {
		l.seq++
		intents[n].Seq, intents[n].At, intents[n].Holder = l.seq, now, l.holder.ID
	}
	g, upTo, err := l.write(entry{Intents: intents})
	if err == nil {
		l.state.Begin(intents)
	}
	l.mu.Unlock()

	if err == nil {
		err = g.sync(upTo)
	}
	if err != nil {
		return fmt.Errorf("recording what is about to be done: %w", err)
	}
	return nil
}

// Done implements state.Lock.
func (l *lock) Done(_ context.Context, outcomes []state.Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	for _, o := range outcomes {
		if err := o.Valid(); err != nil {
			return fmt.Errorf("recording what was done: %w", err)
		}
	}
	l.mu.Lock()
	g, upTo, err := l.write(entry{Outcomes: outcomes})
	for _, o := range outcomes {
		if _, touched := l.written.objects[o.Addr]; !touched {
			l.written.objects[o.Addr] = l.state.Objects[o.Addr]
		}
	}
	l.state.Settle(outcomes)
	l.mu.Unlock()

	if err == nil {
		err = g.sync(upTo)
	}
	if err != nil {
		return fmt.Errorf("recording what was done: %w", err)
	}
	return nil
}

// SetOutputs implements state.Lock.
func (l *lock) SetOutputs(_ context.Context, outputs map[string]state.Output) error {
	kept := make(map[string]state.Output, len(outputs))
	for name, o := range outputs {
		if o.Sensitive {
			o.Value = nil
		}
		kept[name] = o
	}
	l.mu.Lock()
	if maps.EqualFunc(kept, l.state.Outputs, state.Output.Equal) {
		l.mu.Unlock()
		return nil
	}
	g, upTo, err := l.write(entry{Outputs: &kept})
	l.state.Outputs = kept
	l.mu.Unlock()

	if err == nil {
		err = g.sync(upTo)
	}
	if err != nil {
		return fmt.Errorf("recording the outputs: %w", err)
	}
	return nil
}

// write adds a line to the log, which it makes where there is none.
func (l *lock) write(e entry) (*log, int64, error) {
	if l.over {
		return nil, 0, state.ErrUnlocked
	}
	if l.log == nil {
		g, err := l.store.createLog(l.state)
		if err != nil {
			return nil, 0, err
		}
		l.log = g
	}
	upTo, err := l.log.write(e)
	return l.log, upTo, err
}

// Save implements state.Lock.
func (l *lock) Save(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return state.ErrUnlocked
	}
	if l.differs() || !l.sealed {
		next := l.state.Clone()
		next.Serial++
		if err := l.saveState(next); err != nil {
			return fmt.Errorf("saving the state: %w", err)
		}
	}
	if err := l.compactLog(); err != nil {
		return fmt.Errorf("shortening the state's journal: %w", err)
	}
	return nil
}

// Replace implements state.Lock.
func (l *lock) Replace(_ context.Context, s *state.State) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return state.ErrUnlocked
	}
	if err := l.saveState(s.Next(l.state)); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	if err := l.compactLog(); err != nil {
		return fmt.Errorf("shortening the state's journal: %w", err)
	}
	return nil
}

func (l *lock) differs() bool {
	for addr, written := range l.written.objects {
		if !written.Equal(l.state.Objects[addr]) {
			return true
		}
	}
	return !maps.EqualFunc(l.written.outputs, l.state.Outputs, state.Output.Equal)
}

// saveState writes the state file. The log announces it first: whether it is
// found before or after the rename, the two fit together.
func (l *lock) saveState(next *state.State) error {
	s := l.store
	next.Tool = s.opts.Tool
	data, err := state.EncodeWith(s.opts.Cipher, next)
	if err != nil {
		return err
	}
	temp, err := s.writeTemp(s.path, data)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // gone when all went well

	failpoint.Reach(failpoint.SavePrepared)
	if l.log != nil {
		upTo, err := l.log.write(entry{Saving: digest(data)})
		if err == nil {
			err = l.log.sync(upTo)
		}
		if err != nil {
			return err
		}
		failpoint.Reach(failpoint.SaveAnnounced)
	}
	if err := s.backup(l.state.Serial); err != nil {
		return fmt.Errorf("keeping the version before: %w", err)
	}
	failpoint.Reach(failpoint.SaveKept)
	if err := os.Rename(temp, s.path); err != nil {
		return err
	}
	failpoint.Reach(failpoint.SaveReplaced)
	if err := s.syncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	failpoint.Reach(failpoint.SaveDurable)
	l.turned = l.turned || !l.sealed
	l.state, l.sealed = next, true
	l.forgetTouched()
	return nil
}

func (l *lock) forgetTouched() {
	l.written.objects = map[addrs.Instance]*state.Object{}
	l.written.outputs = l.state.Outputs
}

// compactLog leaves only what the state file does not hold: open intents.
func (l *lock) compactLog() error {
	if l.log == nil {
		return nil
	}
	old := l.log
	if err := old.sync(old.size.Load()); err != nil { // for those who wait for it
		return err
	}
	if len(l.state.Open) > 0 {
		g, err := l.store.createLog(l.state)
		if err != nil {
			return err
		}
		l.log = g
		return old.close()
	}
	if err := os.Remove(l.store.logPath()); err != nil {
		return err
	}
	failpoint.Reach(failpoint.LogShortened)
	l.log = nil
	return errors.Join(old.close(), l.store.syncDir(l.store.dir))
}

// Unlock implements state.Lock.
func (l *lock) Unlock() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	l.over = true
	l.store.mu.Lock()
	delete(l.store.locks, l)
	l.store.mu.Unlock()

	var errs []error
	if l.log != nil {
		errs = append(errs, l.log.sync(l.log.size.Load()), l.log.close())
	}
	if l.file.Locked() {
		failpoint.Reach(failpoint.LockReleasing)
		errs = append(errs, l.store.gate(context.Background(), func() error {
			err := os.Remove(filepath.Join(l.store.dir, "holder.json"))
			return errors.Join(err, l.file.Close())
		}))
		failpoint.Reach(failpoint.LockReleased)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("unlocking the state: %w", err)
	}
	return nil
}

func (s *Store) newHolder(operation, path string) state.Holder {
	return state.Holder{
		ID:        rand.Text(),
		Operation: operation,
		Who:       s.opts.Who,
		PID:       os.Getpid(),
		Tool:      s.opts.Tool,
		Created:   s.opts.Now().UTC(),
		Path:      path,
	}
}
