package providers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"accord/lang/addrs"
)

// Object is one instance or resource as the boundary carries it.
type Object struct {
	Addr addrs.Instance `json:"addr,omitzero"` // zero for what List found
	Type string         `json:"type"`
	ID   string         `json:"id,omitempty"` // the system's id, "" before it exists or when unknown

	// Body is canonical JSON: keys sorted, no null, no insignificant space,
	// sets sorted. Blocks are objects: by label, single, or a list.
	// A reference is an address as a string.
	Body json.RawMessage `json:"body"`

	Unknown   []addrs.Path `json:"unknown,omitempty"`   // not known before apply; absent from Body
	Sensitive []addrs.Path `json:"sensitive,omitempty"` // never shown
}

// Hash is the identity of the body and its unknowns, without ID and address.
func (o *Object) Hash() string {
	h := sha256.New()
	h.Write(o.Body)
	for _, p := range o.Unknown {
		h.Write([]byte{0})
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Decode unmarshals the body into a struct with json tags.
func (o *Object) Decode(into any) error { return json.Unmarshal(o.Body, into) }

// Refs are the objects that others refer to, by address, as planned (or, in
// Read, as configured or recorded). They hold the whole chain: an integration
// point's integration, its connection, and both vaults. An object of the request
// that hangs together with no other need not be among them.
type Refs map[addrs.Instance]Object

// ReadRequest asks for the present bodies of objects.
type ReadRequest struct {
	Objects []Object `json:"objects"`
	Refs    Refs     `json:"refs,omitempty"`    // what Objects refer to beside each other
	Touched bool     `json:"touched,omitempty"` // and who touched each last, where the system tells

	// Recorded are the bodies of Objects that the caller remembers, nil where it
	// remembers none: an answer that is the same need not travel. Providers need
	// not look.
	Recorded []json.RawMessage `json:"recorded,omitempty"`

	// Stay, where it is not nil, are Refs for planning, beside Objects as they are
	// found. Then Objects are as they are wanted, with what is remembered in
	// Recorded, and the caller expects nothing to change: an answer may say so at
	// once (Result.Stays), and Plan is asked for the others alone. Providers need
	// not look.
	Stay Refs `json:"stay,omitempty"`
}

// Touch is the last change that a system remembers of an object.
type Touch struct {
	Who   string    `json:"who"`
	At    time.Time `json:"at"`
	What  string    `json:"what,omitempty"`  // in the system's words: "Status: active → inactive"
	Entry string    `json:"entry,omitempty"` // of its audit trail
}

// Result is the answer to one object of a batch.
type Result struct {
	Object      *Object      `json:"object,omitempty"`
	Missing     bool         `json:"missing,omitempty"` // Read: certainly not there; Apply, beside an error: not any more
	Same        bool         `json:"same,omitempty"`    // Read: equals the request; Object may be nil
	Stays       bool         `json:"stays,omitempty"`   // Read with Stay: found as recorded, and Plan would answer with it, and with nothing beside
	Err         *Error       `json:"err,omitempty"`
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"` // warnings beside the answer
	Touched     *Touch       `json:"touched,omitempty"`     // Read, where it was asked for: nil where nobody tells
}

// ListRequest asks for all objects of a type.
type ListRequest struct {
	Type     string         `json:"type"`
	Instance addrs.Instance `json:"instance"`
	Refs     Refs           `json:"refs,omitempty"`
}

// Found is an object that List found. Left says why no block can be made of it,
// where none can: of such an object nothing but type and id is said.
type Found struct {
	Object
	Left string `json:"left,omitempty"`
}

// Change is one object before and after, for Syncs.
type Change struct {
	Addr   addrs.Instance `json:"addr"`
	Before *Object        `json:"before,omitempty"` // as it is; nil: not there, or not to be under code any more
	After  *Object        `json:"after,omitempty"`  // as it will be; nil: gone, or not under code
	Live   *Object        `json:"live,omitempty"`   // as read, with volatile attributes
}
