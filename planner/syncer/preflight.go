package syncer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
)

// required is the end of what keeps a run from being made.
func (j *job) required() side {
	return side{end: *j.Sync.Requires, m: &j.read, yield: func(r *providers.Record) error {
		var d providers.Diagnostic
		if err := json.Unmarshal(r.Fields, &d); err != nil {
			return fmt.Errorf("reading what keeps a run from being made: %w", err)
		}
		j.obstacles = append(j.obstacles, d)
		return nil
	}}
}

// refuse refuses a run that anything keeps from being made, with all of it in one
// error, before its lease is taken. A preview goes on, and tells.
func (s *Syncer) refuse(ctx context.Context, j *job, writing bool) (err error) {
	if len(j.obstacles) == 0 || !writing {
		return nil
	}
	j.ran, j.status = true, Refused
	err = blocked(j.obstacles)
	if unsaid := s.recordBlocked(ctx, j, err); unsaid != nil {
		err = errors.Join(err, fmt.Errorf("recording that %s was refused: %w", j.Sync.Addr, unsaid))
	}
	o := j.outcome()
	o.Err = err
	s.emit(Finished{Addr: j.Sync.Addr, Outcome: &o})
	return err
}

// mayRun: it shall, or its route table may turn out changed.
func (j *job) mayRun(byAddr map[addrs.Instance]*job) bool {
	if j.Decision.Mode != None || j.Sync.Route.Table == nil || !j.Sync.Active || j.Decision.Idle != "" {
		return j.Decision.Mode != None
	}
	table := byAddr[*j.Sync.Route.Table]
	return table != nil && table.Decision.Mode != None
}

// blocked is one error of all obstacles: what, whose, where, and what to do.
func blocked(obstacles []providers.Diagnostic) error {
	var what, advice []string
	for _, d := range obstacles {
		what = append(what, strings.TrimSuffix(d.Summary, "."))
		advice = append(advice, d.Detail)
	}
	e := &providers.Error{Kind: providers.Refused, Op: "nothing was transferred", Addr: obstacles[0].Addr, Path: obstacles[0].Path, Message: obstacles[0].Code + ": " + strings.Join(what, ". "), Advice: strings.Join(advice, "\n")}
	return e
}

// recordBlocked keeps a run that was refused as one that failed, and why
// (ERR-1). Where someone else runs the sync, it is theirs to say.
func (s *Syncer) recordBlocked(ctx context.Context, j *job, why error) error {
	journal := s.opts.Journal
	if journal == nil || j.Decision.Mode == None {
		return nil
	}
	lease, err := state.LeaseOf(ctx, journal, j.Sync.Addr, cmp.Or(s.opts.Operation, "sync"), leaseFor)
	var held *state.LeasedError
	if errors.As(err, &held) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	j.run = newRun(s, lease)
	if err = journal.Begin(ctx, j.beginning()); err == nil {
		j.general(ctx, why)
		_, err = journal.End(ctx, state.End{Run: j.run.id, Outcome: state.Failed, At: s.opts.Now(), Message: providers.Advised(why), Release: true})
	}
	j.run = nil
	if err != nil {
		err = errors.Join(err, journal.Release(ctx, lease))
	}
	return err
}
