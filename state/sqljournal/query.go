package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// db is a database that is spoken to in the same way.
type db struct {
	*sql.DB
	dialect Dialect
}

func (d db) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return d.DB.QueryContext(ctx, d.dialect.of(statement), args...)
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func scan[T any](ctx context.Context, q querier, one func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := one(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// first returns the first of at most one, nil for none.
func first[T any](all []T, err error) (*T, error) {
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// text is v as JSON; v is one of our own types, which always can be.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func when(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
