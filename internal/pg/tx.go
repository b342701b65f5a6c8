package pg

import (
	"context"
	"database/sql"
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
	pause := 2 * time.Millisecond
	for try := 1; ; try++ {
		err := once(ctx, db, iso, f)
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
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	t := &Tx{tx: tx, db: db, done: ctx.Done()}
	if err := f(t); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return clean(ctx, err)
	}
	for _, query := range t.unprepared {
		if _, err := db.stmt(ctx, query); err != nil {
			break // it ran as it was and will again
		}
	}
	return nil
}
