package syncer_test

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/state"
)

// journal is a state.Journal in memory. Its holders are processes that die
// with kill: what they still say is refused, and their leases are free. Nobody is
// told of its runs.
type journal struct {
	state.NoJournal
	mu       sync.Mutex
	now      func() time.Time
	alive    bool
	memory   map[addrs.Instance]state.Memory
	owed     map[addrs.Instance]map[string]state.Allowance
	runs     []*state.Run
	open     []state.Batch
	intents  int // calls of Intend
	failures map[addrs.Instance]map[state.Item]state.Exception
	met      map[string]map[state.Item]bool // run → what failed in it
	leases   map[addrs.Instance]state.Lease
	fence    uint64
	renewed  int
}

func newJournal(now func() time.Time) *journal {
	return &journal{
		now: now, alive: true,
		memory:   make(map[addrs.Instance]state.Memory),
		owed:     make(map[addrs.Instance]map[string]state.Allowance),
		failures: make(map[addrs.Instance]map[state.Item]state.Exception),
		met:      make(map[string]map[state.Item]bool),
		leases:   make(map[addrs.Instance]state.Lease),
	}
}

var errDead = errors.New("this process is dead")

func (j *journal) kill() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.alive = false
}

// reborn starts a new process on what the dead one left.
func (j *journal) reborn() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.alive = true
	clear(j.leases)
}

// expire lets the time of all leases run out.
func (j *journal) expire() {
	j.mu.Lock()
	defer j.mu.Unlock()
	clear(j.leases)
}

func (j *journal) do(f func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.alive {
		return errDead
	}
	return f()
}

func (j *journal) Memories(_ context.Context, syncs []addrs.Instance) (all []state.Memory, err error) {
	err = j.do(func() error {
		for _, s := range syncs {
			all = append(all, j.memoryOf(s))
		}
		return nil
	})
	return all, err
}

func (j *journal) memoryOf(sync addrs.Instance) state.Memory {
	m := j.memory[sync]
	m.Inputs = maps.Clone(m.Inputs)
	m.Owed = slices.Sorted(maps.Keys(j.owed[sync]))
	for _, allowed := range j.owed[sync] {
		m.Allowed = m.Allowed.Or(allowed)
	}
	m.Failures, m.Kept = 0, 0
	for _, f := range j.failures[sync] {
		switch {
		case f.Type == state.Kept:
			m.Kept++
		case f.Type == state.Failing:
			m.Failures++
		}
	}
	for _, r := range j.runs {
		if r.Sync != sync {
			continue
		}
		run := *r
		m.Last = &run
		if r.Mode == state.Full && (r.Outcome == state.Clean || r.Outcome == state.Faulty) {
			m.LastFull = &run
		}
	}
	for _, b := range j.open {
		if j.run(b.Run).Sync == sync {
			m.Open++
		}
	}
	return m
}

func (j *journal) Remember(_ context.Context, l state.Lease, m state.Memory) error {
	return j.do(func() error { j.memory[l.Sync] = m; return nil })
}

func (j *journal) Owe(_ context.Context, sync addrs.Instance, reasons []string, allowed state.Allowance) error {
	return j.do(func() error { j.owe(sync, reasons, allowed); return nil })
}

func (j *journal) owe(sync addrs.Instance, reasons []string, allowed state.Allowance) {
	if j.owed[sync] == nil {
		j.owed[sync] = make(map[string]state.Allowance)
	}
	for _, r := range reasons {
		j.owed[sync][r] = j.owed[sync][r].Or(allowed)
	}
}

func (j *journal) Rename(context.Context, state.Lease, state.Lease) error {
	return errors.ErrUnsupported
}

func (j *journal) Begin(_ context.Context, runs ...state.Run) error {
	return j.do(func() error {
		for _, run := range runs {
			for _, r := range j.runs {
				if r.Sync == run.Sync && r.Outcome == "" {
					r.Outcome, r.Ended = state.Interrupted, j.now()
				}
			}
			run.Counts, run.Seq = make(map[string]int64), uint64(len(j.runs)+1)
			j.owe(run.Sync, run.Owes, state.Allowance{})
			j.runs = append(j.runs, &run)
			j.met[run.ID] = make(map[state.Item]bool)
		}
		return nil
	})
}

func (j *journal) run(id string) *state.Run {
	for _, r := range j.runs {
		if r.ID == id {
			return r
		}
	}
	panic("a run that has not begun")
}

func (j *journal) Intend(_ context.Context, run string, batches []state.Batch) error {
	return j.do(func() error {
		j.intents++
		for _, b := range batches {
			b.Run, b.At = run, j.now()
			j.open = append(j.open, b)
		}
		return nil
	})
}

