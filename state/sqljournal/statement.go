package sqljournal

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// statements keeps what was parsed of the statements that came in more than one
// transaction.
type statements struct {
	mu      sync.Mutex
	parsed  map[string]*sql.Stmt // nil: it came once
	waiting []string             // to be parsed, once there is no transaction
}

// find returns the statement that was kept; nil: there is none.
func (s *statements) find(statement string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parsed == nil {
		s.parsed = map[string]*sql.Stmt{}
	}
	found, again := s.parsed[statement]
	switch {
	case !again:
		s.parsed[statement] = nil
	case found == nil && !slices.Contains(s.waiting, statement):
		s.waiting = append(s.waiting, statement)
	}
	return found
}

// parse parses the statements that came again. What cannot be parsed says so
// where it is used.
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
