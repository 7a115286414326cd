package watch

import (
	"time"

	"accord/planner/syncer"
)

// Event is something that happened while watching.
type Event interface{ event() }

// The events.
type (
	// Looked: what was applied was read, because it has Moved or grown old.
	Looked struct {
		Serial uint64
		Syncs  int
		Drift  int
		Moved  bool
	}
	// Ran: a run came to some end. Round is the time from the beat that found it
	// due until then.
	Ran struct {
		Outcome syncer.Outcome
		Round   time.Duration
	}
	// Trouble: something could not be read; it is tried again later.
	Trouble struct{ Err error }
)

func (Looked) event()  {}
func (Ran) event()     {}
func (Trouble) event() {}

func (w *Watch) emit(e Event) {
	if w.opts.Events != nil {
		w.opts.Events(e)
	}
}
