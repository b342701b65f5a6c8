package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
)

// dated are network policies that hold between the days at which the law changed.
var dated = []string{
	`{"id":"early","title":"Until the 2024 rule","kind":"network","until":"2024-04-16T04:00:00Z","rules":[{"id":"no-labs","effect":"FORBID","source":"board, 2024","scope":{"classes":["lab"]}}],` +
		`"tests":[{"name":"labs","now":"2024-04-01T00:00:00Z","document":{"class":"lab"},"want":{"reason":"NETWORK_FORBID"}}]}`,
	`{"id":"attested","title":"While an attestation was asked for","kind":"network","from":"2024-04-16T04:00:00Z","until":"2025-06-18T04:00:00Z","rules":[{"id":"attestation","effect":"REQUIRE","kind":"attestation",` +
		`"source":"board, 2024","scope":{"classes":["lab"]}}],"tests":[{"name":"labs","now":"2025-01-01T00:00:00Z","document":{"class":"lab"},"want":{"reason":"NETWORK_REQUIRE"}}]}`,
	`{"id":"late","title":"From the compliance date on","kind":"network","from":"2026-02-16T05:00:00Z","rules":[{"id":"agreement","effect":"REQUIRE","kind":"agreement","source":"board, 2026",` +
		`"scope":{"classes":["lab"]}}],"tests":[{"name":"labs","now":"2026-03-01T00:00:00Z","document":{"class":"lab"},"want":{"reason":"NETWORK_REQUIRE"}}]}`,
}

