package vault

import (
	"testing"

	"accord/providers"
	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
)

// A run knows what it wrote, and no other run does; what was withdrawn or failed
// is asked for again.
func TestMade(t *testing.T) {
	one, two, three := providers.Member{Part: partSlide, Key: "1"}, providers.Member{Part: partSlide, Key: "2"}, providers.Member{Part: partShared, Key: "1"}
	all := []providers.Member{one, two, three}
	type documents = map[providers.Member]vaultapi.ID
	var m made
	found := func(run, prefix string, want documents) {
		t.Helper()
		if diff := cmp.Diff(want, m.find(run, prefix, all)); diff != "" {
			t.Errorf("run %s of %s (-want +got)\n%s", run, prefix, diff)
		}
	}
	m.note("a", "p", documents{one: "10", two: "20"})
	m.note("b", "q", documents{three: "30"})
	found("a", "p", documents{one: "10", two: "20"})
	found("b", "q", documents{three: "30"})
	m.note("a", "p", documents{two: "", three: "31"})
	found("a", "p", documents{one: "10", three: "31"})
	found("c", "p", documents{})
	found("a", "p", documents{})
	m.forget("q")
	found("b", "q", documents{})
}
