package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"time"
)

// maxTries bounds how often one transaction is run before its conflict is reported.
const maxTries = 12

// InTx runs f in a transaction and commits it; any error from f rolls back. It is the only way to a
// transaction. Serialization failures and deadlocks run the whole of f again, with a growing, jittered pause,
// as long as ctx lives, so f must have no effect but through its Tx.
//
// An error from the commit itself may mean that the transaction committed all the same (the connection fell
// before the answer came): callers make their writes repeatable through claim rows.
func InTx(ctx context.Context, db *DB, iso sql.IsolationLevel, f func(*Tx) error) error {
	return again(ctx, func() error { return once(ctx, db, iso, f) })
}

// InCopyTx is InTx, at READ COMMITTED, for a transaction that copies ([CopyInto]): it holds its connection by itself, since
// database/sql knows no COPY.
func InCopyTx(ctx context.Context, db *DB, f func(*Tx) error) error {
	return again(ctx, func() error { return onceOwn(ctx, db, f) })
}

// again runs once until it ends otherwise than in a conflict.
func again(ctx context.Context, once func() error) error {
	pause := 2 * time.Millisecond
	for try := 1; ; try++ {
		err := once()
		if err == nil || !retryable(err) || try == maxTries {
			return err
		}
		select {
		case <-ctx.Done():
			return clean(ctx, ctx.Err())
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(pause*2, 100*time.Millisecond)
	}
}

func once(ctx context.Context, db *DB, iso sql.IsolationLevel, f func(*Tx) error) error {
	tx, err := db.db.BeginTx(ctx, &sql.TxOptions{Isolation: iso})
	if err != nil {
		return clean(ctx, err)
	}
	t := &Tx{tx: tx, db: db, done: ctx.Done()}
	if err := t.run(ctx, f); err != nil {
		return err
	}
	t.prepare(ctx)
	return nil
}

// onceOwn is once with a connection of its own. A pooled one that fell while it lay idle shows only when the transaction
// begins, and the next is tried.
func onceOwn(ctx context.Context, db *DB, f func(*Tx) error) error {
	for try := 1; ; try++ {
		conn, err := db.db.Conn(ctx)
		if err != nil {
			return clean(ctx, err)
		}
		tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			_ = conn.Close()
			if errors.Is(err, driver.ErrBadConn) && try <= db.db.Stats().MaxOpenConnections {
				continue
			}
			return clean(ctx, err)
		}
		t := &Tx{tx: tx, db: db, conn: conn, done: ctx.Done()}
		err = t.run(ctx, f)
		_ = conn.Close() // gives it back
		if err == nil {
			t.prepare(ctx)
		}
		return err
	}
}

// run runs f and commits.
func (t *Tx) run(ctx context.Context, f func(*Tx) error) error {
	defer func() { _ = t.tx.Rollback() }() // no effect after a commit
	if err := f(t); err != nil {
		return err
	}
	return clean(ctx, t.tx.Commit())
}

// prepare prepares what ran for the first time, once the connection has been given back.
func (t *Tx) prepare(ctx context.Context) {
	for _, query := range t.unprepared {
		if _, err := t.db.stmt(ctx, query); err != nil {
			break // it ran as it was and will again
		}
	}
}
