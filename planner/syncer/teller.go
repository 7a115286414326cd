package syncer

import (
	"context"
	"fmt"
	"sync"

	"accord/providers"
	"accord/state"
)

// teller tells the target of items as they fail, so that a run which is killed
// has told of what it met (ERR-4). It is quick and not sure: what it cannot say
// is left to the end of the run, which compares everything.
type teller struct {
	*job

	mu     sync.Mutex
	told   map[uint64]struct{} // by an earlier run: items with what was said of them
	holder bool                // the message that holds items is there
	most   int                 // items that the preview expects to fail
	count  int                 // items told of, and about to be
	wait   []providers.Write   // to be told
	mute   bool                // something was refused: the end of the run says it
}

// newTeller returns the teller of a job, nil where nobody is told.
func newTeller(ctx context.Context, j *job) (*teller, error) {
	if j.Sync.Exceptions == nil {
		return nil, nil
	}
	t := &teller{job: j, told: make(map[uint64]struct{}), most: j.impact.Total.Exceptions}
	if j.run.memory.Failures == 0 {
		return t, nil
	}
	for f, err := range j.s.opts.Journal.Exceptions(ctx, j.Sync.Addr) {
		if err != nil {
			return nil, fmt.Errorf("reading what failed before: %w", err)
		}
		if f.Type == state.Failing {
			t.told[said(f.Part, f.Key, f.Message)] = struct{}{}
		}
	}
	t.holder = len(t.told) > 0
	return t, nil
}

// said is an item with what is said of it.
func said(part, key, message string) uint64 {
	return hash(part, key+"\x00"+untraced(message))
}

// add takes failures that the journal has. They are told of by the next tell.
func (t *teller) add(failed []Failure) error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range failed {
		t.count++
		t.mute = t.mute || f.Kind == string(providers.Access) // who was not let in does not knock again
		if _, told := t.told[said(f.Part, f.Key, f.Message)]; told || t.mute {
			continue
		}
		w, err := itemWrite(f.Part, f.Key, f.Title, f.Kind, f.Message)
		if err != nil {
			return err
		}
		t.wait = append(t.wait, w)
	}
	return nil
}

// tell tells of what waits, if it is at least so much.
func (t *teller) tell(ctx context.Context, least int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wait) == 0 || len(t.wait) < least || t.mute {
		return
	}
	batch := t.wait
	t.wait = nil
	to := &telling{job: t.job}
	err := t.hold(ctx, to)
	for len(batch) > 0 && err == nil {
		n := min(batchSize, len(batch))
		err = to.send(ctx, batch[:n])
		batch = batch[n:]
	}
	t.mute = err != nil
}

// hold makes the message that holds the items, if none has been made.
func (t *teller) hold(ctx context.Context, to *telling) error {
	if t.holder {
		return nil
	}
	w, err := holderWrite(t.Sync.Title, max(t.most, t.count))
	if err == nil {
		err = to.send(ctx, []providers.Write{w})
	}
	t.holder = err == nil
	return err
}
