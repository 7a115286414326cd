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
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// KeptRuns is how many runs of each sync are kept.
const KeptRuns = 1000

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

	// Cipher seals what is said of failures in words; nil: nothing does.
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

// tx is a transaction that is spoken to with placeholders ?1, ?2 … A statement
// is not cut short, since with it all that shares the transaction would be.
type tx struct {
	*sql.Tx
	dialect Dialect
	kept    *statements          // nil: the driver keeps them
	parsed  map[string]*sql.Stmt // in this transaction
}

func (t tx) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	ctx = context.WithoutCancel(ctx)
	if s := t.statement(ctx, statement); s != nil {
		return s.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, t.dialect.of(statement), args...)
}

func (t tx) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	ctx = context.WithoutCancel(ctx)
	if s := t.statement(ctx, statement); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, t.dialect.of(statement), args...)
}

func (t tx) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	if s := t.statement(ctx, statement); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, t.dialect.of(statement), args...)
}

func (t tx) PrepareContext(ctx context.Context, statement string) (*sql.Stmt, error) {
	return t.Tx.PrepareContext(ctx, t.dialect.of(statement))
}

// statement parses a statement once in a transaction, and where it was kept not
// even that; nil where the driver sees to it, or says why it cannot be parsed.
func (t tx) statement(ctx context.Context, text string) *sql.Stmt {
	if t.kept == nil {
		return nil
	}
	s := t.parsed[text]
	if s == nil {
		if kept := t.kept.find(text); kept != nil {
			s = t.StmtContext(ctx, kept)
		} else {
			s, _ = t.Tx.PrepareContext(ctx, t.dialect.of(text))
		}
		t.parsed[text] = s
	}
	return s
}

// statements keeps what was parsed of the statements that came in more than one
// transaction.
type statements struct {
	mu      sync.Mutex
	parsed  map[string]*sql.Stmt // nil: it came once
	waiting []string             // to be parsed, once there is no transaction
}

// find returns the statement that was kept; nil: there is none.
func (s *statements) find(statement string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parsed == nil {
		s.parsed = map[string]*sql.Stmt{}
	}
	found, again := s.parsed[statement]
	switch {
	case !again:
		s.parsed[statement] = nil
	case found == nil && !slices.Contains(s.waiting, statement):
		s.waiting = append(s.waiting, statement)
	}
	return found
}

// parse parses the statements that came again. What cannot be parsed says so
// where it is used.
func (s *statements) parse(ctx context.Context, in db) {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, statement := range waiting {
		if parsed, err := in.DB.PrepareContext(ctx, in.dialect.of(statement)); err == nil {
			s.mu.Lock()
			s.parsed[statement] = parsed
			s.mu.Unlock()
		}
	}
}

// db is a database that is spoken to in the same way.
type db struct {
	*sql.DB
	dialect Dialect
}

func (d db) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return d.DB.QueryContext(ctx, d.dialect.of(statement), args...)
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

// Memories implements state.Journal.
func (j *Journal) Memories(ctx context.Context, syncs []addrs.Instance) ([]state.Memory, error) {
	names := make([]string, len(syncs))
	for n, s := range syncs {
		names[n] = s.String()
	}
	var found map[string]*state.Memory
	err := j.later(ctx, func(tx tx) (err error) {
		found, err = memories(ctx, tx, names)
		return err
	})
	if err != nil {
		return nil, j.fail("reading what is remembered of "+strings.Join(names, ", "), err)
	}
	all := make([]state.Memory, len(syncs))
	for n, name := range names {
		all[n] = *found[name]
	}
	return all, nil
}

