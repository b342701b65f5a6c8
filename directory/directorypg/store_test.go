package directorypg

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
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

var operator = hie.Actor{Organization: "network", User: "op", Roles: []string{hie.RoleOperator}}

func sample() directory.File {
	return directory.File{
		Organizations: []directory.Organization{
			{ID: "heart", Name: "Mercy Heart", Parent: "mercy", Identifier: "urn:org:heart", Kind: "practice", Active: true}, // before its parent
			{ID: "mercy", Name: "Mercy Health", Identifier: "urn:org:mercy", Kind: "hospital", Jurisdiction: "US-MD", Active: true},
			{ID: "oak", Name: "Oak Street Practice", Identifier: "urn:org:oak", Active: true},
		},
		Sites: []directory.Site{
			{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:oid:1.2", "urn:oid:1.1"}, Phone: "410-555-0101", Zone: "America/New_York",
				Regimes: []string{"part2"}, Labelled: true, PrivilegedRoles: []string{"ed", "physician"}, Publishes: true, Active: true, Membership: directory.Live,
				Endpoints: []directory.Endpoint{
					{ID: "z-first", Protocol: "fhir-r4", Address: "https://a.example/fhir", Permits: 4, Capability: map[string]string{"search": "patient.identifier"}},
					{ID: "a-second", Protocol: "fhir-r4", Address: "https://b.example/fhir"}}},
			{ID: "oak-street", Org: "oak", Name: "Oak Street", Authorities: []string{"urn:oid:2.1"}, Zone: "America/Chicago", Active: true, Membership: directory.Live},
		},
		Defaults: []directory.Default{{Network: true, PurposeClass: "TREAT", Category: "*", Rule: "permit"},
			{Site: "mercy-main", PurposeClass: "*", Category: "*", Rule: "deny"}},
	}
}

