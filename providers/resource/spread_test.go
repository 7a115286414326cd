package resource

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What takes its time is soon done for as many at once as may be, and for no more;
// what is done at once is done by few. Each number is called once.
func TestSpread(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit, n, most int
		takes          time.Duration
		within         time.Duration
	}{
		{limit: 16, n: 31, most: 16, takes: time.Second, within: 2*time.Second + 8*joinAfter},
		{limit: 16, n: 100, most: fewAtOnce, takes: joinAfter / 20, within: 14 * joinAfter / 20},
		{limit: 4, n: 31, most: 4, takes: time.Second, within: 8 * time.Second},
		{limit: 0, n: 3, most: 1, takes: time.Second, within: 3 * time.Second},
		{limit: 16, n: 3, most: 3, takes: time.Second, within: time.Second},
		{limit: 16, n: 0, most: 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			called := make([]atomic.Int64, tt.n)
			var at, most atomic.Int64
			began := time.Now()
			Spread(tt.limit, tt.n, func(n int) {
				called[n].Add(1)
				for now := at.Add(1); ; {
					before := most.Load()
					if now <= before || most.CompareAndSwap(before, now) {
						break
					}
				}
				time.Sleep(tt.takes)
				at.Add(-1)
			})
			for n := range called {
				if called[n].Load() != 1 {
					t.Errorf("%+v: %d was called %d times", tt, n, called[n].Load())
				}
			}
			if most.Load() != int64(tt.most) || time.Since(began) > tt.within {
				t.Errorf("%+v: %d at once, within %s", tt, most.Load(), time.Since(began))
			}
		})
	}
}
