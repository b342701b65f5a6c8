package pgcluster

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/concord-hie/concord/internal/pg"
)

func TestDataStaysBetweenRunsAndTheServerEndsWhenStopped(t *testing.T) {
	ctx := context.Background()
	// Not t.TempDir: its parent is 0700 and root's server runs as another user.
	base, err := os.MkdirTemp("", "pgcluster")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "data")

	run := func(f func(*pg.DB)) {
		c, err := Start(ctx, Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Stop()
		db, err := pg.Open(ctx, c.URL("postgres"), pg.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		f(db)
	}
	run(func(db *pg.DB) {
		if _, err := db.Exec(ctx, "create table kept (n int primary key)"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(ctx, "insert into kept values ($1)", 7); err != nil {
			t.Fatal(err)
		}
	})
	run(func(db *pg.DB) {
		var n int
		if err := db.QueryRow(ctx, "select n from kept").Scan(&n); err != nil || n != 7 {
			t.Errorf("after a restart: n = %d, %v; want 7", n, err)
		}
	})
}
