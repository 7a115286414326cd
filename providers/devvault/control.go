package devvault

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"
)

// controlRoutes are the control API: what a person or a test does to the server from outside of any vault. It needs the header
// X-Dev-Token with the server's password.
func controlRoutes() []*route {
	routes := []*route{
		{method: "GET", pattern: "vaults", handle: controlVaults},
		{method: "POST", pattern: "vaults", handle: controlAddVault},
		{method: "POST", pattern: "users", handle: controlAddUser},
		{method: "POST", pattern: "connect", handle: controlConnect},
		{method: "POST", pattern: "engine/{vault}", handle: controlEngine},
		{method: "GET", pattern: "clock", handle: controlClock},
		{method: "POST", pattern: "clock", handle: controlSetClock},
		{method: "GET", pattern: "faults", handle: controlFaults},
		{method: "POST", pattern: "faults", handle: controlAddFault},
		{method: "DELETE", pattern: "faults", handle: controlClearFaults},
		{method: "GET", pattern: "calls", handle: controlCalls},
		{method: "GET", pattern: "settings", handle: controlSettings},
		{method: "POST", pattern: "settings", handle: controlSet},
		{method: "POST", pattern: "load/{vault}", handle: controlLoad, library: true},
		{method: "GET", pattern: "dump/{vault}", handle: controlDump},
		{method: "GET", pattern: "client", handle: controlClients},
		{method: "POST", pattern: "client", handle: controlClient},
		{method: "DELETE", pattern: "client/{id}", handle: controlClientGone},
		{method: "POST", pattern: "sessions/expire", handle: controlExpire},
	}
	for _, r := range routes {
		r.bare = true
	}
	return routes
}

func (s *Server) serveControl(c *call, w http.ResponseWriter, path string) {
	found, params, known := s.control.find(c.r.Method, path)
	var r reply
	var err error
	switch {
	case subtle.ConstantTimeCompare([]byte(c.r.Header.Get("X-Dev-Token")), []byte(s.password)) != 1:
		err = fail("INSUFFICIENT_ACCESS", "The header X-Dev-Token is not the password of this server")
	case found == nil && known:
		err = fail("METHOD_NOT_SUPPORTED", "The HTTP method [%s] is not supported for this call", c.r.Method)
	case found == nil:
		err = fail("MALFORMED_URL", "The resource [/_dev/%s] does not exist", path)
	default:
		c.route, c.path = found, params
		if err = c.readBody(); err == nil {
			r, err = found.handle(c)
		}
	}
	c.write(w, r, err)
}

func invalid(err error) error {
	if err == nil {
		return nil
	}
	if _, isAPI := err.(*apiError); isAPI {
		return err
	}
	return fail("INVALID_DATA", "%v", err)
}

func (c *call) vaultBody(v *vault) body {
	return body{"id", v.id, "name", v.name, "kind", v.kind, "environment", v.environment, "domain", v.domain,
		"url", c.base(v.name), "user", "admin@" + v.name + ".dev"}
}

func controlVaults(c *call) (reply, error) {
	list := []body{}
	for _, v := range c.s.list() {
		list = append(list, c.vaultBody(v))
	}
	return ok("vaults", list)
}

func controlAddVault(c *call) (reply, error) {
	var spec VaultSpec
	if err := c.decode(&spec); err != nil {
		return reply{}, err
	}
	if err := c.s.AddVault(spec); err != nil {
		return reply{}, invalid(err)
	}
	return reply{body: c.vaultBody(c.s.vault(spec.Name))}, nil
}

func controlAddUser(c *call) (reply, error) {
	var spec UserSpec
	if err := c.decode(&spec); err != nil {
		return reply{}, err
	}
	if err := c.s.AddUser(spec); err != nil {
		return reply{}, invalid(err)
	}
	return ok("id", c.s.user(spec.Name).ID)
}

func controlConnect(c *call) (reply, error) {
	var spec ConnectSpec
	if err := c.decode(&spec); err != nil {
		return reply{}, err
	}
	return reply{}, invalid(c.s.Connect(spec, strings.TrimSuffix(c.base(""), "/")))
}

