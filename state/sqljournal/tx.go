package sqljournal

import (
	"context"
	"database/sql"
)

// tx is a transaction that is spoken to with placeholders ?1, ?2 … A statement
// is not cut short, since with it all that shares the transaction would be.
type tx struct {
	*sql.Tx
	dialect Dialect
	kept    *statements          // nil: the driver keeps them
	parsed  map[string]*sql.Stmt // in this transaction
}

func (t tx) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	ctx = context.WithoutCancel(ctx)
	if s := t.statement(ctx, statement); s != nil {
		return s.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, t.dialect.of(statement), args...)
}

func (t tx) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	ctx = context.WithoutCancel(ctx)
	if s := t.statement(ctx, statement); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, t.dialect.of(statement), args...)
}

func (t tx) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	if s := t.statement(ctx, statement); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, t.dialect.of(statement), args...)
}

// statement parses a statement once in a transaction, and where it was kept not
// even that; nil where the driver sees to it, or says why it cannot be parsed.
func (t tx) statement(ctx context.Context, text string) *sql.Stmt {
	if t.kept == nil {
		return nil
	}
	s := t.parsed[text]
	if s == nil {
		if kept := t.kept.find(text); kept != nil {
			s = t.StmtContext(ctx, kept)
		} else {
			s, _ = t.Tx.PrepareContext(ctx, t.dialect.of(text))
		}
		t.parsed[text] = s
	}
	return s
}
