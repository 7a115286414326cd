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

// A process looks for garbage once it has taken so much memory. A command is
// over soon, and most never need as much; a heap that is small would be gone
// through again and again. From there on usual is how much more may be taken
// before garbage is looked for again, in percent of what is in use: where there
// is much, it is all needed at once, and memory is scarcer than time.
const (
	collectFrom = 40 << 20
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
func collectLate(from int64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	collecting.Store(from)
	var adjust func(*garbage)
	adjust = func(*garbage) {
		setPercent()
		runtime.SetFinalizer(new(garbage), adjust)
	}
	adjust(nil)
}

// collectLater is for a process that content passes through from now on.
func collectLater() {
	if from := collecting.Load(); from > 0 && from < collectFromContent && collecting.CompareAndSwap(from, collectFromContent) {
		setPercent()
	}
}

func setPercent() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(percentFor(live[0].Value.Uint64(), uint64(collecting.Load())))
}

// garbage is what every collection finds: it tells that there was one.
type garbage struct{ _ [32]byte }

// percentFor is how much may be allocated, in percent of what is in use, before
// garbage is looked for again. The runtime's smallest heap is 4 MiB at 100, and
// grows with it.
func percentFor(live, from uint64) int {
	const smallest = 4 << 20
	if live*(100+usual)/100 >= from {
		return usual
	}
	return int(min(from*100/smallest, from*100/max(live, 1)-100))
}

// passing is a provider whose process collects garbage later once content
// passes through it.
type passing struct{ providers.Provider }

func (p passing) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	collectLater()
	return p.Provider.Records(ctx, req)
}
