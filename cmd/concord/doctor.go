package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgcluster"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/migrations"
)

// doctorCmd looks at everything a node needs and says what is wrong, one line each.
type doctorCmd struct {
	nodeConfig
}

// Help implements kong.HelpProvider.
func (doctorCmd) Help() string {
	return "Checks settings, key files, database, schema, Redis and clock; changes nothing. Exit status 1 when anything is wrong.\n\n" +
		"Example: CONCORD_DATABASE_URL=… CONCORD_REDIS_URL=… concord doctor"
}

// A finding is one thing looked at.
type finding struct {
	what string
	err  error
	note string
}

// Run prints the findings.
func (d *doctorCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	findings := []finding{{what: "settings", err: d.check(g), note: "complete and safe"}}
	findings = append(findings, examineDatabase(ctx, g)...)
	findings = append(findings, examineRedis(ctx, d.RedisURL), examineBinaries())
	bad := 0
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		state, text := "ok", f.note
		if f.err != nil {
			state, text = "WRONG", f.err.Error()
			bad++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", state, f.what, text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if bad > 0 {
		return &exitError{status: 1, text: fmt.Sprintf("%d of %d checks failed", bad, len(findings))}
	}
	return nil
}

func examineDatabase(ctx context.Context, g *Globals) []finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	db, err := g.open(ctx)
	if err != nil {
		return []finding{{what: "database", err: err}}
	}
	defer func() { _ = db.Close() }()
	var release string
	var theirs time.Time
	if err := db.QueryRow(ctx, `select current_setting('server_version'), clock_timestamp()`).Scan(&release, &theirs); err != nil {
		return []finding{{what: "database", err: err}}
	}
	out := []finding{{what: "database", note: "PostgreSQL " + release}}
	clock := finding{what: "clock", note: "within a second of the database's"}
	if off := time.Since(theirs).Abs(); off > time.Second {
		clock.err = fmt.Errorf("is %s off the database's: tokens and consents depend on it", off.Round(time.Second))
	}
	schema := finding{what: "schema", note: "up to date"}
	all, err := pg.Migrations(ctx, db, migrations.Files)
	missing := 0
	for _, m := range all {
		if !m.Applied {
			missing++
		}
	}
	switch {
	case err != nil:
		schema.err = err
	case missing > 0:
		schema.err = fmt.Errorf("%d migrations are not applied: concord migrate up", missing)
	}
	return append(out, clock, schema)
}

func examineRedis(ctx context.Context, raw string) finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client, err := rds.Open(raw)
	if err != nil {
		return finding{what: "redis", err: fmt.Errorf("CONCORD_REDIS_URL is missing or not a Redis URL: tokens cannot be issued without Redis")}
	}
	defer func() { _ = client.Close() }()
	if client.Ping(ctx) != nil {
		return finding{what: "redis", err: fmt.Errorf("does not answer: tokens cannot be issued without it")}
	}
	return finding{what: "redis", note: "answers"}
}

func examineBinaries() finding {
	dir, err := pgcluster.FindBin()
	if err != nil {
		return finding{what: "demo", note: "no PostgreSQL binaries on this machine: concord demo needs them, concord serve does not"}
	}
	return finding{what: "demo", note: "PostgreSQL binaries in " + dir}
}
