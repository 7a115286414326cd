package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"strings"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

// handler serves the page, its JSON, /livez, /healthz and /metrics.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.live)
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /metrics", s.reader(s.metrics))
	mux.HandleFunc("GET /{$}", s.reader(s.page))
	mux.HandleFunc("GET /status.json", s.reader(s.statusJSON))
	mux.HandleFunc("GET /login", s.loginPage)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("POST /run", s.writer(s.runNow))
	mux.HandleFunc("POST /reprocess", s.writer(s.reprocess))
	return s.guard(mux)
}

// guard refuses what a browser was tricked into: another host's name for this
// machine, and forms of other sites.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !s.open && !localName(r.Host) {
			http.Error(w, "this page is served to this machine alone; ask for it as localhost", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodPost {
			if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
				http.Error(w, "this came from another site", http.StatusForbidden)
				return
			}
			if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
				http.Error(w, "this came from another site", http.StatusForbidden)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		}
		next.ServeHTTP(w, r)
	})
}

func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// render executes a template, wholly or not at all.
func (s *server) render(w http.ResponseWriter, name string, data any) {
	nonce := rand.Text()
	var out bytes.Buffer
	if err := pages().ExecuteTemplate(&out, name, map[string]any{"Nonce": nonce, "Data": data}); err != nil {
		s.log.Error("a page cannot be shown", "page", name, "error", err)
		http.Error(w, "this page cannot be shown; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	_, _ = out.WriteTo(w)
}

// runNow asks for a run of one point: of what is due, or in full.
func (s *server) runNow(w http.ResponseWriter, r *http.Request) {
	on, p, ok := s.asked(w, r)
	if !ok {
		return
	}
	full := r.PostFormValue("full") != ""
	if err := mayRun(p, full); err != nil {
		http.Error(w, clean(providers.Advised(err)), http.StatusConflict)
		return
	}
	if full {
		if err := syncer.Owe(r.Context(), on.journal, p.Addr, []syncer.Reason{syncer.Requested}, state.Allowance{}); err != nil {
			s.failed(w, err)
			return
		}
	}
	on.watch.Request(p.Addr)
	s.log.Info("a run was asked for through the page", "point", p.Addr.String(), "full", full)
	s.done(w, r)
}

// mayRun says why a point does not run though somebody asks for it; nil: it does.
func mayRun(p watch.Point, full bool) error {
	switch s := &p.Sync; {
	case !s.Active:
		return providers.Errorf(providers.Refused, "%s does not run: %s", p.Addr, cmp.Or(s.Idle, p.Waits, "it is not active"))
	case s.Engine == providers.EnginePlatform && !full:
		return runsByItself(p.Addr)
	}
	return nil
}

// reprocess has an item tried again at once, by a run of that alone (ERR-2), and
// deactivates a message, without any (ERR-1); the next run tries again.
func (s *server) reprocess(w http.ResponseWriter, r *http.Request) {
	on, p, ok := s.asked(w, r)
	if !ok {
		return
	}
	e, err := on.exception(r.Context(), p, r.PostFormValue("id"))
	if err == nil {
		err = on.reprocess(r.Context(), e, p.Sync)
	}
	switch {
	case providers.KindOf(err) == providers.NotFound:
		http.Error(w, clean(err.Error()), http.StatusNotFound)
		return
	case providers.KindOf(err) == providers.Refused:
		http.Error(w, clean(providers.Advised(err)), http.StatusConflict)
		return
	case err != nil:
		s.failed(w, err)
		return
	}
	s.log.Info("reprocessing was asked for through the page", "point", p.Addr.String(), "exception", e.ID, "type", e.Type)
	s.done(w, r)
}

// asked finds the point that a form is about.
func (s *server) asked(w http.ResponseWriter, r *http.Request) (*session, watch.Point, bool) {
	on := s.now.Load()
	if on == nil {
		http.Error(w, "nothing can be run at the moment", http.StatusServiceUnavailable)
		return nil, watch.Point{}, false
	}
	addr, err := addrs.ParseInstance(r.PostFormValue("point"))
	if err == nil {
		for _, p := range on.watch.Status().Points {
			if p.Addr == addr {
				return on, p, true
			}
		}
	}
	http.Error(w, "there is no such point", http.StatusNotFound)
	return nil, watch.Point{}, false
}

func (s *server) done(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *server) failed(w http.ResponseWriter, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.log.Error("what was asked for through the page failed", "error", err)
	http.Error(w, clean(err.Error()), http.StatusInternalServerError)
}
