package devvault

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// session is a login of a user in a domain. It is good on every vault of the domain in which the user is a member.
// Sessions live in memory: a server that is started again asks for a new login.
type session struct {
	id      string
	user    *user
	vault   *vault // where the login landed
	created time.Time
	used    atomic.Int64 // milliseconds
}

const maxSession = 48 * time.Hour

// authenticate finds the caller of c by its session.
func (s *Server) authenticate(c *call) error {
	bad := fail("INVALID_SESSION_ID", "Invalid or expired session ID.")
	id := c.r.Header.Get("Authorization")
	if rest, isBearer := strings.CutPrefix(id, "Bearer "); isBearer {
		id = rest
	}
	found, loaded := s.sessions.Load(id)
	if !loaded {
		return bad
	}
	ses := found.(*session)
	idle := c.now.Sub(time.UnixMilli(ses.used.Load()))
	if idle > s.settings.Load().IdleTimeout || c.now.Sub(ses.created) > maxSession {
		s.sessions.Delete(id)
		return bad
	}
	p := s.principal(ses.user, c.v)
	if p == nil || ses.vault.domain != c.v.domain {
		return bad
	}
	ses.used.Store(c.now.UnixMilli())
	c.session, c.user = ses, p
	setHeader(c.header, "X-VaultAPI-UserId", strconv.FormatInt(p.ID, 10))
	setHeader(c.header, "X-VaultAPI-TruncatedSessionId", id[:16])
	if !p.action("api_access__v") {
		return fail("INSUFFICIENT_ACCESS", "User [%s] lacks the permission [VaultActions_API_Access]", p.Name)
	}
	return nil
}

// handleAuth answers POST /api/{v}/auth.
//
// A user who cannot use the vault that the address names is let in elsewhere: where the last login was, else in the oldest vault.
// Only who has no vault at all is refused.
func handleAuth(c *call) (reply, error) {
	name, password := c.form.Get("username"), c.form.Get("password")
	refuse := func(e *apiError) (reply, error) {
		e.extra = body{"errorType", "AUTHENTICATION_FAILED"}
		return reply{}, errors.Join(e, c.auditRefusal(name, e.Type))
	}
	if name == "" {
		return refuse(fail("PARAMETER_REQUIRED", "Missing required parameter [username]"))
	}
	if password == "" {
		return refuse(fail("NO_PASSWORD_PROVIDED", "No password was provided for the login call."))
	}
	dns := c.form.Get("vaultDNS")
	if dns == "" {
		dns = strings.SplitN(strings.TrimPrefix(c.r.URL.Path, "/"), "/", 2)[0]
	}
	if err := c.s.limits.login(c, name, dns); err != nil {
		if e, isAPI := err.(*apiError); isAPI {
			return refuse(e)
		}
		return reply{}, err
	}
	u := c.s.user(name)
	if u == nil || !u.matches(password, c.s.password) {
		return refuse(fail("USERNAME_OR_PASSWORD_INCORRECT", "Authentication failed for user: %s.", name))
	}
	if !u.active() {
		return refuse(fail("INACTIVE_USER", "User %s is inactive.", name))
	}
	v := c.s.landing(u, dns)
	if v == nil {
		return refuse(fail("INSUFFICIENT_ACCESS", "User %s has no vault.", name))
	}
	ses, err := c.s.login(u, v, c.now, c.r)
	if err != nil {
		return reply{}, err
	}
	setHeader(c.header, "X-VaultAPI-VaultId", strconv.FormatInt(v.id, 10))
	setHeader(c.header, "X-VaultAPI-UserId", strconv.FormatInt(u.ID, 10))
	setHeader(c.header, "X-VaultAPI-TruncatedSessionId", ses.id[:16])
	vaults := []body{}
	for _, m := range c.s.vaultsOf(u) {
		vaults = append(vaults, body{"id", m.id, "name", m.name, "url", c.base(m.name) + "/api"})
	}
	return ok("sessionId", ses.id, "userId", u.ID, "vaultIds", vaults, "vaultId", v.id)
}

// auditRefusal notes a login that was refused in the trail of the vault it was for.
func (c *call) auditRefusal(name, why string) error {
	if c.v == nil || name == "" || why == "API_LIMIT_EXCEEDED" {
		return nil
	}
	id := int64(0)
	if u := c.s.user(name); u != nil {
		id = u.ID
	}
	return c.s.store.update(func(t *tx) error {
		t.audit = append(t.audit, loginLine(c.v, id, name, c.r, "Failed: "+why, c.now))
		return nil
	})
}

// loginLine is a line of the login trail. Without a request the login came from the server itself.
func loginLine(v *vault, user int64, name string, from *http.Request, status string, now time.Time) auditLine {
	ip, agent := "", ""
	if from != nil {
		ip, agent = from.RemoteAddr, from.UserAgent()
		if host, _, err := net.SplitHostPort(ip); err == nil {
			ip = host
		}
	}
	return auditLine{trailOf{v.slot, loginTrail}, now.UnixMilli(), user, name, appendJSON(nil, body{"user_name", name, "source_ip", ip, "type", "API Login",
		"status", status, "browser", agent, "platform", ""})}
}

// login opens a session and remembers where.
func (s *Server) login(u *user, v *vault, now time.Time, from *http.Request) (*session, error) {
	var random [32]byte
	rand.Read(random[:])
	ses := &session{id: strings.ToUpper(hex.EncodeToString(random[:])), user: u, vault: v, created: now}
	ses.used.Store(now.UnixMilli())
	err := s.store.update(func(t *tx) error {
		t.then(func() { u.loggedIn(v.slot, now.UnixMilli()) })
		t.audit = append(t.audit, loginLine(v, u.ID, u.Name, from, "Success", now))
		return t.exec(`UPDATE members SET last_login = ? WHERE user = ? AND slot = ?`, now.UnixMilli(), u.ID, v.slot)
	})
	if err != nil {
		return nil, err
	}
	s.sessions.Store(ses.id, ses)
	return ses, nil
}

// landing is the vault that a login for dns ends up in; nil when there is none for this user.
func (s *Server) landing(u *user, dns string) *vault {
	dns = strings.TrimSuffix(dns, "/")
	if i := strings.LastIndexByte(dns, '/'); i >= 0 {
		dns = dns[i+1:]
	}
	var last *vault
	var at int64
	mine := s.vaultsOf(u)
	for _, v := range mine {
		if v.name == dns {
			return v
		}
		if t := u.lastLogin(v.slot); t > at {
			last, at = v, t
		}
	}
	if last == nil && len(mine) > 0 {
		last = mine[0]
	}
	return last
}

// handleKeepAlive answers POST /api/{v}/keep-alive: to have been authenticated is all it takes.
func handleKeepAlive(c *call) (reply, error) { return reply{}, nil }

// handleEndSession answers DELETE /api/{v}/session.
func handleEndSession(c *call) (reply, error) {
	c.s.sessions.Delete(c.session.id)
	return reply{}, nil
}
