package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"accord/providers/plugin/waiting"
)

// orders are what a process that waits is told on its standard input: the rest
// of what a process begins with.
type orders struct {
	Dir     string   `json:"dir"`
	Environ []string `json:"environ"` // all of it
}

// tell lets a process go on that waits, unless it has not listened for so long.
func tell(w *waiting.Process, environ []string, within time.Duration) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	_ = w.Stdin.SetWriteDeadline(time.Now().Add(within)) // where the system can
	return json.NewEncoder(w.Stdin).Encode(orders{Dir: dir, Environ: environ})
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
