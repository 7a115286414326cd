// Package failpoint numbers the moments at which a process may die with the
// most to lose, so that a proof can have it die at every one of them, and at no
// other.
//
// It refuses to know what happens then: whoever arms it says so, and in the
// tool nobody does, which costs a comparison with nil. Start with the list of
// points; a new one takes its number from its place there.
package failpoint

// Point is one such moment.
type Point int

// The points. Those of the state's lock first: whatever its backend is.
const (
	LockTaken     Point = iota + 1 // the lock is held, and nobody is told yet by whom
	LockRecorded                   // the holder is on record
	LockRenewed                    // the lock was renewed
	EntryWritten                   // an entry of the state's journal is written, not yet durable
	EntryDurable                   // it is durable
	SavePrepared                   // the new state lies beside the old one
	SaveAnnounced                  // the journal knows the new one
	SaveKept                       // the old one is kept as a version
	SaveReplaced                   // the new one has taken its place, not yet durably
	SaveDurable                    // durably
	LogShortened                   // the journal has forgotten what the state holds
	LockReleasing                  // the lock is about to be given up
	LockReleased                   // it was given up

	// Of an apply.
	SyncsRenamed    // what is remembered of syncs has its new names, the state's objects not yet
	ApplyRemembered // the state says what is applied, and by which instances
	RunOwed         // a run that the plan promised is owed
	StepsIntended   // steps are about to be done, and on record
	StepsAnswered   // the provider has answered, and it is not on record
	StepsRecorded   // it is on record, and the steps do not know
	ApplyEnding     // all is done that can be
	ApplyEnded      // the state says how it ended, and has no new version yet

	// Of a run.
	LeaseTaken    // the lease is held, and no run begun
	LeaseRenewed  // it was renewed
	RunBegun      // the run is on record
	BatchIntended // a batch is about to be written, and on record
	BatchAnswered // the provider has answered, and it is not on record
	BatchRecorded // it is on record, and the run does not know
	RunTimed      // the vault has LRT and LSRT, and the journal no end of the run
	RunEnded      // it has, and the lease was given up

	// Of a transaction of the journal of syncs.
	Committing // all is said, and nothing kept
	Committed  // all is kept, and nobody told

	// Of a file that replaces another, such as a saved plan.
	FilePrepared // it lies beside the one before
	FileReplaced // it has taken its place

	end
)

var names = [end]string{
	LockTaken: "lock taken", LockRecorded: "lock recorded", LockRenewed: "lock renewed",
	EntryWritten: "entry written", EntryDurable: "entry durable",
	SavePrepared: "save prepared", SaveAnnounced: "save announced", SaveKept: "save kept", SaveReplaced: "save replaced", SaveDurable: "save durable",
	LogShortened: "log shortened", LockReleasing: "lock releasing", LockReleased: "lock released",
	SyncsRenamed: "syncs renamed", ApplyRemembered: "apply remembered", RunOwed: "run owed",
	StepsIntended: "steps intended", StepsAnswered: "steps answered", StepsRecorded: "steps recorded", ApplyEnding: "apply ending", ApplyEnded: "apply ended",
	LeaseTaken: "lease taken", LeaseRenewed: "lease renewed", RunBegun: "run begun",
	BatchIntended: "batch intended", BatchAnswered: "batch answered", BatchRecorded: "batch recorded",
	RunTimed: "run timed", RunEnded: "run ended",
	Committing: "committing", Committed: "committed",
	FilePrepared: "file prepared", FileReplaced: "file replaced",
}

func (p Point) String() string { return names[p] }

// All returns every point, in order.
func All() []Point {
	var all []Point
	for p := Point(1); p < end; p++ {
		all = append(all, p)
	}
	return all
}

var armed func(Point)

// Arm has f called wherever a point is reached, by any goroutine. It is for
// tests, before anything else begins.
func Arm(f func(Point)) { armed = f }

// Reach says that a point is reached.
func Reach(p Point) {
	if armed != nil {
		armed(p)
	}
}
