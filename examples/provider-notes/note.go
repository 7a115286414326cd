package main

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

// noteBody is the block `note`, and what the file holds of one.
type noteBody struct {
	Notebook addrs.Instance       `json:"notebook,omitzero" schema:"required,replace" refers:"notebook" doc:"Where it is."`
	Name     string               `json:"name" schema:"required,replace" doc:"Unique in its notebook."`
	Text     string               `json:"text" schema:"required" doc:"What it says; at most 280 characters."`
	Tags     resource.Set[string] `json:"tags,omitempty" doc:"By which it is found."`
	Secret   *string              `json:"secret,omitempty" schema:"sensitive" doc:"What is nobody's business; shown nowhere."`
	Author   *string              `json:"author,omitempty" schema:"computed" doc:"Who wrote it; where it is left out, the environment variable NOTES_AUTHOR says."`
	ID       string               `json:"id,omitempty" schema:"readonly" doc:"Given by the notebook."`
}

// notes are a resource type: a schema, and a few functions over batches.
func (p *notebooks) notes() resource.Resource {
	return resource.Type[noteBody]{
		Name:     "note",
		Doc:      "A note in a notebook. Taking the block out deletes it.",
		Identity: []string{"notebook", "name"},
		Removal:  schema.Delete,
		Validate: validate,
		Plan:     plan,
		Read:     p.read,
		Create:   p.put, // of what is there already by its name, it makes what is planned
		Update:   p.put,
		Remove:   p.remove,
		List:     p.list,
	}
}

// validate says what can be said without a notebook.
func validate(_ *resource.Env, items []*resource.Item[noteBody]) {
	for _, i := range items {
		if n := len([]rune(i.Want.Text)); n > 280 {
			i.Refuse("", "/text", "the note is too long", "It has "+strconv.Itoa(n)+" characters, and may have 280.")
		}
	}
}

// plan amends what the kit proposes: it says what a reviewer should know.
func plan(_ context.Context, _ *resource.Env, changes []*resource.Change[noteBody]) {
	for _, c := range changes {
		if c.Planned == nil && c.Live != nil && c.Removal == schema.Delete && c.Live.Secret != nil {
			c.Consequence("its secret is lost with it")
		}
	}
}

// read finds a batch: each file is read once.
func (p *notebooks) read(_ context.Context, _ *resource.Env, items []*resource.Item[noteBody]) {
	pages := map[addrs.Instance]*page{}
	for _, i := range items {
		at := i.Want.Notebook
		if pages[at] == nil {
			b, err := p.notebook(at)
			if err == nil {
				pages[at], err = b.read()
			}
			if err != nil {
				i.Fail(err)
				continue
			}
		}
		id, n := pages[at].find(i.ID, i.Want.Name)
		if n == nil {
			i.Missing()
			continue
		}
		now := *n
		now.Notebook, now.ID = at, id
		i.Found(id, now)
	}
}

// put makes a batch so: each file is written once.
func (p *notebooks) put(ctx context.Context, _ *resource.Env, changes []*resource.Change[noteBody]) {
	p.change(ctx, changes, func(b *notebook, now *page, c *resource.Change[noteBody]) func() {
		id, n, err := b.put(now, c.ID, *c.Planned)
		if err != nil {
			c.Fail(err)
			return nil
		}
		return func() { c.Done(id, n) }
	})
}

// remove deletes a batch; what is gone already is gone.
func (p *notebooks) remove(ctx context.Context, _ *resource.Env, changes []*resource.Change[noteBody]) {
	p.change(ctx, changes, func(_ *notebook, now *page, c *resource.Change[noteBody]) func() {
		id, _ := now.find(c.ID, where(c).Name)
		delete(now.Notes, id)
		return c.Gone
	})
}

// where is the note that a change is about: planned, or as it was.
func where(c *resource.Change[noteBody]) *noteBody {
	for _, n := range []*noteBody{c.Planned, c.Live, c.Recorded} {
		if n != nil {
			return n
		}
	}
	return &noteBody{}
}

// change opens each notebook of a batch once, applies its changes, and answers
// them when the file is written: with what one returns, or with the failure.
// One that returns nil has been answered.
func (p *notebooks) change(ctx context.Context, changes []*resource.Change[noteBody], f func(*notebook, *page, *resource.Change[noteBody]) func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	batches := map[addrs.Instance][]*resource.Change[noteBody]{}
	for _, c := range changes {
		batches[where(c).Notebook] = append(batches[where(c).Notebook], c)
	}
	for at, batch := range batches {
		b, err := p.notebook(at)
		var now *page
		if err == nil {
			now, err = b.read()
		}
		if err == nil && ctx.Err() != nil {
			err = providers.Errorf(providers.Transient, "%v", ctx.Err()) // nothing was done yet
		}
		answers := map[*resource.Change[noteBody]]func(){}
		for _, c := range batch {
			if err != nil {
				c.Fail(err)
			} else if answer := f(b, now, c); answer != nil {
				answers[c] = answer
			}
		}
		if len(answers) == 0 {
			continue
		}
		err = b.write(now)
		for c, answer := range answers {
			if err != nil {
				c.Fail(err)
			} else {
				answer()
			}
		}
	}
}

// list finds all notes of a notebook, those that nobody declared included.
func (p *notebooks) list(_ context.Context, _ *resource.Env, at addrs.Instance) iter.Seq2[resource.Found[noteBody], error] {
	return func(yield func(resource.Found[noteBody], error) bool) {
		b, err := p.notebook(at)
		var now *page
		if err == nil {
			now, err = b.read()
		}
		if err != nil {
			yield(resource.Found[noteBody]{}, err)
			return
		}
		for _, id := range slices.Sorted(maps.Keys(now.Notes)) {
			n := *now.Notes[id]
			n.Notebook, n.ID = at, id
			if !yield(resource.Found[noteBody]{ID: id, Body: n}, nil) {
				return
			}
		}
	}
}
