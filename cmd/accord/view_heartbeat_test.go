package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"accord/planner"
	"accord/planner/graph"
)

// Trap, heartbeat stops: a command that goes on says so at every tick, not only at the first: with
// -json by a valid line.
func TestHeartbeatGoesOnPastTheSecondTick(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	c := &cli{stdout: &out, stderr: &out, json: true, clock: func() time.Time { return began }}
	c.progress().planner(planner.Reading{Type: "vault", Count: 3})
	ticks, done, ended := make(chan time.Time), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		c.goOn("plan", began, ticks, done)
	}()
	for n := range 4 {
		ticks <- began.Add(time.Duration(n+1) * heartbeat)
	}
	close(done)
	<-ended
	var elapsed []int
	for line := range strings.Lines(out.String()) {
		if err := checkLine([]byte(line)); err != nil {
			t.Fatal(err)
		}
		var m struct {
			Type      string
			Operation string
			Doing     string
			Elapsed   int `json:"elapsed_ms"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m.Type != "heartbeat" {
			continue
		}
		if m.Operation != "plan" || m.Doing != "reading 3 of type vault" {
			t.Errorf("a beat says %+v", m)
		}
		elapsed = append(elapsed, m.Elapsed)
	}
	if want := []int{10000, 20000, 30000, 40000}; !slices.Equal(elapsed, want) {
		t.Errorf("beats after %v ms, want %v", elapsed, want)
	}
}

// Without -json and without a terminal, what goes on is said every 10 s, by
// lines alone; and nothing is said once the command has ended.
func TestHeartbeatWithoutATerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := &cli{stdout: &out, stderr: &out}
		p := c.progress()
		c.startHeart("plan")
		time.Sleep(11 * time.Second) // nothing is known to go on
		p.move("reading 3 of type vault")
		time.Sleep(24 * time.Second)
		c.stopHeart()
		time.Sleep(time.Minute)
		want := "  reading 3 of type vault, 20s\n  reading 3 of type vault, 30s\n"
		if out.String() != want {
			t.Errorf("said %q, want %q", out.String(), want)
		}
	})
}

// A crash ends the lines of -json with one that says so.
func TestCrashIsALine(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	c := &cli{stdout: &stdout, stderr: &stderr, json: true}
	c.crashed("a bug")
	lines := slices.Collect(strings.Lines(stdout.String()))
	if len(lines) != 2 || !strings.Contains(lines[1], `accord crashed: a bug`) {
		t.Fatalf("stdout: %s", stdout.String())
	}
	for _, line := range lines {
		if err := checkLine([]byte(line)); err != nil {
			t.Error(err)
		}
	}
}

// What says that a command goes on, and what moves its lines, may crash: the work
// is not held up by it, and the crash surfaces where all do.
func TestHeartbeatCrash(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(c *cli, p *progress){
		"heartbeat": func(c *cli, p *progress) { c.startHeart("plan") },
		"lines": func(c *cli, p *progress) {
			p.live = true
			p.runs("a", "reading a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				screen := &sink{Writer: new(bytes.Buffer)}
				c := &cli{stdout: screen, stderr: screen}
				p := c.progress()
				p.planner(planner.Reading{Type: "vault", Count: 3})
				begin(c, p)
				screen.mu.Lock()
				screen.left = 1 // the next write crashes
				screen.mu.Unlock()
				time.Sleep(3 * heartbeat)
				p.move("reading b")
				defer func() {
					if crash, ok := recover().(*graph.Panic); !ok || crash.Value != "a mishap of the sink" {
						t.Errorf("it ended with %v", crash)
					}
				}()
				c.stopHeart()
			})
		})
	}
}
