package portal

import (
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/access"
)

func TestThePageSaysOfWhatIsWithheldWhatTheAnswerSays(t *testing.T) {
	const generic = `{"severity":"information","code":"informational","diagnostics":"Information may be withheld or unavailable."}`
	const named = `{"severity":"information","code":"suppressed","details":{"text":"withheld","coding":[{"code":"18842-5"}]},"diagnostics":"…"}`
	for _, tt := range []struct {
		name, issues string
		says, hides  []string
	}{
		{"the generic notice", generic, []string{"Information may be withheld", "There may be none, or none that may be shown to you"}, []string{"Kept back from you"}},
		{"a kind that is named", named + "," + generic, []string{"Kept back from you:", "Hospital discharge summaries", "Information may be withheld"}, nil},
		{"silence", "", []string{"No documents to show", "Ask the patient, or call"}, []string{"withheld", "Kept back from you", "none that may be shown"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			b.signIn(identities()[access.DutyClinician])
			others := siteAPI(0)
			w.api.answer = func(rw http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/_search") {
					others(rw, r)
					return
				}
				entry := ""
				if tt.issues != "" {
					entry = `{"resource":{"resourceType":"OperationOutcome","issue":[` + tt.issues + `]},"search":{"mode":"outcome"}}`
				}
				_, _ = rw.Write([]byte(`{"resourceType":"Bundle","type":"searchset","total":0,"entry":[` + entry + `]}`))
			}
			page := b.get("/patients/p1").Body.String()
			for _, s := range tt.says {
				if !strings.Contains(page, s) {
					t.Errorf("the page lacks %q", s)
				}
			}
			for _, s := range tt.hides {
				if strings.Contains(page, s) {
					t.Errorf("the page says %q", s)
				}
			}
		})
	}
}

// Discharge summaries, medication lists and allergies stand above the list, and once more in it.
//
// Source: spec ux D2, "Pinned".
func TestWhatIsWantedFirstStandsAboveTheList(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signIn(identities()[access.DutyClinician])
	others := siteAPI(0)
	document := func(id, class, title string) string {
		kind := `{"coding":[{"system":"http://loinc.org","code":"` + class + `"}]}`
		return `{"resource":{"resourceType":"DocumentReference","id":"` + id + `","status":"current","category":[` + kind + `],"type":` + kind +
			`,"content":[{"attachment":{"title":"` + title + `","creation":"2026-01-02T03:04:05Z","contentType":"application/pdf"}}]}}`
	}
	w.api.answer = func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/_search") {
			others(rw, r)
			return
		}
		_, _ = rw.Write([]byte(`{"resourceType":"Bundle","type":"searchset","total":4,"entry":[` + strings.Join([]string{document("d1", "11506-3", "Visit in May"),
			document("d2", "18842-5", "Stay in April"), document("d3", "10160-0", "Tablets"), document("d4", "48765-2", "Reactions")}, ",") + `]}`))
	}
	page := b.get("/patients/p1").Body.String()
	pinned, list, found := strings.Cut(page, "<table")
	if !found {
		t.Fatalf("no list: %s", page)
	}
	for title, first := range map[string]bool{"Visit in May": false, "Stay in April": true, "Tablets": true, "Reactions": true} {
		if strings.Contains(pinned, title) != first || !strings.Contains(list, title) {
			t.Errorf("%q stands above the list: %v, want %v; in it: %v", title, strings.Contains(pinned, title), first, strings.Contains(list, title))
		}
	}
}
