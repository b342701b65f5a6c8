package directorypg

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/google/go-cmp/cmp"
)

func TestACareTeamIsKeptVersionByVersionAndReadAsOfAnyOfThem(t *testing.T) {
	ctx, db := context.Background(), pgtest.DB(t)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := New(db, auditpg.Append, func() time.Time { return now })
	apply(t, s, sample(), false)
	team := directory.CareTeam{ID: "rehab", Organization: "mercy", Name: "Rehabilitation",
		Members: []directory.CareTeamMember{{Practitioner: "x", From: now}, {Organization: "heart", Until: now.AddDate(1, 0, 0)}}}
	before := events(t, db)
	first, err := s.RecordCareTeam(ctx, operator, team)
	if err != nil || first.Version != 1 {
		t.Fatalf("version %d, %v", first.Version, err)
	}
	if _, err := s.RecordCareTeam(ctx, operator, team); !errors.Is(err, hie.ErrStale) {
		t.Errorf("a team that is there was made a second time: %v", err)
	}
	now = now.Add(24 * time.Hour)
	second, err := first.Ended("Practitioner/x", now)
	if err == nil {
		second, err = s.RecordCareTeam(ctx, operator, second)
	}
	if err != nil || second.Version != 2 {
		t.Fatalf("version %d, %v", second.Version, err)
	}
	if _, err := s.RecordCareTeam(ctx, operator, first); !errors.Is(err, hie.ErrStale) {
		t.Errorf("another officer's change was overwritten: %v", err)
	}
	missing := first
	missing.ID = "nobody"
	if _, err := s.RecordCareTeam(ctx, operator, missing); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a team that never was has a second version: %v", err)
	}
	if n := events(t, db) - before; n != 2 {
		t.Errorf("%d events, want one for each change", n)
	}
	for _, tt := range []struct {
		name string
		at   time.Time
		want map[string]directory.CareTeam
	}{
		{"before it was made there was none", now.Add(-25 * time.Hour), map[string]directory.CareTeam{}},
		{"on the first day it was as it was made", now.Add(-time.Hour), map[string]directory.CareTeam{"rehab": first}},
		{"now it is as it was changed", now, map[string]directory.CareTeam{"rehab": second}},
	} {
		got, err := s.CareTeamsAt(ctx, []string{"rehab", "nobody"}, tt.at)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
	another := directory.CareTeam{ID: "wound", Organization: "oak", Name: "Wound care", Members: []directory.CareTeamMember{}}
	if another, err = s.RecordCareTeam(ctx, operator, another); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		orgs  []hie.OrgID
		after string
		limit int
		want  []directory.CareTeam
		more  bool
	}{
		{"all", nil, "", 10, []directory.CareTeam{second, another}, false},
		{"a page of them", nil, "", 1, []directory.CareTeam{second}, true},
		{"the next page", nil, "rehab", 1, []directory.CareTeam{another}, false},
		{"those of one organisation", []hie.OrgID{"oak"}, "", 10, []directory.CareTeam{another}, false},
		{"those of none", []hie.OrgID{}, "", 10, nil, false},
	} {
		got, more, err := s.ListCareTeams(ctx, tt.orgs, tt.after, tt.limit)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" || more != tt.more {
			t.Errorf("%s: more %t, %v\n%s", tt.name, more, err, diff)
		}
	}
}
