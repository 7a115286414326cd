package vault

import (
	"context"
	"errors"
	"slices"

	"accord/providers"
	"accord/providers/vaultapi"
)

// transition is a user action on documents in one state of a lifecycle.
type transition struct{ lifecycle, state, action string }

// settle moves items to a state of a kind, by the user actions that the
// lifecycle has for it, in batches: one for each transition. Vault says nothing of
// those that it passes over, so the states are read afterwards.
func (w *clmWriter) settle(ctx context.Context, kind string) error {
	const steps = 3 // of the longest way that is looked for
	pending := w.open()
	for step := 0; ; step++ {
		next, err := w.transitions(ctx, pending, kind)
		if err != nil || len(next) == 0 {
			return err
		}
		pending = nil
		for t, items := range next {
			if step == steps {
				for _, i := range items {
					i.fail(providers.Errorf(providers.Invalid, "the action %s left it in the state %s", t.action, t.state))
				}
				continue
			}
			w.move(ctx, t, items)
			pending = append(pending, items...)
		}
		if err := w.look(ctx, pending); err != nil {
			return err
		}
	}
}

// transitions are those that bring items nearer to a state of a kind. What cannot
// get there fails.
func (w *clmWriter) transitions(ctx context.Context, items []*clmItem, kind string) (map[transition][]*clmItem, error) {
	type place struct{ lifecycle, state string }
	ways := map[place]string{}
	next := map[transition][]*clmItem{}
	for _, i := range items {
		switch {
		case i.err != nil, i.doc == nil && kind == "obsolete":
			continue
		case i.doc == nil && i.made:
			i.fail(vanished())
			continue
		case i.doc == nil:
			i.fail(providers.Errorf(providers.NotFound, "it is not there any more"))
			continue
		}
		l, err := w.v.lifecycle(ctx, i.doc.lifecycle)
		if err != nil {
			return nil, err
		}
		if slices.Contains(l.StatesOf(kind), i.doc.state) {
			continue
		}
		from := place{i.doc.lifecycle, i.doc.state}
		if ways[from] == "" {
			if ways[from], err = wayTo(l, i.doc.state, kind); err != nil {
				i.fail(err)
				continue
			}
		}
		t := transition{from.lifecycle, from.state, ways[from]}
		next[t] = append(next[t], i)
	}
	return next, nil
}

// move has documents take one transition.
func (w *clmWriter) move(ctx context.Context, t transition, items []*clmItem) {
	versions := make([]vaultapi.Version, len(items))
	for n, i := range items {
		versions[n] = i.doc.version
		i.changed = true
	}
	for n, r := range w.client.ExecuteLifecycleActions(ctx, w.family(), t.action, t.lifecycle, t.state, versions) {
		if r.Err != nil && !errors.Is(r.Err, vaultapi.Ambiguous) && !items[n].assumed {
			items[n].fail(r.Err)
		}
	}
}

// wayTo is the first user action on the shortest way from a state to one of a
// kind (CLM-13: found from metadata).
func wayTo(l *vaultapi.Lifecycle, state, kind string) (string, error) {
	goal := l.StatesOf(kind)
	type place struct{ state, first string }
	seen := map[string]bool{state: true}
	for queue := []place{{state: state}}; len(queue) > 0; queue = queue[1:] {
		s, ok := l.State(queue[0].state)
		if !ok {
			continue
		}
		actions, err := s.Actions()
		if err != nil {
			return "", err
		}
		for _, a := range actions {
			if a.State == "" || seen[a.State] {
				continue
			}
			seen[a.State] = true
			first := queue[0].first
			if first == "" {
				first = a.Name
			}
			if slices.Contains(goal, a.State) {
				return first, nil
			}
			queue = append(queue, place{a.State, first})
		}
	}
	return "", providers.Errorf(providers.Invalid, "no user action of the lifecycle %s leads from %s to a state of the kind %s", l.Name, state, kind)
}
