package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// envPeaks names a folder in which each process of accord leaves how much memory
// it had at most: who looks from outside, now and then, misses one that is over
// soon.
const envPeaks = "ACCORD_PEAKS"

// leavePeak does so, at the end of a process.
func leavePeak(args []string) {
	if folder := os.Getenv(envPeaks); folder != "" {
		peak := strconv.FormatInt(peakOfProcess(), 10)
		_ = os.WriteFile(filepath.Join(folder, processName(args)), []byte(peak), 0o600) // a benchmark does without
	}
}

// readPeaks adds what processes left in a folder: the tool, and its plugin.
func readPeaks(folder string, peak map[string]int64) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		name := "tool"
		if strings.HasPrefix(e.Name(), "provider-") {
			name = "plugin"
		}
		b, _ := os.ReadFile(filepath.Join(folder, e.Name()))
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			peak[name] = max(peak[name], n)
		}
	}
}

// peakOfProcess is how much memory this process had at most, in bytes; 0 where the
// system has no /proc.
func peakOfProcess() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
