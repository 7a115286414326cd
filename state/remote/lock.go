package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"accord/state"
	"accord/state/failpoint"
)

// renewals is how many tries a lock has before it expires.
const renewals = 3

// lock is a state.Lock. While it is held it is renewed in time.
type lock struct {
	store *Store
	stop  chan struct{}
	ended sync.WaitGroup

	mu     sync.Mutex
	holder state.Holder
	state  *state.State
	saved  *state.State
	sealed bool // what is saved is sealed as it would be now
	turned bool // it was not, and this lock has saved it anew
	seq    uint64
	log    [][]byte // entries, those that the place holds first
	never  bool     // nothing was ever saved
	over   bool
	lost   bool

	flushing sync.Mutex // before mu
	flushed  int        // entries that the place holds
}

// Lock implements state.Store.
func (s *Store) Lock(ctx context.Context, operation string) (state.Lock, error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	h, err := s.place.Lock(ctx, s.opts.NewHolder(operation, s.place.Name()))
	if err != nil {
		return nil, fmt.Errorf("locking the state: %w", err)
	}
	failpoint.Reach(failpoint.LockRecorded)
	got, err := s.load(ctx)
	if err != nil {
		return nil, errors.Join(err, s.place.Unlock(context.WithoutCancel(ctx), h))
	}
	l := &lock{
		store: s, stop: make(chan struct{}), holder: h, state: got.state, saved: got.saved,
		sealed: got.kept.State == nil || state.SealedAsBy(s.opts.Cipher, got.kept.State), never: got.kept.State == nil,
		log: got.kept.Log, flushed: len(got.kept.Log),
	}
	for _, i := range got.state.Open {
		l.seq = max(l.seq, i.Seq)
	}
	s.mu.Lock()
	s.locks[l] = true
	s.mu.Unlock()
	if !h.Expires.IsZero() {
		l.ended.Go(func() { l.keep(h.Expires.Sub(h.Created) / renewals) })
	}
	return l, nil
}

// keep renews the lock until it is given up, or lost.
func (l *lock) keep(every time.Duration) {
	tick := time.NewTicker(max(every, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(context.Background(), every)
			err := l.renew(ctx)
			cancel()
			if errors.Is(err, state.ErrLockLost) {
				return
			}
		}
	}
}

func (l *lock) renew(ctx context.Context) error {
	h, err := l.store.place.Renew(ctx, l.Holder())
	failpoint.Reach(failpoint.LockRenewed)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.holder = h
	}
	l.lost = l.lost || errors.Is(err, state.ErrLockLost)
	return err
}

// Holder implements state.Lock.
func (l *lock) Holder() state.Holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder
}

// State implements state.Lock.
func (l *lock) State() *state.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Clone()
}

// Intend implements state.Lock. After an error the intents may be on record,
// and are then found open; nothing was begun.
func (l *lock) Intend(ctx context.Context, intents []state.Intent) error {
	if err := ctx.Err(); err != nil || len(intents) == 0 {
		return err
	}
	now := l.store.opts.Now().UTC()
	if h := l.Holder(); !h.Expires.IsZero() && !now.Before(h.Expires) {
		if err := l.renew(ctx); err != nil {
			return fmt.Errorf("renewing the state's lock, which has expired: %w", err)
		}
	}
	return l.record("recording what is about to be done", func() entry {
		for n := range intents {
			l.seq++
			intents[n].Seq, intents[n].At, intents[n].Holder = l.seq, now, l.holder.ID
		}
		return entry{Intents: intents}
	})
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
	return l.record("recording what was done", func() entry { return entry{Outcomes: outcomes} })
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
	same := !l.over && maps.EqualFunc(kept, l.state.Outputs, state.Output.Equal)
	l.mu.Unlock()
	if same {
		return nil
	}
	return l.record("recording the outputs", func() entry { return entry{Outputs: &kept} })
}

