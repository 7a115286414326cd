package providertest

import (
	"testing"

	"accord/lang/addrs"
	"accord/providers"
)

// MemoryTarget is how Memory joins the suite; open says how a provider of a
// filled Memory is reached.
func MemoryTarget(open func(t *testing.T, m *Memory) func(t *testing.T) providers.Provider) Target {
	north, south := addrs.New("shelf", "north"), addrs.New("shelf", "south")
	countries := addrs.New("feed", "countries")
	member := func(part, key string) providers.Member { return providers.Member{Part: part, Key: key} }
	sync := providers.Sync{
		Addr:   addrs.New("feed", "books"),
		Source: providers.End{Instance: north, Stream: StreamBooks},
		Target: providers.End{Instance: south, Stream: StreamCopies, Scope: []byte(`{"feed":"books"}`)},
	}
	table := sync
	table.Source.Stream, table.Target.Stream = StreamCountries, StreamCountryTable
	return Target{
		New: func(t *testing.T) func(t *testing.T) providers.Provider {
			m := NewMemory()
			m.BatchSize = 3
			north, south := m.System("north"), m.System("south")
			north.Put(
				Book("b1", "One <1>", []string{"us"}, "p1", "p2"), Book("b2", "Zwei", []string{"ca", "us"}, "p2"), Book("b3", "三", nil, "p3"),
				Page("p1", "First", "x1"), Page("p2", "Second", "x1"), Page("p3", "Third"), Picture("x1", "X"),
				Country("us", "United States", "US"), Country("all", "Global", "US", "CA"),
			)
			south.PutForeign(StreamCopies, Book("b1", "Not ours", nil))
			m.locked(func() {
				south.Feeds["feed-0"] = &feedBody{Name: "books", From: sync.Source.Instance, To: sync.Target.Instance, Status: "inactive", Kind: "books", Engine: "accord", Variant: "steady", OnUnapproved: "keep"}
			})
			return open(t, m)
		},
		Config: providers.Config{Dir: ".", Tool: "accord/test", Instances: []providers.Object{Shelf("north", "north"), Shelf("south", "south")}},
		Resources: []Resource{
			{
				Desired: Desired(addrs.NewKeyed("box", "b", "a \"b\""), map[string]any{"shelf": "shelf.north", "name": "b", "size": 3, "contents": []string{"<pens>", "ink"}, "trigger": "t",
					"code": "1234", "lid": map[string]any{"colour": "red"}, "slot": map[string]any{"left": map[string]any{"keys": []string{}}}}),
				Changed: Desired(addrs.NewKeyed("box", "b", "a \"b\""), map[string]any{"shelf": "shelf.north", "name": "b", "size": 4, "contents": []string{}, "trigger": "u",
					"code": "1234", "lid": map[string]any{"colour": "blue", "locked": true}}),
			},
			{
				Desired: Desired(addrs.New("label", "l"), map[string]any{"box": `box.b["a \"b\""]`, "text": "fragile", "size": 10, "status": "active"}),
				Changed: Desired(addrs.New("label", "l"), map[string]any{"box": `box.b["a \"b\""]`, "text": "fragile", "size": 12, "status": "inactive"}),
			},
			{Desired: Desired(addrs.New("sign", "s"), map[string]any{"shelf": "shelf.south", "name": "exit"})},
			{
				Desired: Desired(countries, map[string]any{"from": "shelf.north", "to": "shelf.south", "name": "countries", "kind": "countries", "status": "active", "engine": "accord",
					"variant": "steady", "on_unapproved": "keep", "routes": []string{"US"}}),
				Changed: Desired(countries, map[string]any{"from": "shelf.north", "to": "shelf.south", "name": "countries", "kind": "countries", "status": "inactive", "engine": "accord",
					"variant": "steady", "on_unapproved": "keep", "routes": []string{"CA", "US"}}),
			},
		},
		Streams: []Stream{
			{End: sync.Source, Records: 7},
			{End: table.Source, Records: 2},
			{End: sync.Target, Sync: sync, Writes: [][]providers.Write{
				{{Part: "picture", Key: "x1", Title: "X", Fields: []byte(`{"title":"X"}`)}},
				{{Part: "page", Key: "p1", Title: "P", Members: []providers.Member{member("picture", "x1")}}, {Part: "page", Key: "p2", Title: "Q"}},
				{{Part: "book", Key: "b1", Title: "B", Members: []providers.Member{member("page", "p2"), member("page", "p1")}}},
			}},
			{End: table.Target, Sync: table, Writes: [][]providers.Write{{{Part: "country", Key: "us", Title: "US"}}}},
		},
	}
}
