package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// underPart2 puts what site holds under the rules and words of the program's Part 2 pack, as if it were a program.
func (x *exchange) underPart2(site hie.SiteID) {
	x.Helper()
	packs, err := consentjson.Standing()
	if err != nil {
		x.Fatal(err)
	}
	var rules []consent.Rule
	for _, r := range (consent.Options{}).In(packs, time.Now()).Rules {
		if slices.Equal(r.Scope.Regimes, []string{"part2"}) {
			r.ID, r.Scope.Regimes, r.Scope.Sites = r.ID+"-"+string(site), nil, []hie.SiteID{site}
			rules = append(rules, r)
		}
	}
	x.rule(rules...)
}

const (
	short42  = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
	scopeEN  = "The patient has consented that documents from their record may be given to clinic and its units, for treatment, payment and health care operations."
	permitP2 = `{"type":"permit","actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/rural"}},{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/clinic"}}],
		"purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HPAYMT"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HOPERAT"}]}`
)

// filePart2 files Maria's Part 2 consent.
func (x *exchange) filePart2() {
	x.filed("OPTIN", permitP2, `"policy":[{"uri":"`+consent.PolicyPart2+`"}],`)
}

// displayed are the sentences that a resource's meta says should be displayed.
func displayed(t *testing.T, resource []byte) (out []string) {
	t.Helper()
	var r struct {
		Meta struct {
			Extension []fhir.Extension `json:"extension"`
		} `json:"meta"`
	}
	if err := fhir.Decode(resource, &r); err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Meta.Extension {
		if e.URL == extensionDisplay && e.ValueAnnotation != nil {
			out = append(out, e.ValueAnnotation.Text)
		}
	}
	return out
}

