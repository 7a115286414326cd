package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
)

// envProfile names a folder where every process of accord leaves a CPU profile
// when it ends: the tool, its provider, and the development server.
const envProfile = "ACCORD_CPUPROFILE"

func profile(args []string) (stop func()) {
	folder := os.Getenv(envProfile)
	if folder == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(folder, processName(args)+".pprof"))
	if err != nil || pprof.StartCPUProfile(f) != nil {
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}

// envPeaks names a folder in which each process of accord leaves how much memory
// it had at most: who looks from outside, now and then, misses one that is over
// soon.
const envPeaks = "ACCORD_PEAKS"

// leavePeak does so, at the end of a process.
func leavePeak(args []string) {
	if folder := os.Getenv(envPeaks); folder != "" {
		peak := strconv.FormatInt(statusField(os.Getpid(), "VmHWM")<<10, 10)
		_ = os.WriteFile(filepath.Join(folder, processName(args)), []byte(peak), 0o600) // the benchmark does without
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

// processName tells the processes of a command apart: the command, and a number.
func processName(args []string) string {
	name := "accord"
	for _, a := range args {
		if a != "" && a[0] != '-' {
			name = a
			break
		}
	}
	return fmt.Sprintf("%s-%d", name, os.Getpid())
}
