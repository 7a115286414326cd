package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServePageIsGuarded(t *testing.T) {
	t.Parallel()
	noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(web *httptest.Server, method, path string, change func(*http.Request)) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequest(method, web.URL+path, strings.NewReader("point=x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if change != nil {
			change(r)
		}
		resp, err := noRedirect.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}

	local, none, open := served(t, "s3cret", false), served(t, "", false), served(t, "s3cret", true)
	for _, c := range []struct {
		what         string
		web          *httptest.Server
		method, path string
		change       func(*http.Request)
		want         int
	}{
		{"reading on this machine", local, "GET", "/", nil, 200},
		{"reading without a token set", none, "GET", "/", nil, 200},
		{"another host's name", local, "GET", "/", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"writing without the token", local, "POST", "/run", nil, 401},
		{"writing where none is set", none, "POST", "/run", bearer(""), 401},
		{"writing with another token", local, "POST", "/run", bearer("guess"), 401},
		{"writing with the token", local, "POST", "/run", bearer("s3cret"), 503},
		{"a form of another site", local, "POST", "/run", func(r *http.Request) {
			bearer("s3cret")(r)
			r.Header.Set("Origin", "http://evil.example")
		}, 403},
		{"a form of another site, as browsers say today", local, "POST", "/run", func(r *http.Request) {
			bearer("s3cret")(r)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, 403},
		{"writing by GET", local, "GET", "/run", bearer("s3cret"), 405},
		{"reading from elsewhere", open, "GET", "/", nil, 401},
		{"reading from elsewhere, in a browser", open, "GET", "/", func(r *http.Request) { r.Header.Set("Accept", "text/html") }, 303},
		{"metrics from elsewhere", open, "GET", "/metrics", nil, 401},
		{"metrics with the token", open, "GET", "/metrics", bearer("s3cret"), 200},
		{"health from elsewhere", open, "GET", "/healthz", nil, 503},
		{"no such page", local, "GET", "/x", nil, 404},
	} {
		if got, body, _ := ask(c.web, c.method, c.path, c.change); got != c.want {
			t.Errorf("%s: %d, want %d: %s", c.what, got, c.want, body)
		}
	}
	if _, body, _ := ask(open, "GET", "/healthz", nil); strings.Contains(body, "applied") {
		t.Errorf("a stranger learns what is wrong: %s", body)
	}
	_, _, header := ask(local, "GET", "/", nil)
	if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("content security policy: %s", csp)
	}

	// Logging in with a form gives a cookie that is not the token.
	resp, err := noRedirect.PostForm(open.URL+"/login", url.Values{"token": {"s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != 303 || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || strings.Contains(cookies[0].Value, "s3cret") {
		t.Fatalf("login: %d %v", resp.StatusCode, cookies)
	}
	if got, _, _ := ask(open, "GET", "/", func(r *http.Request) { r.AddCookie(cookies[0]) }); got != 200 {
		t.Errorf("with the cookie: %d", got)
	}
	if resp, err := noRedirect.PostForm(open.URL+"/login", url.Values{"token": {"guess"}}); err != nil || resp.StatusCode != 401 {
		t.Errorf("a wrong token: %v %v", resp.StatusCode, err)
	}
}

// Guessing the token takes time, however many guess at once.
func TestServeTokenIsNotGuessed(t *testing.T) {
	t.Parallel()
	web := served(t, "s3cret", true)
	began := time.Now()
	var guesses sync.WaitGroup
	var told sync.Map
	for n := range 64 {
		guesses.Go(func() {
			path, header := "/status.json", "Bearer "+fmt.Sprint(n)
			var resp *http.Response
			var err error
			if n%2 == 0 {
				r, _ := http.NewRequest("GET", web.URL+path, nil)
				r.Header.Set("Authorization", header)
				resp, err = http.DefaultClient.Do(r)
			} else {
				resp, err = http.PostForm(web.URL+"/login", url.Values{"token": {fmt.Sprint(n)}})
			}
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			told.Store(n, resp.StatusCode)
		})
	}
	guesses.Wait()
	heard := 0
	told.Range(func(_, status any) bool {
		if status == http.StatusUnauthorized {
			heard++
		} else if status != http.StatusTooManyRequests {
			t.Errorf("a guess is answered with %v", status)
		}
		return true
	})
	if most := guessesNow * (1 + int(time.Since(began)/guessTime)); heard == 0 || heard > most {
		t.Errorf("%d of 64 guesses were judged in %s, want at most %d", heard, time.Since(began), most)
	}
}

func TestServeRefusesToBeOpenWithoutAToken(t *testing.T) {
	s := &server{cli: &cli{}, opts: serveOptions{listen: "0.0.0.0:0"}, log: (&cli{stderr: io.Discard}).serveLog()}
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), serveToken) {
		t.Errorf("open to all: %v", err)
	}
	s.token = "s3cret"
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("open to all, with a short token: %v", err)
	}
	s.token = ""
	// A port that is taken is said so.
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	s.opts.listen = strings.TrimPrefix(taken.URL, "http://")
	if _, err := s.listen(context.Background()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
}
