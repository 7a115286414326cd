package postgres

import (
	"context"
	"net"
	"syscall"
	"time"
)

// mostLost is how long a connection may bring nothing across before it counts as lost.
const mostLost = 30 * time.Second

// dial connects so that a network which has gone is noticed within mostLost, and not when
// the system gives up sending again, some fifteen minutes later.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: mostLost / 2, Interval: mostLost / 6, Count: 3},
		ControlContext: func(_ context.Context, network, _ string, c syscall.RawConn) (err error) {
			if network == "unix" {
				return nil
			}
			if other := c.Control(func(fd uintptr) { err = giveUpAfter(fd, mostLost) }); other != nil {
				return other
			}
			return err
		},
	}
	return d.DialContext(ctx, network, address)
}
