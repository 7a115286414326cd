package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

// CLM-9: a CRM vault that takes half a minute for every answer holds up no other:
// what an author changes is with these within 10 s at the default interval, also
// while what was applied is looked at again, and with the slow one in the end.
func TestServeBesideASlowVault(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	const answer = 30 * time.Second
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	serve := s.serving("-listen=off")

	slow, well := s.crms[0], make(chan struct{})
	heal := sync.OnceFunc(func() { close(well) })
	defer heal()
	s.answer(func(_ http.ResponseWriter, vault, _, _, _ string) bool {
		if vault == slow.vault() {
			select {
			case <-time.After(answer):
			case <-well:
			}
		}
		return false
	})
	var slowest time.Duration
	rounds := 0
	for begun := time.Now(); time.Since(begun) < 75*time.Second; rounds++ { // what was applied is looked at each minute
		s.rewrite(rounds + 1)
		began := time.Now()
		s.eventually(t, s.crms[1:]...)
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("slowest of %d rounds beside a slow vault: %s", rounds, slowest.Round(time.Millisecond))
	if slowest >= answer-5*time.Second { // 10 s on a machine that does nothing else
		t.Errorf("it waited for the slow vault: %s\n%s", slowest, serve.out.String())
	}
	s.crms[2].countries = []string{"Mexico"} // what is applied meanwhile is looked at first, there alone
	if p := s.begin("apply", "-auto-approve", `-target=country_filter.crm["c"]`); p.end() != exitOK {
		t.Errorf("an apply beside it:\n%s", p.out.String())
	}
	rounds++
	s.rewrite(rounds)
	began := time.Now()
	s.eventually(t, s.crms[1])
	t.Logf("the first round after an apply: %s", time.Since(began).Round(time.Millisecond))
	if time.Since(began) >= answer-5*time.Second {
		t.Errorf("after an apply it waited for the slow vault:\n%s", serve.out.String())
	}
	_ = serve.cmd.Process.Kill() // and another one begins beside it
	serve.end()
	serve = s.begin("serve", "-listen=off")
	s.rewrite(rounds + 1)
	began = time.Now()
	s.eventually(t, s.crms[1:]...)
	t.Logf("the first round of another serve: %s", time.Since(began).Round(time.Millisecond))
	if time.Since(began) >= answer-5*time.Second {
		t.Errorf("it began with the slow vault:\n%s", serve.out.String())
	}
	heal()
	s.eventually(t)
	if code := serve.stop(); code != exitOK {
		t.Errorf("serve ended with %d:\n%s", code, serve.out.String())
	}
}

// CLM-9: other settings that are applied while a CRM vault does not answer a write hold
// up no other: what serve has begun there comes to its end beside what it begins anew.
func TestServeMovesOnBesideASlowWrite(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	serve := s.serving("-listen=off", "-interval=200ms")
	writes := s.stall(s.crms[0])
	defer writes.release()
	s.rewrite(1)
	serve.comes(t, writes.came)
	s.limits = strings.Replace(s.limits, "1000000", "1000001", 1)
	s.done("apply", "-auto-approve")
	s.until(serve, "it goes by other settings", func() bool {
		_, after, moved := strings.Cut(serve.out.String(), "another configuration was applied")
		return moved && strings.Contains(after, "watching")
	})
	s.rewrite(2)
	s.eventually(t, s.crms[1:]...)
	writes.release()
	s.eventually(t)
	if code := serve.stop(); code != exitOK {
		t.Errorf("serve ended with %d:\n%s", code, serve.out.String())
	}
}

// While what was applied is looked at again, a sync that it may be about is left alone:
// where its block is another one now, or what it needs, or where something joins these.
func TestMovedBy(t *testing.T) {
	point, other, link := addrs.NewKeyed("integration_point", "clm", "a"), addrs.NewKeyed("integration_point", "clm", "b"), addrs.New("connection", "a")
	with := func(objects ...*state.Object) *state.State {
		st := &state.State{Objects: map[addrs.Instance]*state.Object{}}
		for _, o := range append([]*state.Object{{Addr: point}, {Addr: other}, {Addr: link}}, objects...) {
			st.Objects[o.Addr] = o
		}
		return st
	}
	applied := &watch.Applied{State: with(), Syncs: []providers.Sync{{Addr: point, Needs: []addrs.Instance{link}}, {Addr: other}}}
	gone := with()
	delete(gone.Objects, link)
	filter := addrs.New("country_filter", "a")
	for what, c := range map[string]struct {
		now   *state.State
		moved bool
	}{
		"nothing has changed":      {with(), false},
		"its block is another one": {with(&state.Object{Addr: point, Protect: true}), true},
		"what it needs is":         {with(&state.Object{Addr: link, Protect: true}), true},
		"what it needs is gone":    {gone, true},
		"a new filter joins":       {with(&state.Object{Addr: filter, DependsOn: []addrs.Instance{link}}), true},
		"something new elsewhere":  {with(&state.Object{Addr: filter}), false},
	} {
		if got := movedBy(c.now, applied); got[point] != c.moved || got[other] {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// INT-7, ERR-4: of a point that the platform's engine runs the page lists what its
// vault tells, and nothing that is settled there.
func TestServeListsWhatThePlatformTells(t *testing.T) {
	t.Parallel()
	theirs, ours := addrs.NewKeyed("integration_point", "clm", "us"), addrs.NewKeyed("integration_point", "clm", "ca")
	now := time.Now()
	l := ledger.New(now, []providers.Sync{{Addr: theirs, Engine: providers.EnginePlatform}, {Addr: ours, Engine: providers.EngineAccord}})
	for _, at := range []addrs.Instance{theirs, ours} {
		l.Journal(state.Exception{Sync: at, Key: "7", Title: "Met by a run", Kind: "exception"})
	}
	toldExceptions{theirs: {{ID: "V1T1", Key: "8", Title: "Told by the vault"}}}.add(l)
	var got []string
	for _, e := range l.Entries() {
		got = append(got, e.Point.Key+" "+e.Title)
	}
	if diff := cmp.Diff([]string{"ca Met by a run", "us Told by the vault"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// talker is a provider whose vaults tell of exceptions, but for one that never answers.
type talker struct {
	providers.Provider
	silent addrs.Instance
}

func (p talker) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		if req.End.Instance == p.silent {
			<-ctx.Done()
			yield(providers.Batch{}, ctx.Err())
			return
		}
		records := make([]providers.Record, pageFailures+1)
		for n := range records {
			records[n] = providers.Record{Part: providers.ExceptionItem, Key: fmt.Sprint(n), Fields: json.RawMessage(`{"title": "Fails"}`)}
		}
		yield(providers.Batch{Records: records, End: true}, nil)
	}
}

// INT-7, ERR-3: vaults are asked for what the platform tells side by side, for no more
// than the page shows; of one that does not answer what it told last is still known,
// and nobody waits for it longer than for other slow vaults.
func TestTellingsBesideASilentVault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		vault := func(key string) addrs.Instance { return addrs.NewKeyed("vault", "crm", key) }
		declared := &schema.Provider{Name: "talker", Streams: []schema.Stream{{Name: "exceptions"}}}
		engine, err := syncer.New(syncer.Options{WorkDir: dir, Provider: func(addrs.Instance) (providers.Provider, *schema.Provider) {
			return talker{silent: vault("b")}, declared
		}})
		if err != nil {
			t.Fatal(err)
		}
		s := &session{workspace: &workspace{planner: &planner.Planner{Syncer: engine}}}
		var syncs []providers.Sync
		for _, key := range []string{"a", "b", "c"} {
			syncs = append(syncs, providers.Sync{Addr: addrs.NewKeyed("integration_point", "clm", key), Engine: providers.EnginePlatform,
				Exceptions: &providers.End{Instance: vault(key), Stream: "exceptions"}})
		}
		syncs = append(syncs, providers.Sync{Addr: addrs.New("integration_point", "ours"), Engine: providers.EngineAccord})
		s.told.Store(&toldExceptions{syncs[1].Addr: {{Title: "Told before"}}})
		began := time.Now()
		told := *s.tellings(t.Context(), syncs)
		if took := time.Since(began); took != servePatience {
			t.Errorf("it took %s", took)
		}
		var got []string
		for _, of := range syncs {
			if list, ok := told[of.Addr]; ok {
				got = append(got, fmt.Sprintf("%s: %d, %s", of.Addr.Key, len(list), list[0].Title))
			}
		}
		all := fmt.Sprint(pageFailures)
		if diff := cmp.Diff([]string{"a: " + all + ", Fails", "b: 1, Told before", "c: " + all + ", Fails"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
