package devvault

import (
	"sync/atomic"
	"time"
)

// clock is the server's time: a base that runs, and how far it is set ahead of it.
type clock struct {
	base   func() time.Time
	offset atomic.Int64 // nanoseconds
}

// now is in UTC and in whole milliseconds, as everything the API shows.
func (c *clock) now() time.Time {
	return c.base().Add(time.Duration(c.offset.Load())).UTC().Truncate(time.Millisecond)
}
