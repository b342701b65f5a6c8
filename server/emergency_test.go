package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// claimBody is a claim about the patient system|value.
func claimBody(system, value string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":"` + system + `","value":"` + value + `"}},
 {"name":"reason","valueCode":"unconscious"},{"name":"text","valueString":"Found unconscious at the bus stop."},
 {"name":"attested","valueCode":"emergency-exists"},{"name":"attested","valueCode":"consent-not-obtainable-in-time"},{"name":"attested","valueCode":"not-refused-if-able"}]}`
}

// physician makes the token "app" an emergency physician of Oak.
func (w *ward) physician() *hie.Actor {
	w.as = &hie.Actor{Organization: "oak", Client: "oak-emr", User: "dr-bloom", UserName: "Dr. Bloom", Roles: []string{"physician", "ed"},
		Scopes: []string{"system/Patient.rs"}, Purposes: []hie.Purpose{hie.PurposeBreakGlass}}
	return w.as
}

func (w *ward) claim(body string) *httptest.ResponseRecorder {
	w.Helper()
	return w.do(http.MethodPost, "/fhir/Patient/$break-glass", "app", []byte(body))
}

func TestAClaimIsTakenWhetherAnybodyIsKnownOrNot(t *testing.T) {
	w := newWard(t)
	w.physician()
	known := w.claim(claimBody(blueSystem, "B-1"))
	if known.Code != http.StatusOK || !strings.Contains(known.Body.String(), `"valueDateTime":"2026-03-01T16:00:00.000Z"`) {
		t.Fatalf("%d %s", known.Code, known.Body)
	}
	for name, body := range map[string]string{"an unknown number": claimBody(blueSystem, "nobody"), "a system nobody assigns": claimBody("urn:x", "B-1")} {
		if r := w.claim(body); r.Code != known.Code || r.Body.String() != known.Body.String() {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
	if len(w.cabinet.tasks) != 3 || len(w.cabinet.tasks[1].Records) != 0 {
		t.Fatalf("%d tasks", len(w.cabinet.tasks))
	}
	task := w.cabinet.tasks[0]
	if got := slices.Sorted(slices.Values(task.Records)); !slices.Equal(got, slices.Sorted(slices.Values([]hie.SourcePatientID{w.aliceRec, w.oakRec}))) || task.Claim.Role != "ed" || task.Until.Sub(task.Claim.At) != 4*time.Hour {
		t.Error("the claim does not cover the person's records for four hours")
	}
}

func TestWhatIsWrongWithAClaimIsSaidTheSameForEverybody(t *testing.T) {
	w := newWard(t)
	param := func(name string) string { return "Parameters.parameter.where(name='" + name + "')" }
	for _, tt := range []struct{ name, old, changed, code, path string }{
		{"no identifier", `"name":"identifier"`, `"name":"id"`, "required", param("identifier")},
		{"no reason", `"name":"reason"`, `"name":"r"`, "code-invalid", param("reason")},
		{"a reason that is none", `"unconscious"`, `"curious"`, "code-invalid", param("reason")},
		{"too short a text", `Found unconscious at the bus stop.`, `   unconscious, found   `, "value", param("text")},
		{"an attestation missing", `not-refused-if-able`, `whatever`, "required", param("attested")},
		{"not Parameters", `"Parameters"`, `"Patient"`, "invalid", "resourceType"},
		{"too long a text", `Found`, strings.Repeat("Found ", 1000), "too-long", param("text")},
	} {
		var bodies []string
		for _, value := range []string{"B-1", "nobody"} {
			w.physician()
			w.trail.events = nil
			r := w.claim(strings.Replace(claimBody(blueSystem, value), tt.old, tt.changed, 1))
			w.refused(r, http.StatusBadRequest, tt.code, tt.path)
			bodies = append(bodies, r.Body.String())
			if len(w.trail.events) != 1 || w.trail.events[0].Kind != audit.EmergencyClaimed || w.trail.events[0].Outcome != audit.Refusal {
				t.Errorf("%s: the refused claim was not recorded", tt.name)
			}
		}
		if bodies[0] != bodies[1] {
			t.Errorf("%s: the answer depends on the patient", tt.name)
		}
	}
	for name, edit := range map[string]func(*hie.Actor){
		"no user":               func(a *hie.Actor) { a.User = "" },
		"no privileged role":    func(a *hie.Actor) { a.Roles = []string{"physician"} },
		"treatment":             func(a *hie.Actor) { a.Purposes = []hie.Purpose{hie.PurposeTreat} },
		"one purpose of two":    func(a *hie.Actor) { a.Purposes = []hie.Purpose{hie.PurposeBreakGlass, "HPAYMT"} },
		"no purpose":            func(a *hie.Actor) { a.Purposes = nil },
		"a patient's own token": func(a *hie.Actor) { a.Patient = w.oakRec },
		"no scope":              func(a *hie.Actor) { a.Scopes = nil },
	} {
		edit(w.physician())
		if r := w.claim(claimBody(blueSystem, "B-1")); r.Code != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, r.Code)
		}
	}
	if len(w.cabinet.tasks) != 0 {
		t.Error("a refused claim was granted")
	}
}

func TestAPrivacyOfficerReviewsClaims(t *testing.T) {
	w := newWard(t)
	w.physician()
	w.claim(claimBody(blueSystem, "B-1"))
	list := func(org hie.OrgID, query string) (out struct {
		Reviews []reviewJSON `json:"reviews"`
		Next    string       `json:"next"`
	}) {
		w.officer(org)
		r := w.get("/admin/v1/reviews"+query, "app")
		if err := json.Unmarshal(r.Body.Bytes(), &out); err != nil || r.Code != http.StatusOK {
			t.Fatalf("%d %v %s", r.Code, err, r.Body)
		}
		return out
	}
	got := list("network", "").Reviews
	if len(got) != 1 || got[0].User != "dr-bloom" || got[0].Organization != "oak" || got[0].Reason != "unconscious" || len(got[0].Records) != 2 {
		t.Fatalf("%+v", got)
	}
	if theirs := list("mercy", "").Reviews; len(theirs) != 1 || len(theirs[0].Records) != 1 || theirs[0].Records[0] != w.alice {
		t.Errorf("an officer of an organisation whose registration was opened sees %+v; want the claim with that one", theirs)
	}
	if n := len(list("quince", "").Reviews); n != 0 {
		t.Errorf("an officer of an organisation it has nothing to do with sees %d claims", n)
	}
	path := "/admin/v1/reviews/" + got[0].ID
	closing := func(body string) *httptest.ResponseRecorder {
		return w.do(http.MethodPost, path+"/close", "app", []byte(body), "Content-Type", "application/json")
	}
	w.officer("mercy")
	if r := closing(`{"finding":"justified","note":"x"}`); r.Code != http.StatusForbidden {
		t.Errorf("the officer of a source closes it: %d", r.Code)
	}
	w.officer("quince")
	if r := closing(`{"finding":"justified","note":"x"}`); r.Code != http.StatusNotFound {
		t.Errorf("another organisation's officer closes it: %d", r.Code)
	}
	w.officer("network")
	for _, bad := range []string{`{"finding":"fine","note":"x"}`, `{"finding":"justified","note":" "}`, `{"finding":"justified"}`, `{"finding":"justified","note":"x","more":1}`} {
		if r := closing(bad); r.Code != http.StatusBadRequest || !strings.HasPrefix(r.Header().Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %d %s", bad, r.Code, r.Header().Get("Content-Type"))
		}
	}
	w.as.Organization, w.as.User = "oak", "dr-bloom"
	if r := closing(`{"finding":"justified","note":"it was me"}`); r.Code != http.StatusForbidden {
		t.Errorf("the claimant closes the review: %d", r.Code)
	}
	w.officer("network")
	if r := closing(`{"finding":"unjustified","note":"the chart says otherwise"}`); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"finding":"unjustified"`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if r := closing(`{"finding":"justified","note":"again"}`); r.Code != http.StatusConflict {
		t.Errorf("closing twice: %d", r.Code)
	}
	if open, closed := len(list("network", "").Reviews), len(list("network", "?closed=true").Reviews); open != 0 || closed != 1 {
		t.Errorf("%d open, %d closed", open, closed)
	}
}

