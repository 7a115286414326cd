package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// collectFrom is how much memory a process takes before it looks for garbage. A
// command is over soon, and most never need as much; a heap that is small would
// be gone through again and again. From there on usual is how much more may be
// taken before garbage is looked for again, in percent of what is in use: where
// there is much, it is all needed at once, and memory is scarcer than time.
const (
	collectFrom = 32 << 20
	usual       = 60
)

// collectLate puts garbage collections off until there is something to collect:
// none comes below collectFrom. GOGC and GOMEMLIMIT have the last word.
func collectLate() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var adjust func(*garbage)
	adjust = func(*garbage) {
		metrics.Read(live)
		debug.SetGCPercent(percentFor(live[0].Value.Uint64()))
		runtime.SetFinalizer(new(garbage), adjust)
	}
	adjust(nil)
}

// garbage is what every collection finds: it tells that there was one.
type garbage struct{ _ [32]byte }

// percentFor is how much may be allocated, in percent of what is in use, before
// garbage is looked for again. The runtime's smallest heap is 4 MiB at 100, and
// grows with it.
func percentFor(live uint64) int {
	const smallest = 4 << 20
	if live*(100+usual)/100 >= collectFrom {
		return usual
	}
	return int(min(collectFrom*100/smallest, collectFrom*100/max(live, 1)-100))
}
