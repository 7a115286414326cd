package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
)

// notebookBody is the block `notebook`. The tags are its schema, and its
// reference page.
type notebookBody struct {
	Path  string `json:"path" schema:"required" doc:"The JSON file, from the folder of the configuration. The first note makes it."`
	Limit int    `json:"limit" default:"1000" doc:"How many notes it takes."`
}

// notebooks are those that the configuration connects.
type notebooks struct {
	mu   sync.Mutex // of the files: methods may be called at once
	open sync.Map   // by address: *notebook
}

func (p *notebooks) instance() resource.Connectable {
	return resource.Instance[notebookBody]{
		Name:    "notebook",
		Doc:     "A JSON file that holds notes.",
		Connect: p.connect,
	}
}

// connect finds every notebook, and writes nothing.
func (p *notebooks) connect(_ context.Context, env *resource.Env, items []*resource.Item[notebookBody]) {
	for _, i := range items {
		b := &notebook{path: i.Want.Path, limit: i.Want.Limit}
		if !filepath.IsAbs(b.path) {
			b.path = filepath.Join(env.Config.Dir, b.path)
		}
		if _, err := b.read(); err != nil {
			i.Fail(err)
			continue
		}
		p.open.Store(i.Addr, b)
		i.Found(b.path, *i.Want)
	}
}

func (p *notebooks) notebook(addr addrs.Instance) (*notebook, error) {
	b, ok := p.open.Load(addr)
	if !ok {
		return nil, providers.Errorf(providers.Invalid, "%s is not connected", addr)
	}
	return b.(*notebook), nil
}

// notebook is the system that is managed.
type notebook struct {
	path  string
	limit int
}

// page is what the file holds.
type page struct {
	Last  int                  `json:"last"` // id that was given
	Notes map[string]*noteBody `json:"notes"`
}

func (b *notebook) read() (*page, error) {
	p := &page{Notes: map[string]*noteBody{}}
	text, err := os.ReadFile(b.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, providers.Errorf(providers.Access, "%v", err)
	case err != nil:
		return nil, providers.Errorf(providers.Transient, "%v", err)
	}
	if err := json.Unmarshal(text, p); err != nil {
		e := providers.Errorf(providers.Invalid, "%s is no notebook: %v", b.path, err)
		e.Advice = "Correct it by hand, or name another file."
		return nil, e
	}
	return p, nil
}

// write replaces the file whole, so that nobody ever reads half of it.
func (b *notebook) write(p *page) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	next := b.path + ".next"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return providers.Errorf(providers.Permission, "%v", err)
	}
	return os.Rename(next, b.path)
}

// find looks for a note by its id, else by its name.
func (p *page) find(id, name string) (string, *noteBody) {
	if n := p.Notes[id]; n != nil {
		return id, n
	}
	for id, n := range p.Notes {
		if n.Name == name {
			return id, n
		}
	}
	return "", nil
}

// put makes a note so, and returns its id and what it is now.
func (b *notebook) put(p *page, id string, n noteBody) (string, noteBody, error) {
	id, was := p.find(id, n.Name)
	if was == nil {
		if len(p.Notes) >= b.limit {
			e := providers.Errorf(providers.Invalid, "the notebook %s is full: it takes %d", filepath.Base(b.path), b.limit)
			e.Advice = "Take a note out, or raise the limit of the notebook."
			return "", n, e
		}
		p.Last++
		id = fmt.Sprintf("n%d", p.Last)
	}
	if n.Author == nil {
		author := cmp.Or(os.Getenv("NOTES_AUTHOR"), "unknown")
		n.Author = &author
	}
	n.ID = id
	kept := n
	kept.Notebook = addrs.Instance{} // that is where it is
	p.Notes[id] = &kept
	return id, n, nil
}
