package local

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed schema.sql
var schema string

const (
	applicationID = 0x4163636f // "Acco"
	schemaVersion = 1
	keptRuns      = 1000 // of each sync
)

// journal is a state.Journal. One connection serves the process, one
// transaction at a time; SQLite serves the processes. What is done must be
// kept although the caller was told to stop, so only beginnings heed ctx.
type journal struct {
	store *Store
	path  string
	db    *sql.DB
	alive alive
}

var _ state.Journal = (*journal)(nil)

func (s *Store) openJournal(ctx context.Context) (*journal, error) {
	j := &journal{store: s, path: filepath.Join(s.dir, "syncs.db"), alive: alive{dir: s.aliveDir()}}
	err := s.makeDirs()
	if err == nil {
		err = s.gate(ctx, func() error { return j.open(ctx) })
	}
	if err != nil {
		if j.db != nil {
			j.db.Close()
		}
		return nil, j.fail("opening the journal of syncs", err)
	}
	return j, nil
}

// open opens the database, which is made first where there is none. It is
// called inside the gate: nobody sees half a database.
func (j *journal) open(ctx context.Context) error {
	if _, err := os.Stat(j.path); errors.Is(err, fs.ErrNotExist) {
		if err := j.create(ctx); err != nil {
			return err
		}
	}
	if err := identify(j.path); err != nil {
		return err
	}
	err := j.connect(j.path, "busy_timeout(20000)", "journal_mode(WAL)", "synchronous(FULL)")
	if err == nil {
		err = j.db.PingContext(ctx)
	}
	return err
}

// identify looks at the head of a database before SQLite does, which might
// change it. The head never changes in what is read here but the size, and
// that counts only where no write-ahead log has the rest.
func identify(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 100)
	if n, err := io.ReadFull(f, head); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	} else if n < len(head) || string(head[:16]) != "SQLite format 3\x00" || binary.BigEndian.Uint32(head[68:]) != applicationID {
		return &state.DamagedError{Path: path, Reason: "it is not a journal of syncs", Advice: adviceSyncs}
	}
	if version := binary.BigEndian.Uint32(head[60:]); version != schemaVersion {
		return &state.DamagedError{Path: path,
			Reason: fmt.Sprintf("its format version is %d, and this accord knows only version %d", version, schemaVersion),
			Advice: "use the accord that wrote it"}
	}
	pageSize := int64(binary.BigEndian.Uint16(head[16:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	size := pageSize * int64(binary.BigEndian.Uint32(head[28:]))
	wal, walErr := os.Stat(path + "-wal")
	info, err := f.Stat() // last: by now, what was moved from a log that is gone is there
	if err != nil {
		return err
	}
	if info.Size() < size && (walErr != nil || wal.Size() == 0) {
		return &state.DamagedError{Path: path, Reason: fmt.Sprintf("it was cut short, from %d bytes to %d", size, info.Size()), Advice: adviceSyncs}
	}
	return nil
}

const adviceSyncs = "move it away, but keep it: without it each sync runs in full once, and the failures it lists are found again"

// create makes an empty database under another name, and gives it its own when
// it is whole.
func (j *journal) create(ctx context.Context) error {
	temp := j.path + ".tmp"
	if err := j.store.writeFile(temp, nil); err != nil { // SQLite gives its other files the same mode
		return err
	}
	err := j.connect(temp, "journal_mode(OFF)", "synchronous(FULL)")
	if err == nil {
		_, err = j.db.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", schema, applicationID, schemaVersion))
		err = errors.Join(err, j.db.Close())
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temp, j.path); err != nil {
		return err
	}
	return j.store.syncDir(j.store.dir)
}

func (j *journal) connect(path string, pragmas ...string) (err error) {
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{
		"mode":    {"rw"},
		"_pragma": pragmas,
		"_txlock": {"immediate"},
	}.Encode()}
	if j.db, err = sql.Open("sqlite", dsn.String()); err == nil {
		j.db.SetMaxOpenConns(1)
	}
	return err
}

func (j *journal) close() error {
	return errors.Join(j.db.Close(), j.alive.close())
}

// tx runs fn in a transaction that is durable when tx returns nil, and never
// happened otherwise: ctx does not cut a commit short.
func (j *journal) tx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := j.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// fail says what was being attempted, and what to do about a broken file.
func (j *journal) fail(doing string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB) {
		return &state.DamagedError{Path: j.path, Reason: err.Error(),
			Advice: adviceSyncs}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// Memory implements state.Journal.
func (j *journal) Memory(ctx context.Context, sync addrs.Instance) (m state.Memory, err error) {
	err = j.tx(ctx, func(tx *sql.Tx) error {
		var text string
		err := tx.QueryRowContext(ctx, "SELECT memory FROM sync WHERE addr = ?", sync.String()).Scan(&text)
		if err == nil {
			err = json.Unmarshal([]byte(text), &m)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if m.Owed, err = column[string](ctx, tx, "SELECT reason FROM owed WHERE sync = ? ORDER BY reason", sync.String()); err != nil {
			return err
		}
		if m.Last, err = first(queryRuns(ctx, tx, "WHERE sync = ? ORDER BY seq DESC LIMIT 1", sync.String())); err != nil {
			return err
		}
		if m.LastFull, err = first(queryRuns(ctx, tx, "WHERE seq = "+lastFull, sync.String())); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM failure WHERE sync = ?", sync.String()).Scan(&m.Failures)
	})
	return m, j.fail("reading what is remembered of "+sync.String(), err)
}

const lastFull = "(SELECT max(seq) FROM run WHERE sync = ?1 AND mode = 'full' AND outcome IN ('clean', 'faulty'))"

// Remember implements state.Journal.
func (j *journal) Remember(ctx context.Context, lease state.Lease, m state.Memory) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx *sql.Tx) error {
		if err := held(ctx, tx, lease.Sync.String(), lease.Fence); err != nil {
			return err
		}
		return remember(ctx, tx, lease.Sync.String(), m)
	})
	return j.fail("remembering "+lease.Sync.String(), err)
}

