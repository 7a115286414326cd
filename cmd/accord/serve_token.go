package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

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
