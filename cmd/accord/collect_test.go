package main

import "testing"

// The next collection comes where the heap has grown to where one begins, and never
// before it has grown by the usual part.
func TestPercentFor(t *testing.T) {
	for _, from := range []uint64{collectFromProvider, collectFrom, collectFromContent} {
		for _, live := range []uint64{0, 1 << 10, 1 << 20, 5 << 20, 23 << 20, 24 << 20, 25 << 20, 48 << 20, 1 << 30} {
			percent := uint64(percentFor(live, from))
			next := max(live+live*percent/100, 4<<20*percent/100)
			grown := live + live*usual/100
			if next < from-live/50 || next < grown || next > max(from, grown) {
				t.Errorf("from %d on, with %d in use the next collection is at %d", from, live, next)
			}
		}
	}
}
