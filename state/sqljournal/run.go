package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// Begin implements state.Journal.
func (j *Journal) Begin(ctx context.Context, runs ...state.Run) error {
	ids := make([]string, len(runs))
	syncs := make([]string, len(runs))
	for n, r := range runs {
		ids[n], syncs[n] = r.ID, r.Sync.String()
	}
	err := j.later(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		found, err := scan(ctx, tx, func(rows *sql.Rows) (s standing, err error) {
			return s, rows.Scan(&s.sync, &s.fence, &s.held, &s.unended)
		}, selectStanding, text(syncs))
		if err != nil {
			return err
		}
		of := make(map[string]standing, len(found))
		for _, s := range found {
			of[s.sync] = s
		}
		for n, r := range runs {
			s := of[syncs[n]]
			if !s.held || s.fence != r.Fence {
				return state.ErrFenced
			}
			if s.unended {
				if err := interrupt(ctx, tx, []string{s.sync}, now); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, beginRun, r.ID, s.sync, r.Mode, text(r.Reasons), r.Fence, nanos(r.Started)); err != nil {
				return err
			}
			if err := errors.Join(owe(ctx, tx, s.sync, r.Owes, state.Allowance{}), toTell(ctx, tx, r)); err != nil {
				return err
			}
		}
		return nil
	})
	return j.fail("recording the start of run "+strings.Join(ids, ", "), err)
}

var (
	selectStanding = inEachRun("SELECT sync, fence, alive <> '', EXISTS (SELECT 1 FROM run WHERE seq = (SELECT max(seq) FROM run WHERE run.sync = lease.sync) AND outcome = '') FROM lease WHERE sync IN " + these)

	beginRun = inEachRun("INSERT INTO run (id, sync, mode, reasons, fence, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
)

// interrupt ends the runs of syncs that have no end.
func interrupt(ctx context.Context, tx tx, syncs []string, now time.Time) error {
	_, err := tx.ExecContext(ctx, interruptRuns, text(syncs), state.Interrupted, nanos(now))
	return err
}

const interruptRuns = "UPDATE run SET outcome = ?2, ended = ?3, " + tally + " WHERE outcome = '' AND sync IN " + these

// standing is how a sync stands before a run of it: its last lease, and its last
// run where that has no end. Only the last can have none: every run begins so.
type standing struct {
	sync    string
	fence   uint64
	held    bool
	unended bool
}

// tally takes the failed items of a run into its row.
const tally = `
	failures = (SELECT count(*) FROM exception WHERE exception.sync = run.sync AND last_run = run.seq AND type = ''),
	fresh    = (SELECT count(*) FROM exception WHERE exception.sync = run.sync AND first_run = run.seq AND last_run = run.seq AND type = '')`

// running is a run that has begun, not ended, and not been fenced.
type running struct {
	seq    int64
	sync   string
	fence  uint64
	counts map[string]int64
}

var selectRunning = inEachRun(`
	SELECT seq, run.sync, run.fence, counts, outcome, coalesce(lease.fence = run.fence AND alive <> '', FALSE)
	FROM run LEFT JOIN lease ON lease.sync = run.sync WHERE id = ?1`)

func findRunning(ctx context.Context, tx tx, id string) (r running, err error) {
	var counts string
	var outcome state.RunOutcome
	var held bool
	err = tx.QueryRowContext(ctx, selectRunning, id).Scan(&r.seq, &r.sync, &r.fence, &counts, &outcome, &held)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, errNotBegun
	case err != nil:
		return r, err
	}
	if err := mayGoOn(held, outcome); err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(counts), &r.counts)
}

var errNotBegun = errors.New("it was not begun")

// mayGoOn says why a run may say no more.
func mayGoOn(held bool, outcome state.RunOutcome) error {
	switch {
	case !held:
		return state.ErrFenced
	case outcome != "":
		return fmt.Errorf("it has ended as %s", outcome)
	}
	return nil
}

