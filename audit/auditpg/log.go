package auditpg

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/internal/pg"
)

// A Log records events that belong to no other change: queries, disclosures, refusals. It also reads them back.
//
// Callers that record at the same time share a transaction, so that a busy node commits far fewer of them than there are
// events. It is safe for use by many goroutines and has none of its own.
type Log struct {
	db *pg.DB

	mu      sync.Mutex
	waiting []*entry // those no writer has taken yet, in the order they came
	writers int      // callers that write now
}

// New returns a Log in db.
func New(db *pg.DB) *Log { return &Log{db: db} }

const (
	// recordTimeout bounds how long an answer may wait for its record. When it passes, the answer is not given.
	recordTimeout = 5 * time.Second
	// maxWriters is how many transactions of a Log run at once: one gathers while the other waits for the disk.
	maxWriters = 2
	// maxShared bounds the events of a shared transaction.
	maxShared = 64
)

// An entry is what one caller wants recorded. turn is sent true when its caller is to write it, with whoever waits then,
// and false when another has written it and err is settled.
type entry struct {
	rows []row
	turn chan bool
	err  error
}

// Record commits events, all or none. It goes on when the caller's ctx ends, within a time of its own: who hangs up does
// not stop the record. After an error from a lost connection the events may be there all the same; the answer they
// would have allowed is not given, so the trail says more than happened, never less.
func (l *Log) Record(ctx context.Context, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := rowsOf(events)
	if err == nil {
		err = l.record(context.WithoutCancel(ctx), &entry{rows: rows, turn: make(chan bool, 1)})
	}
	if err != nil {
		return fmt.Errorf("auditpg: record: %w", err)
	}
	return nil
}

func (l *Log) record(ctx context.Context, mine *entry) error {
	l.mu.Lock()
	write := l.writers < maxWriters
	if write {
		l.writers++
	} else {
		l.waiting = append(l.waiting, mine)
	}
	l.mu.Unlock()
	if !write {
		patience := time.NewTimer(recordTimeout)
		defer patience.Stop()
		select {
		case write = <-mine.turn:
		case <-patience.C:
			if l.withdraw(mine) {
				return context.DeadlineExceeded
			}
			write = <-mine.turn // it has been taken, and will be settled
		}
	}
	if write {
		l.write(ctx, mine)
	}
	return mine.err
}

// withdraw takes mine back out of the queue, unless it is no longer there.
func (l *Log) withdraw(mine *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, mine)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	return i >= 0
}

// write commits mine with those that wait, settles them, and passes the turn to the first that came meanwhile.
func (l *Log) write(ctx context.Context, mine *entry) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	l.mu.Lock()
	batch := append([]*entry{mine}, l.take(maxShared-len(mine.rows))...)
	l.mu.Unlock()
	err := l.commit(ctx, batch)
	mine.err = err
	for _, e := range batch[1:] {
		e.err = err
		e.turn <- false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.writers--
		return
	}
	next := l.waiting[0]
	l.waiting = l.waiting[1:]
	next.turn <- true
}

// take removes entries of up to room rows together from the head of the queue.
func (l *Log) take(room int) []*entry {
	n := 0
	for n < len(l.waiting) && len(l.waiting[n].rows) <= room {
		room -= len(l.waiting[n].rows)
		n++
	}
	batch := slices.Clone(l.waiting[:n])
	l.waiting = l.waiting[n:]
	return batch
}

func (l *Log) commit(ctx context.Context, batch []*entry) error {
	var rows []row
	for _, e := range batch {
		rows = append(rows, e.rows...)
	}
	if inline(rows) {
		return appendRows(ctx, l.db, rows) // one statement is its own transaction
	}
	return pg.InTx(ctx, l.db, sql.LevelReadCommitted, func(tx *pg.Tx) error { return appendRows(ctx, tx, rows) })
}
