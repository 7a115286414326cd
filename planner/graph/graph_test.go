package graph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is what a plan for two CRM vaults looks like.
func house() *Graph[string] {
	g := New[string]()
	g.Add("filter.us", "connection.us")
	g.Add("filter.de", "connection.de")
	g.Add("sync.us", "filter.us", "point.us")
	g.Add("sync.de", "filter.de", "point.de")
	g.Add("point.us", "connection.us")
	g.Add("point.de", "connection.de")
	g.Add("vault")
	g.Add("connection.us", "vault", "vault")
	g.Add("connection.de", "vault")
	return g
}

func TestGraph(t *testing.T) {
	g := house()
	levels, err := g.Levels()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"vault"},
		{"connection.us", "connection.de"},
		{"filter.us", "filter.de", "point.us", "point.de"},
		{"sync.us", "sync.de"},
	}
	if diff := cmp.Diff(want, levels); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		name      string
		want, got []string
	}{
		{"Dependencies", []string{"filter.us", "point.us"}, g.dependencies("sync.us")},
		{"Dependencies of none", nil, g.dependencies("vault")},
		{"TransitiveDependents", []string{"filter.us", "sync.us", "point.us"}, g.TransitiveDependents("connection.us")},
		{"TransitiveDependents of two", []string{"sync.us", "point.us"}, g.TransitiveDependents("connection.us", "filter.us")},
		{"TransitiveDependencies", []string{"connection.us", "point.us", "vault"}, g.TransitiveDependencies("sync.us", "filter.us")},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if len(g.nodes) != 9 || !g.Has("vault") || g.Has("unknown") {
		t.Errorf("%d nodes", len(g.nodes))
	}
	if c := g.Cycle(); c != nil {
		t.Errorf("a cycle: %v", c)
	}
}

// dependencies are what a node depends on directly, in the order of adding.
func (g *Graph[N]) dependencies(node N) []N { return g.named(g.out[g.index[node]]) }

