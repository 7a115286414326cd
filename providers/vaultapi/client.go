package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultAPIVersion is frozen: Vault changes only its newest version.
const DefaultAPIVersion = "v25.2"

// Config says which vault, as whom, and how hard. Only BaseURL and Credentials
// have no default.
type Config struct {
	// BaseURL is https://host, or http:// on a loopback address; a path
	// prefix is allowed. No "/api" at the end.
	BaseURL    string
	APIVersion string // default DefaultAPIVersion
	ClientID   string // tells Vault's admins who calls; letters, digits, "._-", at most 100; default "accord"

	// Credentials is asked at each login, never before.
	Credentials func(context.Context) (user string, password Secret, err error)
	Refusals    *Refusals // of its passwords; default one of its own that tries none again
	Expect      Expect

	// ReadOnly makes every writing call fail with ErrReadOnly, unsent.
	ReadOnly bool

	BurstShare float64 // of the vault's burst limit, people and others included; default 0.8
	Queries    int     // VQL calls in flight; default 5, what Vault allows a user; negative: no cap
	Retry      Retry

	// Answer is how long the answer to a call that changes nothing may take to begin,
	// unless it is made Patiently; default what Vault itself may take, which is half an
	// hour for a query.
	Answer time.Duration

	Alike *Alike // shared with other vaults; may be nil

	Clock     Clock             // default the real one
	Transport http.RoundTripper // default a NewTransport; clients of several vaults should share one
	Observe   func(Event)       // called from many goroutines, must not block; may be nil
	Trace     func(Trace)       // as Observe; each call with its redacted bodies
}

// Expect is the vault that this must be.
type Expect struct {
	VaultID int64 // 0: whichever vault answers at BaseURL
}

// Retry bounds how often is tried. The wait before try n is anything between
// nothing and Base·2^(n-1), at most Cap.
type Retry struct {
	Tries   int           // of one call; default 8
	Base    time.Duration // default 1s
	Cap     time.Duration // default 60s
	Elapsed time.Duration // of one call; default 15min
	// Budget is how many retries all calls together may do at a stretch;
	// ten successes earn one back. Default 100.
	Budget int
	// Downtime is how long an announced maintenance is waited for. Default 6h;
	// less than nothing: it is an error at once.
	Downtime time.Duration
}

// Reader has all calls that change nothing.
type Reader struct{ c *conn }

// Client has all calls. It is safe for many goroutines, which share a session
// and a pace: one Client for each vault and user is the right number.
type Client struct{ *Reader }

// Open logs in and makes sure that it landed in the expected vault. It fails
// with kind Auth, WrongVault, Transient (nobody there) or Invalid (cfg).
func Open(ctx context.Context, cfg Config) (*Client, error) {
	c, err := newConn(cfg)
	if err != nil {
		return nil, &Error{Op: "open vault", Kind: Invalid, Cause: err} // the address may hold a password
	}
	if _, err := c.session.get(ctx, Secret{}); err != nil {
		return nil, err
	}
	return &Client{&Reader{c}}, nil
}

// OpenReader is Open for those who only read: what it returns has no writing
// call, and refuses one should it have any.
func OpenReader(ctx context.Context, cfg Config) (*Reader, error) {
	cfg.ReadOnly = true
	client, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return client.Reader, nil
}

// Close ends the session, and drops idle connections unless the transport is
// shared. The client must not be used afterwards.
func (r *Reader) Close(ctx context.Context) error {
	if r.c.alone {
		defer r.c.http.CloseIdleConnections()
	}
	return r.c.session.end(ctx)
}

// VaultID is the vault of the session.
func (r *Reader) VaultID() int64 { return r.c.session.vault.Load() }

// UserID is the user of the session.
func (r *Reader) UserID() int64 { return r.c.session.user.Load() }

// BaseURL is the vault's address, without "/api".
func (r *Reader) BaseURL() string { return r.c.base.String() }

// Stats counts what was sent so far.
func (r *Reader) Stats() Stats {
	return Stats{
		Calls:   r.c.calls.Load(),
		Writes:  r.c.writes.Load(),
		Retries: r.c.retries.Load(),
		Logins:  r.c.logins.Load(),
	}
}

// conn is what the goroutines of a client share.
type conn struct {
	cfg     Config
	base    *url.URL
	near    bool // on this machine
	http    *http.Client
	alone   bool // with a transport of its own
	session *session
	pace    *pacer
	budget  *budget
	slots   chan struct{} // for VQL; nil: no cap
	jobs    jobClock
	caps    caps
	times   times

	calls, writes, retries, logins atomic.Int64
}

var clientIDs = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func newConn(cfg Config) (*conn, error) {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, errors.New("no credentials given")
	}
	if cfg.APIVersion == "" {
		cfg.APIVersion = DefaultAPIVersion
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "accord"
	}
	if len(cfg.ClientID) > 100 || !clientIDs.MatchString(cfg.ClientID) {
		return nil, fmt.Errorf("client id %q: only letters, digits, '.', '_', '-', at most 100", cfg.ClientID)
	}
	if cfg.BurstShare == 0 {
		cfg.BurstShare = 0.8
	}
	if cfg.BurstShare < 0 || cfg.BurstShare > 1 {
		return nil, fmt.Errorf("burst share %v: must be between 0 and 1", cfg.BurstShare)
	}
	if cfg.Queries == 0 {
		cfg.Queries = 5
	}
	cfg.Retry = cfg.Retry.withDefaults()
	if cfg.Refusals == nil {
		cfg.Refusals = NewRefusals()
	}
	if cfg.Clock == nil {
		cfg.Clock = realClock{}
	}
	alone := cfg.Transport == nil
	if alone {
		cfg.Transport = NewTransport()
	}

	c := &conn{
		cfg:   cfg,
		alone: alone,
		base:  base,
		near:  isLoopback(base.Hostname()),
		http: &http.Client{
			Transport: cfg.Transport,
			// A redirect would carry the session to an address nobody checked.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		pace:   newPacer(cfg.Clock, cfg.BurstShare),
		budget: newBudget(cfg.Retry.Budget),
		caps:   vaultCaps,
		times:  usualTimes,
	}
	c.session = &session{c: c}
	if cfg.Queries > 0 {
		c.slots = make(chan struct{}, cfg.Queries)
	}
	return c, nil
}

func (r Retry) withDefaults() Retry {
	if r.Tries == 0 {
		r.Tries = 8
	}
	if r.Base == 0 {
		r.Base = time.Second
	}
	if r.Cap == 0 {
		r.Cap = time.Minute
	}
	if r.Elapsed == 0 {
		r.Elapsed = 15 * time.Minute
	}
	if r.Budget == 0 {
		r.Budget = 100
	}
	if r.Downtime == 0 {
		r.Downtime = 6 * time.Hour
	}
	return r
}

func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil {
		// The error of url.Parse repeats the text, which may hold a password.
		return nil, errors.New("the address cannot be read")
	}
	if base.Host == "" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, errors.New("the address must be https://host, without user, parameters and fragment")
	}
	switch {
	case base.Scheme == "https":
	case base.Scheme == "http" && isLoopback(base.Hostname()):
	default:
		return nil, fmt.Errorf("%s://%s: only https, or http on this machine", base.Scheme, base.Host)
	}
	base.Host = strings.TrimSuffix(base.Host, ":")
	base.Path = strings.TrimRight(base.Path, "/")
	if strings.HasSuffix(base.Path, "/api") {
		return nil, errors.New(`the address must not end in "/api"`)
	}
	return base, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