// sum adds to the counts of a run.
func sum(counts, more map[string]int64) map[string]int64 {
	if counts == nil {
		counts = make(map[string]int64, len(more))
	}
	for name, n := range more {
		counts[name] += n
	}
	return counts
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
			if _, err := tx.ExecContext(ctx, beginBatch, r.sync, r.seq, b.Seq, run, b.Part, b.Verb, text(b.Keys), nanos(now)); err != nil {
				return err
			}
		}
		return nil
	})
	return j.fail("recording what run "+run+" is about to write", err)
}

var (
	beginBatch = inEachRun("INSERT INTO batch (sync, run, seq, id, part, verb, keys, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
	endBatch   = inEachRun("UPDATE batch SET done = 1, keys = '[]', at = ?1 WHERE sync = ?2 AND run = ?3 AND seq = ?4 AND done = 0")
	keepCounts = inEachRun("UPDATE run SET counts = ?1 WHERE seq = ?2")
)

// Checkpoint implements state.Journal.
func (j *Journal) Checkpoint(ctx context.Context, run string, c state.Checkpoint) error {
	ctx = context.WithoutCancel(ctx)
	failed, err := j.sealed(c.Met)
	if err != nil {
		return err
	}
	texts, err := j.texts(c.Unmatched)
	if err != nil {
		return err
	}
	keep := j.tx
	if c.Seq > 0 && len(c.Met) == 0 {
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
			if _, err := tx.ExecContext(ctx, keepCounts, text(sum(r.counts, c.Counts)), r.seq); err != nil {
				return err
			}
		}
		if err := r.fail(ctx, tx, run, now, failed); err != nil {
			return err
		}
		if err := r.lack(ctx, tx, c.Unmatched, texts); err != nil {
			return err
		}
		return r.resolve(ctx, tx, c.Resolved)
	})
	return j.fail("recording what run "+run+" has written", err)
}

