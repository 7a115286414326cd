package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// session is the one session of a client. Whoever finds it ended asks for
// another; one of them logs in, the others wait for the outcome.
type session struct {
	c     *conn
	vault atomic.Int64
	user  atomic.Int64

	mu     sync.Mutex
	id     Secret
	spoken Secret // the password that was sent last
	dead   *Error // it was the wrong vault, or the client is closed
	flight *login
}

type login struct {
	done chan struct{}
	id   Secret
	err  error
}

// get returns a session other than stale, logging in if need be.
func (s *session) get(ctx context.Context, stale Secret) (Secret, error) {
	for {
		if err := s.c.cfg.Refusals.stands(ctx, &s.c.cfg); err != nil {
			return Secret{}, err
		}
		s.mu.Lock()
		if err := s.ended(); err != nil {
			s.mu.Unlock()
			return Secret{}, err
		}
		if !s.id.Empty() && s.id != stale {
			defer s.mu.Unlock()
			return s.id, nil
		}
		if running := s.flight; running != nil {
			s.mu.Unlock()
			select {
			case <-running.done:
			case <-ctx.Done():
				return Secret{}, &Error{Op: "log in", Kind: Transient, Cause: context.Cause(ctx)}
			}
			if abandoned(running.err) {
				continue // the one that logged in was called off, we were not
			}
			return running.id, running.err
		}
		mine := &login{done: make(chan struct{})}
		s.flight = mine
		s.mu.Unlock()

		mine.id, mine.err = s.login(ctx, !stale.Empty())

		s.mu.Lock()
		s.flight = nil
		if mine.err == nil && s.dead == nil {
			s.id = mine.id
		}
		s.mu.Unlock()
		close(mine.done)
		return mine.id, mine.err
	}
}

func abandoned(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// kill makes every later call fail with err.
func (s *session) kill(err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.dead = err
	}
}

// clean takes the session and the password out of a text of the server's.
func (s *session) clean(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return scrub(text, s.id, s.spoken)
}

// death is why nothing may be sent; nil while the session lives.
func (s *session) death() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended()
}

// ended is death, for who holds the lock.
func (s *session) ended() *Error {
	if s.dead != nil {
		return s.dead
	}
	return s.c.cfg.Refusals.last()
}

func (s *session) login(ctx context.Context, again bool) (Secret, error) {
	c := s.c
	op := "log in at " + c.base.Host + c.base.Path
	user, password, err := c.cfg.Credentials(ctx)
	if err != nil {
		return Secret{}, &Error{Op: op, Kind: Auth, Cause: err}
	}
	if user == "" || password.Empty() {
		return Secret{}, &Error{Op: op, Kind: Auth, Message: "no user or no password given"}
	}
	op += " as " + user
	s.mu.Lock()
	s.spoken = password
	s.mu.Unlock()

	var reply struct {
		SessionID string `json:"sessionId"`
		UserID    Int    `json:"userId"`
		VaultID   Int    `json:"vaultId"`
		VaultIDs  []struct {
			ID  Int    `json:"id"`
			URL string `json:"url"`
		} `json:"vaultIds"`
	}
	tries := 3 // somebody waits, and has perhaps mistyped the address
	if again {
		tries = 0
	}
	err = c.do(ctx, call{
		op: op, login: true, method: http.MethodPost, path: c.path("auth"), tries: tries,
		body: form(url.Values{"username": {user}, "password": {password.Reveal()}}),
	}, &reply)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Kind == Auth && e.Type != "" {
			c.cfg.Refusals.note(password, e, c.cfg.Clock.Now())
		}
		return Secret{}, err
	}

	wrong := func(format string, args ...any) (Secret, error) {
		e := &Error{Op: op, Kind: WrongVault, Message: fmt.Sprintf(format, args...), VaultID: fmt.Sprint(reply.VaultID)}
		s.kill(e)
		return Secret{}, e
	}
	if want := c.cfg.Expect.VaultID; want != 0 && int64(reply.VaultID) != want {
		return wrong("the session is for vault %d, not for vault %d", reply.VaultID, want)
	}
	if before := s.vault.Load(); before != 0 && int64(reply.VaultID) != before {
		return wrong("the session is for vault %d, the one before was for vault %d", reply.VaultID, before)
	}
	address := ""
	for _, v := range reply.VaultIDs {
		if v.ID == reply.VaultID {
			address = v.URL
		}
	}
	if !sameVault(c.base, address) {
		return wrong("the session is for vault %d at %q, not at %s", reply.VaultID, address, c.base)
	}
	if reply.SessionID == "" {
		return Secret{}, &Error{Op: op, Kind: Internal, Message: "the answer has no session"}
	}

	c.cfg.Refusals.forget()
	s.vault.Store(int64(reply.VaultID))
	s.user.Store(int64(reply.UserID))
	c.logins.Add(1)
	c.observe(LoggedIn{VaultID: int64(reply.VaultID), UserID: int64(reply.UserID), Again: again})
	return NewSecret(reply.SessionID), nil
}

// sameVault tells whether address, from vaultIds[].url, is base with "/api".
func sameVault(base *url.URL, address string) bool {
	at, err := url.Parse(address)
	if err != nil || !strings.EqualFold(at.Hostname(), base.Hostname()) || port(at) != port(base) {
		return false
	}
	path := strings.TrimSuffix(strings.TrimRight(at.Path, "/"), "/api")
	return path == base.Path
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"https": "443", "http": "80"}[u.Scheme]
}

// end ends the session at the vault.
func (s *session) end(ctx context.Context) error {
	s.mu.Lock()
	has := !s.id.Empty() && s.ended() == nil
	s.mu.Unlock()
	if !has {
		return nil
	}
	err := s.c.do(ctx, call{op: "end the session", method: http.MethodDelete, path: s.c.path("session")}, nil)
	s.kill(&Error{Op: "call vault", Kind: Internal, Message: "the client is closed"})
	return err
}
