package resource

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	fewAtOnce = 8
	joinAfter = 25 * time.Millisecond
)

// Spread calls f for the numbers below n, up to limit at once, and returns when all
// calls have. It begins with a few at once: where answers come fast, more would only
// be in each other's way. As long as there are numbers left, another joins every few
// moments: where answers are long under way, limit is soon reached.
func Spread(limit, n int, f func(n int)) {
	var taken atomic.Int64
	none := make(chan struct{}) // is left
	next := func() int {
		at := int(taken.Add(1)) - 1
		if at == n {
			close(none)
		}
		return at
	}
	var working sync.WaitGroup
	join := func() {
		working.Go(func() { // one after the other: the stack of who was called before is large enough
			for at := next(); at < n; at = next() {
				f(at)
			}
		})
	}
	limit = min(max(limit, 1), n)
	few := min(limit, fewAtOnce)
	for range few {
		join()
	}
	for range limit - few {
		select {
		case <-time.After(joinAfter):
			join()
			continue
		case <-none:
		}
		break
	}
	working.Wait()
}