func remember(ctx context.Context, tx *sql.Tx, sync string, m state.Memory) error {
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO sync (addr, memory) VALUES (?, ?)", sync, text(m))
	return err
}

// Owe implements state.Journal.
func (j *journal) Owe(ctx context.Context, sync addrs.Instance, reasons []string) error {
	err := j.tx(ctx, func(tx *sql.Tx) error {
		for _, r := range reasons {
			if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO owed (sync, reason) VALUES (?, ?)", sync.String(), r); err != nil {
				return err
			}
		}
		return nil
	})
	return j.fail("promising a run of "+sync.String(), err)
}

// Settle implements state.Journal.
func (j *journal) Settle(ctx context.Context, sync addrs.Instance, reasons []string) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx *sql.Tx) error {
		if reasons == nil {
			_, err := tx.ExecContext(ctx, "DELETE FROM owed WHERE sync = ?", sync.String())
			return err
		}
		return settle(ctx, tx, sync.String(), reasons)
	})
	return j.fail("settling what is owed to "+sync.String(), err)
}

func settle(ctx context.Context, tx *sql.Tx, sync string, reasons []string) error {
	for _, r := range reasons {
		if _, err := tx.ExecContext(ctx, "DELETE FROM owed WHERE sync = ? AND reason = ?", sync, r); err != nil {
			return err
		}
	}
	return nil
}

// Forget implements state.Journal.
func (j *journal) Forget(ctx context.Context, lease state.Lease) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx *sql.Tx) error {
		if err := held(ctx, tx, lease.Sync.String(), lease.Fence); err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM sync WHERE addr = ?",
			"DELETE FROM owed WHERE sync = ?",
			"DELETE FROM batch WHERE sync = ?",
			"DELETE FROM failure WHERE sync = ?",
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
func (j *journal) Begin(ctx context.Context, r state.Run) error {
	err := j.tx(ctx, func(tx *sql.Tx) error {
		sync := r.Sync.String()
		if err := held(ctx, tx, sync, r.Fence); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE run SET outcome = ?, ended = ?, "+tally+" WHERE sync = ? AND outcome = ''",
			state.Interrupted, nanos(j.store.opts.Now()), sync); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM batch WHERE sync = ? AND done", sync); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO run (id, sync, mode, reasons, fence, started) VALUES (?, ?, ?, ?, ?, ?)",
			r.ID, sync, r.Mode, text(r.Reasons), r.Fence, nanos(r.Started))
		return err
	})
	return j.fail("recording the start of run "+r.ID, err)
}

// tally takes the failures of a run into its row.
const tally = `
	failures = (SELECT count(*) FROM failure WHERE failure.sync = run.sync AND last_run = run.seq),
	fresh    = (SELECT count(*) FROM failure WHERE failure.sync = run.sync AND first_run = run.seq AND last_run = run.seq)`

// running is a run that has begun, not ended, and not been fenced.
type running struct {
	seq    int64
	sync   string
	counts map[string]int64
}

