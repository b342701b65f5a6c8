package portal

import (
	"net/http"
	"net/url"
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

// The list and the document's page say in the reader's language what the API says must be displayed, and nothing where it
// says nothing.
//
// Source: 42 CFR 2.32.
func TestThePagesSayWhatGoesWithADocument(t *testing.T) {
	said := func(text string, scope bool) string {
		more := ""
		if scope {
			more = `,{"url":"urn:concord:search:scope-of-consent","valueBoolean":true}`
		}
		return `{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-display","valueAnnotation":{"extension":[{"url":"urn:concord:search:obligation","valueCode":"P2-NOTICE"}` + more + `],"text":"` + text + `"}}`
	}
	words := map[string][2]string{"en": {"Part 2 prohibits it.", "The patient has consented that it may be given."}, "es": {"La parte 2 lo prohíbe.", "El paciente ha consentido que se entregue."}}
	for lang, want := range words {
		t.Run(lang, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			b.signIn(identities()[access.DutyClinician])
			b.do(http.MethodPost, "/language", url.Values{"language": {lang}})
			others := siteAPI(0)
			w.api.answer = func(rw http.ResponseWriter, r *http.Request) {
				asked := words[r.Header.Get("Accept-Language")]
				protected := `{"resourceType":"DocumentReference","id":"d1","meta":{"extension":[` + said(asked[0], false) + `,` + said(asked[1], true) + `]},"status":"current","content":[{"attachment":{"title":"Visit","contentType":"application/pdf"}}]}`
				plain := `{"resourceType":"DocumentReference","id":"d2","status":"current","content":[{"attachment":{"title":"Other","contentType":"application/pdf"}}]}`
				switch {
				case strings.HasSuffix(r.URL.Path, "/_search"):
					_, _ = rw.Write([]byte(`{"resourceType":"Bundle","type":"searchset","total":2,"entry":[{"resource":` + protected + `,"search":{"mode":"match"}},{"resource":` + plain + `,"search":{"mode":"match"}}]}`))
				case strings.HasSuffix(r.URL.Path, "/DocumentReference/d1"):
					_, _ = rw.Write([]byte(protected))
				case strings.HasSuffix(r.URL.Path, "/DocumentReference/d2"):
					_, _ = rw.Write([]byte(plain))
				default:
					others(rw, r)
				}
			}
			list := b.get("/patients/p1").Body.String()
			for _, text := range want {
				if strings.Count(list, text) != 1 {
					t.Errorf("the list says %q %d times, want once", text, strings.Count(list, text))
				}
				if page := b.get("/documents/d1?of=p1").Body.String(); !strings.Contains(page, text) {
					t.Errorf("the document's page lacks %q", text)
				}
				if page := b.get("/documents/d2?of=p1").Body.String(); strings.Contains(page, text) || strings.Contains(page, `role="note"`) {
					t.Error("the page of an ordinary document has a notice")
				}
			}
		})
	}
}
