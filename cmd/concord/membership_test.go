package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

// TestNothingPassesToOrFromASiteThatIsNotLive brings on an organisation with two sites, one that publishes and one that is asked
// live. While they are joining they register and publish like any, and whoever asks at any door is answered as if they were not
// there; they themselves as if nobody else were. A second person's sign-off opens the doors, and a suspension closes them at the
// next request: to handles that were given out before too.
//
// Source: spec ux A3; spec federation 2.1.
func TestNothingPassesToOrFromASiteThatIsNotLive(t *testing.T) {
	sites := newLiveSites(t, 1)
	w, _ := newLiveExchange(t, sites)
	store := directorypg.New(w.db, auditpg.Append, nil)
	before, err := store.Load(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	f := before.File()
	f.Organizations = append(f.Organizations, directory.Organization{ID: "elm", Name: "Elm Health", Identifier: "https://elm.example.org", Kind: "practice", Jurisdiction: "US-MD", Active: true})
	at := map[string]string{"riverside": w.authority("riverside-clinic"), "index": "https://elm.example.org/index", "asked": "https://elm.example.org/asked"}
	for _, s := range []directory.Site{
		{ID: "elm-index", Name: "Elm Index", Publishes: true, Endpoints: []directory.Endpoint{{ID: "elm-index-fhir", Protocol: "fhir-r4", Address: w.bases["harbor-main"]}}},
		{ID: "elm-asked", Name: "Elm Asked", Endpoints: []directory.Endpoint{{ID: "elm-asked-fhir", Protocol: "fhir-r4", Address: sites[0].base}}},
	} {
		s.Org, s.Zone, s.Labelled, s.Active, s.Authorities = "elm", "America/New_York", true, true, []string{at[strings.TrimPrefix(string(s.ID), "elm-")]}
		f.Sites = append(f.Sites, s)
	}
	if _, err := store.Apply(w.ctx, operatorActor, f, false); err != nil {
		t.Fatal(err)
	}
	w.region.Sites = append(w.region.Sites, sim.Site{ID: "none", Org: "elm", OrgURI: "https://elm.example.org"})
	w.admit("elm", access.Client{ID: "elm-emr", Scopes: emrScopes, Purposes: emrPurposes, Roles: []string{"physician", "nurse", "ed"}})
	w.addClient("elm-feed", "elm", "https://elm.example.org", feedScopes)

	// One woman, known everywhere.
	const local = "FLIGHT-1"
	mine := w.registerAt("riverside-clinic-feed", local, at["riverside"])[0]
	theirs := w.registerAt("elm-feed", local, at["index"], at["asked"])
	post := func(client, authority, base, unique string) {
		t.Helper()
		body := strings.ReplaceAll(string(pointerPost(w.exchangeUnderTest, local, unique)), w.authority("harbor-main"), authority)
		if client == "elm-feed" { // another document, not the same at another place
			body = strings.Replace(body, "qZk+NkcG", "rZk+NkcG", 1)
		}
		w.must(http.StatusCreated, client, feeding, http.MethodPost, "/fhir/DocumentReference", []byte(strings.ReplaceAll(body, w.bases["harbor-main"], base)))
	}
	post("riverside-clinic-feed", at["riverside"], w.bases["riverside-clinic"], "urn:membership:1")
	post("elm-feed", at["index"], w.bases["harbor-main"], "urn:membership:2")

	ask := func(client string, who asker, method, target string, body any) reply {
		t.Helper()
		r, err := w.clients[client].api.call(w.ctx, who, method, target, body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	about := func(authority, local string) string { return url.QueryEscape(authority + "|" + local) }
	match := []byte(`{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","name":[{"family":"Quillfeather","given":["Kestrel"]}],
 "gender":"female","birthDate":"1947-03-11","identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":"212-44-6107"}],"telecom":[{"system":"phone","value":"4105550143"}]}}]}`)
	// told is everything a door may say of somebody, asked by one organisation about its own patient.
	type told struct {
		name string
		reply
	}
	doors := func(client string, own string) []told {
		t.Helper()
		var out []told
		for _, d := range []struct{ name, method, target string }{
			{"search", http.MethodGet, "/fhir/DocumentReference?status=current&patient.identifier=" + about(own, local)},
			{"presence", http.MethodGet, "/fhir/DocumentReference/$presence?patient.identifier=" + about(own, local)},
			{"cross-reference", http.MethodGet, "/fhir/Patient/$ihe-pix?sourceIdentifier=" + about(own, local)},
			{"patient search", http.MethodGet, "/fhir/Patient?family=Quillfeather&birthdate=1947-03-11"},
			{"match", http.MethodPost, "/fhir/Patient/$match"},
			{"idi-match", http.MethodPost, "/fhir/Patient/$idi-match"},
		} {
			var body any
			if d.method == http.MethodPost {
				body = match
			}
			r := ask(client, treating, d.method, d.target, body)
			if r.status >= 500 {
				t.Fatalf("%s: %s", d.name, r.problem())
			}
			out = append(out, told{d.name, r})
		}
		return out
	}
	// names reports whether an answer names any of things, what was asked left out.
	names := func(r reply, asked string, things ...string) bool {
		body := strings.NewReplacer(asked, "", url.QueryEscape(asked), "", strings.ReplaceAll(asked, "/", `\/`), "").Replace(string(r.body))
		for _, thing := range things {
			if strings.Contains(body, thing) {
				return true
			}
		}
		return false
	}
	ofElm := []string{theirs[0], theirs[1], at["index"], at["asked"], "elm-index", "elm-asked", "Elm ", "urn:live:", "urn:membership:2"}
	ofRiverside := []string{mine, at["riverside"], "riverside-clinic", "Riverside", "urn:membership:1"}
	never := map[string]string{"search": "/fhir/DocumentReference?status=current&patient.identifier=", "presence": "/fhir/DocumentReference/$presence?patient.identifier="}

	asked := func() (n int) {
		t.Helper()
		if err := w.db.SQL().QueryRowContext(w.ctx, `select count(*) from audit.event where kind = 'site.asked' and convert_from(body, 'UTF8') like '%elm-asked%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	closed := func(when string) {
		t.Helper()
		heard := asked()
		for _, d := range doors("riverside-clinic-emr", at["riverside"]) {
			if names(d.reply, at["riverside"], ofElm...) {
				t.Errorf("%s, %s: riverside is told of elm: %s", when, d.name, d.body)
			}
		}
		for _, d := range doors("elm-emr", at["index"]) {
			if names(d.reply, at["index"], ofRiverside...) {
				t.Errorf("%s, %s: elm is told of riverside: %s", when, d.name, d.body)
			}
			if target, ok := never[d.name]; ok {
				nothing := ask("elm-emr", treating, http.MethodGet, target+about(at["index"], sim.Unknown), nil)
				if got, want := face(d.reply), face(nothing); strings.ReplaceAll(got, local, "") != strings.ReplaceAll(want, sim.Unknown, "") {
					t.Errorf("%s, %s: elm can tell a patient from nobody:\n%s\n%s", when, d.name, got, want)
				}
			}
		}
		for _, id := range theirs {
			if r := ask("riverside-clinic-emr", treating, http.MethodGet, "/fhir/Patient/"+id, nil); r.status != http.StatusNotFound {
				t.Errorf("%s: riverside reads elm's registration: %d", when, r.status)
			}
		}
		own := ask("patient-app", patientActs(mine), http.MethodGet, "/fhir/DocumentReference?patient=Patient/"+mine, nil)
		if own.status != http.StatusOK || names(own, "", ofElm...) || !names(own, "", "urn:membership:1") {
			t.Errorf("%s: the patient is told of elm, or not of riverside: %s", when, own.body)
		}
		claim := []byte(fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":%q,"value":%q}},{"name":"reason","valueCode":"unconscious"},
 {"name":"text","valueString":"Found unconscious at home."},{"name":"attested","valueCode":"emergency-exists"},{"name":"attested","valueCode":"consent-not-obtainable-in-time"},
 {"name":"attested","valueCode":"not-refused-if-able"}]}`, at["index"], local))
		if r := ask("elm-emr", claiming, http.MethodPost, "/fhir/Patient/$break-glass", claim); r.status != http.StatusForbidden {
			t.Errorf("%s: elm claims an emergency: %d", when, r.status)
		}
		residual := map[string]any{"resourceType": "Parameters", "parameter": []any{map[string]any{"name": "patient", "valueReference": map[string]any{"reference": "Patient/" + theirs[0]}},
			map[string]any{"name": "organization", "valueReference": map[string]any{"reference": "Organization/riverside"}}, map[string]any{"name": "purpose", "valueCode": "TREAT"}}}
		if r := ask("elm-feed", feeding, http.MethodPost, "/fhir/Consent/$residual", residual); r.status != http.StatusOK || !strings.Contains(string(r.body), `"valueBoolean":false`) {
			t.Errorf("%s: elm's own filter is told to let through: %s", when, r.body)
		}
		if n := asked(); n != heard {
			t.Errorf("%s: elm was asked live %d times", when, n-heard)
		}
	}
	closed("joining")

	w.goLive()
	time.Sleep(time.Second)
	var handles []string
	for _, d := range doors("riverside-clinic-emr", at["riverside"]) {
		if !names(d.reply, at["riverside"], ofElm...) {
			t.Errorf("live, %s: riverside is told nothing of elm: %s", d.name, d.body)
		}
		if d.name == "search" {
			handles = attachments(t, d.reply)
		}
	}
	if len(handles) != 3 {
		t.Errorf("riverside finds %d documents, want its own, the indexed and the live one", len(handles))
	}
	if r := ask("elm-emr", treating, http.MethodGet, "/fhir/DocumentReference?status=current&patient.identifier="+about(at["index"], local), nil); !names(r, at["index"], "urn:membership:1") {
		t.Errorf("live: elm is told nothing of riverside: %s", r.body)
	}

	for _, id := range []hie.SiteID{"elm-index", "elm-asked"} {
		w.step("anna", directory.Step{Site: id, Move: directory.MoveSuspended, Note: "an incident"})
	}
	time.Sleep(time.Second)
	closed("suspended")
	gone := 0
	for _, handle := range handles {
		if r := ask("riverside-clinic-emr", treating, http.MethodGet, handle, nil); r.status == http.StatusNotFound {
			gone++
		}
	}
	if gone != 2 {
		t.Errorf("of elm's two handles from before %d are gone", gone)
	}
	post("elm-feed", at["index"], w.bases["harbor-main"], "urn:membership:3") // it may still publish, and put right what is wrong

	var trace struct {
		Released bool `json:"release"`
		Reason   string
		Steps    []struct{ Rule, Note string }
	}
	explained := w.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodPost, "/admin/v1/consent/explain", map[string]any{"patient": theirs[0], "organization": "riverside",
		"purposes": []string{"TREAT"}, "roles": []string{"physician"}, "document": map[string]any{"class": "11488-4", "type": "18842-5", "confidentiality": "N", "labelled": true}})
	if err := json.Unmarshal(explained.body, &trace); err != nil || trace.Released || trace.Reason != "NETWORK_FORBID" || len(trace.Steps) == 0 || trace.Steps[0].Rule != "membership" {
		t.Errorf("the officer is told %s", explained.body)
	}
}