func findRunning(ctx context.Context, tx *sql.Tx, id string) (r running, err error) {
	var counts string
	var outcome state.RunOutcome
	var fence uint64
	err = tx.QueryRowContext(ctx, "SELECT seq, sync, counts, outcome, fence FROM run WHERE id = ?", id).
		Scan(&r.seq, &r.sync, &counts, &outcome, &fence)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errors.New("it was not begun")
	}
	if err != nil {
		return r, err
	}
	if err := held(ctx, tx, r.sync, fence); err != nil {
		return r, err
	}
	if outcome != "" {
		return r, fmt.Errorf("it has ended as %s", outcome)
	}
	return r, json.Unmarshal([]byte(counts), &r.counts)
}

// count adds to the counts of a run.
func (r running) count(ctx context.Context, tx *sql.Tx, counts map[string]int64) error {
	if len(counts) == 0 {
		return nil
	}
	if r.counts == nil {
		r.counts = map[string]int64{}
	}
	for name, n := range counts {
		r.counts[name] += n
	}
	_, err := tx.ExecContext(ctx, "UPDATE run SET counts = ? WHERE seq = ?", text(r.counts), r.seq)
	return err
}

// Intend implements state.Journal.
func (j *journal) Intend(ctx context.Context, run string, batches []state.Batch) error {
	now := j.store.opts.Now().UTC()
	err := j.tx(ctx, func(tx *sql.Tx) error {
		r, err := findRunning(ctx, tx, run)
		if err != nil {
			return err
		}
		for n := range batches {
			b := &batches[n]
			if b.Seq == 0 {
				return errors.New("batches are counted from 1")
			}
			b.Run, b.At = run, now
			if _, err := tx.ExecContext(ctx, "INSERT INTO batch (sync, run, seq, id, part, verb, keys, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				r.sync, r.seq, b.Seq, run, b.Part, b.Verb, text(b.Keys), nanos(now)); err != nil {
				return err
			}
		}
		return nil
	})
	return j.fail("recording what run "+run+" is about to write", err)
}

// Checkpoint implements state.Journal.
func (j *journal) Checkpoint(ctx context.Context, run string, c state.Checkpoint) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx *sql.Tx) error {
		r, err := findRunning(ctx, tx, run)
		if err != nil {
			return err
		}
		if c.Seq > 0 {
			var done bool
			err := tx.QueryRowContext(ctx, "SELECT done FROM batch WHERE sync = ? AND run = ? AND seq = ?", r.sync, r.seq, c.Seq).Scan(&done)
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("batch %d was not begun", c.Seq)
			}
			if err != nil || done {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE batch SET done = 1, keys = '[]' WHERE sync = ? AND run = ? AND seq = ?", r.sync, r.seq, c.Seq); err != nil {
				return err
			}
		}
		if err := r.count(ctx, tx, c.Counts); err != nil {
			return err
		}
		if err := r.fail(ctx, tx, run, j.store.opts.Now(), c.Failed); err != nil {
			return err
		}
		return r.resolve(ctx, tx, c.Resolved)
	})
	return j.fail("recording what run "+run+" has written", err)
}

