package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/mpi"
)

// shield is a site policy of Mercy Main: HIV results go to nobody for payment.
const shield = `{"id":"mercy-shield","title":"HIV results and payers","kind":"site","site":"mercy-main",
"rules":[{"id":"mercy-hiv","effect":"FORBID","source":"board of Mercy, 2026-01-05","scope":{"sites":["mercy-main"],"labels":["HIV"],"purposes":["HPAYMT"]}}],
"tests":[{"name":"a payer","request":{"purposes":["HPAYMT"]},"document":{"sensitivity":["HIV"]},"want":{"reason":"SITE_FORBID"}}]}`

// TestAPolicyGoesItsWayFromTheCommandLine drafts, simulates over stored patients, approves, activates and rolls back.
func TestAPolicyGoesItsWayFromTheCommandLine(t *testing.T) {
	ctx, g := context.Background(), &Globals{DatabaseURL: pgtest.URL(t)}
	db, err := g.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	network := directory.File{Organizations: []directory.Organization{{ID: "mercy", Name: "Mercy", Identifier: "urn:mercy", Kind: "hospital", Jurisdiction: "US-MD", Active: true},
		{ID: "oak", Name: "Oak", Identifier: "urn:oak", Kind: "practice", Jurisdiction: "US-MD", Active: true}},
		Sites: []directory.Site{{ID: "mercy-main", Org: "mercy", Name: "Mercy Main", Authorities: []string{"urn:mercy-main"}, Zone: "America/New_York", Labelled: true, Publishes: true, Active: true, Membership: directory.Live},
			{ID: "oak-street", Org: "oak", Name: "Oak Street", Authorities: []string{"urn:oak-street"}, Zone: "America/New_York", Labelled: true, Publishes: true, Active: true, Membership: directory.Live}},
		Defaults: []directory.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}}
	if _, err := directorypg.New(db, auditpg.Append, hie.Now).Apply(ctx, localOperator(), network, false); err != nil {
		t.Fatal(err)
	}
	var atMercy []hie.SourcePatientID
	if err := withIndex(ctx, g, func(x *mpi.Index) error {
		for i, site := range []string{"mercy-main", "mercy-main", "oak-street", "mercy-main"} {
			done, err := x.Register(ctx, hie.Actor{Organization: "org"}, mpi.Registration{Site: hie.SiteID(site), Local: hie.Identifier{System: "urn:" + site, Value: string(rune('1' + i))},
				Active: true, Received: []byte(`{}`), Demographics: mpi.Demographics{Names: []mpi.Name{{Family: "Zyx" + strings.Repeat("q", i*3), Given: []string{"Maria"}}}, Birth: mpi.Date{Year: 1950 + 9*i, Month: 3, Day: 1 + i}}})
			if err != nil {
				return err
			}
			if site == "mercy-main" {
				atMercy = append(atMercy, done.Record)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	optOut := `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"policyRule":{"coding":[{"code":"OPTOUT"}]},"provision":{"type":"deny"}}`
	if _, err := consentpg.New(db, hie.NewIDs(nil), auditpg.Append, hie.Now).File(ctx, hie.Actor{Organization: "mercy", User: "clerk"},
		consent.Version{Record: atMercy[2], By: "mercy", Status: "active", Signed: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Verified: true, NetworkWide: true, Content: []byte(optOut)}, 0); err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	file, patients := filepath.Join(dir, "shield.json"), filepath.Join(dir, "patients.ndjson")
	if err := os.WriteFile(file, []byte(shield), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(c interface {
		Run(context.Context, *Globals, *streams) error
	}) (string, error) {
		var out, messages bytes.Buffer
		err := c.Run(ctx, g, &streams{out: &out, err: &messages})
		return out.String(), err
	}
	must := func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	version := versionFlags{Policy: "mercy-shield", Version: 1}
	must(run(&policyDraftCmd{File: file}))
	var found impactRows
	if err := json.Unmarshal([]byte(must(run(&policySimulateCmd{versionFlags: version, Patients: patients, stepFlags: stepFlags{Output: "json"}}))), &found); err != nil {
		t.Fatal(err)
	}
	// Who opted out is refused as before, on other grounds; nobody at Oak is concerned.
	closes := 0
	for _, c := range found.Cells {
		if c.Site != "mercy-main" || !strings.Contains("HPAYMT COVERAGE ELIGDTRM ENROLLM", c.Purpose) || c.Label != "HIV" || c.After != "SITE_FORBID" {
			t.Errorf("%+v changes", c)
		}
		if c.Effect == "closes" {
			if closes++; c.Patients != 2 {
				t.Errorf("%+v", c)
			}
		}
	}
	listed, err := os.ReadFile(patients)
	if err != nil || found.Patients != 4 || found.Changed != 3 || closes == 0 || strings.Count(string(listed), "\n") != 3 {
		t.Errorf("%d of %d change, %d cells close, %v:\n%s", found.Changed, found.Patients, closes, err, listed)
	}
	// What begins next year is looked at as of then.
	later := filepath.Join(dir, "later.json")
	begins := time.Now().UTC().AddDate(1, 0, 0).Truncate(time.Second)
	if err := os.WriteFile(later, []byte(strings.NewReplacer(`"id":"mercy-shield"`, `"id":"mercy-later","from":"`+begins.Format(time.RFC3339)+`"`, `"mercy-hiv"`, `"mercy-hiv-later"`).Replace(shield)), 0o600); err != nil {
		t.Fatal(err)
	}
	must(run(&policyDraftCmd{File: later}))
	var then impactRows
	if err := json.Unmarshal([]byte(must(run(&policySimulateCmd{versionFlags: versionFlags{Policy: "mercy-later", Version: 1}, stepFlags: stepFlags{Output: "json", DryRun: true}}))), &then); err != nil {
		t.Fatal(err)
	}
	if !then.At.Equal(begins) || then.Changed != found.Changed || len(then.Cells) != len(found.Cells) {
		t.Errorf("as of %v %d patients change in %d cells, want %d in %d as of %v", then.At, then.Changed, len(then.Cells), found.Changed, len(found.Cells), begins)
	}
	if _, err := run(&policyApproveCmd{versionFlags: version}); !errors.Is(err, hie.ErrForbidden) {
		t.Errorf("who drafted approved: %v", err)
	}
	policies, err := openPolicies(db, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policies.Take(ctx, hie.Actor{Organization: "network", User: "ben"}, consent.PolicyEvent{Policy: "mercy-shield", Version: 1, Action: consent.PolicyApproved}, false); err != nil {
		t.Fatal(err)
	}
	if out := must(run(&policyActivateCmd{versionFlags: version, stepFlags: stepFlags{DryRun: true}})); !strings.Contains(out, "in force from") {
		t.Error(out)
	}
	must(run(&policyActivateCmd{versionFlags: version, Effective: time.Now().Add(24 * time.Hour)}))
	if out := must(run(&policyListCmd{Output: "table"})); !strings.Contains(out, "scheduled") || !strings.Contains(out, "us-part2") {
		t.Error(out)
	}
	must(run(&policyRollbackCmd{Policy: "mercy-shield"}))
	if out := must(run(&policyShowCmd{Policy: "mercy-shield", Version: -1, Output: "table"})); !strings.Contains(out, "rollback") || !strings.Contains(out, "network/ben") || !strings.Contains(out, "3 of 4 patients change") {
		t.Error(out)
	}
	if out := must(run(&policyShowCmd{Policy: "mercy-shield", Version: 1, Content: true})); out != shield {
		t.Error("the version is not as received")
	}
	if out := must(run(&policyAnalyseCmd{Output: "json"})); out != "[]\n" {
		t.Errorf("rules without effect: %s", out)
	}
	if out := must(run(&policyShowCmd{Policy: "us-part2", Version: 0, Output: "table"})); !strings.Contains(out, "42 CFR 2.31") ||
		!strings.Contains(out, "P2-NOTICE (42 CFR 2.32(a)(1) (long)") || !strings.Contains(out, "en  or in short: 42 CFR part 2 prohibits unauthorized use or disclosure of these records.") || !strings.Contains(out, "es  Este registro") {
		t.Error(out)
	}
}

func TestPacksAreTriedAndSignedFromTheCommandLine(t *testing.T) {
	var out bytes.Buffer
	s := &streams{out: &out, err: &out}
	if err := (&policyTestCmd{}).Run(s); err != nil || !strings.Contains(out.String(), "each as it says") {
		t.Errorf("the packs of the program: %v %s", err, &out)
	}
	file := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(file, []byte(strings.Replace(shield, "SITE_FORBID", "PERMIT", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	var exit *exitError
	if err := (&policyTestCmd{Files: []string{file}}).Run(s); !errors.As(err, &exit) || exit.status != 1 {
		t.Errorf("a pack whose test fails: %v", err)
	}
	if err := (&policySignCmd{Files: []string{file}, Key: file}).Run(s); err == nil {
		t.Error("signed with what is no key")
	}
}
