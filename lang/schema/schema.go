// Package schema says what a block may say: its attributes, its nested blocks,
// and the flags that planning needs to know about them.
//
// A schema is data: it crosses the plugin boundary as JSON, is printed as the
// reference page of a block, and is read by lang (to check and evaluate),
// by providers (to declare) and by the planner (to compare). It knows nothing
// of any of them. Start with Provider, then Type.
package schema

import (
	"encoding/json"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Provider is all that a provider declares about itself.
type Provider struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Instances []Type   `json:"instances,omitempty"` // what it connects to: vault
	Resources []Type   `json:"resources,omitempty"` // what it manages: connection, country_filter, …
	Streams   []Stream `json:"streams,omitempty"`   // what syncs read and write
}

// Type is one block type.
type Type struct {
	Name    string `json:"name"`
	Doc     string `json:"doc"` // one paragraph, for the reference page
	Body    Block  `json:"body"`
	Version int    `json:"version"` // of the recorded form; raised when old recorded objects must be migrated

	// Identity names the attributes that together are unique in a vault and
	// known when planned; Read finds an object by them when it has no id.
	Identity []string `json:"identity,omitempty"`

	// Removal is what taking the block out of the configuration means.
	Removal Removal `json:"removal,omitempty"`

	// Removals are what else a removed block may ask for, besides Forget.
	Removals []Removal `json:"removals,omitempty"`

	// AsRecorded: what Read finds follows from what is recorded too, such as whose
	// engine runs it. It is asked as that, in whatever words the configuration has
	// it by now; and without local attributes, where nothing is recorded.
	AsRecorded bool `json:"as_recorded,omitempty"`

	// Listed: the provider's List finds all objects of the type.
	Listed bool `json:"listed,omitempty"`
}

// Removal is the word for what happens when a block is taken out.
type Removal string

// The removals, and what each does.
const (
	Forget     Removal = "forget"     // leave it as it is, remember it no more
	Deactivate Removal = "deactivate" // set inactive; content stays
	Reset      Removal = "reset"      // back to its safe default
	Revoke     Removal = "revoke"     // take back what accord granted
	Delete     Removal = "delete"     // delete what accord made
)

// RemovalFor is the removal that a removed block asks for by a word: "reset" is
// whatever leads to the safe default of the type. ok is false where the type
// cannot do it.
func (t *Type) RemovalFor(word Removal) (r Removal, ok bool) {
	for _, r := range t.removals() {
		if r == word || word == Reset && (r == Deactivate || r == Revoke) {
			return r, true
		}
	}
	return "", false
}

// RemovalWords are the words that RemovalFor takes, for a sentence.
func (t *Type) RemovalWords() string {
	var words []string
	for _, word := range []Removal{Forget, Reset, Delete} {
		if _, ok := t.RemovalFor(word); ok {
			words = append(words, string(word))
		}
	}
	return strings.Join(words, ", ")
}

func (t *Type) removals() []Removal {
	return append([]Removal{Forget, t.Removal}, t.Removals...)
}

// Block is the body of a block: attributes and nested blocks, in the order of
// the reference page.
type Block struct {
	Attributes []Attribute `json:"attributes,omitempty"`
	Blocks     []Nested    `json:"blocks,omitempty"`
}

// Attribute is one attribute of a block.
type Attribute struct {
	Name string   `json:"name"`
	Type cty.Type `json:"type"`
	Doc  string   `json:"doc"`

	Required bool `json:"required,omitempty"`

	// Computed: the provider may fill it where the configuration leaves it
	// out. Together with ReadOnly: only the provider fills it.
	Computed bool `json:"computed,omitempty"`
	ReadOnly bool `json:"read_only,omitempty"`

	// Volatile: shown, never drift, never a reason to change; only outputs
	// and checks may refer to it. Implies Computed and ReadOnly.
	Volatile bool `json:"volatile,omitempty"`

	// Local: a setting of accord itself that lives in the state only; the
	// provider's Read neither finds nor loses it.
	Local bool `json:"local,omitempty"`

	Sensitive bool `json:"sensitive,omitempty"`
	Replace   bool `json:"replace,omitempty"` // a change replaces the object

	// Refers lists the block types this attribute may refer to; its value
	// is then an address (a string in the body), and Type is cty.String.
	Refers []string `json:"refers,omitempty"`

	Default    json.RawMessage `json:"default,omitempty"`    // used where left out; JSON of Type
	OneOf      []string        `json:"one_of,omitempty"`     // the allowed strings
	NonEmpty   string          `json:"non_empty,omitempty"`  // set: an empty collection or string is an error, and this says what to write instead
	Deprecated string          `json:"deprecated,omitempty"` // set: a warning with this advice
}

// Nested is a nested block. In a body it is an object under its name:
// with a Label a map by label, with Single the one body, else a list.
type Nested struct {
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	Label    string `json:"label,omitempty"`  // what the label is: "object name"; "" where there is none
	Single   bool   `json:"single,omitempty"` // at most one, without label
	Required bool   `json:"required,omitempty"`
	Body     Block  `json:"body"`
}

// Stream is something that can be read, and perhaps written, record by record.
type Stream struct {
	Name     string `json:"name"`
	Instance string `json:"instance"` // the instance type it lives on
	Doc      string `json:"doc"`

	// Parts in the order in which they are written: members before the
	// containers that name them.
	Parts []Part `json:"parts"`

	Ordered bool `json:"ordered,omitempty"` // All and Range yield each part in key order
	Small   bool `json:"small,omitempty"`   // all of it costs no more than a part, so that also an incremental run reads all
	Write   bool `json:"write,omitempty"`
}

// Part is one kind of record of a stream.
type Part struct {
	Name  string `json:"name"`
	Title string `json:"title"` // plural, for people: "presentations"

	// Routed parts go where their routes lead. The others go where at least
	// one container goes that names them, and leave with the last.
	Routed bool `json:"routed,omitempty"`

	Cost Cost `json:"cost,omitzero"`
}

// Cost is how many calls it takes to write items of a part, for forecasts: what
// cannot share a call with others, and what a batch takes whatever it holds.
type Cost struct {
	Create int `json:"create,omitempty"` // each new item
	Edit   int `json:"edit,omitempty"`   // each item whose members change
	Member int `json:"member,omitempty"` // each member that is put in, taken out or moved
	Batch  int `json:"batch,omitempty"`  // each batch
}

// Type returns the instance or resource type of that name, and whether it is
// an instance type; nil when the provider has none.
func (p *Provider) Type(name string) (t *Type, instance bool) {
	for i := range p.Instances {
		if p.Instances[i].Name == name {
			return &p.Instances[i], true
		}
	}
	for i := range p.Resources {
		if p.Resources[i].Name == name {
			return &p.Resources[i], false
		}
	}
	return nil, false
}

// Stream returns the stream of that name, nil when the provider has none.
func (p *Provider) Stream(name string) *Stream {
	for i := range p.Streams {
		if p.Streams[i].Name == name {
			return &p.Streams[i]
		}
	}
	return nil
}

// Attribute returns the attribute of that name, nil when the block has none.
func (b *Block) Attribute(name string) *Attribute {
	for i := range b.Attributes {
		if b.Attributes[i].Name == name {
			return &b.Attributes[i]
		}
	}
	return nil
}

// Nested returns the nested block of that name, nil when the block has none.
func (b *Block) Nested(name string) *Nested {
	for i := range b.Blocks {
		if b.Blocks[i].Name == name {
			return &b.Blocks[i]
		}
	}
	return nil
}
