// Package mpipg keeps the index in PostgreSQL. Every hot statement names its table's distribution column by
// equality and touches one table; races are decided by claim rows, never by reading first.
//
// Source: the contract of mpi.Store (suite in mpitest); DESIGN section 5; spec scale-out sections 2 to 5.
package mpipg

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
)

// A Store implements mpi.Store.
type Store struct {
	reader
	db    *pg.DB
	audit Audit
}

// Audit appends audit events in the transaction of the change they tell of; auditpg.Append is the one.
type Audit func(ctx context.Context, q pg.Querier, events ...audit.Event) error

// New returns a Store on db.
func New(db *pg.DB, audit Audit) *Store { return &Store{reader: reader{db}, db: db, audit: audit} }

// Update implements mpi.Store: READ COMMITTED, run again on deadlock.
func (s *Store) Update(ctx context.Context, f func(mpi.Tx) error) error {
	return pg.InTx(ctx, s.db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
		held := &sheaf{tx: tx}
		if err := f(&writer{reader{held}, tx, s.audit, held}); err != nil {
			return err
		}
		return held.write(ctx)
	})
}

// A reader implements mpi.Reader, in or outside a transaction.
type reader struct{ q pg.Querier }

// A writer implements mpi.Tx.
type writer struct {
	reader
	tx    *pg.Tx
	audit Audit
	held  *sheaf // nil holds nothing back
}

// now runs an insert into table.
func (w *writer) now(ctx context.Context, _, text string, args ...any) error {
	_, err := w.q.Exec(ctx, text, args...)
	return err
}

// later runs an insert into table, with others where that can be: nothing else the transaction does depends on it.
func (w *writer) later(ctx context.Context, table, text string, args ...any) error {
	if w.held != nil {
		return w.held.add(ctx, table, text, args)
	}
	return w.now(ctx, table, text, args...)
}

// Record implements mpi.Tx.
func (w *writer) Record(ctx context.Context, events ...audit.Event) error {
	return w.audit(ctx, w.tx, events...)
}

// values returns "($1,$2),($3,$4)" for rows of width columns. Statements with a variable number of rows are
// prepared once for each number, which is small.
func values(rows, width int) string {
	var b strings.Builder
	for i := range rows * width {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%width == 0:
			b.WriteString("),(")
		default:
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// placeholders returns "$5,$6,$7" for 3 from 5.
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(from + i))
	}
	return b.String()
}

// texts keeps statement texts by number of rows, so that building one is not part of every call.
type texts struct {
	mu    sync.RWMutex
	byN   map[int]string
	build func(n int) string
}

func newTexts(build func(n int) string) *texts { return &texts{byN: map[int]string{}, build: build} }

func (t *texts) of(n int) string {
	t.mu.RLock()
	s, ok := t.byN[n]
	t.mu.RUnlock()
	if ok {
		return s
	}
	s = t.build(n)
	t.mu.Lock()
	t.byN[n] = s
	t.mu.Unlock()
	return s
}

func recordInts(records []hie.SourcePatientID) []int64 {
	out := make([]int64, len(records))
	for i, r := range records {
		out[i] = int64(r)
	}
	return out
}

func personInts(persons []hie.PersonID) []int64 {
	out := make([]int64, len(persons))
	for i, p := range persons {
		out[i] = int64(p)
	}
	return out
}
