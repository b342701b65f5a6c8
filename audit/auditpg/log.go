package auditpg

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/internal/pg"
)

// A Log records events that belong to no other change: queries, disclosures, refusals. It also reads them back.
//
// Callers that record at the same time share a transaction. It is safe for use by many goroutines and has none of its own.
type Log struct {
	db    *pg.DB
	group *pg.Group[[]row]
}

// New returns a Log in db.
func New(db *pg.DB) *Log {
	l := &Log{db: db}
	l.group = pg.NewGroup(pg.GroupLimits{Writers: 2, Weight: maxShared, Patience: recordTimeout}, func(rows []row) int { return len(rows) }, l.commit)
	return l
}

const (
	// recordTimeout bounds how long an answer may wait for its record. When it passes, the answer is not given.
	recordTimeout = 5 * time.Second
	// maxShared bounds the events of a shared transaction.
	maxShared = 64
)

// Record commits events, all or none. It goes on when the caller's ctx ends, within a time of its own: who hangs up does
// not stop the record. After an error from a lost connection the events may be there all the same; the answer they
// would have allowed is not given, so the trail says more than happened, never less.
func (l *Log) Record(ctx context.Context, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := rowsOf(events)
	if err == nil {
		err = l.group.Do(ctx, rows)
	}
	if err != nil {
		return fmt.Errorf("auditpg: record: %w", err)
	}
	return nil
}

func (l *Log) commit(ctx context.Context, batch [][]row) error {
	var rows []row
	for _, r := range batch {
		rows = append(rows, r...)
	}
	if single(rows) {
		return appendRows(ctx, l.db, rows) // one statement is its own transaction
	}
	return pg.InTx(ctx, l.db, sql.LevelReadCommitted, func(tx *pg.Tx) error { return appendRows(ctx, tx, rows) })
}
