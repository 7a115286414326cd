package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"accord/providers"
	"accord/state"
)

// Limits are what a run may not exceed (`limits` of the accord block).
type Limits struct {
	MaxWithdrawn Limit
	MaxPublished Limit
	IgnoreBelow  int // shares do not apply to fewer items than this
}

// Limit is a number of items, or a share of what the sync owns at its target.
type Limit struct {
	Set   bool    // else there is no such limit
	Share float64 // 0.2: of what is owned
	Count int     // above 0: holds instead of Share
	Place string  // for people: the line to change
}

// Verdict is a limit that a run would exceed.
type Verdict struct {
	Limit   string `json:"limit"` // max_withdrawn, max_published, promise
	Count   int    `json:"count"`
	Bound   int    `json:"bound"`
	Owned   int    `json:"owned"`
	Message string `json:"message"`
	Place   string `json:"place,omitempty"` // the line to change
	Allow   string `json:"allow,omitempty"` // what -allow would have to say
}

// bound is how many items a limit lets through.
func (l Limit) bound(owned, ignoreBelow int) int {
	if l.Count > 0 {
		return l.Count
	}
	return max(int(l.Share*float64(owned)), ignoreBelow-1)
}

// check holds an impact against the limits. It is pure.
func check(i *Impact, limits Limits, allow state.Allowance) []Verdict {
	var broken []Verdict
	owned, whose := max(i.Owned, 0), "are owned"
	if i.Inherited > 0 {
		owned, whose = i.Inherited, "of the engine before it are"
	}
	judge := func(name, verb, done string, l Limit, count, allowed int) {
		bound := max(l.bound(owned, limits.IgnoreBelow), allowed)
		if !l.Set || count <= bound {
			return
		}
		broken = append(broken, Verdict{
			Limit: name, Count: count, Bound: bound, Owned: owned,
			Message: fmt.Sprintf("%s would be %s at %s, where %d %s; %s lets %d through", items(count), done, i.Target, owned, whose, name, bound),
			Place:   l.Place,
			Allow:   fmt.Sprintf("%s:%s=%d", verb, i.Addr, count),
		})
	}
	judge("max_withdrawn", "withdraw", "withdrawn", limits.MaxWithdrawn, i.Total.Withdrawn, allow.Withdraw)
	if !i.First {
		judge("max_published", "publish", "newly published", limits.MaxPublished, i.Total.Published(), allow.Publish)
	}
	return broken
}

func items(n int) string {
	if n == 1 {
		return "1 item"
	}
	return fmt.Sprintf("%d items", n)
}

// Tolerance of a promise: what a source may change between plan and apply.
const (
	tolerance      = 10
	toleranceShare = 0.01
)

// Keeps holds an impact against what a plan promised: no direction and no route
// value that the plan did not show, and hardly more withdrawals. It is pure. A
// nil promise is kept by anything.
func (p *Promise) Keeps(i *Impact) []Verdict {
	if p == nil {
		return nil
	}
	var broken []Verdict
	breaks := func(count, bound int, format string, args ...any) {
		broken = append(broken, Verdict{Limit: "promise", Count: count, Bound: bound, Owned: max(i.Owned, 0), Message: fmt.Sprintf(format, args...)})
	}
	bound := p.Withdrawn + max(tolerance, int(toleranceShare*float64(p.Withdrawn)))
	switch n := i.Total.Withdrawn; {
	case n > 0 && p.Withdrawn == 0:
		breaks(n, 0, "%s would be withdrawn at %s; the plan showed none", items(n), i.Target)
	case n > bound:
		breaks(n, bound, "%s would be withdrawn at %s; the plan showed %d", items(n), i.Target, p.Withdrawn)
	}
	if n := i.Total.Published(); n > 0 && p.Published == 0 {
		breaks(n, 0, "%s would be newly published at %s; the plan showed none", items(n), i.Target)
	}
	var newly, unnamed []string
	for _, r := range i.Newly {
		if !slices.Contains(p.Newly, r.Key) {
			newly = append(newly, r.Title)
		}
	}
	for _, r := range i.Routes {
		if r.Key != "" && r.Written() > 0 && !slices.Contains(p.Routes, r.Key) && !slices.Contains(newly, r.Title) {
			unnamed = append(unnamed, r.Title)
		}
	}
	if len(newly) > 0 {
		breaks(len(newly), 0, "%s would newly receive %s; the plan did not say so", i.Target, strings.Join(newly, ", "))
	}
	if len(unnamed) > 0 {
		breaks(len(unnamed), 0, "items of %s would change at %s; the plan did not show these", strings.Join(unnamed, ", "), i.Target)
	}
	return broken
}

