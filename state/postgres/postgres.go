// Package postgres keeps a state and its journal in a PostgreSQL schema, for
// many machines. The lock is a row with an expiry, by the database's clock, so
// that a broken connection neither frees nor keeps it.
//
// It refuses to know what the bytes of a state mean; package remote does. Start
// with Open.
package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"accord/state"
	"accord/state/remote"
	"accord/state/sqljournal"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Config says where the state is.
type Config struct {
	// URL as libpq takes it, without a password; what is left out comes from
	// the environment: PGHOST, PGUSER, PGPASSWORD, PGPASSFILE …
	URL    string
	Schema string // "accord" when empty; a schema holds one state

	TTL      time.Duration // of a lock that is not renewed; a minute when zero
	Versions int           // of the state to keep; 20 when zero
}

// place is a remote.Place.
type place struct {
	config Config
	opts   remote.Options
	name   string
	db     *sql.DB
	me     string // who takes leases
	syncs  *sqljournal.Journal
}

// Open returns the store in a database, and brings its tables to the present
// version where they are not.
func Open(ctx context.Context, config Config, opts remote.Options) (*remote.Store, error) {
	p, err := open(ctx, config, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the state in PostgreSQL: %w", err)
	}
	return remote.Open(p, opts), nil
}

func open(ctx context.Context, config Config, opts remote.Options) (*place, error) {
	if config.Schema == "" {
		config.Schema = "accord"
	}
	if config.TTL == 0 {
		config.TTL = time.Minute
	}
	if config.Versions == 0 {
		config.Versions = 20
	}
	conn, err := parse(config)
	if err != nil {
		return nil, err
	}
	p := &place{
		config: config, opts: opts, me: rand.Text(), db: stdlib.OpenDB(*conn),
		name: fmt.Sprintf("postgres://%s:%d/%s, schema %s", conn.Host, conn.Port, conn.Database, config.Schema),
	}
	p.db.SetMaxOpenConns(2)
	if err := p.migrate(ctx); err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	p.syncs = sqljournal.New(sqljournal.Place{
		DB: p.db, Dialect: sqljournal.Dollars, Turn: "SELECT version FROM format FOR UPDATE", Now: opts.Now, Holder: opts.NewHolder,
		Mine:   func() (string, error) { return p.me, nil },
		Alive:  func(string) bool { return true }, // only time tells
		Cipher: opts.Cipher,
	})
	return p, nil
}

// ErrPassword refuses a password that stands in a file of the configuration.
var ErrPassword = errors.New("the url must not hold a password: set PGPASSWORD, or PGPASSFILE")

func parse(config Config) (*pgx.ConnConfig, error) {
	if hasPassword(config.URL) {
		return nil, ErrPassword
	}
	conn, err := pgx.ParseConfig(config.URL)
	if err != nil {
		return nil, err
	}
	conn.RuntimeParams["search_path"] = pgx.Identifier{config.Schema}.Sanitize()
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "accord"
	}
	// Whose machine has gone in the middle of a transaction holds up all others until the
	// server ends it.
	conn.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(config.TTL.Milliseconds(), 10)
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = 10 * time.Second
	}
	conn.DialFunc = dial
	return conn, nil
}

func hasPassword(url string) bool {
	_, rest, isURL := strings.Cut(url, "://")
	user, _, hasUser := strings.Cut(rest, "@")
	return strings.Contains(url, "password") || isURL && hasUser && strings.Contains(user, ":")
}

// tx runs fn in a transaction that holds the row of the lock.
func (p *place) tx(ctx context.Context, fn func(tx *sql.Tx, now time.Time, id, holder string, expires int64) error) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after Commit
	var now time.Time
	var id, holder string
	var expires int64
	if err := tx.QueryRowContext(ctx, "SELECT clock_timestamp(), id, holder, expires FROM lock FOR UPDATE").Scan(&now, &id, &holder, &expires); err != nil {
		return err
	}
	if p.opts.Now != nil {
		now = p.opts.Now()
	}
	if err := fn(tx, now.UTC(), id, holder, expires); err != nil {
		return err
	}
	return tx.Commit()
}

// writing runs fn in a transaction for the holder of the lock.
func (p *place) writing(ctx context.Context, h state.Holder, fn func(tx *sql.Tx, now time.Time) error) error {
	return p.tx(ctx, func(tx *sql.Tx, now time.Time, id, _ string, _ int64) error {
		if id != h.ID {
			return state.ErrLockLost
		}
		return fn(tx, now)
	})
}

// Name implements remote.Place.
func (p *place) Name() string { return p.name }

// Load implements remote.Place.
func (p *place) Load(ctx context.Context) (kept remote.Kept, err error) {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return kept, err
	}
	defer tx.Rollback()
	err = tx.QueryRowContext(ctx, "SELECT data FROM state ORDER BY serial DESC LIMIT 1").Scan(&kept.State)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return kept, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT data FROM log ORDER BY n")
	if err != nil {
		return kept, err
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return kept, err
		}
		kept.Log = append(kept.Log, data)
	}
	return kept, rows.Err()
}