// TestASourceContestsAClaimAndThenTheNetworkSettlesIt: each side judges its own cause.
func TestASourceContestsAClaimAndThenTheNetworkSettlesIt(t *testing.T) {
	w := newWard(t)
	w.physician()
	w.claim(claimBody(blueSystem, "B-1"))
	path := "/admin/v1/reviews/" + w.sealer.ID("review", 1, 0)
	post := func(org hie.OrgID, action, body string) *httptest.ResponseRecorder {
		w.officer(org)
		return w.do(http.MethodPost, path+"/"+action, "app", []byte(body), "Content-Type", "application/json")
	}
	for name, tt := range map[string]struct {
		org  hie.OrgID
		body string
		want int
	}{
		"the claimant's own":      {"oak", `{"reason":"x"}`, http.StatusForbidden},
		"one it does not concern": {"quince", `{"reason":"x"}`, http.StatusNotFound},
		"without words":           {"mercy", `{"reason":" "}`, http.StatusBadRequest},
		"the network, no source":  {"network", `{"reason":"x"}`, http.StatusForbidden},
	} {
		if r := post(tt.org, "contest", tt.body); r.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, r.Code, tt.want)
		}
	}
	if r := post("mercy", "contest", `{"reason":"she was awake and declined"}`); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"contested_by":"mercy/p.stone"`) {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	if r := post("mercy", "contest", `{"reason":"again"}`); r.Code != http.StatusConflict {
		t.Errorf("contested twice: %d", r.Code)
	}
	if r := post("oak", "close", `{"finding":"justified","note":"we say so"}`); r.Code != http.StatusForbidden {
		t.Errorf("the claimant's officer settles a contested claim: %d", r.Code)
	}
	if r := post("network", "close", `{"finding":"unjustified","note":"the nurse's record agrees"}`); r.Code != http.StatusOK {
		t.Errorf("the network settles it: %d %s", r.Code, r.Body)
	}
}

// TestAnEmergencyIsEndedByWhoClaimedItOrByAnOfficer: and to whom it is none of their business nothing is told apart.
func TestAnEmergencyIsEndedByWhoClaimedItOrByAnOfficer(t *testing.T) {
	w := newWard(t)
	w.physician()
	for range 2 {
		w.claim(claimBody(blueSystem, "B-1"))
	}
	over := func(value string) *httptest.ResponseRecorder {
		return w.do(http.MethodPost, "/fhir/Patient/$end-emergency", "app", []byte(`{"resourceType":"Parameters","parameter":[
 {"name":"identifier","valueIdentifier":{"system":"`+blueSystem+`","value":"`+value+`"}},{"name":"text","valueString":" handed over to the ward "}]}`))
	}
	held := func() (n int) {
		for _, t := range w.cabinet.tasks {
			if t.Holds(w.cabinet.now()) {
				n++
			}
		}
		return n
	}
	path := "/admin/v1/reviews/" + w.sealer.ID("review", 1, 0) + "/end"
	end := func(org hie.OrgID, body string) *httptest.ResponseRecorder {
		w.officer(org)
		return w.do(http.MethodPost, path, "app", []byte(body), "Content-Type", "application/json")
	}
	for name, tt := range map[string]struct {
		org  hie.OrgID
		body string
		want int
	}{
		"the source of what was opened": {"mercy", `{"reason":"she went home"}`, http.StatusForbidden},
		"one it does not concern":       {"quince", `{"reason":"she went home"}`, http.StatusNotFound},
		"without words":                 {"network", `{"reason":" "}`, http.StatusBadRequest},
		"with too many":                 {"network", `{"reason":"` + strings.Repeat("x", 4001) + `"}`, http.StatusBadRequest},
	} {
		if r := end(tt.org, tt.body); r.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, r.Code, tt.want)
		}
	}
	if r := end("oak", `{"reason":"she went home"}`); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"ended_by":"oak/p.stone"`) || strings.Contains(r.Body.String(), `"finding"`) {
		t.Fatalf("an officer of the claimant's organisation: %d %s", r.Code, r.Body)
	}
	if r := end("oak", `{"reason":"again"}`); r.Code != http.StatusConflict {
		t.Errorf("ended twice: %d", r.Code)
	}
	if r := w.get("/admin/v1/reviews?holds=true", "app"); strings.Count(r.Body.String(), `"opened"`) != 1 {
		t.Errorf("of two emergencies one holds: %s", r.Body)
	}
	w.physician().User = "dr-other"
	other := over("B-1")
	if held() != 1 || other.Code != http.StatusNoContent {
		t.Errorf("who did not claim it: %d, %d hold; want one", other.Code, held())
	}
	w.physician()
	if r := over("nobody"); r.Code != http.StatusNoContent || r.Body.String() != other.Body.String() || held() != 1 {
		t.Errorf("about nobody: %d %s", r.Code, r.Body)
	}
	if r := over("B-1"); r.Code != http.StatusNoContent || r.Body.String() != other.Body.String() || held() != 0 || w.cabinet.tasks[1].EndReason != "handed over to the ward" {
		t.Errorf("who claimed it: %d %s, %d hold", r.Code, r.Body, held())
	}
	w.physician().User = ""
	if r := over("B-1"); r.Code != http.StatusForbidden {
		t.Errorf("a system: %d", r.Code)
	}
}

