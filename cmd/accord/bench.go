package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			watchMemory(cmd.Process.Pid, dir, m.peak)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	err = cmd.Wait()
	close(stop)
	watching.Wait()
	readPeaks(peaks, m.peak)
	m.took = time.Since(started)
	if err != nil {
		return nil, fmt.Errorf("accord %s: %w\n%s", strings.Join(args, " "), err, m.out.Bytes())
	}
	m.user = cmd.ProcessState.UserTime()
	m.cpu = m.user + cmd.ProcessState.SystemTime()
	return m, nil
}

// watchMemory notes the peak resident memory of the tool, its plugin and the
// server. Where the system has no /proc it notes nothing.
func watchMemory(pid int, dir string, peak map[string]int64) {
	note := func(name string, pid int) {
		if kb := statusField(pid, "VmHWM"); kb > 0 {
			peak[name] = max(peak[name], kb<<10)
		}
	}
	note("tool", pid)
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(children)) {
		if child, err := strconv.Atoi(f); err == nil {
			note("plugin", child)
		}
	}
	if all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)); err == nil {
		for _, name := range all {
			b, _ := os.ReadFile(name)
			for _, f := range strings.Fields(string(b)) {
				if child, err := strconv.Atoi(f); err == nil {
					note("plugin", child)
				}
			}
		}
	}
	if info, err := readDevInfo(dir); err == nil {
		note("server", info.PID)
	}
}

func statusField(pid int, field string) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		if fields := strings.Fields(rest); name == field && len(fields) > 0 {
			n, _ := strconv.ParseInt(fields[0], 10, 64)
			return n
		}
	}
	return 0
}
