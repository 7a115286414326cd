package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"accord/planner/graph"
	"accord/planner/watch"
	"accord/state"
)

// serveToken is the variable that holds what whoever writes through the page
// must know.
const serveToken = "ACCORD_SERVE_TOKEN"

// leastToken is the least length of a token that other machines can try to guess.
const leastToken = 16

type serveOptions struct {
	listen   string
	interval time.Duration
}

func (c *cli) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run continuously: near real-time syncs, drift checks, status page",
		Long: `Looks for changes in the content vaults at every interval and brings them to the
CRM vaults at once; runs in full where the rules ask for it; and serves a page
with how things stand. It runs what was applied, never the files, and notices by
itself when something else is applied; then it reads the notify and serve blocks
again, too. Webhooks of notify blocks are told of each
run that did something, and of errors; deliveries are signed with the secret in
` + webhookSecret + `.

Several may run for one state: a lease decides who runs a point, and when one of
them is gone, the others carry on. A vault that is slow, or does not answer, holds
up nobody but its own points.

For machines: /metrics, for Prometheus. /livez answers 503 where only a start anew
would help: the loop does not come round. /healthz answers 503, and why, where
nothing can be brought over: nothing was applied, or for three intervals, at least
15 s, the state could not be read, or no content vault, or no CRM vault, has answered.
Its body says what was last heard of each vault, and so do accord_up, accord_healthy
and accord_vault_up.

The page is served on this machine alone. Where another address is given, a token
must be set, and every page but /livez and /healthz asks for it. Whoever wants
something done through the page always needs it. It comes from ` + serveToken + `.
The page speaks plain HTTP: beyond this machine, put a proxy with TLS before it.`,
		Example: `  accord serve
  accord serve -listen=127.0.0.1:9000 -interval=2s
  ACCORD_SERVE_TOKEN=… accord serve -listen=0.0.0.0:8420
  accord serve -listen=off -json`,
		Annotations: exits(exitAccess, exitInterrupted),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("interval") && o.interval <= 0 {
				return misused("Write how long to wait between two looks, such as 5s, or leave it out.", "-interval=%s is no time to wait", o.interval)
			}
			return c.runServe(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8420", "serve the page at `ADDRESS`; off: not at all")
	cmd.Flags().DurationVar(&o.interval, "interval", 0, "look for changes this often; left out: as the accord block says, else 5s")
	return cmd
}

func (c *cli) runServe(ctx context.Context, o serveOptions) error {
	s := &server{cli: c, opts: o, token: os.Getenv(serveToken), log: c.serveLog(), started: time.Now()}
	if o.listen != "off" {
		stop, err := s.listen(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	return s.run(ctx)
}

// server is one accord serve: sessions, one after another, and the page.
type server struct {
	cli     *cli
	opts    serveOptions
	token   string
	log     *slog.Logger
	started time.Time

	open    bool         // to other machines
	guesses atomic.Int64 // wrong tokens whose answers are being held back
	now     atomic.Pointer[session]
	tried   atomic.Pointer[beginning]

	untold sync.Map // by webhook, as the journal calls it: untoldRuns
}

// beginning is the last attempt to begin a session.
type beginning struct {
	at  time.Time
	why error // nothing is brought over: why the one before ended, or this one waits; nil: it has just begun
}

// tries notes that a session is about to begin, or still waits to.
func (s *server) tries(why error) { s.tried.Store(&beginning{time.Now(), why}) }

// How long the next session waits after one that failed, at most and at first.
const (
	sessionWait = time.Second
	sessionMost = time.Minute
)

// run has one session after another, until it is stopped: a session ends when
// the vaults it is connected to are no longer those that were applied, or when
// it has lost its plugin or its state. What is wrong with the files, or with what they
// name, ends it at its start alone: later somebody may be editing them, or the database
// of the state may be away for a while.
func (s *server) run(ctx context.Context) error {
	wait := sessionWait
	s.tries(nil)
	ctx, end := context.WithCancel(ctx)
	sessions := graph.Group{Crashed: end}
	defer func() {
		end()
		_ = sessions.Wait()
	}()
	for first := true; ; first = false {
		began := time.Now()
		err := s.attend(ctx, &sessions)
		if ctx.Err() != nil {
			_ = sessions.Wait()
			s.log.Info("stopped")
			return nil
		}
		var over *exit
		switch {
		case first && errors.As(err, &over) && over.shown: // a mistake in the files: told, with its line
			return err
		case errors.Is(err, state.ErrSealed), errors.Is(err, state.ErrNoJournal): // no waiting gives a key, or a journal
			return err
		case errors.Is(err, errMoved):
			s.log.Info("another configuration was applied", "why", err)
			s.tries(nil)
			wait = sessionWait
			continue
		case time.Since(began) > sessionMost:
			wait = sessionWait
		}
		s.tries(err)
		s.log.Error("cannot run at the moment", "error", err, "again_in", wait.String())
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, sessionMost)
		s.tries(err)
	}
}

// attend has a session, and says why it ended. Where another configuration was applied
// what that session has begun comes to its end beside the next one: a vault that does
// not answer a write holds up no other (CLM-9).
func (s *server) attend(ctx context.Context, sessions *graph.Group) error {
	own, end := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	sessions.Go(func() error {
		defer end(nil)
		ended <- s.session(own, end)
		return nil
	})
	if <-own.Done(); errors.Is(context.Cause(own), errMoved) {
		return errMoved
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done(): // it is waited for in the end, and so is a crash
		return ctx.Err()
	}
}

// listen serves the page until stop is called.
func (s *server) listen(ctx context.Context) (stop func(), err error) {
	host, _, err := net.SplitHostPort(s.opts.listen)
	if err != nil {
		return nil, misused("Write an address and a port, such as 127.0.0.1:8420, or off.", "-listen=%s is not of the form HOST:PORT", s.opts.listen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		s.open = true
		if s.token != "" && len(s.token) < leastToken {
			return nil, misused(fmt.Sprintf("Set %s to %d characters or more, such as: openssl rand -base64 24", serveToken, leastToken), "-listen=%s is reached from other machines, and the token is too short", s.opts.listen)
		}
		if s.token == "" {
			return nil, misused("Set "+serveToken+" to a secret of your choice, or listen on 127.0.0.1.", "-listen=%s is reached from other machines, and no token is set", s.opts.listen)
		}
	}
	listener, err := net.Listen("tcp", s.opts.listen)
	if err != nil {
		return nil, fmt.Errorf("serve the page: %w", err)
	}
	srv := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	go func() { _ = srv.Serve(listener) }()
	s.log.Info("serving", "page", "http://"+listener.Addr().String()+"/")
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
	}, nil
}

// status is how things stand, whether or not a session is on.
func (s *server) status() watch.Status {
	if now := s.now.Load(); now != nil {
		return now.watch.Status()
	}
	st := watch.Status{Started: s.started, Interval: sessionMost / 10}
	if last := s.tried.Load(); last != nil {
		st.Beat, st.Err = last.at, last.why
	}
	return st
}

// records is the journal of the session that is on; nil where there is none.
func (s *server) records() state.Journal {
	if now := s.now.Load(); now != nil {
		return now.journal
	}
	return nil
}
