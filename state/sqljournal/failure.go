package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// pageSize is how many rows are read at once, so that others may write between two
// pages.
const pageSize = 500

// Failures implements state.Journal. It reads a page at a time, so that others
// may write between two pages.
func (j *Journal) Failures(ctx context.Context, sync addrs.Instance) iter.Seq2[state.Failure, error] {
	where := "WHERE (sync, part, key) > (?1, ?2, ?3)"
	if !sync.IsZero() {
		where = "WHERE sync = ?1 AND (part, key) > (?2, ?3)"
	}
	return func(yield func(state.Failure, error) bool) {
		after := state.Failure{Sync: sync}
		for {
			failures, err := scan(ctx, j.db(), j.scanFailure,
				selectFailures+where+
					" ORDER BY sync, part, key LIMIT ?4", after.Sync.String(), after.Part, after.Key, pageSize)
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
			if len(failures) < pageSize {
				return
			}
		}
	}
}

// selectFailures is the beginning of what scanFailure reads.
const selectFailures = "SELECT sync, part, key, general, kept, title, kind, message, cause, routes, names, first, last, attempts, id, ack, retried, retried_by FROM failure "

func (j *Journal) scanFailure(rows *sql.Rows) (state.Failure, error) {
	f, err := written(rows)
	if err == nil {
		j.open(&f)
	}
	return f, err
}

// written scans a failure as it is written.
func written(rows *sql.Rows) (f state.Failure, err error) {
	var sync, cause, routes, groups, ack string
	var first, last, retried int64
	if err := rows.Scan(&sync, &f.Part, &f.Key, &f.General, &f.Kept, &f.Title, &f.Kind, &f.Message, &cause, &routes, &groups,
		&first, &last, &f.Attempts, &f.Run, &ack, &retried, &f.RetriedBy); err != nil {
		return f, err
	}
	f.FirstSeen, f.LastSeen, f.Retried = when(first), when(last), when(retried)
	return f, errors.Join(
		f.Sync.UnmarshalText([]byte(sync)), f.Cause.UnmarshalText([]byte(cause)),
		json.Unmarshal([]byte(routes), &f.Routes), json.Unmarshal([]byte(groups), &f.Groups), json.Unmarshal([]byte(ack), &f.Ack))
}

// What is known of a failure: met by a run, or told by a vault alone.
const (
	columns = "(sync, part, key, general, kept, title, kind, message, cause, routes, names, first, last, attempts, first_run, last_run, id, ack)"

	meet = `
		INSERT INTO failure ` + columns + `
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, 1, ?13, ?13, ?14, 'null')
		ON CONFLICT (sync, part, key) DO UPDATE SET
			general = ?4, kept = ?5, title = ?6, kind = ?7, message = ?8, cause = ?9, routes = ?10, names = ?11, last = ?12,
			attempts = failure.attempts + CASE WHEN failure.last_run = ?13 THEN 0 ELSE 1 END, last_run = ?13, id = ?14,
			ack = CASE WHEN failure.kind = ?7 THEN failure.ack ELSE 'null' END`

	acknowledge = `
		INSERT INTO failure ` + columns + `
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, 0, 0, '', ?14)
		ON CONFLICT (sync, part, key) DO UPDATE SET ack = ?14`
)

// fail records what a run met.
func (r running) fail(ctx context.Context, tx tx, run string, now time.Time, failures []state.Failure) error {
	return each(ctx, tx, meet, failures, func(f state.Failure) []any {
		return append(told(r.sync, f), nanos(now), r.seq, run)
	})
}

// told are the first of columns.
func told(sync string, f state.Failure) []any {
	flag := map[bool]int{true: 1}
	return []any{sync, f.Part, f.Key, flag[f.General], flag[f.Kept], f.Title, f.Kind, f.Message, f.Cause.String(), text(f.Routes), text(f.Groups)}
}

// resolve drops what fails no more.
func (r running) resolve(ctx context.Context, tx tx, items []state.Item) error {
	return drop(ctx, tx, r.sync, items)
}

func drop(ctx context.Context, tx tx, sync string, items []state.Item) error {
	return each(ctx, tx, "DELETE FROM failure WHERE sync = ?1 AND part = ?2 AND key = ?3", items, func(i state.Item) []any {
		return []any{sync, i.Part, i.Key}
	})
}

// Acknowledge implements state.Journal.
func (j *Journal) Acknowledge(ctx context.Context, failures []state.Failure, ack *state.Ack) error {
	failures, err := j.sealed(failures)
	if err != nil {
		return err
	}
	err = j.tx(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		if ack == nil {
			return each(ctx, tx, "UPDATE failure SET ack = 'null' WHERE sync = ?1 AND part = ?2 AND key = ?3", failures, func(f state.Failure) []any {
				return []any{f.Sync.String(), f.Part, f.Key}
			})
		}
		said := *ack
		said.At = now
		return each(ctx, tx, acknowledge, failures, func(f state.Failure) []any {
			return append(told(f.Sync.String(), f), nanos(f.FirstSeen), nanos(f.LastSeen), text(said))
		})
	})
	return j.fail("acknowledging failures", err)
}

// Retried implements state.Journal.
func (j *Journal) Retried(ctx context.Context, sync addrs.Instance, items []state.Item, by string) error {
	err := j.tx(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, "UPDATE failure SET retried = ?4, retried_by = ?5 WHERE sync = ?1 AND part = ?2 AND key = ?3", items, func(i state.Item) []any {
			return []any{sync.String(), i.Part, i.Key, nanos(now), by}
		})
	})
	return j.fail("recording what is tried again", err)
}

// Dismiss implements state.Journal.
func (j *Journal) Dismiss(ctx context.Context, sync addrs.Instance, items []state.Item) error {
	err := j.tx(ctx, func(tx tx) error { return drop(ctx, tx, sync.String(), items) })
	return j.fail("dismissing failures", err)
}

// each executes a statement once for each of a list.
func each[T any](ctx context.Context, tx tx, statement string, list []T, args func(T) []any) error {
	for _, v := range list {
		if _, err := tx.ExecContext(ctx, statement, args(v)...); err != nil {
			return err
		}
	}
	return nil
}