// Lock implements remote.Place.
func (p *place) Lock(ctx context.Context, h state.Holder) (state.Holder, error) {
	err := p.tx(ctx, func(tx *sql.Tx, now time.Time, id, holder string, expires int64) error {
		if id != "" && now.Before(time.Unix(0, expires)) {
			return lockedBy(holder)
		}
		h.Created, h.Expires = now, now.Add(p.config.TTL)
		return put(ctx, tx, h)
	})
	return h, err
}

func put(ctx context.Context, tx *sql.Tx, h state.Holder) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE lock SET id = $1, holder = $2, expires = $3", h.ID, string(text), h.Expires.UnixNano())
	return err
}

func lockedBy(holder string) error {
	locked := &state.LockedError{}
	if err := json.Unmarshal([]byte(holder), &locked.Holder); err != nil {
		return errors.Join(locked, err)
	}
	return locked
}

// Renew implements remote.Place.
func (p *place) Renew(ctx context.Context, h state.Holder) (state.Holder, error) {
	err := p.writing(ctx, h, func(tx *sql.Tx, now time.Time) error {
		h.Expires = now.Add(p.config.TTL)
		return put(ctx, tx, h)
	})
	return h, err
}

// Unlock implements remote.Place.
func (p *place) Unlock(ctx context.Context, h state.Holder) error {
	_, err := p.db.ExecContext(ctx, "UPDATE lock SET id = '', holder = '', expires = 0 WHERE id = $1", h.ID)
	return err
}

// ForceUnlock implements remote.Place.
func (p *place) ForceUnlock(ctx context.Context, id string) error {
	return p.tx(ctx, func(tx *sql.Tx, _ time.Time, holding, holder string, _ int64) error {
		switch holding {
		case "":
			return state.ErrNotLocked
		case id:
			_, err := tx.ExecContext(ctx, "UPDATE lock SET id = '', holder = '', expires = 0")
			return err
		}
		return lockedBy(holder)
	})
}

// Append implements remote.Place.
func (p *place) Append(ctx context.Context, h state.Holder, n int, entries [][]byte) error {
	return p.writing(ctx, h, func(tx *sql.Tx, _ time.Time) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM log WHERE n > $1", n); err != nil { // of a call whose answer was lost
			return err
		}
		return appendLog(ctx, tx, n, entries)
	})
}

func appendLog(ctx context.Context, tx *sql.Tx, n int, entries [][]byte) error {
	for _, data := range entries {
		n++
		if _, err := tx.ExecContext(ctx, "INSERT INTO log (n, data) VALUES ($1, $2)", n, data); err != nil {
			return err
		}
	}
	return nil
}

// Save implements remote.Place.
func (p *place) Save(ctx context.Context, h state.Holder, s remote.Saved) error {
	return p.writing(ctx, h, func(tx *sql.Tx, now time.Time) error {
		if s.New {
			// Said twice, when the first answer was lost, it is one version.
			if _, err := tx.ExecContext(ctx, `INSERT INTO state (serial, saved, data) VALUES ($1, $2, $3)
				ON CONFLICT (serial) DO UPDATE SET saved = $2, data = $3`, int64(s.Serial), now.UnixNano(), s.State); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM state WHERE serial NOT IN (SELECT serial FROM state ORDER BY serial DESC LIMIT $1)", p.config.Versions); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM log"); err != nil {
			return err
		}
		return appendLog(ctx, tx, 0, s.Log)
	})
}

// History implements remote.Place.
func (p *place) History(ctx context.Context) ([]state.Version, error) {
	rows, err := p.db.QueryContext(ctx, "SELECT serial, saved, length(data) FROM state ORDER BY serial DESC")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []state.Version
	for rows.Next() {
		var v state.Version
		var saved int64
		if err := rows.Scan(&v.Serial, &saved, &v.Size); err != nil {
			return nil, err
		}
		v.Saved = time.Unix(0, saved).UTC()
		all = append(all, v)
	}
	return all, rows.Err()
}

// At implements remote.Place.
func (p *place) At(ctx context.Context, serial uint64) (data []byte, err error) {
	err = p.db.QueryRowContext(ctx, "SELECT data FROM state WHERE serial = $1", int64(serial)).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		err = state.ErrNoVersion
	}
	return data, err
}

// Rewrite implements remote.Place.
func (p *place) Rewrite(ctx context.Context, h state.Holder, serial uint64, data []byte) error {
	return p.writing(ctx, h, func(tx *sql.Tx, _ time.Time) error {
		_, err := tx.ExecContext(ctx, "UPDATE state SET data = $2 WHERE serial = $1", int64(serial), data)
		return err
	})
}

// Journal implements remote.Place.
func (p *place) Journal(context.Context) (state.Journal, error) { return p.syncs, nil }

// Close implements remote.Place. Leases that were taken here are given up.
func (p *place) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(p.syncs.Abandon(ctx, p.me), p.db.Close())
}
