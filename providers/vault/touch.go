package vault

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// trailDays is how far back an audit trail is read.
const trailDays = 29

// touch answers who changed a record last.
func touch[T any](ctx context.Context, env *resource.Env, i *resource.Item[T], v *vault, object, id string) {
	i.Touch(lastTouch(ctx, env, v, object, id))
}

// lastTouch is who changed a record last, where the request asks for it and
// the user may read the record's audit trail. Not to know is no error.
func lastTouch(ctx context.Context, env *resource.Env, v *vault, object, id string) *providers.Touch {
	if !env.Touched {
		return nil
	}
	now, err := v.now(ctx)
	if err != nil {
		return nil
	}
	since := now.Add(-trailDays * 24 * time.Hour)
	for e, err := range v.reader.History(ctx, vaultapi.OfRecord(object, vaultapi.ID(id)), vaultapi.AuditQuery{Since: since}) {
		if err != nil {
			return nil
		}
		at, err := vaultapi.ParseTime(e.Timestamp)
		if err != nil {
			continue
		}
		what := e.Event
		if e.Label != "" || e.Field != "" {
			what = fmt.Sprintf("%s: %s → %s", cmp.Or(e.Label, e.Field), cmp.Or(e.Old, "(nothing)"), cmp.Or(e.New, "(nothing)"))
		}
		return &providers.Touch{Who: cmp.Or(e.UserName, e.FullName), At: at, What: what, Entry: string(e.ID)} // the newest comes first
	}
	return nil
}

// trailLines is how much of a vault's system audit trail is read, at most.
const trailLines = 10_000

// componentTouches answers who changed a component last, by the names that the
// lines of the system audit trail speak of: the first name that any line has
// counts. Each vault's trail is read once, where the request asks for it at all.
func componentTouches(ctx context.Context, env *resource.Env) func(v *vault, names ...string) *providers.Touch {
	if !env.Touched {
		return func(*vault, ...string) *providers.Touch { return nil }
	}
	var trails memo[string, []vaultapi.AuditEvent]
	return func(v *vault, names ...string) *providers.Touch {
		events, _ := trails.get(v.addr.String(), func() ([]vaultapi.AuditEvent, error) { return v.systemTrail(ctx), nil })
		for _, name := range names {
			for _, e := range events { // the newest comes first
				at, err := vaultapi.ParseTime(e.Timestamp)
				if err != nil || !speaksOf(e.Item+" "+e.Field+" "+e.Event, name) {
					continue
				}
				return &providers.Touch{Who: cmp.Or(e.UserName, e.FullName), At: at, What: cmp.Or(e.Event, e.Action+" "+e.Item), Entry: string(e.ID)}
			}
		}
		return nil
	}
}

// systemTrail reads what the system audit trail tells of the last days, as far
// as the user may read it. Not to know is no error.
func (v *vault) systemTrail(ctx context.Context) []vaultapi.AuditEvent {
	now, err := v.now(ctx)
	if err != nil {
		return nil
	}
	var events []vaultapi.AuditEvent
	for e, err := range v.reader.Audit(ctx, vaultapi.SystemTrail, vaultapi.AuditQuery{Since: now.Add(-trailDays * 24 * time.Hour)}) {
		if err != nil {
			break
		}
		if events = append(events, e); len(events) == trailLines {
			break
		}
	}
	return events
}

// speaksOf reports whether a text has a name in it as a word of its own.
func speaksOf(text, name string) bool {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		if word == name {
			return true
		}
	}
	return false
}
