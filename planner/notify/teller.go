// Package notify tells other systems what runs did (CONN-6): it takes the runs
// from the journal that a webhook is still to be told of, and posts each.
//
// It refuses to know what ran, and no run waits for it or fails for it: what was
// not told stays in the journal, and whoever tells next tries again. A delivery
// has the form of Standard Webhooks (www.standardwebhooks.com), for which there
// are libraries; its id is that of the run, so that who is told twice can know.
//
// Start with Teller.Tell; message.go is what is told, webhook.go how.
package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"accord/state"
)

// Journal is what of a state.Journal it takes to tell.
type Journal interface {
	Untold(ctx context.Context, target string, n int, hold time.Duration) ([]state.Untold, error)
	Told(ctx context.Context, target, run string, again time.Time) error
	LeaveAlone(ctx context.Context, target string, until time.Time) error
	Waiting(ctx context.Context, target string) (n int, first time.Time, err error)
}

// Teller tells one webhook.
type Teller struct {
	Journal Journal
	Webhook *Webhook
	From    Sender
	Now     func() time.Time
}

// Result is what came of telling.
type Result struct {
	Told   int
	Left   int       // not yet told
	Next   time.Time // when the first of these may be told
	GaveUp int       // they had ended too long ago
	Err    error     // why some were not told; nil: nothing went wrong
}

const (
	atOnce   = 20              // runs that are taken from the journal at a time
	holdFor  = 2 * time.Minute // as long as it takes to tell these, twenty times a slow answer
	tooOld   = 7 * 24 * time.Hour
	firstTry = 5 * time.Second // until it is tried again, doubled each time
	lastTry  = time.Hour
)

// Tell tells of everything that may be told now. A webhook that suffers is told no
// more, and nothing before the time that it asks for; one that rejects a run is
// told of the others. The error is the journal's.
func (t *Teller) Tell(ctx context.Context) (r Result, err error) {
	name := t.Webhook.Name()
	for suffers := false; !suffers && ctx.Err() == nil; {
		list, err := t.Journal.Untold(ctx, name, atOnce, holdFor)
		if err != nil {
			return r, err
		}
		if len(list) == 0 {
			break
		}
		for _, u := range list {
			var again time.Time
			switch {
			case t.Now().Sub(u.Run.Ended) > tooOld:
				r.GaveUp++
			case suffers:
				again = t.again(u, r.Err)
			default:
				err := t.tell(ctx, u)
				if err == nil {
					r.Told++
					break
				}
				r.Err, again = err, t.again(u, err)
				if suffers = !rejected(err); suffers {
					if err := t.leaveAlone(ctx, err); err != nil {
						return r, err
					}
				}
			}
			if err := t.Journal.Told(ctx, name, u.Run.ID, again); err != nil {
				return r, err
			}
		}
	}
	r.Left, r.Next, err = t.Journal.Waiting(context.WithoutCancel(ctx), name)
	return r, err
}

func (t *Teller) tell(ctx context.Context, u state.Untold) error {
	body, err := t.From.message(u)
	if err != nil {
		return fmt.Errorf("writing what is told of run %s: %w", u.Run.ID, err)
	}
	return t.Webhook.post(ctx, deliveryID(u), body, t.Now)
}

// deliveryID is the same however often a run is told.
func deliveryID(u state.Untold) string { return "run_" + u.Run.ID }

// again is when it is tried again: later each time, and no earlier than the
// webhook asks for.
func (t *Teller) again(u state.Untold, err error) time.Time {
	wait := lastTry
	if u.Attempts < 10 {
		wait = min(firstTry<<u.Attempts, lastTry)
	}
	return t.Now().Add(max(wait, asked(err)))
}

// leaveAlone leaves the webhook alone for as long as it asks for, with all that there
// is to tell.
func (t *Teller) leaveAlone(ctx context.Context, err error) error {
	if wait := asked(err); wait > 0 {
		return t.Journal.LeaveAlone(ctx, t.Webhook.Name(), t.Now().Add(wait))
	}
	return nil
}

// asked is how long an answer asks to wait, and no longer than is reasonable.
func asked(err error) time.Duration {
	var answer *Answer
	if !errors.As(err, &answer) {
		return 0
	}
	return min(answer.RetryAfter, lastTry)
}

// rejected reports whether an error is about what was told, and not about who
// was told.
func rejected(err error) bool {
	var answer *Answer
	return errors.As(err, &answer) && answer.Status >= 400 && answer.Status < 500 && answer.Status != 401 && answer.Status != 403 &&
		answer.Status != 404 && answer.Status != 408 && answer.Status != 410 && answer.Status != 429
}
