package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// logger is where go-plugin logs: the host's log at level debug, or nowhere at
// no cost.
func (c *Command) logger() hclog.Logger {
	if !c.Log.Enabled(context.Background(), slog.LevelDebug) {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, DisableTime: true, Output: lines{c.Log, c.Name},
		Exclude: func(_ hclog.Level, message string, _ ...any) bool { return isRecord([]byte(message)) }, // records has it
	})
}

// isRecord tells what slog wrote, as Serve has it write, from other lines.
func isRecord(line []byte) bool { return bytes.HasPrefix(line, []byte(`{"time":"`)) }

// records hands on what the plugin logged, each record at its own level and
// with its own attributes. Lines that are none are not its business.
type records struct {
	log    *slog.Logger
	plugin string
	part   []byte // of a line
}

// mostRecord is the longest record that is handed on.
const mostRecord = 1 << 20

func (r *records) Write(b []byte) (int, error) {
	r.part = append(r.part, b...)
	for {
		line, rest, found := bytes.Cut(r.part, []byte{'\n'})
		if !found {
			break
		}
		if isRecord(line) {
			r.hand(line)
		}
		r.part = bytes.Clone(rest)
	}
	if len(r.part) > mostRecord {
		r.part = nil
	}
	return len(b), nil
}

func (r *records) hand(line []byte) {
	rec, err := parseRecord(line)
	ctx := context.Background()
	if err != nil || !r.log.Enabled(ctx, rec.Level) {
		return
	}
	rec.AddAttrs(slog.String("plugin", r.plugin))
	_ = r.log.Handler().Handle(ctx, rec)
}

// parseRecord reads what slog's JSONHandler wrote, its attributes in order.
func parseRecord(line []byte) (slog.Record, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return slog.Record{}, errors.New("no record")
	}
	var at time.Time
	var level slog.Level
	var message string
	var attrs []slog.Attr
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return slog.Record{}, err
		}
		name, _ := key.(string)
		switch name {
		case slog.TimeKey:
			err = dec.Decode(&at)
		case slog.LevelKey:
			err = dec.Decode(&level)
		case slog.MessageKey:
			err = dec.Decode(&message)
		default:
			var value any
			err = dec.Decode(&value)
			attrs = append(attrs, slog.Any(name, value))
		}
		if err != nil {
			return slog.Record{}, err
		}
	}
	rec := slog.NewRecord(at, level, message, 0)
	rec.AddAttrs(attrs...)
	return rec, nil
}

// noise tells a record that is no last word.
func noise(line string) bool {
	return isRecord([]byte(line)) && (strings.Contains(line, `"level":"DEBUG`) || strings.Contains(line, `"level":"INFO`))
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
