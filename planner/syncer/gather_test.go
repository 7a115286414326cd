package syncer_test

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/graph"
	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
)

// slow is a provider one of whose instances answers nothing until it is let.
type slow struct {
	providers.Provider
	who addrs.Instance
	let chan struct{}

	mu    sync.Mutex
	reads int // of what the source has, all or what changed
}

func (p *slow) wait(ctx context.Context, at addrs.Instance) error {
	if at != p.who {
		return nil
	}
	select {
	case <-p.let:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *slow) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		if req.End.Instance == shelf("north") && req.End.Stream == providertest.StreamBooks && len(req.Keys) == 0 {
			p.mu.Lock()
			p.reads++
			p.mu.Unlock()
		}
		if err := p.wait(ctx, req.End.Instance); err != nil {
			yield(providers.Batch{}, err)
			return
		}
		p.Provider.Records(ctx, req)(yield)
	}
}

func (p *slow) Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	_ = p.wait(ctx, req.Sync.Target.Instance)
	return p.Provider.Write(ctx, req)
}

// A target that is merely slow holds up no other of its source, and those that
// keep up share one read. It joins the next one, or follows alone.
func TestSlowTarget(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{false, true} {
		w := syncedLibrary(t, "a", "b", "c", "d")
		w.north().Put(providertest.Book("b1", "Changed", []string{"us"}, "p2"))
		w.north().Put(standing(providertest.Book("b3", "Three", []string{"gl"}, "p4"), providertest.StandingUnpublished))
		p := &slow{Provider: w.p, who: shelf("c"), let: make(chan struct{})}
		_, schemas := w.provider(shelf("c"))
		s, err := syncer.New(syncer.Options{
			Provider: func(addrs.Instance) (providers.Provider, *schema.Provider) { return p, schemas },
			Journal:  w.journal, WorkDir: t.TempDir(), Now: w.now, Patience: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ended := make(chan syncer.Outcome, 4)
		over := make(chan struct{})
		shared := 0 // reads of the source until the last of those who keep up has ended
		go func() {
			defer close(over)
			s.RunEach(context.Background(), w.tasks(syncer.Request{Full: full}), func(o syncer.Outcome) {
				p.mu.Lock()
				if o.Addr.Key != "c" {
					shared = p.reads
				}
				p.mu.Unlock()
				ended <- o
			})
		}()
		next := func() syncer.Outcome {
			t.Helper()
			select {
			case o := <-ended:
				return o
			case <-time.After(time.Minute):
				t.Fatal("nobody else comes to an end while one is slow")
				return syncer.Outcome{}
			}
		}
		var first []string
		for range 3 {
			o := next()
			if first = append(first, o.Addr.Key); o.Status != syncer.Clean || o.Done.Written() == 0 {
				t.Errorf("full=%v: %s: %s, %v, %+v", full, o.Addr, o.Status, o.Err, o.Done)
			}
		}
		if slices.Sort(first); !slices.Equal(first, []string{"a", "b", "d"}) {
			t.Errorf("full=%v: first were %v", full, first)
		}
		p.mu.Lock()
		if shared != 1 {
			t.Errorf("full=%v: those who keep up took %d reads of the source", full, shared)
		}
		p.mu.Unlock()
		close(p.let)
		if o := next(); o.Addr.Key != "c" || o.Status != syncer.Clean || o.Done.Written() == 0 {
			t.Errorf("full=%v: %s: %s, %v, %+v", full, o.Addr, o.Status, o.Err, o.Done)
		}
		<-over
		if held := w.held("c", booksFeed("c")); !slices.Equal(held, w.held("a", booksFeed("a"))) {
			t.Errorf("full=%v: the slow one holds\n%v\nthe others\n%v", full, held, w.held("a", booksFeed("a")))
		}
	}
}

// A crash of who is told of an end surfaces, and nobody waits for that end for ever.
func TestTellingAnEndCrashes(t *testing.T) {
	t.Parallel()
	w := syncedLibrary(t, "a", "b")
	w.north().Put(providertest.Book("b1", "Changed", []string{"us"}, "p2"))
	s, err := syncer.New(syncer.Options{Provider: w.provider, Journal: w.journal, WorkDir: t.TempDir(), Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	crashed := make(chan any, 1)
	go func() {
		defer func() { crashed <- recover() }()
		s.RunEach(context.Background(), w.tasks(syncer.Request{}), func(syncer.Outcome) { panic("the log") })
	}()
	select {
	case p := <-crashed:
		if p, ok := p.(*graph.Panic); !ok || p.Value != "the log" {
			t.Errorf("surfaced: %v", p)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for an end that was told")
	}
}
