package syncer_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
)

// books puts so many books without pages into the source.
func (w *world) books(n int) {
	records := make([]providers.Record, n)
	for i := range records {
		records[i] = providertest.Book(bookKey(i), "Book", nil)
	}
	w.north().Put(records...)
}

func bookKey(n int) string { return fmt.Sprintf("b%04d", n) }

// A batch has 500 changes and no more; each is on record once, before it is
// written.
func TestBatchesAtTheirBounds(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{499: 1, 500: 1, 501: 2, 1000: 2, 1001: 3} {
		w := newWorld(t, t.TempDir(), "a")
		w.books(n)
		if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Done.Added != n {
			t.Errorf("%d books: %+v", n, o.Done)
		}
		batches := 0
		for _, c := range w.m.Calls() {
			if c.Method != "write" {
				continue
			}
			if batches++; len(c.Keys) > 500 {
				t.Errorf("%d books: a batch of %d", n, len(c.Keys))
			}
		}
		if batches != want || w.journal.intents != want || len(w.journal.open) > 0 {
			t.Errorf("%d books: %d batches, on record in %d turns, %d open", n, batches, w.journal.intents, len(w.journal.open))
		}
	}
}

// A run gives up once a target has refused a thousand items in a row for reasons
// of its own, which is not what an item is refused for (ERR-3). What failed is
// tried again by key, and what changed is asked for once beside it (ERR-2).
func TestGivesUpWhereNothingIsTaken(t *testing.T) {
	t.Parallel()
	own, ill := providers.Invalid, providers.Transient
	for name, c := range map[string]struct {
		books int
		kind  func(n int) providers.Kind
		want  syncer.Status
	}{
		"a thousand":                 {1000, func(int) providers.Kind { return ill }, syncer.Failed},
		"one fewer":                  {999, func(int) providers.Kind { return ill }, syncer.Faulty},
		"one among them is taken":    {1001, func(n int) providers.Kind { return map[bool]providers.Kind{false: ill}[n == 500] }, syncer.Faulty},
		"one among them is at fault": {1001, func(n int) providers.Kind { return map[bool]providers.Kind{false: ill, true: own}[n == 500] }, syncer.Faulty},
		"all are at fault":           {1001, func(int) providers.Kind { return own }, syncer.Faulty},
	} {
		w := newWorld(t, t.TempDir(), "a")
		w.books(c.books)
		kinds := map[string]providers.Kind{}
		failing := 0
		for n := range c.books {
			if kind := c.kind(n); kind != "" {
				kinds[bookKey(n)] = kind
				failing++
			}
		}
		provider := w.p.Provider
		w.p.Provider = refusing{provider, kinds}
		o := w.run(w.tasks(syncer.Request{}))[booksFeed("a")]
		if o.Status != c.want || (o.Status == syncer.Failed) != (o.Err != nil && strings.Contains(o.Err.Error(), "takes nothing")) || o.Failed != failing {
			t.Errorf("%s: %s, %v, %d failed of %d", name, o.Status, o.Err, o.Failed, failing)
		}
		if o.Status == syncer.Failed {
			continue
		}
		var asked []providers.RecordsRequest
		w.p.Provider = noting{provider, &asked}
		w.m.Pass(time.Hour)
		if o := w.mustRun(syncer.Request{})[booksFeed("a")]; o.Decision.Mode != syncer.Incremental || o.Done.Added != failing {
			t.Errorf("%s: then %s, %+v", name, o.Decision.Mode, o.Done)
		}
		since, keys := 0, 0
		for _, req := range asked {
			if req.End.Stream != providertest.StreamBooks {
				continue
			}
			if keys += len(req.Keys); !req.Since.IsZero() {
				since++
			}
			if len(req.Keys) > 1000 {
				t.Errorf("%s: %d keys at once", name, len(req.Keys))
			}
		}
		if since != 1 || keys != failing {
			t.Errorf("%s: what changed was asked for %d times, and %d keys of %d", name, since, keys, failing)
		}
	}
}

// noting is a provider that notes what it is asked for.
type noting struct {
	providers.Provider
	asked *[]providers.RecordsRequest
}

func (p noting) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	*p.asked = append(*p.asked, req)
	return p.Provider.Records(ctx, req)
}

// refusing is a provider whose targets do not take some items.
type refusing struct {
	providers.Provider
	kinds map[string]providers.Kind // by key
}

func (r refusing) Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	results := make([]providers.WriteResult, len(req.Writes))
	taken := req
	taken.Writes = nil
	var at []int
	for n, w := range req.Writes {
		if kind := r.kinds[w.Key]; kind != "" {
			results[n].Err = providers.Errorf(kind, "it was told to refuse %s", w.Key)
			continue
		}
		taken.Writes, at = append(taken.Writes, w), append(at, n)
	}
	for n, result := range r.Provider.Write(ctx, taken) {
		results[at[n]] = result
	}
	return results
}
