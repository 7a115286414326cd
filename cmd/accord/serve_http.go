package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
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

// tokenCookie keeps what a browser logged in with: not the token, but a digest.
const tokenCookie = "accord_token"

func (s *server) digest() string {
	sum := sha256.Sum256([]byte("accord serve\n" + s.token))
	return hex.EncodeToString(sum[:])
}

// known reports whether a request carries the token, as a header or a cookie.
func (s *server) known(r *http.Request) bool {
	if s.token == "" {
		return false
	}
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return same(bearer, s.token)
	}
	cookie, err := r.Cookie(tokenCookie)
	return err == nil && same(cookie.Value, s.digest())
}

// reader lets whoever may read through: on this machine everyone.
func (s *server) reader(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.open && !s.known(r) {
			s.turnAway(w, r)
			return
		}
		next(w, r)
	}
}

// writer lets the token alone through.
func (s *server) writer(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.known(r) {
			s.turnAway(w, r)
			return
		}
		next(w, r)
	}
}

func (s *server) turnAway(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" && !s.guessed(w) {
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="accord"`)
	http.Error(w, s.howToWrite(), http.StatusUnauthorized)
}

// How often the token may be guessed, by all who guess together.
const (
	guessTime  = 300 * time.Millisecond
	guessesNow = 8
)

// guessed makes a wrong token take its time; false: too many are being tried at
// once, and that was answered.
func (s *server) guessed(w http.ResponseWriter) bool {
	if s.guesses.Add(1) > guessesNow {
		s.guesses.Add(-1)
		http.Error(w, "too many wrong tokens at once", http.StatusTooManyRequests)
		return false
	}
	defer s.guesses.Add(-1)
	time.Sleep(guessTime)
	return true
}

func (s *server) howToWrite() string {
	if s.token == "" {
		return "no token is set, so nothing can be done through this page; set " + serveToken + " for accord serve"
	}
	return "this needs the token of accord serve: Authorization: Bearer …"
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	given := r.PostFormValue("token")
	if s.token == "" || subtle.ConstantTimeCompare([]byte(given), []byte(s.token)) != 1 {
		if !s.guessed(w) {
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		s.render(w, "login", map[string]any{"Wrong": s.token != "", "None": s.token == ""})
		return
	}
	http.SetCookie(w, &http.Cookie{Name: tokenCookie, Value: s.digest(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil, MaxAge: 12 * 3600})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, "login", map[string]any{"None": s.token == ""})
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: tokenCookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// live answers 200 while the loop comes round, else 503: a start anew would help.
func (s *server) live(w http.ResponseWriter, r *http.Request) {
	st := s.status()
	why := st.Alive(time.Now())
	s.answer(w, r, why, map[string]any{"alive": why == "", "started": st.Started.UTC(), "beats": st.Beats})
}

// health answers 200 while something can be brought over, else 503 and why, with
// what was last heard of each vault.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	st, now := s.status(), time.Now()
	why := st.Healthy(now)
	answer := map[string]any{"healthy": why == "", "started": st.Started.UTC(), "beats": st.Beats, "serial": st.Serial, "points": len(st.Points)}
	if s.tells(r) {
		vaults := map[string]vaultHealth{}
		for _, v := range st.Vaults {
			vaults[v.Addr.String()] = healthOf(v)
		}
		answer["vaults"] = vaults
	}
	s.answer(w, r, why, answer)
}

// vaultHealth is what was last heard of a vault.
type vaultHealth struct {
	State    string    `json:"state"` // ok | failing: it did not answer when it was asked last | silent: for too long
	Answered time.Time `json:"answered,omitzero"`
	Why      string    `json:"why,omitempty"`
}

func healthOf(v watch.Vault) vaultHealth {
	h := vaultHealth{State: "ok", Answered: v.Answered.UTC()}
	if v.Err != nil {
		h.State, h.Why = "failing", clean(v.Err.Error())
	}
	if v.Silent {
		h.State = "silent"
	}
	return h
}

// tells reports whether whoever asks may know more than that something is wrong.
func (s *server) tells(r *http.Request) bool { return !s.open || s.known(r) }

func (s *server) answer(w http.ResponseWriter, r *http.Request, why string, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	if why != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		if s.tells(r) {
			answer["why"] = clean(why)
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
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
	on, addr, ok := s.asked(w, r)
	if !ok {
		return
	}
	if r.PostFormValue("full") != "" {
		if err := on.journal.Owe(r.Context(), addr, []string{string(syncer.Requested)}); err != nil {
			s.failed(w, r, err)
			return
		}
	}
	on.watch.Request(addr)
	s.log.Info("a run was asked for through the page", "point", addr.String(), "full", r.PostFormValue("full") != "")
	s.done(w, r)
}

// reprocess has an item tried again at once, by a run of that alone (ERR-2), and
// deactivates a message, without any (ERR-1); the next run tries again.
func (s *server) reprocess(w http.ResponseWriter, r *http.Request) {
	on, addr, ok := s.asked(w, r)
	if !ok {
		return
	}
	e, sync, err := on.exception(r.Context(), addr, r.PostFormValue("id"))
	if err == nil {
		err = on.reprocess(r.Context(), e, sync)
	}
	switch {
	case providers.KindOf(err) == providers.NotFound:
		http.Error(w, clean(err.Error()), http.StatusNotFound)
		return
	case providers.KindOf(err) == providers.Refused:
		http.Error(w, clean(err.Error()), http.StatusConflict)
		return
	case err != nil:
		s.failed(w, r, err)
		return
	}
	s.log.Info("reprocessing was asked for through the page", "point", addr.String(), "exception", e.ID, "type", e.Type)
	s.done(w, r)
}

// asked finds the point that a form is about.
func (s *server) asked(w http.ResponseWriter, r *http.Request) (*session, addrs.Instance, bool) {
	on := s.now.Load()
	if on == nil {
		http.Error(w, "nothing can be run at the moment", http.StatusServiceUnavailable)
		return nil, addrs.Instance{}, false
	}
	addr, err := addrs.ParseInstance(r.PostFormValue("point"))
	if err == nil {
		for _, p := range on.watch.Status().Points {
			if p.Addr == addr {
				return on, addr, true
			}
		}
	}
	http.Error(w, "there is no such point", http.StatusNotFound)
	return nil, addr, false
}

func (s *server) done(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *server) failed(w http.ResponseWriter, _ *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.log.Error("what was asked for through the page failed", "error", err)
	http.Error(w, clean(err.Error()), http.StatusInternalServerError)
}
