package providers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
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

// Config connects a provider.
type Config struct {
	Dir       string                      `json:"dir"` // where relative file names start
	Instances []Object                    `json:"instances"`
	ReadOnly  bool                        `json:"read_only"`           // a client without writing methods
	Endpoints map[addrs.Instance]Endpoint `json:"endpoints,omitempty"` // where the address in the body is not the one to dial
	Tool      string                      `json:"tool"`                // name and version, for client id headers
	Impatient bool                        `json:"impatient,omitempty"` // who asks comes back by itself, and has others to serve: what does not answer is an error soon
}

// Endpoint is where an instance with a URL of the embedded development server
// is reached. A password is never carried, only the name of the file it is in.
type Endpoint struct {
	URL          string `json:"url"`
	ID           int64  `json:"id,omitempty"`
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
}

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
	Missing     bool         `json:"missing,omitempty"` // Read: certainly not there
	Same        bool         `json:"same,omitempty"`    // Read: equals the request; Object may be nil
	Stays       bool         `json:"stays,omitempty"`   // Read with Stay: found as recorded, and Plan would answer with it, and with nothing beside
	Err         *Error       `json:"err,omitempty"`
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"` // warnings beside the answer
	Touched     *Touch       `json:"touched,omitempty"`     // Read, where it was asked for: nil where nobody tells
}

// PlanRequest asks what objects will be.
type PlanRequest struct {
	Items []PlanItem `json:"items"`
	Refs  Refs       `json:"refs,omitempty"`
}

// PlanItem is one object as wanted, remembered and found.
type PlanItem struct {
	Addr     addrs.Instance `json:"addr"`
	Desired  *Object        `json:"desired,omitempty"`  // nil: the block is gone
	Recorded *Object        `json:"recorded,omitempty"` // nil: not in the state
	Live     *Object        `json:"live,omitempty"`     // nil: not there
	Removal  schema.Removal `json:"removal,omitempty"`  // with Desired nil: which word holds
}

// PlanResponse says what one object will be.
type PlanResponse struct {
	// Planned is the object after apply. It keeps every attribute of Desired;
	// what is left out there is filled from Live, or listed in Unknown.
	// Nil: it will be remembered no more.
	Planned *Object `json:"planned,omitempty"`

	Replace      []addrs.Path `json:"replace,omitempty"`      // what forces a new object
	Consequences []string     `json:"consequences,omitempty"` // in words: "312 published items stay as they are"
	After        []Ref        `json:"after,omitempty"`        // steps that must be done before this one, beyond references (CTRY-12)
	Diagnostics  []Diagnostic `json:"diagnostics,omitempty"`  // an error refuses the plan
}

// Ref names a step: an object's, or the run of its sync.
type Ref struct {
	Addr addrs.Instance `json:"addr"`
	Sync bool           `json:"sync,omitempty"`
}

// Action is what a step does to an object.
type Action string

// The actions.
const (
	NoAction Action = "no-op"
	Create   Action = "create"
	Update   Action = "update"
	Replace  Action = "replace" // delete, then create
	Adopt    Action = "adopt"   // found and not in the state: taken over, then updated where it differs
	Remove   Action = "remove"  // the block is gone; the removal says how
)

// ApplyRequest asks that planned objects be made so.
type ApplyRequest struct {
	Items []ApplyItem `json:"items"`
	Refs  Refs        `json:"refs,omitempty"`
}

// ApplyItem is one step.
type ApplyItem struct {
	Addr     addrs.Instance `json:"addr"`
	Action   Action         `json:"action"`
	Live     *Object        `json:"live,omitempty"`     // as read when planned
	Recorded *Object        `json:"recorded,omitempty"` // as remembered
	Planned  *Object        `json:"planned,omitempty"`  // without unknowns of the configuration; nil when removed
	Removal  schema.Removal `json:"removal,omitempty"`
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