// TestANoticeReachesThePatientUnlessSomebodysSafetyHoldsIt: and then nothing tells the patient that one is held.
func TestANoticeReachesThePatientUnlessSomebodysSafetyHoldsIt(t *testing.T) {
	w := newWard(t)
	w.physician()
	w.claim(claimBody(blueSystem, "B-1"))
	notices := func() string {
		w.patientApp(w.oakRec)
		w.as.Scopes = append(w.as.Scopes, "concord/report.read")
		r := w.get("/admin/v1/notices", "app")
		if r.Code != http.StatusOK {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		return r.Body.String()
	}
	if got := notices(); strings.Count(got, `"kind":"emergency"`) != 2 { // one a record
		t.Errorf("the patient is told %s", got)
	}
	path := "/admin/v1/reviews/" + w.sealer.ID("review", 1, 0) + "/hold"
	hold := func(org hie.OrgID, body string) int {
		w.officer(org)
		return w.do(http.MethodPost, path, "app", []byte(body), "Content-Type", "application/json").Code
	}
	good := `{"until":"2026-03-20T00:00:00Z","reason":"he reads her mail; the shelter asked for it"}`
	for name, got := range map[string]int{"an organisation's officer": hold("oak", good), "no reason": hold("network", `{"until":"2026-03-20T00:00:00Z","reason":"later"}`),
		"for too long": hold("network", strings.Replace(good, "03-20", "09-20", 1)), "until yesterday": hold("network", strings.Replace(good, "03-20", "02-20", 1))} {
		if got != http.StatusForbidden && got != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got)
		}
	}
	if code := hold("network", good); code != http.StatusOK {
		t.Fatal(code)
	}
	if got := notices(); got != `{"notices":[]}` {
		t.Errorf("held back, the patient is told %s", got)
	}
}

