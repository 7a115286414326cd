package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// envWaits tells a plugin process that it was started before its host knew how:
// Serve waits for the host to say so.
const envWaits = "ACCORD_PLUGIN_WAITS"

// Waiting is a plugin's process that was started early, with ACCORD_PLUGIN_WAITS
// in its environment, and these ends of its pipes: Serve waits there to be told
// the rest.
type Waiting struct {
	Process               *os.Process
	Stdin, Stdout, Stderr *os.File
}

// orders are what a process that waits is told on its standard input: the rest
// of what a process begins with.
type orders struct {
	Dir     string   `json:"dir"`
	Environ []string `json:"environ"` // all of it
}

// tell lets it go on.
func (w *Waiting) tell(environ []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	return json.NewEncoder(w.Stdin).Encode(orders{Dir: dir, Environ: environ})
}

// drop ends a process that is not needed.
func (w *Waiting) drop() {
	_ = w.Stdin.Close()
	_ = w.Stdout.Close()
	_ = w.Stderr.Close()
	_ = w.Process.Kill()
	_, _ = w.Process.Wait()
}

// obey waits for orders, and does as they say. It fails where the host has none,
// or is gone.
func obey(from io.Reader) error {
	var told orders
	if err := json.NewDecoder(from).Decode(&told); err != nil {
		return fmt.Errorf("this process waited for its host, which did not need it: %w", err)
	}
	os.Clearenv()
	for _, entry := range told.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return os.Chdir(told.Dir)
}
