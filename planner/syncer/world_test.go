package syncer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
	"accord/state"
)

// tb is what a test and a rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(string, ...any)
	Logf(string, ...any)
}

// world is a content system "north", some targets, and a feed of countries and
// one of books for each of them; and the process that syncs them.
type world struct {
	t       tb
	m       *providertest.Memory
	p       *mortal
	journal *journal
	limits  syncer.Limits
	feeds   map[addrs.Instance]map[string]any // as configured
	events  []syncer.Event
	dir     string
	budget  int
}

// mortal is a provider whose process can be killed at a write.
type mortal struct {
	providers.Provider
	mu      sync.Mutex
	left    int  // writes until it dies; below 0: it does not
	unheard bool // and it dies before the last of them is recorded, not in the next
	journal *journal
	wrote   func() // after a write; nil: nothing
	asked   func(providers.RecordsRequest)
}

func (p *mortal) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	if p.asked != nil {
		p.asked(req)
	}
	return p.Provider.Records(ctx, req)
}

func (p *mortal) Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left >= 0 && (len(req.Writes) > p.left || p.unheard && len(req.Writes) == p.left) {
		req.Writes = req.Writes[:p.left] // what was done before the end
		p.left = 0
		p.journal.kill()
	} else if p.left >= 0 {
		p.left -= len(req.Writes)
	}
	if p.wrote != nil {
		defer p.wrote()
	}
	return p.Provider.Write(ctx, req)
}

func (p *mortal) Finish(ctx context.Context, run providers.Run) error {
	if err := p.journal.do(func() error { return nil }); err != nil {
		return err
	}
	return p.Provider.Finish(ctx, run)
}

func shelf(name string) addrs.Instance      { return addrs.New("shelf", name) }
func booksFeed(crm string) addrs.Instance   { return addrs.NewKeyed("feed", "books", crm) }
func countryFeed(crm string) addrs.Instance { return addrs.NewKeyed("feed", "countries", crm) }
func feedName(a addrs.Instance) string      { return a.Name + "-" + a.Key }

// newWorld makes a world with targets of these names, whose feeds are active
// and let everything through until they are configured otherwise.
func newWorld(t tb, dir string, crms ...string) *world {
	w := &world{t: t, m: providertest.NewMemory(), feeds: make(map[addrs.Instance]map[string]any), dir: dir, budget: 256}
	w.journal = newJournal(func() time.Time { return w.now() })
	instances := []providers.Object{providertest.Shelf("north", "north")}
	for _, crm := range crms {
		instances = append(instances, providertest.Shelf(crm, crm))
	}
	w.p = &mortal{Provider: w.m.Provider(), left: -1, journal: w.journal}
	for _, r := range w.p.Configure(context.Background(), providers.Config{Instances: instances}) {
		if r.Err != nil {
			t.Fatalf("configure: %v", r.Err)
		}
	}
	for _, crm := range crms {
		w.feed(booksFeed(crm), map[string]any{"from": "shelf.north", "to": "shelf." + crm, "status": "active"})
	}
	return w
}

func (w *world) now() time.Time { return w.m.Time() }

// feed configures a feed, and applies it.
func (w *world) feed(a addrs.Instance, body map[string]any) {
	w.t.Helper()
	full := map[string]any{"name": feedName(a), "kind": "books", "engine": "accord", "variant": "steady", "on_unapproved": "keep", "status": "inactive"}
	maps.Copy(full, w.feeds[a])
	maps.Copy(full, body)
	for k, v := range full {
		if v == nil {
			delete(full, k)
		}
	}
	action := providers.Update
	if w.feeds[a] == nil {
		action = providers.Create
	}
	w.feeds[a] = full
	o := providertest.Desired(a, full)
	for _, r := range w.p.Apply(context.Background(), providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: a, Action: action, Planned: &o}}}) {
		if r.Err != nil {
			w.t.Fatalf("applying %s: %v", a, r.Err)
		}
	}
}

// table makes the books of a target route by countries that hold one of values.
func (w *world) table(crm string, values ...string) {
	slices.Sort(values)
	w.feed(countryFeed(crm), map[string]any{"from": "shelf.north", "to": "shelf." + crm, "kind": "countries", "status": "active", "routes": values})
	w.feed(booksFeed(crm), map[string]any{"table": countryFeed(crm).String()})
}

