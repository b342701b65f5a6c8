package portal

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/internal/fhir"
)

// script is what a feed may write into every field it can fill.
const script = `"><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}`

// fhirAnswer answers every path of the API with resources whose every text is hostile.
func hostileAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/fhir+json")
	say := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	patient := map[string]any{"resourceType": "Patient", "id": "p1", "name": []any{map[string]any{"text": script}}, "birthDate": script, "gender": "female",
		"identifier": []any{map[string]any{"system": "urn:oak", "value": script}}, "address": []any{map[string]any{"line": []any{script}, "city": script}},
		"telecom": []any{map[string]any{"system": "phone", "value": script}}}
	document := map[string]any{"resourceType": "DocumentReference", "id": "d1", "status": "current", "description": script,
		"type": map[string]any{"text": script, "coding": []any{map[string]any{"code": script, "display": script}}}, "custodian": map[string]any{"display": script},
		"author":  []any{map[string]any{"display": script}},
		"content": []any{map[string]any{"attachment": map[string]any{"title": script, "contentType": "text/plain", "url": testBase + "/fhir/Binary/b1"}}}}
	set := func(resources ...any) {
		var entries []any
		for _, x := range resources {
			entries = append(entries, map[string]any{"resource": x, "search": map[string]any{"mode": "match", "extension": []any{
				map[string]any{"url": sameURL, "valueReference": map[string]any{"display": script}}}}})
		}
		say(map[string]any{"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": entries})
	}
	switch {
	case r.URL.Path == "/admin/v1/sites":
		now := time.Now().Format(time.RFC3339)
		say(map[string]any{"sites": []any{map[string]any{"site": "oak-main", "name": script, "organization": script, "state": "up", "since": now, "measured": "probes", "calls": 3,
			"probe": map[string]any{"asked": now, "fate": "failed", "reason": script, "software": script, "version": script, "fhir_version": script}}}})
	case r.URL.Path == "/admin/v1/config":
		say(map[string]any{"version": script, "settings": []any{map[string]any{"name": script, "env": script, "value": script, "origin": script}}})
	case strings.HasPrefix(r.URL.Path, "/admin/v1/trace/"):
		say(map[string]any{"requests": []any{map[string]any{"request": script, "trace": script, "client": script, "organization": script, "roles": []string{script}, "purposes": []string{script},
			"spans": []any{map[string]any{"name": "site", "site": script, "outcome": script, "detail": script, "after_ms": -5, "took_ms": 1e12}}}}})
	case strings.HasPrefix(r.URL.Path, "/admin/v1/sites/"):
		say(map[string]any{"points": []any{map[string]any{"at": time.Now().Format(time.RFC3339), "calls": 3}}})
	case strings.HasPrefix(r.URL.Path, "/fhir/Binary/"):
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(script))
	case strings.HasSuffix(r.URL.Path, "/$presence"):
		say(map[string]any{"resourceType": "Parameters", "parameter": []any{map[string]any{"name": "presence", "part": []any{
			map[string]any{"name": "site", "valueReference": map[string]any{"reference": "Organization/" + script}},
			map[string]any{"name": "class", "valueCode": script}, map[string]any{"name": "count", "valueInteger": 3}}}}})
	case strings.HasPrefix(r.URL.Path, "/fhir/Patient/$match"), strings.HasPrefix(r.URL.Path, "/fhir/Patient/_search"):
		set(patient)
	case strings.HasPrefix(r.URL.Path, "/fhir/Patient/"):
		say(patient)
	case strings.HasPrefix(r.URL.Path, "/fhir/DocumentReference/_search"):
		set(document)
	case strings.HasPrefix(r.URL.Path, "/fhir/DocumentReference/"):
		say(document)
	case strings.HasPrefix(r.URL.Path, "/fhir/AuditEvent"):
		set(map[string]any{"resourceType": "AuditEvent", "id": "e1", "recorded": time.Now().Format(time.RFC3339), "outcome": "0",
			"subtype":        []any{map[string]any{"system": kindSystem, "code": "disclosed"}},
			"purposeOfEvent": []any{map[string]any{"coding": []any{map[string]any{"code": script}}}},
			"agent": []any{map[string]any{"type": map[string]any{"coding": []any{map[string]any{"code": "IRCP"}}}, "name": "=cmd|' /C calc'!A0" + script,
				"role": []any{map[string]any{"coding": []any{map[string]any{"code": script}}}}, "requestor": true},
				map[string]any{"type": map[string]any{"coding": []any{map[string]any{"code": "PROV"}}}, "who": map[string]any{"reference": "Organization/x", "display": "+" + script}}},
			"entity": []any{map[string]any{"detail": []any{map[string]any{"type": "class", "valueString": script}, map[string]any{"type": "site", "valueString": script}}}}})
	case strings.HasPrefix(r.URL.Path, "/fhir/Consent"):
		set(map[string]any{"resourceType": "Consent", "id": script, "status": "active", "meta": map[string]any{"versionId": script, "lastUpdated": script}},
			map[string]any{"resourceType": "Consent", "id": "c2", "status": "active", "identifier": []any{map[string]any{"system": choiceSystem, "value": ruleValue}},
				"provision": map[string]any{"type": "deny", "period": map[string]any{"end": script}, "data": []any{map[string]any{"meaning": "instance",
					"reference": map[string]any{"reference": "DocumentReference/d1", "display": script}}}}})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestWhateverAFeedWritesIsShownAsText(t *testing.T) {
	w := newWorld(t)
	w.api.answer = hostileAPI
	for duty, requests := range map[access.Duty][]string{
		access.DutyPatient:   {"GET /my", "GET /my/choice", "GET /my/looked", "GET /my/places", "GET /my/places/oak-main", "GET /my/rules", "GET /my/looked?cursor=" + url.QueryEscape(script)},
		access.DutyClinician: {"POST /find", "GET /patients/p1", "GET /patients/p1?kind=" + url.QueryEscape(script) + "&since=" + url.QueryEscape(script), "GET /documents/d1?of=" + url.QueryEscape(script), "GET /patients/p1/emergency"},
		access.DutyDesk:      {"GET /desk/p1", "GET /desk/p1/form"},
		access.DutyOperator:  {"GET /operator", "GET /operator/sites/oak-main", "GET /operator/sites/oak-main?hours=" + url.QueryEscape(script), "GET /operator/requests/req-hostile", "GET /operator/requests", "GET /operator/settings"},
	} {
		b := w.browser()
		b.signIn(identities()[duty])
		for _, request := range requests {
			method, path, _ := strings.Cut(request, " ")
			var form url.Values
			if method == http.MethodPost {
				form = url.Values{"family": {script}, "birth": {script}, "given": {script}, "phone": {script}}
			}
			r := b.do(method, path, form)
			if r.Code != http.StatusOK {
				t.Errorf("%s: %d", request, r.Code)
			}
			for _, bad := range []string{"<script>alert", "<img src=x", "onerror=alert(2)>"} {
				if strings.Contains(r.Body.String(), bad) {
					t.Errorf("%s: the page holds %q as markup", request, bad)
				}
			}
		}
	}
	if strings.Contains(w.log.String(), "alert(1)") {
		t.Error("the log holds what a feed wrote")
	}
}

