package locatorfhir

import (
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// Marks stand after what a site published in meta, which stays; without marks meta is as it came.
func TestMarksJoinWhatWasPublished(t *testing.T) {
	marks := Marks{Security: []fhir.Coding{{System: locator.SystemActCode, Code: "NORDSCLCD"}}, Display: []fhir.Extension{{URL: "urn:display", ValueAnnotation: &fhir.Annotation{Text: "Keep it."}}}}
	const said = `"valueAnnotation":{"text":"Keep it."}}`
	for _, tt := range []struct {
		name, meta string
		marks      Marks
		want       string
	}{
		{"nothing published", ``, marks, `"security":[{"system":"` + locator.SystemActCode + `","code":"NORDSCLCD"}],"extension":[{"url":"urn:display",` + said + `]`},
		{"labels published", `"meta":{"security":[{"code":"R"}]},`, marks, `"security":[{"code":"R"},{"system":"` + locator.SystemActCode + `","code":"NORDSCLCD"}]`},
		{"an extension published", `"meta":{"extension":[{"url":"urn:own"}]},`, marks, `"extension":[{"url":"urn:own"},{"url":"urn:display",` + said + `]`},
		{"no marks", `"meta":{"security":[{"code":"R"}]},`, Marks{}, `"security":[{"code":"R"}],"versionId"`},
	} {
		got := string(DocumentReference(locator.Pointer{Version: 1, Received: []byte(`{"resourceType":"DocumentReference",` + tt.meta + `"content":[]}`)}, Public{ID: "d", Patient: "p", Marks: tt.marks}))
		if !strings.Contains(got, tt.want) || tt.marks.Display == nil && strings.Contains(got, "urn:display") {
			t.Errorf("%s: %s, want %s in it", tt.name, got, tt.want)
		}
	}
}
