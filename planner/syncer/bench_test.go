package syncer_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/syncer"
	"accord/providers"
)

// endless is a provider of as many records as one likes, made as they are
// read: containers that hold five members each.
type endless struct {
	providers.Provider // nothing else is called
	containers         int
	filled             bool // the targets hold everything already
}

func (e *endless) Schema(context.Context) (*schema.Provider, error) {
	parts := []schema.Part{{Name: "member", Title: "members"}, {Name: "container", Title: "containers", Routed: true}}
	return &schema.Provider{Name: "endless", Streams: []schema.Stream{
		{Name: "source", Parts: parts, Ordered: true}, {Name: "target", Parts: parts, Write: true},
	}}, nil
}

func (e *endless) Records(_ context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		target := req.End.Stream == "target"
		n := e.containers
		if target && !e.filled {
			n = 0
		}
		fields := []byte(`{"description":"the quick brown fox","name":"A document of some length"}`)
		if target {
			fields = []byte(`{"title":"A document of some length"}`)
		}
		record := func(part string, i int) providers.Record {
			if target { // in no order of keys
				i = i * 7919 % (n * map[string]int{"member": 5, "container": 1}[part])
			}
			r := providers.Record{Part: part, Key: fmt.Sprintf("%012d", i), Title: "A document of some length", Standing: "approved", Fields: fields}
			if target {
				r.ID, r.Standing = r.Key, providers.Published
			}
			if part == "container" {
				r.Routes = []string{"us"}
				r.Groups = map[string]string{"product": "p" + r.Key[11:]}
				for m := range 5 {
					r.Members = append(r.Members, providers.Member{Part: "member", Key: fmt.Sprintf("%012d", 5*i+m)})
				}
			}
			return r
		}
		var batch []providers.Record
		add := func(r providers.Record) bool {
			if batch = append(batch, r); len(batch) < 1000 {
				return true
			}
			ok := yield(providers.Batch{Records: batch, Calls: 1}, nil)
			batch = nil
			return ok
		}
		for i := range 5 * n {
			if !add(record("member", i)) {
				return
			}
		}
		for i := range n {
			if !add(record("container", i)) {
				return
			}
		}
		yield(providers.Batch{Records: batch, End: true, Horizon: time.Unix(1, 0)}, nil)
	}
}

// BenchmarkPreview previews full runs to three targets. Compare the sizes:
// time for each record and peak memory must not grow.
func BenchmarkPreview(b *testing.B) {
	for _, containers := range []int{10_000, 100_000} {
		for _, filled := range []bool{false, true} {
			name := fmt.Sprintf("containers=%d/%s", containers, map[bool]string{true: "unchanged", false: "first"}[filled])
			b.Run(name, func(b *testing.B) { benchmarkPreview(b, &endless{containers: containers, filled: filled}) })
		}
	}
}

func benchmarkPreview(b *testing.B, e *endless) {
	const targets = 3
	sch, _ := e.Schema(context.Background())
	var tasks []syncer.Task
	for n := range targets {
		tasks = append(tasks, syncer.Task{
			Sync: providers.Sync{
				Addr: addrs.NewKeyed("feed", "f", fmt.Sprint(n)), Active: true,
				Source: providers.End{Instance: shelf("north"), Stream: "source"},
				Target: providers.End{Instance: shelf(fmt.Sprint(n)), Stream: "target"},
				Rules:  []providers.Rule{{From: "name", To: "title"}}, Route: providers.Route{Values: []string{"us"}},
				Standings: map[string]providers.Meaning{"approved": providers.Publish},
			},
			Decision: syncer.Decision{Mode: syncer.Full},
		})
	}
	var peak uint64
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	for b.Loop() {
		s, err := syncer.New(syncer.Options{
			Provider: func(addrs.Instance) (providers.Provider, *schema.Provider) { return e, sch },
			WorkDir:  b.TempDir(),
		})
		if err != nil {
			b.Fatal(err)
		}
		impacts, err := s.Preview(context.Background(), tasks)
		if err != nil {
			b.Fatal(err)
		}
		for _, i := range impacts {
			if i.Total.Added+i.Total.Unchanged != 6*e.containers || i.Unaffected() != e.filled {
				b.Fatalf("%+v", i.Total)
			}
		}
		s.Close()
	}
	close(done)
	<-watched
	records := float64(6 * e.containers * targets)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/records, "µs/record")
	b.ReportMetric(float64(peak)/(1<<20), "MiB-peak-heap")
}
