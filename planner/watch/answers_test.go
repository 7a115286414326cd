package watch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

func TestHealth(t *testing.T) {
	s := Status{Started: noon, Interval: 5 * time.Second}
	if s.Healthy(noon) == "" {
		t.Error("healthy before it knows anything")
	}
	s.Known, s.Beat = true, noon
	if why := s.Healthy(noon.Add(30 * time.Second)); why != "" {
		t.Error(why)
	}
	if s.Healthy(noon.Add(3*time.Minute)) == "" {
		t.Error("a loop that stands still is healthy")
	}
}

// Without its state it runs nothing, whatever it knew before. A moment is borne.
func TestHealthWithoutTheState(t *testing.T) {
	for _, what := range []string{"state", "journal"} {
		s := newStage(t, feed("a", "promomats"))
		s.after(0)
		serial, memories := s.opts.Serial, s.opts.Memories
		away := errors.New("the database is away")
		if what == "state" {
			s.opts.Serial = func(context.Context) (uint64, error) { return 0, away }
		} else {
			s.opts.Memories = func(context.Context, []addrs.Instance) ([]state.Memory, error) { return nil, away }
		}
		s.after(5 * time.Second)
		if why := s.Status().Healthy(s.now()); why != "" {
			t.Errorf("without the %s for a moment: %s", what, why)
		}
		s.after(5 * time.Second)
		s.after(20 * time.Second)
		if why := s.Status().Healthy(s.now()); !strings.Contains(why, "the database is away") {
			t.Errorf("without the %s: %q", what, why)
		}
		if why := s.Status().Alive(s.now()); why != "" {
			t.Errorf("a start anew would not help: %s", why)
		}
		s.opts.Serial, s.opts.Memories = serial, memories
		s.after(5 * time.Second)
		if why := s.Status().Healthy(s.now()); why != "" {
			t.Errorf("with the %s again: %s", what, why)
		}
	}
}

// Without a word from its state, or its journal, nothing can be brought over: a database
// that hangs refuses nobody.
func TestHealthBesideASilentState(t *testing.T) {
	s := newStage(t, feed("a", "promomats"))
	s.after(0)
	hangs, over := make(chan struct{}), make(chan struct{})
	s.opts.Memories = func(context.Context, []addrs.Instance) ([]state.Memory, error) {
		close(hangs)
		<-over
		return nil, errors.New("it was away")
	}
	beat := make(chan struct{})
	go func() {
		defer close(beat)
		s.once(context.Background())
	}()
	<-hangs
	healthy := func(after time.Duration) string {
		s.mu.Lock()
		s.clock = s.clock.Add(after)
		s.mu.Unlock()
		return s.Status().Healthy(s.now())
	}
	if why := healthy(10 * time.Second); why != "" {
		t.Errorf("for a while: %q", why)
	}
	if why := healthy(10 * time.Second); why != errSilent.Error() {
		t.Errorf("after three beats, and more: %q", why)
	}
	close(over)
	<-beat
}

// Where content comes from, and where it goes to, has to answer: without all of
// either nothing can be brought over. One of several is its own points' trouble.
func TestHealthOfVaults(t *testing.T) {
	s := newStage(t, feed("a", "promomats"), feed("b", "promomats"))
	s.after(0)
	healthy := func(want string) {
		t.Helper()
		st := s.Status()
		why := st.Healthy(s.now())
		if want == "" && why != "" || !strings.Contains(why, want) {
			t.Errorf("healthy: %q, want %q", why, want)
		}
		if why := st.Alive(s.now()); why != "" {
			t.Errorf("alive: %s", why)
		}
	}
	state := func(addr addrs.Instance) Vault {
		t.Helper()
		for _, v := range s.Status().Vaults {
			if v.Addr == addr {
				return v
			}
		}
		t.Fatalf("nothing is known of %s", addr)
		return Vault{}
	}
	healthy("")
	promomats, crm := addrs.New("vault", "promomats"), addrs.NewKeyed("vault", "crm", "a")
	s.peekErr = providers.Errorf(providers.Transient, "connection refused")
	s.after(5 * time.Second)
	healthy("")
	if v := state(promomats); v.Err == nil || v.Silent || !v.Source {
		t.Errorf("after one look in vain: %+v", v)
	}
	s.after(20 * time.Second)
	healthy("no vault that content comes from has answered for 25s: connection refused")
	if v := state(promomats); !v.Silent || state(crm).Silent {
		t.Errorf("after several: %+v", v)
	}
	s.peekErr = nil
	s.after(20 * time.Second)
	healthy("")

	all := s.applied.Syncs
	unread := func(n int) {
		s.applied.Syncs, s.applied.Unread = all[n:], nil
		for _, x := range all[:n] {
			s.applied.Unread = append(s.applied.Unread, Unread{x.Addr, providers.Errorf(providers.Transient, "connection refused")})
		}
	}
	unread(1)
	s.after(2 * time.Minute)
	s.after(2 * time.Minute)
	healthy("")
	if v := state(crm); v.Err == nil || !v.Silent || v.Answered.IsZero() {
		t.Errorf("a target that does not answer: %+v", v)
	}
	unread(2)
	s.after(2 * time.Minute)
	s.after(2 * time.Minute)
	healthy("no vault that content goes to has answered for ")
	unread(0)
	s.after(2 * time.Minute)
	healthy("")
}

// A table is kept where content comes from, and its runs are told of where it goes
// to: that these fail is no fault of the source, and hides none of the target.
func TestBlameOfTables(t *testing.T) {
	table := feed("a", "promomats")
	table.Addr, table.Target.Instance = addrs.NewKeyed("point", "country", "a"), table.Source.Instance
	content := feed("a", "promomats")
	s := newStage(t, table, content)
	s.after(0)
	s.end = func(syncer.Task) syncer.Outcome {
		return syncer.Outcome{Status: syncer.Failed, Err: providers.Errorf(providers.Ambiguous, "recording the run times")}
	}
	s.changes["vault.promomats"] = []uint64{1}
	s.applied.Syncs, s.applied.Unread = []providers.Sync{table}, []Unread{{content.Addr, providers.Errorf(providers.Transient, "connection refused")}}
	for range 4 {
		s.after(2 * time.Minute)
	}
	for _, v := range s.Status().Vaults {
		if target := v.Addr == content.Target.Instance; target != (v.Err != nil) {
			t.Errorf("%s: %v", v.Addr, v.Err)
		}
	}
	if n := len(s.Status().Vaults); n != 2 {
		t.Errorf("%d vaults are known", n)
	}
}
