package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Benchmarks that need the whole program", Hidden: true}
	cmd.AddCommand(c.benchSyncCommand(), c.benchBareCommand(), c.benchPlanCommand(), c.benchFloorCommand())
	return cmd
}

// benchText is where a benchmark says something to people: nowhere where lines
// for machines are printed.
func (c *cli) benchText() io.Writer {
	if c.json {
		return io.Discard
	}
	return c.stdout
}

// measured is what a run of accord took.
type measured struct {
	took time.Duration
	user time.Duration    // CPU, with the children's
	cpu  time.Duration    // and what the system did for it
	peak map[string]int64 // bytes of resident memory by process
	out  bytes.Buffer
}

// child runs this program, with more in its environment, and watches the memory
// of its processes.
func (c *cli) child(ctx context.Context, dir string, env []string, args ...string) (*measured, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	peaks, err := os.MkdirTemp("", "accord-peaks-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(peaks)
	cmd := exec.CommandContext(ctx, self, append([]string{"-chdir=" + dir}, args...)...)
	cmd.Env = append(append(os.Environ(), env...), envPeaks+"="+peaks)
	m := &measured{peak: map[string]int64{}}
	cmd.Stdout, cmd.Stderr = &m.out, &m.out
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	err = cmd.Wait()
	m.took = time.Since(started)
	readPeaks(peaks, m.peak)
	if err != nil {
		return nil, fmt.Errorf("accord %s: %w\n%s", strings.Join(args, " "), err, m.out.Bytes())
	}
	m.user = cmd.ProcessState.UserTime()
	m.cpu = m.user + cmd.ProcessState.SystemTime()
	return m, nil
}
