package pg

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// A Migration is one numbered schema change and whether it has been applied.
type Migration struct {
	Version int64
	Name    string
	Applied bool
}

// Migrate applies every migration in files that the database lacks, in order, each in its own transaction,
// and returns those it applied. Several programs may call it at once: one works, the others wait.
func Migrate(ctx context.Context, db *DB, files fs.FS) ([]Migration, error) {
	p, err := provider(db, files)
	if err != nil {
		return nil, err
	}
	results, err := p.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("pg: migrate: %w", err) // a migration's error quotes only our own SQL
	}
	out := make([]Migration, 0, len(results))
	for _, r := range results {
		out = append(out, Migration{Version: r.Source.Version, Name: r.Source.Path, Applied: true})
	}
	return out, nil
}

// Migrations lists all migrations in files with their state in db, in order.
func Migrations(ctx context.Context, db *DB, files fs.FS) ([]Migration, error) {
	p, err := provider(db, files)
	if err != nil {
		return nil, err
	}
	states, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("pg: migrations: %w", clean(ctx, err))
	}
	out := make([]Migration, 0, len(states))
	for _, s := range states {
		out = append(out, Migration{Version: s.Source.Version, Name: s.Source.Path, Applied: s.State == goose.StateApplied})
	}
	return out, nil
}

func provider(db *DB, files fs.FS) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return nil, fmt.Errorf("pg: migrate: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db.db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("pg: migrate: %w", err)
	}
	return p, nil
}
