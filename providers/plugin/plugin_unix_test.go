//go:build unix

package plugin

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"accord/providers"
	"accord/providers/providertest"
)

func init() {
	if path := os.Getenv(envAlive); path != "" && os.Getenv(envMode) == "memory" {
		if _, err := os.OpenFile(path, os.O_WRONLY, 0); err != nil {
			panic(err)
		}
	}
}

// A folder of temporary files whose path is longer than that of a socket may be
// keeps no plugin from starting.
func TestDeepFolder(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", deep)
	if _, err := start(t, "memory").Schema(t.Context()); err != nil {
		t.Error(err)
	}
	_, end := debugging(t, func() providers.Provider { return providertest.NewMemory().Provider() })
	end()
}

// left are the names of what is in the folder of temporary files that a test has
// to itself.
func left(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// However a plugin fares, the folder of its socket does not outlive it.
func TestNoFolderIsLeft(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none") // never started
	if err := os.WriteFile(none, []byte("no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	p, err := Open(t.Context(), command(t, "bench"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left(t)) != 1 {
		t.Fatalf("a plugin that runs has %v, want the folder of its socket", left(t))
	}
	_ = p.Close()
	for _, mode := range []string{"mute", "future"} {
		if _, err := Open(t.Context(), command(t, mode)); err == nil {
			t.Fatalf("%s was opened", mode)
		}
	}
	if _, err := Open(t.Context(), Command{Path: none}); err == nil {
		t.Fatal("what is no program was opened")
	}
	if names := left(t); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// A plugin whose host is killed ends too: the last writer of a named pipe, held
// open by the plugin, goes away, and with it the folder of its socket.
func TestHostIsKilled(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	c := command(t, "host", envAlive+"="+pipe, envMemory+"="+filepath.Join(t.TempDir(), "memory.json"))
	t.Setenv("TMPDIR", t.TempDir())
	host := exec.Command(c.Path)
	host.Env = append(os.Environ(), c.Env...)
	host.Stderr = os.Stderr
	stdin, err := host.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	alive, err := os.Open(pipe) // until the plugin opens it
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatalf("the host says %q, %v", line, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	if _, err := io.Copy(io.Discard, alive); err != nil { // until nobody holds it
		t.Fatal(err)
	}
	if names := left(t); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}
