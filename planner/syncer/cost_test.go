package syncer

import (
	"strings"
	"testing"

	"accord/lang/schema"
	"accord/providers"
)

func membersOf(keys string) []providers.Member {
	var m []providers.Member
	for _, k := range strings.Fields(keys) {
		m = append(m, providers.Member{Part: "slide", Key: k})
	}
	return m
}

func TestCallsOfAChange(t *testing.T) {
	cost := &schema.Cost{Create: 1, Edit: 10, Member: 100}
	for _, c := range []struct {
		verb, held, members string
		reorder             bool
		want                int
	}{
		{Added, "", "a b c", false, 301},
		{Updated, "a b", "a b", false, 0},
		{Updated, "a b c", "a b c d", true, 110},
		{Updated, "a b c", "c a b", true, 110},
		{Updated, "a b c", "c b a", true, 210},
		{Updated, "a b c", "b x", true, 310},
		{Restored, "", "a", true, 110},
		{Withdrawn, "a b", "", false, 0},
		{Unchanged, "a", "a", false, 0},
	} {
		change := &change{Verb: c.verb, Reorder: c.reorder, held: listOf(membersOf(c.held)), members: listOf(membersOf(c.members))}
		if got := calls(cost, change); got != c.want {
			t.Errorf("%s %q to %q takes %d calls, not %d", c.verb, c.held, c.members, got, c.want)
		}
	}
}
