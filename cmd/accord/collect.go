package main

import (
	"context"
	"iter"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"

	"accord/cmd/accord/early"
	"accord/providers"
)

// A process looks for garbage once its heap has grown so large, in bytes. A
// command is over soon, and most never need as much; a heap that is small would
// be gone through again and again. From there on usual is how much more may be
// taken before garbage is looked for again, in percent of what is in use: where
// there is much, it is all needed at once, and memory is scarcer than time.
const (
	collectFrom = 48 << 20
	usual       = 30

	// Of what is in use above large, so much more: there a collection takes long.
	large = 96 << 20
	most  = 90

	// A provider keeps little from one request to the next.
	collectFromProvider = 32 << 20

	// What content passes through keeps nothing of it: nearly all is garbage, and
	// the later it is looked for the less there is to do. That holds once there was a
	// first collection: memory that was used is cheaper than memory that was not.
	collectFromContent = early.Heap
)

// collecting is from where on garbage is looked for; 0: as the runtime has it.
var collecting atomic.Int64

// contentPasses is true once content has passed through this process.
var contentPasses atomic.Bool

// collectLate puts garbage collections off until there is something to collect:
// none comes below from. GOGC and GOMEMLIMIT have the last word.
func collectLate(from int64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	collecting.Store(from)
	var adjust func(*garbage)
	adjust = func(*garbage) {
		if contentPasses.Load() {
			collecting.Store(max(from, collectFromContent))
		}
		setGoal()
		runtime.SetFinalizer(new(garbage), adjust)
	}
	adjust(nil)
}

// setGoal says where garbage is looked for next, as a part of what is in use. It
// is said after every collection, and late where the processor is busy. Where
// little was in use the part is many times that: of what is in use by then, it
// would be far too much, and so there is a limit as well.
func setGoal() {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	at := func(n int) int64 { return int64(samples[n].Value.Uint64()) }
	from, limit := collecting.Load(), int64(math.MaxInt64)
	percent := percentFor(at(0), from)
	if percent > most {
		beside := at(1) - at(2) - at(3) - at(4) // what the runtime takes for itself, and what is lost between objects
		limit = from*5/4 + beside
	}
	debug.SetMemoryLimit(limit)
	debug.SetGCPercent(percent)
}

// garbage is what every collection finds: it tells that there was one.
type garbage struct{ _ [32]byte }

// percentFor is how much may be allocated, in percent of what is in use, before
// garbage is looked for again. The runtime's smallest heap is 4 MiB at 100, and
// grows with it.
func percentFor(live, from int64) int {
	const smallest = 4 << 20
	more := int64(usual)
	if live > large {
		more = (large*usual + (live-large)*most) / live
	}
	if live*(100+more)/100 >= from {
		return int(more)
	}
	return int(min(from*100/smallest, from*100/max(live, 1)-100))
}

// passing is a provider whose process, once content passes through it, collects
// garbage later after the first time.
type passing struct{ providers.Provider }

func (p passing) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	contentPasses.Store(true)
	return p.Provider.Records(ctx, req)
}
