package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/internal/fhir"
)

func filedWith(consent, document string) []byte {
	return []byte(`{"resourceType":"Parameters","parameter":[{"name":"consent","resource":` + consent + `},{"name":"document","resource":` + document + `}]}`)
}

const scanned = `{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"contentType":"application/pdf","data":"c2Nhbg=="}}]}`

func TestAConsentIsFiledWithThePaperItRestsOn(t *testing.T) {
	w := newWard(t)
	spelling := "$file-consent"
	file := func(body []byte) (int, string) {
		r := w.do(http.MethodPost, "/fhir/Consent/"+spelling, mercyToken, body)
		return r.Code, r.Header().Get("Location")
	}
	if code, at := file(filedWith(consentBody(refTo(w.alice)), scanned)); code != http.StatusOK || !strings.HasSuffix(at, "/_history/1") {
		t.Fatalf("%d %s", code, at)
	}
	v := w.cabinet.versions[0]
	if len(v.Evidence) != 1 || v.Evidence[0].Kind != "scan" || v.Evidence[0].MediaType != "application/pdf" || v.Evidence[0].Size != 4 ||
		v.Evidence[0].Hash != "59ad1b2fc74287ded1bba7af67765d23ad4a49f1ae51902cc2ed3f8ebee96cfa" && len(v.Evidence[0].Hash) != 64 {
		t.Errorf("the paper was not understood")
	}
	spelling = "$fileConsent"
	if code, _ := file(filedWith(consentBody(refTo(w.alice)), `{"resourceType":"QuestionnaireResponse","status":"completed"}`)); code != http.StatusOK || w.cabinet.versions[1].Evidence[0].Kind != "form" {
		t.Errorf("a form: %d", code)
	}
	for name, body := range map[string][]byte{
		"no document": []byte(`{"resourceType":"Parameters","parameter":[{"name":"consent","resource":` + consentBody(refTo(w.alice)) + `}]}`),
		"a document of a kind that proves nothing": filedWith(consentBody(refTo(w.alice)), `{"resourceType":"Observation"}`),
		"a document without content":               filedWith(consentBody(refTo(w.alice)), `{"resourceType":"DocumentReference","content":[]}`),
		"data that is not base64":                  filedWith(consentBody(refTo(w.alice)), strings.Replace(scanned, "c2Nhbg==", "%%", 1)),
		"another's patient":                        filedWith(consentBody(`{"identifier":{"system":"`+blueSystem+`","value":"B-1"}}`), scanned),
	} {
		if code, _ := file(body); code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, code)
		}
	}
	if len(w.cabinet.versions) != 2 {
		t.Errorf("%d filed", len(w.cabinet.versions))
	}
}

func TestARevocationNamesConsentAndPatient(t *testing.T) {
	w := newWard(t)
	path := w.filed(mercyToken, w.alice)
	id := strings.TrimPrefix(path, "/fhir/Consent/")
	revoke := func(token, consent, patient, more string) *fhir.OperationOutcome {
		r := w.do(http.MethodPost, "/fhir/Consent/$revoke-consent", token, []byte(`{"resourceType":"Parameters","parameter":[
 {"name":"consent","valueReference":{"reference":"`+consent+`"}},{"name":"patient","valueReference":`+patient+`}`+more+`]}`))
		var oo fhir.OperationOutcome
		if err := fhir.Decode(r.Body.Bytes(), &oo); err != nil {
			t.Fatal(err)
		}
		return &oo
	}
	unknown := revoke(mercyToken, "Consent/"+w.sealer.ID("consent", 1, 2), refTo(w.alice), "")
	for name, oo := range map[string]*fhir.OperationOutcome{
		"another's consent":            revoke(oakToken, "Consent/"+id, refTo(w.alice), ""),
		"a consent of another patient": revoke(mercyToken, "Consent/"+id, refTo(w.ruth), ""),
		"no id":                        revoke(mercyToken, "Consent/x", refTo(w.alice), ""),
	} {
		if string(fhir.Encode(oo)) != string(fhir.Encode(unknown)) {
			t.Errorf("%s is told apart from one there is not", name)
		}
	}
	byIdentifier := `{"identifier":{"system":"` + redSystem + `","value":"R-1"}}`
	if oo := revoke(mercyToken, testBase+"/fhir/Consent/"+id, byIdentifier, `,{"name":"document","resource":`+scanned+`}`); oo.Issue[0].Severity != "information" {
		t.Fatalf("%+v", oo.Issue[0])
	}
	v := w.cabinet.versions[len(w.cabinet.versions)-1]
	if v.Status != "inactive" || v.ReturnToDefault || len(v.Evidence) != 1 {
		t.Errorf("%s %t %d", v.Status, v.ReturnToDefault, len(v.Evidence))
	}
}

func TestASiteTellsOfADisclosureOfItsOwn(t *testing.T) {
	w := newWard(t)
	id := strings.TrimPrefix(w.filed(mercyToken, w.alice), "/fhir/Consent/")
	w.trail.events = nil
	tell := func(token, consent, event string) int {
		return w.do(http.MethodPost, "/fhir/AuditEvent/$record-disclosure", token, []byte(`{"resourceType":"Parameters","parameter":[
 {"name":"consent","valueReference":{"reference":"Consent/`+consent+`"}},{"name":"disclosure","resource":`+event+`}]}`)).Code
	}
	event := `{"resourceType":"AuditEvent","type":{"code":"rest"},"recorded":"2026-02-20T10:00:00Z","purposeOfEvent":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"PUBHLTH"}]}],
 "agent":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},"who":{"reference":"Organization/oak"},"requestor":false}],"source":{"observer":{"display":"EMR"}}}`
	if code := tell(mercyToken, id, event); code != http.StatusOK {
		t.Fatal(code)
	}
	e := w.trail.events[0]
	if e.Kind != audit.Disclosed || e.Detail["recipient"] != "oak" || e.Detail["disclosed"] != "2026-02-20T10:00:00.000Z" || len(e.Records) != 1 || e.Records[0] != w.aliceRec ||
		len(e.Ground) != 1 || e.Actor.Purposes[0] != "PUBHLTH" || e.Actor.Organization != "mercy" {
		t.Errorf("put on record otherwise: %v %v", e.Detail, e.Ground)
	}
	for name, code := range map[string]int{
		"another's consent": tell(oakToken, id, event), "a day to come": tell(mercyToken, id, strings.Replace(event, "2026-02-20", "2027-02-20", 1)),
		"no time": tell(mercyToken, id, strings.Replace(event, `"recorded":"2026-02-20T10:00:00Z",`, ``, 1)), "no AuditEvent": tell(mercyToken, id, `{"resourceType":"Patient"}`),
	} {
		if code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, code)
		}
	}
}