// record does to the state what an entry says, and returns when it is kept.
func (l *lock) record(doing string, next func() entry) error {
	l.mu.Lock()
	err := l.usable()
	if err == nil {
		e := next()
		e.Lineage = l.state.Lineage
		var data []byte
		if data, err = l.store.write(e); err == nil {
			e.replay(l.state)
			l.log = append(l.log, data)
			failpoint.Reach(failpoint.EntryWritten)
		}
	}
	upTo := len(l.log)
	l.mu.Unlock()
	if err == nil {
		err = l.flush(upTo)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

func (l *lock) usable() error {
	switch {
	case l.over:
		return state.ErrUnlocked
	case l.lost:
		return state.ErrLockLost
	}
	return nil
}

// flush gives the log to the place, up to an entry. While one call waits for
// the place others gather, and one more call serves them all.
func (l *lock) flush(upTo int) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	if l.flushed >= upTo {
		return nil
	}
	l.mu.Lock()
	h, entries := l.holder, l.log[l.flushed:]
	l.mu.Unlock()
	ctx, cancel := patiently()
	defer cancel()
	if err := l.store.place.Append(ctx, h, l.flushed, entries); err != nil {
		return l.heed(err)
	}
	l.flushed += len(entries)
	failpoint.Reach(failpoint.EntryDurable)
	return nil
}

// heed remembers that the lock was lost.
func (l *lock) heed(err error) error {
	if errors.Is(err, state.ErrLockLost) {
		l.mu.Lock()
		l.lost = true
		l.mu.Unlock()
	}
	return err
}

// Save implements state.Lock.
func (l *lock) Save(context.Context) error {
	return l.save(func() *state.State {
		if l.sealed && l.state.Lineage == l.saved.Lineage &&
			maps.EqualFunc(l.state.Objects, l.saved.Objects, (*state.Object).Equal) &&
			maps.EqualFunc(l.state.Outputs, l.saved.Outputs, state.Output.Equal) {
			return nil
		}
		next := l.state.Clone()
		next.Serial++
		return next
	})
}

// Replace implements state.Lock.
func (l *lock) Replace(_ context.Context, s *state.State) error {
	return l.save(func() *state.State { return s.Next(l.state) })
}

// save saves what choose returns, nil for what is saved already, and leaves
// only open intents in the log.
func (l *lock) save(choose func() *state.State) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	next := choose()
	if next == nil && len(l.log) == 0 {
		return nil
	}
	if err := l.put(next); err != nil {
		l.lost = l.lost || errors.Is(err, state.ErrLockLost)
		return fmt.Errorf("saving the state: %w", err)
	}
	return nil
}

func (l *lock) put(next *state.State) (err error) {
	s := Saved{New: next != nil, Serial: l.saved.Serial}
	if next != nil {
		next.Tool = l.store.opts.Tool
		s.Serial = next.Serial
	} else {
		next = l.saved.Clone()
		next.Open = l.state.Open
	}
	if s.New || !l.never {
		if s.State, err = state.EncodeWith(l.store.opts.Cipher, next); err != nil {
			return err
		}
	}
	if len(next.Open) > 0 {
		data, err := l.store.write(entry{Lineage: next.Lineage, Intents: next.Open})
		if err != nil {
			return err
		}
		s.Log = [][]byte{data}
	}
	failpoint.Reach(failpoint.SavePrepared)
	ctx, cancel := patiently()
	defer cancel()
	if err := l.store.place.Save(ctx, l.holder, s); err != nil {
		return err
	}
	failpoint.Reach(failpoint.SaveDurable)
	l.turned = l.turned || !l.sealed && s.State != nil
	l.state, l.saved, l.sealed, l.never = next, next.Clone(), true, s.State == nil
	l.log, l.flushed = s.Log, len(s.Log)
	return nil
}

// Reseal implements state.Lock.
func (l *lock) Reseal(ctx context.Context, always bool) (done state.Resealed, err error) {
	l.mu.Lock()
	h, turned := l.holder, l.turned
	l.mu.Unlock()
	place, cipher := l.store.place, l.store.opts.Cipher
	if !state.Seals(cipher) || !always && !turned {
		return done, nil
	}
	versions, err := place.History(ctx)
	if err != nil && !errors.Is(err, state.ErrNoHistory) {
		return done, fmt.Errorf("encrypting earlier versions of the state: %w", err)
	}
	for n, v := range versions {
		if n == 0 {
			continue // the present one
		}
		data, err := place.At(ctx, v.Serial)
		if err == nil {
			data, err = state.Reseal(cipher, data)
		}
		if err == nil && data != nil {
			err = place.Rewrite(ctx, h, v.Serial, data)
		}
		switch {
		case err != nil:
			done.Left = append(done.Left, state.Unsealed{Serial: v.Serial, Err: err})
		case data != nil:
			done.Done = append(done.Done, v.Serial)
		}
	}
	journal, err := l.store.Journal(ctx)
	if j, ok := journal.(interface {
		Reseal(context.Context) (int, error)
	}); ok && err == nil {
		_, err = j.Reseal(ctx)
	}
	if errors.Is(err, state.ErrNoJournal) {
		err = nil
	}
	return done, err
}

// Unlock implements state.Lock.
func (l *lock) Unlock() error {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return nil
	}
	l.over = true
	h, lost := l.holder, l.lost
	l.mu.Unlock()
	close(l.stop)
	l.ended.Wait()
	l.store.mu.Lock()
	delete(l.store.locks, l)
	l.store.mu.Unlock()
	if lost {
		return nil
	}
	failpoint.Reach(failpoint.LockReleasing)
	ctx, cancel := patiently()
	defer cancel()
	if err := l.store.place.Unlock(ctx, h); err != nil {
		return fmt.Errorf("unlocking the state: %w", err)
	}
	failpoint.Reach(failpoint.LockReleased)
	return nil
}

// patiently is a context for what must be kept although the caller was told to
// stop, but not for ever.
func patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*time.Minute)
}