// Each answer that discloses what a program holds has the statement of 42 CFR 2.32(a) and the scope of the consent (b) with it;
// what is not under it has neither, and none who may not have the document has either.
func TestTheStatementsOf42CFRPart2GoWithEveryDisclosure(t *testing.T) {
	x := newExchange(t)
	x.publish(1, []byte("a note of the program"), nil)
	x.want(http.StatusCreated, "clinic", http.MethodPost, "/fhir/DocumentReference", docAt("clinic", 2, []byte("an ordinary one")))
	x.underPart2("hospital")
	before := x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference?"+mine, "")
	presence := x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference/$presence?"+mine, "")
	for _, word := range []string{"part 2", extensionDisplay, "P2-NOTICE", "consented"} {
		if strings.Contains(string(before.body)+string(presence.body), word) {
			t.Errorf("without the consent the answer holds %q", word)
		}
	}
	x.filePart2()

	_, _, b := x.search("clinic", mine)
	var protected fhir.DocumentReference
	for _, e := range b.Entry {
		if e.Search.Mode != "match" {
			continue
		}
		var d fhir.DocumentReference
		if err := fhir.Decode(e.Resource, &d); err != nil {
			t.Fatal(err)
		}
		said := displayed(t, e.Resource)
		if d.MasterIdentifier.Value != "u-1" {
			if said != nil {
				t.Errorf("an ordinary document says %q", said)
			}
			continue
		}
		protected = d
		if !slices.Contains(said, short42) || !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, scopeEN) }) {
			t.Errorf("the entry says %q", said)
		}
	}
	if protected.ID == "" {
		t.Fatal("with the consent it is not found")
	}
	text := string(fhir.Encode(b))
	if strings.Contains(text, "rural") || strings.Contains(text, "Zyxquill") {
		t.Error("the explanation names another recipient, or the patient")
	}

	read := x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference/"+protected.ID, "")
	if said := displayed(t, read.body); !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, "This record which has been disclosed to you") }) ||
		!slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, scopeEN) }) {
		t.Errorf("the reference says %q", said)
	}
	spanish := x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference/"+protected.ID, "", "Accept-Language", "en;q=0.4, es-MX")
	if said := strings.Join(displayed(t, spanish.body), "\n"); !strings.Contains(said, "Este registro que se le ha divulgado") || !strings.Contains(said, "El paciente ha consentido") {
		t.Errorf("in Spanish it says %q", said)
	}
	own := x.want(http.StatusOK, "hospital", http.MethodGet, "/fhir/DocumentReference/"+protected.ID, "")
	if said := displayed(t, own.body); said != nil {
		t.Errorf("to its owner it says %q", said)
	}

	path := strings.TrimPrefix(protected.Content[0].Attachment.URL, x.node.URL)
	bytes := x.want(http.StatusOK, "clinic", http.MethodGet, path, "")
	link := x.node.URL + path + "/$notice"
	if got, want := bytes.header.Get("Concord-Notice"), `P2-NOTICE;text="`+short42+`";scope="`+scopeEN; !strings.Contains(got, want) || !strings.Contains(got, "NO-PROCEEDINGS;text=") {
		t.Errorf("the header says %q, want %s in it", got, want)
	}
	if got := bytes.header.Get("Link"); got != "<"+link+`>; rel="describedby"; type="application/fhir+json"` {
		t.Errorf("linked: %s", got)
	}
	if string(bytes.body) != "a note of the program" || !slices.Contains(strings.Split(bytes.header.Get("Concord-Obligations"), ", "), "P2-NOTICE") {
		t.Errorf("the bytes came as %q with %s", bytes.body, bytes.header.Get("Concord-Obligations"))
	}
	wrapped := x.want(http.StatusOK, "clinic", http.MethodGet, path, "", "Accept", "application/fhir+json")
	var binary struct {
		ResourceType string `json:"resourceType"`
		Data         string `json:"data"`
	}
	if err := fhir.Decode(wrapped.body, &binary); err != nil || binary.ResourceType != "Binary" || binary.Data == "" || len(displayed(t, wrapped.body)) < 2 {
		t.Errorf("as a resource it says %q, %v", displayed(t, wrapped.body), err)
	}

	notice := x.want(http.StatusOK, "clinic", http.MethodGet, path+"/$notice", "")
	for _, part := range []string{`"P2-NOTICE"`, "This record which has been disclosed to you", "Este registro que se le ha divulgado", short42, scopeEN, "El paciente ha consentido", `"us-part2 2026-02-16"`, "42 CFR 2.32"} {
		if !strings.Contains(string(notice.body), part) {
			t.Errorf("the notice lacks %q", part)
		}
	}
	if got := x.want(http.StatusOK, "clinic", http.MethodGet, "/fhir/DocumentReference/$presence?"+mine, ""); !strings.Contains(string(got.body), "The hospital") || !strings.Contains(string(got.body), short42) {
		t.Errorf("where it is told that the program has something, its statement is not: %s", got.body)
	}
	x.optOut()
	gone, nobody := x.want(http.StatusNotFound, "clinic", http.MethodGet, path+"/$notice", ""), x.want(http.StatusNotFound, "clinic", http.MethodGet, "/fhir/Binary/nothing/$notice", "")
	if face(gone) != face(nobody) {
		t.Error("the notice of what was taken back and of what there never was look different")
	}
	x.want(http.StatusUnauthorized, "stranger", http.MethodGet, path+"/$notice", "")
}

// An ordinary document's answers are as they were: nothing is added anywhere.
func TestNothingGoesWithWhatNothingIsSaidOf(t *testing.T) {
	x := newExchange(t)
	x.publish(1, []byte("an ordinary note"), nil)
	docs, _, b := x.search("clinic", mine)
	if len(docs) != 1 || strings.Contains(string(fhir.Encode(b)), extensionDisplay) {
		t.Fatalf("%d found: %s", len(docs), fhir.Encode(b))
	}
	path := strings.TrimPrefix(docs[0].Content[0].Attachment.URL, x.node.URL)
	r := x.want(http.StatusOK, "clinic", http.MethodGet, path, "")
	for _, h := range []string{"Concord-Notice", "Link"} {
		if r.header.Get(h) != "" {
			t.Errorf("%s: %s", h, r.header.Get(h))
		}
	}
	if got := x.want(http.StatusOK, "clinic", http.MethodGet, path+"/$notice", ""); string(got.body) != `{"resourceType":"Parameters"}` {
		t.Errorf("its notice is %s", got.body)
	}
}

