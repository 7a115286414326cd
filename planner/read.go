package planner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"accord/planner/graph"
	"accord/planner/plan"
	"accord/providers"
)

// concurrency is how many batches are under way at once, over all providers; a
// provider paces its own calls.
const concurrency = 8

// read finds every object where it is, in batches of one type. Objects that a
// provider cannot answer for keep their error; the others are read all the same.
// With stay, which finds what is remembered, providers may say at once that an
// object stays as it is.
func (p *Planner) read(ctx context.Context, objects []*object, around *neighbourhoods, stay finder) map[*object]*providers.Error {
	failed := map[*object]*providers.Error{}
	var mu sync.Mutex
	var group graph.Group
	group.SetLimit(concurrency)
	for _, batch := range batches(objects) {
		group.Go(func() error {
			p.emit(Reading{Type: batch[0].typ.Name, Count: len(batch)})
			req := providers.ReadRequest{Objects: make([]providers.Object, len(batch)), Refs: around.beside(batch, around.find)}
			req.Recorded = make([]json.RawMessage, len(batch))
			for i, o := range batch {
				req.Objects[i] = *o.question()
				if o.recorded != nil {
					req.Recorded[i] = o.recorded.Body
				}
			}
			if stay != nil {
				req.Stay = around.beside(batch, stay)
			}
			results := p.Providers[batch[0].provider].Read(ctx, req)
			mu.Lock()
			defer mu.Unlock()
			for i, o := range batch {
				if err := o.found(&req.Objects[i], answer(results, i)); err != nil {
					failed[o] = err
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	return failed
}

// question is the object as Read is asked for it: in the words of the
// configuration, else, or where its type wants that, of the state, with the id
// that the state remembers.
func (o *object) question() *providers.Object {
	switch {
	case o.elsewhere != nil:
		return o.elsewhere
	case o.asked != nil:
		return o.asked
	}
	if o.desired == nil || o.moved() || o.typ.AsRecorded && o.recorded != nil && !o.adrift {
		return remembered(o.recorded)
	}
	id := ""
	var settings json.RawMessage
	switch {
	case o.recorded != nil:
		id, settings = o.recorded.ID, o.recorded.Body
	case o.imported != nil:
		id = o.imported.ID
	}
	asked := boundary(o.addr, o.typ.Name, id, o.desired.Object)
	if o.typ.AsRecorded {
		asked.Body = plan.With(asked.Body, settings, flagged(o.typ, isLocal)...)
	}
	return asked
}

func (o *object) found(asked *providers.Object, r providers.Result) *providers.Error {
	o.response.Diagnostics = append(o.response.Diagnostics, r.Diagnostics...)
	switch {
	case r.Err != nil:
		if r.Err.Addr.IsZero() {
			r.Err.Addr = o.addr
		}
		return r.Err
	case r.Missing:
		o.missing = true
	case r.Same:
		if o.live = r.Object; o.live == nil {
			same := *asked
			o.live = &same
		}
	case r.Object != nil:
		o.live = r.Object
	default:
		return &providers.Error{Kind: providers.Internal, Addr: o.addr, Op: "read", Message: "the provider answered neither with an object nor that there is none"}
	}
	if o.live != nil {
		o.unmoved = r.Stays
		o.live.Addr, o.live.Type = o.addr, o.typ.Name
		if o.recorded != nil && bytes.Equal(o.live.Body, o.recorded.Body) {
			o.live.Body = o.recorded.Body // one copy is enough
		}
	}
	return nil
}

// answer is the i-th result, or an error where the provider answered fewer.
func answer(results []providers.Result, i int) providers.Result {
	if i < len(results) {
		return results[i]
	}
	return providers.Result{Err: &providers.Error{Kind: providers.Internal, Message: fmt.Sprintf("the provider answered %d results of a larger batch", len(results))}}
}

// batches cuts objects into requests: one provider, one type, at most
// batchSize, in address order.
func batches(objects []*object) [][]*object {
	sorted := slices.SortedFunc(slices.Values(objects), func(a, b *object) int {
		if a.provider != b.provider {
			if a.provider < b.provider {
				return -1
			}
			return 1
		}
		return a.addr.Compare(b.addr)
	})
	var out [][]*object
	for _, o := range sorted {
		last := len(out) - 1
		if last < 0 || len(out[last]) == batchSize || out[last][0].typ != o.typ {
			out = append(out, nil)
			last++
		}
		out[last] = append(out[last], o)
	}
	return out
}