// done notes that a batch is done, and since when others may be under way; first:
// it was not yet.
func (r running) done(ctx context.Context, tx tx, seq uint64, now time.Time) (first bool, err error) {
	result, err := tx.ExecContext(ctx, endBatch, nanos(now), r.sync, r.seq, seq)
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
func (j *Journal) End(ctx context.Context, ends ...state.End) (ended []state.Run, err error) {
	ctx = context.WithoutCancel(ctx)
	ids := make([]string, len(ends))
	keep := j.later
	for n, e := range ends {
		ids[n] = e.Run
		if !e.Light {
			keep = j.tx
		}
	}
	err = keep(ctx, func(tx tx) error {
		found, err := scan(ctx, tx, scanEnding, selectEnding, text(ids))
		if err != nil {
			return err
		}
		of := make(map[string]ending, len(found))
		for _, r := range found {
			of[r.ID] = r
		}
		ended = make([]state.Run, len(ends))
		for n, e := range ends {
			r, ok := of[e.Run]
			if !ok {
				return errNotBegun
			}
			if ended[n], err = r.end(ctx, tx, e); err != nil {
				return err
			}
			if r.Seq%pruneEvery == 0 {
				if err := j.prune(ctx, tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return ended, j.fail("recording the end of run "+strings.Join(ids, ", "), err)
}

var (
	selectEnding = inEachRun("SELECT " + runColumns + `,
			coalesce((SELECT lease.fence = run.fence AND alive <> '' FROM lease WHERE lease.sync = run.sync), FALSE),
			EXISTS (SELECT 1 FROM exception WHERE exception.sync = run.sync),
			EXISTS (SELECT 1 FROM unmatched WHERE unmatched.sync = run.sync),
			EXISTS (SELECT 1 FROM batch WHERE batch.sync = run.sync),
			EXISTS (SELECT 1 FROM untold WHERE untold.run = run.seq)
		FROM run WHERE id IN ` + these)

	endRun      = inEachRun("UPDATE run SET outcome = ?1, ended = ?2, message = ?3, counts = ?4 WHERE seq = ?5")
	dropBatches = inEachRun("DELETE FROM batch WHERE sync = ?1 AND (done <> 0 OR ?2 AND run <> ?3)")
)

// ending is a run that is to end, and what there is that may have to go with it.
type ending struct {
	state.Run
	held                                   bool
	exceptions, unmatched, batches, untold bool
}

func scanEnding(rows *sql.Rows) (e ending, err error) {
	e.Run, err = scanRun(rows, &e.held, &e.exceptions, &e.unmatched, &e.batches, &e.untold)
	return e, err
}

func (r ending) end(ctx context.Context, tx tx, e state.End) (state.Run, error) {
	if err := mayGoOn(r.held, r.Outcome); err != nil {
		return r.Run, err
	}
	finished := e.Outcome == state.Clean || e.Outcome == state.Faulty
	if !finished && e.Outcome != state.Failed && e.Outcome != state.Interrupted {
		return r.Run, fmt.Errorf("%q is not how a run ends", e.Outcome)
	}
	sync := r.Sync.String()
	r.Outcome, r.Ended, r.Message = e.Outcome, when(nanos(e.At)), e.Message
	r.Counts = sum(r.Counts, e.Counts)
	do := func(statement string, args ...any) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	}
	if r.exceptions && e.Sweep {
		if err := do("DELETE FROM exception WHERE sync = ?1 AND last_run <> ?2", sync, r.Seq); err != nil {
			return r.Run, err
		}
	}
	if r.unmatched {
		if err := r.matched(ctx, tx, e.Matched, e.Sweep && r.Mode != state.Incremental); err != nil {
			return r.Run, err
		}
	}
	if err := do(endRun, r.Outcome, nanos(r.Ended), r.Message, text(r.Counts), r.Seq); err != nil {
		return r.Run, err
	}
	if r.exceptions {
		if err := tx.QueryRowContext(ctx, "UPDATE run SET "+tally+" WHERE seq = ?1 RETURNING failures, fresh", r.Seq).Scan(&r.Failures, &r.New); err != nil {
			return r.Run, err
		}
	}
	if r.batches {
		if err := do(dropBatches, sync, finished, r.Seq); err != nil {
			return r.Run, err
		}
	}
	if e.Memory != nil {
		if err := remember(ctx, tx, sync, *e.Memory); err != nil {
			return r.Run, err
		}
	}
	if err := settle(ctx, tx, sync, e.Settled); err != nil {
		return r.Run, err
	}
	if r.untold && !e.Worth {
		if err := takeBack(ctx, tx, r.Run); err != nil {
			return r.Run, err
		}
	}
	if e.Release {
		return r.Run, release(ctx, tx, sync, r.Fence)
	}
	return r.Run, nil
}

// pruneEvery is after how many runs, of whatever sync, those are looked for that
// need not be kept: to find them takes a walk over all.
const pruneEvery = 1000

// prune drops the runs that need not be kept.
func (j *Journal) prune(ctx context.Context, tx tx) error {
	now, err := j.now(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, prune, KeptRuns, nanos(now.Add(-KeptUntold)))
	return err
}

const prune = `
	DELETE FROM run WHERE outcome <> '' AND (ended < ?2 OR seq NOT IN (SELECT run FROM untold))
	AND seq IN (SELECT seq FROM (SELECT seq, row_number() OVER (PARTITION BY sync ORDER BY seq DESC) AS n FROM run) AS numbered WHERE n > ?1)
	AND seq NOT IN (SELECT max(seq) FROM run WHERE ` + fullRun + ` GROUP BY sync)`

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
	return scan(ctx, q, func(rows *sql.Rows) (state.Run, error) { return scanRun(rows) }, selectRuns+where, args...)
}

// What scanRun reads.
const (
	runColumns = "seq, id, sync, mode, reasons, fence, started, ended, outcome, counts, failures, fresh, message"
	selectRuns = "SELECT " + runColumns + " FROM run "
)

// scanRun reads a run, and what stands beside it.
func scanRun(rows *sql.Rows, more ...any) (r state.Run, err error) {
	var sync, reasons, counts string
	var started, ended int64
	if err := rows.Scan(append([]any{&r.Seq, &r.ID, &sync, &r.Mode, &reasons, &r.Fence, &started, &ended, &r.Outcome, &counts, &r.Failures, &r.New, &r.Message}, more...)...); err != nil {
		return r, err
	}
	r.Started, r.Ended = when(started), when(ended)
	return r, errors.Join(
		r.Sync.UnmarshalText([]byte(sync)),
		json.Unmarshal([]byte(reasons), &r.Reasons),
		json.Unmarshal([]byte(counts), &r.Counts))
}
