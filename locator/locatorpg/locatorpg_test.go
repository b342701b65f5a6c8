package locatorpg

import (
	"context"
	"errors"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatortest"
)

// A fixture is locatortest's over PostgreSQL.
type fixture struct {
	locatortest.Fixture
	db    *pg.DB
	store *Store
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	return fixtureOn(t, pgtest.DB(t))
}

func fixtureOn(t testing.TB, db *pg.DB) fixture {
	t.Helper()
	store := New(db)
	return fixture{Fixture: locatortest.New(t, store), db: db, store: store}
}

func TestStore(t *testing.T) {
	locatortest.Run(t, func(t *testing.T) locator.Store { return New(pgtest.DB(t)) })
}

func TestRevisingAndDeleting(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	a := f.MustPublish(t, locatortest.Doc(7, "A", 1))[0]
	before, err := epoch.Read(ctx, f.db, []hie.SourcePatientID{7})
	if err != nil {
		t.Fatal(err)
	}
	newTitle := locatortest.Doc(7, "A", 1, func(p *locator.Pointer) { p.Title = "better" })
	p, err := f.Revise(ctx, locatortest.General, 7, a.ID, newTitle, 1)
	if err != nil || p.Version != 2 || p.Title != "better" {
		t.Fatalf("Revise = version %d, %v", p.Version, err)
	}
	if e, err := epoch.Read(ctx, f.db, []hie.SourcePatientID{7}); err != nil || e[7] != before[7] {
		t.Errorf("a new title moved the epoch")
	}
	restricted := locatortest.Doc(7, "A", 1, func(p *locator.Pointer) { p.Labels = []hie.Coding{{System: locator.SystemConfidentiality, Code: "R"}} })
	if p, err = f.Revise(ctx, locatortest.General, 7, a.ID, restricted, 0); err != nil || p.Kind.Confidentiality != "R" {
		t.Fatalf("Revise = %+v, %v", p.Kind, err)
	}
	if e, err := epoch.Read(ctx, f.db, []hie.SourcePatientID{7}); err != nil || e[7] != before[7]+1 {
		t.Errorf("a raised label must move the epoch by one: %d -> %d", before[7], e[7])
	}
	written := locatortest.Doc(7, "A", 1, func(p *locator.Pointer) {
		p.Labels, p.Authors = restricted.Pointer.Labels, []locator.Author{{Reference: "Practitioner/q"}}
	})
	if _, err = f.Revise(ctx, locatortest.General, 7, a.ID, written, 0); err != nil {
		t.Fatal(err)
	}
	if e, err := epoch.Read(ctx, f.db, []hie.SourcePatientID{7}); err != nil || e[7] != before[7]+2 {
		t.Errorf("another author, whom a refusal may name, must move the epoch: %d -> %d", before[7], e[7])
	}
	for _, tt := range []struct {
		name  string
		actor hie.Actor
		sub   locator.Submission
		match int64
		want  error
	}{
		{"a stale version is refused", locatortest.General, newTitle, 1, hie.ErrStale},
		{"a stranger finds nothing", locatortest.Clinic, newTitle, 0, hie.ErrNotFound},
		{"another patient", locatortest.General, locatortest.Doc(8, "A", 1), 0, nil},
		{"another identifier", locatortest.General, locatortest.Doc(7, "B", 1), 0, nil},
		{"another hash", locatortest.General, locatortest.Doc(7, "A", 1, func(p *locator.Pointer) { p.Hash = locatortest.SHA1("x") }), 0, nil},
		{"superseding by hand", locatortest.General, locatortest.Doc(7, "A", 1, func(p *locator.Pointer) { p.Status = locator.Superseded }), 0, nil},
	} {
		_, err := f.Revise(ctx, tt.actor, 7, a.ID, tt.sub, tt.match)
		var inv *hie.InvalidError
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, &inv) {
			t.Errorf("%s: Revise = %v", tt.name, err)
		}
	}
	if err := f.Delete(ctx, locatortest.Clinic, 7, a.ID, 0); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a stranger's delete = %v", err)
	}
	if err := f.Delete(ctx, locatortest.General, 7, a.ID, 2); !errors.Is(err, hie.ErrStale) {
		t.Errorf("a stale delete = %v", err)
	}
	if err := f.Delete(ctx, locatortest.General, 7, a.ID, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(ctx, 7, a.ID); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a deleted pointer is read: %v", err)
	}
	var history int
	if err := f.db.QueryRow(ctx, `select count(*) from locator.pointer_history where sp_id = 7`).Scan(&history); err != nil || history != 4 {
		t.Errorf("%d former versions kept, want 4 (three revisions, one deletion), %v", history, err)
	}
	if done := f.MustPublish(t, locatortest.Doc(7, "A", 1)); done[0].Existing || done[0].ID == a.ID {
		t.Errorf("after deletion the identifier is free again")
	}
	var events int
	if err := f.db.QueryRow(ctx, `select count(*) from audit.event`).Scan(&events); err != nil || events != 6 {
		t.Errorf("%d audit events, want 6 (2 publications, 3 revisions, 1 deletion), %v", events, err)
	}
}
