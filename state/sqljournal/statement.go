package sqljournal

import (
	"context"
	"database/sql"
	"sync"
)

// usual are the statements of a run that goes well.
var usual []string

// inEachRun marks a statement as one that such a run says.
func inEachRun(statement string) string {
	usual = append(usual, statement)
	return statement
}

// Prepare parses what a run is going to say. It may be left out.
func (j *Journal) Prepare(ctx context.Context) {
	if !j.at.Parses {
		return
	}
	for _, statement := range usual {
		j.kept.find(statement)
	}
	j.kept.parse(ctx, j.db())
}

// statements keeps what was parsed of the statements that came in transactions.
type statements struct {
	mu      sync.Mutex
	parsed  map[string]*sql.Stmt // nil: not yet
	waiting []string             // to be parsed, once there is no transaction
}

// find returns the statement that was kept; nil: there is none.
func (s *statements) find(statement string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parsed == nil {
		s.parsed = map[string]*sql.Stmt{}
	}
	found, came := s.parsed[statement]
	if !came {
		s.parsed[statement] = nil
		s.waiting = append(s.waiting, statement)
	}
	return found
}

// parse parses the statements that came for the first time. What cannot be parsed
// says so where it is used.
func (s *statements) parse(ctx context.Context, in db) {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, statement := range waiting {
		if parsed, err := in.DB.PrepareContext(ctx, in.dialect.of(statement)); err == nil {
			s.mu.Lock()
			s.parsed[statement] = parsed
			s.mu.Unlock()
		}
	}
}