func apply(t *testing.T, s *Store, f directory.File, dryRun bool) directory.Diff {
	t.Helper()
	d, err := s.Apply(context.Background(), operator, f, dryRun)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func load(t *testing.T, s *Store) *directory.Network {
	t.Helper()
	n, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func events(t *testing.T, db *pg.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(context.Background(), `select count(*) from audit.event`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnAppliedFileIsReadBackAsItWas(t *testing.T) {
	db := pgtest.DB(t)
	s := New(db, auditpg.Append, nil)
	if n := load(t, s); n.Version() != 0 || len(n.Organizations()) != 0 {
		t.Fatalf("a new directory has version %d and %d organizations", n.Version(), len(n.Organizations()))
	}
	if d := apply(t, s, sample(), true); d.Count("add") != 9 || load(t, s).Version() != 0 || events(t, db) != 0 {
		t.Errorf("a dry run shows %d additions, wants 9, and must leave nothing behind", d.Count("add"))
	}
	apply(t, s, sample(), false)
	got := load(t, s)
	if d := cmp.Diff(sample(), got.File(), cmpopts.EquateEmpty()); d != "" || got.Version() != 1 {
		t.Errorf("version %d, want 1; (-applied +loaded):\n%s", got.Version(), d)
	}
	if n := events(t, db); n != 1 {
		t.Errorf("%d audit events for one applied file, want 1", n)
	}
	if d := apply(t, s, sample(), false); len(d) != 0 || load(t, s).Version() != 1 || events(t, db) != 1 {
		t.Errorf("the same file again must change nothing; it changed %d", len(d))
	}
}

func TestWhatAFileNoLongerNamesIsMadeInactive(t *testing.T) {
	s := New(pgtest.DB(t), auditpg.Append, nil)
	apply(t, s, sample(), false)
	f := sample()
	f.Organizations, f.Sites, f.Defaults = f.Organizations[:2], f.Sites[:1], f.Defaults[:1]
	f.Sites[0].Endpoints = f.Sites[0].Endpoints[1:]
	if d := apply(t, s, f, false); d.Count("remove") != 4 || d.Count("change") != 1 { // oak, oak-street, an endpoint, a default; a rank
		t.Errorf("got\n%s", d)
	}
	n := load(t, s)
	site, known := n.SiteOf("urn:oid:2.1")
	org, _ := n.Organization("oak")
	if !known || site.Active || org.Active {
		t.Errorf("a removed site is known %v, active %v; its organization active %v; want true, false, false", known, site.Active, org.Active)
	}
	if len(n.Defaults()) != 1 {
		t.Errorf("%d defaults, want 1", len(n.Defaults()))
	}
	if d := apply(t, s, sample(), false); d.Count("add") != 4 {
		t.Errorf("what comes back is added; got\n%s", d)
	}
	if site, _ := load(t, s).Site("oak-street"); !site.Active {
		t.Error("a site that came back is inactive")
	}
}

func TestAChangeWithoutItsRecordDoesNotHappen(t *testing.T) {
	db := pgtest.DB(t)
	broken := errors.New("no log")
	s := New(db, func(context.Context, pg.Querier, ...audit.Event) error { return broken }, nil)
	if _, err := s.Apply(context.Background(), operator, sample(), false); !errors.Is(err, broken) {
		t.Fatalf("err = %v, want the log's", err)
	}
	if n := load(t, s); n.Version() != 0 || len(n.Sites()) != 0 {
		t.Errorf("version %d with %d sites after a change that could not be recorded", n.Version(), len(n.Sites()))
	}
}

func TestABadFileChangesNothingAndSaysWhere(t *testing.T) {
	s := New(pgtest.DB(t), auditpg.Append, nil)
	apply(t, s, sample(), false)
	swap := sample()
	swap.Organizations[1].Identifier, swap.Organizations[2].Identifier = swap.Organizations[2].Identifier, swap.Organizations[1].Identifier
	taken := sample()
	taken.Sites = taken.Sites[:1]
	taken.Sites[0].Authorities = []string{"urn:oid:2.1"}
	zone := sample()
	zone.Sites[1].Zone = "Oak"
	for _, tt := range []struct {
		name, path string
		f          directory.File
	}{
		{"an unknown time zone", "sites[1].zone", zone},
		{"a system of the site it removes", "sites[0].authorities", taken},
		{"two organizations trading identifiers", "organizations", swap},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Apply(context.Background(), operator, tt.f, false)
			if inv, ok := errors.AsType[*hie.InvalidError](err); !ok || inv.Path != tt.path {
				t.Errorf("err = %v, want an InvalidError at %s", err, tt.path)
			}
			if v := load(t, s).Version(); v != 1 {
				t.Errorf("version %d, want 1", v)
			}
		})
	}
}

func TestFilesAppliedAtOnceFollowOneAnother(t *testing.T) {
	db := pgtest.DB(t)
	s := New(db, auditpg.Append, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			f := sample()
			f.Organizations[2].Name = strings.Repeat("x", i+1)
			if _, err := s.Apply(context.Background(), operator, f, false); err != nil {
				t.Errorf("apply: %v", err)
			}
		})
	}
	wg.Wait()
	if n := load(t, s); n.Version() != 8 || len(n.Sites()) != 2 || events(t, db) != 8 {
		t.Errorf("version %d, %d sites, %d events; want 8, 2, 8", n.Version(), len(n.Sites()), events(t, db))
	}
}

func TestEveryNodeSeesANewPictureSoon(t *testing.T) {
	db := pgtest.DB(t)
	s := New(db, auditpg.Append, nil)
	ctx, cancel := context.WithCancel(context.Background())
	networks, err := s.Networks(ctx, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); networks.Watch(ctx) }()
	apply(t, New(db, auditpg.Append, nil), sample(), false) // another node
	deadline := time.Now().Add(5 * time.Second)
	for networks.Network().Version() != 1 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if _, ok := networks.Network().SiteOf("urn:oid:2.1"); !ok {
		t.Error("the new picture never came")
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("Watch goes on after its context ended")
	}
}

func TestEveryPictureThatWasCanBeReadAgain(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := New(db, auditpg.Append, func() time.Time { return now })
	first := directory.File{Organizations: []directory.Organization{{ID: "a", Name: "A", Identifier: "urn:a", Kind: "hospital", Active: true}}}
	if _, err := s.Apply(ctx, hie.Actor{}, first, false); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(0, 1, 0)
	second := directory.File{Organizations: []directory.Organization{{ID: "a", Name: "A", Identifier: "urn:a", Kind: "practice", Active: true}}}
	if _, err := s.Apply(ctx, hie.Actor{}, second, false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   time.Time
		kind string
		kept bool
	}{{now, "practice", true}, {now.Add(-time.Microsecond), "hospital", true}, {now.AddDate(0, -1, 0), "hospital", true}} {
		n, kept, err := s.LoadAt(ctx, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if o, _ := n.Organization("a"); o.Kind != tt.kind || kept != tt.kept {
			t.Errorf("at %v: %q, kept %t", tt.at, o.Kind, kept)
		}
	}
}
