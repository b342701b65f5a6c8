package server

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

type consultAnswer struct {
	Cards []struct {
		Summary   string
		Extension struct {
			Decision    string
			Obligations []struct {
				ID         struct{ Code string }
				Parameters struct {
					Codes     []struct{ Code string }
					Resources []string
				}
			}
			Content *struct {
				Entry []struct{ Resource struct{ ID string } }
			}
		}
	}
}

func (w *ward) consult(token, body string) (a consultAnswer) {
	w.Helper()
	r := w.do(http.MethodPost, consultPath, token, []byte(body), "Content-Type", "application/json")
	if err := json.Unmarshal(r.Body.Bytes(), &a); err != nil || r.Code != http.StatusOK || len(a.Cards) != 1 {
		w.Fatalf("%d %v %s", r.Code, err, r.Body)
	}
	return a
}

// TestThePublishedHookRequestIsAnswered sends ASU SHARES' example as published, and then about a patient there is.
func TestThePublishedHookRequestIsAnswered(t *testing.T) {
	b, err := os.ReadFile("../../shared/data/messages/fhir/cds-hooks-consent/example-request-permit.json")
	if err != nil {
		t.Skip("the published example is not on this machine")
	}
	w := newWard(t)
	a := w.consult(mercyToken, string(b))
	if a.Cards[0].Summary != "CONSENT_DENY" || a.Cards[0].Extension.Content == nil || len(a.Cards[0].Extension.Content.Entry) != 0 {
		t.Errorf("a patient nobody knows: %+v", a)
	}
	ours := strings.NewReplacer("Patient/cfsb1699034947598", "Patient/"+w.alice, "Organization/d0894f6b-78d7-338d-82ad-b63de4d40014", "Organization/oak").Replace(string(b))
	a = w.consult(mercyToken, ours)
	if a.Cards[0].Summary != "CONSENT_PERMIT" || len(a.Cards[0].Extension.Content.Entry) != 2 || len(a.Cards[0].Extension.Obligations) != 0 {
		t.Errorf("where all is shared: %+v", a)
	}
	stranger := strings.Replace(ours, "Organization/oak", "Organization/nobody", 1)
	if a = w.consult(mercyToken, stranger); a.Cards[0].Summary != "CONSENT_DENY" {
		t.Errorf("to somebody the directory does not know: %+v", a)
	}
	w.filed(mercyToken, w.alice)
	if a = w.consult(mercyToken, ours); a.Cards[0].Summary != "CONSENT_DENY" || len(a.Cards[0].Extension.Content.Entry) != 0 {
		t.Errorf("after she refused: %+v", a)
	}
}

func TestAConsultationNamesWhatMustBeTakenOut(t *testing.T) {
	w := newWard(t)
	hideHIV := strings.Replace(consentBody(refTo(w.alice)), `"provision":{"type":"deny"}`, `"provision":{"type":"deny","securityLabel":[{"code":"HIV"}]}`, 1)
	if r := w.file(mercyToken, hideHIV); r.Code != http.StatusCreated {
		t.Fatal(r.Body)
	}
	ask := func(more string) string {
		return `{"hook":"patient-consent-consult","hookInstance":"x","context":{"patientId":[{"system":"` + redSystem + `","value":"R-1"}],"actor":[{"value":"Organization/oak"}]` + more + `}}`
	}
	a := w.consult(mercyToken, ask(`,"purposeOfUse":"TREAT"`))
	o := a.Cards[0].Extension.Obligations
	if a.Cards[0].Summary != "CONSENT_PERMIT" || len(o) != 1 || o[0].ID.Code != "REDACT" || len(o[0].Parameters.Codes) != 1 || o[0].Parameters.Codes[0].Code != "HIV" {
		t.Errorf("%+v", a)
	}
	a = w.consult(mercyToken, ask(`,"purposeOfUse":[{"code":"TREAT"}],"content":{"resourceType":"Bundle","entry":[
 {"resource":{"resourceType":"Observation","id":"a","meta":{"security":[{"code":"N"}]}}},{"resource":{"resourceType":"Observation","id":"b","meta":{"security":[{"code":"R"},{"code":"HIV"}]}}},
 {"resource":{"resourceType":"Observation","id":"unlabelled"}}]}`))
	x := a.Cards[0].Extension
	if x.Decision != "CONSENT_PERMIT" || len(x.Content.Entry) != 1 || x.Content.Entry[0].Resource.ID != "a" || len(x.Obligations) != 1 || len(x.Obligations[0].Parameters.Resources) != 2 {
		t.Errorf("%+v; want a alone: what nobody labelled may be what she hides", x)
	}
	if a = w.consult(mercyToken, ask(`,"purposeOfUse":["TREAT","XYZ"]`)); a.Cards[0].Summary != "CONSENT_DENY" {
		t.Errorf("a purpose nobody knows: %+v", a)
	}
	foreign := w.consult(oakToken, ask(""))
	unknown := w.consult(oakToken, strings.Replace(ask(""), "R-1", "none", 1))
	f, _ := json.Marshal(foreign)
	u, _ := json.Marshal(unknown)
	if string(f) != string(u) || foreign.Cards[0].Summary != "CONSENT_DENY" {
		t.Errorf("another's patient is told apart from nobody: %s %s", f, u)
	}
	for name, body := range map[string]string{"another hook": strings.Replace(ask(""), "patient-consent-consult", "patient-view", 1), "no patient": `{"hook":"patient-consent-consult","hookInstance":"x","context":{}}`,
		"no context": `{"hook":"patient-consent-consult","hookInstance":"x"}`, "a purpose that is a number": ask(`,"purposeOfUse":7`), "not JSON": `{`} {
		if r := w.do(http.MethodPost, consultPath, mercyToken, []byte(body), "Content-Type", "application/json"); r.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	if r := w.get("/cds-services", ""); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"id":"patient-consent-consult"`) {
		t.Errorf("discovery: %d %s", r.Code, r.Body)
	}
}
