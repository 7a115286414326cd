package plugin

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Garbage waits while records stream by: pages of them live for a moment, and
// beside them there is so little that it would be collected again and again.
// At most garbageWaits times of what lives may gather, and not where that would
// be more than room. GOGC has the last word.
const (
	garbageWaits = 3
	room         = 64 << 20
)

// unhurried is called by both ends of a stream, before its first record.
var unhurried = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if held := int(sample[0].Value.Uint64()); held < room {
		debug.SetGCPercent(min(100*garbageWaits, 100*room/max(held, 1)))
	}
})
