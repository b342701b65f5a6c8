package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/locator"
)

// TestWhatASiteAgreedToRestrictLeavesForEmergencyTreatmentAlone is row 60 of the vectors: a document that the hospital agreed with
// its patient to restrict, and flagged so, is not told of for treatment; in an emergency it is, with the request not to disclose
// it further.
//
// Source: 45 CFR 164.522(a)(1)(iii), (iv).
func TestWhatASiteAgreedToRestrictLeavesForEmergencyTreatmentAlone(t *testing.T) {
	w := newDesks(t)
	maria := w.person(sim.Ordinary)
	w.enter(maria)
	_, local, _ := strings.Cut(w.at(maria, "harbor-main"), "|")
	publish := func(unique string, labels ...any) {
		t.Helper()
		var d map[string]any
		if err := json.Unmarshal(pointerPost(w.exchangeUnderTest, local, unique), &d); err != nil {
			t.Fatal(err)
		}
		d["securityLabel"] = append(d["securityLabel"].([]any), labels...)
		w.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/DocumentReference", d)
	}
	const plain, restricted = "urn:oid:2.999.522.1", "urn:oid:2.999.522.2"
	publish(plain)
	publish(restricted, labelled(locator.SystemConsentPolicy, "hipaa-restrictions"))
	sees := func(who asker) (body string, both [2]bool) {
		t.Helper()
		r := w.search("riverside-clinic", who, w.at(maria, "riverside-clinic"))
		body = string(r.body)
		return body, [2]bool{strings.Contains(body, plain), strings.Contains(body, restricted)}
	}
	const request = "Restricted at the patient's request: you are requested not to use or disclose this further (45 CFR 164.522(a)(1)(iv))."
	body, seen := sees(treating)
	if seen != [2]bool{true, false} || strings.Contains(body, "164.522") || strings.Contains(body, "NORDSCLCD") {
		t.Errorf("for treatment the plain and the restricted one are shown: %v", seen)
	}
	system, value, _ := strings.Cut(w.at(maria, "riverside-clinic"), "|")
	w.must(http.StatusOK, "riverside-clinic-emr", claiming, http.MethodPost, "/fhir/Patient/$break-glass", fmt.Appendf(nil, `{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":%q,"value":%q}},
 {"name":"reason","valueCode":"unconscious"},{"name":"text","valueString":"Found unconscious at home; history needed now."},{"name":"attested","valueCode":"emergency-exists"},
 {"name":"attested","valueCode":"consent-not-obtainable-in-time"},{"name":"attested","valueCode":"not-refused-if-able"}]}`, system, value))
	body, seen = sees(claiming)
	if seen != [2]bool{true, true} || strings.Count(body, request) != 1 || !strings.Contains(body, `"NORDSCLCD"`) || !strings.Contains(body, "The claim holds until ") {
		t.Errorf("in an emergency they are shown: %v; the request stands %d times", seen, strings.Count(body, request))
	}
	if _, seen = sees(treating); seen != [2]bool{true, false} {
		t.Errorf("for treatment, while the emergency lasts, they are shown: %v", seen)
	}
	id, err := w.patientID(w.ctx, maria, "riverside-clinic")
	if err != nil {
		t.Fatal(err)
	}
	own := string(w.must(http.StatusOK, "patient-app", patientActs(id), http.MethodGet, "/fhir/DocumentReference?patient=Patient/"+id, nil).body)
	if !strings.Contains(own, restricted) || strings.Contains(own, request) {
		t.Error("the patient is not shown what is theirs, or is asked to keep it")
	}
}
