package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// Begin implements state.Journal.
func (j *Journal) Begin(ctx context.Context, r state.Run) error {
	err := j.later(ctx, func(tx tx) error {
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
		_, err = tx.ExecContext(ctx, "INSERT INTO run (id, sync, mode, reasons, fence, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			r.ID, sync, r.Mode, text(r.Reasons), r.Fence, nanos(r.Started))
		if err != nil {
			return err
		}
		if err := owe(ctx, tx, sync, r.Owes); err != nil {
			return err
		}
		return toTell(ctx, tx, r)
	})
	return j.fail("recording the start of run "+r.ID, err)
}

// tally takes the failed items of a run into its row.
const tally = `
	failures = (SELECT count(*) FROM failure WHERE failure.sync = run.sync AND last_run = run.seq AND general = 0 AND kept = 0),
	fresh    = (SELECT count(*) FROM failure WHERE failure.sync = run.sync AND first_run = run.seq AND last_run = run.seq AND general = 0 AND kept = 0)`

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
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		if c.Seq > 0 {
			first, err := r.done(ctx, tx, c.Seq, now)
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
		if err := r.fail(ctx, tx, run, now, failed); err != nil {
			return err
		}
		return r.resolve(ctx, tx, c.Resolved)
	})
	return j.fail("recording what run "+run+" has written", err)
}

// done notes that a batch is done, and since when others may be under way; first:
// it was not yet.
func (r running) done(ctx context.Context, tx tx, seq uint64, now time.Time) (first bool, err error) {
	result, err := tx.ExecContext(ctx, "UPDATE batch SET done = 1, keys = '[]', at = ?1 WHERE sync = ?2 AND run = ?3 AND seq = ?4 AND done = 0", nanos(now), r.sync, r.seq, seq)
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
	keep := j.tx
	if e.Light {
		keep = j.later
	}
	err = keep(ctx, func(tx tx) error {
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
	}, "SELECT id, seq, part, verb, keys, (SELECT max(at) FROM batch AS of_run WHERE of_run.sync = batch.sync AND of_run.run = batch.run) FROM batch WHERE sync = ?1 AND done = 0 ORDER BY run, seq", sync.String())
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
