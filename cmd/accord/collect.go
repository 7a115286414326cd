package main

import (
	"context"
	"iter"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"

	"accord/providers"
)

// A process looks for garbage once its heap has grown so large, in bytes. A
// command is over soon, and most never need as much; a heap that is small would
// be gone through again and again. From there on usual is how much more may be
// taken before garbage is looked for again, in percent of what is in use: where
// there is much, it is all needed at once, and memory is scarcer than time.
const (
	collectFrom = 48 << 20
	usual       = 40

	// A provider keeps little from one request to the next.
	collectFromProvider = 32 << 20

	// What content passes through keeps nothing of it: nearly all is garbage, and
	// the later it is looked for the less there is to do.
	collectFromContent = 96 << 20
)

// collecting is from where on garbage is looked for; 0: as the runtime has it.
var collecting atomic.Int64

// collectLate puts garbage collections off until there is something to collect:
// none comes below from. GOGC and GOMEMLIMIT have the last word.
//
// The runtime is told where to collect in bytes, anew after each collection. As a
// part of what was in use at the last one it would be far off where little was in
// use then and the processor is busy with something else than to say it anew.
func collectLate(from int64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	collecting.Store(from)
	debug.SetGCPercent(-1)
	var adjust func(*garbage)
	adjust = func(*garbage) {
		setLimit()
		runtime.SetFinalizer(new(garbage), adjust)
	}
	adjust(nil)
}

// collectLater is for a process that content passes through from now on.
func collectLater() {
	if from := collecting.Load(); from > 0 && from < collectFromContent && collecting.CompareAndSwap(from, collectFromContent) {
		setLimit()
	}
}

func setLimit() {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	at := func(n int) int64 { return int64(samples[n].Value.Uint64()) }
	beside := at(1) - at(2) - at(3) - at(4)                                         // what the runtime takes for itself, and what is lost between objects
	debug.SetMemoryLimit((limitFor(at(0), collecting.Load()) + beside) * 104 / 100) // the runtime keeps 3 % in reserve
}

// garbage is what every collection finds: it tells that there was one.
type garbage struct{ _ [32]byte }

// limitFor is how large the heap may become before garbage is looked for again.
func limitFor(live, from int64) int64 { return max(from, live*(100+usual)/100) }

// passing is a provider whose process collects garbage later once content
// passes through it.
type passing struct{ providers.Provider }

func (p passing) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	collectLater()
	return p.Provider.Records(ctx, req)
}
