package state

import (
	"context"
	"time"

	"accord/lang/addrs"
)

// Memory is what is remembered of one sync.
type Memory struct {
	// The caller's: what Remember and End keep.

	Horizon     time.Time         `json:"horizon,omitzero"`      // where the next incremental read begins, by the source's clock
	HorizonFull time.Time         `json:"horizon_full,omitzero"` // the start of the last full read that came to its end, by the source's clock
	Inputs      map[string]string `json:"inputs,omitempty"`      // named digests that the last run used
	LastStart   time.Time         `json:"last_start,omitzero"`   // LRT
	LastSuccess time.Time         `json:"last_success,omitzero"` // LSRT
	Errors      int               `json:"errors,omitempty"`      // of the last run that came to its end
	Seen        []byte            `json:"seen,omitempty"`        // digests of recent changes that the last run has dealt with; the caller's own form
	Asked       *Asked            `json:"asked,omitempty"`       // INT-7: a run of another engine that was asked for, and not seen to its end

	// The journal's own: ignored by Remember and End.

	Owed     []string  `json:"-"` // reasons of a full run that was promised and is not yet done; sorted
	Allowed  Allowance `json:"-"` // what that run may do beyond the limits
	Last     *Run      `json:"-"` // the last run, ended or not; nil: none
	LastFull *Run      `json:"-"` // the last run of mode Full that ended as Clean or Faulty; nil: none
	Failures int       `json:"-"` // open ones, of items
	Kept     int       `json:"-"` // items that stay as they are, and are told of
	Open     int       `json:"-"` // batches: see Journal.Open

	Unmatched int `json:"-"` // references: see Journal.Unmatched
}

// Allowance lifts limits once, up to a number of items.
type Allowance struct {
	Withdraw int `json:"withdraw,omitempty"`
	Publish  int `json:"publish,omitempty"`
}

// Or is the more that one of two allows.
func (a Allowance) Or(b Allowance) Allowance {
	return Allowance{Withdraw: max(a.Withdraw, b.Withdraw), Publish: max(a.Publish, b.Publish)}
}

// Asked is that a run of another engine was asked for.
type Asked struct {
	At   time.Time `json:"at"`            // by the clock of the vault that was asked
	Last time.Time `json:"last,omitzero"` // LRT until then
}

// MemoryOf returns what is remembered of one sync.
func MemoryOf(ctx context.Context, j Journal, sync addrs.Instance) (Memory, error) {
	m, err := j.Memories(ctx, []addrs.Instance{sync})
	if err != nil {
		return Memory{}, err
	}
	return m[0], nil
}
