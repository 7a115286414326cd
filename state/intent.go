package state

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"accord/lang/addrs"
)

// Intent says what is about to be done to one object.
type Intent struct {
	Seq    uint64         `json:"seq"` // set by Intend; rises over the life of a state
	At     time.Time      `json:"at"`  // set by Intend
	Addr   addrs.Instance `json:"address"`
	Action string         `json:"action"`           // the planner's word
	ID     string         `json:"id,omitempty"`     // of the object that exists
	Object *Object        `json:"object,omitempty"` // as it shall be, to find it by when the answer is lost
	Holder string         `json:"holder,omitempty"` // set by Intend: the lock's id
}

// Outcome says what came of it. The zero Outcome of an address closes its
// intents and leaves the object as it is remembered: nothing was done.
type Outcome struct {
	Addr   addrs.Instance `json:"address"`
	Object *Object        `json:"object,omitempty"` // what is remembered from now on
	Forget bool           `json:"forget,omitempty"` // with Object nil: remembered no more
}

// Valid reports what is wrong with an outcome that could not be written and
// read again.
func (o Outcome) Valid() error {
	switch {
	case o.Addr.IsZero():
		return errors.New("an outcome names no object")
	case o.Object == nil:
		return nil
	case o.Forget:
		return fmt.Errorf("the outcome of %s both remembers and forgets", o.Addr)
	case o.Object.Addr != o.Addr:
		return fmt.Errorf("the outcome of %s holds %s", o.Addr, o.Object.Addr)
	}
	return o.Object.Valid()
}

// ValidEntry reports what a backend could not have kept of its own doing.
func ValidEntry(intents []Intent, outcomes []Outcome) error {
	for _, i := range intents {
		if i.Addr.IsZero() {
			return errors.New("an intent names no object")
		}
	}
	for _, o := range outcomes {
		if err := o.Valid(); err != nil {
			return err
		}
	}
	return nil
}

// Begin adds intents to s.Open. Backends use it to keep, and to replay.
func (s *State) Begin(intents []Intent) {
	s.Open = append(s.Open, intents...)
	slices.SortStableFunc(s.Open, compareOpen)
}

// Settle makes outcomes part of s and closes their intents. It reports whether
// any object differs from what was remembered before.
func (s *State) Settle(outcomes []Outcome) (changed bool) {
	for _, o := range outcomes {
		before := s.Objects[o.Addr]
		switch {
		case o.Object != nil:
			changed = changed || !before.Equal(o.Object)
			s.Objects[o.Addr] = o.Object
		case o.Forget:
			changed = changed || before != nil
			delete(s.Objects, o.Addr)
		}
	}
	s.CloseIntents(outcomes)
	return changed
}

// CloseIntents closes the intents of the outcomes' addresses, and leaves objects alone.
func (s *State) CloseIntents(outcomes []Outcome) {
	if len(s.Open) == 0 {
		return
	}
	closed := make(map[addrs.Instance]bool, len(outcomes))
	for _, o := range outcomes {
		closed[o.Addr] = true
	}
	s.Open = slices.DeleteFunc(s.Open, func(i Intent) bool { return closed[i.Addr] })
}
