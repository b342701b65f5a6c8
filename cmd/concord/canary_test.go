package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/sim"
)

// canaries are values found nowhere else: whoever sees one in a log, an error, a metric or a URL has found a leak.
var canaries = []string{"Zyxwhistle", "Qorvanthia", "xq7canary", "Glimmerfjord", "555-0148-77", "canary.person", "Vexquiltian"}

// TestPersonalDataStaysOutOfLogsErrorsMetricsAndURLs runs whole stories, good and bad, of a person whose every
// field is a canary.
func TestPersonalDataStaysOutOfLogsErrorsMetricsAndURLs(t *testing.T) {
	oneAfterAnother(t)
	x := newExchange(t, 1)
	site, _ := x.region.Site("harbor-main")
	other, _ := x.region.Site("riverside-clinic")
	patient := func(s sim.Site, local string) []byte {
		b, err := json.Marshal(map[string]any{"resourceType": "Patient",
			"identifier": []any{map[string]any{"system": s.Authority, "value": local}},
			"name":       []any{map[string]any{"family": "Zyxwhistle", "given": []string{"Qorvanthia"}}}, "birthDate": "1931-07-19", "gender": "female",
			"telecom": []any{map[string]any{"system": "phone", "value": "555-0148-77"}, map[string]any{"system": "email", "value": "canary.person@mail.example"}},
			"address": []any{map[string]any{"line": []string{"1 Glimmerfjord Way"}, "city": "Vexquiltian", "postalCode": "21201"}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var answers []reply
	do := func(client string, who asker, method, target string, body any) reply {
		r, err := x.clients[client].api.call(x.ctx, who, method, target, body)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, r)
		return r
	}
	hospitalID, practiceID := site.Authority+"|xq7canary-1", other.Authority+"|xq7canary-2"
	do("harbor-main-feed", asFeed, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(hospitalID), patient(site, "xq7canary-1"))
	do("riverside-clinic-feed", asFeed, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(practiceID), patient(other, "xq7canary-2"))
	do("harbor-main-feed", asFeed, http.MethodPost, "/fhir/DocumentReference", pointerPost(x, "xq7canary-1", "urn:canary:1"))
	good := len(answers)

	// Bad input that carries the canaries in every place a sender can put them.
	do("harbor-main-feed", asFeed, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape("urn:xq7canary|Zyxwhistle"), patient(site, "xq7canary-1"))
	do("harbor-main-feed", asFeed, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(hospitalID), []byte(`{"resourceType":"Patient","name":"Zyxwhistle","birthDate":7}`))
	do("harbor-main-feed", asFeed, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(hospitalID), []byte(`{"resourceType":"Patient","Zyxwhistle":1,"Zyxwhistle":2}`))
	do("harbor-main-feed", asFeed, http.MethodPost, "/fhir/DocumentReference", pointerPost(x, "xq7canary-none", "urn:canary:2"))
	do("riverside-clinic-emr", treating, http.MethodGet, "/fhir/DocumentReference?patient.identifier="+url.QueryEscape(practiceID)+"&date=Zyxwhistle", nil)
	do("riverside-clinic-emr", treating, http.MethodGet, "/fhir/DocumentReference?patient.identifier="+url.QueryEscape(practiceID)+"&favourite=Qorvanthia", nil)
	do("riverside-clinic-emr", treating, http.MethodGet, "/fhir/Patient?family=Zyxwhistle&birthdate=Qorvanthia", nil)
	do("riverside-clinic-emr", treating, http.MethodGet, "/fhir/Patient/xq7canary-1", nil)
	do("riverside-clinic-emr", treating, http.MethodGet, "/fhir/Zyxwhistle/xq7canary", nil)
	do("riverside-clinic-emr", treating, http.MethodPost, "/fhir/Patient/$match", []byte(`{"resourceType":"Parameters","parameter":[{"name":"resource","resource":"Zyxwhistle"}]}`))
	do("riverside-clinic-emr", claiming, http.MethodPost, "/fhir/Patient/$break-glass", []byte(`{"resourceType":"Parameters","parameter":[{"name":"identifier","valueIdentifier":{"system":"x","value":"xq7canary"}},{"name":"text","valueString":"Zyxwhistle"}]}`))
	bad := len(answers)
	do("riverside-clinic-emr", treating, http.MethodGet, "/fhir/DocumentReference?patient.identifier="+url.QueryEscape(practiceID)+"&_count=1", nil)
	do("riverside-clinic-emr", treating, http.MethodGet, "/fhir/Patient?identifier="+url.QueryEscape(practiceID), nil)

	for i, r := range answers[good:bad] {
		for _, canary := range canaries {
			if strings.Contains(string(r.body), canary) {
				t.Errorf("the answer to bad request %d (status %d) quotes what was sent", i, r.status)
			}
		}
		if r.status < 400 && strings.Contains(string(r.body), `"error"`) {
			t.Errorf("bad request %d was answered %d", i, r.status)
		}
	}
	// URLs we make: links, locations, full URLs, attachments.
	for i, r := range answers {
		for _, u := range urlsOf(r) {
			for _, canary := range canaries {
				if strings.Contains(u, canary) || strings.Contains(u, url.QueryEscape(canary)) {
					t.Errorf("answer %d holds a URL of ours with personal data", i)
				}
			}
		}
	}
	for i, n := range x.nodes {
		places := map[string]string{"log": n.printed(), "metrics": x.inside(i, "/metrics"), "profile": x.inside(i, "/debug/pprof/goroutine?debug=2")}
		for place, text := range places {
			if len(text) < 500 {
				t.Errorf("the %s of node %d holds %d bytes: nothing was looked at", place, i, len(text))
			}
			for _, canary := range canaries {
				if strings.Contains(text, canary) {
					t.Errorf("the %s of node %d holds personal data", place, i)
				}
			}
		}
	}
	// What PostgreSQL itself wrote.
	logs, _ := filepath.Glob(filepath.Join(x.dataDir, "log", "*")) // the pattern is well formed
	for _, f := range logs {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range canaries {
			if strings.Contains(string(b), canary) {
				t.Error("PostgreSQL's log holds personal data")
			}
		}
	}
}

// urlsOf returns the URLs of ours an answer holds: those under the node's origin.
func urlsOf(r reply) []string {
	out := []string{r.header.Get("Location"), r.header.Get("Content-Location")}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if strings.HasPrefix(v, "http://127.0.0.1") {
				out = append(out, v)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	var v any
	if json.Unmarshal(r.body, &v) == nil {
		walk(v)
	}
	return out
}
