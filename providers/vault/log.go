package vault

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/providers/vaultapi"
)

// journal tells what a vault's client does: each call at level debug, with its
// bodies as the client redacts them; each wait at level info, which the host
// shows to who waits.
type journal struct {
	vault addrs.Instance
	log   *slog.Logger

	mu   sync.Mutex
	told map[vaultapi.Reason]time.Time // until when the wait that was told lasts
}

func newJournal(vault addrs.Instance) *journal {
	return &journal{vault: vault, log: slog.Default(), told: map[vaultapi.Reason]time.Time{}}
}

// trace is for vaultapi.Config.Trace; nil, and at no cost, unless somebody listens.
func (j *journal) trace() func(vaultapi.Trace) {
	if !j.log.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	return func(t vaultapi.Trace) {
		attrs := []slog.Attr{
			slog.String("vault", j.vault.String()), slog.String("op", t.Op), slog.String("method", t.Method), slog.String("path", t.Path),
			slog.Int("http", t.HTTPStatus), slog.String("status", t.Status), slog.Duration("took", t.Duration.Round(time.Microsecond)),
		}
		if t.Attempt > 1 {
			attrs = append(attrs, slog.Int("attempt", t.Attempt))
		}
		if t.ExecutionID != "" {
			attrs = append(attrs, slog.String("execution", t.ExecutionID))
		}
		if t.Err != nil {
			attrs = append(attrs, slog.String("error", t.Err.Error()))
		}
		if t.Request != "" {
			attrs = append(attrs, slog.String("request", t.Request))
		}
		if t.Response != "" {
			attrs = append(attrs, slog.String("response", t.Response))
		}
		j.log.LogAttrs(context.Background(), slog.LevelDebug, "call", attrs...)
	}
}

// shortest is the shortest wait worth telling.
const shortest = time.Second

// observe is for vaultapi.Config.Observe. A wait that many calls have at once
// is told once.
func (j *journal) observe(e vaultapi.Event) {
	w, waits := e.(vaultapi.Waiting)
	if !waits || w.For < shortest || !j.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	now := time.Now()
	j.mu.Lock()
	before := now.Before(j.told[w.Reason])
	if !before {
		j.told[w.Reason] = now.Add(min(w.For, time.Minute))
	}
	j.mu.Unlock()
	if before {
		return
	}
	j.log.Info(fmt.Sprintf("%s waits %s: %s", j.vault, w.For.Round(time.Second), why(w)), "vault", j.vault.String(), "reason", string(w.Reason), "for", w.For.String())
}

// why says to people what is waited for.
func why(w vaultapi.Waiting) string {
	switch w.Reason {
	case vaultapi.Pacing:
		return "its limit of calls is nearly used up"
	case vaultapi.Downtime:
		return "it is in maintenance"
	case vaultapi.Polling:
		return w.Op + ", which Vault allows every ten seconds"
	case vaultapi.Backoff:
		if w.Err != nil {
			return "before another try, " + w.Err.Error()
		}
		return "before another try of " + w.Op
	}
	return w.Op
}