// memories reads what is remembered of syncs, each kind of it for all of them.
func memories(ctx context.Context, tx tx, syncs []string) (map[string]*state.Memory, error) {
	found := make(map[string]*state.Memory, len(syncs))
	for _, s := range syncs {
		found[s] = &state.Memory{}
	}
	asked := text(syncs)
	each := func(query string, row func(*sql.Rows) error) error {
		_, err := scan(ctx, tx, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, row(rows) }, query, asked)
		return err
	}
	const these = "(SELECT value FROM json_each(?1))"
	var sync, said string
	var n int
	return found, errors.Join(
		each("SELECT addr, memory FROM sync WHERE addr IN "+these, func(rows *sql.Rows) error {
			if err := rows.Scan(&sync, &said); err != nil {
				return err
			}
			return json.Unmarshal([]byte(said), found[sync])
		}),
		each("SELECT sync, reason FROM owed WHERE sync IN "+these+" ORDER BY sync, reason", func(rows *sql.Rows) error {
			if err := rows.Scan(&sync, &said); err != nil {
				return err
			}
			found[sync].Owed = append(found[sync].Owed, said)
			return nil
		}),
		each(selectRuns+"WHERE seq IN (SELECT (SELECT max(seq) FROM run WHERE sync = value) FROM json_each(?1) UNION SELECT (SELECT max(seq) FROM run WHERE sync = value AND "+fullRun+") FROM json_each(?1))",
			func(rows *sql.Rows) error {
				r, err := scanRun(rows)
				if err != nil {
					return err
				}
				m := found[r.Sync.String()]
				if m.Last == nil || m.Last.Seq < r.Seq {
					m.Last = &r
				}
				if r.Mode == state.Full && (r.Outcome == state.Clean || r.Outcome == state.Faulty) {
					m.LastFull = &r // of the two that are read, no more than one is older
				}
				return nil
			}),
		each("SELECT sync, count(*) FROM failure WHERE sync IN "+these+" AND general = 0 GROUP BY sync", func(rows *sql.Rows) error {
			if err := rows.Scan(&sync, &n); err != nil {
				return err
			}
			found[sync].Failures = n
			return nil
		}),
		each("SELECT sync, count(*) FROM batch WHERE sync IN "+these+" AND done = 0 GROUP BY sync", func(rows *sql.Rows) error {
			if err := rows.Scan(&sync, &n); err != nil {
				return err
			}
			found[sync].Open = n
			return nil
		}))
}

// fullRun is a full run that came to its end.
const fullRun = "mode = 'full' AND outcome IN ('clean', 'faulty')"

// Remember implements state.Journal.
func (j *Journal) Remember(ctx context.Context, lease state.Lease, m state.Memory) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx tx) error {
		if err := held(ctx, tx, lease.Sync.String(), lease.Fence); err != nil {
			return err
		}
		return remember(ctx, tx, lease.Sync.String(), m)
	})
	return j.fail("remembering "+lease.Sync.String(), err)
}

func remember(ctx context.Context, tx tx, sync string, m state.Memory) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO sync (addr, memory) VALUES (?1, ?2) ON CONFLICT (addr) DO UPDATE SET memory = ?2", sync, text(m))
	return err
}

// Owe implements state.Journal.
func (j *Journal) Owe(ctx context.Context, sync addrs.Instance, reasons []string) error {
	err := j.tx(ctx, func(tx tx) error {
		for _, r := range reasons {
			if _, err := tx.ExecContext(ctx, "INSERT INTO owed (sync, reason) VALUES (?1, ?2) ON CONFLICT DO NOTHING", sync.String(), r); err != nil {
				return err
			}
		}
		return nil
	})
	return j.fail("promising a run of "+sync.String(), err)
}

// Settle implements state.Journal.
func (j *Journal) Settle(ctx context.Context, sync addrs.Instance, reasons []string) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx tx) error {
		if reasons == nil {
			_, err := tx.ExecContext(ctx, "DELETE FROM owed WHERE sync = ?1", sync.String())
			return err
		}
		return settle(ctx, tx, sync.String(), reasons)
	})
	return j.fail("settling what is owed to "+sync.String(), err)
}

func settle(ctx context.Context, tx tx, sync string, reasons []string) error {
	for _, r := range reasons {
		if _, err := tx.ExecContext(ctx, "DELETE FROM owed WHERE sync = ?1 AND reason = ?2", sync, r); err != nil {
			return err
		}
	}
	return nil
}

// Forget implements state.Journal.
func (j *Journal) Forget(ctx context.Context, lease state.Lease) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx tx) error {
		if err := held(ctx, tx, lease.Sync.String(), lease.Fence); err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM sync WHERE addr = ?1",
			"DELETE FROM owed WHERE sync = ?1",
			"DELETE FROM batch WHERE sync = ?1",
			"DELETE FROM failure WHERE sync = ?1",
		} {
			if _, err := tx.ExecContext(ctx, query, lease.Sync.String()); err != nil {
				return err
			}
		}
		return nil
	})
	return j.fail("forgetting "+lease.Sync.String(), err)
}

// Begin implements state.Journal.
func (j *Journal) Begin(ctx context.Context, r state.Run) error {
	keep := j.tx
	if r.Mode == state.Incremental {
		keep = j.later
	}
	err := keep(ctx, func(tx tx) error {
		sync := r.Sync.String()
		if err := held(ctx, tx, sync, r.Fence); err != nil {
			return err
		}
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		// Only the last can be without an end: every run begins so.
		if _, err := tx.ExecContext(ctx, "UPDATE run SET outcome = ?1, ended = ?2, "+tally+" WHERE seq = (SELECT max(seq) FROM run WHERE sync = ?3) AND outcome = ''",
			state.Interrupted, nanos(now), sync); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM batch WHERE sync = ?1 AND done <> 0", sync); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO run (id, sync, mode, reasons, fence, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			r.ID, sync, r.Mode, text(r.Reasons), r.Fence, nanos(r.Started))
		if err != nil {
			return err
		}
		return toTell(ctx, tx, r)
	})
	return j.fail("recording the start of run "+r.ID, err)
}

