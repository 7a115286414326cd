package syncer

import (
	"testing"

	"accord/providers"
	"accord/state"
)

// INT-7: what one engine left published is no empty target for the other, which
// does not see it: limits hold, and are measured by what is there.
func TestEngineInherits(t *testing.T) {
	t.Parallel()
	ours := func(n int64) *state.Run { return &state.Run{Counts: map[string]int64{countOwned: n}} }
	theirs := func(n int64) *state.Run { return &state.Run{Counts: map[string]int64{Found: n}} }
	cutShort := &state.Run{Counts: map[string]int64{Added: 3}}
	for name, c := range map[string]struct {
		engine string
		memory state.Memory
		want   int
	}{
		"nothing ran":                     {providers.EnginePlatform, state.Memory{}, 0},
		"the platform after accord":       {providers.EnginePlatform, state.Memory{Last: ours(12), LastFull: ours(10)}, 12},
		"after a run that was cut short":  {providers.EnginePlatform, state.Memory{Last: cutShort, LastFull: ours(10)}, 10},
		"after all was withdrawn":         {providers.EnginePlatform, state.Memory{Last: ours(0), LastFull: ours(10)}, 0},
		"once the platform has run":       {providers.EnginePlatform, state.Memory{Last: theirs(0), LastFull: theirs(0)}, 0},
		"accord after the platform":       {providers.EngineAccord, state.Memory{Last: theirs(7), LastFull: theirs(7)}, 7},
		"accord after itself":             {providers.EngineAccord, state.Memory{Last: ours(0), LastFull: ours(0)}, 0},
		"accord after both, then emptied": {providers.EngineAccord, state.Memory{Last: ours(0), LastFull: theirs(7)}, 0},
	} {
		if got := inheritance(c.engine, c.memory); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}

	limits := Limits{MaxPublished: Limit{Set: true, Share: 0.5}, IgnoreBelow: 3}
	handed := &Impact{Inherited: 10, Total: Counts{Added: 10}}
	if broken := check(handed, limits, state.Allowance{}); len(broken) != 1 || broken[0].Bound != 5 || broken[0].Owned != 10 {
		t.Errorf("handed over: %+v", broken)
	}
	if broken := check(&Impact{First: true, Total: Counts{Added: 10}}, limits, state.Allowance{}); len(broken) > 0 {
		t.Errorf("into an empty target: %+v", broken)
	}
}

// A share holds from the number of items on that limits say, and not below it;
// a number of items always does.
func TestBound(t *testing.T) {
	t.Parallel()
	share := Limits{MaxWithdrawn: Limit{Set: true, Share: 0.2}, IgnoreBelow: 5}
	number := Limits{MaxWithdrawn: Limit{Set: true, Count: 2}, IgnoreBelow: 5}
	for name, c := range map[string]struct {
		limits           Limits
		owned, withdrawn int
		lets             bool
	}{
		"fewer than ignored":       {share, 10, 4, true},
		"as many as ignored":       {share, 10, 5, false},
		"exactly the share":        {share, 100, 20, true},
		"one more":                 {share, 100, 21, false},
		"all of a small one":       {share, 4, 4, true},
		"exactly the number":       {number, 100, 2, true},
		"one more than the number": {number, 100, 3, false},
		"no limit":                 {Limits{IgnoreBelow: 5}, 10, 10, true},
	} {
		broken := check(&Impact{Owned: c.owned, Total: Counts{Withdrawn: c.withdrawn}}, c.limits, state.Allowance{})
		if lets := len(broken) == 0; lets != c.lets {
			t.Errorf("%s: %+v", name, broken)
		}
	}
}
