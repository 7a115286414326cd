package sqljournal

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"iter"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/state"
)

// Unmatched implements state.Journal. It reads a page at a time. A reference that no
// identity opens is passed over: the next full run meets it anew.
func (j *Journal) Unmatched(ctx context.Context, sync addrs.Instance) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		after := reference{sync: sync.String()}
		for {
			some, err := scan(ctx, j.db(), scanReference,
				"SELECT sync, id, reference FROM unmatched WHERE sync = ?1 AND id > ?2 ORDER BY id LIMIT ?3", after.sync, after.id, pageSize)
			if err != nil {
				yield("", j.fail("reading which references have no match", err))
				return
			}
			for _, r := range some {
				if plain, _, ok := j.unsealed(r.text); ok && !yield(plain, nil) {
					return
				}
				after = r
			}
			if len(some) < pageSize {
				return
			}
		}
	}
}

// Referring implements state.Journal. It reads a page at a time.
func (j *Journal) Referring(ctx context.Context, sync addrs.Instance, references []string) iter.Seq2[state.Item, error] {
	return func(yield func(state.Item, error) bool) {
		for some := range slices.Chunk(references, pageSize) {
			ids := text(digests(some))
			var after state.Item
			for more := true; more; {
				items, err := scan(ctx, j.db(), func(rows *sql.Rows) (i state.Item, err error) { return i, rows.Scan(&i.Part, &i.Key) },
					"SELECT DISTINCT part, key FROM referring WHERE id IN "+these+" AND sync = ?2 AND (part, key) > (?3, ?4) ORDER BY part, key LIMIT ?5",
					ids, sync.String(), after.Part, after.Key, pageSize)
				if err != nil {
					yield(state.Item{}, j.fail("reading what refers to what had no match", err))
					return
				}
				for _, i := range items {
					if !yield(i, nil) {
						return
					}
					after = i
				}
				more = len(items) == pageSize
			}
		}
	}
}

// reference is one that has no match, as it is written.
type reference struct{ sync, id, text string }

func scanReference(rows *sql.Rows) (r reference, err error) {
	return r, rows.Scan(&r.sync, &r.id, &r.text)
}

// texts are references as they are written, by their names.
func (j *Journal) texts(list []state.Unmatched) (map[string]string, error) {
	texts := make(map[string]string, len(list))
	for _, u := range list {
		id := digest(u.Reference)
		if texts[id] != "" {
			continue
		}
		texts[id] = u.Reference
		if !state.Seals(j.at.Cipher) {
			continue
		}
		var err error
		if texts[id], err = j.seal([]byte(u.Reference)); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// lack records what items refer to in vain.
func (r running) lack(ctx context.Context, tx tx, list []state.Unmatched, texts map[string]string) error {
	err := each(ctx, tx, "INSERT INTO unmatched (sync, id, reference) VALUES (?1, ?2, ?3) ON CONFLICT (sync, id) DO NOTHING",
		slices.Sorted(maps.Keys(texts)), func(id string) []any { return []any{r.sync, id, texts[id]} })
	return cmp.Or(err, each(ctx, tx, "INSERT INTO referring (sync, id, part, key, run) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (sync, id, part, key) DO UPDATE SET run = ?5",
		list, func(u state.Unmatched) []any { return []any{r.sync, digest(u.Reference), u.Part, u.Key, r.seq} }))
}

// matched drops references that have a match by now; all: and those that the run,
// which saw everything, did not meet.
func (r ending) matched(ctx context.Context, tx tx, references []string, all bool) error {
	sync := r.Sync.String()
	if len(references) > 0 {
		ids := text(digests(references))
		for _, of := range []string{"referring", "unmatched"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+of+" WHERE id IN "+these+" AND sync = ?2", ids, sync); err != nil {
				return err
			}
		}
	}
	if !all {
		return nil
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM referring WHERE sync = ?1 AND run <> ?2", sync, r.Seq); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM unmatched WHERE sync = ?1 AND id NOT IN (SELECT id FROM referring WHERE sync = ?1)", sync)
	return err
}

// resealReferences is Reseal of references.
func (j *Journal) resealReferences(ctx context.Context) (n int, err error) {
	now := j.sealedTo()
	var after reference
	for {
		var some []reference
		err := j.tx(ctx, func(tx tx) (err error) {
			some, err = scan(ctx, tx, scanReference, "SELECT sync, id, reference FROM unmatched WHERE (sync, id) > (?1, ?2) AND substr(reference, 1, ?3) <> ?4 ORDER BY sync, id LIMIT ?5",
				after.sync, after.id, len(now), now, pageSize)
			if err != nil {
				return err
			}
			var open []reference
			for _, r := range some {
				plain, _, ok := j.unsealed(r.text)
				if !ok {
					continue
				}
				if r.text, err = j.seal([]byte(plain)); err != nil {
					return err
				}
				open = append(open, r)
			}
			n += len(open)
			return each(ctx, tx, "UPDATE unmatched SET reference = ?3 WHERE sync = ?1 AND id = ?2", open, func(r reference) []any { return []any{r.sync, r.id, r.text} })
		})
		if err != nil || len(some) < pageSize {
			return n, j.fail("encrypting references", err)
		}
		after = some[len(some)-1]
	}
}

// digest names a reference.
func digest(reference string) string {
	sum := sha256.Sum256([]byte(reference))
	return hex.EncodeToString(sum[:16])
}

func digests(references []string) []string {
	ids := make([]string, len(references))
	for n, r := range references {
		ids[n] = digest(r)
	}
	return ids
}
