package main

import (
	"encoding/json"
	"testing"
	"time"

	"accord/providers"
	"accord/state"
)

// A call of a tool that died may still land: what it did is looked up only when
// it cannot any more, and at once where all vaults are on this machine.
func TestLanding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		urls []string
		want time.Duration
	}{
		{[]string{"dev://promomats", "dev://crm"}, 0},
		{[]string{"http://127.0.0.1:8000/crm", "http://localhost/x", "http://[::1]:1/x"}, 0},
		{[]string{"dev://promomats", "https://acme.veevavault.com"}, landing},
		{nil, 0},
	} {
		var instances []providers.Object
		for _, u := range c.urls {
			body, _ := json.Marshal(map[string]string{"url": u})
			instances = append(instances, providers.Object{Body: body})
		}
		if got := landingIn(instances); got != c.want {
			t.Errorf("%v: %s", c.urls, got)
		}
	}

	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		begun []time.Duration // before now
		want  time.Duration   // from now; 0: at once
	}{
		"nothing is open":       {nil, 0},
		"long ago":              {[]time.Duration{time.Hour, time.Minute}, 0},
		"the last one counts":   {[]time.Duration{time.Hour, 20 * time.Second, 40 * time.Second}, 40 * time.Second},
		"just now":              {[]time.Duration{0}, time.Minute},
		"by a clock far ahead":  {[]time.Duration{-time.Hour}, time.Minute},
		"by a clock far behind": {[]time.Duration{24 * time.Hour}, 0},
	} {
		var open []state.Intent
		for _, before := range c.begun {
			open = append(open, state.Intent{At: now.Add(-before)})
		}
		want := now.Add(c.want)
		if c.want == 0 {
			want = time.Time{}
		}
		if got := landedAt(open, now, time.Minute); !got.Equal(want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
