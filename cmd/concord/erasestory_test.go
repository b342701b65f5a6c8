package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/internal/sim"
)

// TestWhatIsGivenUntilADayGoesToWhoErasesIt asks a node about documents that a consent artefact gives until a day: a client
// registered to erase is shown them, with the day and the words for it; another of the same organisation is shown nothing of them.
//
// Source: ABDM consent artefact, dataEraseAt; spec consent 2.11 (DELAU), vectors 91 and 92.
func TestWhatIsGivenUntilADayGoesToWhoErasesIt(t *testing.T) {
	w := newDesks(t)
	maria := w.person(sim.Ordinary)
	w.enter(maria)
	all, err := consentjson.Builtins()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if b.Pack.ID == "in-abdm" {
			w.adopt(string(b.Content), true)
		}
	}
	w.admit("riverside", access.Client{ID: "eraser", Scopes: emrScopes, Purposes: emrPurposes, Roles: []string{"physician"}, Abilities: []string{"DELAU", "FREQUENCY"}})
	w.admit("riverside", access.Client{ID: "who-does-not-count", Scopes: emrScopes, Purposes: emrPurposes, Roles: []string{"physician"}, Abilities: []string{"DELAU"}})
	time.Sleep(1200 * time.Millisecond) // the node has looked at the clients since
	id, err := w.patientID(w.ctx, maria, "riverside-clinic")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	artefact := func(often string) []byte {
		return fmt.Appendf(nil, `{"resourceType":"Consent","extension":[{"url":%q,"valueString":%q}],"status":"active","scope":{"coding":[{"code":"patient-privacy"}]},
 "category":[{"coding":[{"code":"59284-0"}]}],"patient":{"reference":"Patient/%s"},"dateTime":%q,"policy":[{"uri":"https://concord-hie.org/policies/abdm-artefact"}],
 "provision":{"type":"permit","period":{"end":%q},"purpose":[{"code":"TREAT"}]}}`, consentfhir.FrequencyURL, often, id, time.Now().UTC().Format(time.RFC3339), day)
	}
	w.must(http.StatusBadRequest, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent", artefact("often"))
	w.must(http.StatusCreated, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent", artefact("4/DAY"))
	look := func(client string) string {
		t.Helper()
		return string(w.must(http.StatusOK, client, treating, http.MethodGet, "/fhir/DocumentReference?patient.identifier="+url.QueryEscape(w.at(maria, "riverside-clinic")), nil).body)
	}
	with := look("eraser")
	for _, said := range []string{`"DELAU:` + day + `"`, "To be erased by the end of " + day + ".", `"FREQUENCY:4/DAY"`, "To be asked for at most 4/DAY."} {
		if !strings.Contains(with, said) {
			t.Errorf("who erases is not told %q", said)
		}
	}
	for _, client := range []string{"who-does-not-count", "riverside-clinic-emr"} {
		if without := look(client); strings.Contains(without, "DELAU") || strings.Contains(without, `"match"`) {
			t.Errorf("%s, not registered to honour all of it, is shown something", client)
		}
	}
}
