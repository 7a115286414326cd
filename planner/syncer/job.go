package syncer

import (
	"sync"
	"time"

	"accord/lang/schema"
	"accord/providers"
	"accord/state"
)

// job is one task on its way through the pipeline.
type job struct {
	Task
	s *Syncer

	parts   []schema.Part // of both streams
	routes  *routes
	titles  map[string]string // of route values, those that no longer lead here included
	known   map[string]string // of route values, wherever they lead
	whole   bool              // all of both ends was read
	asked   bool              // the target was asked for what changed, beside others
	asTable bool              // another sync routes by its target
	table   *table            // what its target holds in the end, when asTable and it ran

	withheld  string // why nothing is withdrawn
	keptBack  bool   // something would be, but for that
	obstacles []providers.Diagnostic

	class    *class
	mappings []mapping   // by part
	refs     *references // nil: all of them match
	target   []frames    // what the target holds, by part
	tally    *tally
	changes  []frames // by part
	read     meter    // of the target
	impact   *Impact

	mended    bool     // something that is kept is made whole again
	unmatched []frames // by part: items that will be there, and what they refer to in vain
	matched   []string // references of the journal that have a match by now

	// of a run of the platform's engine
	followed *Followed
	faulty   bool

	// of a run
	ran      bool
	run      *run
	skipped  bool
	horizon  time.Time // where the next incremental read begins
	done     Counts
	failures int
	first    []Failure // of them
	ended    state.Run
	status   Status
	err      error

	// among others
	once sync.Once
	over chan struct{} // closed when it is
}

// failed: whoever depends on it must not run.
func (j *job) failed() bool {
	return j.err != nil || j.ran && j.status != Clean && j.status != Faulty && j.status != Skipped
}
