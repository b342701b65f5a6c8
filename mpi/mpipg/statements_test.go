package mpipg

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpitest"
)

// counter counts statements on the index's own tables.
type counter struct {
	mu    sync.Mutex
	texts []string
}

func (c *counter) saw(q string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.Contains(q, "mpi.") {
		c.texts = append(c.texts, q)
	}
}

func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.texts
	c.texts = nil
	return out
}

// A hot path asks a fixed number of statements, however many records a person or an index has.
//
// Source: spec scale-out section 9, 6: state statements touched, which a test can count.
func TestHotPathsAskFewStatements(t *testing.T) {
	ctx := context.Background()
	var c counter
	db, err := pg.Open(ctx, pgtest.URL(t), pg.Options{OnQuery: c.saw})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	w := mpitest.NewWorld(t, New(db, auditpg.Append))
	var first mpi.Registered
	for _, test := range []struct {
		name string
		run  func() error
		most int
	}{
		// claim, candidate rows, counts, key claims, candidates, patient with terms, and person with member, event and notice
		{"a first registration", func() error { first = w.Register("a", "1", mpitest.Maria()); return nil }, 7},
		// the same, with homes, lock, members, edges and verdicts of the neighbourhood; what joins is written with an edge and a version
		{"a registration that is linked", func() error { w.Register("b", "1", mpitest.Maria()); return nil }, 12},
		{"a repeated registration", func() error { w.Register("a", "1", mpitest.Maria()); return nil }, 2},
		// owner, home, person with members
		{"resolving an identifier", func() error { _, err := w.Resolve(ctx, mpitest.Local("a", "1")); return err }, 3},
		{"where a record belongs", func() error { _, err := w.Home(ctx, first.Record); return err }, 1},
		// counts with candidates, homes with patients, persons with members
		{"a match", func() error { _, err := w.Match(ctx, mpitest.Actor, mpitest.Maria(), mpi.MatchOptions{}); return err }, 3},
		{"versions of three persons", func() error { _, err := w.Versions(ctx, []hie.PersonID{1, 2, 3}); return err }, 1},
	} {
		c.take()
		if err := test.run(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := c.take(); len(got) > test.most {
			t.Errorf("%s ran %d statements, want at most %d:\n%s", test.name, len(got), test.most, strings.Join(got, "\n"))
		}
	}
}