func TestCycle(t *testing.T) {
	g := house()
	g.Add("vault", "sync.us")
	const want = "these depend on each other: filter.us → connection.us → vault → sync.us → filter.us"
	_, err := g.Levels()
	_, walkErr := g.Walk(t.Context(), 1, func(context.Context, string) error { t.Error("something was begun"); return nil })
	for _, err := range []error{err, walkErr} {
		if !errors.As(err, new(*CycleError[string])) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	self := New[int]()
	self.Add(1, 2)
	self.Add(2, 2)
	if diff := cmp.Diff([]int{2}, self.Cycle()); diff != "" {
		t.Errorf("what depends on itself (-want +got):\n%s", diff)
	}
}

func TestWalkSkips(t *testing.T) {
	broken := errors.New("broken")
	result, err := house().Walk(t.Context(), 1, func(_ context.Context, node string) error {
		if node == "connection.us" || node == "filter.de" {
			return broken
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Result[string]{
		Done:   []string{"vault", "connection.de", "point.de"},
		Failed: map[string]error{"connection.us": broken, "filter.de": broken},
		Skipped: map[string][]string{
			"filter.us": {"connection.us"}, "point.us": {"connection.us"}, "sync.us": {"connection.us"}, "sync.de": {"filter.de"},
		},
	}
	if diff := cmp.Diff(want, result, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
		t.Errorf("the walk (-want +got):\n%s", diff)
	}
}

// When the context ends, what runs comes to its end, and nothing more begins.
func TestWalkCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	result, err := house().Walk(ctx, 0, func(_ context.Context, node string) error {
		if node == "connection.us" {
			cancel()
		}
		if node != "vault" {
			<-ctx.Done()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(result.Done)
	if diff := cmp.Diff([]string{"connection.de", "connection.us", "vault"}, result.Done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"filter.us", "filter.de", "sync.us", "point.us", "sync.de", "point.de"}, result.Left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// A panic of fn is the caller's to handle, when what runs has ended, which is
// told to end.
func TestWalkPanics(t *testing.T) {
	begun := make(chan struct{})
	ended := false
	defer func() {
		p, ok := recover().(*Panic)
		if !ok || p.Value != "bug" || !strings.Contains(string(p.Stack), "TestWalkPanics") {
			t.Errorf("panicked with %v", p)
		}
		if !ended {
			t.Error("something still runs")
		}
	}()
	house().Walk(t.Context(), 0, func(ctx context.Context, node string) error {
		switch node {
		case "filter.us":
			<-begun
			panic("bug")
		case "point.us":
			close(begun)
			<-ctx.Done()
			ended = true
		case "sync.us":
			t.Error("something was begun after the panic")
		}
		return nil
	})
}

// drawn is a random graph without a cycle: edges lead to smaller numbers, and
// nodes were added in another order.
func drawn(t *rapid.T) (*Graph[int], [][2]int) {
	size := rapid.IntRange(0, 30).Draw(t, "size")
	g := New[int]()
	for _, n := range rapid.Permutation(slices.Collect(seq(size))).Draw(t, "order") {
		g.Add(n)
	}
	var edges [][2]int
	for range rapid.IntRange(0, 3*size).Draw(t, "edges") {
		from, to := rapid.IntRange(0, size-1).Draw(t, "from"), rapid.IntRange(0, size-1).Draw(t, "to")
		if from > to {
			g.Add(from, to)
			edges = append(edges, [2]int{from, to})
		}
	}
	return g, edges
}

func seq(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func TestOrderRespectsEdges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := drawn(t)
		levels, err := g.Levels()
		if err != nil {
			t.Fatal(err)
		}
		order := slices.Concat(levels...)
		place, level := map[int]int{}, map[int]int{}
		for n, node := range order {
			place[node] = n
		}
		for n, nodes := range levels {
			for _, node := range nodes {
				level[node] = n
			}
		}
		if len(place) != len(g.nodes) || len(order) != len(g.nodes) || len(level) != len(g.nodes) {
			t.Fatalf("%d nodes in order, %d in levels, of %d", len(order), len(level), len(g.nodes))
		}
		for _, e := range edges {
			if place[e[0]] <= place[e[1]] || level[e[0]] <= level[e[1]] {
				t.Fatalf("%d depends on %d and comes before it", e[0], e[1])
			}
		}
		for node, l := range level {
			just := slices.ContainsFunc(g.dependencies(node), func(d int) bool { return level[d] == l-1 })
			if l > 0 && !just {
				t.Fatalf("%d could be in an earlier level than %d", node, l)
			}
		}
	})
}

func TestCycleIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := drawn(t)
		if c := g.Cycle(); c != nil {
			t.Fatalf("a cycle where there is none: %v", c)
		}
		if len(edges) == 0 {
			return
		}
		e := rapid.SampledFrom(edges).Draw(t, "closed")
		g.Add(e[1], e[0])
		c := g.Cycle()
		if len(c) < 2 {
			t.Fatalf("no cycle: %v", c)
		}
		for n, node := range c {
			if next := c[(n+1)%len(c)]; !slices.Contains(g.dependencies(node), next) {
				t.Fatalf("in %v, %d does not depend on %d", c, node, next)
			}
		}
		if unique := len(slices.Compact(slices.Sorted(slices.Values(c)))); unique != len(c) {
			t.Fatalf("a node twice in %v", c)
		}
	})
}

// Every node is walked once, after its dependencies, within the limit; what
// is skipped is what depends on a failure, and nothing else.
func TestWalkVisitsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := drawn(t)
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		fails := map[int]bool{}
		for _, n := range g.nodes {
			fails[n] = rapid.IntRange(0, 9).Draw(t, "fails") == 0
		}

		var mu sync.Mutex
		var running atomic.Int64
		var most int64
		visited := map[int]int{}
		result, err := g.Walk(context.Background(), limit, func(_ context.Context, node int) error {
			now := running.Add(1)
			defer running.Add(-1)
			mu.Lock()
			defer mu.Unlock()
			most = max(most, now)
			visited[node]++
			for _, d := range g.dependencies(node) {
				if visited[d] == 0 || fails[d] {
					return fmt.Errorf("%d was begun before its dependency %d was done", node, d)
				}
			}
			if fails[node] {
				return context.DeadlineExceeded
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if limit > 0 && most > int64(limit) {
			t.Fatalf("%d at a time", most)
		}

		failed := map[int]bool{}
		for n, err := range result.Failed {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			failed[n] = true
		}
		// The skipped, by following edges from the failed, over and over.
		causes := map[int]map[int]bool{}
		for range g.nodes {
			for _, e := range edges {
				if causes[e[0]] == nil {
					causes[e[0]] = map[int]bool{}
				}
				maps.Copy(causes[e[0]], causes[e[1]])
				if failed[e[1]] {
					causes[e[0]][e[1]] = true
				}
			}
		}
		want := map[int][]int{}
		for n, c := range causes {
			if len(c) > 0 {
				want[n] = slices.Sorted(maps.Keys(c))
			}
		}
		got := map[int][]int{}
		for n, c := range result.Skipped {
			got[n] = slices.Sorted(slices.Values(c))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("skipped (-want +got):\n%s", diff)
		}
		for _, n := range g.nodes {
			once := 1
			if got[n] != nil {
				once = 0
			}
			if visited[n] != once {
				t.Fatalf("%d was visited %d times", n, visited[n])
			}
		}
		if len(result.Done)+len(result.Failed)+len(result.Skipped) != len(g.nodes) || len(result.Left) != 0 {
			t.Fatalf("not everything is accounted for: %+v", result)
		}
	})
}
