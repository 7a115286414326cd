package main

import (
	"bytes"
	"strings"
	"testing"

	"accord/lang/addrs"
	"accord/planner/syncer"
)

// A run that is not clean says why, also where no item failed in it; and a name
// with a line break hides nothing of what comes after it.
func TestRunsSayWhyTheyAreNotClean(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	showOutcomes(&out, []syncer.Outcome{
		{Addr: addrs.New("integration_point", "one"), Status: syncer.Faulty, Impact: syncer.Impact{Withheld: "the last run of the countries had errors"}},
		{Addr: addrs.New("integration_point", "two"), Status: syncer.Faulty, Failed: 1, Failures: []syncer.Failure{{Title: "Launch", Message: "slide One\nline is unpublished"}}},
	})
	for _, want := range []string{"nothing is withdrawn: the last run of the countries had errors", "failed: Launch: slide One line is unpublished"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
