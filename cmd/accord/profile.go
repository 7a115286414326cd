package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"accord/cmd/accord/early"
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

// processName tells the processes of a command apart: the command, and a number.
func processName(args []string) string {
	return fmt.Sprintf("%s-%d", cmp.Or(early.Command(args), "accord"), os.Getpid())
}
