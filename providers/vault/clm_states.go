package vault

import (
	"context"
	"errors"
	"maps"
	"slices"

	"accord/providers"
	"accord/providers/vaultapi"
)

// transition is a user action on documents in one state of a lifecycle.
type transition struct{ lifecycle, state, action string }

// mostSteps is the longest way to a state that is looked for.
const mostSteps = 3

// settle moves items to a state of a kind, by the user actions that the
// lifecycle has for it, in batches: one for each transition. Vault says nothing of
// those that it passes over, so the states are read afterwards.
func (w *clmWriter) settle(ctx context.Context, kind string) error {
	pending := w.open()
	for step := 0; ; step++ {
		next, err := w.transitions(ctx, pending, kind)
		if err != nil || len(next) == 0 {
			return err
		}
		pending = nil
		for t, items := range next {
			if step == mostSteps {
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

// settleOlder makes versions obsolete that are still steady below the latest one:
// users have those where that is a draft, whoever left it, and a lifecycle need not
// have a state for what a newer version has superseded.
func (w *clmWriter) settleOlder(ctx context.Context) error {
	of := map[string]*clmItem{}
	for _, i := range w.open() {
		if i.doc != nil && (version{int64(i.doc.version.Major), int64(i.doc.version.Minor)}).compare(version{1, 0}) > 0 {
			of[string(i.doc.version.ID)] = i
		}
	}
	for step := 0; ; step++ {
		older, err := w.older(ctx, of)
		if err != nil || len(older) == 0 {
			return err
		}
		next, err := w.transitions(ctx, older, "obsolete")
		if err != nil {
			return err
		}
		for t, items := range next {
			if step < mostSteps {
				w.move(ctx, t, items)
				continue
			}
			for _, o := range items {
				o.fail(providers.Errorf(providers.Invalid, "the action %s left its version %d.%d in the state %s", t.action, o.doc.version.Major, o.doc.version.Minor, t.state))
			}
		}
		for _, o := range older {
			id := string(o.doc.version.ID)
			if i := of[id]; i != nil {
				i.changed = true
				if o.err != nil {
					i.fail(o.err)
					delete(of, id)
				}
			}
		}
	}
}

// older are the steady versions of items that are not their latest, as items.
func (w *clmWriter) older(ctx context.Context, of map[string]*clmItem) (items []*clmItem, err error) {
	err = w.lists(ctx, slices.Sorted(maps.Keys(of)), listed, func(list string) string {
		return "SELECT id, TONAME(lifecycle__v) AS lifecycle_name, TONAME(status__v) AS status_name, major_version_number__v, minor_version_number__v FROM ALLVERSIONS documents WHERE status__v = STEADYSTATE() AND id CONTAINS " + list
	}, func(r row) error {
		at := vaultapi.Version{ID: vaultapi.ID(r.text("id")), Major: int(r.int("major_version_number__v")), Minor: int(r.int("minor_version_number__v"))}
		if i := of[string(at.ID)]; at != i.doc.version {
			items = append(items, &clmItem{doc: &targetDoc{version: at, lifecycle: r.text("lifecycle_name"), state: r.text("status_name")}})
		}
		return nil
	})
	return items, err
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
