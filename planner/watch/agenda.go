package watch

import (
	"slices"
	"time"

	"accord/planner/syncer"
	"accord/state"
)

// agenda is what this process has in mind for one point, beside what the journal
// remembers of it: what people asked for, what its last run was told of, and how
// long it is left alone. It has no clock and runs nothing: it is told what happens,
// and says what is due.
type agenda struct {
	asked wish          // by people, and no run has begun for it
	taken wish          // what the run under way began for
	met   *syncer.Sight // what the last run, which came to its end, was told of
	pause pause
	held  bool   // another process was found to run it, which may be at it still
	since uint64 // the last run that had ended when the last of this process began
}

// wish is what people ask of a point.
type wish struct {
	run   bool         // whether or not something changed
	items []state.Item // ERR-2: these are tried again
}

func (w wish) and(more wish) wish {
	return wish{run: w.run || more.run, items: slices.Concat(w.items, more.items)}
}

// ask adds to what people want. Whoever asks does not wait: a pause ends with it.
func (a *agenda) ask(w wish) { a.asked, a.pause.till = a.asked.and(w), time.Time{} }

// begin hands what people asked for to a run; last is the point's last run before.
func (a *agenda) begin(last *state.Run) {
	a.asked, a.taken, a.since = wish{}, a.asked, 0
	if last != nil {
		if a.since = last.Seq; last.Ended.IsZero() {
			a.since--
		}
	}
}

// ended notes how the run went that began last. told is what it knew of changes in
// its source; nil: nothing.
func (a *agenda) ended(o *syncer.Outcome, told *syncer.Sight, p pace, now time.Time, spread float64) {
	a.held, a.pause.firm = false, false
	switch o.Status {
	case syncer.Clean, syncer.Faulty, syncer.Skipped:
		a.pause = pause{}
		if told != nil && len(o.Decision.Only) == 0 {
			a.met = told
		}
	case syncer.Locked: // what was asked for of this process stays asked for
		a.held, a.pause.till = true, now.Add(p.held(o.Decision.Mode))
		a.asked = a.taken.and(a.asked)
	case syncer.Interrupted:
	case syncer.Refused: // a limit is lifted by an apply, and not by time
		a.pause = pause{failed: a.pause.failed + 1, till: now.Add(mostBackoff), firm: true}
	default:
		a.pause.extend(now, mostBackoff, spread)
	}
	a.taken = wish{}
}

// released is told of the point's last run, whoever made it; nil: there is none. Once a
// run of another process has ended, that process is waited for no more; and where it came
// to its end, what failed here before counts no more.
func (a *agenda) released(last *state.Run) {
	switch {
	case last == nil || last.Ended.IsZero() || last.Seq <= a.since:
	case a.held:
		a.held, a.pause.till = false, time.Time{}
	case last.Outcome == state.Clean || last.Outcome == state.Faulty:
		a.pause = pause{}
	}
}

// due says whether a point runs now, and by which decision: the task's own, or one
// about the items that somebody wants to be tried again.
func (a *agenda) due(t *syncer.Task, p pace, now time.Time) (syncer.Decision, turn) {
	changed := a.asked.run || t.Sight != nil && t.Sight.New(a.met) && !t.Sight.Known(t.Memory.Seen)
	own := a.turn(t.Decision, t.Memory, changed, p, now)
	if own.run || len(a.asked.items) == 0 || t.Decision.Mode == syncer.None || !a.pause.over(now) {
		return t.Decision, own // of what does not run at all nothing is tried again
	}
	again := syncer.Decide(t.Sync, t.Memory, syncer.Request{Only: a.asked.items}, now)
	if !again.Has(syncer.Reprocess) {
		return t.Decision, own
	}
	return again, turn{run: true}
}

// turn says whether a decision is carried out now. changed says that the source
// holds a change that the last run has not seen, or that somebody asks.
func (a *agenda) turn(d syncer.Decision, m state.Memory, changed bool, p pace, now time.Time) turn {
	switch {
	case d.Mode == syncer.None:
		return turn{wait: d.Idle}
	case !a.pause.over(now) && a.held:
		return turn{wait: "another process runs it; it is tried again", till: a.pause.till}
	case !a.pause.over(now):
		return turn{wait: "it failed, and is tried again later", till: a.pause.till}
	case d.Mode == syncer.Full && now.Before(d.EarliestStart):
		return turn{wait: syncer.AfterEdit, till: d.EarliestStart}
	case d.Mode == syncer.Full, changed:
		return turn{run: true}
	}
	every := p.quiet
	if d.Has(syncer.Retry) || m.Unmatched > 0 { // RULE-2: no source tells of what comes to be at a target
		every = min(p.retry, p.quiet)
	}
	if next := lastStart(m).Add(every); now.Before(next) {
		return turn{till: next}
	}
	return turn{run: true}
}

func lastStart(m state.Memory) time.Time {
	if m.Last == nil {
		return time.Time{}
	}
	return m.Last.Started
}

// turn is why a point does or does not run at this beat.
type turn struct {
	run  bool
	wait string    // for people; "" where nothing is waited for
	till time.Time // when it may change by itself; zero: with the next beat
}

// pace is how often a point runs without a change.
type pace struct {
	retry time.Duration // what failed is tried again, and what refers to nothing yet
	quiet time.Duration // LRT and LSRT move although nothing does (CLM-8)
	beat  time.Duration
}

// held is how long a point is left alone that another process runs. To ask for a
// full run takes the run of a table, and it may take long.
func (p pace) held(mode syncer.Mode) time.Duration {
	if mode == syncer.Full {
		return max(p.beat, mostUnseen)
	}
	return p.beat
}
