package postgres

import (
	"time"

	"golang.org/x/sys/unix"
)

// giveUpAfter has a TCP socket fail when what it sent is not confirmed for so long.
func giveUpAfter(fd uintptr, most time.Duration) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(most.Milliseconds()))
}
