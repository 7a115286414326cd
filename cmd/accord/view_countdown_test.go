package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
)

// CTRY-7: whoever waits is told for what and until when, once however many runs
// wait for one moment; on a terminal the rest of it is counted down.
func TestCountdown(t *testing.T) {
	t.Parallel()
	for _, live := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			c := &cli{stdout: &out, stderr: &out}
			p := c.progress()
			p.live = live
			until := time.Now().Add(5 * time.Minute)
			for _, name := range []string{"a", "b"} {
				p.syncer(syncer.Waiting{Addr: addrs.NewKeyed("integration_point", "clm", name), Until: until, Why: syncer.AfterEdit})
			}
			time.Sleep(4*time.Minute + 500*time.Millisecond)
			if got, want := p.goesOn(), "1m0s left, until "+until.UTC().Format("15:04:05")+" UTC: "+syncer.AfterEdit; got != want {
				t.Errorf("a heartbeat says %q, want %q", got, want)
			}
			p.move("something else") // it is shown for a second at least
			if got := p.goesOn(); got != "something else" {
				t.Errorf("meanwhile: %q", got)
			}
			time.Sleep(time.Minute)
			if got := p.goesOn(); got != "something else" {
				t.Errorf("afterwards: %q", got)
			}
			p.clear()
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := strings.Count(out.String(), ` waits 5m0s, until `); n != 1 {
				t.Errorf("said %d times that it waits:\n%s", n, out.String())
			}
			if counted := strings.Contains(out.String(), "  2m3s left") && strings.Contains(out.String(), "  2s left"); counted != live {
				t.Errorf("live %v: counted down %v", live, counted)
			}
		})
	}
}
