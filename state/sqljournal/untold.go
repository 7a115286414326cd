package sqljournal

import (
	"context"
	"database/sql"
	"time"

	"accord/state"
)

// newFailures is how many failures of a run are told.
const newFailures = 20

// toTell notes who is to be told of a run that begins, so that one whose process
// dies is told of, too.
func toTell(ctx context.Context, tx tx, r state.Run) error {
	for _, target := range r.Tell {
		if _, err := tx.ExecContext(ctx, "INSERT INTO untold (target, run) SELECT ?1, seq FROM run WHERE id = ?2 ON CONFLICT DO NOTHING", target, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// takeBack takes back that somebody is to be told of a run that has come to
// nothing new: nothing done, nothing that fails for the first time, and no other
// reason to give up than the run before had.
func takeBack(ctx context.Context, tx tx, r state.Run) error {
	why := ""
	if r.Outcome == state.Failed {
		why = r.Message
	}
	_, err := tx.ExecContext(ctx, `
		DELETE FROM untold WHERE run = ?1
		AND NOT EXISTS (SELECT 1 FROM exception WHERE sync = ?2 AND first_run = ?1)
		AND (?3 = '' OR ?3 = coalesce((SELECT message FROM run WHERE sync = ?2 AND seq < ?1 AND outcome <> '' ORDER BY seq DESC LIMIT 1), ''))`,
		r.Seq, r.Sync.String(), why)
	return err
}

// Untold implements state.Journal.
func (j *Journal) Untold(ctx context.Context, target string, n int, hold time.Duration) (list []state.Untold, err error) {
	err = j.tx(ctx, func(tx tx) error {
		list = nil
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		// Runs are kept in a number; what is no more cannot be told.
		if _, err := tx.ExecContext(ctx, "DELETE FROM untold WHERE target = ?1 AND NOT EXISTS (SELECT 1 FROM run WHERE seq = untold.run)", target); err != nil {
			return err
		}
		due, err := scan(ctx, tx, func(rows *sql.Rows) (d struct{ run, attempts int64 }, err error) {
			return d, rows.Scan(&d.run, &d.attempts)
		}, `SELECT untold.run, untold.attempts FROM untold JOIN run ON run.seq = untold.run WHERE target = ?1 AND next <= ?2 AND outcome <> ''
			AND NOT EXISTS (SELECT 1 FROM quiet WHERE target = ?1 AND until > ?2) ORDER BY untold.run LIMIT ?3`,
			target, nanos(now), n)
		if err != nil {
			return err
		}
		for _, d := range due {
			if _, err := tx.ExecContext(ctx, "UPDATE untold SET next = ?1 WHERE target = ?2 AND run = ?3", nanos(now.Add(hold)), target, d.run); err != nil {
				return err
			}
			run, err := first(queryRuns(ctx, tx, "WHERE seq = ?1", d.run))
			if err != nil {
				return err
			}
			u := state.Untold{Run: *run, Attempts: int(d.attempts)}
			if u.New, err = scan(ctx, tx, j.scanException, selectExceptions+"WHERE sync = ?1 AND first_run = ?2 AND type <> 'kept' ORDER BY type <> 'message', part, key LIMIT ?3", run.Sync.String(), d.run, newFailures); err != nil {
				return err
			}
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM exception WHERE sync = ?1 AND first_run = ?2 AND type <> 'kept'", run.Sync.String(), d.run).Scan(&u.NewCount); err != nil {
				return err
			}
			list = append(list, u)
		}
		return nil
	})
	return list, j.fail("reading who is to be told of what", err)
}

// Told implements state.Journal.
func (j *Journal) Told(ctx context.Context, target, run string, again time.Time) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx tx) error {
		const of = "WHERE target = ?1 AND run = (SELECT seq FROM run WHERE id = ?2)"
		if again.IsZero() {
			_, err := tx.ExecContext(ctx, "DELETE FROM untold "+of, target, run)
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE untold SET attempts = attempts + 1, next = ?3 "+of, target, run, nanos(again))
		return err
	})
	return j.fail("recording that someone was told of run "+run, err)
}

// LeaveAlone implements state.Journal.
func (j *Journal) LeaveAlone(ctx context.Context, target string, until time.Time) error {
	ctx = context.WithoutCancel(ctx)
	err := j.tx(ctx, func(tx tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO quiet (target, until) VALUES (?1, ?2) ON CONFLICT (target) DO UPDATE SET until = excluded.until WHERE quiet.until < excluded.until", target, nanos(until))
		return err
	})
	return j.fail("recording who is to be left alone", err)
}

// Waiting implements state.Journal.
func (j *Journal) Waiting(ctx context.Context, target string) (n int, first time.Time, err error) {
	var next, quiet sql.NullInt64
	err = j.later(ctx, func(tx tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(*), min(next), (SELECT until FROM quiet WHERE target = ?1) FROM untold JOIN run ON run.seq = untold.run WHERE target = ?1 AND outcome <> ''", target).Scan(&n, &next, &quiet)
	})
	return n, when(max(next.Int64, quiet.Int64)), j.fail("counting who is to be told of what", err)
}
