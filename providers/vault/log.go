package vault

import (
	"log/slog"
	"net/http"
	"time"

	"accord/lang/addrs"
)

// logged notes every call at level debug: what was called and what came of
// it, never a body, a header, or what follows a question mark.
type logged struct {
	vault addrs.Instance
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l logged) RoundTrip(r *http.Request) (*http.Response, error) {
	started := time.Now()
	resp, err := l.next.RoundTrip(r)
	log := slog.With("vault", l.vault.String(), "method", r.Method, "path", r.URL.Path, "took", time.Since(started).Round(time.Millisecond))
	if err != nil {
		log.Debug("call", "error", err)
	} else {
		log.Debug("call", "status", resp.StatusCode)
	}
	return resp, err
}
