package consentfhir

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/google/go-cmp/cmp"
)

const r5OptOut = `{"resourceType":"Consent","id":"x","status":"active","category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],
 "subject":{"reference":"Patient/p"},"date":"2026-02-01","period":{"start":"2026-01-01"},"grantor":[{"reference":"Patient/p"}],
 "controller":[{"reference":"Organization/ex-organization"}],"manager":[{"reference":"Organization/other"}],"decision":"deny",
 "verification":[{"verified":true,"verificationDate":["2026-02-01"],"verifiedBy":{"reference":"Practitioner/c"}}],
 "provision":[{"actor":[{"reference":{"reference":"Organization/ex-org-researcher"}}],"purpose":[{"code":"TREAT"}],
  "provision":[{"securityLabel":[{"code":"R"}]}]}]}`

func TestAnR5ConsentIsReadAsItsWordsInR4(t *testing.T) {
	got, err := Read([]byte(r5OptOut))
	if err != nil {
		t.Fatal(err)
	}
	want := consent.Directive{Status: "active", SignedWithin: 25 * time.Hour, Scope: "patient-privacy", Performers: []string{"Patient/p"}, Organizations: []string{"Organization/ex-organization"},
		PolicyRules: []string{"OPTOUT"}, Provision: &consent.Provision{Type: "deny", Period: &consent.Period{Start: "2026-01-01"},
			Provisions: []consent.Provision{{Type: "permit", Actors: []consent.Actor{{Reference: "Organization/ex-org-researcher"}}, Purposes: []string{"TREAT"},
				Provisions: []consent.Provision{{Type: "deny", Labels: []string{"R"}}}}}}}
	if d := cmp.Diff(want, got, exportAll); d != "" {
		t.Error(d)
	}
}

// exportAll lets cmp look into private values.
var exportAll = cmp.Exporter(func(reflect.Type) bool { return true })

func TestAnR5ConsentIsFiledAsReceivedAndServedAsR4(t *testing.T) {
	v, patient, err := ReadFiling([]byte(r5OptOut), noon, time.UTC)
	if err != nil || patient.Reference != "Patient/p" || !v.Verified || v.NetworkWide || string(v.Content) != r5OptOut {
		t.Fatalf("filing: %v, %+v", err, patient)
	}
	v.Number, v.Filed = 1, noon
	out, err := Render(v, "ours")
	if err != nil {
		t.Fatal(err)
	}
	var c fhir.Consent
	if err := fhir.Decode(out, &c); err != nil || c.DateTime != "2026-02-01" || c.Patient == nil || c.PolicyRule == nil || c.Provision.Type != "deny" || c.ID != "ours" {
		t.Errorf("%v: %s", err, out)
	}
	for _, gone := range []string{`"subject"`, `"decision"`, `"grantor"`, `"controller":`} {
		if strings.Contains(string(out), gone) {
			t.Errorf("what is served has %s, which R4 has not", gone)
		}
	}
	if !strings.Contains(string(out), R5ElementURL+"#manager") {
		t.Error("an element R4 has not was dropped")
	}
	first, err1 := Read(v.Content)
	second, err2 := Read(out)
	if err1 != nil || err2 != nil || cmp.Diff(first.Provision, second.Provision, exportAll) != "" || second.Modified {
		t.Errorf("served and read again it says something else: %v %v", err1, err2)
	}
	if !(Search{}).Meets(v, "ours") {
		t.Error("a search does not meet it")
	}
	if off, err := Revoked(v.Content, true); err != nil || !strings.Contains(string(off), `"inactive"`) || !strings.Contains(string(off), ReturnToDefaultURL) {
		t.Errorf("revoked: %v %s", err, off)
	}
}

// TestWhatR4CannotSayHoldsAnR5Consent: its denies act, its permits do not, and nothing is lost.
func TestWhatR4CannotSayHoldsAnR5Consent(t *testing.T) {
	permit := strings.NewReplacer(`"decision":"deny"`, `"decision":"permit"`, `"R"`, `"V"`).Replace(r5OptOut)
	for name, in := range map[string]string{
		"an expression":                          strings.Replace(permit, `"purpose":[`, `"expression":{"language":"text/cql","expression":"x"},"purpose":[`, 1),
		"kinds of resource and document at once": strings.Replace(permit, `"purpose":[`, `"resourceType":[{"code":"Observation"}],"documentType":[{"code":"11488-4"}],"purpose":[`, 1),
		"an element of a later day":              strings.Replace(permit, `"decision"`, `"mood":"blue","decision"`, 1),
		"whom it is given to":                    strings.Replace(permit, `"decision"`, `"grantee":[{"reference":"Organization/elm"}],"decision"`, 1),
		"what changes a verification":            strings.Replace(permit, `"verified":true`, `"modifierExtension":[{"url":"urn:x","valueBoolean":true}],"verified":true`, 1),
		"a basis without an address":             strings.Replace(permit, `"decision"`, `"policyBasis":{"reference":{"reference":"Policy/x"}},"decision"`, 1),
	} {
		d, err := Read([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d.ID, d.Record, d.Verified, d.NetworkWide, d.Filed, d.Signed = "1", "1", true, true, noon.Add(-time.Hour), noon.Add(-time.Hour)
		dec := consent.Compile(pcfEnv(t, "deny"), consent.Subject{Records: []consent.Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}}}, []consent.Directive{d})
		got := dec.Explain(consent.Request{Organization: "other", Roles: []string{}, Purposes: []hie.Purpose{"TREAT"}},
			consent.Document{ID: "d", Record: "1", Site: "s", Class: "lab", Confidentiality: "N", LabelState: consent.Labelled}, noon)
		if got.Decision.Release || got.Directives[0].State != "held" {
			t.Errorf("%s: released %t, %s", name, got.Decision.Release, got.Directives[0].State)
		}
	}
}

func TestAnR5ConsentWithoutADecisionIsHeld(t *testing.T) {
	d, err := Read([]byte(strings.Replace(r5OptOut, `"decision":"deny",`, ``, 1)))
	if err != nil || d.Provision.Type != "" || len(d.PolicyRules) != 1 || d.PolicyRules[0] != "unknown" {
		t.Errorf("%v %q", err, d.PolicyRules)
	}
}
