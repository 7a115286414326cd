package main

import (
	"context"
	"net/http"
	"time"

	"accord/providers/devvault"
)

// benchRun is what a run took.
type benchRun struct {
	wall, cpu    time.Duration
	tool, plugin int64 // peak bytes
	calls        []devvault.CallCount
}

// run runs this program beside the server of a folder, and counts its calls.
func (b *benchSync) run(ctx context.Context, dir string, args ...string) (r benchRun, err error) {
	dev, err := openDevServer(ctx, dir)
	if err != nil {
		return r, err
	}
	defer dev.Close()
	if err := dev.control(ctx, http.MethodPost, "settings", map[string]any{"burst": 1000000000, "auth_burst": 1000000000}, nil); err != nil {
		return r, err
	}
	if err := dev.control(ctx, http.MethodGet, "calls?reset=true", nil, nil); err != nil {
		return r, err
	}
	m, err := b.child(ctx, dir, nil, args...)
	if err != nil {
		return r, err
	}
	r.wall, r.cpu, r.tool, r.plugin = m.took, m.cpu, m.peak["tool"], m.peak["plugin"]
	var answer struct {
		Calls []devvault.CallCount `json:"calls"`
	}
	err = dev.control(ctx, http.MethodGet, "calls", nil, &answer)
	r.calls = answer.Calls
	return r, err
}

func (r *benchRun) total() (n int) {
	for _, c := range r.calls {
		n += c.Count
	}
	return n
}

// busiest is the vault that was called most, and how often.
func (r *benchRun) busiest() (vault string, calls int) {
	by := map[string]int{}
	for _, c := range r.calls {
		by[c.Vault] += c.Count
	}
	for v, n := range by {
		if n > calls || n == calls && v < vault {
			vault, calls = v, n
		}
	}
	return vault, calls
}

// runJSON is a run as a machine reads it.
type runJSON struct {
	Wall   float64 `json:"wall_s"`
	CPU    float64 `json:"cpu_s"`
	Tool   int64   `json:"tool_peak_bytes"`
	Plugin int64   `json:"plugin_peak_bytes"`
	Calls  int     `json:"calls"`
}

func jsonRun(r *benchRun) runJSON {
	return runJSON{r.wall.Seconds(), r.cpu.Seconds(), r.tool, r.plugin, r.total()}
}
