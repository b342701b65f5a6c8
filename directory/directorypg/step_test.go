package directorypg

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func as(user string) hie.Actor {
	return hie.Actor{Organization: "network", User: user, Roles: []string{hie.RoleOperator}}
}

func passed() []directory.Check {
	var out []directory.Check
	for _, id := range directory.CheckIDs() {
		out = append(out, directory.Check{ID: id, Result: directory.Pass, Owner: "site", At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
			Findings: []directory.Finding{{Code: string(id) + ".seen", Result: directory.Pass, Values: map[string]string{"n": "10"}}}})
	}
	return out
}

// joined is a directory in which oak-street is joining.
func joined(t *testing.T, db *pg.DB, record AppendEvents) *Store {
	t.Helper()
	first, whole := sample(), sample()
	first.Organizations, first.Sites = first.Organizations[:2], first.Sites[:1]
	whole.Sites[1].Membership = ""
	apply(t, New(db, auditpg.Append, nil), first, false)
	apply(t, New(db, auditpg.Append, nil), whole, false)
	return New(db, record, nil)
}

func TestASiteGoesLiveByTwoPeopleAndIsSuspendedByOne(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	s := joined(t, db, auditpg.Append)
	is := func(want directory.Participation, version int64) {
		t.Helper()
		n := load(t, s)
		if site, _ := n.Site("oak-street"); site.Membership != want || n.Version() != version || n.Live("oak-street") != (want == directory.Live) {
			t.Errorf("%s at version %d, want %s at %d", site.Membership, n.Version(), want, version)
		}
	}
	is(directory.Joining, 2)
	before := events(t, db)
	take := func(user string, move directory.Move, dryRun bool) (directory.Step, error) {
		return s.Take(ctx, as(user), directory.Step{Site: "oak-street", Move: move, Note: "as agreed", Checks: passed()}, dryRun)
	}
	if _, err := take("anna", directory.MoveProposed, true); err != nil || events(t, db) != before {
		t.Errorf("a dry run: %v, %d events", err, events(t, db)-before)
	}
	proposed, err := take("anna", directory.MoveProposed, false)
	if err != nil {
		t.Fatal(err)
	}
	is(directory.Joining, 2)
	if _, err := take("anna", directory.MoveApproved, false); !errors.Is(err, hie.ErrForbidden) {
		t.Errorf("who proposed signs off: %v", err)
	}
	approved, err := take("ben", directory.MoveApproved, false)
	if err != nil {
		t.Fatal(err)
	}
	is(directory.Live, 3)
	suspended, err := take("anna", directory.MoveSuspended, false)
	if err != nil {
		t.Fatal(err)
	}
	is(directory.Suspended, 4)
	got, err := s.Steps(ctx, "oak-street")
	if d := cmp.Diff([]directory.Step{proposed, approved, suspended}, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Microsecond)); d != "" || err != nil {
		t.Errorf("%v; (-taken +read):\n%s", err, d)
	}
	if n := events(t, db) - before; n != 3 {
		t.Errorf("%d audit events for three steps", n)
	}
	// The picture of each version tells what held then, and a file changes none of it.
	for version, want := range map[int64]directory.Participation{2: directory.Joining, 3: directory.Live, 4: directory.Suspended} {
		var since time.Time
		if err := db.QueryRow(ctx, `select since from directory.picture where version = $1`, version).Scan(&since); err != nil {
			t.Fatal(err)
		}
		n, _, err := s.LoadAt(ctx, since)
		if site, _ := n.Site("oak-street"); err != nil || site.Membership != want {
			t.Errorf("picture %d: %s, %v; want %s", version, site.Membership, err, want)
		}
	}
	whole := sample()
	whole.Sites[1].Membership = ""
	if d := apply(t, s, whole, false); len(d) != 0 {
		t.Errorf("the file changes %s", d)
	}
	is(directory.Suspended, 4)
}

func TestAStepWithoutItsRecordIsNotTaken(t *testing.T) {
	broken := errors.New("no log")
	s := joined(t, pgtest.DB(t), func(context.Context, pg.Querier, ...audit.Event) error { return broken })
	_, err := s.Take(context.Background(), as("anna"), directory.Step{Site: "mercy-main", Move: directory.MoveSuspended, Note: "an incident"}, false)
	if site, _ := load(t, s).Site("mercy-main"); !errors.Is(err, broken) || site.Membership != directory.Live {
		t.Errorf("%v, %s", err, site.Membership)
	}
	if steps, err := s.Steps(context.Background(), "mercy-main"); err != nil || len(steps) != 0 {
		t.Errorf("%d steps, %v", len(steps), err)
	}
}

func TestOneOfManyWhoSignOffAtOnceDoes(t *testing.T) {
	ctx := context.Background()
	s := joined(t, pgtest.DB(t), auditpg.Append)
	if _, err := s.Take(ctx, as("anna"), directory.Step{Site: "oak-street", Move: directory.MoveProposed, Checks: passed()}, false); err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			_, err := s.Take(ctx, as("ben"), directory.Step{Site: "oak-street", Move: directory.MoveApproved, Checks: passed()}, false)
			if _, refused := errors.AsType[*hie.InvalidError](err); err != nil && !refused {
				t.Error(err)
			}
			if err == nil {
				done.Add(1)
			}
		})
	}
	all.Wait()
	if n := load(t, s); done.Load() != 1 || n.Version() != 3 {
		t.Errorf("%d signed off, version %d", done.Load(), n.Version())
	}
}

func TestNoStepIsTakenOfASiteThatDoesNotTakePart(t *testing.T) {
	s := joined(t, pgtest.DB(t), auditpg.Append)
	whole := sample()
	whole.Sites = whole.Sites[:1]
	apply(t, s, whole, false)
	for _, id := range []hie.SiteID{"oak-street", "never"} {
		if _, err := s.Take(context.Background(), as("anna"), directory.Step{Site: id, Move: directory.MoveProposed, Checks: passed()}, false); !errors.Is(err, hie.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestSitesFromBeforeAreLive has the program of before write and read the schema of now.
func TestSitesFromBeforeAreLive(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	for _, q := range []string{`insert into directory.organization (org_id, name, identifier, kind, jurisdiction, active) values ('oak', 'Oak', 'urn:oak', '', '', true)`,
		`insert into directory.site (site_id, org_id, name, zone, jurisdiction, regimes, labelled, privileged_roles, publishes, active)
			values ('old', 'oak', 'Old', 'UTC', '', '{}', false, '{}', true, true)`,
		`insert into directory.site_authority (system, site_id, rank) values ('urn:old', 'old', 0)`,
		`insert into directory.picture (version, since, content) values (0, '2026-01-01T00:00:00Z', convert_to('{"organizations":[{"id":"oak","name":"Oak","identifier":"urn:oak"}],
			"sites":[{"id":"old","org":"oak","name":"Old","authorities":["urn:old"],"zone":"UTC","labelled":false,"publishes":true}]}', 'UTF8'))`} {
		if _, err := db.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	s := New(db, auditpg.Append, nil)
	if !load(t, s).Live("old") {
		t.Error("a site the old program wrote is not live")
	}
	then, kept, err := s.LoadAt(ctx, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	if err != nil || !kept || !then.Live("old") {
		t.Errorf("a picture the old program kept: %v, kept %t", err, kept)
	}
}
