package devvault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a server runs. Dir is required.
type Options struct {
	Dir      string // holds the database; made when it is not there
	Password string // of every vault's own admin, and of the control API; "dev" when empty

	// Clock is what time it is; time.Now when nil. The control API sets the server's time relative to it.
	Clock func() time.Time

	// Lax leaves out what only a loss of power would need; killing the process still loses nothing. For tests.
	Lax bool

	Settings Settings
}

// Settings can also be changed while the server runs. A zero value means the default.
type Settings struct {
	Burst         int           // calls in 5 minutes a vault, before each one is delayed; 2000
	BurstDelay    time.Duration // by how much; 500ms
	AuthBurst     int           // logins a minute of one user at one address, before they fail; 20
	AuthDelay     time.Duration // delay of logins in the second half of AuthBurst; 500ms
	IdleTimeout   time.Duration // of a session; 20 minutes
	JobPollPeriod time.Duration // the least time between two looks at one job; 10 seconds
	Queries       int           // queries and pages of one user at one vault at the same time, before the next ones wait; 5; negative: any number
	PageBytes     int           // a page of a query ends after the row that makes it longer than this; negative, and by itself: never
	ClientIDs     []string      // Client ID Filtering: the only clients that are let in; all when empty or "*"
}

func (s Settings) withDefaults() Settings {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	if s.Burst == 0 {
		s.Burst = 2000
	}
	if s.Queries == 0 {
		s.Queries = 5
	}
	if s.AuthBurst == 0 {
		s.AuthBurst = 20
	}
	set(&s.BurstDelay, 500*time.Millisecond)
	set(&s.AuthDelay, 500*time.Millisecond)
	set(&s.IdleTimeout, 20*time.Minute)
	set(&s.JobPollPeriod, 10*time.Second)
	return s
}

// Server is the vaults of one data folder. It is safe for concurrent use.
type Server struct {
	store    *store
	clock    clock
	password string
	settings atomic.Pointer[Settings]
	router   *router
	control  *router
	logins   *router

	mu     sync.RWMutex
	vaults map[string]*vault // by name
	slots  map[int64]*vault
	users  map[string]*user // by name

	sessions sync.Map // id → *session
	limits   limits
	counts   counts
	log      apiLog
	faults   faults
	clients  clients
	queries  queryState
	jobPolls sync.Map // jobPoll → time.Time
	calls    atomic.Uint64
	started  uint64
}

// Open opens the data folder, with the vaults that are in it.
func Open(o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("devvault: Options.Dir is required")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	st, err := openStore(o.Dir, o.Lax)
	if err != nil {
		return nil, err
	}
	s := &Server{store: st, password: o.Password, vaults: map[string]*vault{}, slots: map[int64]*vault{}, users: map[string]*user{}}
	if s.password == "" {
		s.password = "dev"
	}
	s.clock.base = o.Clock
	if s.clock.base == nil {
		s.clock.base = time.Now
	}
	settings := o.Settings.withDefaults()
	s.settings.Store(&settings)
	s.started = uint64(time.Now().UnixNano())
	s.router = apiRouter()
	s.control = newRouter(controlRoutes())
	s.logins = newRouter(withReference(loginRoutes(), true))
	if err := s.load(); err != nil {
		st.close()
		return nil, err
	}
	return s, nil
}

// load reads vaults, users and the clock from the database.
func (s *Server) load() error {
	ctx := context.Background()
	var offset string
	if found, err := one(ctx, s.store.read, []any{&offset}, `SELECT value FROM settings WHERE name = 'clock'`); err != nil {
		return err
	} else if found {
		n, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			return fmt.Errorf("read clock setting: %w", err)
		}
		s.clock.offset.Store(n)
	}
	rows, err := s.store.read.QueryContext(ctx, `SELECT slot, id, name, kind, environment, domain, created FROM vaults ORDER BY slot`)
	if err != nil {
		return fmt.Errorf("read vaults: %w", err)
	}
	defer rows.Close()
	var list []*vault
	for rows.Next() {
		v := &vault{s: s}
		if err := rows.Scan(&v.slot, &v.id, &v.name, &v.kind, &v.environment, &v.domain, &v.created); err != nil {
			return fmt.Errorf("read vaults: %w", err)
		}
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read vaults: %w", err)
	}
	for _, v := range list {
		if err := v.open(ctx); err != nil {
			return fmt.Errorf("open vault %s: %w", v.name, err)
		}
		s.vaults[v.name], s.slots[v.slot] = v, v
		engine, err := s.Noted("engine " + v.name)
		if err != nil {
			return err
		}
		v.engine.Store(engine != "")
	}
	return s.loadUsers(ctx)
}

// Close waits for writes under way and closes the database. Requests that come later fail.
func (s *Server) Close() error { return s.store.close() }

// Now is the server's time.
func (s *Server) Now() time.Time { return s.clock.now() }

// Set changes the settings that are not zero.
func (s *Server) Set(n Settings) {
	for {
		old := s.settings.Load()
		m := *old
		m.Burst = cmp.Or(n.Burst, m.Burst)
		m.BurstDelay = cmp.Or(n.BurstDelay, m.BurstDelay)
		m.AuthBurst = cmp.Or(n.AuthBurst, m.AuthBurst)
		m.Queries = cmp.Or(n.Queries, m.Queries)
		m.PageBytes = cmp.Or(n.PageBytes, m.PageBytes)
		m.AuthDelay = cmp.Or(n.AuthDelay, m.AuthDelay)
		m.IdleTimeout = cmp.Or(n.IdleTimeout, m.IdleTimeout)
		m.JobPollPeriod = cmp.Or(n.JobPollPeriod, m.JobPollPeriod)
		if n.ClientIDs != nil {
			m.ClientIDs = n.ClientIDs
		}
		if s.settings.CompareAndSwap(old, &m) {
			return
		}
	}
}

