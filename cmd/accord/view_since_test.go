package main

import (
	"testing"

	"github.com/fatih/color"

	"accord/lang/addrs"
	"accord/planner/syncer"
)

// What two plans say is compared, and printed for machines: there are no colours in it,
// also on a terminal.
func TestSinceHasNoColours(t *testing.T) {
	defer func(was bool) { color.NoColor = was }(color.NoColor)
	color.NoColor = false
	now := &document{Newly: []newly{{Vault: addrs.NewKeyed("vault", "crm", "us"), RouteImpact: syncer.RouteImpact{Title: "Canada", Counts: syncer.Counts{Added: 3, Withdrawn: 1}}}}}
	lines := since(&document{}, now).Lines
	if len(lines) != 1 || lines[0].Now != "+3 -1" {
		t.Errorf("%+q", lines)
	}
}
