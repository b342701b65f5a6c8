package mpipg

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
)

// What is held back is there for whoever reads in the transaction, and is one statement however many tables it is for.
func TestHeldBackWritesAreReadAndAreOneStatement(t *testing.T) {
	ctx := context.Background()
	var c counter
	db, err := pg.Open(ctx, pgtest.URL(t), pg.Options{OnQuery: c.saw})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const (
		person = `insert into mpi.person (person_id, version, redirect) values ($1, $2, 0) on conflict (person_id) do update set version = person.version + excluded.version`
		edge   = `insert into mpi.match_edge (sp_id, other_id, bits) values ($1, $2, $3), ($2, $1, $3)`
	)
	type step struct {
		table, text string
		args        []any
	}
	one := func(id, by int64) step { return step{"person", person, []any{id, by}} }
	two := step{"match_edge", edge, []any{int64(11), int64(12), 2.5}}
	for _, test := range []struct {
		name  string
		steps []step
		want  string // versions of the persons and bits of the edges
		most  int    // statements, the read among them
	}{
		{"two tables are one statement", []step{one(1, 1), two}, "1:1 | 2.5 2.5", 2},
		{"a table twice is two, in order", []step{one(1, 1), two, one(1, 4)}, "1:5 | 2.5 2.5", 3},
		{"one alone is as it was", []step{one(7, 3)}, "7:3 | ", 2},
		{"nothing held is nothing written", nil, " | ", 1},
	} {
		rollback := fmt.Errorf("rolled back")
		err := pg.InTx(ctx, db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
			held := &sheaf{tx: tx}
			c.take()
			for _, s := range test.steps {
				if err := held.add(ctx, s.table, s.text, s.args); err != nil {
					return err
				}
			}
			var persons, edges string
			if err := held.QueryRow(ctx, `select coalesce((select string_agg(person_id || ':' || version, ' ' order by person_id) from mpi.person), ''),
				coalesce((select string_agg(bits::text, ' ') from mpi.match_edge), '')`).Scan(&persons, &edges); err != nil {
				return err
			}
			if got := persons + " | " + edges; got != test.want {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
			if texts := c.take(); len(texts) != test.most {
				t.Errorf("%s: %d statements, want %d:\n%s", test.name, len(texts), test.most, strings.Join(texts, "\n"))
			}
			return rollback
		})
		if err != rollback { //nolint:errorlint // the very same
			t.Fatalf("%s: %v", test.name, err)
		}
	}
}

// What fails on being written fails whatever comes next, whichever that is.
func TestAHeldBackWriteThatFailsIsNotLost(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	for name, next := range map[string]func(*sheaf) error{
		"a read": func(s *sheaf) error {
			var n int
			return s.QueryRow(ctx, `select 1 from mpi.person where person_id = $1`, 1).Scan(&n)
		},
		"a list": func(s *sheaf) error {
			_, err := s.Query(ctx, `select 1 from mpi.person where person_id = $1`, 1)
			return err
		},
		"a write": func(s *sheaf) error {
			_, err := s.Exec(ctx, `delete from mpi.person where person_id = $1`, 1)
			return err
		},
		"the end": func(s *sheaf) error { return s.write(ctx) },
		"the same": func(s *sheaf) error {
			return s.add(ctx, "person", `insert into mpi.person (person_id) values ($1)`, []any{1})
		},
	} {
		var got error
		_ = pg.InTx(ctx, db, sql.LevelReadCommitted, func(tx *pg.Tx) error {
			s := &sheaf{tx: tx}
			if err := s.add(ctx, "person", `insert into mpi.person (person_id, version, redirect) values ($1, null, 0)`, []any{int64(1)}); err != nil {
				return err
			}
			got = next(s)
			return got
		})
		if got == nil || !strings.Contains(got.Error(), "23502") {
			t.Errorf("%s: %v, want the failed insert", name, got)
		}
	}
}
