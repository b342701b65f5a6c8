package pg_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestTransactionsThatFillThePoolDoNotWaitForOneMoreConnection(t *testing.T) {
	db, err := pg.Open(context.Background(), pgtest.URL(t), pg.Options{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var begun, wg sync.WaitGroup
	begun.Add(2)
	for range 2 {
		wg.Go(func() {
			err := pg.InTx(ctx, db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
				begun.Done()
				begun.Wait() // both hold a connection; neither statement is prepared yet
				var n int
				return tx.QueryRow(ctx, `select 1 + $1::int`, 1).Scan(&n)
			})
			if err != nil {
				t.Errorf("InTx = %v", err)
			}
		})
	}
	wg.Wait()
}