// controlEngine switches the stand-in of the platform's own engine: {"on": true}.
func controlEngine(c *call) (reply, error) {
	var in struct {
		On bool `json:"on"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return reply{}, invalid(c.s.SetEngine(c.param("vault"), in.On))
}

func controlClock(c *call) (reply, error) { return ok("now", c.s.clock.now()) }

func controlSetClock(c *call) (reply, error) {
	var in struct {
		Set     time.Time `json:"set"`
		Advance string    `json:"advance"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if !in.Set.IsZero() {
		if err := c.s.SetClock(in.Set); err != nil {
			return reply{}, err
		}
	}
	if in.Advance != "" {
		d, err := time.ParseDuration(in.Advance)
		if err != nil {
			return reply{}, invalid(err)
		}
		if err := c.s.Advance(d); err != nil {
			return reply{}, err
		}
	}
	return controlClock(c)
}

func controlFaults(c *call) (reply, error) { return ok("faults", c.s.Faults()) }

func controlAddFault(c *call) (reply, error) {
	var f Fault
	if err := c.decode(&f); err != nil {
		return reply{}, err
	}
	id, err := c.s.AddFault(f)
	if err != nil {
		return reply{}, invalid(err)
	}
	return ok("id", id)
}

func controlClearFaults(c *call) (reply, error) {
	c.s.ClearFaults()
	return reply{}, nil
}

func controlCalls(c *call) (reply, error) {
	_, reset := c.form["reset"]
	list := c.s.Calls(reset)
	total := map[string]int{}
	for _, x := range list {
		total[x.Effect] += x.Count
	}
	return ok("reads", total["read"], "writes", total["write"], "logins", total["auth"], "calls", list)
}

// settingsBody is Settings in JSON: durations as Go writes them, "500ms".
type settingsBody struct {
	Burst         int    `json:"burst,omitempty"`
	BurstDelay    string `json:"burst_delay,omitempty"`
	AuthBurst     int    `json:"auth_burst,omitempty"`
	AuthDelay     string `json:"auth_delay,omitempty"`
	IdleTimeout   string `json:"idle_timeout,omitempty"`
	JobPollPeriod string `json:"job_poll_period,omitempty"`
	Queries       *int   `json:"queries,omitempty"`    // 0: no limit
	PageBytes     *int   `json:"page_bytes,omitempty"` // 0: no limit

	ClientIDs []string `json:"client_ids,omitempty"` // Client ID Filtering; ["*"] turns it off
}

func controlSettings(c *call) (reply, error) {
	s := c.s.settings.Load()
	return ok("settings", settingsBody{s.Burst, s.BurstDelay.String(), s.AuthBurst, s.AuthDelay.String(), s.IdleTimeout.String(), s.JobPollPeriod.String(), unlimited(s.Queries), unlimited(s.PageBytes), s.ClientIDs})
}

// unlimited is a limit as it is told: 0 where there is none.
func unlimited(n int) *int {
	n = max(0, n)
	return &n
}

// limit is a limit as it is set: 0 turns it off, and none leaves it.
func limit(n *int) int {
	switch {
	case n == nil:
		return 0
	case *n == 0:
		return -1
	}
	return *n
}

func controlSet(c *call) (reply, error) {
	var in settingsBody
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	n := Settings{Burst: in.Burst, AuthBurst: in.AuthBurst, Queries: limit(in.Queries), PageBytes: limit(in.PageBytes), ClientIDs: in.ClientIDs}
	for _, d := range []struct {
		text string
		to   *time.Duration
	}{{in.BurstDelay, &n.BurstDelay}, {in.AuthDelay, &n.AuthDelay}, {in.IdleTimeout, &n.IdleTimeout}, {in.JobPollPeriod, &n.JobPollPeriod}} {
		if d.text == "" {
			continue
		}
		v, err := time.ParseDuration(d.text)
		if err != nil {
			return reply{}, invalid(err)
		}
		*d.to = v
	}
	c.s.Set(n)
	return controlSettings(c)
}

// controlExpire ends all sessions, as if they had been idle for too long.
func controlExpire(c *call) (reply, error) {
	c.s.ExpireSessions()
	return reply{}, nil
}

// ExpireSessions ends all sessions, as if they had been idle for too long.
func (s *Server) ExpireSessions() {
	s.sessions.Range(func(k, _ any) bool { s.sessions.Delete(k); return true })
}

// clients are the leases of processes that use the server. A server that was started for them ends when the last one has gone.
type clients struct {
	mu   sync.Mutex
	last int
	live map[int]bool
	gone chan struct{}
}

func controlClient(c *call) (reply, error) {
	l := &c.s.clients
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		l.live = map[int]bool{}
	}
	l.last++
	l.live[l.last] = true
	return ok("id", l.last)
}

func controlClients(c *call) (reply, error) {
	l := &c.s.clients
	l.mu.Lock()
	defer l.mu.Unlock()
	return ok("live", len(l.live))
}

func controlClientGone(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	l := &c.s.clients
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.live[int(id)] {
		return reply{}, fail("INVALID_DATA", "There is no client %d", id)
	}
	delete(l.live, int(id))
	if len(l.live) == 0 && l.gone != nil {
		close(l.gone)
		l.gone = nil
	}
	return reply{}, nil
}

// ClientsGone returns a channel that is closed when the last client has given its lease back. It stays open while there has been none.
func (s *Server) ClientsGone() <-chan struct{} {
	l := &s.clients
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone == nil {
		l.gone = make(chan struct{})
	}
	return l.gone
}
