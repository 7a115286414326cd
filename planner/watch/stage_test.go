package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// stage is a world of fakes: a clock that a test moves, a journal of one
// memory a point, and a runner that notes what it is given.
type stage struct {
	*Watch
	t  *testing.T
	mu *sync.Mutex

	clock    time.Time
	serial   uint64
	applied  Applied
	lookErr  error
	looks    int
	memories map[addrs.Instance]state.Memory
	changes  map[string][]uint64 // by source
	peeks    []string
	peekErr  error
	runs     [][]string // each call: the addresses that run
	tables   [][]string // and those that were merely routed by
	end      func(syncer.Task) syncer.Outcome
	hold     chan struct{}            // where set, runs wait for it
	slow     map[string]chan struct{} // points, and sources, that wait for one
	slowLook chan struct{}
	events   []Event
}

func newStage(t *testing.T, syncs ...providers.Sync) *stage {
	s := &stage{t: t, mu: &sync.Mutex{}, clock: noon, serial: 1, memories: map[addrs.Instance]state.Memory{}, changes: map[string][]uint64{}}
	s.applied = Applied{Serial: 1, Syncs: syncs}
	for _, x := range syncs {
		s.memories[x.Addr] = ranAt(noon.Add(-time.Minute))
	}
	s.Watch = New(Options{
		Look: func(context.Context) (Applied, error) {
			s.mu.Lock()
			s.looks++
			s.mu.Unlock()
			if s.slowLook != nil {
				<-s.slowLook
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			a := s.applied
			a.Serial, a.Before = s.serial, maps.Clone(s.memories)
			return a, s.lookErr
		},
		Serial: func(context.Context) (uint64, error) { return s.serial, nil },
		Memories: func(_ context.Context, syncs []addrs.Instance) (list []state.Memory, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, x := range syncs {
				list = append(list, s.memories[x])
			}
			return list, nil
		},
		Runner: s, Interval: 5 * time.Second, Patience: time.Second, Now: s.now,
		Sleep:  func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() },
		Events: func(e Event) { s.mu.Lock(); s.events = append(s.events, e); s.mu.Unlock() },
	})
	return s
}

func ranAt(t time.Time) state.Memory {
	return state.Memory{Horizon: t, LastStart: t, LastSuccess: t, Inputs: map[string]string{"syncer_routes": "*"}, Last: &state.Run{Seq: uint64(t.UnixNano()), Started: t, Ended: t.Add(time.Second), Outcome: state.Clean}}
}

func (s *stage) now() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.clock }

func (s *stage) Peek(_ context.Context, tasks []syncer.Task, _ time.Time) (*syncer.Sight, error) {
	from := tasks[0].Sync.Source.Instance.String()
	if slow := s.slow[from]; slow != nil {
		<-slow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peeks = append(s.peeks, fmt.Sprintf("%s for %d", from, len(tasks)))
	if s.peekErr != nil {
		return nil, s.peekErr
	}
	seen := &syncer.Sight{Records: map[uint64]struct{}{}, Calls: 3}
	for _, h := range s.changes[from] {
		seen.Records[h] = struct{}{}
	}
	return seen, nil
}

func (s *stage) RunEach(_ context.Context, tasks []syncer.Task, ended func(syncer.Outcome)) {
	if s.hold != nil {
		<-s.hold
	}
	var outcomes []syncer.Outcome
	defer func() {
		var late []syncer.Outcome
		for _, o := range outcomes {
			if s.slow[o.Addr.Key] != nil {
				late = append(late, o)
				continue
			}
			ended(o)
		}
		for _, o := range late {
			<-s.slow[o.Addr.Key]
			ended(o)
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	var runs, tables []string
	for _, t := range tasks {
		if t.Decision.Mode == syncer.None {
			tables = append(tables, t.Sync.Addr.Key)
			continue
		}
		runs = append(runs, t.Sync.Addr.Key+" "+string(t.Decision.Mode))
		o := syncer.Outcome{Addr: t.Sync.Addr, Status: syncer.Clean, Decision: t.Decision, Started: s.clock, Ended: s.clock}
		if s.end != nil {
			o = s.end(t)
			o.Addr = t.Sync.Addr
		}
		if o.Status == syncer.Clean || o.Status == syncer.Faulty {
			m := ranAt(s.clock)
			if o.Status == syncer.Faulty {
				m.LastSuccess, m.Failures = t.Sync.LSRT, 1
			}
			m.Seen = t.Sight.Digest()
			s.memories[t.Sync.Addr] = m
		}
		outcomes = append(outcomes, o)
	}
	slices.Sort(runs)
	s.runs, s.tables = append(s.runs, runs), append(s.tables, tables)
}

// after moves the clock, has one beat and waits for the runs of it.
func (s *stage) after(d time.Duration) {
	s.t.Helper()
	s.mu.Lock()
	s.clock = s.clock.Add(d)
	s.mu.Unlock()
	s.once(context.Background())
	_ = s.Watch.runs.Wait()
}

// ran returns what has run since it was last asked.
func (s *stage) ran() string {
	out := fmt.Sprint(s.runs)
	s.runs, s.tables = nil, nil
	return out
}

func feed(key, from string) providers.Sync {
	return providers.Sync{
		Addr: addrs.NewKeyed("point", "clm", key), Active: true, Was: true, Engine: providers.EngineAccord,
		Source: providers.End{Instance: addrs.New("vault", from), Stream: "clm"}, Target: providers.End{Instance: addrs.NewKeyed("vault", "crm", key)},
		Route: providers.Route{All: true}, LRT: noon.Add(-time.Minute), LSRT: noon.Add(-time.Minute), Policy: providers.Policy{FullAfter: 15 * 24 * time.Hour},
	}
}

// routedFeed is a sync that routes by what another keeps, and that other.
func routedFeed() (table, clm providers.Sync) {
	table = feed("countries", "crm")
	table.Source.Stream = "country"
	clm = feed("a", "promomats")
	clm.Route = providers.Route{Table: &table.Addr}
	return table, clm
}
