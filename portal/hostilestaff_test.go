package portal

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/server"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// hostileAdmin answers every call of the administration API with all its description allows, and a script wherever it allows
// free text: a field added to the API is tried on the pages by itself.
type hostileAdmin struct {
	t      *testing.T
	doc    []byte
	router routers.Router
	// asked counts the operations that were answered.
	asked map[string]int
}

func newHostileAdmin(t *testing.T) *hostileAdmin {
	t.Helper()
	h := &hostileAdmin{t: t, doc: server.OpenAPI(), asked: map[string]int{}}
	doc, err := openapi3.NewLoader().LoadFromData(h.doc)
	if err != nil {
		t.Fatal(err)
	}
	if h.router, err = gorillamux.NewRouter(doc); err != nil {
		t.Fatal(err)
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *hostileAdmin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/admin/openapi.yaml":
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(h.doc)
		return
	case r.URL.Path == "/fhir/metadata":
		_ = json.NewEncoder(w).Encode(map[string]any{"software": map[string]any{"version": script}, "rest": []any{map[string]any{"resource": []any{map[string]any{
			"type": script, "documentation": script, "interaction": []any{map[string]any{"code": script}}, "searchParam": []any{map[string]any{"name": script, "type": script}},
			"operation": []any{map[string]any{"name": script}}}}}}})
		return
	case strings.HasPrefix(r.URL.Path, "/fhir/"):
		hostileAPI(w, r)
		return
	}
	route, _, err := h.router.FindRoute(r)
	if err != nil {
		h.t.Errorf("%s %s is not described", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h.asked[route.Operation.OperationID]++
	for _, status := range []string{"200", "201", "202"} {
		answer := route.Operation.Responses.Value(status)
		if answer == nil || answer.Value == nil {
			continue
		}
		for kind, m := range answer.Value.Content {
			w.Header().Set("Content-Type", kind)
			if strings.Contains(kind, "json") {
				_ = json.NewEncoder(w).Encode(hostileValue(m.Schema, 0))
				return
			}
			_, _ = w.Write([]byte(script))
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// hostileValue is a value a schema describes.
func hostileValue(s *openapi3.SchemaRef, depth int) any {
	if s == nil || s.Value == nil || depth > 12 {
		return nil
	}
	v := s.Value
	switch {
	case v.Const != nil:
		return v.Const
	case len(v.Enum) > 0:
		return v.Enum[0]
	case len(v.AllOf) > 0:
		out := map[string]any{}
		for _, part := range v.AllOf {
			x := hostileValue(part, depth+1)
			m, isObject := x.(map[string]any)
			if !isObject {
				return x
			}
			for name, value := range m {
				out[name] = value
			}
		}
		for name, p := range v.Properties {
			out[name] = hostileValue(p, depth+1)
		}
		return out
	case len(v.OneOf) > 0:
		return hostileValue(v.OneOf[0], depth+1)
	case len(v.AnyOf) > 0:
		return hostileValue(v.AnyOf[0], depth+1)
	case v.Items != nil:
		return []any{hostileValue(v.Items, depth+1), hostileValue(v.Items, depth+1)}
	case v.Type.Includes("object") || len(v.Properties) > 0:
		out := map[string]any{}
		for name, p := range v.Properties {
			out[name] = hostileValue(p, depth+1)
		}
		if v.AdditionalProperties.Schema != nil {
			out[script] = hostileValue(v.AdditionalProperties.Schema, depth+1)
		}
		if len(out) == 0 { // any resource
			return hostilePatient()
		}
		return out
	case v.Type.Includes("integer"):
		return 2
	case v.Type.Includes("number"):
		return 2.5
	case v.Type.Includes("boolean"):
		return true
	case v.Format == "date-time":
		return time.Now().UTC().Format(time.RFC3339)
	case v.Format == "date":
		return time.Now().UTC().Format(time.DateOnly)
	case v.Pattern != "" && !regexp.MustCompile(v.Pattern).MatchString(script):
		for _, fits := range []string{strings.Repeat("0", 39), strings.Repeat("0", 64), "a", "abc", "A"} {
			if regexp.MustCompile(v.Pattern).MatchString(fits) {
				return fits
			}
		}
	}
	return script
}

// hostilePatient is a Patient with a script in all a feed can fill.
func hostilePatient() map[string]any {
	return map[string]any{"resourceType": "Patient", "id": "p1", "active": true, "birthDate": script, "gender": script, "deceasedDateTime": script, "multipleBirthInteger": 2,
		"name":       []any{map[string]any{"text": script, "family": script, "given": []any{script, script}, "suffix": []any{script}}},
		"identifier": []any{map[string]any{"system": "urn:oak", "value": script}, map[string]any{"system": ssnSystem, "value": script}, map[string]any{"system": script, "value": script, "type": map[string]any{"text": script}}},
		"address":    []any{map[string]any{"line": []any{script}, "city": script, "state": script, "postalCode": script}},
		"telecom":    []any{map[string]any{"system": "phone", "value": script}, map[string]any{"system": "email", "value": script}},
		"extension":  []any{map[string]any{"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": script}}}
}

// staffDuties answer for the exchange; a test signs in as each.
var staffDuties = []access.Duty{access.DutySteward, access.DutyPrivacy, access.DutyOperator, access.DutyIntegrator}

// hostileWorld is a world in which everything that can be named is named by a script: sites, organisations, people.
func hostileWorld(t *testing.T) (*world, *hostileAdmin) {
	t.Helper()
	w := newWorld(t)
	n, err := directory.NewNetwork(1, []directory.Organization{
		{ID: "network", Name: script, Identifier: "urn:org:network", Kind: "network", Active: true},
		{ID: "oak", Name: script, Identifier: "urn:org:oak", Kind: "practice", Active: true},
	}, []directory.Site{{ID: "oak-main", Org: "oak", Name: script, Authorities: []string{"urn:oak"}, Zone: "America/New_York", Active: true, Membership: directory.Live,
		Endpoints: []directory.Endpoint{{ID: "oak-fhir", Protocol: "fhir-r4", Address: "https://oak.test/" + script}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.deps.Network = func() *directory.Network { return n }
	w.cfg.Demo = &Demo{People: []SandboxPerson{{Name: script, Story: script, Birth: script, Numbers: []SandboxNumber{{Site: "oak-main", System: "urn:oak", Value: script}}}},
		Sites: []SandboxSite{{"oak-main", script}}, Clients: []SandboxClient{{ID: "c1", Name: script, Organization: script, KeyFile: script, Scopes: []string{script}, Purposes: []hie.Purpose{"TREAT"}, Roles: []string{"physician"}}},
		Token: func(context.Context, SandboxAsk) (SandboxToken, error) {
			return SandboxToken{Token: script, Scopes: []string{script}, Expires: time.Minute}, nil
		}}
	w.deps.Questions, w.deps.Requests, w.deps.Searches = hostileQuestions{}, hostileRequests{}, hostileSearches{}
	h := newHostileAdmin(t)
	w.api.answer = h.ServeHTTP
	return w, h
}

// hostileQuestions are patients' questions in hostile words.
type hostileQuestions struct{ Questions }

func (hostileQuestions) Open(context.Context, int) ([]audit.Question, error) {
	return []audit.Question{{ID: 1, Record: 11, Event: script, Asked: time.Now(), Words: script}}, nil
}

func (hostileQuestions) Answer(context.Context, hie.Actor, hie.SourcePatientID, int64, string) error {
	return nil
}

// hostileRequests are what patients ask for, in hostile words.
type hostileRequests struct{ Requests }

func (hostileRequests) OpenReports(context.Context, []hie.OrgID, int) ([]consent.ReportRequest, error) {
	return []consent.ReportRequest{{ID: 1, Record: 11, Kind: consent.ReportCorrection, Organization: script, Words: script, Extension: script}}, nil
}

func (hostileRequests) Report(context.Context, hie.SourcePatientID, int64) (consent.ReportRequest, error) {
	return consent.ReportRequest{ID: 1, Record: 11, Kind: consent.ReportCorrection, Organization: script}, nil
}

func (hostileRequests) ExtendReport(context.Context, hie.Actor, consent.ReportRequest, string) error {
	return nil
}

func (hostileRequests) AnswerReport(context.Context, hie.Actor, consent.ReportRequest, consent.ReportOutcome, string) error {
	return nil
}

// hostileSearches are searches somebody saved under a hostile name.
type hostileSearches struct{ Searches }

func (hostileSearches) Of(context.Context, hie.Actor) ([]audit.SavedSearch, error) {
	return []audit.SavedSearch{{ID: 1, Name: script, User: script, Days: 7}}, nil
}

func (hostileSearches) Save(context.Context, hie.Actor, audit.SavedSearch) error { return nil }

func (hostileSearches) Forget(context.Context, hie.Actor, int64) error { return nil }

// staff returns a browser of somebody of a duty who has just proved who they are.
func (w *world) staff(duty access.Duty) *browser {
	w.t.Helper()
	b, id := w.browser(), identities()[duty]
	id.Organization = "urn:org:network"
	b.signIn(id)
	id.ProvedAt, id.Class = time.Now(), "strong"
	if got := b.stepUp(id).Code; got != http.StatusSeeOther {
		w.t.Fatalf("%s cannot step up: %d", duty, got)
	}
	return b
}

// formNames are the names of all fields of all forms.
func formNames(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	err := fs.WalkDir(templateFiles, "templates", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := templateFiles.ReadFile(name)
		for _, m := range regexp.MustCompile(`name="([a-z_-]+)"`).FindAllStringSubmatch(string(raw), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil || len(found) < 20 {
		t.Fatalf("%d fields of forms, %v", len(found), err)
	}
	var out []string
	for name := range found {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

var parameter = regexp.MustCompile(`:[a-z]+`)

// TestWhateverIsWrittenIsShownToStaffAsText visits every page of every duty of the staff, and sends every form, with a script in
// all that feeds, people, sites and addresses can fill; no page may hold one as markup, nor the log as anything.
//
// Source: OWASP, Cross Site Scripting Prevention.
func TestWhateverIsWrittenIsShownToStaffAsText(t *testing.T) {
	w, h := hostileWorld(t)
	form, query := url.Values{}, url.Values{}
	for _, name := range formNames(t) {
		form.Set(name, script)
		query.Set(name, script)
	}
	for name, value := range map[string]string{"verdict": "same", "do": "snooze", "until": w.now.AddDate(0, 0, 3).Format(time.DateOnly), "client": "c1", "purpose": "TREAT",
		"role": "physician", "finding": "justified", "language": "en", "next": "/"} {
		form.Set(name, value)
	}
	query.Set("client", "c1")
	shown, told := 0, 0
	for _, duty := range staffDuties {
		b := w.staff(duty)
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			for _, r := range w.table() {
				if r.method != method || r.open || !slices.Contains(r.duties, duty) {
					continue
				}
				path := parameter.ReplaceAllString(r.path, strings.Repeat("0", 39))
				sent := form
				if method == http.MethodGet {
					path, sent = path+"?"+query.Encode(), nil
				}
				got := b.do(method, path, sent)
				if got.Code >= 500 || got.Code == http.StatusForbidden || got.Code == http.StatusUnauthorized {
					t.Errorf("%s %s: %d to a %s", method, r.path, got.Code, duty)
				}
				if method == http.MethodGet && got.Code == http.StatusOK && strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") {
					shown++
				} else if method == http.MethodGet && got.Code == http.StatusOK && !strings.HasPrefix(got.Header().Get("Content-Disposition"), "attachment") {
					t.Errorf("%s is neither a page nor a file to keep", r.path)
				}
				if !strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") {
					continue
				}
				if strings.Contains(got.Body.String(), "&lt;script&gt;alert(1)") {
					told++
				}
				for _, bad := range []string{"<script>alert", "<img src=x", "onerror=alert(2)>", "=\"javascript:"} {
					if at := strings.Index(got.Body.String(), bad); at >= 0 {
						t.Errorf("%s %s: the page holds %q as markup: …%s", method, r.path, bad, got.Body.String()[max(0, at-80):at])
					}
				}
			}
		}
	}
	if shown < 25 || told < 25 {
		t.Errorf("only %d pages were shown, and %d told what was written", shown, told)
	}
	if len(h.asked) < 15 {
		t.Errorf("only %d operations of the API were asked: %v", len(h.asked), h.asked)
	}
	if strings.Contains(w.log.String(), "alert(1)") {
		t.Error("the log holds what was written")
	}
}

// TestNoActionIsTakenForAnotherSite sends every form of every duty as pages of other sites would.
func TestNoActionIsTakenForAnotherSite(t *testing.T) {
	w, _ := hostileWorld(t)
	posts := 0
	for duty, id := range identities() {
		b := w.browser()
		b.signIn(id)
		id.ProvedAt, id.Class = time.Now(), "strong"
		b.stepUp(id)
		for _, r := range w.table() {
			if r.method != http.MethodPost || (!r.open && r.duties != nil && !slices.Contains(r.duties, duty)) {
				continue
			}
			posts++
			for name, headers := range map[string][]string{
				"a form of another site": {"Sec-Fetch-Site", "cross-site"}, "a form of a sister site": {"Sec-Fetch-Site", "same-site"},
				"an old browser on another site": {"Sec-Fetch-Site", "", "Origin", "https://evil.test"}, "an origin that is none": {"Sec-Fetch-Site", "", "Origin", "null"},
				"a request that says nothing of it": {"Sec-Fetch-Site", ""},
			} {
				calls, events := len(w.api.actors), len(w.trail.events)
				got := b.do(http.MethodPost, parameter.ReplaceAllString(r.path, strings.Repeat("0", 39)), url.Values{"verdict": {"same"}, "reason": {"x"}}, headers...)
				if got.Code != http.StatusForbidden || len(w.api.actors) != calls || len(w.trail.events) != events {
					t.Errorf("%s: POST %s as a %s: %d, want 403, nothing asked and nothing recorded", name, r.path, duty, got.Code)
				}
			}
		}
	}
	if posts < 60 {
		t.Errorf("only %d actions were tried", posts)
	}
}

// TestEveryActionThatAsksForAFreshProofIsNotTakenWithout tries each page and action that needs a proof of the last minutes:
// without one, with one that is too old, and with a session whose proof was another person's.
func TestEveryActionThatAsksForAFreshProofIsNotTakenWithout(t *testing.T) {
	w, _ := hostileWorld(t)
	tried := 0
	for duty, id := range identities() {
		b := w.browser()
		b.signIn(id)
		attempt := func(when string) {
			for _, r := range w.table() {
				if !r.stepUp || !slices.Contains(r.duties, duty) {
					continue
				}
				tried++
				calls := len(w.api.actors)
				got := b.do(r.method, parameter.ReplaceAllString(r.path, strings.Repeat("0", 39))+"?proved=1", url.Values{"proved": {"1"}, "reason": {"x"}})
				if got.Code != http.StatusSeeOther || !strings.HasPrefix(got.Header().Get("Location"), "/signin/again?next=") || len(w.api.actors) != calls {
					t.Errorf("%s %s as a %s, %s: %d to %q, want the way to a proof and nothing asked", r.method, r.path, duty, when, got.Code, got.Header().Get("Location"))
				}
			}
		}
		attempt("without a proof")
		other := id
		other.Subject, other.ProvedAt, other.Class = "somebody else", time.Now(), "strong"
		b.stepUp(other)
		attempt("after somebody else's proof")
		fresh := id
		fresh.ProvedAt, fresh.Class = time.Now(), "strong"
		if got := b.stepUp(fresh).Code; got != http.StatusSeeOther {
			t.Fatalf("a good proof of a %s: %d", duty, got)
		}
		now := w.now
		w.now = now.Add(access.StepUpLife + time.Second)
		attempt("when the proof has grown old")
		w.now = now
	}
	if tried < 60 {
		t.Errorf("only %d attempts", tried)
	}
}