func (r running) fail(ctx context.Context, tx *sql.Tx, run string, now time.Time, failures []state.Failure) error {
	if len(failures) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO failure (sync, part, key, title, kind, message, cause, first, last, attempts, first_run, last_run, id)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, ?9, ?9, ?10)
		ON CONFLICT DO UPDATE SET
			title = ?4, kind = ?5, message = ?6, cause = ?7, last = ?8,
			attempts = attempts + (last_run <> ?9), last_run = ?9, id = ?10`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, f := range failures {
		if _, err := insert.ExecContext(ctx, r.sync, f.Part, f.Key, f.Title, f.Kind, f.Message, f.Cause.String(), nanos(now), r.seq, run); err != nil {
			return err
		}
	}
	return nil
}

func (r running) resolve(ctx context.Context, tx *sql.Tx, items []state.Item) error {
	if len(items) == 0 {
		return nil
	}
	remove, err := tx.PrepareContext(ctx, "DELETE FROM failure WHERE sync = ? AND part = ? AND key = ?")
	if err != nil {
		return err
	}
	defer remove.Close()
	for _, i := range items {
		if _, err := remove.ExecContext(ctx, r.sync, i.Part, i.Key); err != nil {
			return err
		}
	}
	return nil
}

// End implements state.Journal.
func (j *journal) End(ctx context.Context, run string, e state.End) (ended state.Run, err error) {
	ctx = context.WithoutCancel(ctx)
	err = j.tx(ctx, func(tx *sql.Tx) error {
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

		if err := r.count(ctx, tx, e.Counts); err != nil {
			return err
		}
		if e.Sweep {
			if _, err := tx.ExecContext(ctx, "DELETE FROM failure WHERE sync = ? AND last_run <> ?", r.sync, r.seq); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "UPDATE run SET outcome = ?, ended = ?, message = ?, "+tally+" WHERE seq = ?",
			e.Outcome, nanos(e.At), e.Message, r.seq); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM batch WHERE sync = ? AND (done OR ?)", r.sync, finished); err != nil {
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
		if _, err := tx.ExecContext(ctx, "DELETE FROM run WHERE sync = ?1 AND seq < (SELECT seq FROM run WHERE sync = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2) AND seq IS NOT "+
			lastFull, r.sync, keptRuns-1); err != nil {
			return err
		}
		found, err := first(queryRuns(ctx, tx, "WHERE seq = ?", r.seq))
		if err == nil {
			ended = *found
		}
		return err
	})
	return ended, j.fail("recording the end of run "+run, err)
}

// Open implements state.Journal.
func (j *journal) Open(ctx context.Context, sync addrs.Instance) ([]state.Batch, error) {
	open, err := scan(ctx, j.db, func(rows *sql.Rows) (b state.Batch, err error) {
		var keys string
		var at int64
		if err = rows.Scan(&b.Run, &b.Seq, &b.Part, &b.Verb, &keys, &at); err == nil {
			b.At = when(at)
			err = json.Unmarshal([]byte(keys), &b.Keys)
		}
		return b, err
	}, "SELECT id, seq, part, verb, keys, at FROM batch WHERE sync = ? AND NOT done ORDER BY run, seq", sync.String())
	return open, j.fail("reading the open batches of "+sync.String(), err)
}

// Failures implements state.Journal. It reads a page at a time, so that others
// may write between two pages.
func (j *journal) Failures(ctx context.Context, sync addrs.Instance) iter.Seq2[state.Failure, error] {
	const page = 500
	where := "WHERE (sync, part, key) > (?1, ?2, ?3)"
	if !sync.IsZero() {
		where = "WHERE sync = ?1 AND (part, key) > (?2, ?3)"
	}
	return func(yield func(state.Failure, error) bool) {
		after := state.Failure{Sync: sync}
		for {
			failures, err := scan(ctx, j.db, scanFailure,
				"SELECT sync, part, key, title, kind, message, cause, first, last, attempts, id FROM failure "+where+
					" ORDER BY sync, part, key LIMIT ?4", after.Sync.String(), after.Part, after.Key, page)
			if err != nil {
				yield(state.Failure{}, j.fail("reading the failures", err))
				return
			}
			for _, f := range failures {
				if !yield(f, nil) {
					return
				}
				after = f
			}
			if len(failures) < page {
				return
			}
		}
	}
}

func scanFailure(rows *sql.Rows) (f state.Failure, err error) {
	var sync, cause string
	var first, last int64
	if err := rows.Scan(&sync, &f.Part, &f.Key, &f.Title, &f.Kind, &f.Message, &cause, &first, &last, &f.Attempts, &f.Run); err != nil {
		return f, err
	}
	f.FirstSeen, f.LastSeen = when(first), when(last)
	return f, errors.Join(f.Sync.UnmarshalText([]byte(sync)), f.Cause.UnmarshalText([]byte(cause)))
}

// Runs implements state.Journal.
func (j *journal) Runs(ctx context.Context, sync addrs.Instance, n int) ([]state.Run, error) {
	where, args := "ORDER BY seq DESC LIMIT ?", []any{n}
	if !sync.IsZero() {
		where, args = "WHERE sync = ? "+where, []any{sync.String(), n}
	}
	runs, err := queryRuns(ctx, j.db, where, args...)
	return runs, j.fail("reading the history of runs", err)
}

// Syncs implements state.Journal.
func (j *journal) Syncs(ctx context.Context) ([]addrs.Instance, error) {
	syncs, err := scan(ctx, j.db, func(rows *sql.Rows) (a addrs.Instance, err error) {
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
	return scan(ctx, q, scanRun,
		"SELECT seq, id, sync, mode, reasons, fence, started, ended, outcome, counts, failures, fresh, message FROM run "+where, args...)
}

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

func column[T any](ctx context.Context, q querier, query string, args ...any) ([]T, error) {
	return scan(ctx, q, func(rows *sql.Rows) (v T, err error) { return v, rows.Scan(&v) }, query, args...)
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
