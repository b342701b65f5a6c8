package pg

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/concord-hie/concord/hie"
	"github.com/lib/pq"
)

// Rows is sql.Rows whose errors quote nothing.
type Rows struct {
	rows *sql.Rows
	ctx  context.Context //nolint:containedctx // needed to tell a cancelled query from a failed one
}

func wrapRows(ctx context.Context) func(*sql.Rows, error) (*Rows, error) {
	return func(r *sql.Rows, err error) (*Rows, error) {
		if err != nil {
			return nil, clean(ctx, err)
		}
		return &Rows{rows: r, ctx: ctx}, nil
	}
}

// Next moves to the next row.
func (r *Rows) Next() bool { return r.rows.Next() }

// Scan copies the current row into dest. Array columns need [Array].
func (r *Rows) Scan(dest ...any) error { return clean(r.ctx, r.rows.Scan(dest...)) }

// Err tells why Next returned false; nil at the end.
func (r *Rows) Err() error { return clean(r.ctx, r.rows.Err()) }

// Close ends the query.
func (r *Rows) Close() error { return clean(r.ctx, r.rows.Close()) }

// A Row is the answer of QueryRow.
type Row struct {
	rows *Rows
	err  error
}

// FailedRow returns a Row whose Scan returns err.
func FailedRow(err error) *Row { return &Row{err: err} }

// Scan copies the row into dest, or returns hie.ErrNotFound when there was none.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer func() { _ = r.rows.Close() }()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return fmt.Errorf("pg: %w", hie.ErrNotFound)
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}

// Collect runs query and returns one value a row, in the query's order; no rows give nil.
func Collect[T any](ctx context.Context, q Querier, scan func(*Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Array wraps a pointer to a slice so that Scan can fill it from an array column, or a slice so that a statement can be given it.
func Array(dest any) any { return pq.Array(dest) }
