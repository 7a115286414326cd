package state

import (
	"errors"
	"fmt"
	"time"
)

// Version is one kept version of a state.
type Version struct {
	Serial uint64    `json:"serial"`
	Saved  time.Time `json:"saved"`
	Size   int64     `json:"size"` // bytes of its written form
}

// ErrVersionStays says that a backend never changes a version that it keeps.
var ErrVersionStays = errors.New("versions are never changed there")

// Resealed is what became of versions that were not sealed as they would be now.
type Resealed struct {
	Done []uint64 // serials
	Left []Unsealed
}

// Unsealed is a version that stays as it is, and why.
type Unsealed struct {
	Serial uint64
	Err    error
}

// Succeeds reports why next may not take the place of s, in which something
// may have been done since next was taken out of it.
func (s *State) Succeeds(next *State) error {
	switch {
	case s.Serial == 0 && len(s.Objects) == 0 && len(s.Open) == 0:
		return nil // nothing is lost
	case next.Lineage != s.Lineage:
		return fmt.Errorf("it is of another lineage, %s, and the present state of %s: it was made for something else", next.Lineage, s.Lineage)
	case next.Serial < s.Serial:
		return fmt.Errorf("it has serial %d, and the present state %d: something was saved since", next.Serial, s.Serial)
	}
	return nil
}

// Next returns s as what follows the present state: with a serial that was
// never given before, and the intents that are open.
func (s *State) Next(present *State) *State {
	n := s.Clone()
	n.Serial = max(s.Serial, present.Serial+1)
	n.Open = present.Clone().Open
	return n
}