func (j *journal) Checkpoint(_ context.Context, id string, c state.Checkpoint) error {
	return j.do(func() error {
		run := j.run(id)
		n := len(j.open)
		j.open = slices.DeleteFunc(j.open, func(b state.Batch) bool { return b.Run == id && b.Seq == c.Seq })
		if c.Seq != 0 && len(j.open) == n {
			return errors.New("a checkpoint of a batch that is not open")
		}
		for n := range j.open {
			if j.open[n].Run == id {
				j.open[n].At = j.now()
			}
		}
		for name, n := range c.Counts {
			run.Counts[name] += n
		}
		if j.failures[run.Sync] == nil {
			j.failures[run.Sync] = make(map[state.Item]state.Exception)
		}
		for _, f := range c.Met {
			item := state.Item{Part: f.Part, Key: f.Key}
			if _, known := j.failures[run.Sync][item]; !known && f.Type == state.Failing {
				run.New++
			}
			f.Sync, f.Run = run.Sync, id
			j.failures[run.Sync][item] = f
			j.met[id][item] = true
		}
		for _, item := range c.Resolved {
			delete(j.failures[run.Sync], item)
			delete(j.met[id], item)
		}
		return nil
	})
}

func (j *journal) End(_ context.Context, ends ...state.End) (ended []state.Run, err error) {
	err = j.do(func() error {
		for _, e := range ends {
			ended = append(ended, j.end(e.Run, e))
		}
		return nil
	})
	return ended, err
}

func (j *journal) end(id string, e state.End) state.Run {
	run := j.run(id)
	run.Outcome, run.Ended, run.Message = e.Outcome, e.At, e.Message
	for item := range j.met[id] {
		if f := j.failures[run.Sync][item]; f.Type == state.Failing {
			run.Failures++
		}
	}
	for name, n := range e.Counts {
		run.Counts[name] += n
	}
	if e.Memory != nil {
		j.memory[run.Sync] = *e.Memory
	}
	for _, r := range e.Settled {
		delete(j.owed[run.Sync], r)
	}
	if e.Sweep {
		maps.DeleteFunc(j.failures[run.Sync], func(i state.Item, _ state.Exception) bool { return !j.met[id][i] })
	}
	if e.Outcome == state.Clean || e.Outcome == state.Faulty {
		j.open = slices.DeleteFunc(j.open, func(b state.Batch) bool { return j.run(b.Run).Sync == run.Sync && b.Run != id })
	}
	if e.Release {
		delete(j.leases, run.Sync)
	}
	return *run
}

func (j *journal) Open(_ context.Context, sync addrs.Instance) (open []state.Batch, err error) {
	err = j.do(func() error {
		for _, b := range j.open {
			if j.run(b.Run).Sync == sync {
				open = append(open, b)
			}
		}
		return nil
	})
	return open, err
}

func (j *journal) Exceptions(_ context.Context, sync addrs.Instance) iter.Seq2[state.Exception, error] {
	return func(yield func(state.Exception, error) bool) {
		var list []state.Exception
		err := j.do(func() error {
			list = slices.SortedFunc(maps.Values(j.failures[sync]), func(a, b state.Exception) int {
				return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Key, b.Key))
			})
			return nil
		})
		if err != nil {
			yield(state.Exception{}, err)
			return
		}
		for _, f := range list {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (j *journal) Acknowledge(context.Context, []state.Exception, *state.Ack) error {
	return errors.ErrUnsupported
}

func (j *journal) Retried(context.Context, addrs.Instance, []state.Item, string) error {
	return errors.ErrUnsupported
}

func (j *journal) Dismiss(_ context.Context, sync addrs.Instance, items []state.Item) error {
	return j.do(func() error {
		for _, item := range items {
			delete(j.failures[sync], item)
		}
		return nil
	})
}

func (j *journal) Runs(_ context.Context, sync addrs.Instance, n int) (runs []state.Run, err error) {
	err = j.do(func() error {
		for _, r := range slices.Backward(j.runs) {
			if r.Sync == sync && len(runs) < n {
				runs = append(runs, *r)
			}
		}
		return nil
	})
	return runs, err
}

func (j *journal) Syncs(context.Context) ([]addrs.Instance, error) { return nil, errors.ErrUnsupported }

func (j *journal) Acquire(_ context.Context, syncs []addrs.Instance, operation string, ttl time.Duration) (leases []state.Lease, err error) {
	err = j.do(func() error {
		for _, sync := range syncs {
			if held, ok := j.leases[sync]; ok {
				return &state.LeasedError{Lease: held}
			}
		}
		for _, sync := range syncs {
			j.fence++
			l := state.Lease{Sync: sync, Fence: j.fence, Holder: state.Holder{ID: "h", Who: "someone@here", Operation: operation}, Expires: j.now().Add(ttl)}
			j.leases[sync] = l
			leases = append(leases, l)
		}
		return nil
	})
	return leases, err
}

func (j *journal) Renew(_ context.Context, l state.Lease, ttl time.Duration) (state.Lease, error) {
	err := j.do(func() error {
		if j.leases[l.Sync].Fence != l.Fence {
			return state.ErrFenced
		}
		l.Expires = j.now().Add(ttl)
		j.leases[l.Sync] = l
		j.renewed++
		return nil
	})
	return l, err
}

func (j *journal) Release(_ context.Context, l state.Lease) error {
	return j.do(func() error {
		if j.leases[l.Sync].Fence == l.Fence {
			delete(j.leases, l.Sync)
		}
		return nil
	})
}
