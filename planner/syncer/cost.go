package syncer

import (
	"slices"

	"accord/lang/schema"
	"accord/providers"
)

// calls is how many calls it takes to make a change, beside those that it
// shares with others of its batch.
func calls(cost *schema.Cost, c *change) int {
	switch {
	case c.Verb == Added:
		return cost.Create + cost.Member*c.members.pairsIn()
	case c.Verb == Updated && c.Reorder, c.Verb == Restored && c.Reorder:
		return cost.Edit + cost.Member*moves(slices.Collect(c.held.members()), slices.Collect(c.members.members()))
	}
	return 0
}

// moves is how few members must be put in, taken out or moved so that one list
// becomes another.
func moves(from, to []providers.Member) int {
	at := make(map[providers.Member]int, len(to))
	for n, m := range to {
		at[m] = n
	}
	removed := 0
	var ends []int // the least last place of a rising row of each length
	for _, m := range from {
		n, stays := at[m]
		if !stays {
			removed++
			continue
		}
		i, _ := slices.BinarySearch(ends, n)
		if i == len(ends) {
			ends = append(ends, n)
		} else {
			ends[i] = n
		}
	}
	return removed + len(to) - len(ends)
}