func TestTheLanguageOfStatementsIsTheOneLikedBest(t *testing.T) {
	for header, want := range map[string]string{"": "en", "es": "es", "es-MX,en;q=0.8": "es", "en, es": "en", "fr, es;q=0.1": "es", "fr": "en", "es;q=0": "en", "es;q=x, en;q=0.1": "en", "ES": "es"} {
		if got := askedLanguage(header); got != want {
			t.Errorf("%q gives %s, want %s", header, got, want)
		}
	}
}

func TestAHeaderHoldsTheShortStatementsAsAStructuredField(t *testing.T) {
	words := func(long, short string) consent.Statement {
		return consent.Statement{Words: map[string]consent.StatementWords{"en": {Long: long, Short: short}}}
	}
	got := noticeHeader([]consent.Caveat{{Obligation: "DELAU:2026-06-30", Statement: words("Erase it.", "By {value}.")}, {Obligation: "STATE-STMT:NY", Statement: words("Long.", "")},
		{Obligation: "X", Statement: words("", `a "b" \c`), Permissions: []consent.Permission{{Everybody: true, Site: "san-jose"}}}}, consent.Names{Site: func(hie.SiteID) string { return "San José" }})
	if want := `DELAU:2026-06-30;text="By 2026-06-30.", STATE-STMT:NY, X;text="a \"b\" \\c"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The trail says which words of which pack went with what was disclosed, and by which consent it left.
func TestTheTrailSaysWhichWordsWentWithADisclosure(t *testing.T) {
	x := newExchange(t)
	x.publish(1, []byte("a note of the program"), nil)
	x.underPart2("hospital")
	x.filePart2()
	x.want(http.StatusOK, "clinic", http.MethodGet, x.first(), "")
	var n int
	if err := x.db.QueryRow(context.Background(), `select count(*) from audit.event where kind = 'disclosed' and convert_from(body, 'UTF8') like '%P2-NOTICE us-part2 2026-02-16 v0 scope%' and convert_from(body, 'UTF8') ~ '"ground":\[[^]]*"[0-9]+/1"'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 2 { // the search and the retrieval
		t.Errorf("%d disclosures tell of the notice, want 2", n)
	}
}

// Who holds the record and asks the hook whether it may go is told what must go with it.
func TestAConsultationTellsWhatMustGoWithWhatIsPermitted(t *testing.T) {
	w := newWard(t)
	rule := func(code, words string, labels ...string) consent.Rule {
		return consent.Rule{ID: code, Layer: consent.LayerLaw, Effect: consent.Neutral, Presume: true, Obligations: []string{code}, Scope: consent.Scope{Labels: labels},
			Statements: []consent.Statement{{Code: code, Words: map[string]consent.StatementWords{"en": {Long: words}, "es": {Long: words + " (es)"}}}}}
	}
	var err error
	if w.env, err = consent.FromNetwork(w.network, consent.Options{Rules: []consent.Rule{rule("NORDSCLCD", "Keep it."), rule("STATE-STMT:ZZ", "Of a state.", "HIV")}}); err != nil {
		t.Fatal(err)
	}
	ask := func(labels string) (summary, owed string) {
		r := w.do(http.MethodPost, consultPath, mercyToken, []byte(`{"hook":"patient-consent-consult","hookInstance":"x","context":{"patientId":[{"system":"`+redSystem+`","value":"R-1"}],"actor":[{"value":"Organization/oak"}],"purposeOfUse":"TREAT",
			"content":{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"a","category":[{"coding":[{"code":"laboratory"}]}],"meta":{"security":[{"code":"N"}`+labels+`]}}}]}}}`), "Content-Type", "application/json")
		var a struct {
			Cards []struct {
				Summary   string
				Extension struct {
					Obligations []struct {
						ID         struct{ Code string }
						Parameters struct{ Statements []struct{ Text string } }
					}
				}
			}
		}
		if err := json.Unmarshal(r.Body.Bytes(), &a); err != nil || len(a.Cards) != 1 {
			t.Fatalf("%v %s", err, r.Body)
		}
		for _, o := range a.Cards[0].Extension.Obligations {
			owed += " " + o.ID.Code
			for _, s := range o.Parameters.Statements {
				owed += " " + s.Text
			}
		}
		return a.Cards[0].Summary, strings.TrimSpace(owed)
	}
	for labels, want := range map[string]string{"": "NORDSCLCD Keep it. Keep it. (es)", `,{"code":"HIV"}`: "NORDSCLCD Keep it. Keep it. (es) STATE-STMT:ZZ Of a state. Of a state. (es)"} {
		if summary, owed := ask(labels); summary != "CONSENT_PERMIT" || owed != want {
			t.Errorf("with labels %s: %s %s, want %s", labels, summary, owed, want)
		}
	}
	w.filed(mercyToken, w.alice)
	if summary, owed := ask(""); summary != "CONSENT_DENY" || owed != "" {
		t.Errorf("a refusal: %s %s", summary, owed)
	}
}

