// Package sqljournal is a state.Journal in a database: its statements, and the
// rules that they keep. It is written for SQLite and PostgreSQL alike.
//
// It refuses to know how the database is opened, which tables it has (a
// backend brings its own steps of SQL), and how its users are told alive from
// dead. Start with Place and New.
package sqljournal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// KeptRuns is how many runs of each sync are kept, and KeptUntold how long one beyond
// that which somebody is still to be told of: longer than anybody goes on trying.
const (
	KeptRuns   = 1000
	KeptUntold = 8 * 24 * time.Hour
)

// Place is a database and what a journal must know of it.
type Place struct {
	DB      *sql.DB
	Dialect Dialect

	// Parses reports that the driver parses a statement each time it is used, so
	// that the journal keeps those that come again.
	Parses bool

	// Turn is the first statement of each transaction, which makes writers
	// take turns; "" where the database sees to it.
	Turn string

	// Alone: one connection serves the process, so that transactions which
	// come while one is committed share the next commit.
	Alone bool

	// Later is a statement after which a commit of this connection is durable
	// with the next one that is, and no later; AtOnce takes it back. "": a
	// commit is always durable. Only where nobody who takes leases outlives the
	// machine that forgets.
	Later, AtOnce string

	// Now is the clock; nil: the database's own.
	Now func() time.Time

	// Holder returns the record of who takes a lease.
	Holder func(operation, path string) state.Holder

	// Mine returns a name for who takes leases here; Alive reports whether the
	// one with a name may still live.
	Mine  func() (string, error)
	Alive func(name string) bool

	// Cipher seals what is said of exceptions in words; nil: nothing does.
	Cipher state.Cipher

	// Explain may turn an error of the database into one that says what to do;
	// nil: as it is.
	Explain func(error) error
}

// Dialect turns a statement with placeholders ?1, ?2 … into the database's own
// words; nil: they are.
type Dialect func(statement string) string

// Dollars is the dialect of PostgreSQL.
func Dollars(statement string) string {
	statement = strings.ReplaceAll(statement, "json_each(?1)", "json_array_elements_text(?1::json) AS each(value)")
	return strings.ReplaceAll(statement, "?", "$")
}

func (d Dialect) of(statement string) string {
	if d == nil {
		return statement
	}
	return d(statement)
}

// Journal is a state.Journal. What is done must be kept although the caller
// was told to stop, so only beginnings heed ctx.
type Journal struct {
	at    Place
	kept  statements
	turns turns
}

var _ state.Journal = (*Journal)(nil)

// New returns the journal in a database whose tables are there.
func New(at Place) *Journal { return &Journal{at: at} }

func (j *Journal) db() db { return db{j.at.DB, j.at.Dialect} }

func (j *Journal) now(ctx context.Context, tx tx) (time.Time, error) {
	if j.at.Now != nil {
		return j.at.Now().UTC(), nil
	}
	var now time.Time
	err := tx.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now)
	return now.UTC(), err
}

// tx runs fn in a transaction that is durable when tx returns nil, and never
// happened otherwise: ctx does not cut a commit short.
func (j *Journal) tx(ctx context.Context, fn func(tx tx) error) error { return j.do(ctx, fn, false) }

// later is tx for what may become durable with the next transaction: should the
// machine go down before that, it never happened.
func (j *Journal) later(ctx context.Context, fn func(tx tx) error) error { return j.do(ctx, fn, true) }

func (j *Journal) do(ctx context.Context, fn func(tx tx) error, later bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &turn{fn: fn, later: later}
	ctx = context.WithoutCancel(ctx)
	if j.at.Alone {
		return j.take(ctx, t)
	}
	_, err := j.commit(ctx, []*turn{t})
	return err
}

// fail says what was being attempted.
func (j *Journal) fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	if j.at.Explain != nil {
		err = j.at.Explain(err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Syncs implements state.Journal.
func (j *Journal) Syncs(ctx context.Context) ([]addrs.Instance, error) {
	syncs, err := scan(ctx, j.db(), func(rows *sql.Rows) (a addrs.Instance, err error) {
		var addr string
		if err = rows.Scan(&addr); err == nil {
			err = a.UnmarshalText([]byte(addr))
		}
		return a, err
	}, "SELECT addr FROM sync UNION SELECT sync FROM owed UNION SELECT sync FROM exception UNION SELECT sync FROM batch ORDER BY 1")
	return syncs, j.fail("reading which syncs are remembered", err)
}
