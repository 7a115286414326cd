package syncer

import (
	"context"
	"fmt"

	"accord/state"
	"accord/state/failpoint"
)

// announce records what a run is about to write, as far as it is known before
// the first write: of a small run all of it, so that the disk is waited for once.
// It returns the batches that are to be closed after the last write.
func (w *writing) announce(ctx context.Context) (await []uint64, err error) {
	var batches []state.Batch
	if w.Decision.Mode == Incremental {
		if batches, err = w.awaited(); err != nil {
			return nil, err
		}
		for _, b := range batches {
			await = append(await, b.Seq)
		}
	}
	if w.small() {
		w.ahead = make(map[step]uint64)
		for q := range w.parts {
			if batches, err = w.batchesOf(q, batches); err != nil {
				return nil, err
			}
		}
	}
	if len(batches) == 0 {
		return nil, nil
	}
	return await, w.intend(ctx, batches...)
}

// small: whatever is done to a part is one batch.
func (w *writing) small() bool {
	for q := range w.parts {
		c := w.impact.Parts[q].Counts
		if max(c.Added, c.Updated, c.Restored, c.Withdrawn) > batchSize {
			return false
		}
	}
	return true
}

// batchesOf adds what is done to a part, a batch for each verb.
func (w *writing) batchesOf(q int, batches []state.Batch) ([]state.Batch, error) {
	at := make(map[string]int)
	err := w.each(q, func(c *change) error {
		verb, writes := verbs[c.Verb]
		if !writes {
			return nil
		}
		n, ok := at[c.Verb]
		if !ok {
			n = len(batches)
			at[c.Verb] = n
			b := state.Batch{Seq: w.run.seq.Add(1), Part: w.parts[q].Name, Verb: string(verb)}
			w.ahead[step{q, c.Verb}] = b.Seq
			batches = append(batches, b)
		}
		batches[n].Keys = append(batches[n].Keys, c.Key)
		return nil
	})
	return batches, err
}

// awaited are the members that an incremental run makes before the containers
// that need them, and those that it withdraws after the containers that held
// them. Should it be cut short between the two, nothing else would lead to them:
// the containers name them no more, or have vanished meanwhile. A full run finds
// them anyway.
func (w *writing) awaited() (batches []state.Batch, err error) {
	for q, part := range w.parts {
		if part.Routed {
			continue
		}
		var keys []string
		add := func() {
			if len(keys) > 0 {
				batches = append(batches, state.Batch{Seq: w.run.seq.Add(1), Part: part.Name, Verb: state.Await, Keys: keys})
				keys = nil
			}
		}
		if err := w.each(q, func(c *change) error {
			if c.Verb == Added || c.Verb == Restored || c.Verb == Withdrawn {
				if keys = append(keys, c.Key); len(keys) == batchSize {
					add()
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
		add()
	}
	return batches, nil
}

// recorded returns the number of a batch that is about to be written and is on
// record, now or already.
func (w *writing) recorded(ctx context.Context, q int, verb string, changes []change) (uint64, error) {
	w.mu.Lock()
	seq, ahead := w.ahead[step{q, verb}]
	delete(w.ahead, step{q, verb})
	w.mu.Unlock()
	if ahead {
		return seq, nil
	}
	seq = w.run.seq.Add(1)
	keys := make([]string, len(changes))
	for i := range changes {
		keys[i] = changes[i].Key
	}
	return seq, w.intend(ctx, state.Batch{Seq: seq, Part: w.parts[q].Name, Verb: string(verbs[verb]), Keys: keys})
}

// takeBack closes the batches that are on record and were never begun.
func (w *writing) takeBack(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	for _, seq := range w.ahead {
		if err := w.checkpoint(ctx, seq, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// intend records batches before they are written.
func (j *job) intend(ctx context.Context, batches ...state.Batch) error {
	if err := j.s.opts.Journal.Intend(ctx, j.run.id, batches); err != nil {
		return fmt.Errorf("recording what is about to be written: %w", err)
	}
	failpoint.Reach(failpoint.BatchIntended)
	return nil
}
