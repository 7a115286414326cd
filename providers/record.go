package providers

import (
	"encoding/json"
	"time"

	"accord/lang/addrs"
)

// Record is one item of a stream: of a source, something that may go places;
// of a target, something that came from a source.
type Record struct {
	Part  string `json:"part"`
	Key   string `json:"key"`          // the source's key, in both streams; bytes that sort as the source does
	ID    string `json:"id,omitempty"` // target: its own id there
	Title string `json:"title,omitempty"`

	// Standing is the stream's own word for where the item stands. What it
	// means for a sync (publish, keep, withdraw) is the sync's table.
	// Targets use Published, Withdrawn and Unfinished.
	Standing string `json:"standing"`

	// Variants of the source item that this record is: a shared read may carry
	// the steady and the latest version of one key as two records, or as one
	// that is both. Empty for streams without variants.
	Variants []string `json:"variants,omitempty"`

	Routes  []string          `json:"routes,omitempty"`  // routed parts: the values that routing looks at
	Groups  map[string]string `json:"groups,omitempty"`  // for counts by product and the like: name → value
	Members []Member          `json:"members,omitempty"` // containers: in order, as source keys

	// Fields is canonical JSON by field name: of a source by its names, of a
	// target by its own.
	Fields json.RawMessage `json:"fields,omitempty"`

	// Problem of a source is why this item cannot be taken as it is (CLM-12); it
	// makes the item an exception and leaves its target as it is. Of a target it is
	// what was done to the item there, so that its members are to be brought up to
	// date even where those that are left are the right ones.
	Problem string `json:"problem,omitempty"`
}

// Standings of target records.
const (
	Published  = "published"
	Withdrawn  = "withdrawn"
	Unfinished = "unfinished" // created, not yet complete: a run was cut short
)

// Standings of what a reference means at a target (Reference.Records).
const (
	Matched     = "matched"
	Linked      = "linked" // matched by its Link, which no External ID takes the place of
	NoMatch     = "no_match"
	ManyMatches = "many_matches" // never a choice
)

// Member is a record that a container names.
type Member struct {
	Part string `json:"part"`
	Key  string `json:"key"`
}

// End is one end of a sync: a stream on an instance, narrowed by a scope that
// only the provider understands.
type End struct {
	Instance addrs.Instance  `json:"instance"`
	Stream   string          `json:"stream"`
	Scope    json.RawMessage `json:"scope,omitempty"` // canonical JSON
}

// RecordsRequest reads a stream. Without Since and Keys it reads everything in
// scope. With either it reads what changed since, and the keys, and all that
// must be seen with them: the containers of a changed member, the members of
// a changed container, whatever their standing, and what was deleted.
type RecordsRequest struct {
	End  End   `json:"end"`
	Also []End `json:"also,omitempty"` // the same is read of these, all at once: every Batch says of which it is

	Variants []string `json:"variants,omitempty"` // which variants are needed
	Fields   []string `json:"fields,omitempty"`   // source fields that the rules read, beyond the stream's own

	Since   time.Time `json:"since,omitzero"`
	Keys    []Member  `json:"keys,omitempty"`
	Only    bool      `json:"only,omitempty"`    // these records alone, nothing seen with them; of what changed Since, at least what tells one change from another
	Confirm bool      `json:"confirm,omitempty"` // with Only: they lost all their members of a part since they were written; be sure of it, or fail
	Holders bool      `json:"holders,omitempty"` // with Keys, target: the published containers that name any of the keys, not the keys themselves

	After string `json:"after,omitempty"` // Range: keys after this, of each part
	UpTo  string `json:"up_to,omitempty"` // Range: up to and with this; "" to the end
}

// Ends are all that are read, in the order in which Batch.Of counts them.
func (r *RecordsRequest) Ends() []End { return append([]End{r.End}, r.Also...) }

// Batch is some records of a read, parts in any order, each part in key order
// where the stream says so.
type Batch struct {
	Records []Record  `json:"records"`
	End     bool      `json:"end,omitempty"`    // the read ended well; no batch follows
	Horizon time.Time `json:"horizon,omitzero"` // on the last: the system's clock when the read began
	Calls   int       `json:"calls,omitempty"`  // made for this batch

	Of  int    `json:"of,omitempty"`  // of the request's ends
	Err *Error `json:"err,omitempty"` // instead of End, where a request has several: this one could not be read; the others go on

	// Titles name route values for people, where the stream knows them; on any
	// batch, and not of reads by key.
	Titles map[string]string `json:"titles,omitempty"`
}

// Verb is what a write does to a target item.
type Verb string

// The verbs.
const (
	WriteCreate   Verb = "create"
	WriteUpdate   Verb = "update"
	WriteRestore  Verb = "restore"  // withdrawn or unfinished: made published, and updated
	WriteWithdraw Verb = "withdraw" // CLM-13; of a stream that deletes: delete
)

// Write is one change of a target item.
type Write struct {
	Verb    Verb            `json:"verb"`
	Part    string          `json:"part"`
	Key     string          `json:"key"`
	ID      string          `json:"id,omitempty"` // of the existing item
	Title   string          `json:"title,omitempty"`
	Fields  json.RawMessage `json:"fields,omitempty"`  // all target fields as they shall be
	Changed []string        `json:"changed,omitempty"` // update, restore: the fields that differ
	Members []Member        `json:"members,omitempty"` // containers: all, in order, as source keys
	Reorder bool            `json:"reorder,omitempty"` // update, restore: the members differ
	Was     []Member        `json:"was,omitempty"`     // with Reorder: the members there are
}

// WriteRequest is a batch of writes to one target, all of one part and verb.
type WriteRequest struct {
	Sync   Sync    `json:"sync"` // settled
	Run    string  `json:"run"`
	Writes []Write `json:"writes"`
}

// WriteResult is the outcome of one write.
type WriteResult struct {
	ID   string `json:"id,omitempty"`   // of the item
	Same bool   `json:"same,omitempty"` // nothing had to be written
	Err  *Error `json:"err,omitempty"`

	Calls int `json:"calls,omitempty"` // made for it; those of a whole batch stand at its first
}
