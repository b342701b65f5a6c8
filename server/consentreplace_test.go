package server

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhatCountsIsNotUndoneByADraftNorByWhatBeginsLater updates a refusal that counts, and one that does not. From the update on
// nothing of the version before is left, so a draft, or a wish for next year, would open everything at once.
//
// Source: spec consent-cases 15 and 16.
func TestWhatCountsIsNotUndoneByADraftNorByWhatBeginsLater(t *testing.T) {
	period := func(start string) string { return `"provision":{"period":{"start":"` + start + `"},` }
	for _, tt := range []struct {
		name, first, then, refused string
	}{
		{"a draft in place of what is in force", "", `"status":"draft"`, "Consent.status"},
		{"a proposal in place of what is in force", "", `"status":"proposed"`, "Consent.status"},
		{"a rejected one in place of what is in force", "", `"status":"rejected"`, "Consent.status"},
		{"a draft in place of what was revoked", `"status":"inactive"`, `"status":"draft"`, "Consent.status"},
		{"one that begins later in place of what is in force", "", period("2031-01-01"), "Consent.provision.period.start"},
		{"one that begins later in place of what was revoked", `"status":"inactive"`, period("2031-01-01"), "Consent.provision.period.start"},
		{"one that has begun", "", period("2026-01-01"), ""},
		{"filed in error", "", `"status":"entered-in-error"`, ""},
		{"a draft in place of a draft", `"status":"draft"`, `"status":"proposed"`, ""},
		{"one that begins later in place of a draft", `"status":"draft"`, period("2031-01-01"), ""},
		{"one that begins later in place of one that has not begun", period("2030-01-01"), period("2031-01-01"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWard(t)
			as := func(member string) string {
				return strings.Replace(strings.Replace(consentBody(refTo(w.alice)), `"status":"active"`, map[bool]string{true: member, false: `"status":"active"`}[strings.Contains(member, "status")], 1),
					`"provision":{`, map[bool]string{true: member, false: `"provision":{`}[strings.Contains(member, "provision")], 1)
			}
			r := w.file(mercyToken, as(tt.first))
			if r.Code != http.StatusCreated {
				t.Fatalf("%d %s", r.Code, r.Body)
			}
			path, _, _ := strings.Cut(strings.TrimPrefix(r.Header().Get("Location"), testBase), "/_history/")
			body := strings.Replace(as(tt.then), `"resourceType":"Consent"`, `"resourceType":"Consent","id":"`+strings.TrimPrefix(path, "/fhir/Consent/")+`"`, 1)
			r = w.do(http.MethodPut, path, mercyToken, []byte(body), "If-Match", `W/"1"`)
			if tt.refused == "" {
				if r.Code != http.StatusOK {
					t.Errorf("%d %s", r.Code, r.Body)
				}
				return
			}
			w.refused(r, http.StatusBadRequest, "business-rule", tt.refused)
			if len(w.cabinet.versions) != 1 {
				t.Error("it was filed all the same")
			}
		})
	}
}
