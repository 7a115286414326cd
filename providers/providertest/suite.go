package providertest

import (
	"testing"

	"accord/providers"
)

// Target is what the suite needs to try a provider.
type Target struct {
	// New makes a fresh system to manage, that holds nothing but what Streams
	// says, and returns how to open a provider on it, not configured. A test
	// opens several, one after another or side by side.
	New func(t *testing.T) (open func(t *testing.T) providers.Provider)

	Config    providers.Config // connects the system; ReadOnly is the suite's
	Resources []Resource       // each after what it refers to
	Streams   []Stream
}

// Resource is an object to try its type with.
type Resource struct {
	Desired providers.Object // valid, and not there yet
	Changed providers.Object // the same, with something to update; zero: nothing can be
	Unlist  bool             // its type cannot be listed
}

// Stream is a stream to try.
type Stream struct {
	End     providers.End
	Records int // how many a full read yields at least

	// Of a target that holds nothing yet: what to write to it, batch after
	// batch, and the sync that asks for it.
	Sync   providers.Sync
	Writes [][]providers.Write
}

// Run tries a provider against the contract. Each case is a subtest on a fresh
// system.
func Run(t *testing.T, target Target) {
	t.Run("Schema", target.schema)
	t.Run("Configure", target.configure)
	t.Run("UnknownType", target.unknownType)
	for n := range target.Resources {
		r := target.Resources[n]
		t.Run(r.Desired.Addr.String(), func(t *testing.T) {
			for name, f := range map[string]func(*testing.T, *world, Resource){
				"Missing": missing, "Lifecycle": lifecycle, "Again": again, "Adopt": adopt, "Remove": remove,
				"Listed": listed, "ReadOnly": readOnly, "Unknown": unknown, "Order": order, "Cancelled": cancelled, "SideBySide": sideBySide,
			} {
				t.Run(name, func(t *testing.T) {
					w := target.open(t)
					for _, earlier := range target.Resources[:n] {
						w.create(t, earlier.Desired)
					}
					f(t, w, r)
				})
			}
		})
	}
	if len(target.Resources) > 0 {
		t.Run("Syncs", target.syncs)
	}
	for _, s := range target.Streams {
		t.Run("stream "+s.End.Stream, func(t *testing.T) { target.stream(t, s) })
	}
}
