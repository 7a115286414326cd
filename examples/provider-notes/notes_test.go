package main

import (
	"os"
	"path/filepath"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/plugin"
	"accord/providers/providertest"
)

// The test binary is the plugin, too, when it is started again.
func TestMain(m *testing.M) {
	if os.Getenv("NOTES_TEST_PLUGIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Every provider passes the suite, in process and as a plugin.
func TestSuite(t *testing.T) {
	try(t, func(*testing.T) providers.Provider { return provider() })
}

func TestSuiteThroughPlugin(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	try(t, func(t *testing.T) providers.Provider {
		p, err := plugin.Open(t.Context(), plugin.Command{Name: "notes", Path: self, Env: []string{"NOTES_TEST_PLUGIN=1"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	})
}

func try(t *testing.T, open func(*testing.T) providers.Provider) {
	path := filepath.Join(t.TempDir(), "notes.json")
	hello := addrs.New("note", "hello")
	providertest.Run(t, providertest.Target{
		Config: providers.Config{Dir: ".", Tool: "accord/test", Instances: []providers.Object{
			providertest.Desired(addrs.New("notebook", "mine"), map[string]any{"path": path, "limit": 10}),
		}},
		New: func(t *testing.T) func(*testing.T) providers.Provider {
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			return open
		},
		Resources: []providertest.Resource{{
			Desired: providertest.Desired(hello, map[string]any{"notebook": "notebook.mine", "name": "hello", "text": "Hello.", "tags": []string{"first"}, "secret": "s"}),
			Changed: providertest.Desired(hello, map[string]any{"notebook": "notebook.mine", "name": "hello", "text": "Good-bye.", "author": "somebody"}),
		}},
	})
}

// What fails is one note, and the others of its batch are written.
func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.json")
	p := provider()
	book := providertest.Desired(addrs.New("notebook", "small"), map[string]any{"path": path, "limit": 1})
	p.Configure(t.Context(), providers.Config{Instances: []providers.Object{book}})
	var items []providers.ApplyItem
	for _, name := range []string{"first", "second"} {
		o := providertest.Desired(addrs.New("note", name), map[string]any{"notebook": "notebook.small", "name": name, "text": "x"})
		items = append(items, providers.ApplyItem{Addr: o.Addr, Action: providers.Create, Planned: &o})
	}
	got := p.Apply(t.Context(), providers.ApplyRequest{Items: items})
	if got[0].Err != nil || got[0].Object == nil || got[1].Err == nil || got[1].Err.Kind != providers.Invalid {
		t.Errorf("%+v\n%+v", got[0], got[1].Err)
	}
}