// tally takes the failed items of a run into its row.
const tally = `
	failures = (SELECT count(*) FROM failure WHERE failure.sync = run.sync AND last_run = run.seq AND general = 0),
	fresh    = (SELECT count(*) FROM failure WHERE failure.sync = run.sync AND first_run = run.seq AND last_run = run.seq AND general = 0)`

// running is a run that has begun, not ended, and not been fenced.
type running struct {
	seq    int64
	sync   string
	fence  uint64
	counts map[string]int64
}

func findRunning(ctx context.Context, tx tx, id string) (r running, err error) {
	var counts string
	var outcome state.RunOutcome
	var held bool
	err = tx.QueryRowContext(ctx, `
		SELECT seq, run.sync, run.fence, counts, outcome, coalesce(lease.fence = run.fence AND alive <> '', FALSE)
		FROM run LEFT JOIN lease ON lease.sync = run.sync WHERE id = ?1`, id).
		Scan(&r.seq, &r.sync, &r.fence, &counts, &outcome, &held)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, errors.New("it was not begun")
	case err != nil:
		return r, err
	case !held:
		return r, state.ErrFenced
	}
	if outcome != "" {
		return r, fmt.Errorf("it has ended as %s", outcome)
	}
	return r, json.Unmarshal([]byte(counts), &r.counts)
}

// add adds to the counts of a run.
func (r *running) add(counts map[string]int64) {
	if r.counts == nil {
		r.counts = map[string]int64{}
	}
	for name, n := range counts {
		r.counts[name] += n
	}
}

// Intend implements state.Journal.
func (j *Journal) Intend(ctx context.Context, run string, batches []state.Batch) error {
	err := j.tx(ctx, func(tx tx) error {
		r, err := findRunning(ctx, tx, run)
		if err != nil {
			return err
		}
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		for n := range batches {
			b := &batches[n]
			if b.Seq == 0 {
				return errors.New("batches are counted from 1")
			}
			b.Run, b.At = run, now
			if _, err := tx.ExecContext(ctx, "INSERT INTO batch (sync, run, seq, id, part, verb, keys, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
				r.sync, r.seq, b.Seq, run, b.Part, b.Verb, text(b.Keys), nanos(now)); err != nil {
				return err
			}
		}
		return nil
	})
	return j.fail("recording what run "+run+" is about to write", err)
}

// Checkpoint implements state.Journal.
func (j *Journal) Checkpoint(ctx context.Context, run string, c state.Checkpoint) error {
	ctx = context.WithoutCancel(ctx)
	failed, err := j.sealed(c.Failed)
	if err != nil {
		return err
	}
	keep := j.tx
	if c.Seq > 0 && len(c.Failed) == 0 {
		keep = j.later
	}
	err = keep(ctx, func(tx tx) error {
		r, err := findRunning(ctx, tx, run)
		if err != nil {
			return err
		}
		if c.Seq > 0 {
			first, err := r.done(ctx, tx, c.Seq)
			if err != nil || !first {
				return err
			}
		}
		if len(c.Counts) > 0 {
			r.add(c.Counts)
			if _, err := tx.ExecContext(ctx, "UPDATE run SET counts = ?1 WHERE seq = ?2", text(r.counts), r.seq); err != nil {
				return err
			}
		}
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := r.fail(ctx, tx, run, now, failed); err != nil {
			return err
		}
		return r.resolve(ctx, tx, c.Resolved)
	})
	return j.fail("recording what run "+run+" has written", err)
}

// done notes that a batch is done; first: it was not yet.
func (r running) done(ctx context.Context, tx tx, seq uint64) (first bool, err error) {
	result, err := tx.ExecContext(ctx, "UPDATE batch SET done = 1, keys = '[]' WHERE sync = ?1 AND run = ?2 AND seq = ?3 AND done = 0", r.sync, r.seq, seq)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return true, err
	}
	var done bool
	err = tx.QueryRowContext(ctx, "SELECT done FROM batch WHERE sync = ?1 AND run = ?2 AND seq = ?3", r.sync, r.seq, seq).Scan(&done)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("batch %d was not begun", seq)
	}
	return false, err
}

