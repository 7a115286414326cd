// Package http keeps a state on a server that speaks the protocol of
// Terraform's http backend, as GitLab does: GET and POST of one document, LOCK
// and UNLOCK beside it.
//
// The server keeps one document, so each step writes it whole; locks do not
// expire there; and there is no journal of syncs. The package refuses to know
// what the bytes of a state mean; package remote does. Start with Open.
package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"accord/state"
	"accord/state/remote"
)

// Config says where the state is, in the words of the protocol.
type Config struct {
	Address       string // of the document
	LockAddress   string // Address when empty
	UnlockAddress string // LockAddress when empty
	LockMethod    string // LOCK when empty
	UnlockMethod  string // UNLOCK when empty
	UpdateMethod  string // POST when empty

	Username, Password string // of basic authentication; none when empty
}

// Open returns the store at an address. Nothing is asked yet.
func Open(config Config, opts remote.Options) (*remote.Store, error) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&config.LockAddress, config.Address)
	set(&config.UnlockAddress, config.LockAddress)
	set(&config.LockMethod, "LOCK")
	set(&config.UnlockMethod, "UNLOCK")
	set(&config.UpdateMethod, http.MethodPost)
	for _, address := range []string{config.Address, config.LockAddress, config.UnlockAddress} {
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return nil, errors.New("opening the state: the address is not one that begins with https://")
		case u.User != nil:
			return nil, errors.New("opening the state: the address must not hold a user or a password; they come from the environment")
		}
	}
	own := http.DefaultTransport.(*http.Transport).Clone() // its connections are closed with the store, and nobody else's
	return remote.Open(&place{config: config, client: &http.Client{Transport: own, Timeout: time.Minute}}, opts), nil
}

// place is a remote.Place.
type place struct {
	config Config
	client *http.Client

	mu   sync.Mutex
	mine document // as it was last written by the holder of the lock
	id   string   // of that lock
}

// document is what the server keeps. Servers that keep versions number them by
// its serial, which rises with every write.
type document struct {
	Format int             `json:"accord_format"`
	Serial uint64          `json:"serial"`
	State  json.RawMessage `json:"state,omitempty"`
	Log    [][]byte        `json:"log,omitempty"`
}

const format = 1

// lockInfo is a lock as the protocol has it. Info carries the whole holder.
type lockInfo struct {
	ID        string
	Operation string
	Info      string
	Who       string
	Version   string
	Created   time.Time
	Path      string
}

func infoOf(h state.Holder) lockInfo {
	text, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings, numbers, and times that are now
	}
	return lockInfo{ID: h.ID, Operation: h.Operation, Info: string(text), Who: h.Who, Version: h.Tool, Created: h.Created, Path: h.Path}
}

// holder reads what another has left, which may be another program.
func (i lockInfo) holder() state.Holder {
	var h state.Holder
	if json.Unmarshal([]byte(i.Info), &h) == nil && h.ID == i.ID {
		return h
	}
	return state.Holder{ID: i.ID, Operation: i.Operation, Who: i.Who, Tool: i.Version, Created: i.Created, Path: i.Path}
}

// call makes a request, and returns its status and what came back.
func (p *place) call(ctx context.Context, method, address string, query url.Values, body any) (int, []byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, nil, err
	}
	if len(query) > 0 {
		q := u.Query()
		for name := range query {
			q.Set(name, query.Get(name))
		}
		u.RawQuery = q.Encode()
	}
	var reader io.Reader
	if body != nil {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // bodies keep their bytes
		if err := enc.Encode(body); err != nil {
			return 0, nil, err
		}
		reader = &b
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.config.Username != "" || p.config.Password != "" {
		req.SetBasicAuth(p.config.Username, p.config.Password)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // the address may hold more than people should see
		}
		return 0, nil, fmt.Errorf("%s %s: %w", method, named(address), err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: the answer was cut off: %w", method, named(address), err)
	}
	return resp.StatusCode, data, nil
}

func ok(status int) bool { return status >= 200 && status < 300 }

func held(status int) bool { return status == http.StatusLocked || status == http.StatusConflict }

// unexpected is the error for a status that the protocol does not foresee.
func unexpected(method, address string, status int) error {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return fmt.Errorf("%s %s: the server refuses the user or the password (%d)", method, named(address), status)
	}
	return fmt.Errorf("%s %s: the server answered %d %s", method, named(address), status, http.StatusText(status))
}

// Name implements remote.Place.
func (p *place) Name() string { return named(p.config.Address) }