// syncs returns what the feeds ask for.
func (w *world) syncs() []providers.Sync {
	w.t.Helper()
	var objects []providers.Object
	for _, a := range slices.SortedFunc(maps.Keys(w.feeds), addrs.Instance.Compare) {
		objects = append(objects, providertest.Desired(a, w.feeds[a]))
	}
	live := w.p.Read(context.Background(), providers.ReadRequest{Objects: objects})
	var changes []providers.Change
	for i := range objects {
		if live[i].Err != nil {
			w.t.Fatalf("reading %s: %v", objects[i].Addr, live[i].Err)
		}
		changes = append(changes, providers.Change{Addr: objects[i].Addr, Before: &objects[i], After: &objects[i], Live: live[i].Object})
	}
	syncs, err := w.p.Syncs(context.Background(), changes)
	if err != nil {
		w.t.Fatalf("syncs: %v", err)
	}
	return syncs
}

// tasks decides about every sync.
func (w *world) tasks(req syncer.Request) []syncer.Task {
	w.t.Helper()
	var tasks []syncer.Task
	for _, sync := range w.syncs() {
		memory, err := state.MemoryOf(context.Background(), w.journal, sync.Addr)
		if err != nil {
			w.t.Fatalf("memory: %v", err)
		}
		tasks = append(tasks, syncer.Task{Sync: sync, Memory: memory, Decision: syncer.Decide(sync, memory, req, w.now())})
	}
	return tasks
}

func (w *world) syncer() *syncer.Syncer {
	w.t.Helper()
	s, err := syncer.New(syncer.Options{
		Provider: w.provider,
		Journal:  w.journal, WorkDir: w.dir, Limits: w.limits, Now: w.now, InFlight: 1, SortBudget: w.budget,
		Events: func(e syncer.Event) { w.events = append(w.events, e) },
	})
	if err != nil {
		w.t.Fatalf("syncer: %v", err)
	}
	return s
}

// preview previews, and returns the impacts by address.
func (w *world) preview(tasks []syncer.Task) map[addrs.Instance]syncer.Impact {
	w.t.Helper()
	s := w.syncer()
	defer s.Close()
	impacts, err := s.Preview(context.Background(), tasks)
	if err != nil {
		w.t.Fatalf("preview: %v", err)
	}
	byAddr := make(map[addrs.Instance]syncer.Impact)
	for _, i := range impacts {
		byAddr[i.Addr] = i
	}
	return byAddr
}

// run runs, and returns the outcomes by address.
func (w *world) run(tasks []syncer.Task) map[addrs.Instance]syncer.Outcome {
	w.t.Helper()
	return w.runContext(context.Background(), tasks)
}

func (w *world) runContext(ctx context.Context, tasks []syncer.Task) map[addrs.Instance]syncer.Outcome {
	s := w.syncer()
	defer s.Close()
	byAddr := make(map[addrs.Instance]syncer.Outcome)
	for _, o := range s.Run(ctx, tasks) {
		byAddr[o.Addr] = o
	}
	return byAddr
}

// mustRun runs everything that is due, and wants it clean.
func (w *world) mustRun(req syncer.Request) map[addrs.Instance]syncer.Outcome {
	w.t.Helper()
	outcomes := w.run(w.tasks(req))
	for a, o := range outcomes {
		if o.Status != syncer.Clean {
			w.t.Fatalf("%s: %s, %v, %v", a, o.Status, o.Err, o.Failures)
		}
	}
	return outcomes
}

// held is what a feed has at its target, a line each, without ids.
func (w *world) held(crm string, a addrs.Instance) []string {
	var lines []string
	for _, c := range w.m.System(crm).Held(feedName(a)) {
		var members []string
		for _, m := range c.Members {
			members = append(members, m.Key)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %v", c.Part, c.Key, c.Standing, c.Fields, members))
	}
	return lines
}

// written is how many writes of content there were.
func (w *world) written() (n int) {
	for _, c := range w.m.Calls() {
		if c.Method == "write" && c.What != providertest.StreamExceptions {
			n++
		}
	}
	return n
}

func (w *world) north() *providertest.System { return w.m.System("north") }

// standing gives a record a standing.
func standing(r providers.Record, s string) providers.Record {
	r.Standing = s
	return r
}

// with gives a record a field more.
func with(r providers.Record, name string, value any) providers.Record {
	all := map[string]any{}
	json.Unmarshal(r.Fields, &all)
	all[name] = value
	r.Fields, _ = json.Marshal(all)
	return r
}

var _ state.Journal = (*journal)(nil)
