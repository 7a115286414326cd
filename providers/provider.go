// Package providers is the contract between the engine and what it manages.
//
// A provider knows a system (Vault, Align); the engine knows planning, state
// and syncs. They talk in batches of objects and records that are bytes to
// whoever need not look inside. The package refuses to know how a provider is
// reached (package plugin), what any system is like (package vault), and what
// the engine does with the answers. Start with Provider; then Object for
// resources, Sync and Record for syncs.
package providers

import (
	"context"
	"iter"

	"accord/lang/schema"
)

// Provider is what every provider implements, in process or behind the plugin
// boundary. Methods that take a slice answer one result for each element, in
// order, and never fewer. They may be called concurrently after Configure.
type Provider interface {
	// Schema declares all the provider has. It makes no calls, and may be
	// called before Configure.
	Schema(ctx context.Context) (*schema.Provider, error)

	// Validate checks all desired objects of this provider against each other
	// beyond what the schema says. It makes no calls and may be called before
	// Configure. Objects may hold unknowns. Of the same objects it says the same:
	// where it had nothing to say of them, it may not be asked again.
	Validate(ctx context.Context, objects []Object) []Diagnostic

	// Configure connects every instance, once, before anything but Schema and
	// Validate. A result's Object carries the instance with what was learned
	// about it (id, environment). An instance that failed is unusable; nothing
	// was written to any. It may be called again, with the same ReadOnly, for
	// instances that are not connected yet.
	Configure(ctx context.Context, config Config) []Result

	// Read finds each object by id, else by identity, and answers with its
	// present body. Result.Missing says that it is certainly not there; doubt
	// is an error. Same says the answer equals the request.
	Read(ctx context.Context, req ReadRequest) []Result

	// Plan says what each object will be. No side effects on any system.
	Plan(ctx context.Context, req PlanRequest) []PlanResponse

	// Seen says what else was read of the configuration since Configure: each
	// object once, as it was found last. It makes no calls.
	Seen(ctx context.Context) ([]Seen, error)

	// Lacks says what whoever is logged in may not do, of all that it takes to
	// read these objects and to run what they ask for. It is asked where something
	// was not permitted, so that all of it is told at once. An error says that it
	// cannot be found out.
	Lacks(ctx context.Context, objects []Object) ([]Lack, error)

	// Apply makes each planned object so. A result's Object is what exists
	// now, also beside an error, nil where nothing exists or it is not known.
	Apply(ctx context.Context, req ApplyRequest) []Result

	// List yields all objects of a type on an instance, configured or not, and
	// those that cannot be.
	List(ctx context.Context, req ListRequest) iter.Seq2[Found, error]

	// Syncs turns objects, as they are and as they will be, into the syncs
	// that they ask for, changed or not: all that could run.
	Syncs(ctx context.Context, changes []Change) ([]Sync, error)

	// Records reads a stream. The last batch of a read that ended well has
	// End set; a sequence that stops without it, or with an error, did not
	// see everything. Of a request for several ends that is so for each end,
	// and one that cannot be read keeps no other from it (Beside).
	Records(ctx context.Context, req RecordsRequest) iter.Seq2[Batch, error]

	// Write makes each change so. It is idempotent: a change that is already
	// so succeeds. Results are in the order of the changes.
	Write(ctx context.Context, req WriteRequest) []WriteResult

	// Finish records the end of a run where the system keeps it (LRT, LSRT;
	// CLM-8), and whatever must be true after it. It is idempotent.
	Finish(ctx context.Context, run Run) error

	Engine

	// Close ends all connections.
	Close() error
}
