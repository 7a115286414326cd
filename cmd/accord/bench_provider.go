package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

// envBench, when set, puts the benchmarks' provider in the place of the
// built-in ones: boxes on a shelf, in the memory of its process. It names the
// folder of the configuration, from where they come into that memory when the
// process starts.
const envBench = "ACCORD_BENCH"

// Files of the benchmarks' provider, in the folder of the configuration.
const (
	benchStore = ".bench.store" // what is on the shelf, from one process to the next
	benchCalls = ".bench.calls" // benchCount of the last process
)

// benchCount is what one process of the provider was asked.
type benchCount struct {
	Calls  map[string]int `json:"calls"`  // by method
	Starts int            `json:"starts"` // of processes, since the file was removed
}

// total leaves out what is asked once, however many objects there are.
func (b *benchCount) total() (n int) {
	for _, calls := range b.Calls {
		n += calls
	}
	return n
}

type benchShelfBody struct {
	Room string `json:"room" schema:"readonly" doc:"Where it stands."`
}

type benchBoxBody struct {
	Shelf    addrs.Instance       `json:"shelf" schema:"required,replace" refers:"bench_shelf" doc:"Where it stands."`
	Name     string               `json:"name" schema:"required,replace" doc:"Unique on the shelf."`
	Behind   *addrs.Instance      `json:"behind" refers:"bench_box" doc:"The box in front of it."`
	Size     int                  `json:"size" default:"1" doc:"In litres."`
	Locked   bool                 `json:"locked" default:"false" doc:"Whether it is locked."`
	Text     *string              `json:"text" doc:"What is written on it."`
	Contents resource.Set[string] `json:"contents" doc:"What is in it."`
	Marks    map[string]string    `json:"marks" doc:"What is known of it."`
	Colour   *string              `json:"colour" schema:"computed" doc:"Brown where it is left out."`
	Serial   string               `json:"serial" schema:"readonly" doc:"Given by the shelf."`
	History  string               `json:"history" schema:"readonly" doc:"What became of it."`
}

// benchShelf is the shelf, and what it was asked.
type benchShelf struct {
	dir    string
	filled func() error // waits until all boxes are there

	mu    sync.Mutex
	boxes benchBoxes
	count benchCount
}

// counted is the shelf as a provider, with its calls counted.
type counted struct {
	providers.Provider
	shelf *benchShelf
}

func newBenchProvider() providers.Provider { return newBenchShelf().provider() }

// filledBenchProvider is one whose boxes are on their way already.
func filledBenchProvider() providers.Provider {
	s := newBenchShelf()
	go s.filled()
	return s.provider()
}

func newBenchShelf() *benchShelf {
	s := &benchShelf{dir: os.Getenv(envBench), count: benchCount{Calls: map[string]int{}}}
	s.boxes = benchBoxes{name: filepath.Join(s.dir, benchStore), rows: map[string]string{}}
	s.filled = sync.OnceValue(s.boxes.load)
	return s
}

func (s *benchShelf) provider() providers.Provider {
	return &counted{shelf: s, Provider: resource.New(resource.Provider{
		Name: "bench", Version: "1.0.0",
		Instances: []resource.Connectable{resource.Instance[benchShelfBody]{Name: "bench_shelf", Doc: "A shelf in memory.", Connect: s.connect}},
		Resources: []resource.Resource{resource.Type[benchBoxBody]{
			Name: "bench_box", Doc: "A box on a shelf.", Identity: []string{"shelf", "name"}, Removal: schema.Delete,
			Read: s.read, Create: s.write, Update: s.write, Remove: s.remove,
		}},
		Close: s.close,
	})}
}

func (c *counted) asked(method string) {
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	c.shelf.count.Calls[method]++
}

func (c *counted) Schema(ctx context.Context) (*schema.Provider, error) {
	c.asked("schema")
	return c.Provider.Schema(ctx)
}

func (c *counted) Validate(ctx context.Context, objects []providers.Object) []providers.Diagnostic {
	c.asked("validate")
	return c.Provider.Validate(ctx, objects)
}

func (c *counted) Configure(ctx context.Context, config providers.Config) []providers.Result {
	c.asked("configure")
	return c.Provider.Configure(ctx, config)
}

func (c *counted) Read(ctx context.Context, req providers.ReadRequest) []providers.Result {
	c.asked("read")
	return c.Provider.Read(ctx, req)
}

func (c *counted) Plan(ctx context.Context, req providers.PlanRequest) []providers.PlanResponse {
	c.asked("plan")
	return c.Provider.Plan(ctx, req)
}

func (c *counted) Apply(ctx context.Context, req providers.ApplyRequest) []providers.Result {
	c.asked("apply")
	return c.Provider.Apply(ctx, req)
}

func (c *counted) Syncs(ctx context.Context, changes []providers.Change) ([]providers.Sync, error) {
	c.asked("syncs")
	return c.Provider.Syncs(ctx, changes)
}

func (s *benchShelf) connect(_ context.Context, _ *resource.Env, items []*resource.Item[benchShelfBody]) {
	err := s.filled()
	for _, i := range items {
		if err != nil {
			i.Fail(err)
		} else {
			i.Found("shelf", benchShelfBody{Room: "memory"})
		}
	}
}

// close writes down what was asked.
func (s *benchShelf) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var before benchCount
	name := filepath.Join(s.dir, benchCalls)
	if b, err := os.ReadFile(name); err == nil {
		_ = json.Unmarshal(b, &before)
	}
	s.count.Starts = before.Starts + 1
	b, err := json.Marshal(s.count)
	if err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o600)
}

func (s *benchShelf) read(_ context.Context, _ *resource.Env, items []*resource.Item[benchBoxBody]) {
	for _, i := range items {
		s.mu.Lock()
		row, ok := s.boxes.row(i.Want.Name)
		s.mu.Unlock()
		if !ok {
			i.Missing()
			continue
		}
		i.Found(i.Want.Name, row)
	}
}

func (s *benchShelf) write(_ context.Context, _ *resource.Env, changes []*resource.Change[benchBoxBody]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := benchBatch{Rows: make(map[string]*benchBoxBody, len(changes))}
	for _, c := range changes {
		now := *c.Planned
		if now.Colour == nil {
			brown := "brown"
			now.Colour = &brown
		}
		now.Serial = "serial of " + now.Name
		now.History = fmt.Sprintf("%0300d", len(now.Name))
		batch.Rows[now.Name] = &now
	}
	err := s.boxes.keep(batch)
	for _, c := range changes {
		if err != nil {
			c.Fail(err)
		} else {
			c.Done(c.Planned.Name, *batch.Rows[c.Planned.Name])
		}
	}
}

func (s *benchShelf) remove(_ context.Context, _ *resource.Env, changes []*resource.Change[benchBoxBody]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch benchBatch
	for _, c := range changes {
		batch.Gone = append(batch.Gone, c.ID)
	}
	err := s.boxes.keep(batch)
	for _, c := range changes {
		if err != nil {
			c.Fail(err)
		} else {
			c.Gone()
		}
	}
}
