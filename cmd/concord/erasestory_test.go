package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
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
	w.admit("riverside", access.Client{ID: "eraser", Scopes: emrScopes, Purposes: emrPurposes, Roles: []string{"physician"}, Abilities: []string{"DELAU"}})
	time.Sleep(1200 * time.Millisecond) // the node has looked at the clients since
	id, err := w.patientID(w.ctx, maria, "riverside-clinic")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	w.must(http.StatusCreated, "patient-app", patientActs(id), http.MethodPost, "/fhir/Consent", fmt.Appendf(nil, `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},
 "category":[{"coding":[{"code":"59284-0"}]}],"patient":{"reference":"Patient/%s"},"dateTime":%q,"policy":[{"uri":"https://concord-hie.org/policies/abdm-artefact"}],
 "provision":{"type":"permit","period":{"end":%q},"purpose":[{"code":"TREAT"}]}}`, id, time.Now().UTC().Format(time.RFC3339), day))
	look := func(client string) string {
		t.Helper()
		return string(w.must(http.StatusOK, client, treating, http.MethodGet, "/fhir/DocumentReference?patient.identifier="+url.QueryEscape(w.at(maria, "riverside-clinic")), nil).body)
	}
	with, without := look("eraser"), look("riverside-clinic-emr")
	for _, said := range []string{`"DELAU:` + day + `"`, "To be erased by the end of " + day + "."} {
		if !strings.Contains(with, said) {
			t.Errorf("who erases is not told %q", said)
		}
	}
	if strings.Contains(without, "DELAU") || strings.Contains(without, `"match"`) {
		t.Error("who is not registered to erase is shown something")
	}
}
