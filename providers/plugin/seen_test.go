package plugin

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
)

var seen = []providers.Seen{
	{Instance: addrs.NewKeyed("vault", "crm", "a"), Kind: "Fieldrule", Name: "hand__c", Listed: true, Values: map[string]string{"label": "By hand"}},
	{Instance: addrs.New("vault", "promomats"), Kind: "document field", Name: "gone__c"},
}

// What a provider has seen comes through as it is.
func TestSeen(t *testing.T) {
	got, err := start(t, "bench").Seen(t.Context())
	if diff := cmp.Diff(seen, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
