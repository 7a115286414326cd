package planner

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
	"accord/state/failpoint"
)

// queueKey is what may share a batch: one provider, type and verb, on the same
// instances. Each has one batch in flight; what becomes ready meanwhile
// gathers for the next.
type queueKey struct {
	provider, typ, instances string
	action                   providers.Action
}

type job struct {
	step *plan.Step
	item providers.ApplyItem
	done chan error
}

// gathering is how long the first of a burst waits for others of its kind: what
// becomes ready together should travel together.
const gathering = 2 * time.Millisecond

type queue struct {
	apply *applying

	mu      sync.Mutex
	waiting []*job
	busy    bool
}

// queue returns the queue of a step's kind.
func (a *applying) queue(s *plan.Step) *queue {
	o := s.Item.Planned
	for _, other := range []*providers.Object{s.Item.Live, s.Item.Recorded} {
		if o == nil {
			o = other
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := queueKey{provider: s.Provider, typ: o.Type, action: s.Item.Action, instances: a.instancesOf(o)}
	q := a.queues[key]
	if q == nil {
		q = &queue{apply: a}
		a.queues[key] = q
	}
	return q
}

// instancesOf names the instances that an object leads to. The caller holds mu.
func (a *applying) instancesOf(o *providers.Object) string {
	seen := map[addrs.Instance]bool{}
	var names []string
	var visit func(o *providers.Object)
	visit = func(o *providers.Object) {
		_, typ, instance := a.typeOf(o.Type)
		if instance {
			names = append(names, o.Addr.String())
			return
		}
		if typ == nil {
			return
		}
		for _, addr := range references(typ, o.Body) {
			if next, ok := a.objects[addr]; ok && !seen[addr] {
				seen[addr] = true
				visit(&next)
			}
		}
	}
	visit(o)
	slices.Sort(names)
	return strings.Join(names, " ")
}

// do waits until a batch with the job has been answered.
func (q *queue) do(ctx context.Context, j *job) error {
	j.done = make(chan error, 1)
	q.mu.Lock()
	q.waiting = append(q.waiting, j)
	if !q.busy {
		q.busy = true
		go q.drain(ctx)
	}
	q.mu.Unlock()
	err := <-j.done
	if c, ok := err.(*crash); ok {
		panic(c.panic)
	}
	return err
}

func (q *queue) drain(ctx context.Context) {
	time.Sleep(gathering)
	for {
		q.mu.Lock()
		batch := q.waiting[:min(len(q.waiting), batchSize)]
		q.waiting = q.waiting[len(batch):]
		if len(batch) == 0 {
			q.busy = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		errs := q.apply.batch(ctx, batch)
		for i, j := range batch {
			j.done <- errs[i]
		}
	}
}

// crash carries a panic from a batch to the steps that wait for it, which panic.
type crash struct{ panic *graph.Panic }

func (c *crash) Error() string { return "accord crashed: " + c.panic.String() }

// batch records what is about to be done, has it done, and records what came
// of it. It returns one error a job.
func (a *applying) batch(ctx context.Context, jobs []*job) (errs []error) {
	errs = make([]error, len(jobs))
	all := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer func() {
		if r := recover(); r != nil {
			errs = all(&crash{&graph.Panic{Value: r, Stack: debug.Stack()}})
		}
	}()
	if err := ctx.Err(); err != nil {
		return all(err)
	}
	intents := make([]state.Intent, len(jobs))
	req := providers.ApplyRequest{Items: make([]providers.ApplyItem, len(jobs))}
	for i, j := range jobs {
		intents[i] = state.Intent{Addr: j.step.Ref.Addr, Action: string(j.item.Action)}
		if j.item.Live != nil {
			intents[i].ID = j.item.Live.ID
		}
		if j.item.Planned != nil {
			intents[i].Object = a.entry(j.step, j.item.Planned)
		}
		req.Items[i] = j.item
	}
	a.mu.Lock()
	req.Refs = a.around.of(func(yield func(addrs.Instance) bool) {
		for _, j := range jobs {
			if !yield(j.step.Ref.Addr) {
				return
			}
		}
	})
	a.mu.Unlock()

	if err := a.req.Lock.Intend(ctx, intents); err != nil {
		return all(fmt.Errorf("record what is about to be done: %w", err))
	}
	failpoint.Reach(failpoint.StepsIntended)
	// Once recorded, the call is finished even when the user interrupts.
	results := a.Providers[jobs[0].step.Provider].Apply(context.WithoutCancel(ctx), req)
	failpoint.Reach(failpoint.StepsAnswered)
	var outcomes []state.Outcome
	for i, j := range jobs {
		outcome, err := a.outcome(j, answer(results, i))
		errs[i] = err
		if outcome != nil {
			outcomes = append(outcomes, *outcome)
		}
	}
	if err := a.req.Lock.Done(context.WithoutCancel(ctx), outcomes); err != nil {
		return all(fmt.Errorf("record what was done: %w", err))
	}
	failpoint.Reach(failpoint.StepsRecorded)
	return errs
}

// outcome judges one answer: what the state shall say, nil where that is not
// known, and the step's error.
func (a *applying) outcome(j *job, r providers.Result) (*state.Outcome, error) {
	addr := j.step.Ref.Addr
	if r.Err != nil && r.Err.Addr.IsZero() {
		r.Err.Addr = addr
	}
	switch {
	case r.Err != nil && r.Object == nil:
		if r.Err.Kind == providers.Ambiguous || r.Err.Kind == providers.Internal {
			return nil, r.Err // whoever crashed may have done it before
		}
		if r.Missing && j.item.Action == providers.Replace { // deleted, and not made anew
			return a.forget(addr), r.Err
		}
		return &state.Outcome{Addr: addr}, r.Err
	case j.item.Action == providers.Remove && r.Object == nil:
		return a.forget(addr), nil
	case r.Object == nil:
		return nil, &providers.Error{Kind: providers.Internal, Addr: addr, Op: "apply", Message: "the provider answered neither with an object nor with an error"}
	}
	got := *r.Object
	got.Addr, got.Type = addr, addr.Type
	if j.item.Planned != nil {
		_, typ, _ := a.typeOf(got.Type)
		got.Body = plan.With(got.Body, j.item.Planned.Body, flagged(typ, isLocal)...)
		got.Sensitive = j.item.Planned.Sensitive
		if r.Err == nil {
			if bad := completion(typ, j.item.Planned, &got); len(bad) > 0 {
				r.Err = &providers.Error{Kind: providers.Internal, Addr: addr, Path: bad[0], Op: "apply",
					Message: fmt.Sprintf("%s became something else than was planned", bad[0]),
					Advice:  "What is there now is recorded. Plan again; if it happens again, it is a bug in the provider."}
			}
		}
	}
	if j.item.Action == providers.Remove && r.Err == nil {
		return a.forget(addr), nil
	}
	a.mu.Lock()
	a.objects[addr] = got
	a.mu.Unlock()
	outcome := &state.Outcome{Addr: addr, Object: a.entry(j.step, &got)}
	if r.Err != nil {
		return outcome, r.Err
	}
	return outcome, nil
}

// forget is what comes of an object that was removed: nothing refers to it any more.
func (a *applying) forget(addr addrs.Instance) *state.Outcome {
	a.mu.Lock()
	delete(a.objects, addr)
	a.mu.Unlock()
	return &state.Outcome{Addr: addr, Forget: true}
}
