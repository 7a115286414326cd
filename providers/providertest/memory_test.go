package providertest

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
)

// open returns a provider of a memory with two shelves, "north" and "south".
func open(t *testing.T, m *Memory) providers.Provider {
	t.Helper()
	p := m.Provider()
	for _, r := range p.Configure(context.Background(), providers.Config{Instances: []providers.Object{Shelf("north", "north"), Shelf("south", "south")}}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return p
}

// read drains a read into one line a record.
func read(t *testing.T, p providers.Provider, req providers.RecordsRequest) (lines []string, end bool, err error) {
	t.Helper()
	for b, err := range p.Records(context.Background(), req) {
		if err != nil {
			return lines, end, err
		}
		for _, r := range b.Records {
			lines = append(lines, strings.Join([]string{r.Part, r.Key, r.Standing}, " "))
		}
		end = b.End
	}
	return lines, end, nil
}

func fill(m *Memory) *System {
	s := m.System("north")
	s.Put(
		Book("b1", "One", []string{"us"}, "p1", "p2"), Book("b2", "Two", []string{"ca"}, "p2"), Book("b3", "Three", nil, "p3"),
		Page("p1", "First", "x1"), Page("p2", "Second", "x1"), Page("p3", "Third"), Picture("x1", "X"),
	)
	return s
}

func TestMemoryReadsWhatMustBeSeen(t *testing.T) {
	m := NewMemory()
	m.BatchSize = 2
	s := fill(m)
	p := open(t, m)
	books := providers.RecordsRequest{End: providers.End{Instance: addrs.New("shelf", "north"), Stream: StreamBooks}}

	check := func(name string, req providers.RecordsRequest, want ...string) {
		t.Helper()
		got, end, err := read(t, p, req)
		if err != nil || !end {
			t.Errorf("%s: ended %v, %v", name, end, err)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	check("all", books, "book b1 approved", "book b2 approved", "book b3 approved", "page p1 approved", "page p2 approved", "page p3 approved", "picture x1 approved")
	ranged := books
	ranged.After, ranged.UpTo = "b1", "p1"
	check("range", ranged, "book b2 approved", "book b3 approved", "page p1 approved")

	m.Pass(time.Hour)
	changed := Page("p2", "Second, again", "x1")
	s.Put(changed)
	s.Delete("book", "b3")
	since := books
	since.Since = m.Now
	check("a changed member brings its containers, and they their members", since,
		"page p2 approved", "book b1 approved", "book b2 approved", "page p1 approved", "picture x1 approved", "book b3 deleted")
	keys := books
	keys.Keys = []providers.Member{{Part: "page", Key: "p3"}, {Part: "page", Key: "p9"}, {Part: "book", Key: "b3"}}
	check("keys", keys, "page p3 approved", "page p9 missing", "book b3 deleted")
	keys.Keys, keys.Only = []providers.Member{{Part: "page", Key: "p2"}}, true
	check("keys only", keys, "page p2 approved")
	check("all after a delete", books, "book b1 approved", "book b2 approved", "page p1 approved", "page p2 approved", "page p3 approved", "picture x1 approved")
}

func TestMemoryWrites(t *testing.T) {
	ctx := context.Background()
	m, err := OpenMemory(filepath.Join(t.TempDir(), "memory.json"))
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, m)
	end := providers.End{Instance: addrs.New("shelf", "south"), Stream: StreamCopies, Scope: []byte(`{"feed":"f"}`)}
	write := func(w providers.Write) string {
		t.Helper()
		r := p.Write(ctx, providers.WriteRequest{Sync: providers.Sync{Target: end}, Run: "r", Writes: []providers.Write{w}})[0]
		switch {
		case r.Err != nil:
			return string(r.Err.Kind)
		case r.Same:
			return "same"
		default:
			return "done"
		}
	}
	page := providers.Member{Part: "page", Key: "p1"}
	create := providers.Write{Verb: providers.WriteCreate, Part: "book", Key: "b1", Title: "One", Members: []providers.Member{page}, Fields: []byte(`{"title":"One"}`)}
	for n, step := range []struct {
		w    providers.Write
		want string
	}{
		{create, "not_found"}, // its page is not there yet
		{providers.Write{Verb: providers.WriteCreate, Part: "page", Key: "p1", Title: "P"}, "done"},
		{create, "done"},
		{create, "same"},
		{providers.Write{Verb: providers.WriteWithdraw, Part: "page", Key: "p1"}, "invalid"}, // the book holds it
		{providers.Write{Verb: providers.WriteUpdate, Part: "book", Key: "b1", Title: "One", Fields: []byte(`{"a":1,"title":"Two"}`), Changed: []string{"title"}}, "done"},
		{providers.Write{Verb: providers.WriteWithdraw, Part: "book", Key: "b1"}, "done"},
		{providers.Write{Verb: providers.WriteWithdraw, Part: "book", Key: "b1"}, "same"},
		{providers.Write{Verb: providers.WriteWithdraw, Part: "page", Key: "p1"}, "done"},
		{providers.Write{Verb: providers.WriteRestore, Part: "page", Key: "p1", Title: "P"}, "done"},
		{providers.Write{Verb: providers.WriteUpdate, Part: "page", Key: "p2"}, "not_found"},
	} {
		if got := write(step.w); got != step.want {
			t.Errorf("step %d, %s %s %s: got %s, want %s", n, step.w.Verb, step.w.Part, step.w.Key, got, step.want)
		}
	}
	if got := string(m.System("south").Held("f")[0].Fields); got != `{"title":"Two"}` {
		t.Errorf("only what changed is set: %s", got)
	}

	again, err := OpenMemory(m.path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.System("south").Held("f"), again.System("south").Held("f")); diff != "" {
		t.Errorf("opened again: (-want +got)\n%s", diff)
	}
}

func TestMemoryFaults(t *testing.T) {
	ctx := context.Background()
	m := NewMemory()
	m.BatchSize = 3
	fill(m)
	p := open(t, m)
	books := providers.RecordsRequest{End: providers.End{Instance: addrs.New("shelf", "north"), Stream: StreamBooks}}

	m.Fault(Fault{Method: "records", Skip: 1, Times: 1, Kind: providers.Transient})
	if lines, _, err := read(t, p, books); len(lines) != 3 || providers.KindOf(err) != providers.Transient {
		t.Errorf("fails after a batch: %d records, %v", len(lines), err)
	}
	m.Fault(Fault{Method: "records", Skip: 2, Times: 1, Short: true})
	if lines, end, err := read(t, p, books); len(lines) != 6 || end || err != nil {
		t.Errorf("short: %d records, ended %v, %v", len(lines), end, err)
	}
	m.Fault(Fault{Method: "records", Skip: 1, Times: 1, Backwards: true})
	if lines, _, _ := read(t, p, books); lines[0] != lines[3] {
		t.Errorf("backwards: %v", lines)
	}
	m.Fault(Fault{Method: "records", Times: 1, Panic: true})
	if _, _, err := read(t, p, books); providers.KindOf(err) != providers.Internal {
		t.Errorf("panic: %v", err)
	}

	box := Desired(addrs.New("box", "b"), map[string]any{"shelf": "shelf.north", "name": "b", "size": 1})
	m.Fault(Fault{Method: "apply", Match: "b", Times: 1, Kind: providers.Ambiguous, Done: true})
	r := p.Apply(ctx, providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: box.Addr, Action: providers.Create, Planned: &box}}})[0]
	if r.Err == nil || r.Err.Kind != providers.Ambiguous || len(m.System("north").Boxes) != 1 {
		t.Errorf("done, and reported as failed: %+v", r)
	}

	hold, held := make(chan struct{}), make(chan struct{})
	m.Fault(Fault{Method: "read", Times: 1, Hold: hold, Held: held})
	cancelled, cancel := context.WithCancel(ctx)
	answer := make(chan providers.Result)
	go func() { answer <- p.Read(cancelled, providers.ReadRequest{Objects: []providers.Object{box}})[0] }()
	<-held
	cancel()
	if r := <-answer; r.Err == nil || r.Err.Kind != providers.Transient {
		t.Errorf("cancelled while held: %+v", r)
	}
}
