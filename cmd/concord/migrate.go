package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/migrations"
)

// migrateCmd groups what concerns the schema.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Bring the schema up to date."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations and which are applied."`
}

// migrateUpCmd applies what is missing. The old program runs on the new schema, so it may run while nodes serve.
type migrateUpCmd struct {
	DryRun bool `help:"List what would be applied and apply nothing."`
}

// Run applies the missing migrations, one transaction each.
func (m *migrateUpCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if m.DryRun {
		all, err := pg.Migrations(ctx, db, migrations.Files)
		if err != nil {
			return err
		}
		for _, step := range all {
			if !step.Applied {
				fmt.Fprintln(s.out, "would apply", step.Name)
			}
		}
		return nil
	}
	applied, err := pg.Migrate(ctx, db, migrations.Files)
	for _, step := range applied {
		fmt.Fprintln(s.out, "applied", step.Name)
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(s.err, "the schema is up to date")
	}
	return err
}

// migrateStatusCmd lists migrations.
type migrateStatusCmd struct {
	Output string `enum:"table,json" default:"table" help:"table or json."`
}

// Run prints one row a migration.
func (m *migrateStatusCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	all, err := pg.Migrations(ctx, db, migrations.Files)
	if err != nil {
		return err
	}
	if m.Output == "json" {
		type row struct {
			Version int64  `json:"version"`
			Name    string `json:"name"`
			Applied bool   `json:"applied"`
		}
		rows := make([]row, 0, len(all))
		for _, a := range all {
			rows = append(rows, row(a))
		}
		return json.NewEncoder(s.out).Encode(rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tNAME\tAPPLIED")
	for _, a := range all {
		fmt.Fprintf(w, "%d\t%s\t%t\n", a.Version, a.Name, a.Applied)
	}
	return w.Flush()
}
