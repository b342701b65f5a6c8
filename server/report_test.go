package server

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// TestAnAccountingGoesByTheVersionADisclosureRestedOn: a consent that became a written authorization in its second version, and was
// revoked in its third. What was disclosed under the first is accounted for; what was under the second need not be.
//
// Source: 45 CFR 164.528(a)(1)(iv).
func TestAnAccountingGoesByTheVersionADisclosureRestedOn(t *testing.T) {
	w := newWard(t)
	version := func(number int64, status, policy string) {
		w.cabinet.versions = append(w.cabinet.versions, consent.Version{Record: w.aliceRec, ID: 7, Number: number, Status: status, Filed: w.now(), Signed: w.now(), Verified: true, NetworkWide: true,
			Content: []byte(`{"resourceType":"Consent","status":"` + status + `","scope":{"coding":[{"code":"patient-privacy"}]},"policy":[{"uri":"` + policy + `"}],"provision":{"type":"permit"}}`)})
	}
	version(1, "active", consent.PolicySharing)
	version(2, "active", consent.PolicyAuthorization)
	version(3, "inactive", consent.PolicyAuthorization)
	var events []audit.Event
	for i, ground := range [][]string{{"7/1"}, {"7/2"}, {"7/2", "permit"}, {"permit"}} {
		e := audit.NewEvent(audit.Disclosed, hie.Actor{Organization: "oak", User: "u", Purposes: []hie.Purpose{"GOVDTRM"}}, w.now().Add(-time.Hour)).About(w.aliceRec)
		e.ID, e.Ground = strconv.Itoa(i), ground
		events = append(events, e)
	}
	reports := &Reports{Consents: w.cabinet, Suspensions: w.cabinet, Network: w.doors.server.deps.Network, Env: func() *consent.Env { return w.env }, Now: w.now,
		Trail: func(context.Context, audit.Query) ([]audit.Event, bool, error) { return events, false, nil }}
	law, _ := consent.AccountingOf("us-hipaa")
	own := []hie.SourcePatientID{w.aliceRec}
	listed, _, err := reports.Accounting(context.Background(), law, Stretch{Records: own, Person: own, Count: 10})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range listed {
		got += e.ID
	}
	if got != "023" {
		t.Errorf("listed are %q, want the first, the mixed one and the one by default", got)
	}
}
