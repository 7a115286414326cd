package vault

import (
	"context"
	"time"
)

// deletionsKept is how far back a vault's list of deletions goes.
const deletionsKept = 30 * 24 * time.Hour

// deletionsUntil is the time for which a vault is asked what was deleted, all that it
// keeps until now by its clock: somewhat less, since that goes on while it is asked, and
// with the second that has begun.
func deletionsUntil(now time.Time) (since, until time.Time) {
	return now.Add(-deletionsKept + time.Hour), now.Add(time.Second)
}

// deletions are the documents that a vault says were deleted. It is asked once,
// when somebody wants to know.
type deletions struct{ ids map[string]string } // id → external id that it had

// has reports whether a document was deleted, until now by the vault's clock and
// not longer ago than the vault remembers, and which external id it had.
func (d *deletions) has(ctx context.Context, c *caller, now time.Time, id string) (external string, gone bool, err error) {
	if d.ids == nil {
		ids := map[string]string{}
		c.calls.Add(1)
		since, until := deletionsUntil(now)
		for gone, err := range c.v.reader.DeletedDocuments(ctx, since, until) {
			if err != nil {
				return "", false, err
			}
			if gone.Type == wholeDocument {
				ids[string(gone.ID)] = gone.External
			}
		}
		d.ids = ids
	}
	external, gone = d.ids[id]
	return external, gone, nil
}
