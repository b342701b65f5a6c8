package pg_test

import (
	"context"
	"database/sql"
	"errors"
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

// A caller who hangs up ends the statement that runs in the transaction, here one that waits for another's row, and gets
// its own context's error.
func TestAHungUpCallerEndsTheStatementOfItsTransaction(t *testing.T) {
	bg, db := context.Background(), pgtest.DB(t)
	if _, err := db.Exec(bg, `create table public.held (id int primary key)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(bg, `insert into public.held values (1)`); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"exec", "query"} {
		err := pg.InTx(bg, db, sql.LevelReadCommitted, func(holder *pg.Tx) error {
			if _, err := holder.Exec(bg, `select from public.held where id = 1 for update`); err != nil {
				return err
			}
			ctx, hangUp := context.WithCancel(bg)
			var wg sync.WaitGroup
			wg.Go(func() {
				waiting := `select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%public.held%')`
				for there := false; !there; {
					if err := db.QueryRow(bg, waiting).Scan(&there); err != nil {
						t.Error(err)
						break
					}
				}
				hangUp()
			})
			defer wg.Wait()
			err := pg.InTx(ctx, db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
				if kind == "exec" {
					_, err := tx.Exec(ctx, `update public.held set id = id where id = $1`, 1)
					return err
				}
				var id int
				return tx.QueryRow(ctx, `update public.held set id = id where id = $1 returning id`, 1).Scan(&id)
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want context.Canceled", kind, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: the holder: %v", kind, err)
		}
	}
}
