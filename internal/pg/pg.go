// Package pg is the only owner of lib/pq: connections, prepared statements, transactions with retries,
// migrations, and driver errors with everything that quotes a row taken out.
//
// It knows nothing of what is stored. READ COMMITTED is the rule; correctness comes from unique rows
// (spec scale-out section 5).
package pg

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// A Querier runs statements, inside or outside a transaction. *[DB] and *[Tx] are the two.
//
// Statements are prepared once per text and reused (three times the speed of unprepared ones), so texts are
// constants and values are parameters. Plain Go slices are array parameters; a [Few] is one that is mostly short.
type Querier interface {
	// Exec runs a statement and returns how many rows it touched.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query runs a query; the caller closes the rows. Inside a transaction no second statement may run
	// while rows are open.
	Query(ctx context.Context, query string, args ...any) (*Rows, error)
	// QueryRow runs a query of at most one row; Scan returns hie.ErrNotFound when there was none.
	QueryRow(ctx context.Context, query string, args ...any) *Row
}

// A DB is a pool of connections to one PostgreSQL (or the coordinator of several).
type DB struct {
	db *sql.DB
	// prepare is false behind a transaction-pooling proxy, where prepared statements fail.
	prepare bool
	onQuery func(query string)

	preparing sync.Mutex
	mu        sync.RWMutex
	stmts     map[string]*sql.Stmt
	few       map[fewText]string
}

// Options bound the pool. The zero Options mean: 16 connections, prepared statements.
type Options struct {
	// MaxConns bounds open connections; 0 means 16.
	MaxConns int
	// NoPrepare turns the statement cache off, for transaction-pooling proxies.
	NoPrepare bool
	// OnQuery, if set, sees the text of every statement run; tests count statements with it.
	OnQuery func(query string)
}

// Open connects to the PostgreSQL at url and pings it. The url must state sslmode: the driver's default is
// about to change, and whether the link is encrypted is a decision.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	if !strings.Contains(url, "sslmode=") {
		return nil, fmt.Errorf("pg: open: the database URL must state sslmode (verify-full in production, disable only on loopback)")
	}
	connector, err := pq.NewConnector(url)
	if err != nil {
		return nil, fmt.Errorf("pg: open: the database URL cannot be read") // the error would quote it, password included
	}
	db := sql.OpenDB(connector)
	if o.MaxConns == 0 {
		o.MaxConns = 16
	}
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	d := &DB{db: db, prepare: !o.NoPrepare, onQuery: o.OnQuery, stmts: map[string]*sql.Stmt{}, few: map[fewText]string{}}
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("pg: open: %w", clean(ctx, err))
	}
	return d, nil
}

// Close ends all connections.
func (d *DB) Close() error { return d.db.Close() }

// Ping asks the server whether it answers.
func (d *DB) Ping(ctx context.Context) error { return clean(ctx, d.db.PingContext(ctx)) }

// SQL gives the plain handle to the few that need it (goose, session locks).
func (d *DB) SQL() *sql.DB { return d.db }

// Stats tells how the pool is used, for metrics.
func (d *DB) Stats() sql.DBStats { return d.db.Stats() }

// stmt returns the statement prepared for query, preparing it first if need be. One text is prepared at a time:
// of two equal statements one would have to be closed, and closing waits for a connection that may be waiting in
// a transaction for another one, which in turn waits for this cache.
func (d *DB) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := d.cached(query); s != nil {
		return s, nil
	}
	d.preparing.Lock()
	defer d.preparing.Unlock()
	if s := d.cached(query); s != nil {
		return s, nil
	}
	s, err := d.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stmts[query] = s
	return s, nil
}

// cached returns the statement prepared for query, or nil.
func (d *DB) cached(query string) *sql.Stmt {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.stmts[query]
}

func (d *DB) saw(query string) {
	if d.onQuery != nil {
		d.onQuery(query)
	}
}

// Exec implements [Querier].
func (d *DB) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	d.saw(query)
	query, args = d.spread(query, args)
	if !d.prepare {
		return affected(ctx)(d.db.ExecContext(ctx, query, args...))
	}
	s, err := d.stmt(ctx, query)
	if err != nil {
		return 0, clean(ctx, err)
	}
	return affected(ctx)(s.ExecContext(ctx, args...))
}

// Query implements [Querier].
func (d *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	d.saw(query)
	query, args = d.spread(query, args)
	if !d.prepare {
		return wrapRows(ctx)(d.db.QueryContext(ctx, query, args...)) // the caller closes
	}
	s, err := d.stmt(ctx, query)
	if err != nil {
		return nil, clean(ctx, err)
	}
	return wrapRows(ctx)(s.QueryContext(ctx, args...))
}

// QueryRow implements [Querier].
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := d.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

// A Tx is a transaction begun by [InTx] or [InCopyTx].
type Tx struct {
	tx *sql.Tx
	db *DB
	// conn is the connection of a transaction that copies; nil for any other.
	conn *sql.Conn
	// unprepared are texts run for the first time. They are prepared once the transaction has given its
	// connection back: preparing takes a connection of its own, and transactions that hold all of the pool's
	// while each waits for one more would wait for ever.
	unprepared []string
	// done ends the transaction: the driver then cancels whatever statement runs in it.
	done <-chan struct{}
}

// within returns the context of one statement of t called with ctx. One that ends as the transaction does need not be watched
// for its own end besides, which would cost a goroutine a statement.
func (t *Tx) within(ctx context.Context) context.Context {
	if t.done != nil && ctx.Done() == t.done {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// stmt returns the transaction's form of a prepared statement, or nil when the text is to be run as it is.
func (t *Tx) stmt(ctx context.Context, query string) *sql.Stmt {
	if !t.db.prepare {
		return nil
	}
	s := t.db.cached(query)
	if s == nil {
		t.unprepared = append(t.unprepared, query)
		return nil
	}
	return t.tx.StmtContext(ctx, s)
}

// Exec implements [Querier].
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	t.db.saw(query)
	query, args = t.db.spread(query, args)
	in := t.within(ctx)
	if s := t.stmt(in, query); s != nil {
		return affected(ctx)(s.ExecContext(in, args...))
	}
	return affected(ctx)(t.tx.ExecContext(in, query, args...))
}

// Query implements [Querier].
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	t.db.saw(query)
	query, args = t.db.spread(query, args)
	in := t.within(ctx)
	if s := t.stmt(in, query); s != nil {
		return wrapRows(ctx)(s.QueryContext(in, args...)) // the caller closes
	}
	return wrapRows(ctx)(t.tx.QueryContext(in, query, args...)) // the caller closes
}

// QueryRow implements [Querier].
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := t.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

func affected(ctx context.Context) func(sql.Result, error) (int64, error) {
	return func(r sql.Result, err error) (int64, error) {
		if err != nil {
			return 0, clean(ctx, err)
		}
		n, err := r.RowsAffected()
		return n, clean(ctx, err)
	}
}