func TestADecisionIsExplainedToThePrivacyOfficerAlone(t *testing.T) {
	w := newWard(t)
	path := w.filed(mercyToken, w.alice)
	body := []byte(`{"patient":"Patient/` + w.alice + `","record":"` + w.oaks + `","organization":"oak","roles":["physician"],"purposes":["TREAT"],
 "document":{"class":"lab","confidentiality":"N","labelled":true}}`)
	ask := func(b []byte) *httptest.ResponseRecorder {
		return w.do(http.MethodPost, "/admin/v1/consent/explain", "app", b, "Content-Type", "application/json")
	}
	w.officer("network")
	r := ask(body)
	var got traceJSON
	if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil || r.Code != http.StatusOK {
		t.Fatalf("%d %v %s", r.Code, err, r.Body)
	}
	id := strings.TrimPrefix(path, "/fhir/Consent/")
	if got.Release || got.Reason != "DENY" || len(got.Directives) != 1 || got.Directives[0].Consent != id || got.Directives[0].State != "in force" {
		t.Errorf("%+v", got)
	}
	if i := slices.IndexFunc(got.Steps, func(s stepJSON) bool { return s.Decides }); i < 0 || got.Steps[i].Rule != id+"/1" || got.Steps[i].Node != "provision" {
		t.Errorf("the deciding step is not named: %+v", got.Steps)
	}
	w.officer("mercy")
	if r := ask(body); r.Code != http.StatusNotFound {
		t.Errorf("an officer asks about another organisation's record: %d", r.Code)
	}
	w.physician()
	if r := ask(body); r.Code != http.StatusForbidden {
		t.Errorf("a physician asks: %d", r.Code)
	}
}