// named is an address without what people should not see.
func named(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an http backend"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// Load implements remote.Place.
func (p *place) Load(ctx context.Context) (remote.Kept, error) {
	doc, err := p.get(ctx)
	return remote.Kept{State: doc.State, Log: doc.Log}, err
}

func (p *place) get(ctx context.Context) (doc document, err error) {
	status, data, err := p.call(ctx, http.MethodGet, p.config.Address, nil, nil)
	switch {
	case err != nil:
		return doc, err
	case status == http.StatusNotFound || status == http.StatusNoContent || ok(status) && len(bytes.TrimSpace(data)) == 0:
		return doc, nil
	case !ok(status):
		return doc, unexpected(http.MethodGet, p.config.Address, status)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil || doc.Format != format {
		return document{}, &state.DamagedError{Path: p.Name(), Reason: "what is kept there is not a state of accord, or one of another version"}
	}
	return doc, nil
}

// Lock implements remote.Place.
func (p *place) Lock(ctx context.Context, h state.Holder) (state.Holder, error) {
	if err := p.lock(ctx, h); err != nil {
		return h, err
	}
	doc, err := p.get(ctx)
	if err != nil {
		return h, errors.Join(err, p.Unlock(context.WithoutCancel(ctx), h))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine, p.id = doc, h.ID
	return h, nil
}

func (p *place) lock(ctx context.Context, h state.Holder) error {
	status, data, err := p.call(ctx, p.config.LockMethod, p.config.LockAddress, nil, infoOf(h))
	switch {
	case err != nil:
		return err
	case ok(status):
		return nil
	case !held(status):
		return unexpected(p.config.LockMethod, p.config.LockAddress, status)
	}
	var other lockInfo
	_ = json.Unmarshal(data, &other) // who does not say is someone who left no record
	return &state.LockedError{Holder: other.holder(), Stays: true}
}

// Renew implements remote.Place. Locks do not expire here.
func (p *place) Renew(_ context.Context, h state.Holder) (state.Holder, error) { return h, nil }

// Unlock implements remote.Place.
func (p *place) Unlock(ctx context.Context, h state.Holder) error {
	status, _, err := p.call(ctx, p.config.UnlockMethod, p.config.UnlockAddress, url.Values{"ID": {h.ID}}, infoOf(h))
	if err != nil || ok(status) || held(status) {
		return err
	}
	return unexpected(p.config.UnlockMethod, p.config.UnlockAddress, status)
}

// ForceUnlock implements remote.Place. Who holds the lock is found out by
// trying to take it.
func (p *place) ForceUnlock(ctx context.Context, id string) error {
	probe := remote.Options{}.NewHolder("force-unlock", p.Name())
	err := p.lock(ctx, probe)
	var locked *state.LockedError
	switch {
	case err == nil:
		return errors.Join(state.ErrNotLocked, p.Unlock(context.WithoutCancel(ctx), probe))
	case errors.As(err, &locked) && locked.Holder.ID == id && id != "":
		return p.Unlock(ctx, locked.Holder)
	}
	return err
}

// Append implements remote.Place.
func (p *place) Append(ctx context.Context, h state.Holder, n int, entries [][]byte) error {
	return p.update(ctx, h, func(doc *document) {
		doc.Log = append(doc.Log[:n:n], entries...)
	})
}

// Save implements remote.Place.
func (p *place) Save(ctx context.Context, h state.Holder, s remote.Saved) error {
	return p.update(ctx, h, func(doc *document) {
		doc.State, doc.Log = s.State, s.Log
	})
}

// update writes the document with a change.
func (p *place) update(ctx context.Context, h state.Holder, change func(*document)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != h.ID {
		return state.ErrLockLost
	}
	p.mine.Serial++ // also after a call that failed: it may have come through
	next := p.mine
	next.Format = format
	change(&next)
	status, _, err := p.call(ctx, p.config.UpdateMethod, p.config.Address, url.Values{"ID": {h.ID}}, next)
	switch {
	case err != nil:
		return err
	case held(status):
		return state.ErrLockLost
	case !ok(status):
		return unexpected(p.config.UpdateMethod, p.config.Address, status)
	}
	p.mine = next
	return nil
}

// History implements remote.Place.
func (p *place) History(context.Context) ([]state.Version, error) { return nil, state.ErrNoHistory }

// At implements remote.Place.
func (p *place) At(context.Context, uint64) ([]byte, error) { return nil, state.ErrNoHistory }

// Journal implements remote.Place.
func (p *place) Journal(context.Context) (state.Journal, error) { return nil, state.ErrNoJournal }

// Close implements remote.Place.
func (p *place) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// Rewrite implements remote.Place.
func (p *place) Rewrite(context.Context, state.Holder, uint64, []byte) error {
	return state.ErrVersionStays
}
