package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"accord/lang/addrs"
	"accord/state"
)

// Memories implements state.Journal.
func (j *Journal) Memories(ctx context.Context, syncs []addrs.Instance) ([]state.Memory, error) {
	names := namesOf(syncs)
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

func namesOf(syncs []addrs.Instance) []string {
	names := make([]string, len(syncs))
	for n, s := range syncs {
		names[n] = s.String()
	}
	return names
}

// these are the values of a list that is the first argument.
const these = "(SELECT value FROM json_each(?1))"

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
	var sync, said string
	var n int
	return found, errors.Join(
		each(selectMemories, func(rows *sql.Rows) error {
			if err := rows.Scan(&sync, &said); err != nil {
				return err
			}
			return json.Unmarshal([]byte(said), found[sync])
		}),
		each(selectOwed, func(rows *sql.Rows) error {
			var allowed state.Allowance
			if err := rows.Scan(&sync, &said, &allowed.Withdraw, &allowed.Publish); err != nil {
				return err
			}
			m := found[sync]
			m.Owed, m.Allowed = append(m.Owed, said), m.Allowed.Or(allowed)
			return nil
		}),
		each(selectLastRuns, func(rows *sql.Rows) error {
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
		each(countItems, func(rows *sql.Rows) error {
			var kept int
			if err := rows.Scan(&sync, &n, &kept); err != nil {
				return err
			}
			found[sync].Failures, found[sync].Kept = n-kept, kept
			return nil
		}),
		each(countOpen, func(rows *sql.Rows) error {
			if err := rows.Scan(&sync, &n); err != nil {
				return err
			}
			found[sync].Open = n
			return nil
		}),
		each(countUnmatched, func(rows *sql.Rows) error {
			if err := rows.Scan(&sync, &n); err != nil {
				return err
			}
			found[sync].Unmatched = n
			return nil
		}))
}

var (
	selectMemories = inEachRun("SELECT addr, memory FROM sync WHERE addr IN " + these)
	selectOwed     = inEachRun("SELECT sync, reason, withdraw, publish FROM owed WHERE sync IN " + these + " ORDER BY sync, reason")
	selectLastRuns = inEachRun(selectRuns + "WHERE seq IN (SELECT (SELECT max(seq) FROM run WHERE sync = value) FROM json_each(?1) UNION SELECT (SELECT max(seq) FROM run WHERE sync = value AND " + fullRun + ") FROM json_each(?1))")
	countItems     = inEachRun("SELECT sync, count(*), sum(CASE WHEN type = 'kept' THEN 1 ELSE 0 END) FROM exception WHERE sync IN " + these + " AND type <> 'message' GROUP BY sync")
	countOpen      = inEachRun("SELECT sync, count(*) FROM batch WHERE sync IN " + these + " AND done = 0 GROUP BY sync")
	countUnmatched = inEachRun("SELECT sync, count(*) FROM unmatched WHERE sync IN " + these + " GROUP BY sync")
	keepMemory     = inEachRun("INSERT INTO sync (addr, memory) VALUES (?1, ?2) ON CONFLICT (addr) DO UPDATE SET memory = ?2")
)

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
	_, err := tx.ExecContext(ctx, keepMemory, sync, text(m))
	return err
}

// Owe implements state.Journal.
func (j *Journal) Owe(ctx context.Context, sync addrs.Instance, reasons []string, allowed state.Allowance) error {
	err := j.tx(ctx, func(tx tx) error { return owe(ctx, tx, sync.String(), reasons, allowed) })
	return j.fail("promising a run of "+sync.String(), err)
}

const oweReason = `
	INSERT INTO owed (sync, reason, withdraw, publish) VALUES (?1, ?2, ?3, ?4)
	ON CONFLICT (sync, reason) DO UPDATE SET
		withdraw = CASE WHEN owed.withdraw > ?3 THEN owed.withdraw ELSE ?3 END,
		publish = CASE WHEN owed.publish > ?4 THEN owed.publish ELSE ?4 END`

func owe(ctx context.Context, tx tx, sync string, reasons []string, allowed state.Allowance) error {
	return each(ctx, tx, oweReason, reasons, func(r string) []any {
		return []any{sync, r, allowed.Withdraw, allowed.Publish}
	})
}

func settle(ctx context.Context, tx tx, sync string, reasons []string) error {
	return each(ctx, tx, "DELETE FROM owed WHERE sync = ?1 AND reason = ?2", reasons, func(r string) []any {
		return []any{sync, r}
	})
}

// Rename implements state.Journal.
func (j *Journal) Rename(ctx context.Context, from, to state.Lease) error {
	ctx = context.WithoutCancel(ctx)
	before, after := from.Sync.String(), to.Sync.String()
	err := j.tx(ctx, func(tx tx) error {
		if err := errors.Join(held(ctx, tx, before, from.Fence), held(ctx, tx, after, to.Fence)); err != nil {
			return err
		}
		now, err := j.now(ctx, tx)
		if err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRowContext(ctx, remembered, before).Scan(&there); err != nil || !there {
			return err
		}
		if err := interrupt(ctx, tx, []string{before}, now); err != nil {
			return err
		}
		for _, of := range ofSyncs {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+of.table+" WHERE "+of.name+" = ?1", after); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE "+of.table+" SET "+of.name+" = ?2 WHERE "+of.name+" = ?1", before, after); err != nil {
				return err
			}
		}
		// Leases of either name count for themselves: none is that of such a run.
		_, err = tx.ExecContext(ctx, "UPDATE run SET sync = ?2, fence = 0 WHERE sync = ?1", before, after)
		return err
	})
	return j.fail("renaming "+before+" to "+after, err)
}

// ofSyncs is where something is remembered of syncs, beside their runs.
var ofSyncs = []struct{ table, name string }{
	{"sync", "addr"}, {"owed", "sync"}, {"batch", "sync"}, {"exception", "sync"}, {"referring", "sync"}, {"unmatched", "sync"},
}

// remembered asks whether anything is remembered of a sync.
var remembered = func() string {
	asks := []string{"EXISTS (SELECT 1 FROM run WHERE sync = ?1)"}
	for _, of := range ofSyncs {
		asks = append(asks, "EXISTS (SELECT 1 FROM "+of.table+" WHERE "+of.name+" = ?1)")
	}
	return "SELECT " + strings.Join(asks, " OR ")
}()
