package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"accord/providers"
	"accord/state"
)

// A reference that has no match and may be blank (RULE-2) is no failure, so that
// nothing would lead to its item once there is a match: neither the source nor what
// fails tells of it. The journal keeps such references, and an incremental run asks
// the target for each of them once, however many items have it.

// recordsOf is what the target calls the records of an end, and not how it is called
// itself, which a moved block changes.
func recordsOf(end providers.End) string { return end.Stream + " " + string(end.Scope) }

// named is how the journal names a reference to one of some records.
func named(records, element string) string { return records + "\n" + element }

// settle is that of the references, of an item that will be there. What will be
// blank in it is noted.
func (c *comparison) settle(key string, m mapping, shall fields) (fields, error) {
	if !c.p.writing || c.refs == nil || len(c.refs.without) == 0 {
		return c.refs.settle(m, shall, nil), nil
	}
	var err error
	shall = c.refs.settle(m, shall, func(end providers.End, element string) {
		if err == nil {
			err = c.lacks.add(key, []byte(named(recordsOf(end), element)), nil)
		}
	})
	return shall, err
}

// lacking records what refers to nothing yet.
func (w *writing) lacking(ctx context.Context) error {
	for q, part := range w.parts {
		if err := w.lackingOf(ctx, part.Name, w.unmatched[q]); err != nil {
			return err
		}
		w.unmatched[q].remove()
	}
	return nil
}

func (w *writing) lackingOf(ctx context.Context, part string, items frames) error {
	c := items.open()
	defer c.close()
	var some []state.Unmatched
	for left := items.n; c.next(); {
		some = append(some, state.Unmatched{Item: state.Item{Part: part, Key: c.key}, Reference: c.payload})
		if left--; left > 0 && len(some) < batchSize {
			continue
		}
		if err := w.s.opts.Journal.Checkpoint(ctx, w.run.id, state.Checkpoint{Unmatched: some}); err != nil {
			return fmt.Errorf("recording what has no match: %w", err)
		}
		some = nil
	}
	return c.err
}

// remembered is what is remembered of the sync by now.
func (j *job) remembered() state.Memory {
	if j.run != nil {
		return j.run.memory
	}
	return j.Memory
}

// askUnmatched asks the targets for the references that had no match, and adds the
// items of those that have one now.
func (p *pass) askUnmatched(ctx context.Context, add func(part, key string) error) error {
	lacks := func(j *job) bool { return j.remembered().Unmatched > 0 && len(j.Decision.Only) == 0 }
	if !slices.ContainsFunc(p.jobs, lacks) {
		return nil
	}
	var mu sync.Mutex
	var broken error
	_ = p.eachInTime(ctx, nil, func(ctx context.Context, j *job) (err error) { // one that fails does without, alone
		if !lacks(j) {
			return nil
		}
		if j.matched, err = j.nowMatched(ctx, p.scratch); err != nil {
			return err
		}
		for item, err := range p.s.opts.Journal.Referring(ctx, j.Sync.Addr, j.matched) {
			if err != nil {
				return fmt.Errorf("reading what refers to what has a match: %w", err)
			}
			mu.Lock()
			if broken == nil {
				broken = add(item.Part, item.Key)
			}
			mu.Unlock()
		}
		return nil
	})
	return broken
}

// nowMatched are the references that had no match at the target, and have one, or
// several.
func (j *job) nowMatched(ctx context.Context, scratch scratch) (found []string, err error) {
	ends := map[string]providers.End{}
	for _, m := range j.mappings {
		for _, rule := range m.references() {
			ends[recordsOf(rule.Reference.Records)] = rule.Reference.Records
		}
	}
	sets := map[string]*sorter{}
	for reference, err := range j.s.opts.Journal.Unmatched(ctx, j.Sync.Addr) {
		if err != nil {
			return nil, fmt.Errorf("reading what had no match: %w", err)
		}
		name, element, _ := strings.Cut(reference, "\n")
		if _, known := ends[name]; !known { // of a rule that is no more: a full run is due
			continue
		}
		if sets[name] == nil {
			sets[name] = scratch.set()
		}
		if err := sets[name].note(element); err != nil {
			return nil, err
		}
	}
	for name, set := range sets {
		if err := j.ask(ctx, ends[name], set, func(r *providers.Record) {
			if r.Standing != providers.NoMatch {
				found = append(found, named(name, r.Key))
			}
		}); err != nil {
			return nil, err
		}
	}
	return found, nil
}
