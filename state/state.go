package state

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"accord/lang/addrs"
)

// FormatVersion is the version of the form in which a State is written.
const FormatVersion = 1

// State is all that is remembered of resources, at one moment.
type State struct {
	Tool    string // name and version of the accord that wrote it
	Lineage string // a state and its successors share it; a uuid
	Serial  uint64 // rises by one with every saved change; 0: never saved
	Objects map[addrs.Instance]*Object
	Outputs map[string]Output

	// Open are the intents without an outcome, in the order in which they were
	// begun: what a process that died, or could not learn what its call did,
	// has left to be found out. They are not part of the written form.
	Open []Intent
}

// Object is one remembered object. It is never modified: a change is another
// Object.
type Object struct {
	Addr          addrs.Instance   `json:"address"`
	Provider      string           `json:"provider,omitempty"`
	Type          string           `json:"type"`
	ID            string           `json:"id,omitempty"`
	SchemaVersion int              `json:"schema_version,omitempty"` // of Body
	Removal       string           `json:"removal,omitempty"`        // what taking the block out will mean
	Protect       bool             `json:"protect,omitempty"`
	DependsOn     []addrs.Instance `json:"depends_on,omitempty"`
	Sensitive     []addrs.Path     `json:"sensitive,omitempty"`
	Body          json.RawMessage  `json:"body"` // canonical JSON; comes back byte for byte
}

// Output is one value that the configuration gives out.
type Output struct {
	Value     json.RawMessage `json:"value,omitempty"` // canonical JSON; never kept when Sensitive
	Sensitive bool            `json:"sensitive,omitempty"`
}

// New returns an empty state.
func New(tool, lineage string) *State {
	return &State{Tool: tool, Lineage: lineage, Objects: map[addrs.Instance]*Object{}, Outputs: map[string]Output{}}
}

// Sorted returns the objects in the order of their addresses.
func (s *State) Sorted() []*Object {
	objects := slices.Collect(maps.Values(s.Objects))
	slices.SortFunc(objects, func(a, b *Object) int { return a.Addr.Compare(b.Addr) })
	return objects
}

// Clone returns a state of its own that shares the objects, which nobody modifies.
func (s *State) Clone() *State {
	c := *s
	c.Objects = maps.Clone(s.Objects)
	c.Outputs = maps.Clone(s.Outputs)
	c.Open = slices.Clone(s.Open)
	return &c
}

// Valid reports what an object lacks that every object has.
func (o *Object) Valid() error {
	if o == nil || o.Addr.IsZero() || o.Type == "" || len(o.Body) == 0 {
		return errors.New("an object has no address, type or body")
	}
	return nil
}

// Equal reports whether two objects, either of which may be nil, are written
// the same.
func (o *Object) Equal(p *Object) bool {
	if o == nil || p == nil {
		return o == p
	}
	return o.Addr == p.Addr && o.Provider == p.Provider && o.Type == p.Type && o.ID == p.ID &&
		o.SchemaVersion == p.SchemaVersion && o.Removal == p.Removal && o.Protect == p.Protect &&
		slices.Equal(o.DependsOn, p.DependsOn) && slices.Equal(o.Sensitive, p.Sensitive) &&
		bytes.Equal(o.Body, p.Body)
}

// Equal reports whether two outputs are written the same.
func (o Output) Equal(p Output) bool {
	return o.Sensitive == p.Sensitive && (o.Sensitive || bytes.Equal(o.Value, p.Value))
}

func compareOpen(a, b Intent) int { return cmp.Compare(a.Seq, b.Seq) }
