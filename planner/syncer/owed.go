package syncer

import (
	"context"
	"slices"

	"accord/lang/addrs"
	"accord/state"
)

// Owe promises a full run: whoever runs the sync next, in whatever process, makes it,
// and is allowed as much beyond the limits.
func Owe(ctx context.Context, journal state.Journal, sync addrs.Instance, why []Reason, allowed state.Allowance) error {
	return journal.Owe(ctx, sync, texts(why), allowed)
}

// Owed are the reasons of a full run that is owed; one that is not known, since
// another version wrote it, counts as a request.
func Owed(memory state.Memory) []Reason {
	owed := make([]Reason, len(memory.Owed))
	for i, r := range memory.Owed {
		if owed[i] = Reason(r); !slices.Contains(reasons, owed[i]) {
			owed[i] = Requested
		}
	}
	return owed
}

func texts(list []Reason) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = string(r)
	}
	return out
}
