package syncer

import (
	"testing"

	"accord/providers"
)

// CLM-1, CTRY-5, CLM-12: what shall become of a record, whatever is there. Of
// what the source does not know nothing is taken away.
func TestFate(t *testing.T) {
	t.Parallel()
	c := &class{standings: map[string]providers.Meaning{"approved": providers.Publish, "obsolete": providers.Withdraw, "expired": providers.Keep}}
	here := &routes{values: map[string]string{"us": "United States"}}
	of := func(standing, problem string, routes ...string) *record {
		return &record{standing: standing, problem: problem, routes: list(putStrings(nil, routes)[sizeOfList:])}
	}
	for name, test := range map[string]struct {
		record *record
		gap    string
		want   fate
	}{
		"approved and routed":            {of("approved", "", "ca", "us"), "", publish},
		"not routed":                     {of("approved", "", "ca"), "", withdraw},
		"no country":                     {of("approved", ""), "", withdraw},
		"obsolete":                       {of("obsolete", "", "us"), "", withdraw},
		"kept":                           {of("expired", "", "us"), "", keep},
		"kept, and not routed":           {of("expired", "", "ca"), "", withdraw},
		"a standing without a meaning":   {of("draft", "", "us"), "", keep},
		"incomplete":                     {of("approved", "it has no slides", "us"), "", refuse},
		"a member cannot be published":   {of("approved", "", "us"), "slide 1 is obsolete", refuse},
		"the source does not know of it": {nil, "", keep},
	} {
		if got, why := c.decide(test.record, here, test.gap); got != test.want {
			t.Errorf("%s: %d, %q; want %d", name, got, why, test.want)
		}
	}
	for name, test := range map[string]struct {
		record *record
		needed bool
		gap    string
		want   fate
	}{
		"needed":                         {of("approved", ""), true, "", publish},
		"not needed":                     {of("approved", ""), false, "", withdraw},
		"needed, and obsolete":           {of("obsolete", ""), true, "", keep},
		"incomplete":                     {of("approved", "it has no file"), true, "", refuse},
		"a member cannot be published":   {of("approved", ""), true, "shared resource 1 is obsolete", keep},
		"the source does not know of it": {nil, true, "", stay},
	} {
		if got, why := c.decideMember(test.record, test.needed, test.gap); got != test.want {
			t.Errorf("member, %s: %d, %q; want %d", name, got, why, test.want)
		}
	}
}
