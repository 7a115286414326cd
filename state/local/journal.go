package local

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"accord/state"
	"accord/state/sqljournal"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Each file leads from the version before to the one that it is named after.
//
//go:embed *.sql
var steps embed.FS

const (
	applicationID = 0x4163636f // "Acco"
	schemaVersion = 7
)

// journal is a state.Journal. One connection serves the process, one
// transaction at a time; SQLite serves the processes.
type journal struct {
	*sqljournal.Journal
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
	if forbidden(err) && j.missing() {
		err = j.openBlank(ctx)
	}
	if err != nil {
		if j.db != nil {
			j.db.Close()
		}
		return nil, fmt.Errorf("opening the journal of syncs: %w", j.explain(err))
	}
	j.Journal = sqljournal.New(sqljournal.Place{
		DB: j.db, Parses: true, Alone: true, Later: "PRAGMA synchronous = NORMAL", AtOnce: "PRAGMA synchronous = FULL",
		Now: s.opts.Now, Holder: s.newHolder, Mine: j.alive.mine, Alive: j.alive.is, Explain: j.explain, Cipher: s.opts.Cipher,
	})
	return j, nil
}

var _ state.Preparing = (*journal)(nil)

// Prepare makes the write-ahead log where there is none, which is waited for
// twice: for the log, and for its name; and it parses what a run is going to say.
func (j *journal) Prepare(ctx context.Context) error {
	j.Journal.Prepare(ctx)
	_, err := j.db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
	return j.explain(err)
}

// Reseal is that of sqljournal. The file is written anew, so that nothing of what
// was there is left in it.
func (j *journal) Reseal(ctx context.Context) error {
	n, err := j.Journal.Reseal(ctx)
	if err != nil || n == 0 {
		return err
	}
	for _, statement := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := j.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("writing the journal of syncs anew: %w", j.explain(err))
		}
	}
	return nil
}

// open opens the database, which is made first where there is none. It is
// called inside the gate: nobody sees half a database.
func (j *journal) open(ctx context.Context) error {
	if j.missing() {
		if err := j.create(ctx); err != nil {
			return err
		}
	}
	if err := identify(j.path); err != nil {
		return err
	}
	err := j.connect(j.path, url.Values{"mode": {"rw"}}, "busy_timeout(20000)", "journal_mode(WAL)", "synchronous(FULL)")
	if err == nil {
		err = j.migrate(ctx)
	}
	if err == nil || !errors.Is(writable(j.store.dir), syscall.EROFS) {
		return err
	}
	// Where nobody can write it can be read, unless its write-ahead log has the rest.
	if wal, walErr := os.Stat(j.path + "-wal"); walErr == nil && wal.Size() > 0 {
		return err
	}
	j.db.Close()
	if err = j.connect(j.path, url.Values{"mode": {"ro"}, "immutable": {"1"}}); err == nil {
		err = j.migrate(ctx)
	}
	return err
}

// missing reports whether there is no database.
func (j *journal) missing() bool {
	_, err := os.Stat(j.path)
	return errors.Is(err, fs.ErrNotExist)
}

// openBlank opens what the journal is where there is none and none can be made:
// nothing was ever synced. It can be read.
func (j *journal) openBlank(ctx context.Context) error {
	err := j.connect(j.path, url.Values{"mode": {"memory"}})
	if err == nil {
		err = j.migrate(ctx)
	}
	if err == nil {
		_, err = j.db.ExecContext(ctx, "PRAGMA query_only = ON")
	}
	return err
}

// forbidden reports whether an error is that nothing may be written.
func forbidden(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// writable tries to write in a folder, as a database would.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 64<<10))
	return errors.Join(err, f.Close())
}

// migrate brings the tables to the present version.
func (j *journal) migrate(ctx context.Context) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var have uint32
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil || have == schemaVersion {
		return err
	}
	if have > schemaVersion { // in the write-ahead log, where identify does not look
		return tooNew(j.path, have)
	}
	for n := have + 1; n <= schemaVersion; n++ {
		step, err := steps.ReadFile(fmt.Sprintf("%d.sql", n))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(step)); err != nil {
			return fmt.Errorf("bringing the tables to version %d: %w", n, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

func tooNew(path string, version uint32) error {
	return &state.DamagedError{Path: path,
		Reason: fmt.Sprintf("its format version is %d, and this accord knows only version %d", version, schemaVersion),
		Advice: "use the accord that wrote it"}
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
	if version := binary.BigEndian.Uint32(head[60:]); version > schemaVersion {
		return tooNew(path, version)
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
	err := j.connect(temp, url.Values{"mode": {"rw"}}, "journal_mode(OFF)", "synchronous(FULL)")
	if err == nil {
		if err = j.migrate(ctx); err == nil {
			_, err = j.db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
		}
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

func (j *journal) connect(path string, query url.Values, pragmas ...string) (err error) {
	query["_pragma"], query["_txlock"] = pragmas, []string{"immediate"}
	if mode := query.Get("mode"); mode == "ro" || mode == "memory" {
		query.Set("_txlock", "deferred")
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	if j.db, err = sql.Open("sqlite", dsn.String()); err == nil {
		j.db.SetMaxOpenConns(1)
	}
	return err
}

func (j *journal) close() error {
	return errors.Join(j.db.Close(), j.alive.close())
}

// explain says what to do about a broken file, and why one cannot be written, and
// what then: SQLite has a number for that, the system the reason.
func (j *journal) explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		if forbidden(err) {
			return fmt.Errorf("%w; %s", err, j.adviceWritable())
		}
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return &state.DamagedError{Path: j.path, Reason: err.Error(), Advice: adviceSyncs}
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		if why := writable(j.store.dir); why != nil {
			err = fmt.Errorf("%s cannot be written (%w): %w", j.path, err, cause(why))
			if forbidden(why) {
				err = fmt.Errorf("%w; %s", err, j.adviceWritable())
			}
		}
	}
	return err
}

// adviceWritable is for a folder in which somebody may not write. Who only looks
// opens the journal for writing too, since others may be writing in it.
func (j *journal) adviceWritable() string {
	return fmt.Sprintf("let this user write in %s, also to look: the journal is shared with whoever writes in it. A copy of the folder will do to look", j.store.dir)
}

// cause is an error of the system without the name of a file that does not matter.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
