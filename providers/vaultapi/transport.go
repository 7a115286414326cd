package vaultapi

import (
	"net/http"
	"time"
)

// mostIdle is how many connections wait for their next call: as many as a sync
// of several vaults has calls in flight.
const mostIdle = 512

// NewTransport returns a transport that verifies TLS and takes its proxies from
// the environment. What it keeps alive is bounded however many vaults share it.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = mostIdle, mostIdle
	// Shorter than servers keep idle connections: a write that meets a
	// connection just closed by the other side is ambiguous.
	t.IdleConnTimeout = 30 * time.Second
	// Long answers are read past these buffers, which every connection has.
	t.ReadBufferSize, t.WriteBufferSize = 4<<10, 4<<10
	return t
}
