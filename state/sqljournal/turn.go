package sqljournal

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"accord/state/failpoint"
)

// turns puts the transactions of a process that has one connection into
// groups: those that come while one is committed share the next commit. Each
// still happens whole or not at all, alone. What a transaction does it may do
// again, since one that fails takes back those that share it.
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
// of them panics. Those that fail are left out, and the others begin anew.
func (j *Journal) settle(ctx context.Context, group []*turn) {
	err := errGivenUp
	defer func() {
		for _, of := range group {
			of.done, of.err = true, err
		}
	}()
	for len(group) > 0 {
		failed, why := j.commit(ctx, group)
		if failed == nil {
			err = why
			return
		}
		failed.done, failed.err = true, why
		group = slices.DeleteFunc(group, func(of *turn) bool { return of == failed })
	}
}

// commit makes a group one transaction of the database. The error is of the one
// that failed, with which none of them happened; nil: of all.
func (j *Journal) commit(ctx context.Context, group []*turn) (failed *turn, err error) {
	later := true
	for _, of := range group {
		later = later && of.later
	}
	if err := j.pace(ctx, later); err != nil {
		return nil, err
	}
	within := tx{dialect: j.at.Dialect}
	if j.at.Parses {
		within.kept, within.parsed = &j.kept, map[string]*sql.Stmt{}
		defer j.kept.parse(ctx, j.db())
	}
	if within.Tx, err = j.at.DB.BeginTx(ctx, nil); err != nil {
		return nil, err
	}
	defer within.Rollback() // nothing, once it is committed
	if j.at.Turn != "" {
		if _, err := within.Tx.ExecContext(ctx, j.at.Turn); err != nil {
			return nil, err
		}
	}
	for _, of := range group {
		if err := of.fn(within); err != nil {
			return of, err
		}
	}
	failpoint.Reach(failpoint.Committing)
	if err := within.Commit(); err != nil {
		return nil, err
	}
	failpoint.Reach(failpoint.Committed)
	if !later {
		j.turns.waits.Add(1)
	}
	return nil, nil
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
