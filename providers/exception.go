package providers

import "time"

// Exception is what an engine says of an item that it could not move (ERR-2),
// or of a whole run (ERR-1): one of EngineState, and the fields of
// a record of Sync.Exceptions.
type Exception struct {
	ID      string    `json:"id,omitempty"`
	Part    string    `json:"part,omitempty"` // "" where the system does not say
	Key     string    `json:"key,omitempty"`  // of the source record
	Title   string    `json:"title,omitempty"`
	Kind    string    `json:"kind,omitempty"` // the word of the engine that wrote it; of an own message its key
	Message string    `json:"message"`
	General bool      `json:"general,omitempty"`      // ERR-1: it is a message
	Items   int       `json:"items,omitempty"`        // of a message: how many items it holds
	Own     bool      `json:"own,omitempty"`          // accord wrote it
	Known   bool      `json:"acknowledged,omitempty"` // somebody has acknowledged it in the system
	At      time.Time `json:"at,omitzero"`            // since when
}

// Parts of a stream of exceptions: messages before the items that they hold.
const (
	ExceptionMessage = "message" // ERR-1
	ExceptionItem    = "item"    // ERR-2
)

// ItemsMessage is the key of accord's message that holds all items of a sync.
const ItemsMessage = "items"

// Holds reports whether a message only holds items, and is no general error.
func (x Exception) Holds() bool { return x.Items > 0 || x.Own && x.Kind == ItemsMessage }

// RecordKey is the key of the record of an item of accord's.
func (x Exception) RecordKey() string { return x.Part + "/" + x.Key }