// Codes go with what is shown, in the entry and with the bytes alike; what binds the exchange alone is told nobody. The labels
// a site gave stand in the reference as it gave them.
//
// Source: spec consent 2.11 (LABELS, MINEC).
func TestWhichCodesGoWithADocument(t *testing.T) {
	x := newExchange(t)
	label := `{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]}`
	x.want(http.StatusCreated, "hospital", http.MethodPost, "/fhir/DocumentReference", strings.Replace(docAt("hospital", 1, []byte("a note")), label, label+`,{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"GDIS"}]}`, 1))
	x.hold("/hospital/Binary/1", []byte("a note"), nil)
	for token, want := range map[string]string{"clinic": "LABELS", "clinic-billing": "LABELS, MINEC"} {
		docs, _, b := x.search(token, mine)
		if len(docs) != 1 {
			t.Fatalf("%s finds %d", token, len(docs))
		}
		var codes []string
		for _, e := range b.Entry {
			for _, y := range e.Search.Extension {
				if y.URL == extensionObligation {
					codes = append(codes, y.ValueCode)
				}
			}
		}
		r := x.want(http.StatusOK, token, http.MethodGet, strings.TrimPrefix(docs[0].Content[0].Attachment.URL, x.node.URL), "")
		if strings.Join(codes, ", ") != want || r.header.Get("Concord-Obligations") != want {
			t.Errorf("%s is told %v with the entry and %s with the bytes, want %s", token, codes, r.header.Get("Concord-Obligations"), want)
		}
		read := x.want(http.StatusOK, token, http.MethodGet, "/fhir/DocumentReference/"+docs[0].ID, "")
		if minimal := strings.Contains(string(read.body), `"MINEC"`); minimal != (token == "clinic-billing") {
			t.Errorf("%s reads that no more than needed may be used: %t", token, minimal)
		}
		if len(docs[0].SecurityLabel) != 2 || docs[0].SecurityLabel[1].Coding[0].Code != "GDIS" {
			t.Errorf("%s is shown labels %v", token, docs[0].SecurityLabel)
		}
	}
}

// The name of a program that did not answer comes with its statement, and that of an ordinary site as it did.
func TestTheNameOfASilentProgramComesWithItsStatement(t *testing.T) {
	x := newExchange(t)
	x.live = `zyxquill`
	told := func(want string) {
		t.Helper()
		_, issues, _ := x.search("clinic", mine)
		if len(issues) == 0 || !strings.HasPrefix(issues[0].Diagnostics, "The rural could not be asked.") || !strings.HasSuffix(issues[0].Diagnostics, want) {
			t.Errorf("told %v, want %q at its end", issues, want)
		}
	}
	told("could not be asked.")
	x.rule(consent.Rule{ID: "zz", Layer: consent.LayerLaw, Effect: consent.Neutral, Obligations: []string{"P2-NOTICE"}, Scope: consent.Scope{Sites: []hie.SiteID{"rural"}},
		Statements: []consent.Statement{{Code: "P2-NOTICE", Words: map[string]consent.StatementWords{"en": {Long: "Long.", Short: "Prohibited."}}}}})
	told("could not be asked. Prohibited.")
}
