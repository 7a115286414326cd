package main

import (
	"context"
	"log/slog"
	"strings"
)

// serveLog is a structured log on stderr; with -json the same lines as every
// other command prints, on stdout.
func (c *cli) serveLog() *slog.Logger {
	if c.json {
		return slog.New(lineLog{cli: c})
	}
	level := slog.LevelInfo
	if c.debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level}))
}

// lineLog prints records as lines of type log.
type lineLog struct {
	cli   *cli
	attrs []slog.Attr
}

func (l lineLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || l.cli.debug
}

func (l lineLog) Handle(_ context.Context, r slog.Record) error {
	data := map[string]any{"level": strings.ToLower(r.Level.String())}
	fields := map[string]any{}
	add := func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			fields[a.Key] = err.Error()
		} else {
			fields[a.Key] = a.Value.Any()
		}
		return true
	}
	for _, a := range l.attrs {
		add(a)
	}
	r.Attrs(add)
	if len(fields) > 0 {
		data["fields"] = fields
	}
	return l.cli.line("log", clean(r.Message), data)
}

func (l lineLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.attrs = append(l.attrs[:len(l.attrs):len(l.attrs)], attrs...)
	return l
}

func (l lineLog) WithGroup(string) slog.Handler { return l }
