package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// envProfile names a folder where every process of accord leaves a CPU profile
// when it ends: the tool, its provider, and the development server.
const envProfile = "ACCORD_CPUPROFILE"

func profile(args []string) (stop func()) {
	folder := os.Getenv(envProfile)
	if folder == "" {
		return func() {}
	}
	name := "accord"
	for _, a := range args {
		if a != "" && a[0] != '-' {
			name = a
			break
		}
	}
	f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%s-%d.pprof", name, os.Getpid())))
	if err != nil || pprof.StartCPUProfile(f) != nil {
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}
