package plugin

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// logger is where go-plugin logs: the host's log at level debug, or nowhere at
// no cost.
func (c *Command) logger() hclog.Logger {
	if !c.Log.Enabled(context.Background(), slog.LevelDebug) {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, DisableTime: true, Output: lines{c.Log, c.Name}})
}

// lines logs each line that is written to it.
type lines struct {
	log    *slog.Logger
	plugin string
}

func (l lines) Write(b []byte) (int, error) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		for line := range bytes.Lines(b) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				l.log.Debug(string(line), "plugin", l.plugin)
			}
		}
	}
	return len(b), nil
}
