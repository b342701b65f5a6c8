package server

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
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

// narrow counts what is asked of an index, and of it what reads demographics.
type narrow struct {
	Patients
	asked, demographics int
}

func (n *narrow) Home(ctx context.Context, record hie.SourcePatientID) (mpi.Home, error) {
	n.asked++
	return n.Patients.Home(ctx, record)
}

func (n *narrow) Person(ctx context.Context, id hie.PersonID) (mpi.Person, error) {
	n.asked++
	return n.Patients.Person(ctx, id)
}

func (n *narrow) PersonOf(ctx context.Context, record hie.SourcePatientID) (mpi.Person, error) {
	n.asked += 2
	return n.Patients.PersonOf(ctx, record)
}

func (n *narrow) Record(ctx context.Context, record hie.SourcePatientID) (mpi.SourcePatient, error) {
	n.asked, n.demographics = n.asked+1, n.demographics+1
	return n.Patients.Record(ctx, record)
}

func TestAConsultationAndAFilingReadNobodysDemographics(t *testing.T) {
	w := newWard(t)
	n := &narrow{Patients: w.server.deps.Patients}
	w.server.deps.Patients = n
	a := w.consult(mercyToken, `{"hook":"patient-consent-consult","hookInstance":"x","context":{"patientId":[{"value":"Patient/`+w.alice+`"}],"actor":[{"value":"Organization/oak"}],"purposeOfUse":"TREAT"}}`)
	if a.Cards[0].Summary != "CONSENT_PERMIT" || n.asked != 2 || n.demographics != 0 {
		t.Errorf("%s; the index was asked %d times, %d times for demographics; want twice, and never", a.Cards[0].Summary, n.asked, n.demographics)
	}
	w.filed(mercyToken, w.alice)
	if n.demographics != 0 {
		t.Errorf("a filing read demographics %d times", n.demographics)
	}
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
	if a.Cards[0].Summary != "CONSENT_PERMIT" || len(o) != 1 || o[0].ID.Code != "REDACT" || len(o[0].Parameters.Codes) != 2 || o[0].Parameters.Codes[0].Code != "PSYTHPN" || o[0].Parameters.Codes[1].Code != "HIV" {
		t.Errorf("%+v; want what she hides, and what needs an authorization", a)
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

// TestAConsultationKeepsBackWhatMayBeWhatIsRefused asks about one resource after a wish that refuses some of them, and once about
// one that is like it and is not refused.
//
// Source: spec consent 2.2, 2.4 and 2.15.
func TestAConsultationKeepsBackWhatMayBeWhatIsRefused(t *testing.T) {
	const n, hiv = `{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}`, `{"code":"HIV"}`
	concept := func(code string) string { return `{"coding":[{"system":"http://loinc.org","code":"` + code + `"}]}` }
	resource := func(labels, more string) string {
		return `{"resourceType":"DiagnosticReport","id":"a","meta":{"security":[` + labels + `]}` + more + `}`
	}
	category := `,"category":[` + concept("11502-2") + `]`
	for _, tt := range []struct {
		name, refused, resource string
		goes                    bool
	}{
		{"an ordinary one", `"securityLabel":[` + hiv + `]`, resource(n, category), true},
		{"with the label", `"securityLabel":[` + hiv + `]`, resource(n+","+hiv, category), false},
		{"with a label of a system nobody knows", `"securityLabel":[` + hiv + `]`, resource(n+`,{"system":"urn:local","code":"7"}`, category), false},
		{"with a label without a code", `"securityLabel":[` + hiv + `]`, resource(n+`,{"display":"very secret"}`, category), false},
		{"with a label nobody knows", `"securityLabel":[` + hiv + `]`, resource(n+`,{"code":"HIVX"}`, category), false},
		{"without labels", `"securityLabel":[` + hiv + `]`, resource("", category), false},
		{"restricted, and normal besides", `"securityLabel":[{"code":"R"}]`, resource(`{"code":"R"},`+n, category), false},
		{"of the class", `"class":[{"code":"11502-2"}]`, resource(n, category), false},
		{"of another class", `"class":[{"code":"18748-4"}]`, resource(n, category), true},
		{"of two classes, one of them refused", `"class":[{"code":"18748-4"}]`, resource(n, `,"category":[`+concept("11502-2")+`,`+concept("18748-4")+`]`), false},
		{"of no class anybody knows", `"class":[{"code":"18748-4"}]`, resource(n, ""), false},
		{"of a class in words alone", `"class":[{"code":"18748-4"}]`, resource(n, `,"category":[{"text":"imaging"}]`), false},
		{"of the type", `"code":[` + concept("24331-1") + `]`, resource(n, category+`,"code":`+concept("24331-1")), false},
		{"of another type", `"code":[` + concept("24331-1") + `]`, resource(n, category+`,"code":`+concept("2085-9")), true},
		{"of no type anybody knows", `"code":[` + concept("24331-1") + `]`, resource(n, category), false},
		{"a kind of resource", `"class":[{"code":"DiagnosticReport"}]`, resource(n, ""), false},
		{"another kind of resource", `"class":[{"code":"Observation"}]`, resource(n, ""), true},
		{"a psychotherapy note, whatever she said", `"securityLabel":[` + hiv + `]`, resource(n+`,{"code":"HIPAAPsyNotes"}`, category), false},
	} {
		w := newWard(t)
		if r := w.file(mercyToken, strings.Replace(consentBody(refTo(w.alice)), `"provision":{"type":"deny"}`, `"provision":{"type":"deny",`+tt.refused+`}`, 1)); r.Code != http.StatusCreated {
			t.Fatalf("%s: %s", tt.name, r.Body)
		}
		a := w.consult(mercyToken, `{"hook":"patient-consent-consult","hookInstance":"x","context":{"patientId":[{"system":"`+redSystem+`","value":"R-1"}],"actor":[{"value":"Organization/oak"}],
 "purposeOfUse":"TREAT","content":{"resourceType":"Bundle","entry":[{"resource":`+tt.resource+`}]}}}`)
		if goes := len(a.Cards[0].Extension.Content.Entry) == 1; goes != tt.goes || (a.Cards[0].Summary == "CONSENT_PERMIT") != tt.goes {
			t.Errorf("%s: goes %t", tt.name, goes)
		}
	}
}

// TestAConsultationSaysWhatGoesWithAPermission asks about what a Part 2 program holds.
//
// Source: spec consent 2.11; 42 CFR 2.32.
func TestAConsultationSaysWhatGoesWithAPermission(t *testing.T) {
	w := newWard(t)
	w.program("mercy-main")
	permission := strings.NewReplacer(`"policyRule":{"coding":[{"code":"OPTOUT"}]}`, `"policy":[{"uri":"`+consent.PolicyPart2+`"}]`, `{"type":"deny"}`, `{"type":"permit","purpose":[{"code":"TREAT"}]}`).Replace(consentBody(refTo(w.alice)))
	ask := `{"hook":"patient-consent-consult","hookInstance":"x","context":{"patientId":[{"system":"` + redSystem + `","value":"R-1"}],"actor":[{"value":"Organization/oak"}],"purposeOfUse":"TREAT"%}}`
	content := `,"content":{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"a","meta":{"security":[{"code":"N"}]}}}]}`
	if a := w.consult(mercyToken, strings.Replace(ask, "%", "", 1)); a.Cards[0].Summary != "CONSENT_DENY" {
		t.Errorf("without her consent: %+v", a)
	}
	if r := w.file(mercyToken, permission); r.Code != http.StatusCreated {
		t.Fatal(r.Body)
	}
	for _, more := range []string{"", content} {
		a := w.consult(mercyToken, strings.Replace(ask, "%", more, 1))
		var owed []string
		for _, o := range a.Cards[0].Extension.Obligations {
			owed = append(owed, o.ID.Code)
		}
		if got := strings.Join(owed, " "); a.Cards[0].Summary != "CONSENT_PERMIT" || !strings.HasPrefix(got, "NO-PROCEEDINGS NORDSCLCD P2-NOTICE") {
			t.Errorf("%s, owed %q", a.Cards[0].Summary, got)
		}
	}
}

// program puts a site under Part 2.
func (w *ward) program(site hie.SiteID) {
	w.Helper()
	file := w.network.File()
	for i := range file.Sites {
		if file.Sites[i].ID == site {
			file.Sites[i].Regimes = []string{"part2"}
		}
	}
	n, err := file.Network(2)
	if err != nil {
		w.Fatal(err)
	}
	options, err := consentjson.Options(time.Now())
	if err != nil {
		w.Fatal(err)
	}
	if w.env, err = consent.FromNetwork(n, options); err != nil {
		w.Fatal(err)
	}
}
