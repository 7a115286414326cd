package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// benchBeat is how often the server of a measured round looks for changes, and
// how long it is left alone before them.
const benchBeat = 2 * time.Second

// measureRound changes documents under a running accord serve, and notes how long
// its next round takes, from the beat that finds them to the last record of the
// journal. The floor is the loop's content, in a process that is connected.
func (b *benchSync) measureRound(ctx context.Context) error {
	dev, err := openDevServer(ctx, b.dir)
	if err != nil {
		return err
	}
	defer dev.Close()
	self, err := executable()
	if err != nil {
		return err
	}
	served := exec.CommandContext(ctx, self, "-json", "-chdir="+b.dir, "serve", "-listen=off", "-interval="+benchBeat.String())
	var said bytes.Buffer
	served.Stderr = &said
	out, err := served.StdoutPipe()
	if err != nil {
		return err
	}
	if err := served.Start(); err != nil {
		return err
	}
	defer func() {
		_ = served.Process.Signal(os.Interrupt)
		_ = served.Wait()
	}()
	ran := make(chan time.Duration, 1)
	watching := make(chan struct{}, 1)
	go func() {
		defer close(ran)
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
				select {
				case ran <- took: // all that ran together took as long
				default:
				}
			}
		}
	}()
	select {
	case <-watching:
	case <-time.After(time.Minute):
		return fmt.Errorf("accord serve did not begin within a minute")
	}
	if err := sleep(ctx, 5*benchBeat); err != nil { // what the runs before have left is looked at first
		return err
	}
	if err := b.change(ctx, dev, "Changed again"); err != nil {
		return err
	}
	select {
	case took, ok := <-ran:
		if !ok {
			_ = served.Wait()
			return fmt.Errorf("accord serve ended before it ran: %s", said.Bytes())
		}
		b.rounds[0] = took
	case <-time.After(10 * time.Minute):
		return fmt.Errorf("accord serve found no changes")
	}
	return b.measureBareRound(ctx)
}

func (b *benchSync) measureBareRound(ctx context.Context) error {
	dev, err := openDevServer(ctx, b.floor)
	if err != nil {
		return err
	}
	defer dev.Close()
	since := time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
	if err := b.change(ctx, dev, "Changed again"); err != nil {
		return err
	}
	m, err := b.child(ctx, b.floor, nil, "bench", "bare", fmt.Sprintf("-vaults=%d", b.vaults), fmt.Sprintf("-share=%t", b.share), "-round", "-since="+since, "incremental")
	if err != nil {
		return err
	}
	b.rounds[1], err = time.ParseDuration(strings.TrimSpace(m.out.String()))
	return err
}