// SetClock makes it t o'clock from now on; the clock goes on running. It lasts over a restart.
func (s *Server) SetClock(t time.Time) error {
	return s.setOffset(t.Sub(s.clock.base()))
}

// Advance sets the clock forward by d.
func (s *Server) Advance(d time.Duration) error {
	return s.setOffset(time.Duration(s.clock.offset.Load()) + d)
}

func (s *Server) setOffset(d time.Duration) error {
	return s.store.update(func(t *tx) error {
		t.then(func() { s.clock.offset.Store(int64(d)) })
		return t.exec(`INSERT INTO settings VALUES ('clock', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, strconv.FormatInt(int64(d), 10))
	})
}

func (s *Server) vault(name string) *vault {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.vaults[name]
}

func (s *Server) slot(n int64) *vault {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.slots[n]
}

func (s *Server) vaultByID(id int64) *vault {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, v := range s.vaults {
		if v.id == id {
			return v
		}
	}
	return nil
}

// list returns the vaults in the order in which they were made.
func (s *Server) list() []*vault {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]*vault, 0, len(s.slots))
	for _, v := range s.slots {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *vault) int { return int(a.slot - b.slot) })
	return list
}

// Handler serves every vault under /{name}/api/…, and the control API under /_dev/….
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	first, rest, _ := strings.Cut(path, "/")
	c := &call{s: s, r: r, now: s.clock.now(), header: http.Header{}}
	if first == "_dev" {
		s.serveControl(c, w, rest)
		return
	}
	if first == "auth" {
		s.serveLogin(c, w, path)
		return
	}
	c.v = s.vault(first)
	setHeader(c.header, "X-VaultAPI-ExecutionId", fmt.Sprintf("%016x%016x", s.started, s.calls.Add(1)))
	setHeader(c.header, "Date", c.now.UTC().Format(http.TimeFormat)) // the vault's clock, which may be set, not the machine's
	if ref := r.Header.Get("X-VaultAPI-ReferenceId"); ref != "" {
		setHeader(c.header, "X-VaultAPI-ReferenceId", ref)
	}
	if c.v != nil {
		setHeader(c.header, "X-VaultAPI-VaultId", strconv.FormatInt(c.v.id, 10))
		if c.v.engine.Load() {
			setHeader(c.header, "X-Dev-Engine", "on") // ours: a stand-in moves content here
		}
	}
	rest, isAPI := strings.CutPrefix(rest+"/", "api/")
	rest = strings.TrimSuffix(rest, "/")
	found, params, known := s.router.find(r.Method, rest)
	if !isAPI || found == nil || !found.bare && !validVersion(params[0]) || c.v == nil && !found.open {
		err := fail("MALFORMED_URL", "The resource [/%s] does not exist", path)
		if isAPI && known && found == nil {
			err = fail("METHOD_NOT_SUPPORTED", "The HTTP method [%s] is not supported for this call", r.Method)
		}
		if c.v != nil && s.limits.pace(c) != nil { // the caller has gone
			return
		}
		c.write(w, reply{}, err)
		return
	}
	c.route, c.path = found, params
	if !found.bare {
		c.version = params[0]
	}
	name := first
	if c.v != nil {
		name = c.v.name
	}
	if c.version != "" && c.version <= "v20.3" { // the last version to speak of a daily limit
		setHeader(c.header, "X-VaultAPI-DailyLimit", "999999")
		setHeader(c.header, "X-VaultAPI-DailyLimitRemaining", "999999")
	}
	unread := c.readBody()
	if fromInside(r.Context()) {
		answer, err := s.answerInside(c, unread)
		c.write(w, answer, err)
		return
	}
	s.counts.add(name, found)
	if !found.open {
		if err := s.limits.pace(c); err != nil { // the caller has gone
			return
		}
	}
	c.fault = s.faults.meet(name, r.Method, found.pattern, strings.TrimPrefix(rest, c.version+"/"))
	s.withFault(c, w, func() (reply, error) {
		if unread != nil {
			return reply{}, unread
		}
		return s.answer(c)
	})
}

// answer does what the call asks for.
func (s *Server) answer(c *call) (reply, error) {
	if !c.route.open {
		if err := s.authenticate(c); err != nil {
			return reply{}, err
		}
		if err := c.tellConnection(); err != nil {
			return reply{}, err
		}
	}
	if err := c.admit(); err != nil {
		return reply{}, err
	}
	return c.route.handle(c)
}

// versions of the API that are served, oldest first.
var versions = []string{"v17.1", "v17.2", "v17.3", "v18.1", "v18.2", "v18.3", "v19.1", "v19.2", "v19.3", "v20.1", "v20.2", "v20.3", "v21.1", "v21.2", "v21.3", "v22.1", "v22.2", "v22.3", "v23.1", "v23.2", "v23.3",
	"v24.1", "v24.2", "v24.3", "v25.1", "v25.2", "v25.3", "v26.1", "v26.2"}

func validVersion(v string) bool { return slices.Contains(versions, v) }

// handleVersions answers GET /api/.
func handleVersions(c *call) (reply, error) {
	var values body
	for _, v := range versions {
		values = append(values, v, c.url("/api/"+v))
	}
	return ok("values", values)
}