// refused makes the error of broken limits.
func refused(broken []Verdict) error {
	if len(broken) == 0 {
		return nil
	}
	var messages, advice []string
	for _, v := range broken {
		messages = append(messages, v.Message)
		if v.Place != "" {
			advice = append(advice, v.Place)
		}
		if v.Allow != "" {
			advice = append(advice, "or once: -allow='"+v.Allow+"'")
		}
		if v.Limit == "promise" {
			advice = append(advice, "plan again")
		}
	}
	return &providers.Error{Kind: providers.Refused, Op: "checking what the run would do", Message: strings.Join(messages, "; "), Advice: strings.Join(advice, "\n")}
}

// weigh makes the Impact of a job from what was found, and holds it against
// the limits.
func (j *job) weigh(ctx context.Context, p *pass) error {
	inherited := 0
	if p.full && j.tally.owned == 0 {
		inherited = inheritance(j.Sync.Engine, j.Memory)
	}
	first := p.full && j.tally.owned == 0 && inherited == 0
	if p.full && !first {
		var err error
		if first, err = j.cutShort(ctx); err != nil {
			return err
		}
	}
	i := &Impact{
		Within: j.Sync.Source.Instance == j.Sync.Target.Instance,
		Addr:   j.Sync.Addr, Target: j.Sync.Target.Instance, Title: j.Sync.Title, Decision: j.Decision,
		Owned: j.tally.owned, Inherited: inherited, First: first,
		Withheld: j.withheld, Exact: p.whole && j.Decision.Engine == "", AsOf: p.read.horizon,
		Calls: p.read.calls + j.read.calls, Shared: p.read.calls, Records: p.read.records,
		parts: j.parts, Obstacles: j.obstacles,
	}
	if i.AsOf.IsZero() {
		i.AsOf = j.s.opts.Now()
	}
	j.tally.into(i, j.title, j.Memory.Inputs[inputRoutes])
	if !p.whole {
		if err := j.owned(ctx, i); err != nil {
			return err
		}
		// Of the first full run nothing succeeded: what is tried again is still that run.
		i.First = i.Owned == 0 && j.Memory.LastSuccess.IsZero()
	}
	allow := j.Allow
	if j.Decision.Mode == Full { // what is allowed for a run that is owed is for that run
		allow = allow.Or(j.Memory.Allowed)
	}
	i.Verdicts = append(check(i, j.s.opts.Limits, allow), j.Promise.Keeps(i)...)
	j.impact, j.tally = i, nil
	return nil
}

// inheritance is how many items the other engine left published, where it ran
// last: they stay there, and the engine that follows it does not see them
// (INT-7). It is pure.
func inheritance(engine string, m state.Memory) int {
	mine, others := countOwned, Found
	if engine == providers.EnginePlatform {
		mine, others = others, mine
	}
	for _, run := range []*state.Run{m.Last, m.LastFull} {
		if run == nil {
			continue
		}
		if _, ran := run.Counts[mine]; ran {
			return 0
		}
		if n, ran := run.Counts[others]; ran {
			return int(n)
		}
	}
	return 0
}

// firstRuns is how many runs are looked at for the first full one.
const firstRuns = 20

// cutShort reports whether the first full run was begun and not ended: what it
// published is no base for a limit on the rest, however many attempts came
// after it that published nothing.
func (j *job) cutShort(ctx context.Context) (bool, error) {
	if !j.Memory.HorizonFull.IsZero() || j.Memory.Last == nil {
		return false, nil
	}
	runs, err := j.s.opts.Journal.Runs(ctx, j.Sync.Addr, firstRuns)
	if err != nil {
		return false, fmt.Errorf("reading the runs of %s: %w", j.Sync.Addr, err)
	}
	for _, run := range runs {
		switch {
		case j.run != nil && run.ID == j.run.id: // this one
		case run.Mode != state.Full:
			return false, nil
		case run.Outcome == "", run.Outcome == state.Interrupted, run.Outcome == state.Failed && run.Counts[Added] > 0:
			return true, nil
		case run.Outcome != state.Failed:
			return false, nil
		}
	}
	return false, nil
}

// The journal's names for how many items a run left published.
const (
	countOwned = "owned"      // by accord's engine
	Found      = "found"      // by the platform's, as accord found them
	FoundMore  = "found_more" // than before the run
	FoundFewer = "found_fewer"
)

// owned is the base of limits in an incremental run, which looks at few items:
// what the last run left, or, where that is not known and needed, a count.
func (j *job) owned(ctx context.Context, i *Impact) error {
	i.Owned = -1
	if last := j.Memory.Last; last != nil {
		if n, known := last.Counts[countOwned]; known {
			i.Owned = int(n)
			return nil
		}
	}
	least := j.s.opts.Limits.IgnoreBelow
	if i.Total.Withdrawn < least && i.Total.Published() < least {
		return nil
	}
	i.Owned = 0
	return j.s.records(ctx, providers.RecordsRequest{End: j.Sync.Target}, &j.read, func(r *providers.Record) error {
		if r.Standing != providers.Withdrawn {
			i.Owned++
		}
		return nil
	})
}
