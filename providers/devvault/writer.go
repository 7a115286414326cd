package devvault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// writer runs writes one after the other, many to a transaction: those that wait while one commits share the next commit.
// A write that fails leaves nothing behind, and does not disturb the others of its commit.
type writer struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	jobs  chan *writeJob
	done  chan struct{}
	mu    sync.RWMutex // held to send on jobs; closed under the write lock
	ended bool

	changes changes
	lines   []auditLine       // of what is committed, not written yet
	audited map[trailOf]int64 // the last line of each trail that was written to
}

type writeJob struct {
	do    func(*tx) error
	after []func()
	err   error
	done  chan struct{}
}

// maxGroup is how many writes share a commit at most, so that the first of them does not wait for long.
const maxGroup = 256

var errClosed = errors.New("the server is closed")

func startWriter(db *sql.DB) (*writer, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	w := &writer{conn: conn, stmts: map[string]*sql.Stmt{}, audited: map[trailOf]int64{}, jobs: make(chan *writeJob, maxGroup), done: make(chan struct{})}
	if err := w.changes.watch(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	go w.run()
	return w, nil
}

// update runs do in a transaction and returns when it is committed. It is durable then: killing the process loses nothing of it.
func (w *writer) update(do func(*tx) error) error {
	job := &writeJob{do: do, done: make(chan struct{})}
	w.mu.RLock()
	if w.ended {
		w.mu.RUnlock()
		return errClosed
	}
	w.jobs <- job
	w.mu.RUnlock()
	<-job.done
	return job.err
}

func (w *writer) stop() error {
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return nil
	}
	w.ended = true
	close(w.jobs)
	w.mu.Unlock()
	<-w.done
	for _, s := range w.stmts {
		s.Close()
	}
	return w.conn.Close()
}

func (w *writer) run() {
	defer close(w.done)
	idle := time.NewTimer(auditDelay)
	for {
		if len(w.lines) > 0 {
			idle.Reset(auditDelay)
		}
		select {
		case job, ok := <-w.jobs:
			if !ok {
				w.flush()
				return
			}
			w.group(job)
		case <-idle.C:
			w.flush()
		}
	}
}

// flush writes the audit lines that wait.
func (w *writer) flush() {
	if len(w.lines) > 0 {
		w.group(&writeJob{do: func(t *tx) error { t.flush = true; return nil }, done: make(chan struct{})})
	}
}

// group commits first and the writes that have come in meanwhile as one transaction.
func (w *writer) group(first *writeJob) {
	t := &tx{w: w}
	group := []*writeJob{first}
	err := t.exec("BEGIN IMMEDIATE")
	for i := 0; err == nil; i++ {
		err = w.step(t, group[i])
		if err != nil || len(group) == maxGroup {
			break
		}
		select {
		case next, ok := <-w.jobs:
			if ok {
				group = append(group, next)
				continue
			}
		default:
		}
		break
	}
	lines := append(w.lines, t.audit...)
	if err == nil && (t.flush || len(lines) >= auditGroups[0]) {
		err = t.writeAudit(lines)
		lines = nil
	}
	if err == nil {
		err = t.exec("COMMIT")
	}
	if err != nil {
		t.exec("ROLLBACK")
		clear(w.audited)
	} else {
		w.lines = lines
	}
	w.changes.commit()
	for _, j := range group {
		if err != nil {
			j.err = fmt.Errorf("commit: %w", err)
		} else if j.err == nil {
			for _, f := range j.after {
				f()
			}
		}
		close(j.done)
	}
}

// step runs one write; the error it returns is of the transaction, the write's own is kept in the job.
func (w *writer) step(t *tx, j *writeJob) error {
	if err := t.exec("SAVEPOINT job"); err != nil {
		return err
	}
	t.after = nil
	lines := len(t.audit)
	j.err = j.do(t)
	j.after = t.after
	if j.err != nil {
		t.audit = t.audit[:lines]
		if err := t.exec("ROLLBACK TO job"); err != nil {
			return err
		}
	}
	return t.exec("RELEASE job")
}

// tx is the transaction of a write. It sees what was written before it. It is not for use after the function it was given to returns.
type tx struct {
	w     *writer
	after []func()
	audit []auditLine // of all writes of the commit
	flush bool        // the audit lines that wait are written with this commit
}

// then runs f once the write is committed, before it is answered, and never if it fails. What is kept in memory changes there.
func (t *tx) then(f func()) { t.after = append(t.after, f) }

func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.w.stmts[query]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(bg, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", query, err)
	}
	t.w.stmts[query] = s
	return s, nil
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.execResult(query, args...)
	return err
}

func (t *tx) execResult(query string, args ...any) (sql.Result, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	res, err := s.ExecContext(bg, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	return res, nil
}

// QueryContext makes tx a querier. Read the rows to the end before the next statement. It runs to its end whatever becomes of the caller:
// to interrupt it would take back the writes of others.
func (t *tx) QueryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(bg, args...)
}

// bg is the context of statements that run to their end whatever becomes of the caller.
var bg = context.Background()