func TestAFileNeverBecomesAPageOfOurs(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyClinician])
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
	huge := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
	for _, tt := range []struct{ name, body, contentType, disposition string }{
		{"HTML called a PDF", "<html><script>alert(1)</script>", "application/octet-stream", "attachment"},
		{"an SVG", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "application/octet-stream", "attachment"},
		{"an image", png, "image/png", "inline"},
		{"an image of a million million dots", huge, "application/octet-stream", "attachment"},
		{"a PDF", "%PDF-1.4\n...", "application/pdf", "inline"},
		{"a PDF behind a page", "<html>%PDF-1.4", "application/octet-stream", "attachment"},
	} {
		w.api.answer = func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/fhir/Binary/") {
				rw.Header().Set("Content-Type", "application/pdf")
				_, _ = rw.Write([]byte(tt.body))
				return
			}
			_, _ = rw.Write(fhir.Encode(map[string]any{"resourceType": "DocumentReference", "id": "d1", "status": "current",
				"content": []any{map[string]any{"attachment": map[string]any{"contentType": "application/pdf", "url": testBase + "/fhir/Binary/b1"}}}}))
		}
		r := b.get("/documents/d1/file")
		policy := r.Header().Get("Content-Security-Policy")
		if r.Code != http.StatusOK || r.Header().Get("Content-Type") != tt.contentType || !strings.HasPrefix(r.Header().Get("Content-Disposition"), tt.disposition+";") ||
			r.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") {
			t.Errorf("%s: %d as %s, %s, under %s", tt.name, r.Code, r.Header().Get("Content-Type"), r.Header().Get("Content-Disposition"), policy)
		}
	}
}

func TestNoCellOfATableIsAFormula(t *testing.T) {
	w := newWorld(t)
	w.api.answer = hostileAPI
	b := w.browser()
	maria := identities()[access.DutyPatient]
	b.signIn(maria)
	maria.ProvedAt, maria.Class = time.Now(), "strong"
	b.stepUp(maria)
	r := b.get("/my/looked.csv")
	rows, err := csv.NewReader(bytes.NewReader(r.Body.Bytes())).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, cell := range rows[1] {
		if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r|%") {
			t.Errorf("a cell begins like a formula: %q", cell[:1])
		}
	}
}
