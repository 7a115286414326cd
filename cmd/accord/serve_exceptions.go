package main

import (
	"context"
	"slices"

	"accord/lang/addrs"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

// toldExceptions are what vaults tell of points that the platform's engine runs, of
// which the journal knows no more than it met in runs that were followed (INT-7).
type toldExceptions map[addrs.Instance][]providers.Exception

// tellings looks at them. A vault that is slow or away holds up nobody: of it is
// known what it told last.
func (s *session) tellings(ctx context.Context, syncs []providers.Sync) *toldExceptions {
	ctx, cancel := context.WithTimeout(ctx, servePatience)
	defer cancel()
	syncs = slices.DeleteFunc(slices.Clone(syncs), func(of providers.Sync) bool { return of.Engine != providers.EnginePlatform })
	lists, failed := exceptionsOf(ctx, s.planner.Syncer, syncs, pageFailures)
	told, last := toldExceptions{}, s.told.Load()
	for n, of := range syncs {
		if failed[n] == nil {
			told[of.Addr] = lists[n]
		} else if last != nil {
			if list, ok := (*last)[of.Addr]; ok {
				told[of.Addr] = list
			}
		}
	}
	return &told
}

// add adds what was told to a ledger.
func (t toldExceptions) add(l *ledger.Ledger) {
	for addr, list := range t {
		for _, x := range list {
			l.Vault(addr, x)
		}
		l.Whole(addr)
	}
}

// exception finds an exception of a point, by the ledger's id.
func (s *session) exception(ctx context.Context, p watch.Point, id string) (*ledger.Entry, error) {
	for f, err := range s.journal.Exceptions(ctx, p.Addr) {
		if err != nil {
			return nil, err
		}
		l := ledger.New(s.planner.Now(), []providers.Sync{p.Sync})
		l.Journal(f)
		if e := l.Entries()[0]; e.ID == id {
			return e, nil
		}
	}
	if told := s.told.Load(); told != nil {
		l := ledger.New(s.planner.Now(), []providers.Sync{p.Sync})
		toldExceptions{p.Addr: (*told)[p.Addr]}.add(l)
		for _, e := range l.Entries() {
			if e.ID == id {
				return e, nil
			}
		}
	}
	return nil, providers.Errorf(providers.NotFound, "there is no such exception; it may be resolved by now")
}

func (s *session) reprocess(ctx context.Context, e *ledger.Entry, sync providers.Sync) error {
	if err := mayReprocess(e, sync); err != nil {
		return err
	}
	if e.Type == ledger.Item {
		if err := s.journal.Retried(ctx, e.Point, []state.Item{e.Item()}, "the page of accord serve"); err != nil {
			return err
		}
		s.watch.Reprocess(e.Point, []state.Item{e.Item()})
		return nil
	}
	message := syncer.Message{Key: e.Key, Title: e.Title}
	err := s.workspace.planner.Syncer.Exceptions(ctx, sync, func(x providers.Exception) error {
		if x.General && syncer.ExceptionKey(x) == e.Key {
			message.ID = x.ID
		}
		return nil
	})
	if err == nil {
		err = s.workspace.planner.Syncer.Dismiss(ctx, sync, []syncer.Message{message})
	}
	if err == nil {
		s.watch.Request(e.Point) // its back-off ends
	}
	return err
}
