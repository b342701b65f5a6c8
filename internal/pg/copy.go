package pg

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// A Copier sends rows to a COPY and keeps the first error. While it is open nothing else may run in its transaction.
type Copier struct {
	stmt *sql.Stmt
	err  error
}

// CopyInto begins text, a "copy … from stdin", in tx. The driver would roll back while a COPY still reads from the
// connection if the context ended under it, so its own does not end; the rows look at ctx themselves.
func CopyInto(ctx context.Context, tx *Tx, text string) (*Copier, error) {
	stmt, err := tx.SQL().PrepareContext(context.WithoutCancel(ctx), text)
	if err != nil {
		return nil, Clean(ctx, err)
	}
	return &Copier{stmt: stmt}, nil
}

// Row sends one row.
func (c *Copier) Row(ctx context.Context, values ...any) {
	if c.err == nil {
		c.err = ctx.Err()
	}
	if c.err == nil {
		_, c.err = c.stmt.ExecContext(context.WithoutCancel(ctx), values...)
	}
}

// End ends the COPY and returns the first error.
func (c *Copier) End(ctx context.Context) error {
	if c.err == nil {
		_, c.err = c.stmt.ExecContext(context.WithoutCancel(ctx))
	}
	if err := c.stmt.Close(); c.err == nil {
		c.err = err
	}
	return Clean(ctx, c.err)
}

// ArrayText writes ns as PostgreSQL reads an array, which is how COPY takes one.
func ArrayText(ns []int64) string {
	var b strings.Builder
	b.Grow(2 + 20*len(ns))
	b.WriteByte('{')
	for i, n := range ns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteByte('}')
	return b.String()
}
