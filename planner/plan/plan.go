// Package plan is the plan as a value: what was found, what will change and
// why, what happens to the content, which syncs run, and the steps that apply
// walks. Everything a reviewer reads and everything apply does comes from it.
//
// It refuses to know how a plan is made (package planner) and how it looks on
// a screen (cmd). Start with Plan; File for how it is kept.
package plan

import (
	"fmt"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/syncer"
	"accord/providers"
)

// Plan is everything that was decided.
type Plan struct {
	Tool    string    `json:"tool"`
	Created time.Time `json:"created"`
	Lineage string    `json:"lineage"`
	Serial  uint64    `json:"serial"` // of the state it was made for
	Destroy bool      `json:"destroy,omitempty"`

	// Allow lifts limits by name, as given when planned.
	Allow []string `json:"allow,omitempty"`

	// Target and Exclude make the plan partial, Replace asks for new objects:
	// addresses as given. LeftOut is how many objects a partial plan is not about.
	Target  []string `json:"target,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	Replace []string `json:"replace,omitempty"`
	LeftOut int      `json:"left_out,omitempty"`

	// Assumed: what the state remembers was not read again (-refresh=false).
	Assumed bool `json:"assumed,omitempty"`

	// Resolved are calls of an earlier apply whose outcome was not known, and
	// what was found of them now.
	Resolved []Resolved `json:"resolved,omitempty"`

	Moves     []Move     `json:"moves,omitempty"`   // other names for what is recorded; the objects stay as they are
	Drift     []Change   `json:"drift,omitempty"`   // changed outside, since recorded
	Changes   []Change   `json:"changes,omitempty"` // what this configuration changes; unchanged ones are not listed
	Unchanged int        `json:"unchanged"`
	Content   []Content  `json:"content,omitempty"` // what happens to the content, per sync that runs
	Syncs     []SyncLine `json:"syncs,omitempty"`
	Steps     []Step     `json:"steps,omitempty"`

	Outputs []Output `json:"outputs,omitempty"` // that will be recorded otherwise, by name

	// Warnings do not stop an apply. Refusals do: a plan that has any cannot
	// be applied, and is shown all the same.
	Warnings []providers.Diagnostic `json:"warnings,omitempty"`
	Refusals []providers.Diagnostic `json:"refusals,omitempty"`

	// Failed: the plan could not be made. What it says is what is known all the
	// same; Unknown are the objects of which it is not, and Errors are why. It is
	// never saved and never applied.
	Failed  bool                   `json:"failed,omitempty"`
	Unknown []Unknown              `json:"unknown,omitempty"`
	Errors  []providers.Diagnostic `json:"errors,omitempty"`

	// Objects are all instances and resources as they will be, for references.
	Objects []providers.Object `json:"objects"`

	Reads Reads `json:"reads"`

	// Fingerprints are the objects as they were read: of a plan that is saved.
	// Sightings are what else was read of the configuration of the vaults.
	Fingerprints []Fingerprint `json:"fingerprints,omitempty"`
	Sightings    []Sighting    `json:"sightings,omitempty"`

	// Moved is what is not as it was when the plan that is held against this one
	// was made; with any, nothing else here counts.
	Moved []Difference `json:"moved,omitempty"`
}

// Step finds a step, nil where there is none.
func (p *Plan) Step(ref providers.Ref) *Step {
	for i := range p.Steps {
		if p.Steps[i].Ref == ref {
			return &p.Steps[i]
		}
	}
	return nil
}

// Reads says what making the plan took.
type Reads struct {
	Instances int           `json:"instances"`
	Objects   int           `json:"objects"`
	Records   int           `json:"records"`
	Calls     int           `json:"calls"`
	Took      time.Duration `json:"took"`
}

// Change is one object that is, or was, different.
type Change struct {
	Addr         addrs.Instance   `json:"addr"`
	Action       providers.Action `json:"action"`
	Removal      schema.Removal   `json:"removal,omitempty"`
	Edits        []Edit           `json:"edits,omitempty"`
	Same         int              `json:"same"` // attributes that stay
	Consequences []string         `json:"consequences,omitempty"`
	Protected    bool             `json:"protected,omitempty"`

	// Touched is who changed it outside, and when, where the system tells; of
	// drift only.
	Touched *providers.Touch `json:"touched,omitempty"`

	// Reason is why; Place is where it is written: the block of an object, or
	// what stands where the block, the key or the module is gone from.
	Reason Reason `json:"reason,omitempty"`
	Place
}

// Place is a line of a file, as in "main.hcl:12"; File is "" where there is none.
type Place struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// At prints the place, "" where there is none.
func (p Place) At() string {
	if p.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Reason is why an object changes.
type Reason string

// The reasons of changes.
const (
	Declared  Reason = "declared"  // the configuration has it newly, and it is not there
	Lost      Reason = "lost"      // it is remembered, and was taken away outside
	Found     Reason = "found"     // it is there, and not remembered
	Imported  Reason = "imported"  // an import block names it
	Edited    Reason = "edited"    // the configuration says something else than was applied
	Drifted   Reason = "drifted"   // it was changed outside, and is put back
	Follows   Reason = "follows"   // what it follows from changes, or its provider's view of it
	Forced    Reason = "forced"    // a changed attribute, marked in the edits, can only be had anew
	Requested Reason = "requested" // -replace
	Protects  Reason = "protects"  // its protection begins or is lifted

	BlockGone      Reason = "block_gone"
	KeyGone        Reason = "key_gone" // of for_each
	Disabled       Reason = "disabled" // enabled = false
	ModuleGone     Reason = "module_gone"
	ModuleKeyGone  Reason = "module_key_gone"
	ModuleDisabled Reason = "module_disabled"
	RemovedBlock   Reason = "removed_block" // a removed block names it
	Destroyed      Reason = "destroyed"     // everything is to be removed
)

// Words returns the reason for people.
func (r Reason) Words() string {
	switch r {
	case Declared:
		return "new in the configuration"
	case Lost:
		return "it was there, and was taken away outside"
	case Found:
		return "it is there, and not yet managed"
	case Imported:
		return "an import block takes it over"
	case Edited:
		return "the configuration was edited"
	case Drifted:
		return "it was changed outside, and is put back"
	case Follows:
		return "what it follows from has changed"
	case Forced:
		return "a changed attribute can only be had anew"
	case Requested:
		return "-replace asks for it"
	case Protects:
		return "its protection changes"
	case BlockGone:
		return "its block is gone"
	case KeyGone:
		return "its key is gone from for_each"
	case Disabled:
		return "enabled = false"
	case ModuleGone:
		return "its module block is gone"
	case ModuleKeyGone:
		return "the key of its module is gone from for_each"
	case ModuleDisabled:
		return "its module has enabled = false"
	case RemovedBlock:
		return "a removed block says so"
	case Destroyed:
		return "everything is to be removed"
	}
	return string(r)
}

// Unknown is an object of which a plan that failed cannot say what it will be.
type Unknown struct {
	Addr    addrs.Instance `json:"addr"`
	Because string         `json:"because"`
	Place
}

// Move is a new name for a recorded object.
type Move struct {
	From addrs.Instance `json:"from"`
	To   addrs.Instance `json:"to"`
	Place
}

// Resolved is what came of a call whose answer was lost.
type Resolved struct {
	Addr   addrs.Instance   `json:"addr"`
	Action providers.Action `json:"action"`
	At     time.Time        `json:"at"` // when it was begun
	Found  Finding          `json:"found"`
}

// Finding says what was found of a call.
type Finding string

// What may be found.
const (
	WasDone  Finding = "done"
	NotDone  Finding = "not_done"
	HalfDone Finding = "half_done" // it is as neither before nor after
)

// Content is what one sync's run does.
type Content struct {
	Addr   addrs.Instance `json:"addr"`
	Vault  addrs.Instance `json:"vault"` // where the content changes
	Title  string         `json:"title"`
	Impact syncer.Impact  `json:"impact"`
}

// SyncLine is what the plan says of one sync.
type SyncLine struct {
	Addr     addrs.Instance  `json:"addr"`
	Title    string          `json:"title"`
	Vault    addrs.Instance  `json:"vault"`
	Decision syncer.Decision `json:"decision"`
	Calls    *Calls          `json:"calls,omitempty"` // of a run that the plan begins
	Owes     []syncer.Reason `json:"owes,omitempty"`  // of a full run that the plan asks for and leaves out: whoever runs next makes it
	Stops    bool            `json:"stops,omitempty"` // it is active, and will not be: a run that is under way ends (INT-4)
}

// Calls is what a run is expected to ask of the vaults. Reads are those of the
// preview, which a run repeats; writes are a forecast, by what the provider says
// that each takes.
type Calls struct {
	Reads  int     `json:"reads"`
	Writes int     `json:"writes"`
	Share  float64 `json:"share"` // of the vendor's 2,000 calls in 5 minutes
}

// burst is the vendor's limit of calls in 5 minutes.
const burst = 2000

// Forecast is what a run with an impact is expected to ask for.
func Forecast(i *syncer.Impact) *Calls {
	return &Calls{Reads: i.Calls, Writes: i.Writes, Share: float64(i.Calls+i.Writes) / burst}
}

// Step is one thing that apply does: an object's change, or a sync's run.
type Step struct {
	Ref   providers.Ref   `json:"ref"`
	After []providers.Ref `json:"after,omitempty"`

	// Of an object's change:
	Item      *providers.ApplyItem `json:"item,omitempty"`
	Provider  string               `json:"provider,omitempty"`
	DependsOn []addrs.Instance     `json:"depends_on,omitempty"` // recorded in the state
	Protect   bool                 `json:"protect,omitempty"`
	Record    bool                 `json:"record,omitempty"` // nothing is asked of the provider: only the state changes

	// Of a run:
	Sync     *providers.Sync  `json:"sync,omitempty"`
	Decision *syncer.Decision `json:"decision,omitempty"`
	Promise  *syncer.Promise  `json:"promise,omitempty"`
}

// Count says how many of each there are.
type Count struct {
	Create, Update, Replace, Adopt, Remove int
	Full                                   int // full runs
	In, Out                                int // items published, withdrawn; a table within one vault is none
}

// Count adds up the changes of a plan.
func (p *Plan) Count() Count {
	var c Count
	for _, ch := range p.Changes {
		switch ch.Action {
		case providers.Create:
			c.Create++
		case providers.Update:
			c.Update++
		case providers.Replace:
			c.Replace++
		case providers.Adopt:
			c.Adopt++
		case providers.Remove:
			c.Remove++
		}
	}
	for _, s := range p.Steps {
		if s.Ref.Sync {
			c.Full++
		}
	}
	for _, ct := range p.Content {
		if ct.Impact.Within {
			continue
		}
		c.In += ct.Impact.Total.Published()
		c.Out += ct.Impact.Total.Withdrawn
	}
	return c
}

// Partial reports whether the plan is about some objects only.
func (p *Plan) Partial() bool { return len(p.Target)+len(p.Exclude) > 0 }

// Differs reports whether an apply would do or record anything.
func (p *Plan) Differs() bool { return !p.Empty() || len(p.Outputs) > 0 }

// Empty reports whether there is nothing to do; outputs may still be recorded
// otherwise.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 && len(p.Moves) == 0 }
