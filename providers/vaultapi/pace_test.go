package vaultapi

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// burstServer counts as Vault does: a fixed window, whose beginning nobody
// else knows, and other users who call, too.
type burstServer struct {
	clock *testClock
	limit int
	start time.Time
	used  int // by all, in this window
	most  int // by all, in any window, at a call of ours
}

func (b *burstServer) roll() {
	for b.clock.Now().Sub(b.start) >= window {
		b.start = b.start.Add(window)
		b.used = 0
	}
}

func (b *burstServer) others(n int) {
	b.roll()
	b.used += n
}

func (b *burstServer) call() http.Header {
	b.roll()
	b.used++
	b.most = max(b.most, b.used)
	h := http.Header{}
	h.Set("X-VaultAPI-BurstLimit", fmt.Sprint(b.limit))
	h.Set("X-VaultAPI-BurstLimitRemaining", fmt.Sprint(max(0, b.limit-b.used)))
	return h
}

// Never past the share of the limit in any window, whatever the phase, the
// number in flight and the order of answers; and nearly all of it is used.
func TestPaceKeepsToItsShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
		phase := time.Duration(rapid.IntRange(0, 299).Draw(t, "phase")) * time.Second
		b := &burstServer{clock: clock, limit: rapid.IntRange(20, 2000).Draw(t, "limit"), start: clock.now.Add(-phase)}
		share := rapid.SampledFrom([]float64{0.5, 0.8, 1}).Draw(t, "share")
		flight := rapid.IntRange(1, 64).Draw(t, "flight")
		p := newPacer(clock, share)

		type sent struct {
			t ticket
			h http.Header
		}
		var flying []sent
		calls := rapid.IntRange(b.limit, 4*b.limit).Draw(t, "calls")
		began := clock.Now()
		for done := 0; done < calls; {
			wait, why := p.decide(clock.Now())
			if why == "" && len(flying) < flight {
				p.flying++
				tk := ticket{p.epoch, p.remaining}
				flying = append(flying, sent{tk, b.call()})
				continue
			}
			if len(flying) > 0 { // some answer comes, not always the first
				i := rapid.IntRange(0, len(flying)-1).Draw(t, "answer")
				p.leave(flying[i].t, flying[i].h)
				flying = append(flying[:i], flying[i+1:]...)
				done++
				clock.After(time.Duration(rapid.IntRange(0, 50).Draw(t, "ms")) * time.Millisecond)
				continue
			}
			if wait <= 0 {
				t.Fatalf("nobody flies and nobody may: %s", why)
			}
			clock.After(wait)
		}
		if allowed := int(float64(b.limit) * share); b.most > allowed {
			t.Fatalf("%d calls in a window, %d allowed", b.most, allowed)
		}
		// A whole window may pass for each allowance, and one for the phase.
		most := time.Duration(float64(calls)/(float64(b.limit)*share)*1.35+2) * window
		if took := clock.Now().Sub(began); took > most+time.Duration(calls)*50*time.Millisecond {
			t.Fatalf("%d calls of %d a window took %s", calls, b.limit, took)
		}
	})
}

// What others use is not ours to use.
func TestPaceLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	b := &burstServer{clock: clock, limit: 1000, start: clock.now}
	b.others(790)
	p := newPacer(clock, 0.8)
	ours := 0
	for clock.Now().Sub(b.start) < window {
		wait, why := p.decide(clock.Now())
		if why != "" {
			clock.After(wait)
			continue
		}
		ours++
		p.flying++
		p.leave(ticket{p.epoch, p.remaining}, b.call())
	}
	if ours != 10 {
		t.Errorf("%d calls, others left us 10", ours)
	}
}

// It slows down smoothly: at once for the first half, then with growing gaps.
func TestPaceSlowsDown(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	b := &burstServer{clock: clock, limit: 1000, start: clock.now}
	p := newPacer(clock, 0.8)
	var gaps []time.Duration
	last := clock.Now()
	for range 790 {
		for {
			wait, why := p.decide(clock.Now())
			if why == "" {
				break
			}
			clock.After(wait)
		}
		gaps = append(gaps, clock.Now().Sub(last))
		last = clock.Now()
		p.flying++
		p.leave(ticket{p.epoch, p.remaining}, b.call())
	}
	for i, gap := range gaps {
		switch {
		case i < 395 && gap != 0:
			t.Fatalf("call %d waited %s", i, gap)
		case i > 420 && i < 780 && gap < gaps[i-1]/2:
			t.Fatalf("call %d waited %s after %s", i, gap, gaps[i-1])
		case gap > 10*time.Second:
			t.Fatalf("call %d waited %s at once", i, gap)
		}
	}
	if total := clock.Now().Sub(b.start); total < 2*time.Minute || total > window {
		t.Errorf("the allowance was spent in %s", total)
	}
}

// A vault that tells no limits is not paced.
func TestPaceWithoutLimits(t *testing.T) {
	t.Parallel()
	p := newPacer(&testClock{}, 0.8)
	for i := range 5000 {
		if i == 1 {
			p.leave(ticket{}, http.Header{})
		}
		if _, why := p.decide(p.clock.Now()); why != "" && i != 0 {
			t.Fatalf("call %d waits for %s", i, why)
		}
		p.flying++
	}
}

// All goroutines of a client share the pace, over real HTTP; and what they
// wait for is told.
func TestClientKeepsToItsShare(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	start := clock.now
	var inWindow [100]atomic.Int64
	const limit = 200
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		used := inWindow[int(clock.Now().Sub(start)/window)].Add(1)
		w.Header().Set("X-VaultAPI-BurstLimit", fmt.Sprint(limit))
		w.Header().Set("X-VaultAPI-BurstLimitRemaining", fmt.Sprint(limit-used))
		answer(w, `{"responseStatus":"SUCCESS","objects":[]}`)
	})
	var seen events
	c := s.open(t, func(cfg *Config) { cfg.Clock = clock; cfg.Observe = seen.observe })
	together(16, func(int) {
		for range 40 {
			if _, err := c.Objects(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	total := int64(0)
	for i := range inWindow {
		n := inWindow[i].Load()
		total += n
		if n > limit*8/10 {
			t.Errorf("%d calls in window %d", n, i)
		}
	}
	if total != 640 || len(seen.waits(Pacing)) == 0 {
		t.Errorf("%d calls, waits %v", total, seen.waits(Pacing))
	}
}
