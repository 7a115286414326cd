package main

import (
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
		peak := strconv.FormatInt(statusField(os.Getpid(), "VmHWM")<<10, 10)
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
