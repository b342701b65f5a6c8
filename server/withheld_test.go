package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/google/go-cmp/cmp"
)

// What requesters are told of what is withheld is the network's policy, and no policy tells apart why nothing is shown.
func TestWhatIsToldOfWhatIsWithheldFollowsThePolicy(t *testing.T) {
	x := newExchange(t)
	publish := func(body string) {
		x.want(http.StatusCreated, "hospital", http.MethodPost, "/fhir/DocumentReference", body)
	}
	publish(docAt("hospital", 1, nil))
	publish(strings.Replace(docAt("hospital", 2, nil), `"code":"18842-5"`, `"code":"11506-3"`, 1))
	restricted := strings.Replace(docAt("hospital", 3, nil), `"code":"18842-5"`, `"code":"18748-4"`, 1)
	publish(strings.Replace(restricted, `"code":"N"`, `"code":"R"`, 1))
	deny := func(class string) string {
		return `{"type":"deny","class":[{"system":"http://loinc.org","code":"` + class + `"}]}`
	}
	x.file("OPTIN", `{"type":"permit","provision":[`+deny("18842-5")+`,`+deny("18748-4")+`]}`)
	generic := mayBeWithheld.Diagnostics
	for _, tt := range []struct {
		notice   consent.WithheldNotice
		some     []string // what is told beside what is shown
		nothing  []string // what is told where nothing is shown
		presence int
	}{
		{consent.NoticeSilent, nil, nil, 0},
		{consent.NoticeGeneric, []string{generic}, []string{generic}, 1},
		{consent.NoticeNamed, []string{"Documents of these kinds are withheld from this answer: 18842-5.", generic}, []string{generic}, 1},
	} {
		t.Run(string(tt.notice), func(t *testing.T) {
			x.notice(tt.notice)
			texts := func(issues []fhir.Issue) (out []string) {
				for _, i := range issues {
					out = append(out, i.Diagnostics)
				}
				return out
			}
			docs, issues, _ := x.search("clinic", mine+"&status=current")
			if diff := cmp.Diff(tt.some, texts(issues)); diff != "" || len(docs) != 1 {
				t.Errorf("%d documents shown, want 1; told:\n%s", len(docs), diff)
			}
			_, issues, _ = x.search("clinic", "status=current&patient.identifier=urn:clinic%7Cnobody")
			if diff := cmp.Diff(tt.nothing, texts(issues)); diff != "" {
				t.Errorf("told about nobody:\n%s", diff)
			}
			faces := map[string]bool{}
			for _, q := range []string{"patient.identifier=urn:clinic%7Cnobody", mine + "&category=http://loinc.org%7C18842-5", mine + "&category=http://loinc.org%7C48765-2"} {
				r := x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference?"+q, "")
				var b fhir.Bundle
				if err := fhir.Decode(r.body, &b); err != nil {
					t.Fatal(err)
				}
				b.Link = nil // what was asked
				faces[string(fhir.Encode(b))] = true
			}
			if len(faces) != 1 {
				t.Errorf("nobody, nothing and withheld give %d different answers", len(faces))
			}
			var places fhir.Parameters
			if err := fhir.Decode(x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference/$presence?"+mine, "").body, &places); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, p := range places.Parameter {
				if p.Name == "notice" {
					n++
				}
			}
			if n != tt.presence {
				t.Errorf("presence tells %d notices, want %d", n, tt.presence)
			}
		})
	}
}
