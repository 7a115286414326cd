package main

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
)

// Garbage is hardly looked for in a process that never has so much, seldom in one that
// leaves much and keeps little, and less often once content has passed through it.
func TestCollectLate(t *testing.T) {
	if os.Getenv("ACCORD_TEST_COLLECT") != "" {
		collectLate(collectFromProvider)
		contentPasses.Store(os.Getenv("ACCORD_TEST_PASSES") == "true")
		allocate(t)
		return
	}
	run := func(more int, passes bool) (collections int) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCollectLate$", "-test.v")
		cmd.Env = append(os.Environ(), "ACCORD_TEST_COLLECT="+strconv.Itoa(more), "ACCORD_TEST_PASSES="+strconv.FormatBool(passes))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, rest, _ := strings.Cut(string(out), "collections: ")
		number, _, _ := strings.Cut(rest, "\n")
		if collections, err = strconv.Atoi(number); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return collections
	}
	if n := run(collectFromProvider/2, false); n > 1 {
		t.Errorf("garbage was looked for %d times in a heap of half the size", n)
	}
	const much = 20 * collectFromContent
	often, seldom := run(much, false), run(much, true)
	if from := much / collectFromProvider; often < from/4 || often > 2*from {
		t.Errorf("garbage was looked for %d times in %d times as much as it is looked for from", often, from)
	}
	if seldom < 3 || seldom > often/2 {
		t.Errorf("garbage was looked for %d times where content passes, and %d times where none does", seldom, often)
	}
}

// allocate makes so much garbage as the test asks for, and says how often it was
// looked for.
func allocate(t *testing.T) {
	bytes, err := strconv.Atoi(os.Getenv("ACCORD_TEST_COLLECT"))
	if err != nil {
		t.Fatal(err)
	}
	cycles := func() uint64 {
		all := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
		metrics.Read(all)
		return all[0].Value.Uint64()
	}
	runtime.GC() // what was begun before counts for nothing
	setGoal()
	before := cycles()
	var kept [][]byte
	for made := 0; made < bytes; made += 64 << 10 {
		kept = append(kept, make([]byte, 64<<10))
		if len(kept) > 32 {
			kept = nil
		}
	}
	t.Logf("collections: %d", cycles()-before)
}

// The next collection comes where the heap has grown to where one begins, and never
// before it has grown by the usual part; where much is in use, later.
func TestPercentFor(t *testing.T) {
	for _, from := range []int64{collectFromProvider, collectFrom, collectFromContent} {
		for _, live := range []int64{0, 1 << 10, 1 << 20, 5 << 20, 23 << 20, 24 << 20, 25 << 20, 48 << 20, 1 << 30} {
			percent := int64(percentFor(live, from))
			next := max(live+live*percent/100, 4<<20*percent/100)
			grown := live + live*usual/100
			if next < from-live/50 || next < grown || live < large && next > max(from, grown) || next > max(from, live+live*most/100) {
				t.Errorf("from %d on, with %d in use the next collection is at %d", from, live, next)
			}
		}
	}
}
