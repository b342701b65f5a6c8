package pg_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

// Many callers who meet a text for the first time, while transactions on the same pool wait for each other's
// rows: the statement cache must not be one more thing they wait for.
func TestFirstUsesOfAStatementDoNotWaitForTransactions(t *testing.T) {
	db, err := pg.Open(context.Background(), pgtest.URL(t), pg.Options{MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if _, err := db.Exec(ctx, `create table public.turn (id int primary key, n int)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, `insert into public.turn values (1, 0)`); err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		update := fmt.Sprintf(`update public.turn set n = n + $1 /* %d */ where id = 1`, round)
		look := fmt.Sprintf(`select n + $1 /* %d */ from public.turn where id = 1`, round)
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				var n int
				if i%2 == 0 {
					if err := db.QueryRow(ctx, look, 0).Scan(&n); err != nil {
						t.Errorf("QueryRow = %v", err)
					}
				}
				if err := pg.InTx(ctx, db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
					if _, err := tx.Exec(ctx, update, 1); err != nil {
						return err
					}
					return tx.QueryRow(ctx, look, 0).Scan(&n)
				}); err != nil {
					t.Errorf("InTx = %v", err)
				}
			})
		}
		wg.Wait()
	}
	var n int
	if err := db.QueryRow(ctx, `select n from public.turn where id = 1`).Scan(&n); err != nil || n != 20*32 {
		t.Errorf("%d updates, want %d, %v", n, 20*32, err)
	}
}
