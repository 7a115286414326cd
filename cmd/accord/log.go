package main

import (
	"context"
	"log/slog"
)

// logger is where providers log. With -debug all of it is on stderr. Without,
// only what is for who waits is heard: level info and above, which the
// progress shows.
func (c *cli) logger() *slog.Logger {
	if !c.debug {
		return slog.New(veiledLog{listener{c}, &c.veil})
	}
	return slog.New(veiledLog{slog.NewMultiHandler(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}), listener{c}), &c.veil})
}

// listener hands what providers say to the progress.
type listener struct{ cli *cli }

func (l listener) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l listener) Handle(_ context.Context, r slog.Record) error {
	p := l.cli.showing.Load()
	if p == nil {
		p = l.cli.progress()
	}
	p.said(r.Message)
	return nil
}

func (l listener) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l listener) WithGroup(string) slog.Handler      { return l }
