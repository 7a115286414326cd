package main

import (
	"accord/planner/syncer"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// benchBeat is how often the server of a measured round looks for changes, and
// how long it is left alone before them.
const benchBeat = 2 * time.Second

// measureRounds changes documents under a running accord serve, and notes how
// long its next round takes, from the beat that finds them to the last record of
// the journal. The floor is the loop's content, in a process that is connected.
func (b *benchSync) measureRounds(ctx context.Context) error {
	dev, err := openDevServer(ctx, b.dir)
	if err != nil {
		return err
	}
	defer dev.Close()
	floor, err := openDevServer(ctx, b.floor)
	if err != nil {
		return err
	}
	defer floor.Close()
	served, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer served.stop()
	var took [2][]time.Duration
	for range b.rounds {
		if err := syncer.Sleep(ctx, 5*benchBeat); err != nil { // what the runs before have left is looked at first
			return err
		}
		served.forget()
		if err := b.change(ctx, dev, changedNow()); err != nil {
			return err
		}
		round, err := served.round()
		if err != nil {
			return err
		}
		took[0] = append(took[0], round)
		if round, err = b.bareRound(ctx, floor); err != nil {
			return err
		}
		took[1] = append(took[1], round)
	}
	for side := range took {
		slices.Sort(took[side])
		b.served[side] = took[side][b.rounds/2]
	}
	return nil
}

// bareRound changes documents, and returns how long the loop took for them.
func (b *benchSync) bareRound(ctx context.Context, dev *devServer) (time.Duration, error) {
	since := time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
	if err := b.change(ctx, dev, changedNow()); err != nil {
		return 0, err
	}
	m, err := b.child(ctx, b.floor, nil, b.bareArgs("-round", "-since="+since, "incremental")...)
	if err != nil {
		return 0, err
	}
	return time.ParseDuration(strings.TrimSpace(m.out.String()))
}

// benchServed is an accord serve that is measured.
type benchServed struct {
	process *exec.Cmd
	said    bytes.Buffer
	rounds  chan time.Duration // of incremental runs, until each has ended
}

// serve starts accord serve, and waits until it watches.
func (b *benchSync) serve(ctx context.Context) (*benchServed, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	s := &benchServed{
		process: exec.CommandContext(ctx, self, "-json", "-chdir="+b.dir, "serve", "-listen=off", "-interval="+benchBeat.String()),
		rounds:  make(chan time.Duration, 10000),
	}
	s.process.Stderr = &s.said
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	watching := make(chan struct{}, 1)
	go func() {
		defer close(s.rounds)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line struct {
				Message string `json:"@message"`
				Fields  struct{ Mode, Round string }
			}
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				continue
			}
			took, err := time.ParseDuration(line.Fields.Round)
			if line.Message == "watching" {
				select {
				case watching <- struct{}{}:
				default:
				}
			} else if err == nil && line.Fields.Mode == "incremental" {
				s.rounds <- took
			}
		}
	}()
	select {
	case <-watching:
		return s, nil
	case <-time.After(time.Minute):
		s.stop()
		return nil, fmt.Errorf("accord serve did not begin within a minute")
	}
}

// round returns how long the first round took that is told of from now on: until
// the last of its runs has ended, after which there is silence.
func (s *benchServed) round() (longest time.Duration, err error) {
	silence := time.After(10 * time.Minute)
	for {
		select {
		case took, ok := <-s.rounds:
			if !ok {
				_ = s.process.Wait()
				return 0, fmt.Errorf("accord serve ended before it ran: %s", s.said.Bytes())
			}
			longest, silence = max(longest, took), time.After(benchBeat/2)
		case <-silence:
			if longest == 0 {
				return 0, fmt.Errorf("accord serve found no changes")
			}
			return longest, nil
		}
	}
}

// forget drops what was told so far.
func (s *benchServed) forget() {
	for {
		select {
		case _, ok := <-s.rounds:
			if ok {
				continue
			}
		default:
		}
		return
	}
}

func (s *benchServed) stop() {
	_ = s.process.Process.Signal(os.Interrupt)
	_ = s.process.Wait()
}
