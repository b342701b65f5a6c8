package directory

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestAMembershipHoldsForItsTimeAndForWhoIsKnown(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	doctor := func(from, until time.Time) CareTeam {
		return CareTeam{Members: []CareTeamMember{{Practitioner: "x", From: from, Until: until}}}
	}
	house := CareTeam{Members: []CareTeamMember{{Organization: "mercy"}}}
	for _, tt := range []struct {
		name         string
		team         CareTeam
		practitioner string
		orgs         []hie.OrgID
		want         Membership
		turn         time.Time
	}{
		{"a member today belongs", doctor(day(-30), time.Time{}), "x", nil, Member, time.Time{}},
		{"who left yesterday does not", doctor(day(-30), day(-1)), "x", nil, NotMember, time.Time{}},
		{"who comes tomorrow does not yet", doctor(day(1), time.Time{}), "x", nil, NotMember, day(1)},
		{"who leaves at this instant has left", doctor(day(-30), now), "x", nil, NotMember, time.Time{}},
		{"who leaves tomorrow belongs until then", doctor(day(-30), day(1)), "x", nil, Member, day(1)},
		{"another does not", doctor(day(-30), time.Time{}), "y", nil, NotMember, time.Time{}},
		{"somebody not known as a practitioner may be any of them", doctor(day(-30), time.Time{}), "", nil, MembershipUnknown, time.Time{}},
		{"nobody is unknown to a team whose practitioners have all left", doctor(day(-30), day(-1)), "", nil, NotMember, time.Time{}},
		{"an organisation belongs, with whoever asks for it", house, "", []hie.OrgID{"mercy"}, Member, time.Time{}},
		{"a unit of it belongs", house, "y", []hie.OrgID{"heart", "mercy"}, Member, time.Time{}},
		{"what it is a unit of does not", CareTeam{Members: []CareTeamMember{{Organization: "heart"}}}, "y", []hie.OrgID{"mercy"}, NotMember, time.Time{}},
		{"a team of nobody has no members", CareTeam{}, "", []hie.OrgID{"mercy"}, NotMember, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.team.Membership(tt.practitioner, tt.orgs, now); got != tt.want {
				t.Errorf("membership %d, want %d", got, tt.want)
			}
			if got := tt.team.Turn(now); !got.Equal(tt.turn) {
				t.Errorf("turns at %v, want %v", got, tt.turn)
			}
		})
	}
}

func TestAnEndedMembershipStaysInTheTeamAndOneNotBegunNeverBegins(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	team := CareTeam{Members: []CareTeamMember{{Practitioner: "x"}, {Organization: "mercy"}, {Practitioner: "x", From: now.AddDate(0, 1, 0)}}}
	ended, err := team.Ended("Practitioner/x", now)
	if err != nil || len(ended.Members) != 2 || !ended.Members[0].Until.Equal(now) || !ended.Members[1].Until.IsZero() {
		t.Errorf("%+v, %v", ended.Members, err)
	}
	if !team.Members[0].Until.IsZero() {
		t.Error("the version before was changed")
	}
	if _, err := ended.Ended("Practitioner/x", now.AddDate(0, 0, 1)); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("ended twice: %v", err)
	}
}

func TestATeamThatDoesNotFitIsRefusedByThePartThatDoesNot(t *testing.T) {
	n, err := NewNetwork(1, []Organization{{ID: "mercy", Name: "Mercy", Identifier: "urn:m", Active: true}, {ID: "gone", Name: "Gone", Identifier: "urn:g"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		path string
		edit func(*CareTeam)
	}{
		{"", func(*CareTeam) {}},
		{"id", func(t *CareTeam) { t.ID = "a/b" }},
		{"name", func(t *CareTeam) { t.Name = "" }},
		{"organization", func(t *CareTeam) { t.Organization = "nobody" }},
		{"organization", func(t *CareTeam) { t.Organization = "gone" }},
		{"members", func(t *CareTeam) { t.Members = make([]CareTeamMember, maxMembers+1) }},
		{"members[0].member", func(t *CareTeam) { t.Members[0] = CareTeamMember{} }},
		{"members[0].member", func(t *CareTeam) { t.Members[0].Organization = "mercy" }},
		{"members[0].member", func(t *CareTeam) { t.Members[0] = CareTeamMember{Organization: "nobody"} }},
		{"members[0].member", func(t *CareTeam) { t.Members[0].Practitioner = "a b" }},
		{"members[0].until", func(t *CareTeam) { t.Members[0].From, t.Members[0].Until = at, at }},
	} {
		team := CareTeam{ID: "rehab", Organization: "mercy", Name: "Rehabilitation", Members: []CareTeamMember{{Practitioner: "x"}}}
		tt.edit(&team)
		got := ""
		if wrong, is := errors.AsType[*hie.InvalidError](team.Check(n)); is {
			got = wrong.Path
		}
		if got != tt.path {
			t.Errorf("refused for %q, want %q", got, tt.path)
		}
	}
}
