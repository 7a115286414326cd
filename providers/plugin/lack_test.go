package plugin

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
)

var lacks = []providers.Lack{{
	Instance: addrs.NewKeyed("vault", "crm", "a"), Who: "The user x@y.example", Advice: "Grant it.",
	Rights: []providers.Right{{Name: "read on country__v", Needed: []addrs.Instance{addrs.New("integration_point", "clm")}}},
}}

// PERM-5: what a provider says is not permitted comes through as it is.
func TestLacks(t *testing.T) {
	got, err := start(t, "bench").Lacks(t.Context(), nil)
	if diff := cmp.Diff(lacks, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
