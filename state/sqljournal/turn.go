package sqljournal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"accord/state/failpoint"
)

// turns puts the transactions of a process that has one connection into
// groups: those that come while one is committed share the next commit. Each
// still happens whole or not at all, alone.
type turns struct {
	mu      sync.Mutex
	waiting []*turn

	taking sync.Mutex
	later  bool // what was said last need not be durable when it is committed
	waits  atomic.Int64
}

// turn is one transaction.
type turn struct {
	fn    func(tx) error
	later bool
	done  bool
	err   error
}

// Waits counts the commits that waited for the disk. It is for who asserts how
// many there are.
func (j *Journal) Waits() int64 { return j.turns.waits.Load() }

// take commits a transaction, with all that wait by then.
func (j *Journal) take(ctx context.Context, t *turn) error {
	s := &j.turns
	s.mu.Lock()
	s.waiting = append(s.waiting, t)
	s.mu.Unlock()
	s.taking.Lock()
	defer s.taking.Unlock()
	if t.done {
		return t.err
	}
	s.mu.Lock()
	group := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	j.settle(ctx, group)
	return t.err
}

var errGivenUp = errors.New("another transaction of the same commit crashed")

// settle commits a group and tells each of it what came of that, also where one
// of them panics.
func (j *Journal) settle(ctx context.Context, group []*turn) {
	err := errGivenUp
	defer func() {
		for _, of := range group {
			if err != nil {
				of.err = err
			}
			of.done = true
		}
	}()
	err = j.commit(ctx, group)
}

// commit makes a group one transaction of the database. The error is of all;
// what is wrong with one of them alone is its own.
func (j *Journal) commit(ctx context.Context, group []*turn) error {
	later := true
	for _, of := range group {
		later = later && of.later
	}
	if err := j.pace(ctx, later); err != nil {
		return err
	}
	var kept *statements
	if j.at.Parses {
		kept = &j.kept
		defer kept.parse(ctx, j.db())
	}
	t, err := j.at.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback() // nothing, once it is committed
	if j.at.Turn != "" {
		if _, err := t.ExecContext(ctx, j.at.Turn); err != nil {
			return err
		}
	}
	if err := together(ctx, tx{t, j.at.Dialect, kept}, group); err != nil {
		return err
	}
	failpoint.Reach(failpoint.Committing)
	if err := t.Commit(); err != nil {
		return err
	}
	failpoint.Reach(failpoint.Committed)
	if !later {
		j.turns.waits.Add(1)
	}
	return nil
}

// together runs transactions one after the other within one, and takes back
// those that fail. The error is of one that was alone, or of a database that
// cannot take one back.
func together(ctx context.Context, within tx, group []*turn) error {
	if len(group) == 1 {
		return group[0].fn(within)
	}
	for _, of := range group {
		if _, err := within.ExecContext(ctx, "SAVEPOINT turn"); err != nil {
			return err
		}
		if of.err = of.fn(within); of.err != nil {
			if _, err := within.ExecContext(ctx, "ROLLBACK TO turn"); err != nil {
				return of.err // the database has given up all of it
			}
		}
		if _, err := within.ExecContext(ctx, "RELEASE turn"); err != nil {
			return err
		}
	}
	return nil
}

// pace has the next commit wait for the disk, or not.
func (j *Journal) pace(ctx context.Context, later bool) error {
	if later == j.turns.later || j.at.Later == "" {
		return nil
	}
	statement := j.at.AtOnce
	if later {
		statement = j.at.Later
	}
	if _, err := j.at.DB.ExecContext(ctx, statement); err != nil {
		return err
	}
	j.turns.later = later
	return nil
}
