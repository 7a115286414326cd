package vaultapi

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// window is Vault's: the burst limit holds for fixed windows of five minutes,
// whose beginning it does not tell.
const window = 5 * time.Minute

// probes is how many calls may be in flight while the limit is not known.
const probes = 4

// pacer keeps the calls of all goroutines within a share of the burst limit,
// as Vault's own count of remaining calls tells it; so the calls of people and
// of other programs count too. Half of the allowance goes out at once; then
// the calls thin out so that it lasts until the window is over.
type pacer struct {
	clock Clock
	share float64

	mu        sync.Mutex
	limit     int       // 0: not known
	silent    bool      // the vault answers without ever telling a limit
	told      bool      // it told one once
	remaining int       // the lowest said in this window
	epoch     int       // counts windows
	end       time.Time // when this window is over at the latest
	next      time.Time // no call goes out earlier
	flying    int       // calls sent and not answered
	down      time.Time // maintenance: nobody calls until then
	announced time.Time // when it is over, as Vault said
	changed   chan struct{}
}

// ticket is a call's right to be sent; it must be given back to leave.
type ticket struct{ epoch, remaining int }

func newPacer(clock Clock, share float64) *pacer {
	return &pacer{clock: clock, share: share, changed: make(chan struct{})}
}

// enter waits until a call may be sent. waiting is told of each pause's reason once.
func (p *pacer) enter(ctx context.Context, waiting func(Reason, time.Duration)) (ticket, error) {
	var told Reason
	for {
		if err := context.Cause(ctx); err != nil {
			return ticket{}, err
		}
		p.mu.Lock()
		wait, why := p.decide(p.clock.Now())
		if why == "" {
			p.flying++
			t := ticket{p.epoch, p.remaining}
			p.mu.Unlock()
			return t, nil
		}
		changed := p.changed
		var until time.Duration
		if why == Downtime {
			until = p.announced.Sub(p.clock.Now())
		}
		p.mu.Unlock()

		if why != told {
			waiting(why, max(wait, until))
			told = why
		}
		var timer <-chan time.Time // nil: only another call's answer helps
		if wait > 0 {
			timer = p.clock.After(wait)
		}
		select {
		case <-timer:
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// decide says how long a call has to wait now, and why; no reason: it goes out.
// No time: until another call is answered.
func (p *pacer) decide(now time.Time) (time.Duration, Reason) {
	if now.Before(p.down) {
		return p.down.Sub(now), Downtime
	}
	if p.limit > 0 && !now.Before(p.end) {
		p.limit = 0 // a new window; how much others used of it must be learned
		p.epoch++
	}
	if p.limit == 0 {
		if !p.silent && p.flying >= probes {
			return 0, Pacing
		}
		return 0, ""
	}
	allowance := float64(p.limit) * p.share
	left := float64(p.remaining-p.flying) - (float64(p.limit) - allowance)
	if left < 1 {
		return p.end.Sub(now), Pacing
	}
	if now.Before(p.next) {
		return p.next.Sub(now), Pacing
	}
	if half := allowance / 2; left < half {
		even := float64(p.end.Sub(now)) / left
		p.next = now.Add(time.Duration(even * math.Pow(1-left/half, 2)))
	}
	return 0, ""
}

// leave learns from the answer of the call that t let go; h is nil where there
// was none.
func (p *pacer) leave(t ticket, h http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
	limit, remaining, ok := burst(h)
	switch {
	case !ok:
		p.silent = p.silent || h != nil && !p.told
	case t.epoch != p.epoch:
		// The call set out in an earlier window: its count may be of either.
	case p.limit == 0 || remaining > t.remaining:
		// Within one window no answer can name more than was known when its
		// call set out: this is a new one.
		p.epoch++
		p.remaining = remaining
		p.end = p.clock.Now().Add(window)
		p.next = time.Time{}
		p.limit, p.told, p.silent = limit, true, false
	default:
		p.limit = limit
		p.remaining = min(p.remaining, remaining)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// pause holds back all calls, because Vault announced a maintenance of d. A
// few go out once a minute to see: it may end early.
func (p *pacer) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	p.down, p.announced = now.Add(min(d, time.Minute)), now.Add(d)
	p.limit, p.silent = 0, false
	p.epoch++
}

func burst(h http.Header) (limit, remaining int, ok bool) {
	limit, err := strconv.Atoi(h.Get(headerBurstLimit))
	if err != nil || limit <= 0 {
		return 0, 0, false
	}
	remaining, err = strconv.Atoi(h.Get(headerBurstRemaining))
	return limit, remaining, err == nil
}