// End implements state.Journal.
func (j *Journal) End(ctx context.Context, run string, e state.End) (ended state.Run, err error) {
	ctx = context.WithoutCancel(ctx)
	err = j.tx(ctx, func(tx tx) error {
		r, err := findRunning(ctx, tx, run)
		if err != nil {
			return err
		}
		finished := false
		switch e.Outcome {
		case state.Clean, state.Faulty:
			finished = true
		case state.Failed, state.Interrupted:
		default:
			return fmt.Errorf("%q is not how a run ends", e.Outcome)
		}

		if e.Sweep {
			if _, err := tx.ExecContext(ctx, "DELETE FROM failure WHERE sync = ?1 AND last_run <> ?2", r.sync, r.seq); err != nil {
				return err
			}
		}
		r.add(e.Counts)
		found, err := first(scan(ctx, tx, scanRun, "UPDATE run SET outcome = ?1, ended = ?2, message = ?3, counts = ?4, "+tally+" WHERE seq = ?5 RETURNING "+runColumns,
			e.Outcome, nanos(e.At), e.Message, text(r.counts), r.seq))
		if err != nil {
			return err
		}
		ended = *found
		if _, err := tx.ExecContext(ctx, "DELETE FROM batch WHERE sync = ?1 AND (done <> 0 OR ?2 AND run <> ?3)", r.sync, finished, r.seq); err != nil {
			return err
		}
		if e.Memory != nil {
			if err := remember(ctx, tx, r.sync, *e.Memory); err != nil {
				return err
			}
		}
		if err := settle(ctx, tx, r.sync, e.Settled); err != nil {
			return err
		}
		if err := r.worth(ctx, tx, e); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM run WHERE sync = ?1 AND seq < (SELECT seq FROM run WHERE sync = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2) AND seq IS DISTINCT FROM "+
			"(SELECT max(seq) FROM run WHERE sync = ?1 AND "+fullRun+")", r.sync, KeptRuns-1); err != nil {
			return err
		}
		if e.Release {
			return release(ctx, tx, r.sync, r.fence)
		}
		return nil
	})
	return ended, j.fail("recording the end of run "+run, err)
}

// Open implements state.Journal.
func (j *Journal) Open(ctx context.Context, sync addrs.Instance) ([]state.Batch, error) {
	open, err := scan(ctx, j.db(), func(rows *sql.Rows) (b state.Batch, err error) {
		var keys string
		var at int64
		if err = rows.Scan(&b.Run, &b.Seq, &b.Part, &b.Verb, &keys, &at); err == nil {
			b.At = when(at)
			err = json.Unmarshal([]byte(keys), &b.Keys)
		}
		return b, err
	}, "SELECT id, seq, part, verb, keys, at FROM batch WHERE sync = ?1 AND done = 0 ORDER BY run, seq", sync.String())
	return open, j.fail("reading the open batches of "+sync.String(), err)
}

// Runs implements state.Journal.
func (j *Journal) Runs(ctx context.Context, sync addrs.Instance, n int) ([]state.Run, error) {
	where, args := "ORDER BY seq DESC LIMIT ?1", []any{n}
	if !sync.IsZero() {
		where, args = "WHERE sync = ?2 "+where, []any{n, sync.String()}
	}
	runs, err := queryRuns(ctx, j.db(), where, args...)
	return runs, j.fail("reading the history of runs", err)
}

// Syncs implements state.Journal.
func (j *Journal) Syncs(ctx context.Context) ([]addrs.Instance, error) {
	syncs, err := scan(ctx, j.db(), func(rows *sql.Rows) (a addrs.Instance, err error) {
		var addr string
		if err = rows.Scan(&addr); err == nil {
			err = a.UnmarshalText([]byte(addr))
		}
		return a, err
	}, "SELECT addr FROM sync UNION SELECT sync FROM owed UNION SELECT sync FROM failure ORDER BY 1")
	return syncs, j.fail("reading which syncs are remembered", err)
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func queryRuns(ctx context.Context, q querier, where string, args ...any) ([]state.Run, error) {
	return scan(ctx, q, scanRun, selectRuns+where, args...)
}

// What scanRun reads.
const (
	runColumns = "seq, id, sync, mode, reasons, fence, started, ended, outcome, counts, failures, fresh, message"
	selectRuns = "SELECT " + runColumns + " FROM run "
)

func scanRun(rows *sql.Rows) (r state.Run, err error) {
	var sync, reasons, counts string
	var started, ended int64
	if err := rows.Scan(&r.Seq, &r.ID, &sync, &r.Mode, &reasons, &r.Fence, &started, &ended, &r.Outcome, &counts, &r.Failures, &r.New, &r.Message); err != nil {
		return r, err
	}
	r.Started, r.Ended = when(started), when(ended)
	return r, errors.Join(
		r.Sync.UnmarshalText([]byte(sync)),
		json.Unmarshal([]byte(reasons), &r.Reasons),
		json.Unmarshal([]byte(counts), &r.Counts))
}

func scan[T any](ctx context.Context, q querier, one func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := one(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// first returns the first of at most one, nil for none.
func first[T any](all []T, err error) (*T, error) {
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// text is v as JSON; v is one of our own types, which always can be.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func when(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
