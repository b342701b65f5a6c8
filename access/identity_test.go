package access

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestEachAccountHasOneDutyOrNone(t *testing.T) {
	oak := Organization{ID: "oak", Active: true}
	for _, tt := range []struct {
		name   string
		id     Identity
		org    Organization
		record hie.SourcePatientID
		duty   Duty
		reason string
	}{
		{"a physician", Identity{Subject: "u", Roles: []string{"physician"}}, oak, 0, DutyClinician, ""},
		{"a nurse of the emergency department", Identity{Subject: "u", Roles: []string{"nurse", "ed"}}, oak, 0, DutyClinician, ""},
		{"a patient", Identity{Subject: "u", Roles: []string{hie.RolePatient}}, oak, 7, DutyPatient, ""},
		{"somebody whom patients name", Identity{Subject: "u", Roles: []string{hie.RoleHelper}}, oak, 0, DutyHelper, ""},
		{"a helper who brings a patient's identifier", Identity{Subject: "u", Roles: []string{hie.RoleHelper}}, oak, 7, "", "patient role without a patient, or a patient without the role"},
		{"a role that is none of ours beside one that is", Identity{Subject: "u", Roles: []string{hie.RoleSteward, "gardener"}}, oak, 0, DutySteward, ""},
		{"a steward who is a privacy officer too", Identity{Subject: "u", Roles: []string{hie.RoleSteward, hie.RolePrivacyOfficer}}, oak, 0, "", "roles of two duties"},
		{"a physician who is a patient too", Identity{Subject: "u", Roles: []string{"physician", hie.RolePatient}}, oak, 7, "", "roles of two duties"},
		{"a role of somebody else's system", Identity{Subject: "u", Roles: []string{"urn:x:y#physician"}}, oak, 0, "", "no role of ours"},
		{"nobody", Identity{Roles: []string{"physician"}}, oak, 0, "", "subject not plain text"},
		{"a name with a line break", Identity{Subject: "u", Name: "a\nb", Roles: []string{"physician"}}, oak, 0, "", "subject not plain text"},
		{"an organisation that has left", Identity{Subject: "u", Roles: []string{"physician"}}, Organization{ID: "oak"}, 0, "", "organization not active"},
		{"a patient without a record", Identity{Subject: "u", Roles: []string{hie.RolePatient}}, oak, 0, "", "patient role without a patient, or a patient without the role"},
		{"a record without the role", Identity{Subject: "u", Roles: []string{"physician"}}, oak, 7, "", "patient role without a patient, or a patient without the role"},
	} {
		a, duty, reason := Admit(tt.id, tt.org, tt.record)
		if duty != tt.duty || reason != tt.reason || (reason != "" && len(a.Scopes) > 0) {
			t.Errorf("%s: %q, %q; want %q, %q", tt.name, duty, reason, tt.duty, tt.reason)
		}
		if slices.Contains(a.Roles, "gardener") {
			t.Errorf("%s: a role that is none of ours was passed on", tt.name)
		}
	}
}

func TestDutiesAreKeptApart(t *testing.T) {
	scopes := func(role string, record hie.SourcePatientID) []string {
		a, _, reason := Admit(Identity{Subject: "u", Roles: []string{role}}, Organization{ID: "o", Active: true}, record)
		if reason != "" {
			t.Fatal(reason)
		}
		return a.Scopes
	}
	for role, never := range map[string][]string{
		hie.RoleSteward:        {"system/DocumentReference.rs", "system/Binary.r", "system/AuditEvent.rs", "system/Consent.cruds"},
		hie.RolePrivacyOfficer: {"system/DocumentReference.rs", "concord/match.write"},
		hie.RoleOperator:       {"system/Patient.rs", "system/DocumentReference.rs", "system/AuditEvent.rs"},
		hie.RoleAuditor:        {"system/Consent.cruds", "concord/match.write", "concord/review.write"},
	} {
		for _, s := range never {
			if slices.Contains(scopes(role, 0), s) {
				t.Errorf("%s has %s", role, s)
			}
		}
	}
}

func TestASessionEndsIdleAndInAnyCaseAndAProofSooner(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := Session{Duty: DutySteward, Started: at, Seen: at, Proved: at}
	for _, tt := range []struct {
		name           string
		s              Session
		after          time.Duration
		live, stepedUp bool
	}{
		{"just begun", s, 0, true, true},
		{"four minutes on", s, 4 * time.Minute, true, true},
		{"at the end of the proof", s, StepUpLife, true, false},
		{"idle for a quarter of an hour", s, SessionIdle, false, false},
		{"used all day", Session{Duty: DutySteward, Started: at, Seen: at.Add(SessionLife - time.Minute)}, SessionLife, false, false},
		{"before it began", s, -time.Second, false, false},
		{"nobody's", Session{Started: at, Seen: at}, 0, false, false},
	} {
		if now := at.Add(tt.after); tt.s.Live(now) != tt.live || tt.s.SteppedUp(now) != tt.stepedUp {
			t.Errorf("%s: live %v, stepped up %v", tt.name, tt.s.Live(now), tt.s.SteppedUp(now))
		}
	}
	if got := (Session{Started: at, Seen: at.Add(SessionLife - time.Minute)}).Ends(); !got.Equal(at.Add(SessionLife)) {
		t.Errorf("a session used to the last ends at %v", got)
	}
}
