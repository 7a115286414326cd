package vault

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// trailDays is how far back an audit trail is read.
const trailDays = 29

// touch answers who changed a record last, where the request asks for it and
// the user may read the record's audit trail. Not to know is no error.
func touch[T any](ctx context.Context, env *resource.Env, i *resource.Item[T], v *vault, object, id string) {
	if !env.Touched {
		return
	}
	now, err := v.now(ctx)
	if err != nil {
		return
	}
	since := now.Add(-trailDays * 24 * time.Hour)
	for e, err := range v.reader.History(ctx, vaultapi.OfRecord(object, vaultapi.ID(id)), vaultapi.AuditQuery{Since: since}) {
		if err != nil {
			return
		}
		at, err := vaultapi.ParseTime(e.Timestamp)
		if err != nil {
			continue
		}
		what := e.Event
		if e.Label != "" || e.Field != "" {
			what = fmt.Sprintf("%s: %s → %s", cmp.Or(e.Label, e.Field), cmp.Or(e.Old, "(nothing)"), cmp.Or(e.New, "(nothing)"))
		}
		i.Touch(&providers.Touch{Who: cmp.Or(e.UserName, e.FullName), At: at, What: what, Entry: string(e.ID)})
		return // the newest comes first
	}
}
