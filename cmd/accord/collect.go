package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
)

// collectFrom is how much memory a process takes before it looks for garbage. A
// command is over soon, and most never need as much; a heap that is still small
// would be gone through again and again while it grows.
const collectFrom = 48 << 20

// collectLate puts the first garbage collection off until there is something to
// collect; from there on they come as ever. GOGC and GOMEMLIMIT have the last
// word.
func collectLate() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent := debug.SetGCPercent(-1)
	debug.SetMemoryLimit(collectFrom)
	runtime.SetFinalizer(new(garbage), func(*garbage) {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(math.MaxInt64)
	})
}

// garbage is what the first collection finds.
type garbage struct{ _ [32]byte }