// TestTheSameQuestionOnEveryDayOfTheLaw is scenario 5: one question about one document, asked of a node as of days around
// those on which the law changed. Each answer follows the policies, the versions of the consents and the links of its own day,
// and cites them. What had happened until now was written with clocks set back.
func TestTheSameQuestionOnEveryDayOfTheLaw(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	clock := time.Date(2024, 1, 10, 9, 0, 0, 0, time.UTC)
	now := func() time.Time {
		clock = clock.Add(time.Microsecond)
		return clock
	}
	on := func(day string) time.Time {
		t.Helper()
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		return at.Add(12 * time.Hour)
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := demoDirectory(w.region.Sites, w.bases)
	file.Organizations[0].Name = "Bay Health Exchange, as of 2024"
	_, err := directorypg.New(w.db, auditpg.Append, now).Apply(w.ctx, operatorActor, file, false)
	ok(err)
	index := mpi.New(mpipg.New(w.db, auditpg.Append), hie.NewIDs(nil), auditpg.New(w.db), mpi.Options{Now: now})
	consents := consentpg.New(w.db, hie.NewIDs(nil), auditpg.Append, now)
	policies, err := consentpg.NewPolicies(w.db, auditpg.Append, now)
	ok(err)
	for _, content := range dated {
		draft, err := policies.Draft(w.ctx, hie.Actor{Organization: exchangeOrg, User: "anna"}, []byte(content), "", "", false)
		ok(err)
		for _, step := range []struct {
			user   string
			action consent.PolicyAction
		}{{"anna", consent.PolicySimulated}, {"ben", consent.PolicyApproved}, {"anna", consent.PolicyActivated}} {
			_, err = policies.Take(w.ctx, hie.Actor{Organization: exchangeOrg, User: step.user}, consent.PolicyEvent{Policy: draft.Policy, Version: 1, Action: step.action}, false)
			ok(err)
		}
	}
	register := func(site, local, family string, day int) hie.SourcePatientID {
		t.Helper()
		done, err := index.Register(w.ctx, hie.Actor{Organization: hie.OrgID(w.siteOrg(site))}, mpi.Registration{Site: hie.SiteID(site), Local: hie.Identifier{System: w.authority(site), Value: local},
			Active: true, Received: []byte(`{}`), Demographics: mpi.Demographics{Names: []mpi.Name{{Family: family, Given: []string{"Kestrel"}}}, Birth: mpi.Date{Year: 1947, Month: 3, Day: day}}})
		ok(err)
		return done.Record
	}
	here, there := register("harbor-main", "PAST-1", "Quillfeather", 11), register("chesapeake-heart", "PAST-1", "Ottermole", 17)
	teamed, program := register("harbor-main", "PAST-2", "Marshwiggle", 23), register("new-dawn-east", "PAST-1", "Thornapple", 29)
	teams := directorypg.New(w.db, auditpg.Append, now)
	_, err = consents.File(w.ctx, hie.Actor{Organization: "harbor-general", User: "clerk"}, consent.Version{Record: teamed, By: "harbor-general", Status: "active", Signed: clock,
		Verified: true, NetworkWide: true, Content: []byte(`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"policy":[{"uri":"` + consent.PolicySharing + `"}],` +
			`"provision":{"type":"deny","provision":[{"type":"permit","actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"CareTeam/rehab"}}]}]}}`)}, 0)
	ok(err)
	clock = on("2024-05-01")
	team, err := teams.RecordCareTeam(w.ctx, hie.Actor{Organization: "harbor-general", User: "h.lead"}, directory.CareTeam{ID: "rehab", Organization: "harbor-general", Name: "Rehabilitation",
		Members: []directory.CareTeamMember{{Practitioner: "bloom", From: clock}}})
	ok(err)
	clock = on("2025-01-05")
	linked, err := index.Decide(w.ctx, hie.Actor{Organization: exchangeOrg, User: "m.reyes"}, here, there, mpi.MustLink, "one woman, says her daughter")
	ok(err)
	clock = on("2025-07-01")
	refused, err := consents.File(w.ctx, hie.Actor{Organization: "chesapeake-cardiology", User: "clerk"}, consent.Version{Record: there, By: "chesapeake-cardiology", Status: "active", Signed: clock,
		Verified: true, NetworkWide: true, Content: []byte(`{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"provision":{"type":"deny"}}`)}, 0)
	ok(err)
	clock = on("2025-08-15")
	refused.Status = "inactive"
	_, err = consents.File(w.ctx, hie.Actor{Organization: "chesapeake-cardiology", User: "clerk"}, refused, refused.Number)
	ok(err)
	clock = on("2025-11-01")
	team.Members[0].Until = clock
	_, err = teams.RecordCareTeam(w.ctx, hie.Actor{Organization: "harbor-general", User: "h.lead"}, team)
	ok(err)
	clock = on("2025-12-01")
	_, err = index.Undo(w.ctx, hie.Actor{Organization: exchangeOrg, User: "m.reyes"}, linked.Change, "two women")
	ok(err)

	id := w.sealer.ID("patient", int64(here), 0)
	for _, tt := range []struct {
		day, reason, rule string
		records           int
		version           int64 // of the refusal, 0 while there is none
	}{
		{"2024-04-15", "NETWORK_FORBID", "no-labs", 1, 0},
		{"2024-04-17", "NETWORK_REQUIRE", "attestation", 1, 0},
		{"2025-06-17", "NETWORK_REQUIRE", "attestation", 2, 0},
		{"2025-06-19", "DEFAULT", "permit", 2, 0},
		{"2025-07-02", "DENY", "", 2, 1},
		{"2025-09-01", "DEFAULT", "permit", 2, 2},
		{"2025-12-02", "DEFAULT", "permit", 1, 0},
		{"2026-02-15", "DEFAULT", "permit", 1, 0},
		{"2026-02-17", "NETWORK_REQUIRE", "agreement", 1, 0},
	} {
		t.Run("as of "+tt.day, func(t *testing.T) {
			got := w.explain(map[string]any{"patient": id, "at": on(tt.day).Format(time.RFC3339), "organization": "riverside", "roles": []string{"physician"}, "purposes": []string{"TREAT"},
				"document": map[string]any{"class": "lab", "confidentiality": "N", "labelled": true}})
			if got.Reason != tt.reason || len(got.Basis.Records) != tt.records {
				t.Errorf("%s on %d records, want %s on %d: %+v", got.Reason, len(got.Basis.Records), tt.reason, tt.records, got)
			}
			decides := ""
			for _, s := range got.Steps {
				if s.Decides {
					decides = s.Rule
				}
			}
			switch {
			case tt.version == 1 && (len(got.Directives) != 1 || decides != got.Directives[0].Consent+"/1"):
				t.Errorf("decided by %q, want the refusal's first version", decides)
			case tt.version != 1 && !strings.Contains(decides, tt.rule):
				t.Errorf("decided by %q, want %q", decides, tt.rule)
			case tt.version > 0 && (len(got.Directives) != 1 || got.Directives[0].Version != tt.version), tt.version == 0 && len(got.Directives) != 0:
				t.Errorf("directives %+v, want version %d", got.Directives, tt.version)
			}
			for _, name := range []string{"early", "attested", "late"} {
				cited := false
				for _, p := range got.Basis.Policies {
					cited = cited || p.Policy == name && p.Version == 1
				}
				if !cited {
					t.Errorf("the policy %s is not cited with its version", name)
				}
			}
		})
	}
	ask := func(record hie.SourcePatientID, day, organization, purpose string, document map[string]any) explanation {
		return w.explain(map[string]any{"patient": w.sealer.ID("patient", int64(record), 0), "at": on(day).Format(time.RFC3339), "organization": organization, "practitioner": "bloom",
			"roles": []string{"physician"}, "purposes": []string{purpose}, "document": document})
	}
	spoke := func(x explanation) (rules, decides string) {
		for _, s := range x.Steps {
			rules += " " + s.Rule
			if s.Decides {
				decides = s.Rule
			}
		}
		return rules, decides
	}
	for _, tt := range []struct {
		name, day   string
		record      hie.SourcePatientID
		purpose     string
		document    map[string]any
		reason      string
		rule, never string // which spoke, and which did not
	}{
		{"the law as it was while an attestation was asked for", "2025-06-17", here, "HLEGAL", map[string]any{"class": "note", "confidentiality": "N", "labelled": true, "sensitivity": []string{"REPRO"}}, "LAW_REQUIRE", "us-45cfr164.509-attestation", ""},
		{"the law after it was vacated", "2025-06-19", here, "HLEGAL", map[string]any{"class": "note", "confidentiality": "N", "labelled": true, "sensitivity": []string{"REPRO"}}, "DEFAULT_DENY", "", "us-45cfr164.509-attestation"},
		{"Part 2 before the 2024 rule", "2024-04-15", program, "TREAT", map[string]any{"class": "note", "confidentiality": "N", "labelled": true}, "LAW_REQUIRE", "us-42cfr2.32-redisclosure-2017", "us-42cfr2.33b"},
		{"Part 2 after it, to a covered entity", "2024-04-17", program, "TREAT", map[string]any{"class": "note", "confidentiality": "N", "labelled": true}, "LAW_REQUIRE", "us-42cfr2.31", "us-42cfr2.32-redisclosure-2017"},
		{"before the care team there was", "2024-04-30", teamed, "TREAT", map[string]any{"class": "note", "confidentiality": "N", "labelled": true}, "DENY", "", ""},
		{"while a member of the care team", "2025-06-19", teamed, "TREAT", map[string]any{"class": "note", "confidentiality": "N", "labelled": true}, "PERMIT", "", ""},
		{"after having left the care team", "2025-11-02", teamed, "TREAT", map[string]any{"class": "note", "confidentiality": "N", "labelled": true}, "DENY", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(tt.record, tt.day, "harbor-general", tt.purpose, tt.document)
			rules, decides := spoke(got)
			if got.Reason != tt.reason || !strings.Contains(rules, tt.rule) || tt.never != "" && strings.Contains(rules, tt.never) || decides == "" {
				t.Errorf("%s, decided by %q; rules:%s", got.Reason, decides, rules)
			}
			cited := 0
			for _, p := range got.Basis.Policies {
				if p.Policy == "us-hipaa" || p.Policy == "us-part2" {
					cited++
				}
			}
			if cited != 2 {
				t.Errorf("the law packs are cited %d times: %+v", cited, got.Basis.Policies)
			}
		})
	}
	w.must(http.StatusBadRequest, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/explain", map[string]any{"patient": id,
		"at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "organization": "riverside", "purposes": []string{"TREAT"}, "document": map[string]any{}})
}
