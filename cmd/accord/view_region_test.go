package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/syncer"
	"accord/providers"
)

// screen is what a terminal shows of what was written to it.
func screen(written string) string {
	lines, row, col := []string{""}, 0, 0
	for len(written) > 0 {
		switch {
		case strings.HasPrefix(written, "\x1b[K"):
			lines[row], written = lines[row][:min(col, len(lines[row]))], written[3:]
			continue
		case strings.HasPrefix(written, "\x1b[1A"):
			row, written = row-1, written[4:]
			continue
		}
		r := []rune(written)[0]
		written = written[len(string(r)):]
		switch r {
		case '\r':
			col = 0
		case '\n':
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
			col = 0
		default:
			lines[row] = lines[row][:min(col, len(lines[row]))] + string(r)
			col = len(lines[row])
		}
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// On a terminal every step that runs has a line that moves, which becomes one
// that stays when it ends; where there are many, the rest is counted.
func TestRegion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := &cli{stdout: &out, stderr: &out}
		p := c.progress()
		p.live = true
		point := func(key string) addrs.Instance { return addrs.NewKeyed("integration_point", "clm", key) }
		full := syncer.Decision{Mode: syncer.Full}
		shows := func(want string) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), screen(out.String())); diff != "" {
				t.Errorf("(-want +shown)\n%s", diff)
			}
		}
		p.syncer(syncer.Started{Addr: point("a"), Decision: full})
		p.syncer(syncer.Started{Addr: point("b"), Decision: full})
		shows(`
  ▸ integration_point.clm["a"]: full run begins  1s
  ▸ integration_point.clm["b"]: full run begins  1s`)
		p.syncer(syncer.Wrote{Addr: point("a"), Verb: "create", Part: "slide", Done: 50, Total: 100})
		p.syncer(syncer.Reading{Instance: addrs.New("vault", "promomats"), Stream: "clm", Records: 1200, Calls: 3})
		shows(`
  ▓▓▓▓▓▓░░░░░░ 50/100 create slide  integration_point.clm["a"]  2s
  ▸ integration_point.clm["b"]: full run begins  2s
  reading clm of vault.promomats: 1 200 records, 3 calls`)
		p.syncer(syncer.Finished{Addr: point("a"), Outcome: &syncer.Outcome{Status: syncer.Clean, Decision: full}})
		shows(`
  ✓ integration_point.clm["a"]: full run clean, 0s
  ▸ integration_point.clm["b"]: full run begins  3s`)
		for n := range regionLines + 1 {
			p.planner(planner.StepStarted{Ref: providers.Ref{Addr: addrs.New("box", fmt.Sprint("b", n))}, Action: providers.Update})
		}
		shows(`
  ✓ integration_point.clm["a"]: full run clean, 0s
  ▸ integration_point.clm["b"]: full run begins  4s
  box.b0: update …  1s
  box.b1: update …  1s
  box.b2: update …  1s
  box.b3: update …  1s
  box.b4: update …  1s
  box.b5: update …  1s
  … and 3 more`)
		p.planner(planner.StepFailed{Ref: providers.Ref{Addr: addrs.New("box", "b0")}})
		p.clear()
		shows(`
  ✓ integration_point.clm["a"]: full run clean, 0s
  ✗ box.b0: failed`)
	})
}
