package devvault

import (
	"strconv"
	"sync"
	"time"
)

// limits count calls in fixed windows: a vault's in five minutes, the logins of a user at an address in one.
type limits struct {
	mu     sync.Mutex
	vaults map[int64]*callWindow
	logins map[string]*callWindow
}

type callWindow struct {
	start time.Time
	n     int
}

const (
	burstWindow = 5 * time.Minute
	authWindow  = time.Minute
)

// take counts a call in the window that now lies in, and returns how many that makes.
func (w *callWindow) take(now time.Time, length time.Duration) int {
	if start := now.Truncate(length); !w.start.Equal(start) {
		w.start, w.n = start, 0
	}
	w.n++
	return w.n
}

// pace counts the call against its vault's burst limit and delays it when that is used up. Nothing is ever refused here.
func (l *limits) pace(c *call) error {
	set := c.s.settings.Load()
	l.mu.Lock()
	if l.vaults == nil {
		l.vaults = map[int64]*callWindow{}
	}
	w := l.vaults[c.v.slot]
	if w == nil {
		w = &callWindow{}
		l.vaults[c.v.slot] = w
	}
	n := w.take(c.now, burstWindow)
	l.mu.Unlock()
	setHeader(c.header, "X-VaultAPI-BurstLimit", strconv.Itoa(set.Burst))
	setHeader(c.header, "X-VaultAPI-BurstLimitRemaining", strconv.Itoa(max(0, set.Burst-n)))
	if n <= set.Burst {
		return nil
	}
	return c.delay(set.BurstDelay)
}

// login counts a login. In the second half of the limit it is delayed, past it, it fails.
func (l *limits) login(c *call, user, dns string) error {
	set := c.s.settings.Load()
	l.mu.Lock()
	if l.logins == nil {
		l.logins = map[string]*callWindow{}
	}
	key := user + "\x00" + dns
	w := l.logins[key]
	if w == nil {
		w = &callWindow{}
		l.logins[key] = w
	}
	n := w.take(c.now, authWindow)
	l.mu.Unlock()
	setHeader(c.header, "X-VaultAPI-BurstLimit", strconv.Itoa(set.AuthBurst))
	setHeader(c.header, "X-VaultAPI-BurstLimitRemaining", strconv.Itoa(max(0, set.AuthBurst-n)))
	switch {
	case n > set.AuthBurst:
		return fail("API_LIMIT_EXCEEDED", "The limit of %d logins a minute is used up", set.AuthBurst)
	case n > set.AuthBurst/2:
		return c.delay(set.AuthDelay)
	}
	return nil
}

// delay holds the call up and says so in a header.
func (c *call) delay(d time.Duration) error {
	setHeader(c.header, "X-VaultAPI-ResponseDelay", strconv.FormatInt(d.Milliseconds(), 10))
	return c.sleep(d)
}

// sleep holds the call up. It ends early when the caller goes away.
func (c *call) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.ctx().Done():
		return c.ctx().Err()
	}
}
