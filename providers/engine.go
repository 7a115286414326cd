package providers

import (
	"context"
	"time"
)

// Engine is what a system can be asked about its own engine, which runs the
// syncs that are not accord's (INT-7, EnginePlatform). Both methods answer one
// state for each sync, in order.
type Engine interface {
	// Ask asks for one full run of each sync (INT-6), and answers where the
	// engine stood before; Now is after the request, where that can be told. It is
	// idempotent as long as the run has not begun. It writes nothing but the request.
	Ask(ctx context.Context, syncs []Sync) []EngineState

	// Follow says where the engine stands. It writes nothing.
	Follow(ctx context.Context, syncs []Sync) []EngineState
}

// EngineState is where a system's own engine stands with a sync.
type EngineState struct {
	Active bool      `json:"active"` // it runs the sync when that is due
	LRT    time.Time `json:"lrt,omitzero"`
	LSRT   time.Time `json:"lsrt,omitzero"`
	Now    time.Time `json:"now,omitzero"` // by the clock that LRT and LSRT are told by, never ahead of it

	// Open counts the exceptions that are open, and Exceptions are the first.
	Open       int         `json:"open,omitempty"`
	Exceptions []Exception `json:"exceptions,omitempty"`

	// Published counts by part what is published at the target by any engine
	// but accord's.
	Published map[string]int `json:"published,omitempty"`

	Err *Error `json:"err,omitempty"` // it could not be found out
}
