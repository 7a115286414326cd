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

// Exceptions implements state.Journal. It reads a page at a time, so that others
// may write between two pages.
func (j *Journal) Exceptions(ctx context.Context, sync addrs.Instance) iter.Seq2[state.Exception, error] {
	where := "WHERE (sync, part, key) > (?1, ?2, ?3)"
	if !sync.IsZero() {
		where = "WHERE sync = ?1 AND (part, key) > (?2, ?3)"
	}
	return func(yield func(state.Exception, error) bool) {
		after := state.Exception{Sync: sync}
		for {
			exceptions, err := scan(ctx, j.db(), j.scanException,
				selectExceptions+where+
					" ORDER BY sync, part, key LIMIT ?4", after.Sync.String(), after.Part, after.Key, pageSize)
			if err != nil {
				yield(state.Exception{}, j.fail("reading the exceptions", err))
				return
			}
			for _, f := range exceptions {
				if !yield(f, nil) {
					return
				}
				after = f
			}
			if len(exceptions) < pageSize {
				return
			}
		}
	}
}

// selectExceptions is the beginning of what scanException reads.
const selectExceptions = "SELECT sync, part, key, type, title, kind, message, cause, routes, names, first, last, attempts, id, ack, retried, retried_by FROM exception "

func (j *Journal) scanException(rows *sql.Rows) (state.Exception, error) {
	f, err := written(rows)
	if err == nil {
		j.open(&f)
	}
	return f, err
}

// written scans an exception as it is written.
func written(rows *sql.Rows) (f state.Exception, err error) {
	var sync, cause, routes, groups, ack string
	var first, last, retried int64
	if err := rows.Scan(&sync, &f.Part, &f.Key, &f.Type, &f.Title, &f.Kind, &f.Message, &cause, &routes, &groups,
		&first, &last, &f.Attempts, &f.Run, &ack, &retried, &f.RetriedBy); err != nil {
		return f, err
	}
	f.FirstSeen, f.LastSeen, f.Retried = when(first), when(last), when(retried)
	return f, errors.Join(
		f.Sync.UnmarshalText([]byte(sync)), f.Cause.UnmarshalText([]byte(cause)),
		json.Unmarshal([]byte(routes), &f.Routes), json.Unmarshal([]byte(groups), &f.Groups), json.Unmarshal([]byte(ack), &f.Ack))
}

// What is known of an exception: met by a run, or told by a vault alone.
const (
	columns = "(sync, part, key, type, title, kind, message, cause, routes, names, first, last, attempts, first_run, last_run, id, ack)"

	meet = `
		INSERT INTO exception ` + columns + `
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, 1, ?12, ?12, ?13, 'null')
		ON CONFLICT (sync, part, key) DO UPDATE SET
			type = ?4, title = ?5, kind = ?6, message = ?7, cause = ?8, routes = ?9, names = ?10, last = ?11,
			attempts = exception.attempts + CASE WHEN exception.last_run = ?12 THEN 0 ELSE 1 END, last_run = ?12, id = ?13,
			ack = CASE WHEN exception.kind = ?6 THEN exception.ack ELSE 'null' END`

	acknowledge = `
		INSERT INTO exception ` + columns + `
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, 0, 0, '', ?13)
		ON CONFLICT (sync, part, key) DO UPDATE SET ack = ?13`
)

// fail records what a run met.
func (r running) fail(ctx context.Context, tx tx, run string, now time.Time, exceptions []state.Exception) error {
	return each(ctx, tx, meet, exceptions, func(f state.Exception) []any {
		return append(told(r.sync, f), nanos(now), r.seq, run)
	})
}

// told are the first of columns.
func told(sync string, f state.Exception) []any {
	return []any{sync, f.Part, f.Key, f.Type, f.Title, f.Kind, f.Message, f.Cause.String(), text(f.Routes), text(f.Groups)}
}

// resolve drops what fails no more.
func (r running) resolve(ctx context.Context, tx tx, items []state.Item) error {
	return drop(ctx, tx, r.sync, items)
}

func drop(ctx context.Context, tx tx, sync string, items []state.Item) error {
	return each(ctx, tx, "DELETE FROM exception WHERE sync = ?1 AND part = ?2 AND key = ?3", items, func(i state.Item) []any {
		return []any{sync, i.Part, i.Key}
	})
}

// Acknowledge implements state.Journal.
func (j *Journal) Acknowledge(ctx context.Context, exceptions []state.Exception, ack *state.Ack) error {
	exceptions, err := j.sealed(exceptions)
	if err != nil {
		return err
	}
	err = j.tx(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		if ack == nil {
			return each(ctx, tx, "UPDATE exception SET ack = 'null' WHERE sync = ?1 AND part = ?2 AND key = ?3", exceptions, func(f state.Exception) []any {
				return []any{f.Sync.String(), f.Part, f.Key}
			})
		}
		said := *ack
		said.At = now
		return each(ctx, tx, acknowledge, exceptions, func(f state.Exception) []any {
			return append(told(f.Sync.String(), f), nanos(f.FirstSeen), nanos(f.LastSeen), text(said))
		})
	})
	return j.fail("acknowledging exceptions", err)
}

// Retried implements state.Journal.
func (j *Journal) Retried(ctx context.Context, sync addrs.Instance, items []state.Item, by string) error {
	err := j.tx(ctx, func(tx tx) error {
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, "UPDATE exception SET retried = ?4, retried_by = ?5 WHERE sync = ?1 AND part = ?2 AND key = ?3", items, func(i state.Item) []any {
			return []any{sync.String(), i.Part, i.Key, nanos(now), by}
		})
	})
	return j.fail("recording what is tried again", err)
}

// Dismiss implements state.Journal.
func (j *Journal) Dismiss(ctx context.Context, sync addrs.Instance, items []state.Item) error {
	err := j.tx(ctx, func(tx tx) error { return drop(ctx, tx, sync.String(), items) })
	return j.fail("dismissing exceptions", err)
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
