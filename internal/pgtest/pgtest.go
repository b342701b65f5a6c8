// Package pgtest gives each test a fresh, migrated PostgreSQL database of its own, cloned from a template on
// a private cluster that lives as long as the test program.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgcluster"
	"github.com/concord-hie/concord/migrations"
)

const template = "concord_template"

var (
	start = sync.OnceValues(startCluster)
	count atomic.Int64
)

// running is the cluster all tests of this program share, with a handle that makes databases.
type running struct {
	cluster *pgcluster.Cluster
	admin   *pg.DB
}

// DB returns a migrated database nobody else uses; it is dropped when the test ends.
func DB(t testing.TB) *pg.DB {
	t.Helper()
	db, err := pg.Open(context.Background(), URL(t), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// URL returns the connection URL of a migrated database nobody else uses, for tests that start programs of
// their own. It is dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	r, err := start()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	ctx := context.Background()
	name := fmt.Sprintf("t%d", count.Add(1))
	if _, err := r.admin.SQL().ExecContext(ctx, "create database "+name+" template "+template); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	t.Cleanup(func() {
		_, _ = r.admin.SQL().ExecContext(ctx, "drop database if exists "+name+" with (force)")
	})
	return r.cluster.URL(name)
}

// startCluster starts the shared cluster in a directory that is removed when the next test program finds it
// without a server; Go gives a package no hook after its last test.
func startCluster() (running, error) {
	ctx := context.Background()
	sweep()
	base, err := os.MkdirTemp("", fmt.Sprintf("concord-pgtest-%d-", os.Getpid()))
	if err != nil {
		return running{}, err
	}
	if err := os.Chmod(base, 0o755); err != nil { // root's server runs as another user
		return running{}, err
	}
	c, err := pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(base, "data"), Volatile: true})
	if err != nil {
		return running{}, err
	}
	admin, err := pg.Open(ctx, c.URL("postgres"), pg.Options{MaxConns: 4})
	if err != nil {
		return running{}, err
	}
	if _, err := admin.SQL().ExecContext(ctx, "create database "+template); err != nil {
		return running{}, err
	}
	db, err := pg.Open(ctx, c.URL(template), pg.Options{MaxConns: 2})
	if err != nil {
		return running{}, err
	}
	defer func() { _ = db.Close() }() // a template must have no connections
	if _, err := pg.Migrate(ctx, db, migrations.Files); err != nil {
		return running{}, err
	}
	return running{cluster: c, admin: admin}, nil
}

// sweep removes directories left by test programs that no longer run.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), "concord-pgtest-*")) // the pattern is well formed
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(strings.TrimPrefix(filepath.Base(dir), "concord-pgtest-"), "%d-", &pid); err != nil {
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); os.IsNotExist(err) {
			_ = os.RemoveAll(dir)
		}
	}
}
