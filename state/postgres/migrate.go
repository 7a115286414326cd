package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"accord/state"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Each file leads from the version before to the one that it is named after.
//
//go:embed *.sql
var steps embed.FS

const version = 7

// migrate brings the tables to the present version.
func (p *place) migrate(ctx context.Context) error {
	have, err := p.version(ctx)
	if err != nil || have == version {
		return err
	}
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	schema := pgx.Identifier{p.config.Schema}.Sanitize()
	for _, statement := range []string{
		"SELECT pg_advisory_xact_lock(hashtext('accord'))", // one at a time; what another did meanwhile is seen below
		"CREATE SCHEMA IF NOT EXISTS " + schema,
		"CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL)",
		"INSERT INTO format (version) SELECT 0 WHERE NOT EXISTS (SELECT FROM format)",
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("making the schema %s: %w", p.config.Schema, err)
		}
	}
	if err := tx.QueryRowContext(ctx, "SELECT version FROM format").Scan(&have); err != nil {
		return err
	}
	for n := have + 1; n <= version; n++ {
		step, err := steps.ReadFile(fmt.Sprintf("%d.sql", n))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(step)); err != nil {
			return fmt.Errorf("bringing the tables to version %d: %w", n, err)
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE format SET version = $1", version); err != nil {
		return err
	}
	return tx.Commit()
}

// version returns that of the tables, 0 where there are none.
func (p *place) version(ctx context.Context) (n int, err error) {
	err = p.db.QueryRowContext(ctx, "SELECT version FROM format").Scan(&n)
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e) && e.Code == "42P01": // there is no such table
		return 0, nil
	case err != nil:
		return 0, err
	case n > version:
		return 0, &state.DamagedError{Path: p.name,
			Reason: fmt.Sprintf("its tables have version %d, and this accord knows only version %d", n, version), Advice: "use the accord that made them"}
	}
	return n, nil
}
