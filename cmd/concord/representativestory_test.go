package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

// TestSomebodyActsForAPatient is the requester's side of what officers record: who acts in a patient's name sees what the
// patient sees, while they may and no longer (scenario 11: to the instant a child comes of age); they state no wish unless
// their rights go so far, and then under their own name. A network's exchange code comes with the token of a client
// registered for it, and with no other.
func TestSomebodyActsForAPatient(t *testing.T) {
	oneAfterAnother(t)
	w := newDesks(t)
	james := w.region.Story(sim.Namesakes)[1]
	w.enter(james)
	id, err := w.patientID(w.ctx, james, "harbor-main")
	if err != nil {
		t.Fatal(err)
	}
	w.admit("harbor-general", access.Client{ID: "harbor-app", PatientAccess: true, Scopes: []string{"patient/*.cruds"}, Purposes: []hie.Purpose{hie.PurposePatientRequest}},
		access.Client{ID: "harbor-qhin", Scopes: emrScopes, Purposes: emrPurposes, Exchanges: []string{"T-TRTMNT"}, Roles: []string{"physician"}})
	time.Sleep(1200 * time.Millisecond) // the node has looked at the clients since

	himself := asker{purposes: "PATRQT", user: "Patient/" + id, scopes: "patient/*.cruds"}
	son := himself
	son.representative = "RelatedPerson/son"
	send := func(who asker, method, target string, body any) reply {
		t.Helper()
		r, err := w.clients["harbor-app"].api.call(w.ctx, who, method, target, body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	look := func(who asker) reply {
		t.Helper()
		return send(who, http.MethodGet, "/fhir/DocumentReference?patient=Patient/"+id, nil)
	}
	record := func(ref, rights string) (r struct {
		ID      string
		Version int64
	}) {
		t.Helper()
		decode(t, w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/representatives",
			map[string]any{"patient": id, "ref": ref, "capacity": "agent", "rights": rights}), &r)
		return r
	}
	own := look(himself)
	if own.status != http.StatusOK || total(t, own) == 0 {
		t.Fatalf("the patient: %d, %d documents", own.status, total(t, own))
	}
	if r := look(son); r.status != http.StatusForbidden {
		t.Errorf("nobody has recorded the son: %d, want 403", r.status)
	}
	rec := record("RelatedPerson/son", "view")
	if r := look(son); r.status != http.StatusOK || total(t, r) != total(t, own) {
		t.Errorf("the son: %d, %d documents, want what his father sees: %d", r.status, total(t, r), total(t, own))
	}
	wish := refusal(id, false, time.Now())
	if r := send(son, http.MethodPost, "/fhir/Consent", wish); r.status != http.StatusBadRequest {
		t.Errorf("who may only look stated a wish: %d", r.status)
	}
	record("RelatedPerson/wife", "manage")
	wife := himself
	wife.representative = "RelatedPerson/wife"
	if r := send(wife, http.MethodPost, "/fhir/Consent", wish); r.status != http.StatusBadRequest {
		t.Errorf("a wish of his wife's in his own name: %d", r.status)
	}
	var filed map[string]any
	if err := json.Unmarshal(wish, &filed); err != nil {
		t.Fatal(err)
	}
	filed["performer"] = []any{map[string]string{"reference": "RelatedPerson/wife"}}
	signed, err := json.Marshal(filed)
	if err != nil {
		t.Fatal(err)
	}
	if r := send(wife, http.MethodPost, "/fhir/Consent", signed); r.status != http.StatusCreated {
		t.Errorf("a wish of his wife's under her own: %d", r.status)
	}
	w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/representatives/"+rec.ID+"/end",
		map[string]any{"version": rec.Version, "withdrawn": true})
	if r := look(son); r.status != http.StatusForbidden {
		t.Errorf("recorded in error: %d, want 403", r.status)
	}

	// A parent, until the instant their child comes of age.
	sealed, _, err := w.sealer.OpenID("patient", id)
	if err != nil {
		t.Fatal(err)
	}
	lapses := time.Now().Add(4 * time.Second).UTC().Truncate(time.Microsecond)
	_, err = consentpg.New(w.db, hie.NewIDs(nil), auditpg.Append, hie.Now).Represent(w.ctx, operatorActor, consent.Representative{Record: hie.SourcePatientID(sealed),
		Ref: "RelatedPerson/mother", Capacity: consent.CapacityParent, Rights: consent.RightsView, Lapses: lapses, By: "harbor-general"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	mother := himself
	mother.representative = "RelatedPerson/mother"
	before := 0
	for {
		asked := time.Now()
		r := look(mother)
		answered := time.Now()
		switch {
		case answered.Before(lapses) && r.status == http.StatusOK:
			before++
		case answered.Before(lapses):
			t.Fatalf("before the birthday: %d", r.status)
		case asked.After(lapses) && (r.status != http.StatusForbidden || before == 0):
			t.Fatalf("after the birthday: %d, and %d answers before", r.status, before)
		}
		if asked.After(lapses) {
			break
		}
	}

	// Exchange codes.
	w.must(http.StatusOK, "harbor-qhin", asker{purposes: access.ExchangeOID + "#T-TRTMNT", user: "dr-b", name: "Dr. B", role: "physician", scopes: strings.Join(emrScopes, " ")},
		http.MethodGet, "/fhir/DocumentReference?patient.identifier="+w.at(james, "harbor-main"), nil)
	for _, purposes := range []string{access.ExchangeOID + "#T-PYMNT", access.ExchangeOID + "#T-TRTMNT " + access.ExchangeOID + "#T-PYMNT", access.ExchangeOID + "#T-NONE"} {
		if _, err := w.clients["harbor-qhin"].api.token(w.ctx, asker{purposes: purposes, user: "dr-b", name: "Dr. B", role: "physician", scopes: "system/Patient.rs"}); err == nil {
			t.Errorf("a token for %s", purposes)
		}
	}
}
