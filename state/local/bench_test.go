package local

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// BenchmarkPass keeps what the runs of one pass say: thirty that begin and end, and
// of each so many batches.
func BenchmarkPass(b *testing.B) {
	for _, batches := range []uint64{0, 3} {
		b.Run(fmt.Sprint(batches, "-batches"), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "accord.state.json"), time.Now)
			defer s.Close()
			j, err := s.Journal(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			must := func(err error) {
				if err != nil {
					b.Error(err)
				}
			}
			var syncs []addrs.Instance
			for n := range 30 {
				syncs = append(syncs, addrs.NewKeyed("integration_point", "clm_presentation", fmt.Sprint(n+1)))
			}
			each := func(f func(n int)) {
				var all sync.WaitGroup
				slots := make(chan bool, 16)
				for n := range syncs {
					all.Go(func() { slots <- true; f(n); <-slots })
				}
				all.Wait()
			}
			memory := state.Memory{Horizon: time.Now(), HorizonFull: time.Now(), LastStart: time.Now(), LastSuccess: time.Now(),
				Inputs: map[string]string{"filter": "41d35b49c178d669", "syncer_routes": `["us__v"]`, "vaults": "1031 1001"}}
			for round := 0; b.Loop(); round++ {
				id := func(n int) string { return fmt.Sprintf("%d-%d", round, n) }
				leases, err := j.Acquire(b.Context(), syncs, "sync", time.Minute)
				must(err)
				_, err = j.Memories(b.Context(), syncs)
				must(err)
				runs, ends := make([]state.Run, len(syncs)), make([]state.End, len(syncs))
				for n, lease := range leases {
					runs[n] = state.Run{ID: id(n), Sync: syncs[n], Mode: state.Incremental, Reasons: []string{"incremental"}, Fence: lease.Fence, Started: time.Now()}
					ends[n] = state.End{Run: id(n), Outcome: state.Clean, At: time.Now(), Memory: &memory, Sweep: true, Release: true, Light: true, Counts: map[string]int64{"owned": 600}}
				}
				must(j.Begin(b.Context(), runs...))
				if batches == 0 {
					_, err = j.End(b.Context(), ends...)
					must(err)
					continue
				}
				each(func(n int) {
					for seq := uint64(1); seq <= batches; seq++ {
						must(j.Intend(b.Context(), id(n), []state.Batch{{Seq: seq, Part: "slide", Verb: "update", Keys: []string{"000000000012", "000000000013"}}}))
						must(j.Checkpoint(b.Context(), id(n), state.Checkpoint{Seq: seq, Counts: map[string]int64{"updated": 2}}))
					}
					_, err := j.End(b.Context(), ends[n])
					must(err)
				})
			}
		})
	}
}
