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
