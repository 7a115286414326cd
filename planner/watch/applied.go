package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// Applied is what was applied, as read at one moment.
type Applied struct {
	Serial uint64 // of the state
	Syncs  []providers.Sync
	Drift  []Drift
	Unread []Unread
	Away   map[addrs.Instance]error // instances that are not reached, and why
	State  *state.State             // that all this was read by, for Moved
	At     time.Time                // set by Watch

	// Before is what the journal remembered of syncs before all this was read: who has
	// run one by another definition since goes by what was applied after it.
	Before map[addrs.Instance]state.Memory
}

// Unread is an object that could not be read, or that hangs together with one:
// syncs among them do not run, and the others do.
type Unread struct {
	Addr addrs.Instance
	Err  error
}

// unreadSince are those that could be read before, or not for another reason.
func (a *Applied) unreadSince(before *Applied) []Unread {
	if before == nil {
		return a.Unread
	}
	said := map[addrs.Instance]string{}
	for _, u := range before.Unread {
		said[u.Addr] = u.Err.Error()
	}
	return slices.DeleteFunc(slices.Clone(a.Unread), func(u Unread) bool { return said[u.Addr] == u.Err.Error() })
}

// Drift is an object that is not as it was applied.
type Drift struct {
	Addr addrs.Instance `json:"addr"`
	What []string       `json:"what"` // attributes; empty: it is gone
}

// look returns what was applied; nil where that is not known.
func (w *Watch) look(ctx context.Context) *Applied {
	now := w.opts.Now()
	w.mu.Lock()
	before := w.survey
	w.mu.Unlock()
	read := w.reading()
	serial, err := w.opts.Serial(ctx)
	if read(); err != nil {
		w.trouble(err)
		return nil
	}
	if before.due(serial, now) {
		w.within(w.lookAnew(ctx, now, before.moved(serial)))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.survey.of(serial)
}

// lookAnew begins to read what was applied; done is closed when it has ended.
func (w *Watch) lookAnew(ctx context.Context, now time.Time, moved bool) (done <-chan struct{}) {
	ended := make(chan struct{})
	w.mu.Lock()
	w.survey.begin()
	w.mu.Unlock()
	w.spawn(func() {
		defer close(ended)
		fresh, err := w.opts.Look(ctx)
		fresh.At = now
		w.mu.Lock()
		w.survey.going = false
		switch {
		case ctx.Err() != nil:
			w.mu.Unlock()
		case err != nil:
			w.err = err
			w.survey.failed(w.opts.Now(), spread())
			w.mu.Unlock()
			w.emit(Trouble{Err: err})
		default:
			news := fresh.unreadSince(w.survey.found)
			w.err = nil
			w.survey.ended(&fresh, w.opts.Refresh, spread())
			w.found(&fresh)
			w.mu.Unlock()
			for _, u := range news {
				w.emit(Trouble{Err: fmt.Errorf("%s cannot be read: %w", u.Addr, u.Err)})
			}
			w.emit(Looked{Serial: fresh.Serial, Syncs: len(fresh.Syncs), Drift: len(fresh.Drift), Moved: moved})
		}
	})
	return ended
}

// found takes over the points and vaults of what was applied.
func (w *Watch) found(fresh *Applied) {
	needed := map[addrs.Instance]bool{}
	for addr, err := range fresh.Away {
		needed[addr] = true
		w.heard(addr, err)
	}
	known := map[addrs.Instance]bool{}
	for _, u := range fresh.Unread {
		if p := w.points[u.Addr]; p != nil {
			known[u.Addr] = true
			p.turn = turn{wait: "it cannot be read: " + u.Err.Error()}
			w.blame(&p.task.Sync, u.Err)
		}
	}
	for _, s := range fresh.Syncs {
		known[s.Addr] = true
		if w.points[s.Addr] == nil {
			w.points[s.Addr] = &point{totals: Totals{Runs: map[syncer.Status]int{}}}
		}
		for _, addr := range []addrs.Instance{s.Source.Instance, s.Target.Instance} {
			needed[addr] = true
			w.heard(addr, nil)
		}
	}
	for addr, p := range w.points {
		if known[addr] && p.task.Sync.Addr == addr { // unread: its vaults stay as they were
			needed[p.task.Sync.Source.Instance], needed[p.task.Sync.Target.Instance] = true, true
		}
	}
	maps.DeleteFunc(w.points, func(a addrs.Instance, p *point) bool { return !known[a] && !p.busy })
	maps.DeleteFunc(w.answers, func(a addrs.Instance, _ *answers) bool { return !needed[a] })
}
